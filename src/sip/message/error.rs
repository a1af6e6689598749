//! What can be wrong with a message, and what to say about it.

use std::fmt;

use super::Name;

/// Why bytes are no message. Nobody can be told, so they are dropped (RFC 3261 §18.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Nothing but line ends: a keep-alive (RFC 5626 §3.5.1).
    Empty,
    /// More than `MAX_MESSAGE` bytes.
    TooLarge,
    /// Neither a request line nor a status line, or one beyond `MAX_START_LINE`.
    StartLine,
    /// A header line without a colon, or with a name that holds spaces or control bytes.
    Header,
    /// More than `MAX_HEADERS` header lines.
    TooManyHeaders,
    /// The bytes end before the blank line does.
    Unfinished,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::TooLarge => "message too large",
            Self::StartLine => "malformed start line",
            Self::Header => "malformed header line",
            Self::TooManyHeaders => "too many header lines",
            Self::Unfinished => "end of headers missing",
        })
    }
}

impl std::error::Error for ParseError {}

/// What is wrong with a message that could be framed. A request gets a response with
/// [`Fault::status`] and the text of this as its reason phrase; a response is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A mandatory header is not there (RFC 3261 §8.1.1).
    Missing(Name),
    /// A header that may stand once stands there again.
    Repeated(Name),
    /// A header is not what its grammar says.
    Malformed(Name),
    /// More than `MAX_VALUES` values of a header that lists them.
    TooMany(Name),
    /// An address (`name-addr` or `addr-spec`) is not what its grammar says.
    Address,
    /// A URI is not what its grammar says.
    Uri,
    /// The start line has a method that is no token, or white space at its end.
    StartLine,
    /// The Request-URI is malformed, in angle brackets, or carries headers (RFC 3261 §19.1.1).
    RequestUri,
    /// The Request-URI is longer than `MAX_URI`.
    RequestUriTooLong,
    /// A version of SIP that is not ours.
    Version,
    /// The methods in CSeq and start line differ (RFC 3261 §8.1.1.5).
    CSeqMethod,
    /// Two Content-Length lines that differ.
    ContentLengthConflict,
    /// The body is shorter than Content-Length says (RFC 3261 §18.3).
    BodyTooShort,
    /// A carriage return or an unescaped NUL inside a header: others might see it end there.
    StrayControl,
}

impl Fault {
    /// The status code that answers it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::RequestUriTooLong => 414,
            _ => 400,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "Missing {name}"),
            Self::Repeated(name) => write!(f, "Multiple {name}"),
            Self::Malformed(name) => write!(f, "Malformed {name}"),
            Self::TooMany(name) => write!(f, "Too Many {name}"),
            Self::Address => f.write_str("Malformed Address"),
            Self::Uri => f.write_str("Malformed URI"),
            Self::StartLine => f.write_str("Malformed Request Line"),
            Self::RequestUri => f.write_str("Malformed Request-URI"),
            Self::RequestUriTooLong => f.write_str("Request-URI Too Long"),
            Self::Version => f.write_str("Version Not Supported"),
            Self::CSeqMethod => f.write_str("CSeq Method Mismatch"),
            Self::ContentLengthConflict => f.write_str("Conflicting Content-Length"),
            Self::BodyTooShort => f.write_str("Body Shorter Than Content-Length"),
            Self::StrayControl => f.write_str("Stray Control Character"),
        }
    }
}

impl std::error::Error for Fault {}
