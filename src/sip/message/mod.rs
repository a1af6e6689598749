//! SIP messages: bytes in, spans out, and the way back (RFC 3261 §7, §20, §25).
//!
//! [`Message::parse`] frames: it finds the start line, the header lines and the body, and notes
//! where they lie in the bytes it was given. Nothing is copied and one table is allocated. It is
//! tolerant, because phones are sloppy. [`Message::check`] is the strict part: what it finds can be
//! answered with a 400. Everything else is read lazily by small typed accessors.
//!
//! [`Writer`] prints: requests, responses, and replies to a request as §8.2.6 wants them. What it is
//! given can never break out of its line.
//!
//! This room does not know transactions, dialogs or transports, and gives no meaning to a header
//! beyond its grammar. Authorization values are read by `sip::auth`, bodies by `sdp`.
//!
//! ```
//! use bytes::Bytes;
//! use moonswitch::sip::message::{Message, Method, Writer};
//!
//! let bytes = Bytes::from_static(b"OPTIONS sip:pbx.example SIP/2.0\r\n\
//!     v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport\r\nf: <sip:ann@pbx.example>;tag=1\r\n\
//!     t: <sip:pbx.example>\r\ni: 1@192.0.2.1\r\nCSeq: 1 OPTIONS\r\n\r\n");
//! let request = Message::parse(bytes).unwrap();
//! assert_eq!(request.check(), Ok(()));
//! assert_eq!(request.method(), Method::Options);
//! let source = "198.51.100.7:1024".parse().unwrap();
//! let reply = Message::parse(Writer::reply(&request, 200, source, Some("t1")).finish()).unwrap();
//! assert_eq!(reply.top_via().unwrap().params.get("rport"), Some("1024"));
//! ```

mod check;
mod cseq;
mod error;
mod method;
mod name;
mod name_addr;
mod params;
mod parse;
mod print;
mod scan;
mod status;
mod typed;
mod uri;
mod via;

#[cfg(test)]
mod tests;

pub use cseq::CSeq;
pub use error::{Fault, ParseError};
pub use method::Method;
pub use name::Name;
pub use name_addr::{Contacts, NameAddr};
pub use params::Params;
pub use print::Writer;
pub use status::reason_phrase;
pub use uri::{Scheme, Uri};
pub use via::Via;

use bytes::Bytes;

use parse::{Field, Span, Start};

/// The longest message we read, start line to body: what fits into one datagram. Spans are 16 bits
/// wide because of it, and a body is bounded by it too.
pub const MAX_MESSAGE: usize = 65_535;
/// The most header lines we read. The most that RFC 4475 dares is 43; a thousand are an attack.
pub const MAX_HEADERS: usize = 128;
/// The most values of Via, Route, Record-Route, Path or Contact that `check` lets pass.
pub const MAX_VALUES: usize = 128;
/// The longest start line we read.
pub const MAX_START_LINE: usize = 8_192;
/// The longest header name we read.
pub const MAX_NAME: usize = 256;
/// The longest URI we take; a longer Request-URI is a 414 (RFC 3261 §21.4.11).
pub const MAX_URI: usize = 2_048;

/// A SIP message: its bytes, and a table of where things are in them.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    start: Start,
    fields: Vec<Field>,
    /// What was received behind the blank line; `body` is the part that Content-Length grants.
    after: Span,
    body: Span,
}

impl Message {
    /// Frames a message that came in one piece: a datagram, or what the stream framing cut out.
    ///
    /// Tolerated: CRLFs in front, bare LF, folded lines, space before a colon, compact and unknown
    /// header names, unknown methods and schemes, bytes that are not UTF-8. Bytes beyond
    /// Content-Length are ignored (RFC 3261 §18.3).
    pub fn parse(bytes: Bytes) -> Result<Self, ParseError> {
        parse::message(bytes)
    }

    /// The bytes of the message. Leading CRLFs are gone, and the line ends inside folded headers
    /// are spaces (RFC 3261 §7.3.1 makes them equal); otherwise they are as received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// True for a request, false for a response.
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The method; that of a response is in its CSeq, [`Method::Other`] if that is unreadable.
    pub fn method(&self) -> Method {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.cseq().map_or(Method::Other, |cseq| cseq.method),
        }
    }

    /// The method as written; empty for a response whose CSeq is unreadable.
    pub fn method_token(&self) -> &str {
        match self.start {
            Start::Request { token, .. } => self.str_at(token),
            Start::Response { .. } => self.cseq().map_or("", |cseq| cseq.token),
        }
    }

    /// The Request-URI as written; empty if it is not UTF-8, which [`Message::check`] refuses.
    pub fn request_uri(&self) -> Option<&str> {
        match self.start {
            Start::Request { uri, .. } => Some(self.str_at(uri)),
            Start::Response { .. } => None,
        }
    }

    /// The status code of a response, 100 to 699.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response, which may be any bytes; empty for a request.
    pub fn reason(&self) -> &[u8] {
        match self.start {
            Start::Request { .. } => &[],
            Start::Response { reason, .. } => self.at(reason),
        }
    }

    /// The value of the first line of that name, trimmed.
    pub fn first(&self, name: Name) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The value of each line of that name, trimmed.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |field| field.name == name).map(|field| self.at(field.value))
    }

    /// Each value of that name: lines cut at commas outside of quotes and angle brackets
    /// (RFC 3261 §7.3.1). Empty ones are passed over.
    pub fn list(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.values(name).flat_map(|line| scan::split(line, b',')).filter(|value| !value.is_empty())
    }

    /// The value of the first line of that name, if it is UTF-8.
    pub fn text(&self, name: Name) -> Option<&str> {
        self.first(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// The headers that we have no [`Name`] for: name as written, and value.
    pub fn others(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields
            .iter()
            .filter(|field| field.name == Name::Other)
            .map(|field| (self.str_at(field.written), self.at(field.value)))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.at(self.body)
    }

    fn at(&self, span: Span) -> &[u8] {
        span.of(&self.bytes)
    }

    fn str_at(&self, span: Span) -> &str {
        str::from_utf8(self.at(span)).unwrap_or_default()
    }
}
