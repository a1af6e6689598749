//! A session that nobody refreshes is over: session timers, RFC 4028.
//!
//! Who supports them and names an interval refreshes; everybody else is refreshed by us, so that a
//! peer that vanished while it holds the other one, and is silent for that reason, is noticed.
//!
//! ```text
//!             +------+  half the interval: /UPDATE or Event::Refresh, until something comes of it
//!   2xx to a  |  Us  | ---+
//!    refresh  +------+    |
//!   --------> +------+    +--> interval - min(32 s, interval / 3): /Ended(Gone), BYE (§10)
//!             | Peer | ---+
//!             +------+
//! ```

use std::time::Duration;

use super::{Event, State, Usage};
use crate::base::{LegId, Mono};
use crate::sip::endpoint::Endpoint;
use crate::sip::message::{Message, Name, Writer};

/// How long a session lasts, and who keeps it alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) struct Session {
    interval_s: u32,
    refresher: Refresher,
    /// When we refresh it.
    at: Mono,
    /// When it is over.
    until: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresher {
    Us,
    Peer,
}

impl Session {
    fn new(now: Mono, interval_s: u32, refresher: Refresher) -> Self {
        let interval = Duration::from_secs(u64::from(interval_s));
        // §10: so much before its end the BYE leaves.
        let until = now + (interval - (interval / 3).min(LAST_WORD));
        let at = match refresher {
            // §7.4: "It is RECOMMENDED that the session refresh request be sent no later than half of the
            // session interval".
            Refresher::Us => now + interval / 2,
            Refresher::Peer => until,
        };
        Self { interval_s, refresher, at, until }
    }

    /// What a request of the peer asks for, as we answer it (§9).
    pub(super) fn answering(now: Mono, request: &Message) -> Self {
        let asked = seconds(request, Name::SessionExpires);
        // §5: no answer is smaller than the Min-SE of the request; but nobody may ask for years.
        let least = min_se(request).unwrap_or(MIN_SE).clamp(MIN_SE, MOST);
        let interval_s = asked.unwrap_or(USUAL).min(USUAL.max(least)).max(MIN_SE);
        let refresher = match refresher(request) {
            // §9, table 2: who does not support timers refreshes nothing.
            _ if !supports(request) => Refresher::Us,
            Some("uas") => Refresher::Us,
            Some("uac") => Refresher::Peer,
            // A peer that lists its abilities need not use them all.
            _ if asked.is_none() => Refresher::Us,
            _ => Refresher::Peer,
        };
        Self::new(now, interval_s, refresher)
    }

    /// What the 2xx to a request of ours says (§7.2).
    fn answered(now: Mono, response: &Message, offered_s: u32) -> Self {
        // Who does not know of timers is refreshed by us.
        let interval_s = seconds(response, Name::SessionExpires).unwrap_or(offered_s);
        let refresher = match refresher(response) {
            Some("uas") => Refresher::Peer,
            _ => Refresher::Us,
        };
        // §4: nothing is smaller; a peer must not drive us through refreshes.
        Self::new(now, interval_s.clamp(MIN_SE, MOST), refresher)
    }

    /// Adds what the 2xx to this request says (§9).
    pub(super) fn answer(&self, writer: Writer, request: &Message) -> Writer {
        let Self { interval_s, refresher, .. } = self;
        let who = if *refresher == Refresher::Us { "uas" } else { "uac" };
        let writer = writer
            .header(Name::SessionExpires, format_args!("{interval_s};refresher={who}"))
            .header(Name::Supported, SUPPORTED);
        // §9: it must be there when the peer is to refresh, and says nothing to who knows no timers.
        if supports(request) { writer.header(Name::Require, "timer") } else { writer }
    }

    pub(super) fn poll_timeout(&self) -> Mono {
        self.at.min(self.until)
    }
}

impl Usage {
    /// Adds what a request of ours asks for: in a dialog the roles stay (§7.4), a new peer chooses.
    pub(super) fn ask_session(&self, writer: Writer) -> Writer {
        let interval_s = self.interval_s();
        let writer = writer.header(Name::Supported, SUPPORTED);
        let writer = match self.session.map(|it| it.refresher) {
            None => writer.header(Name::SessionExpires, interval_s),
            Some(Refresher::Us) => {
                writer.header(Name::SessionExpires, format_args!("{interval_s};refresher=uac"))
            }
            Some(Refresher::Peer) => {
                writer.header(Name::SessionExpires, format_args!("{interval_s};refresher=uas"))
            }
        };
        match self.min_se {
            // §5: it is what is meant where nothing is said.
            ..=MIN_SE => writer,
            least => writer.header(Name::MinSe, least),
        }
    }

