//! URIs: `sip:`, `sips:`, `tel:`, and the fact that there are others (RFC 3261 §19.1, RFC 3966).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::scan::is_blank;
use super::{Fault, MAX_URI, Params};

/// What kind of URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other; only that it is well-formed is known of it.
    Other,
}

/// A URI in its parts, all as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// What kind of URI.
    pub scheme: Scheme,
    /// The user, or the number of a `tel:` URI, with its escapes; a password is left out.
    pub user: Option<&'a str>,
    /// A name or an address, an IPv6 one in its brackets; empty for `tel:` and unknown schemes.
    pub host: &'a str,
    /// The port, if one is given.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
    /// What stands behind the `?`.
    pub headers: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// Takes a URI apart. White space, control bytes and angle brackets make it a fault.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.len() > MAX_URI || text.bytes().any(|byte| is_blank(byte) || is_delimiter(byte)) {
            return Err(Fault::Uri);
        }
        let (scheme, rest) = text.split_once(':').ok_or(Fault::Uri)?;
        match scheme {
            _ if !is_scheme(scheme) || rest.is_empty() => Err(Fault::Uri),
            _ if scheme.eq_ignore_ascii_case("sip") => Self::sip(Scheme::Sip, rest),
            _ if scheme.eq_ignore_ascii_case("sips") => Self::sip(Scheme::Sips, rest),
            _ if scheme.eq_ignore_ascii_case("tel") => Self::tel(rest),
            _ => Ok(Self { scheme: Scheme::Other, ..EMPTY }),
        }
    }

    /// The user with its `%` escapes resolved (RFC 3261 §19.1.2). May hold any character, even NUL.
    pub fn user_decoded(&self) -> Option<Cow<'a, str>> {
        self.user.map(decoded)
    }

    /// The value of a header behind the `?`, with its escapes resolved; names are told apart as in
    /// messages, in any case (RFC 3261 §19.1.1).
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut all = self.headers?.split('&').filter_map(|it| it.split_once('='));
        all.find(|it| decoded(it.0).eq_ignore_ascii_case(name)).map(|it| decoded(it.1))
    }

    fn sip(scheme: Scheme, rest: &'a str) -> Result<Self, Fault> {
        // `;`, `?` and `/` may stand in a user unescaped, `@` may not (RFC 3261 §25.1), so the first
        // `@` ends it. Later ones are seen in sloppy Replaces headers and do no harm there.
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (user.split(':').next().filter(|user| !user.is_empty()), rest),
            None => (None, rest),
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        let (host_port, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_and_port(host_port).ok_or(Fault::Uri)?;
        Ok(Self { scheme, user, host, port, params: Params::new(params.as_bytes()), headers })
    }

    fn tel(rest: &'a str) -> Result<Self, Fault> {
        let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
        if number.is_empty() {
            return Err(Fault::Uri);
        }
        let params = Params::new(params.as_bytes());
        Ok(Self { scheme: Scheme::Tel, user: Some(number), params, ..EMPTY })
    }
}

const EMPTY: Uri<'static> = Uri {
    scheme: Scheme::Other,
    user: None,
    host: "",
    port: None,
    params: Params::new(b""),
    headers: None,
};

/// `host [ ":" port ]` of a URI or a Via.
pub(super) fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match text.find(']') {
        Some(bracket) => bracket + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at_checked(host_end)?;
    let host = host.trim_ascii_end();
    let port = match port.trim_ascii_start().strip_prefix(':') {
        Some(digits) if digits.trim_ascii().bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.trim_ascii().parse().ok()?)
        }
        None if port.trim_ascii().is_empty() => None,
        _ => return None,
    };
    is_host(host).then_some((host, port))
}

/// A host name (with `_`, which RFC 3261 forbids and people use), an IPv4 or a bracketed IPv6
/// address, with the zone that some phones leave in.
fn is_host(host: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if let Some(inner) = host.strip_prefix('[') {
        let Some(inner) = inner.strip_suffix(']') else { return false };
        let (address, zone) = inner.split_once('%').unwrap_or((inner, ""));
        return address.parse::<Ipv6Addr>().is_ok() && zone.bytes().all(in_name);
    }
    !host.is_empty() && host.bytes().all(in_name)
}

/// RFC 3986 §3.1.
pub(super) fn is_scheme(text: &str) -> bool {
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(in_scheme)
}

/// What no URI may hold, because it ends one where it is written into a message.
fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'"')
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, after @ ..] => {
                hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (byte, next) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = next;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
