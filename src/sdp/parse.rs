//! From text to types (RFC 8866 §5).
//!
//! Lenient where phones differ: lone LF, unknown lines and attributes, doubled blanks, bytes that
//! are not UTF-8. Strict where it matters: the first line, `m=` lines, and every size.

use std::fmt;
use std::net::IpAddr;

use super::codec::Mapping;
use super::line::{Format, Line, Rtcp};
use super::{Direction, Session};

const TEXT_BYTES_MAX: usize = 64 * 1024;
const MEDIA_MAX: usize = 32;
const FORMATS_MAX: usize = 64;
/// The longest word of an `m=` line that we repeat when we decline it.
const WORD_BYTES_MAX: usize = 64;

/// Why a text is no description that we can read. Lines are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// More than 64 KB.
    TooLong,
    /// It does not begin with `v=0`.
    NotVersion0,
    /// This `m=` line is not `kind port proto format…`.
    BadMedia {
        /// Which line.
        line: usize,
    },
    /// More than 32 `m=` lines.
    TooManyMedia,
    /// This `m=` line has more than 64 formats.
    TooManyFormats {
        /// Which line.
        line: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "description longer than {TEXT_BYTES_MAX} bytes"),
            Self::NotVersion0 => f.write_str("description does not begin with v=0"),
            Self::BadMedia { line } => write!(f, "line {line}: malformed m="),
            Self::TooManyMedia => write!(f, "more than {MEDIA_MAX} m= lines"),
            Self::TooManyFormats { line } => {
                write!(f, "line {line}: more than {FORMATS_MAX} formats")
            }
        }
    }
}

impl std::error::Error for ParseError {}

impl Session {
    /// Reads a description.
    ///
    /// # Errors
    /// When it is no description, an `m=` line is malformed, or something is too large.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ParseError::TooLong);
        }
        let mut fields = fields(text);
        match fields.next() {
            Some(Field { letter: b'v', value, .. }) if value.trim() == "0" => {}
            _ => return Err(ParseError::NotVersion0),
        }

        let mut draft = Draft::default();
        for field in fields {
            draft.take(&field)?;
        }
        Ok(draft.finish())
    }
}

/// One `letter=value` line.
struct Field {
    number: usize,
    letter: u8,
    value: String,
}

/// The lines of a text that are fields at all.
fn fields(text: &[u8]) -> impl Iterator<Item = Field> {
    text.split(|it| *it == b'\n').enumerate().filter_map(|(index, line)| {
        let [letter, b'=', value @ ..] = line else { return None };
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        let value = String::from_utf8_lossy(value).into_owned();
        Some(Field { number: index + 1, letter: *letter, value })
    })
}

/// A description while it is read.
#[derive(Default)]
struct Draft {
    origin: Option<String>,
    time: Option<(u64, u64)>,
    defaults: Defaults,
    sections: Vec<Section>,
}

/// What may stand in the session or in a section; the section wins (RFC 8866 §5.7, §6.7).
#[derive(Clone, Copy, Default)]
struct Defaults {
    host: Option<Host>,
    direction: Option<Direction>,
}

/// What a `c=` line names.
#[derive(Clone, Copy)]
enum Host {
    Address(IpAddr),
    /// A host name or nonsense. It still hides the `c=` line of the session.
    Unusable,
}

/// An `m=` section while it is read.
struct Section {
    line: Line,
    own: Defaults,
}

