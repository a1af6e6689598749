//! Who guesses passwords is slowed, and nobody is ever locked out by it.
//!
//! What is counted is wrong answers to nonces that we have sent to the very source that answers, so a
//! forged address counts nothing against its owner. For each account:
//!
//! 1. A peer (address and port) that has proved this account within the last hour is never slowed. A
//!    phone that is there stays there, whatever its neighbours behind the same NAT guess.
//! 2. From any other peer the fifth wrong guess and each one after it opens a pause, the first a quarter of a
//!    second, each twice as long as the one before, up to half a minute. In a pause its answers for this
//!    account are not looked at and not answered; so a right one does not tell itself apart. A right
//!    answer after the pause forgets all.
//! 3. A guesser may come from a new port each time. So the guesses of all ports of a source for an
//!    account draw on one bucket: twenty, and one more every two seconds. A guesser who keeps his port
//!    is slowed by rule 2 long before it is empty, so a phone that starts anew behind his NAT is let in
//!    at once. Only where somebody guesses this very account from ever new ports of this very address
//!    does a phone that starts anew there have to be lucky; a phone at any other address does not.
//!
//! Unknown accounts are counted like known ones, or the pause would tell which is which. All tables
//! are bounded; whoever fills them with invented names has spent his own source's bucket on it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::map::Keyed;
use crate::base::{Bucket, Mono, Rate, Recent};
use crate::sip::Flow;
use crate::sip::defence::Source;

use std::hash::BuildHasher;

/// What is remembered of guesses.
#[derive(Debug)]
pub(super) struct Guesses {
    hash: Keyed,
    proved: Recent<(SocketAddr, Account), Mono>,
    peers: Recent<(SocketAddr, Account), Guesser>,
    sources: Recent<(Source, Account), Bucket>,
}

/// A keyed hash of the name that was given: names have no end, and most of them are nobody's.
type Account = u64;

#[derive(Clone, Copy, Debug, Default)]
struct Guesser {
    wrong: u32,
    until: Mono,
}

impl Guesses {
    pub(super) fn new(hash: Keyed) -> Self {
        Self {
            hash,
            proved: Recent::new(hash, MAX),
            peers: Recent::new(hash, MAX),
            sources: Recent::new(hash, MAX),
        }
    }

    /// Whether an answer for this account is looked at.
    pub(super) fn may_try(&mut self, now: Mono, flow: Flow, account: &str) -> bool {
        let account = self.hash.hash_one(account);
        if self.has_proved(now, flow, account) {
            return true;
        }
        let pauses = self.peers.get(&(flow.remote, account)).is_some_and(|it| now < it.until);
        let source = self.sources.get(&(Source::of(flow), account));
        !pauses && source.is_none_or(|it| it.has(now, GUESSES))
    }

    /// It was wrong.
    pub(super) fn wrong(&mut self, now: Mono, flow: Flow, account: &str) {
        let account = self.hash.hash_one(account);
        if self.has_proved(now, flow, account) {
            return;
        }
        let it = self.peers.entry((flow.remote, account), Guesser::default);
        it.wrong = it.wrong.saturating_add(1);
        if let Some(doubled) = it.wrong.checked_sub(FREE) {
            let pause = PAUSE.saturating_mul(1 << doubled.min(16)).min(PAUSE_MAX);
            it.until = now + pause;
        }
        self.sources.entry((Source::of(flow), account), Bucket::default).take(now, GUESSES);
    }

    /// It was right.
    pub(super) fn right(&mut self, now: Mono, flow: Flow, account: &str) {
        let account = self.hash.hash_one(account);
        self.peers.remove(&(flow.remote, account));
        self.proved.insert((flow.remote, account), now);
    }

    fn has_proved(&mut self, now: Mono, flow: Flow, account: Account) -> bool {
        let at = self.proved.get(&(flow.remote, account));
        at.is_some_and(|it| now - *it <= PROVED_FOR)
    }
}

