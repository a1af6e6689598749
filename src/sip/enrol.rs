//! Registers us with a carrier (RFC 3261 §10.2), for as long as we want to be called through it.
//!
//! ```text
//!                   begin
//!                     |            401/407, 423: again at once, in bounded number
//!                     v           +------+
//!               +-----------+     |      |
//!      +------->|  Asking   |<----+      |
//!      |        +-----------+------------+
//!      |          |       | 2xx: until a part of the time is over
//! due  |          |       | 4xx-6xx, no reply: until the back-off is over
//!      |          v       v
//!      |        +-----------+   stop    +-----------+  any answer, or none
//!      +--------|  Resting  |---------->|  Leaving  |-----------------------> Over
//!               +-----------+           +-----------+
//! ```
//!
//! While the carrier does not answer we stay registered until what it granted is over. How long we
//! wait after a failure doubles with each (RFC 5626 §4.5) and has chance in it, so that a thousand
//! houses do not come back in the same second; who refuses us (a wrong password, 403) is asked again
//! slowly, for a password that is guessed at speed gets an address banned.
//!
//! The machine writes requests and reads responses. It does not know where the carrier is, which
//! flow leads there, what a transaction is, nor the clock: its driver says.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::auth::client::{Account, Credentials, Login, Tries};
use super::message::{Contacts, Message, Method, Name, Uri, Writer};
use crate::base::{Mono, Now, Rng, Wall};

/// The first wait after a failure, and the longest.
const BASE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
/// The same for those who refuse us.
const REFUSED_BASE: Duration = Duration::from_secs(300);
const REFUSED_LONGEST: Duration = Duration::from_secs(3_600);
/// RFC 3261 §20.33: the longest Retry-After that is believed.
const RETRY_AFTER_MAX: u64 = 3_600;
/// How often a carrier may find our time too brief, one after the other.
const BRIEF_MAX: u8 = 3;
/// Nobody is registered for longer.
const EXPIRES_MAX: u32 = 86_400;

/// What is registered, and with whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The Request-URI: the carrier's domain without a user (§10.2).
    pub registrar: String,
    /// The address-of-record: who calls are for.
    pub aor: String,
    /// The user part of our Contact.
    pub user: String,
    /// How many seconds we ask for.
    pub expires: u32,
    /// What we prove it with.
    pub account: Option<Account>,
    /// Whether all numbers of the trunk are registered at once (RFC 6140).
    pub bulk: bool,
    /// Whether the Contact names the address that the carrier sees; not when people have chosen one.
    pub rewrite: bool,
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A final response to the last request.
    Response(&'a Message),
    /// No destination has answered it.
    Failed,
    /// We do not want to be registered any more.
    Stop,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this; one [`Input::Response`] or [`Input::Failed`] is expected.
    Send(Register),
    /// What people see has changed.
    Changed,
}

/// A REGISTER that needs a way to go.
#[derive(Clone, PartialEq, Eq)]
pub struct Register {
    call_id: String,
    cseq: u32,
    tag: String,
    expires: u32,
    /// Where the carrier sees us, as far as it has said so.
    seen: Option<SocketAddr>,
    /// A Contact of ours that counts no more.
    former: Option<SocketAddr>,
    credentials: Option<Credentials>,
}

/// How a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known yet.
    Trying,
    /// Calls come to us.
    Registered,
    /// The carrier does not want us.
    Refused,
    /// The carrier does not answer, or cannot.
    Unreachable,
    /// We have left.
    Left,
}

/// What people see of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// How it stands.
    pub standing: Standing,
    /// Since when.
    pub since: Wall,
    /// The last final status, if there was an answer.
    pub status: Option<u16>,
    /// When we ask next.
    pub next: Option<Wall>,
}

