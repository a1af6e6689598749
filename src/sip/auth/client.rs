//! Digest authentication, the client's side: RFC 3261 §22, RFC 7616, RFC 8760.
//!
//! A [`Login`] answers the challenges of one carrier. What it keeps between requests is the last
//! nonce, so that most requests carry their credentials already. What belongs to one request and its
//! repetitions is a [`Tries`].
//!
//! Credentials are for those who they were given for. A digest tells a stranger enough to guess the
//! password at leisure, and a request of ours may be challenged by whoever stands behind the carrier
//! too, so a challenge counts only if it names a realm of the [`Account`]. (That it came from the
//! carrier's address is seen to by those who send.)
//!
//! What is answered: SHA-512-256, SHA-256 and MD5, the strongest that is offered; `qop=auth`, or
//! none (RFC 2069). What is refused: `auth-int` alone, the `-sess` algorithms, and being asked again
//! after a right answer.

use std::fmt;

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

use super::credentials::{Params, after_scheme};
use super::hex;
use crate::base::Rng;

/// How often one request may be challenged: with a nonce that was kept and has become old, with the
/// new one, and once more because that one aged on the way.
const TRIES_MAX: u8 = 3;
/// Nonces and realms longer than this are not carried around.
const WORD_MAX: usize = 512;

/// Who we are, and for whom.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name before the realm; often the number.
    pub username: String,
    /// Never shown.
    pub password: String,
    /// The realms that may ask. A host counts for its subdomains as well.
    pub realms: Vec<String>,
}

/// Answers challenges with what it has learned of them.
#[derive(Clone, Debug, Default)]
pub struct Login {
    nonce: Option<Nonce>,
}

/// What happened to one request.
#[derive(Clone, Debug, Default)]
pub struct Tries {
    challenged: u8,
    /// The nonce that its last credentials were made with.
    answered: Option<String>,
    /// Whether that nonce was made for this very request.
    fresh: bool,
}

/// Credentials for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Whether they go into Proxy-Authorization.
    pub proxy: bool,
    /// The value of the header.
    pub value: String,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The right answer was not right: name or password are wrong.
    Wrong,
    /// Somebody asks who is not who the password is for.
    Foreign,
    /// No challenge can be read, or none is of a kind that we know.
    Unknown,
}

/// A nonce, and what it is to be answered with.
#[derive(Clone, Debug)]
struct Nonce {
    proxy: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// As it was written, if it was.
    named: Option<String>,
    qop: bool,
    stale: bool,
    count: u32,
}

/// The weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
    Sha512,
}

impl Login {
    /// A request was refused with 401 or 407: learns from its challenges, which are the values of its
    /// WWW-Authenticate or (`proxy`) Proxy-Authenticate headers. The request is then to be sent
    /// again with new [`Self::credentials`].
    ///
    /// # Errors
    /// When there is no use in that.
    pub fn challenged<'h>(
        &mut self,
        tries: &mut Tries,
        account: &Account,
        proxy: bool,
        challenges: impl Iterator<Item = &'h [u8]>,
    ) -> Result<(), Refusal> {
        let mut best: Option<Nonce> = None;
        let mut refusal = Refusal::Unknown;
        for it in challenges {
            match Nonce::read(it, proxy) {
                Some(it) if !account.is_for(&it.realm) => refusal = Refusal::Foreign,
                Some(it) if best.as_ref().is_none_or(|best| best.algorithm < it.algorithm) => {
                    best = Some(it);
                }
                Some(_) | None => {}
            }
        }
        let nonce = best.ok_or(refusal)?;
        let same = tries.answered.as_ref() == Some(&nonce.nonce);
        // RFC 7616 §3.3: only `stale` says that it was not the password.
        let is_wrong = tries.answered.is_some() && !nonce.stale && (same || tries.fresh);
        if is_wrong || tries.challenged >= TRIES_MAX {
            self.nonce = None;
            return Err(Refusal::Wrong);
        }
        tries.challenged += 1;
        tries.fresh = true;
        self.nonce = Some(nonce);
        Ok(())
    }

    /// Credentials for a request, if a nonce is known; each is counted.
    pub fn credentials(
        &mut self,
        tries: &mut Tries,
        account: &Account,
        (method, uri): (&str, &str),
        rng: &mut Rng,
    ) -> Option<Credentials> {
        let it = self.nonce.as_mut()?;
        it.count = it.count.checked_add(1)?;
        tries.answered = Some(it.nonce.clone());
        let cnonce = rng.token();
        let response = it.response(account, (method, uri), &cnonce);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(&account.username),
            quoted(&it.realm),
            quoted(&it.nonce),
            quoted(uri),
        );
        // RFC 7616 §3.4: `algorithm`, `qop` and `nc` are written without quotes.
        if let Some(algorithm) = &it.named {
            value += &format!(", algorithm={algorithm}");
        }
        if it.qop {
            value += &format!(", qop=auth, nc={:08x}, cnonce=\"{cnonce}\"", it.count);
        }
        if let Some(opaque) = &it.opaque {
            value += &format!(", opaque={}", quoted(opaque));
        }
        Some(Credentials { proxy: it.proxy, value })
    }
}

