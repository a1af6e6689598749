//! Digest authentication as a phone sees it (RFC 2617 §3.2, RFC 7616): MD5 with `qop=auth`.

use std::fmt::{self, Write as _};

use md5::{Digest as _, Md5};

use crate::sip::message::{Message, Name};

/// A challenge that a phone keeps and answers again and again.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    name: Name,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    has_qop: bool,
    /// Whether the server says that only the nonce was too old.
    pub(super) is_stale: bool,
    used: u32,
}

impl Challenge {
    /// The first challenge of a 401 or 407 that can be answered with MD5.
    pub(super) fn read(response: &Message) -> Option<Self> {
        let find = |name, answer| {
            let mut lines = response.values(name).filter_map(|it| str::from_utf8(it).ok());
            lines.find_map(|it| Self::of(it, answer))
        };
        find(Name::WwwAuthenticate, Name::Authorization)
            .or_else(|| find(Name::ProxyAuthenticate, Name::ProxyAuthorization))
    }

    fn of(line: &str, name: Name) -> Option<Self> {
        let params = params(line.strip_prefix("Digest ")?);
        let get =
            |key: &str| params.iter().find(|it| it.0.eq_ignore_ascii_case(key)).map(|it| it.1);
        let is_md5 = get("algorithm").is_none_or(|it| it.eq_ignore_ascii_case("MD5"));
        let qops = get("qop").map(|it| it.split(',').any(|it| it.trim() == "auth"));
        is_md5.then_some(Self {
            name,
            realm: get("realm")?.to_owned(),
            nonce: get("nonce")?.to_owned(),
            opaque: get("opaque").map(str::to_owned),
            has_qop: qops.unwrap_or(false),
            is_stale: get("stale").is_some_and(|it| it.eq_ignore_ascii_case("true")),
            used: 0,
        })
    }

    /// The header that answers it for one request.
    pub(super) fn answer(
        &mut self,
        (user, password): (&str, &str),
        method: impl fmt::Display,
        uri: &str,
        cnonce: &str,
    ) -> (Name, String) {
        self.used += 1;
        let Self { realm, nonce, used, .. } = self;
        let a1 = hex(&format!("{user}:{realm}:{password}"));
        let a2 = hex(&format!("{method}:{uri}"));
        let response = match self.has_qop {
            true => hex(&format!("{a1}:{nonce}:{used:08x}:{cnonce}:auth:{a2}")),
            false => hex(&format!("{a1}:{nonce}:{a2}")),
        };
        let mut line = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5"
        );
        let mut add = |it: fmt::Arguments<'_>| {
            line.write_fmt(it).expect("strings take every line");
        };
        if self.has_qop {
            add(format_args!(", qop=auth, nc={used:08x}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            add(format_args!(", opaque=\"{opaque}\""));
        }
        (self.name, line)
    }
}

/// `a="b, c", d=e` as pairs; nothing here escapes quotes.
fn params(mut text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    while let Some((key, rest)) = text.split_once('=') {
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        found.push((key.trim_matches([' ', ',']), value.trim()));
        text = rest;
    }
    found
}

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_the_example_of_the_rfc() {
        // RFC 2617 §3.5.
        let line = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
                    nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e95\"";
        let mut it = Challenge::of(line, Name::Authorization).unwrap();
        assert!(it.has_qop);
        let who = ("Mufasa", "Circle Of Life");
        let (_, answer) = it.answer(who, "GET", "/dir/index.html", "0a4f113b");
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
        assert!(answer.contains("nc=00000001") && answer.contains("qop=auth,"));
        assert!(answer.ends_with("opaque=\"5ccc069c403ebaf9f0171e95\""));
    }
}
