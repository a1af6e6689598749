//! `;name=value` lists, behind an address, a Via or a URI.

use super::scan::{closing_quote, cut, is_blank, is_token, split, trim};

/// The parameters as written; each look-up reads them anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a>(&'a [u8]);

impl<'a> Params<'a> {
    /// What stands behind the first `;`.
    pub(super) const fn new(written: &'a [u8]) -> Self {
        Self(written)
    }

    /// The value of the first parameter of that name, in any case: `""` for a flag, without its
    /// quotes if nothing inside them is escaped, else as written. `None` also if it is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) =
            self.raw().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
        str::from_utf8(unquoted(value)).ok()
    }

    /// Whether a parameter of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.raw().any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Names as written, and values as [`Params::get`] gives them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let text = |(name, value)| {
            Some((str::from_utf8(name).ok()?, str::from_utf8(unquoted(value)).ok()?))
        };
        self.raw().filter_map(text)
    }

    /// Each parameter as written, without the `;`.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &'a [u8]> {
        split(self.0, b';').filter(|piece| !piece.is_empty())
    }

    /// Whether this is a list of parameters by the grammar of RFC 3261 §25.1. One `;` too much at
    /// the end is forgiven.
    pub(super) fn is_well_formed(&self) -> bool {
        let mut pieces = split(self.0, b';').peekable();
        while let Some(piece) = pieces.next() {
            let (name, value) = cut(piece, b'=');
            let is_last_and_empty = piece.is_empty() && pieces.peek().is_none();
            if !(is_last_and_empty || is_token(trim(name)) && value.is_none_or(is_value)) {
                return false;
            }
        }
        true
    }

    fn raw(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.pieces().map(|piece| {
            let (name, value) = cut(piece, b'=');
            (trim(name), trim(value.unwrap_or_default()))
        })
    }
}

/// A quoted string and nothing else, or anything that does not look like the start of another value.
fn is_value(value: &[u8]) -> bool {
    match trim(value) {
        [b'"', rest @ ..] => closing_quote(rest).is_some_and(|end| end + 1 == rest.len()),
        bare => !bare.iter().any(|&byte| is_blank(byte) || b"\",<>".contains(&byte)),
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => inner,
        _ => value,
    }
}
