//! As much SIP as a phone needs that only ever talks to one switch: requests are text, and of what
//! comes only the asked-for is read.

use std::net::SocketAddr;

use md5::{Digest as _, Md5};

/// An extension with a password.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) number: String,
    pub(crate) password: String,
}

impl Account {
    /// `count` of them, numbered from `first`.
    pub(crate) fn many(first: usize, count: usize) -> Vec<Self> {
        (first..first + count)
            .map(|it| Self { number: it.to_string(), password: format!("load-secret-{it}") })
            .collect()
    }
}

/// The file that provisions them.
pub(crate) fn extensions(accounts: &[Account]) -> String {
    let rows = accounts.iter().map(|Account { number, password }| {
        format!(
            "[[extension]]\nnumber = \"{number}\"\nname = \"Load {number}\"\n\
             password = \"{password}\"\n\n"
        )
    });
    rows.collect()
}

/// A message that has come.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    first: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Message {
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?.to_owned();
        let headers = lines
            .filter_map(|it| it.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self { first, headers, body: body.to_owned() })
    }

    /// The status of a response; `None` for a request.
    pub(crate) fn status(&self) -> Option<u16> {
        self.first.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The first line.
    pub(crate) fn first(&self) -> &str {
        &self.first
    }

    /// Sequence number and method of the transaction.
    pub(crate) fn cseq(&self) -> (u32, &str) {
        let (number, method) = self.header("cseq").split_once(' ').unwrap_or_default();
        (number.parse().unwrap_or_default(), method.trim())
    }

    /// The user of a request's URI.
    pub(crate) fn user(&self) -> &str {
        let uri = self.first.split(' ').nth(1).unwrap_or_default();
        uri.trim_start_matches("sip:").split('@').next().unwrap_or_default()
    }

    /// A header's first value, empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|it| it.0 == name).map_or("", |it| &it.1)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |it| it.0 == name).map(|it| it.1.as_str())
    }

    /// Where requests of the dialog go.
    pub(crate) fn contact(&self) -> String {
        let contact = self.header("contact");
        let inside = contact.split_once('<').and_then(|it| it.1.split_once('>'));
        inside.map_or(contact, |it| it.0).to_owned()
    }

    /// Where audio is to be sent, by the session description.
    pub(crate) fn audio(&self) -> Option<SocketAddr> {
        let line = |start| self.body.lines().find_map(|it| it.strip_prefix(start));
        let address = line("c=IN IP4 ")?.trim().parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(SocketAddr::new(address, port))
    }

    /// A response to this request. The tag is ours, where the request brings none.
    pub(crate) fn reply(&self, status: &str, tag: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for it in self.all("via") {
            text += &format!("Via: {it}\r\n");
        }
        let to = self.header("to");
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
        text += &format!(
            "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}",
            self.header("from"),
            self.header("call-id"),
            self.header("cseq"),
        );
        with_body(text, body)
    }

    /// The header that answers this challenge, or `None` if it cannot be answered with MD5.
    pub(crate) fn authorize(
        &self,
        user: &str,
        password: &str,
        method: &str,
        uri: &str,
    ) -> Option<String> {
        let (asked, answer) = match self.status()? {
            401 => ("www-authenticate", "Authorization"),
            407 => ("proxy-authenticate", "Proxy-Authorization"),
            _ => return None,
        };
        let md5 = |it: &&str| {
            part(it, "algorithm").is_none_or(|algorithm| algorithm.eq_ignore_ascii_case("MD5"))
        };
        let challenge = self.all(asked).find(md5)?.strip_prefix("Digest ")?;
        let (realm, nonce) = (part(challenge, "realm")?, part(challenge, "nonce")?);
        let a1 = hash(&format!("{user}:{realm}:{password}"));
        let a2 = hash(&format!("{method}:{uri}"));
        let mut text = format!("{answer}: Digest username=\"{user}\", realm=\"{realm}\", ");
        let response = if part(challenge, "qop").is_some() {
            let cnonce = &hash(nonce)[..8];
            text += &format!("qop=auth, nc=00000001, cnonce=\"{cnonce}\", ");
            hash(&format!("{a1}:{nonce}:00000001:{cnonce}:auth:{a2}"))
        } else {
            hash(&format!("{a1}:{nonce}:{a2}"))
        };
        if let Some(opaque) = part(challenge, "opaque") {
            text += &format!("opaque=\"{opaque}\", ");
        }
        text += &format!(
            "nonce=\"{nonce}\", uri=\"{uri}\", algorithm=MD5, response=\"{response}\"\r\n"
        );
        Some(text)
    }
}

/// Ends a head with the body and its length.
pub(crate) fn with_body(mut head: String, body: &str) -> String {
    if !body.is_empty() {
        head += "Content-Type: application/sdp\r\n";
    }
    head + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A description of a phone that speaks G.711 at this port.
pub(crate) fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=load 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// A parameter of a challenge, without quotes.
fn part<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = challenge.strip_prefix("Digest").unwrap_or(challenge);
    loop {
        let (key, value) = rest.split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        if key.trim_matches([',', ' ']).eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = after;
    }
}

fn hash(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|it| format!("{it:02x}")).collect()
}
