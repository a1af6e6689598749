//! Looking through bytes: white space, tokens, numbers, and cutting where quotes allow it.

/// Without the white space around it.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

pub(super) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A `token` of RFC 3261 §25.1.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(in_token)
}

/// White space or a control byte, which a URI cannot hold.
pub(super) fn is_blank(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// `1*DIGIT`, saturating.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(bytes.iter().fold(0, add))
}

/// In front of the first `separator` and behind it; the second is `None` if there is no separator.
pub(super) fn cut(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, bytes).and_then(|at| bytes.split_at_checked(at)) {
        Some((front, rest)) => (front, rest.get(1..)),
        None => (bytes, None),
    }
}

/// Where the quoted string ends whose opening quote stands in front of `bytes`.
pub(super) fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => 2,
            _ => 1,
        };
    }
}

/// The trimmed pieces between separators that stand outside of quotes and angle brackets.
pub(super) fn split(bytes: &[u8], separator: u8) -> Split<'_> {
    Split { rest: Some(bytes), separator }
}

/// See [`split`].
#[derive(Clone, Debug)]
pub(super) struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let bytes = self.rest?;
        let end = self.end_of_piece(bytes);
        self.rest = end.and_then(|end| bytes.get(end + 1..));
        Some(trim(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default()))
    }
}

impl Split<'_> {
    fn end_of_piece(&self, bytes: &[u8]) -> Option<usize> {
        let mut place = Place::Plain;
        for (at, &byte) in bytes.iter().enumerate() {
            place = match (place, byte) {
                (Place::Plain, byte) if byte == self.separator => return Some(at),
                (Place::Plain, b'"') | (Place::Escaped, _) => Place::Quoted,
                (Place::Plain, b'<') => Place::Bracketed,
                (Place::Quoted, b'\\') => Place::Escaped,
                (Place::Quoted, b'"') | (Place::Bracketed, b'>') => Place::Plain,
                (same, _) => same,
            };
        }
        None
    }
}

#[derive(Clone, Copy)]
enum Place {
    Plain,
    Quoted,
    Escaped,
    Bracketed,
}