/// One registration.
#[derive(Debug)]
pub struct Enrol {
    config: Config,
    rng: Rng,
    login: Login,
    tries: Tries,
    call_id: String,
    tag: String,
    cseq: u32,
    phase: Phase,
    /// Until when the carrier sends us calls.
    until: Option<Mono>,
    /// What we ask for, after what the carrier found too brief.
    expires: u32,
    brief: u8,
    failures: u32,
    seen: Option<SocketAddr>,
    former: Option<SocketAddr>,
    /// The address in the last Contact.
    told: Option<SocketAddr>,
    /// Whether that was put right already since it was last due.
    moved: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Resting(Mono),
    Asking,
    Leaving,
    Over,
}

impl Enrol {
    /// Begins to register.
    pub fn new(now: Now, config: Config, mut rng: Rng, out: &mut Vec<Output>) -> Self {
        let state = State { standing: Standing::Trying, since: now.wall, status: None, next: None };
        let mut it = Self {
            login: Login::default(),
            tries: Tries::default(),
            call_id: rng.token(),
            tag: rng.token(),
            cseq: 0,
            phase: Phase::Asking,
            until: None,
            expires: config.expires.clamp(1, EXPIRES_MAX),
            brief: 0,
            failures: 0,
            seen: None,
            former: None,
            told: None,
            moved: false,
            state,
            config,
            rng,
        };
        it.ask(out);
        it
    }