    /// The peer has agreed to a session refresh request of ours.
    pub(super) fn session_agreed(&mut self, now: Mono, response: &Message) {
        self.session = Some(Session::answered(now, response, self.interval_s()));
        self.note_methods(response);
    }

    /// The peer lives, though it does not want what we have asked for. What ends a dialog is told apart
    /// by others.
    pub(super) fn session_lives(&mut self, now: Mono) {
        if let Some(Session { interval_s, refresher, .. }) = self.session {
            self.session = Some(Session::new(now, interval_s, refresher));
        }
    }

    /// Whether it makes sense to ask again after a 422: once, and for more (§7.3).
    pub(super) fn takes_more(&mut self, response: &Message) -> bool {
        let wanted = min_se(response).filter(|it| (MIN_SE + 1..=MOST).contains(it));
        let Some(least) = wanted.filter(|it| self.min_se == MIN_SE && *it > self.interval_s())
        else {
            return false;
        };
        self.min_se = least;
        true
    }

    /// Remembers whether the peer takes an UPDATE (RFC 3311 §4).
    pub(super) fn note_methods(&mut self, message: &Message) {
        if message.first(Name::Allow).is_some() {
            self.takes_updates = message.has_option(Name::Allow, "UPDATE");
        }
    }

    fn interval_s(&self) -> u32 {
        self.session.map_or(USUAL, |it| it.interval_s).max(self.min_se)
    }
}

impl Endpoint {
    /// The session is to be refreshed, or was not.
    pub(super) fn session_due(&mut self, now: Mono, leg: LegId) {
        let is_quiet = self.is_quiet(leg);
        let Some(usage) = self.usage(leg) else { return };
        let Some(session) = usage.session.as_mut().filter(|it| it.poll_timeout() <= now) else {
            return;
        };
        if session.until <= now {
            // §10: nobody has refreshed it.
            return self.gone(now, leg, 408);
        }
        session.at = now + PAUSE;
        // What is under way in a dialog is a refresh itself.
        if matches!(usage.state, State::Up) && is_quiet {
            match usage.takes_updates {
                true => self.update(now, leg),
                false => self.tell(leg, Event::Refresh),
            }
        }
    }
}

/// Whether a request asks for a session that is too short for us (§9). Only who supports timers can
/// be told so.
pub fn is_too_brief(request: &Message) -> bool {
    supports(request) && seconds(request, Name::SessionExpires).is_some_and(|it| it < MIN_SE)
}

fn supports(message: &Message) -> bool {
    [Name::Supported, Name::Require].into_iter().any(|it| message.has_option(it, "timer"))
}

fn min_se(message: &Message) -> Option<u32> {
    seconds(message, Name::MinSe)
}

/// The delta-seconds of such a header; nothing where it is none. More than fits is very long.
fn seconds(message: &Message, name: Name) -> Option<u32> {
    let text = message.text(name)?;
    let digits = text.split(';').next()?.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

fn refresher(message: &Message) -> Option<&'static str> {
    let text = message.text(Name::SessionExpires)?;
    let is = |word: &str| {
        text.split(';').skip(1).filter_map(|it| it.split_once('=')).any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("refresher") && value.trim().eq_ignore_ascii_case(word)
        })
    };
    ["uac", "uas"].into_iter().find(|it| is(it))
}

/// The extensions that we support, as Supported says it.
pub const SUPPORTED: &str = "timer, 100rel, replaces";
/// §4: "The minimum value of the Session-Expires header field is 90 seconds".
pub const MIN_SE: u32 = 90;
/// §4: 30 minutes are recommended.
const USUAL: u32 = 1_800;
/// Nobody may ask for a session that is longer than a day.
const MOST: u32 = 86_400;
/// §10: so long before its end at most a session that is not refreshed gets its BYE.
const LAST_WORD: Duration = Duration::from_secs(32);
/// How long a refresh waits for its turn, and for another try where its flow was gone.
const PAUSE: Duration = Duration::from_secs(10);