impl Account {
    fn is_for(&self, realm: &str) -> bool {
        self.realms.iter().any(|own| {
            let realm = realm.to_ascii_lowercase();
            let rest = realm.strip_suffix(&own.to_ascii_lowercase());
            !own.is_empty() && rest.is_some_and(|it| it.is_empty() || it.ends_with('.'))
        })
    }
}

impl Nonce {
    /// A challenge that we can answer.
    fn read(value: &[u8], proxy: bool) -> Option<Self> {
        let params = Params::read(after_scheme(value)?)?;
        let text = |name| params.get(name).map(|it| it.to_string());
        let (realm, nonce, opaque) = (text("realm")?, text("nonce")?, text("opaque"));
        let named = text("algorithm");
        let algorithm = Algorithm::of(named.as_deref().unwrap_or("MD5"))?;
        let qop = match params.get("qop") {
            None => false,
            Some(all) if all.split(',').any(|it| it.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return None,
        };
        let words = [&realm, &nonce, opaque.as_ref().unwrap_or(&realm)];
        let carried = words.iter().all(|it| it.len() <= WORD_MAX && !it.contains(char::is_control));
        let stale = params.get("stale").is_some_and(|it| it.eq_ignore_ascii_case("true"));
        let it = Self { proxy, realm, nonce, opaque, algorithm, named, qop, stale, count: 0 };
        (carried && !it.nonce.is_empty()).then_some(it)
    }
}

impl Nonce {
    /// RFC 7616 §3.4.1.
    fn response(&self, account: &Account, (method, uri): (&str, &str), cnonce: &str) -> String {
        let hash = |parts: &[&str]| self.algorithm.hash(parts);
        let a1 = hash(&[&account.username, &self.realm, &account.password]);
        let a2 = hash(&[method, uri]);
        match self.qop {
            true => {
                let count = format!("{:08x}", self.count);
                hash(&[&a1, &self.nonce, &count, cnonce, "auth", &a2])
            }
            false => hash(&[&a1, &self.nonce, &a2]),
        }
    }
}

impl Algorithm {
    fn of(word: &str) -> Option<Self> {
        let all = [("MD5", Self::Md5), ("SHA-256", Self::Sha256), ("SHA-512-256", Self::Sha512)];
        all.into_iter().find(|it| it.0.eq_ignore_ascii_case(word)).map(|it| it.1)
    }

    /// The digest of the parts with colons between, in hexadecimal.
    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Md5 => hex(&Md5::digest(&text)),
            Self::Sha256 => hex(&Sha256::digest(&text)),
            Self::Sha512 => hex(&Sha512_256::digest(&text)),
        }
    }
}