    /// Something happened.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        match (self.phase, input) {
            (Phase::Over, _) | (Phase::Resting(_), Input::Response(_) | Input::Failed) => {}
            (Phase::Asking | Phase::Leaving, Input::Response(it)) => self.answered(now, it, out),
            (Phase::Asking, Input::Failed) => {
                self.state.status = None;
                self.rest_after_failure(now, Standing::Unreachable, None, out);
            }
            (Phase::Leaving, Input::Failed) => self.left(now, out),
            (Phase::Leaving, Input::Stop) => {}
            // A carrier that may know us hears that we leave; one that never answered need not.
            (Phase::Asking | Phase::Resting(_), Input::Stop) => {
                let known = self.until.is_some() || self.phase == Phase::Asking;
                match known && self.state.standing != Standing::Unreachable {
                    true => {
                        self.phase = Phase::Leaving;
                        self.tries = Tries::default();
                        self.send(0, out);
                    }
                    false => self.left(now, out),
                }
            }
        }
    }

    /// Asks when it is time.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.until.is_some_and(|it| it <= now.mono) {
            // What was granted is over, whatever we have tried.
            self.until = None;
            self.stand(now, Standing::Unreachable, out);
        }
        if matches!(self.phase, Phase::Resting(at) if at <= now.mono) {
            self.moved = false;
            self.ask(out);
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let rest = match self.phase {
            Phase::Resting(at) => Some(at),
            Phase::Asking | Phase::Leaving | Phase::Over => None,
        };
        [rest, self.until].into_iter().flatten().min()
    }

    /// How it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether we have left and may be forgotten.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Where the carrier sees us.
    pub fn seen(&self) -> Option<SocketAddr> {
        self.seen
    }

    /// The request in bytes, for this way. `address` is ours on it.
    pub fn write(
        &mut self,
        it: &Register,
        via: &str,
        address: SocketAddr,
        transport: &str,
    ) -> Bytes {
        let address = it.seen.unwrap_or(address);
        self.told = Some(address);
        let Config { registrar, aor, user, bulk, .. } = &self.config;
        let contact = |at: SocketAddr| match bulk {
            // RFC 6140 §5.2: no user, and `bnc`.
            true => format!("<sip:{at}{transport};bnc>"),
            false => format!("<sip:{user}@{at}{transport}>"),
        };
        let mut writer = Writer::request(Method::Register, registrar)
            .header(Name::Via, via)
            .header(Name::MaxForwards, 70)
            .header(Name::From, format_args!("<{aor}>;tag={}", it.tag))
            .header(Name::To, format_args!("<{aor}>"))
            .header(Name::CallId, &it.call_id)
            .header(Name::CSeq, format_args!("{} REGISTER", it.cseq))
            .header(Name::Contact, contact(address));
        if let Some(former) = it.former {
            writer = writer.header(Name::Contact, format_args!("{};expires=0", contact(former)));
        }
        if *bulk {
            writer = writer.header(Name::Require, "gin").header(Name::ProxyRequire, "gin");
        }
        writer =
            writer.header(Name::Expires, it.expires).header(Name::Allow, super::endpoint::ALLOW);
        if let Some(Credentials { proxy, value }) = &it.credentials {
            let name = if *proxy { Name::ProxyAuthorization } else { Name::Authorization };
            writer = writer.header(name, value);
        }
        writer.finish()
    }

    fn ask(&mut self, out: &mut Vec<Output>) {
        self.phase = Phase::Asking;
        self.tries = Tries::default();
        self.brief = 0;
        self.state.next = None;
        self.send(self.expires, out);
    }

    /// Sends; what is to be said is written when there is a way.
    fn send(&mut self, expires: u32, out: &mut Vec<Output>) {
        // §8.1.1.5: below 2^31; a house does not live that long.
        self.cseq = self.cseq.saturating_add(1);
        let Self { config, login, tries, rng, .. } = self;
        let request = ("REGISTER", config.registrar.as_str());
        let credentials = config
            .account
            .as_ref()
            .and_then(|account| login.credentials(tries, account, request, rng));
        out.push(Output::Send(Register {
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            tag: self.tag.clone(),
            expires,
            seen: self.seen,
            former: self.former,
            credentials,
        }));
    }

    fn answered(&mut self, now: Now, response: &Message, out: &mut Vec<Output>) {
        let Some(status) = response.status().filter(|it| *it >= 200) else { return };
        let about_last = response.cseq().is_ok_and(|it| it.number == self.cseq);
        if !about_last {
            return;
        }
        self.state.status = Some(status);
        match (status, self.phase) {
            (401 | 407, _) => self.challenged(now, status == 407, response, out),
            (_, Phase::Leaving) => self.left(now, out),
            (200..=299, _) => self.accepted(now, response, out),
            // §10.3: the interval is too brief.
            (423, _) => self.too_brief(now, response, out),
            (408 | 430 | 480 | 500..=599, _) => {
                let after = retry_after(response);
                self.rest_after_failure(now, Standing::Unreachable, after, out);
            }
            _ => self.rest_after_failure(now, Standing::Refused, retry_after(response), out),
        }
    }

    fn challenged(&mut self, now: Now, proxy: bool, response: &Message, out: &mut Vec<Output>) {
        let name = if proxy { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
        let Self { config, login, tries, .. } = self;
        let learned = config.account.as_ref().is_some_and(|account| {
            login.challenged(tries, account, proxy, response.values(name)).is_ok()
        });
        match (learned, self.phase) {
            (true, Phase::Leaving) => self.send(0, out),
            (true, _) => {
                self.see(response);
                self.send(self.expires, out);
            }
            (false, Phase::Leaving) => self.left(now, out),
            (false, _) => self.rest_after_failure(now, Standing::Refused, None, out),
        }
    }

    fn accepted(&mut self, now: Now, response: &Message, out: &mut Vec<Output>) {
        self.failures = 0;
        self.former = None;
        let granted = self.granted(response).clamp(1, EXPIRES_MAX);
        let granted_ms = u64::from(granted) * 1_000;
        self.until = Some(now.mono + Duration::from_millis(granted_ms));
        self.stand(now, Standing::Registered, out);
        self.see(response);
        if self.seen.is_some() && self.seen != self.told && !self.moved {
            // The carrier would call an address that it does not see us at: once more, with the
            // right one, and without the wrong one. A NAT that has a new port for each datagram gets
            // no more than that.
            self.moved = true;
            self.former = self.told;
            return self.ask(out);
        }
        // Between 70 and 85 percent: enough is left for another try or two.
        let part = 700 + self.rng.below(150);
        self.rest(now, Duration::from_millis(granted_ms * part / 1_000).max(BASE));
    }

    fn too_brief(&mut self, now: Now, response: &Message, out: &mut Vec<Output>) {
        let wanted = response.text(Name::MinExpires).and_then(|it| it.parse::<u32>().ok());
        self.brief += 1;
        match wanted.filter(|it| *it > self.expires && *it <= EXPIRES_MAX) {
            Some(wanted) if self.brief <= BRIEF_MAX => {
                self.expires = wanted;
                self.send(wanted, out);
            }
            _ => self.rest_after_failure(now, Standing::Refused, None, out),
        }
    }

    /// Takes over where the carrier sees us (RFC 3581).
    fn see(&mut self, response: &Message) {
        if !self.config.rewrite {
            return;
        }
        let seen = response.top_via().ok().and_then(|it| {
            let host = it.params.get("received").unwrap_or(it.host);
            let ip = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
            let port = it.params.get("rport")?.parse().ok().filter(|it| *it > 0)?;
            Some(SocketAddr::new(ip, port))
        });
        self.seen = seen.or(self.seen);
    }

    /// §10.3: how long the carrier keeps our Contact.
    fn granted(&self, response: &Message) -> u32 {
        let of_contact = match response.contacts() {
            Ok(Contacts::List(all)) => all.iter().find_map(|it| {
                let uri = Uri::parse(it.uri).ok()?;
                let own = self.config.bulk || uri.user == Some(self.config.user.as_str());
                own.then(|| it.params.get("expires")?.parse().ok())?
            }),
            Ok(Contacts::Star) | Err(_) => None,
        };
        of_contact.or_else(|| response.expires()).unwrap_or(self.expires)
    }

    /// RFC 5626 §4.5: twice as long with each failure, and a random part of the second half.
    fn rest_after_failure(
        &mut self,
        now: Now,
        standing: Standing,
        retry_after: Option<Duration>,
        out: &mut Vec<Output>,
    ) {
        let (base, longest) = match standing {
            Standing::Refused => (REFUSED_BASE, REFUSED_LONGEST),
            _ => (BASE, LONGEST),
        };
        let wait = base.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let half_ms = u64::try_from(wait.as_millis() / 2).unwrap_or(u64::MAX);
        let wait = Duration::from_millis(half_ms + self.rng.below(half_ms + 1));
        self.rest(now, wait.max(retry_after.unwrap_or_default()));
        if standing == Standing::Refused {
            self.until = None;
        }
        match self.until {
            // Calls still come.
            Some(_) => out.push(Output::Changed),
            None => self.stand(now, standing, out),
        }
    }

    fn rest(&mut self, now: Now, wait: Duration) {
        self.phase = Phase::Resting(now.mono + wait);
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.state.next = Some(Wall(now.wall.0.saturating_add(micros)));
    }

    fn left(&mut self, now: Now, out: &mut Vec<Output>) {
        self.phase = Phase::Over;
        self.until = None;
        self.state.next = None;
        self.stand(now, Standing::Left, out);
    }

    fn stand(&mut self, now: Now, standing: Standing, out: &mut Vec<Output>) {
        if self.state.standing != standing {
            self.state.standing = standing;
            self.state.since = now.wall;
        }
        out.push(Output::Changed);
    }
}

/// RFC 3261 §20.33: seconds, before a comment or parameters.
pub fn retry_after(response: &Message) -> Option<Duration> {
    let text = response.text(Name::RetryAfter)?;
    let digits = text.split(|it: char| !it.is_ascii_digit()).next()?;
    let seconds: u64 = if digits.len() > 9 { RETRY_AFTER_MAX } else { digits.parse().ok()? };
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_MAX)))
}

impl Standing {
    /// The word for people and programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Registered => "registered",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Left => "left",
        }
    }
}

/// Without the credentials.
impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REGISTER {} expires={}", self.cseq, self.expires)
    }
}

#[cfg(test)]
mod tests;
