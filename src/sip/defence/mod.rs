//! The first line of defence: how much anybody may ask before and after we know who it is.
//!
//! There are three kinds of peers, and a bucket ([`Rate`]) for each of them:
//!
//! - A **stranger** is an address (an IPv6 network) from which nobody has proved anything lately. Each
//!   of its messages costs one from its bucket and one from the bucket that all strangers share, and
//!   that is decided before a byte is read. What is too much is dropped without a word: its address
//!   may be forged, and an answer would go to somebody else.
//! - A **known source** is one from which a right digest has come, or where a phone is registered. Its
//!   requests outside of all dialogs cost one from a bucket of its own, which is larger. What is too
//!   much gets 503 with Retry-After, but only so many answers a second.
//! - A **known phone** is such an address with its port. It has a bucket beside that of its source, so
//!   neither a neighbour behind the same NAT nor strangers with forged addresses use it up.
//!
//! So a flood of strangers, from one address or from all of them, takes nothing from a phone that is
//! known; while all strangers' bucket is empty a phone at a new address has to ask again, which phones
//! do by themselves (RFC 3261 §17.1.2.2).
//!
//! Whoever has proved who it is has limits of its account: registrations, calls and instant
//! messages a second, calls at once, connections. How wrong passwords are slowed stands in [`super::auth`].
//!
//! All tables are bounded ([`Recent`]): what has rested longest is forgotten, which is never worse than
//! a full bucket. Known sources come only from right digests, so strangers cannot push them out.

mod limits;
mod source;

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::map::Keyed;
use crate::base::{Bucket, Mono, Rate, Recent};

use super::Flow;
use super::endpoint::Request;
use super::message::{Method, Name};

pub use limits::Limits;
pub use source::Source;

/// Keeps count of everybody.
#[derive(Debug)]
pub struct Defence {
    limits: Limits,
    strangers: Recent<Source, Bucket>,
    all_strangers: Bucket,
    sources: Recent<Source, Known>,
    phones: Recent<SocketAddr, Bucket>,
    refusals: Bucket,
    registers: Recent<String, Bucket>,
    calls: Recent<String, Bucket>,
    texts: Recent<String, Bucket>,
    overloaded: bool,
    turned_away: TurnedAway,
}

/// A source at which somebody is known.
#[derive(Clone, Copy, Debug)]
struct Known {
    proved_at: Mono,
    bucket: Bucket,
}

/// What was turned away so far, for people who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnedAway {
    /// Messages and requests that were dropped without a word.
    pub dropped: u64,
    /// Requests that got 503.
    pub refused: u64,
}

/// What becomes of a request outside of all dialogs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is served.
    Served,
    /// It gets 503 with Retry-After.
    Refused,
    /// It gets nothing.
    Dropped,
}

impl Defence {
    /// Knows nobody yet.
    pub fn new(hash: Keyed, limits: Limits) -> Self {
        Self {
            limits,
            strangers: Recent::new(hash, STRANGERS_MAX),
            all_strangers: Bucket::default(),
            sources: Recent::new(hash, KNOWN_MAX),
            phones: Recent::new(hash, KNOWN_MAX),
            refusals: Bucket::default(),
            registers: Recent::new(hash, ACCOUNTS_MAX),
            calls: Recent::new(hash, ACCOUNTS_MAX),
            texts: Recent::new(hash, ACCOUNTS_MAX),
            overloaded: false,
            turned_away: TurnedAway::default(),
        }
    }

    /// Whether a message is read at all.
    pub fn admits(&mut self, now: Mono, flow: Flow) -> bool {
        let source = Source::of(flow);
        if self.limits.stranger_rate == 0 || self.is_known(now, source) {
            return true;
        }
        let own = self.strangers.entry(source, Bucket::default);
        // What is too much for one takes nothing from the others.
        let admitted = own.take(now, self.limits.of_strangers())
            && self.all_strangers.take(now, ALL_STRANGERS);
        self.turned_away.dropped += u64::from(!admitted);
        admitted
    }

