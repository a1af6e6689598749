//! Reads the credentials of a digest answer: RFC 7616 §3.4, RFC 7235 §2.1.

use std::borrow::Cow;

/// What the credentials of a request amount to.
#[derive(Debug)]
pub(super) enum Read<'a> {
    /// None is for our realm.
    Foreign,
    /// One may be for us, and cannot be read.
    Unreadable,
    /// An answer for our realm.
    Ours(Answer<'a>),
}

/// An answer with everything that `qop=auth` needs. Quoted values are unescaped.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) username: Cow<'a, str>,
    pub(super) nonce: Cow<'a, str>,
    pub(super) uri: Cow<'a, str>,
    /// 32 hexadecimal digits in lower case.
    pub(super) response: String,
    pub(super) algorithm: Option<Cow<'a, str>>,
    pub(super) cnonce: Cow<'a, str>,
    pub(super) qop: Cow<'a, str>,
    pub(super) count: u32,
    /// The count as it was written, which is what was hashed.
    pub(super) count_text: Cow<'a, str>,
}

/// The first digest answer for `realm` among the header values.
pub(super) fn pick<'a>(values: impl Iterator<Item = &'a [u8]>, realm: &str) -> Read<'a> {
    let mut otherwise = Read::Foreign;
    for value in values {
        let Some(rest) = after_scheme(value) else { continue };
        let Some(params) = Params::read(rest) else {
            otherwise = Read::Unreadable;
            continue;
        };
        match params.get("realm") {
            Some(it) if it == realm => {
                return params.into_answer().map_or(Read::Unreadable, Read::Ours);
            }
            Some(_) => {}
            None => otherwise = Read::Unreadable,
        }
    }
    otherwise
}

/// What follows the word `Digest`, if that is the scheme.
pub(super) fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.trim_ascii_start().split_at_checked("Digest".len())?;
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    (ends && scheme.eq_ignore_ascii_case(b"Digest")).then_some(rest)
}

/// Named values, each name once.
pub(super) struct Params<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Params<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > LENGTH_MAX {
            return None;
        }
        let mut params = Self(Vec::with_capacity(12));
        let mut rest = std::str::from_utf8(bytes).ok()?;
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
            if rest.is_empty() {
                return Some(params);
            }
            let (name, after) = rest.split_once('=')?;
            let name = name.trim_ascii_end();
            let is_word = |it: u8| it.is_ascii_alphanumeric() || b"-_.*".contains(&it);
            if name.is_empty() || !name.bytes().all(is_word) {
                return None;
            }
            let (value, after) = value(after.trim_ascii_start())?;
            rest = after.trim_ascii_start();
            // A name that comes twice may mean one thing to us and another to a proxy.
            if !rest.is_empty() && !rest.starts_with(',')
                || params.get(name).is_some()
                || params.0.len() == COUNT_MAX
            {
                return None;
            }
            params.0.push((name, value));
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Cow<'a, str>> {
        self.0.iter().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| &it.1)
    }

    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.0.iter().position(|it| it.0.eq_ignore_ascii_case(name))?;
        Some(self.0.swap_remove(at).1)
    }

    fn into_answer(mut self) -> Option<Answer<'a>> {
        let count_text = self.take("nc")?;
        if !is_hex(&count_text, 8) {
            return None;
        }
        let count = u32::from_str_radix(&count_text, 16).ok()?;
        let response = self.take("response")?.to_ascii_lowercase();
        // SHA-256 and SHA-512-256 are longer; telling whether they were asked for comes later.
        if !is_hex(&response, 32) && !is_hex(&response, 64) {
            return None;
        }
        Some(Answer {
            username: self.take("username")?,
            nonce: self.take("nonce")?,
            uri: self.take("uri")?,
            response,
            algorithm: self.take("algorithm"),
            cnonce: self.take("cnonce")?,
            qop: self.take("qop")?,
            count,
            count_text,
        })
    }
}

/// A quoted string or a bare word, and what follows it.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t', '\r', '\n', '"']).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return (!word.is_empty()).then_some((Cow::Borrowed(word), rest));
    };
    let mut escaped = false;
    let end = inner.bytes().position(|it| {
        let closes = it == b'"' && !escaped;
        escaped = it == b'\\' && !escaped;
        closes
    })?;
    let (raw, rest) = inner.split_at(end);
    Some((unescape(raw), &rest[1..]))
}

/// Drops the backslash of each `\x`.
fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    Cow::Owned(text)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|it| it.is_ascii_hexdigit())
}

/// Real answers stay below 600 bytes.
const LENGTH_MAX: usize = 4096;
/// RFC 7616 knows twelve; the rest is for extensions, which are skipped.
const COUNT_MAX: usize = 32;
