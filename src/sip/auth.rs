//! Digest authentication, the server's side: RFC 3261 §22, RFC 7616. Ours towards carriers is in
//! [`client`].
//!
//! A [`Guard`] challenges without keeping anything (a flood of strangers costs no memory) and
//! checks answers: a nonce carries its own time and our seal. What is remembered is the highest
//! nonce count of each nonce that was answered *rightly*, so an answer overheard on the wire opens
//! nothing a second time, from whatever address. How often somebody has guessed stands in
//! `guesses`, and slows the guesser.
//!
//! It does not know what a user may do, where passwords are kept, or what a message is.
//!
//! What it asks for and what it takes:
//!
//! - MD5 alone is offered (JsSIP knows nothing else, baresip 1.0 breaks on any SHA-256 challenge),
//!   and nothing else is accepted: an answer in another algorithm than asked for is wrong.
//! - `qop=auth` is required. Without it there is no nonce count, so nothing against replay.
//! - A nonce is good at the source that it was sent to, and nowhere else. An answer to any other one
//!   is not even looked at: it gets a new nonce (RFC 7616 §3.3, `stale`).
//! - An unknown user, and one with an empty password, costs the same work and hears the same as a
//!   wrong password.
//! - Of several credentials the first for our realm counts; one request is one guess.
//!
//! ```
//! use moonswitch::base::{Mono, Rng};
//! use moonswitch::sip::auth::{Guard, Verdict};
//! use moonswitch::sip::{Flow, Transport};
//!
//! let (local, remote) = (([10, 0, 0, 1], 5060).into(), ([10, 0, 0, 2], 5060).into());
//! let flow = Flow { transport: Transport::Udp, local, remote };
//! let mut guard = Guard::new(&mut Rng::from_seed(1), "pbx.test");
//! let challenge = guard.challenge(Mono::ZERO, flow, false);
//! assert!(challenge.starts_with(r#"Digest realm="pbx.test", nonce=""#));
//!
//! let header: &[u8] = br#"Digest username="a", realm="elsewhere""#;
//! let verdict =
//!     guard.check(Mono::ZERO, flow, "REGISTER", "sip:pbx.test", [header].into_iter(), |_| None);
//! assert_eq!(verdict, Verdict::None);
//! ```

pub mod client;
mod credentials;
mod guesses;
mod nonce;

use std::fmt;

use md5::{Digest, Md5};
use subtle::{Choice, ConstantTimeEq};

use self::credentials::{Answer, Read};
use self::guesses::Guesses;
use self::nonce::Nonces;
use super::Flow;
use super::defence::Source;
use crate::base::map::Keyed;
use crate::base::{Mono, Rng};

/// What an answer to our challenge is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There are no credentials for our realm.
    None,
    /// The right answer of this user.
    Known(String),
    /// An answer, right or wrong, to a nonce that is too old, not from this process or sent
    /// elsewhere; or a right one with a nonce count that was used already: challenge again with
    /// `stale`, and the phone asks nobody.
    Stale,
    /// Somebody guesses here, and has to wait: no answer.
    Slowed,
    /// A wrong password, an unknown user, another URI, another algorithm: one and the same.
    Wrong,
    /// No answer to our kind of challenge can be read from it.
    Malformed,
}

/// Challenges strangers and checks what they answer.
pub struct Guard {
    realm: String,
    nonces: Nonces,
    guesses: Guesses,
    /// Stands in for the password of users who have none.
    dummy: String,
}

impl Guard {
    /// A guard of `realm`; characters that a quoted string cannot carry plainly are left out of it.
    pub fn new(rng: &mut Rng, realm: &str) -> Self {
        let realm = realm.chars().filter(|it| !it.is_control() && !"\"\\".contains(*it)).collect();
        let dummy = rng.token();
        Self { realm, dummy, nonces: Nonces::new(rng), guesses: Guesses::new(Keyed::new(rng)) }
    }

    /// Whose passwords are asked for.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The value of a WWW-Authenticate or Proxy-Authenticate header. Nothing is kept of it.
    pub fn challenge(&mut self, now: Mono, flow: Flow, stale: bool) -> String {
        let nonce = self.nonces.mint(now, Source::of(flow));
        let stale = if stale { ", stale=true" } else { "" };
        format!(
            r#"Digest realm="{}", nonce="{nonce}", algorithm=MD5, qop="auth"{stale}"#,
            self.realm
        )
    }