impl Draft {
    fn take(&mut self, field: &Field) -> Result<(), ParseError> {
        let value = field.value.as_str();
        match field.letter {
            b'm' if self.sections.len() == MEDIA_MAX => return Err(ParseError::TooManyMedia),
            b'm' => {
                let line = media(value, field.number)?;
                self.sections.push(Section { line, own: Defaults::default() });
            }
            b'o' if self.origin.is_none() => self.origin = Some(value.to_owned()),
            b't' if self.time.is_none() => self.time = time(value),
            b'c' => self.innermost().host = Some(host(value)),
            b'a' => self.attribute(value),
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, value: &str) {
        if let Some(direction) = Direction::from_word(value.trim_end()) {
            self.innermost().direction = Some(direction);
            return;
        }
        let Some(Section { line, .. }) = self.sections.last_mut() else { return };
        let Some((name, value)) = value.split_once(':') else { return };
        match name {
            "rtpmap" => {
                let Some((format, value)) = of_format(line, value) else { return };
                // The first mapping of a payload type holds.
                format.mapping = format.mapping.take().or_else(|| mapping(value));
            }
            "fmtp" => {
                let Some((format, value)) = of_format(line, value) else { return };
                format.parameters = Some(value.to_owned());
            }
            "ptime" => line.ptime_ms = millis(value),
            "maxptime" => line.maxptime_ms = millis(value),
            "rtcp" => line.rtcp = rtcp(value),
            _ => {}
        }
    }

    /// The section that is being read, else the session.
    fn innermost(&mut self) -> &mut Defaults {
        self.sections.last_mut().map_or(&mut self.defaults, |it| &mut it.own)
    }

    fn finish(self) -> Session {
        let defaults = self.defaults;
        let lines = self.sections.into_iter().map(|Section { mut line, own }| {
            line.address = match own.host.or(defaults.host) {
                Some(Host::Address(address)) => Some(address),
                Some(Host::Unusable) | None => None,
            };
            let direction = own.direction.or(defaults.direction);
            line.direction = direction.unwrap_or(Direction::SendRecv);
            line
        });
        Session { origin: self.origin, time: self.time.unwrap_or((0, 0)), lines: lines.collect() }
    }
}

/// `audio 49170 RTP/AVP 0 8`, or with a number of ports, `49170/2`, which we do not use.
fn media(value: &str, number: usize) -> Result<Line, ParseError> {
    let bad = ParseError::BadMedia { line: number };
    let mut words = value.split_ascii_whitespace();
    let mut word = || words.next().filter(|it| is_word(it)).ok_or(bad);

    let kind = word()?.to_owned();
    let port = word()?;
    let port = port.split_once('/').map_or(port, |it| it.0).parse().map_err(|_| bad)?;
    let proto = word()?.to_owned();
    let mut formats: Vec<Format> = Vec::new();
    for (index, word) in words.enumerate() {
        if index == FORMATS_MAX {
            return Err(ParseError::TooManyFormats { line: number });
        }
        if !is_word(word) {
            return Err(bad);
        }
        if formats.iter().all(|it| it.word != word) {
            formats.push(Format { word: word.to_owned(), mapping: None, parameters: None });
        }
    }
    if formats.is_empty() {
        return Err(bad);
    }

    Ok(Line {
        kind,
        port,
        proto,
        formats,
        address: None,
        direction: Direction::SendRecv,
        ptime_ms: None,
        maxptime_ms: None,
        rtcp: None,
    })
}

/// Whether we may repeat it in an answer.
fn is_word(word: &str) -> bool {
    word.len() <= WORD_BYTES_MAX && word.bytes().all(|it| it.is_ascii_graphic())
}

/// `IN IP4 192.0.2.1`, or with a time to live, `224.2.1.1/127`. The address itself says of which
/// family it is.
fn host(value: &str) -> Host {
    let mut words = value.split_ascii_whitespace().skip(2);
    words.next().and_then(ip).map_or(Host::Unusable, Host::Address)
}

/// An address without what follows a slash; IPv4 in the clothes of IPv6 is IPv4.
fn ip(word: &str) -> Option<IpAddr> {
    let address = word.split_once('/').map_or(word, |it| it.0);
    address.parse().ok().map(|it: IpAddr| it.to_canonical())
}

/// `0 0`
fn time(value: &str) -> Option<(u64, u64)> {
    let mut words = value.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// The format of a line that an attribute speaks of, and what it says.
fn of_format<'a, 'v>(line: &'a mut Line, value: &'v str) -> Option<(&'a mut Format, &'v str)> {
    let (word, rest) = value.trim().split_once(' ')?;
    let format = line.formats.iter_mut().find(|it| it.word == word)?;
    Some((format, rest.trim()))
}

/// `opus/48000/2`
fn mapping(value: &str) -> Option<Mapping> {
    let mut parts = value.split('/');
    let name = parts.next()?.to_owned();
    let clock = parts.next()?.parse().ok()?;
    let channels = parts.next().map_or(Ok(1), str::parse).ok()?;
    Some(Mapping { name, clock, channels })
}

/// `20`; a fraction of a millisecond is allowed (RFC 8866 §6.4) and means nothing to us.
fn millis(value: &str) -> Option<u16> {
    let value = value.trim();
    value.split_once('.').map_or(value, |it| it.0).parse().ok()
}

/// `53020 IN IP6 2001:db8::1` (RFC 3605 §2.1)
fn rtcp(value: &str) -> Option<Rtcp> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok().filter(|it| *it != 0)?;
    Some(Rtcp { port, address: words.nth(2).and_then(ip) })
}