    /// Whether a request outside of all dialogs is served.
    pub fn asked(&mut self, now: Mono, request: &Request) -> Entry {
        let is_known = self.is_known(now, Source::of(request.flow));
        if !is_known && self.limits.drop_scanners && is_scanner(request) {
            self.turned_away.dropped += 1;
            return Entry::Dropped;
        }
        let is_call = request.message.method() == Method::Invite;
        let serves = match is_known {
            true => self.has_left(now, request.flow) && !(self.overloaded && is_call),
            false => !self.overloaded,
        };
        if serves {
            return Entry::Served;
        }
        if self.refusals.take(now, REFUSALS) {
            self.turned_away.refused += 1;
            return Entry::Refused;
        }
        self.turned_away.dropped += 1;
        Entry::Dropped
    }

    /// A right digest has come along this flow, or a phone is registered there.
    pub fn proved(&mut self, now: Mono, flow: Flow) {
        let unknown = || Known { proved_at: now, bucket: Bucket::default() };
        self.sources.entry(Source::of(flow), unknown).proved_at = now;
        self.phones.entry(flow.remote, Bucket::default);
    }

    /// Whether an account may register once more now.
    pub fn may_register(&mut self, now: Mono, account: &str) -> bool {
        let bucket = self.registers.entry(account.to_owned(), Bucket::default);
        let may = bucket.take(now, self.limits.of_registers());
        self.turned_away.refused += u64::from(!may);
        may
    }

    /// Whether an account that has so many calls may begin another one now.
    pub fn may_call(&mut self, now: Mono, account: &str, calls: u32) -> bool {
        let has_room = self.limits.calls == 0 || calls < self.limits.calls;
        let bucket = self.calls.entry(account.to_owned(), Bucket::default);
        let may = has_room && bucket.take(now, self.limits.of_calls());
        self.turned_away.refused += u64::from(!may);
        may
    }

    /// Whether an account may send one more instant message now.
    pub fn may_text(&mut self, now: Mono, account: &str) -> bool {
        let may = self.texts.entry(account.to_owned(), Bucket::default).take(now, TEXTS);
        self.turned_away.refused += u64::from(!may);
        may
    }

    /// More comes in than can be served, or does not any more. Until then there are no new calls, and
    /// strangers wait; running calls and known phones' registrations go on.
    pub const fn overload(&mut self, overloaded: bool) {
        self.overloaded = overloaded;
    }

    /// What is allowed.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What was turned away so far.
    pub const fn turned_away(&self) -> TurnedAway {
        self.turned_away
    }

    /// Takes one from the bucket of a known phone, else from that of its source.
    fn has_left(&mut self, now: Mono, flow: Flow) -> bool {
        let own = self.phones.get(&flow.remote);
        if own.is_some_and(|it| it.take(now, PHONE)) {
            return true;
        }
        let rate = self.limits.of_sources();
        self.sources.get(&Source::of(flow)).is_some_and(|it| it.bucket.take(now, rate))
    }

    fn is_known(&mut self, now: Mono, source: Source) -> bool {
        self.sources.get(&source).is_some_and(|it| now - it.proved_at <= KNOWN_FOR)
    }
}

/// Tools that look for open doors and say so. Who knows what they are for changes the name; it keeps
/// the noise out of the log and costs nobody anything.
const SCANNERS: [&[u8]; 9] = [
    b"friendly-scanner",
    b"friendly-request",
    b"sipvicious",
    b"sundayddr",
    b"sipcli",
    b"sip-scan",
    b"sipscan",
    b"vaxsipuseragent",
    b"iwar",
];

fn is_scanner(request: &Request) -> bool {
    let agent = request.message.first(Name::UserAgent).unwrap_or_default();
    let has = |word: &[u8]| agent.windows(word.len()).any(|it| it.eq_ignore_ascii_case(word));
    SCANNERS.iter().any(|it| has(it))
}

/// All strangers together: a switch answers several times as many.
const ALL_STRANGERS: Rate = Rate::per_second(2_000, 4_000);
/// A phone that is known: many times what the busiest desk sends.
const PHONE: Rate = Rate::per_second(20, 100);
/// Instant messages of an account: faster than anybody types, for a while.
const TEXTS: Rate = Rate::per_second(2, 30);
/// 503s, to everybody together.
const REFUSALS: Rate = Rate::per_second(500, 500);
/// Sources of strangers that are remembered; 40 bytes each.
const STRANGERS_MAX: usize = 16_384;
/// Known sources, and known phones, that are remembered.
const KNOWN_MAX: usize = 65_536;
/// How long a source is known: addresses get other owners.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Accounts whose rates are remembered.
const ACCOUNTS_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