/// The wrong guess of a peer that opens the first pause.
const FREE: u32 = 5;
/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Wrong guesses for an account from all ports of a source.
const GUESSES: Rate = Rate::one_in(Duration::from_secs(2), 20);
/// How long a peer counts as its account's own.
const PROVED_FOR: Duration = Duration::from_secs(60 * 60);
/// Entries of each table.
const MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    #[test]
    fn a_hundred_guesses_from_one_port_take_long_and_cost_nobody_else_a_moment() {
        let mut story = Story::new();
        let took = story.guess(100, |_| 5060);
        assert!(took > Duration::from_secs(40 * 60), "{took:?}");
        for (host, port) in [(2, 5061), (3, 5060)] {
            assert!(story.may_try(flow(host, port), "1001"), "{host}:{port}");
        }
        assert!(story.may_try(flow(2, 5060), "1002"), "another account");
        assert!(!story.may_try(flow(2, 5060), "1001"));
    }

    #[test]
    fn a_hundred_guesses_from_a_hundred_ports_take_long_too() {
        let mut story = Story::new();
        let took = story.guess(100, |guess| 6_000 + guess);
        assert!(took > Duration::from_secs(150), "{took:?}");
        assert!(story.may_try(flow(3, 5060), "1001"), "the true phone elsewhere");
    }

    #[test]
    fn a_phone_that_was_there_before_is_let_in_amid_its_neighbours_guesses() {
        let mut story = Story::new();
        story.it.right(story.now, flow(2, 5070), "1001");
        story.guess(50, |guess| 6_000 + guess);
        assert!(story.may_try(flow(2, 5070), "1001"));
        for _ in 0..100 {
            story.it.wrong(story.now, flow(2, 5070), "1001");
        }
        assert!(story.may_try(flow(2, 5070), "1001"), "forged in its name");
        story.now = story.now + PROVED_FOR + Duration::from_secs(1);
        story.guess(6, |_| 5070);
        assert!(!story.may_try(flow(2, 5070), "1001"), "whoever it is now");
    }

    #[test]
    fn a_right_answer_after_the_pause_forgets_what_was_wrong() {
        let mut story = Story::new();
        story.guess(8, |_| 5060);
        story.now = story.now + PAUSE_MAX;
        assert!(story.may_try(flow(2, 5060), "1001"));
        story.it.right(story.now, flow(2, 5060), "1001");
        assert!(!story.it.peers.contains(&(flow(2, 5060).remote, story.it.hash.hash_one("1001"))));
    }

    #[test]
    fn invented_names_fill_no_memory() {
        let mut story = Story::new();
        for name in 0..3 * MAX {
            story.it.wrong(story.now, flow(2, 5060), &name.to_string());
        }
        assert!(story.it.peers.len() <= MAX && story.it.sources.len() <= MAX);
    }

    struct Story {
        it: Guesses,
        now: Mono,
    }

    impl Story {
        fn new() -> Self {
            let hash = Keyed::new(&mut crate::base::Rng::from_seed(1));
            Self { it: Guesses::new(hash), now: Mono::ZERO }
        }

        fn may_try(&mut self, flow: Flow, account: &str) -> bool {
            self.it.may_try(self.now, flow, account)
        }

        /// So many guesses for 1001, every 10 ms as far as they are looked at; how long they took.
        fn guess(&mut self, count: u16, port: impl Fn(u16) -> u16) -> Duration {
            let began = self.now;
            for guess in 0..count {
                while !self.may_try(flow(2, port(guess)), "1001") {
                    self.now = self.now + Duration::from_millis(10);
                }
                self.it.wrong(self.now, flow(2, port(guess)), "1001");
            }
            self.now - began
        }
    }

    fn flow(host: u8, port: u16) -> Flow {
        let (local, remote) = (([10, 0, 0, 1], 5060).into(), ([10, 0, 0, host], port).into());
        Flow { transport: Transport::Udp, local, remote }
    }
}