/// RFC 3261 §25.1.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Never shows the password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("username", &self.username).finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wrong => "the username or the password is wrong",
            Self::Foreign => "another realm asks for the password than it is for",
            Self::Unknown => "it asks for a password in a way that we do not know",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Guard, Verdict};
    use super::*;
    use crate::base::Mono;
    use crate::sip::{Flow, Transport};

    fn flow() -> Flow {
        let address = "192.0.2.1:5060".parse().unwrap();
        Flow { transport: Transport::Udp, local: address, remote: address }
    }

    fn account(realms: &[&str]) -> Account {
        let realms = realms.iter().map(|it| (*it).to_owned()).collect();
        Account { username: "Mufasa".into(), password: "Circle of Life".into(), realms }
    }

    fn challenged(
        login: &mut Login,
        tries: &mut Tries,
        account: &Account,
        challenges: &[&str],
    ) -> Result<(), Refusal> {
        login.challenged(tries, account, false, challenges.iter().map(|it| it.as_bytes()))
    }

    /// The response of the credentials that a challenge leads to.
    fn answer(challenges: &[&str], request: (&str, &str), account: &Account) -> String {
        let (mut login, mut tries) = (Login::default(), Tries::default());
        challenged(&mut login, &mut tries, account, challenges).unwrap();
        let mut rng = Rng::from_seed(1);
        login.credentials(&mut tries, account, request, &mut rng).unwrap().value
    }

    /// A parameter of credentials.
    fn param<'a>(value: &'a str, name: &str) -> &'a str {
        let rest = value.split(&format!("{name}=")).nth(1).unwrap();
        rest.split(',').next().unwrap().trim_matches('"')
    }

    #[test]
    fn the_answers_of_the_rfcs_come_out() {
        let account = account(&["http-auth@example.org"]);
        let respond = |algorithm: &str| {
            let challenge = format!(
                r#"Digest realm="http-auth@example.org", qop="auth, auth-int",
                   nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", {algorithm}"#
            );
            let mut nonce = Nonce::read(challenge.as_bytes(), false).unwrap();
            nonce.count = 1;
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            nonce.response(&account, ("GET", "/dir/index.html"), cnonce)
        };
        // RFC 7616 §3.9.1.
        assert_eq!(respond("algorithm=MD5"), "8ca523f5e9506fed4657c9700eebdbec");
        let sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert_eq!(respond("algorithm=SHA-256"), sha);
        // RFC 2069's form, made with md5sum.
        let plain = r#"Digest realm="http-auth@example.org", nonce="dcd98b7102dd2f0e""#;
        let it = answer(&[plain], ("GET", "/dir/index.html"), &account);
        assert_eq!(param(&it, "response"), "a9fce519bcb2db65f6c7dd7555ce90b8");
    }

    #[test]
    fn our_own_guard_lets_it_in() {
        let mut rng = Rng::from_seed(1);
        let mut guard = Guard::new(&mut rng, "pbx.test");
        let (mut login, account) = (Login::default(), account(&["pbx.test"]));
        let uri = "sip:pbx.test";
        for n in 0..3 {
            let mut tries = Tries::default();
            let ready = login.credentials(&mut tries, &account, ("REGISTER", uri), &mut rng);
            assert_eq!(ready.is_some(), n > 0, "a nonce that is known is used at once");
            let sent = ready.unwrap_or_else(|| {
                let challenge = guard.challenge(Mono::ZERO, flow(), false);
                challenged(&mut login, &mut tries, &account, &[&challenge]).unwrap();
                login.credentials(&mut tries, &account, ("REGISTER", uri), &mut rng).unwrap()
            });
            assert_eq!(param(&sent.value, "nc"), format!("{:08x}", n + 1));
            let sent = [sent.value.as_bytes()].into_iter();
            let verdict =
                guard.check(Mono::ZERO, flow(), "REGISTER", uri, sent, |_| Some("Circle of Life"));
            assert_eq!(verdict, Verdict::Known("Mufasa".into()));
        }
    }

    #[test]
    fn the_strongest_that_we_know_is_answered() {
        let all = [
            r#"Digest realm="r", nonce="1", algorithm=MD5, qop="auth""#,
            r#"Digest realm="r", nonce="2", algorithm=SHA-256, qop="auth,auth-int""#,
            r#"Digest realm="r", nonce="3", algorithm=SHA-512, qop="auth""#,
            r#"Digest realm="r", nonce="4", algorithm=SHA-256-sess, qop="auth""#,
            r#"Basic realm="r""#,
        ];
        let it = answer(&all, ("INVITE", "sip:x"), &account(&["r"]));
        assert_eq!((param(&it, "nonce"), param(&it, "algorithm")), ("2", "SHA-256"));
        let strongest = r#"Digest realm="r", nonce="5", algorithm=SHA-512-256, opaque="o""#;
        let it = answer(&[all[0], strongest], ("INVITE", "sip:x"), &account(&["r"]));
        assert_eq!((param(&it, "nonce"), param(&it, "opaque")), ("5", "o"));
    }

    #[test]
    fn nobody_else_learns_a_digest() {
        let account = account(&["carrier.test"]);
        for (challenge, refusal) in [
            (r#"Digest realm="evil.test", nonce="n", qop="auth""#, Refusal::Foreign),
            (r#"Digest realm="evilcarrier.test", nonce="n", qop="auth""#, Refusal::Foreign),
            (r#"Digest realm="carrier.test.evil", nonce="n""#, Refusal::Foreign),
            (r#"Digest realm="", nonce="n""#, Refusal::Foreign),
            (r#"Digest nonce="n""#, Refusal::Unknown),
            (r#"Digest realm="carrier.test", nonce="""#, Refusal::Unknown),
            (r#"Digest realm="carrier.test", nonce="n", qop="auth-int""#, Refusal::Unknown),
            (r#"Digest realm="carrier.test", nonce="n", algorithm=ROT13"#, Refusal::Unknown),
            ("Bearer", Refusal::Unknown),
            ("", Refusal::Unknown),
        ] {
            let (mut login, mut tries) = (Login::default(), Tries::default());
            let told = challenged(&mut login, &mut tries, &account, &[challenge]);
            assert_eq!(told, Err(refusal), "{challenge}");
            let request = ("INVITE", "sip:x");
            let sent = login.credentials(&mut tries, &account, request, &mut Rng::from_seed(1));
            assert_eq!(sent, None);
        }
        let own = [r#"Digest realm="SIP.Carrier.test", nonce="n""#];
        assert!(answer(&own, ("INVITE", "sip:x"), &account).contains("SIP.Carrier.test"));
        assert!(!format!("{account:?}").contains("Circle"));
    }

    #[test]
    fn who_is_asked_again_after_a_right_answer_gives_up() {
        let account = account(&["r"]);
        let mut rng = Rng::from_seed(1);
        let ask = |nonce: &str, stale: bool| {
            format!(r#"Digest realm="r", nonce="{nonce}", stale={stale}"#)
        };
        let mut story = |asked: &[(&str, bool)]| {
            let (mut login, mut tries) = (Login::default(), Tries::default());
            asked.iter().position(|(nonce, stale)| {
                let told = challenged(&mut login, &mut tries, &account, &[&ask(nonce, *stale)]);
                login.credentials(&mut tries, &account, ("INVITE", "sip:x"), &mut rng);
                told == Err(Refusal::Wrong)
            })
        };
        assert_eq!(story(&[("1", false), ("1", false)]), Some(1));
        assert_eq!(story(&[("1", false), ("2", false)]), Some(1));
        assert_eq!(story(&[("1", false), ("2", true), ("2", false)]), Some(2));
        // A server that finds everything stale is not believed for ever.
        assert_eq!(story(&[("1", false), ("2", true), ("3", true), ("4", true)]), Some(3));
        // A nonce from before this request may have grown old without a word about it.
        let (mut login, mut tries) = (Login::default(), Tries::default());
        let request = ("INVITE", "sip:x");
        challenged(&mut login, &mut tries, &account, &[&ask("1", false)]).unwrap();
        login.credentials(&mut tries, &account, request, &mut rng);
        let mut tries = Tries::default();
        login.credentials(&mut tries, &account, request, &mut rng);
        challenged(&mut login, &mut tries, &account, &[&ask("2", false)]).unwrap();
        login.credentials(&mut tries, &account, request, &mut rng);
        let told = challenged(&mut login, &mut tries, &account, &[&ask("3", false)]);
        assert_eq!(told, Err(Refusal::Wrong));
    }

    #[test]
    fn what_is_quoted_cannot_break_out() {
        let challenge = r#"Digest realm="a\"b\\c", nonce="n\"", opaque="o\"""#;
        let it = answer(&[challenge], ("INVITE", "sip:x"), &account(&[r#"a"b\c"#]));
        assert!(it.contains(r#"realm="a\"b\\c", nonce="n\"", uri="sip:x""#), "{it}");
    }
}
