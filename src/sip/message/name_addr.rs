//! Addresses: From, To, Contact, Route, Refer-To … (RFC 3261 §20.10, §25.1).

use std::borrow::Cow;

use super::scan::{closing_quote, cut, is_blank, trim, trim_end, trim_start};
use super::uri::is_scheme;
use super::{Fault, MAX_URI, Params};

/// A display name, a URI, and the parameters of the header (not those of the URI).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The display name without quotes and escapes; what is not UTF-8 in it becomes U+FFFD.
    pub display: Option<Cow<'a, str>>,
    /// The URI without angle brackets, for `Uri::parse`.
    pub uri: &'a str,
    /// The parameters behind it.
    pub params: Params<'a>,
}

/// The Contact headers of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts<'a> {
    /// `*`: all of them, in a REGISTER that removes bindings (RFC 3261 §10.2.2).
    Star,
    /// These.
    List(Vec<NameAddr<'a>>),
}

impl<'a> NameAddr<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        Self::read(trim(value)).ok_or(Fault::Address)
    }

    /// The `tag` parameter, unless it is empty.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        if let [b'"', rest @ ..] = value {
            let (quoted, rest) = rest.split_at_checked(closing_quote(rest)?)?;
            let bracket = trim_start(rest.strip_prefix(b"\"")?).strip_prefix(b"<")?;
            return Self::bracketed(unescaped(quoted), bracket);
        }
        match cut(value, b'<') {
            (display, Some(bracket)) => {
                // RFC 4475 §3.1.2.15: these would have needed quotes; other odd bytes do no harm.
                if display.iter().any(|byte| b",;:\">".contains(byte)) {
                    return None;
                }
                Self::bracketed(String::from_utf8_lossy(trim_end(display)), bracket)
            }
            (value, None) => Self::bare(value),
        }
    }

    /// What stands behind the `<`.
    fn bracketed(display: Cow<'a, str>, rest: &'a [u8]) -> Option<Self> {
        let (uri, rest) = cut(rest, b'>');
        let params = match trim_start(rest?) {
            [] => &[],
            rest => rest.strip_prefix(b";")?,
        };
        Self::of(Some(display).filter(|display| !display.is_empty()), uri, params)
    }

    /// An address without brackets. RFC 3261 §20: what follows a `;` then belongs to the header, and
    /// a URI with a comma or a question mark must have brackets.
    fn bare(value: &'a [u8]) -> Option<Self> {
        let (uri, params) = cut(value, b';');
        let uri = trim_end(uri);
        if uri.iter().any(|byte| matches!(byte, b'?' | b',' | b'>')) {
            return None;
        }
        Self::of(None, uri, params.unwrap_or_default())
    }

    fn of(display: Option<Cow<'a, str>>, uri: &'a [u8], params: &'a [u8]) -> Option<Self> {
        let uri = str::from_utf8(uri).ok()?;
        let (scheme, rest) = uri.split_once(':')?;
        if uri.len() > MAX_URI || !is_scheme(scheme) || rest.is_empty() {
            return None;
        }
        if uri.bytes().any(|byte| is_blank(byte) || matches!(byte, b'<' | b'"')) {
            return None;
        }
        let params = Params::new(params);
        params.is_well_formed().then_some(Self { display, uri, params })
    }
}

fn unescaped(quoted: &[u8]) -> Cow<'_, str> {
    if !quoted.contains(&b'\\') {
        return String::from_utf8_lossy(quoted);
    }
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted.iter();
    while let Some(&byte) = rest.next() {
        bytes.extend(if byte == b'\\' { rest.next().copied() } else { Some(byte) });
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}