    /// Checks the credentials of a request: the values of its Authorization or
    /// Proxy-Authorization headers. `password_of` is asked at most once.
    pub fn check<'h, 'p>(
        &mut self,
        now: Mono,
        flow: Flow,
        method: &str,
        request_uri: &str,
        credentials: impl Iterator<Item = &'h [u8]>,
        password_of: impl FnOnce(&str) -> Option<&'p str>,
    ) -> Verdict {
        let answer = match credentials::pick(credentials, &self.realm) {
            Read::Foreign => return Verdict::None,
            Read::Unreadable => return Verdict::Malformed,
            Read::Ours(answer) => answer,
        };
        let Some(stamp) = self.nonces.read(now, &answer.nonce, Source::of(flow)) else {
            return Verdict::Stale;
        };
        if !self.guesses.may_try(now, flow, &answer.username) {
            return Verdict::Slowed;
        }
        let password = password_of(&answer.username).filter(|it| !it.is_empty());
        let expected = answer.expected(&self.realm, method, password.unwrap_or(&self.dummy));
        let right = expected.as_bytes().ct_eq(answer.response.as_bytes());
        let known = Choice::from(u8::from(password.is_some()));
        if !answer.is_as_asked(request_uri) || !bool::from(right & known) {
            self.guesses.wrong(now, flow, &answer.username);
            return Verdict::Wrong;
        }
        if !self.nonces.spend(now, stamp, answer.count) {
            return Verdict::Stale;
        }
        self.guesses.right(now, flow, &answer.username);
        Verdict::Known(answer.username.into_owned())
    }
}

/// Without the secrets.
impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl Answer<'_> {
    /// What the response must be: RFC 7616 §3.4.1 with qop=auth, as 32 hexadecimal digits.
    fn expected(&self, realm: &str, method: &str, password: &str) -> String {
        let a1 = md5_of(&[&self.username, realm, password]);
        let a2 = md5_of(&[method, &self.uri]);
        md5_of(&[&a1, &self.nonce, &self.count_text, &self.cnonce, &self.qop, &a2])
    }

    /// Whether it answers what we asked, and about this request.
    fn is_as_asked(&self, request_uri: &str) -> bool {
        let algorithm = self.algorithm.as_deref().unwrap_or("MD5");
        algorithm.eq_ignore_ascii_case("MD5")
            && self.qop.eq_ignore_ascii_case("auth")
            && is_same_resource(&self.uri, request_uri)
    }
}

/// RFC 3261 §22.4: `uri` is the Request-URI. Linphone and baresip write it exactly; others drop
/// its parameters, or a proxy between us has added some. So the same text counts, and for SIP URIs
/// the same text up to the parameters and headers behind the host. (In a `tel:` URI parameters are
/// part of the number.)
fn is_same_resource(uri: &str, request_uri: &str) -> bool {
    uri == request_uri
        || bare(uri).zip(bare(request_uri)).is_some_and(|(uri, request_uri)| uri == request_uri)
}

/// A SIP URI without what follows its host. The user part may contain `;` and `?`.
fn bare(uri: &str) -> Option<&str> {
    let scheme = uri.split_once(':')?.0;
    if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
        return None;
    }
    let host = uri.find('@').unwrap_or(0);
    let tail = uri[host..].find([';', '?']).map_or(uri.len(), |it| host + it);
    Some(&uri[..tail])
}

/// The MD5 of the parts with colons between, in hexadecimal.
fn md5_of(parts: &[&str]) -> String {
    let mut md5 = Md5::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            md5.update(b":");
        }
        md5.update(part.as_bytes());
    }
    hex(&md5.finalize())
}

/// Bytes as hexadecimal digits in lower case, as the RFC wants them.
fn hex(bytes: &[u8]) -> String {
    let digit = |it: u8| char::from_digit(it.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|it| [digit(it >> 4), digit(it & 15)]).collect()
}

#[cfg(test)]
mod tests;
