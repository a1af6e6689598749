//! Framing: where the start line, the headers and the body lie.

use bytes::Bytes;
use memchr::memchr;

use super::scan::{number, trim, trim_end, trim_start};
use super::{
    MAX_HEADERS, MAX_MESSAGE, MAX_NAME, MAX_START_LINE, Message, Method, Name, ParseError,
};

/// A stretch of a message. 16 bits are enough for `MAX_MESSAGE`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        let narrow = |at| u16::try_from(at).expect("no message is longer than MAX_MESSAGE");
        Self { start: narrow(start), end: narrow(end) }
    }

    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    pub(super) fn len(self) -> usize {
        usize::from(self.end.saturating_sub(self.start))
    }
}

/// The start line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// `version` runs to the end of the line, so that what trails it can be seen.
    Request {
        method: Method,
        token: Span,
        uri: Span,
        version: Span,
    },
    Response {
        status: u16,
        reason: Span,
    },
}

/// One header line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: Name,
    pub(super) written: Span,
    pub(super) value: Span,
}

/// Room for the headers of an everyday INVITE without growing.
const USUAL_HEADERS: usize = 24;

pub(super) fn message(bytes: Bytes) -> Result<Message, ParseError> {
    // RFC 3261 §7.5: "Implementations processing SIP messages over stream-oriented transports MUST
    // ignore any CRLF appearing before the start-line". Datagrams get the same mercy.
    let lead = bytes.len() - trim_line_ends(&bytes).len();
    let mut bytes = bytes.slice(lead..);
    if bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    if bytes.len() > MAX_MESSAGE {
        return Err(ParseError::TooLarge);
    }
    let mut lines = Lines { bytes: &bytes, at: 0 };
    let start = start_line(&mut lines)?;
    let mut fields = Vec::with_capacity(USUAL_HEADERS);
    let mut folded = Folded::No;
    loop {
        match lines.header(&mut folded)? {
            Some(_) if fields.len() == MAX_HEADERS => return Err(ParseError::TooManyHeaders),
            Some(field) => fields.push(field),
            None => break,
        }
    }
    let after = Span::new(lines.at, bytes.len());
    let body = granted(&bytes, &fields, after);
    if let Folded::Yes = folded {
        bytes = unfold(&bytes, &fields);
    }
    Ok(Message { bytes, start, fields, after, body })
}

fn trim_line_ends(mut bytes: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// The part of `after` that a readable Content-Length grants; otherwise all of it (RFC 3261 §18.3).
fn granted(bytes: &[u8], fields: &[Field], after: Span) -> Span {
    let length = fields.iter().find(|field| field.name == Name::ContentLength);
    match length.and_then(|field| number(field.value.of(bytes))) {
        Some(length) if length < after.len() as u64 => {
            let start = usize::from(after.start);
            Span::new(start, start + length as usize)
        }
        _ => after,
    }
}

/// A copy in which the line ends inside values are spaces. Its length, and so every span, is the
/// same. Folding is rare enough to pay for itself here, instead of everywhere a value is read.
fn unfold(bytes: &[u8], fields: &[Field]) -> Bytes {
    let mut copy = bytes.to_vec();
    for field in fields {
        let value = usize::from(field.value.start)..usize::from(field.value.end);
        for byte in copy.get_mut(value).unwrap_or_default() {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }
    copy.into()
}

/// RFC 3261 §7.1, §7.2.
fn start_line(lines: &mut Lines<'_>) -> Result<Start, ParseError> {
    let line = lines.next().ok_or(ParseError::Unfinished)?;
    if line.len() > MAX_START_LINE {
        return Err(ParseError::StartLine);
    }
    if line.get(..4).is_some_and(|front| front.eq_ignore_ascii_case(b"SIP/")) {
        status_line(lines, line)
    } else {
        request_line(lines, line)
    }
    .ok_or(ParseError::StartLine)
}

fn status_line(lines: &Lines<'_>, line: &[u8]) -> Option<Start> {
    let (version, rest) = line.split_at_checked(b"SIP/2.0".len())?;
    let (code, reason) = trim_start(rest.strip_prefix(b" ")?).split_at_checked(3)?;
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return None;
    }
    let status = number(code).filter(|code| (100..700).contains(code))?;
    if !matches!(reason, [] | [b' ', ..]) {
        return None;
    }
    Some(Start::Response { status: status as u16, reason: lines.span(trim(reason)) })
}

/// Tolerates more than one space between the parts (RFC 4475 §3.1.2.9); that the URI holds none is
/// for `check` to say.
fn request_line(lines: &Lines<'_>, line: &[u8]) -> Option<Start> {
    let (token, rest) = line.split_at_checked(memchr(b' ', line)?)?;
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let last_space = trim_end(rest).iter().rposition(|&byte| byte == b' ')?;
    let (uri, version) = rest.split_at_checked(last_space + 1)?;
    let uri = trim(uri);
    if uri.is_empty() || !version.get(..4)?.eq_ignore_ascii_case(b"SIP/") {
        return None;
    }
    Some(Start::Request {
        method: Method::from_token(str::from_utf8(token).ok()?),
        token: lines.span(token),
        uri: lines.span(uri),
        version: lines.span(version),
    })
}

/// Whether a header of the message goes on in another line.
enum Folded {
    No,
    Yes,
}

/// Goes through the bytes line by line.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end, which may be a bare LF; `None` if the bytes end before it.
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let (line, _) = rest.split_at_checked(memchr(b'\n', rest)?)?;
        self.at += line.len() + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The next header with all its continuation lines; `None` at the blank line.
    fn header(&mut self, folded: &mut Folded) -> Result<Option<Field>, ParseError> {
        let start = self.at;
        let mut line = self.next().ok_or(ParseError::Unfinished)?;
        if line.is_empty() {
            return Ok(None);
        }
        // RFC 3261 §7.3.1: a line that begins with white space continues the one before.
        while let Some(b' ' | b'\t') = self.bytes.get(self.at) {
            let more = self.next().ok_or(ParseError::Unfinished)?;
            let end = self.span(more).end;
            line = self.bytes.get(start..usize::from(end)).unwrap_or_default();
            *folded = Folded::Yes;
        }
        let (name, value) = header_parts(line).ok_or(ParseError::Header)?;
        Ok(Some(Field { name: Name::of(name), written: self.span(name), value: self.span(value) }))
    }

    /// Where a part of our bytes lies in them.
    fn span(&self, part: &[u8]) -> Span {
        let offset = part.as_ptr().addr().saturating_sub(self.bytes.as_ptr().addr());
        let start = offset.min(self.bytes.len());
        Span::new(start, (start + part.len()).min(self.bytes.len()))
    }
}

/// Name and value of a header line, both trimmed. Control bytes, spaces and bytes above 126 in a
/// name are refused: two readers could see two different names.
fn header_parts(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let name_end = line.iter().position(|byte| *byte == b':' || !byte.is_ascii_graphic())?;
    let (name, rest) = line.split_at_checked(name_end)?;
    let value = trim_blanks(rest).strip_prefix(b":")?;
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    Some((name, trim(value)))
}

fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}
