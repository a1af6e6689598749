//! SIP transactions: the four machines of RFC 3261 §17 as updated by RFC 6026, a file each, and
//! the [`key`] that finds the machine a message belongs to.
//!
//! A machine sees statuses and bytes, never a message. It does not know headers, dialogs, flows or
//! who waits for it. It resends what was lost, swallows what came twice and says when to give up.
//!
//! Drive each one the same way:
//!
//! 1. `new(…)` when a request opens a transaction;
//! 2. `handle(now, input, &mut out)` for what happens to it;
//! 3. do what `out` says, in order;
//! 4. `handle_timeout(now, &mut out)` once the moment of `poll_timeout()` has come;
//! 5. forget it when `is_over()`.
//!
//! ```
//! use bytes::Bytes;
//! use moonswitch::base::Mono;
//! use moonswitch::sip::tx::{Timing, client::{Client, Input, Output}};
//!
//! let mut out = Vec::new();
//! let request = Bytes::from_static(b"OPTIONS ...");
//! let mut tx = Client::new(Timing::default(), false, request.clone(), Mono::ZERO, &mut out);
//! tx.handle(Mono::from_millis(20), Input::Response(200), &mut out);
//! assert_eq!(out, [Output::Send(request), Output::Pass]);
//! ```
//!
//! **A late clock.** When `handle_timeout` comes late, a due end (timers B, D, F, H …) wins over a
//! due resend, and of several resends that fell due one is sent: the next follows a full interval
//! after now. A driver that stalled must not greet the network with a burst.
//!
//! **A failure is told once.** After `Failed` no second one follows, but for one case: a core that
//! answers an INVITE it was told is `Unreachable` may hear `NoAck` later.

pub mod client;
pub mod invite_client;
pub mod invite_server;
pub mod key;
pub mod server;

use std::time::Duration;

use crate::base::Mono;

/// The base intervals of RFC 3261 §17.1.1.1 (table 4); every other timer derives from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The estimated round trip.
    pub t1: Duration,
    /// The longest pause between two resends.
    pub t2: Duration,
    /// How long a message may live in the network.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

/// Why a transaction came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No ACK ever came for a 300-699 (timer H).
    NoAck,
    /// No final response ever came (timers B and F).
    NoReply,
    /// The transport could not deliver.
    Unreachable,
}

/// What a status means to a machine; statuses outside 100-699 mean nothing and are absorbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// 1xx
    Provisional,
    /// 2xx
    Success,
    /// 300-699
    Rejection,
}

impl Class {
    const fn of(status: u16) -> Option<Self> {
        match status {
            100..=199 => Some(Self::Provisional),
            200..=299 => Some(Self::Success),
            300..=699 => Some(Self::Rejection),
            _ => None,
        }
    }
}

/// How fast a machine works: [`Timing`] in microseconds, because there may be a hundred thousand
/// machines and three `Duration`s would be half of each.
#[derive(Clone, Copy, Debug)]
struct Pace {
    t1_us: u32,
    t2_us: u32,
    t4_us: u32,
    reliable: bool,
}

impl Pace {
    fn new(timing: Timing, reliable: bool) -> Self {
        Self {
            t1_us: micros(timing.t1),
            t2_us: micros(timing.t2),
            t4_us: micros(timing.t4),
            reliable,
        }
    }

    /// How long a peer may take for anything: 64*T1.
    const fn patience(self) -> Duration {
        Duration::from_micros(64 * self.t1_us as u64)
    }

    const fn t4(self) -> Duration {
        Duration::from_micros(self.t4_us as u64)
    }

    /// Starts resending; a reliable transport does that for us.
    fn resend(self, now: Mono) -> Option<Resend> {
        (!self.reliable).then(|| Resend { at: now, wait_us: 0 }.after(now, self.t1_us))
    }

    /// The double wait, at most T2 (timers E and G).
    fn doubled(self, resend: Resend, now: Mono) -> Resend {
        resend.after(now, resend.wait_us.saturating_mul(2).min(self.t2_us))
    }
}

/// A timer that resends: when it fires next and how long it waits for that.
#[derive(Clone, Copy, Debug)]
struct Resend {
    at: Mono,
    wait_us: u32,
}

impl Resend {
    const fn is_due(self, now: Mono) -> bool {
        now.as_nanos() >= self.at.as_nanos()
    }

    /// The next firing: on the grid of the RFC's figures, unless we are so late that it lies behind
    /// us as well.
    fn after(self, now: Mono, wait_us: u32) -> Self {
        let wait = Duration::from_micros(wait_us.into());
        let on_grid = self.at + wait;
        let at = if on_grid > now { on_grid } else { now + wait };
        Self { at, wait_us }
    }
}

/// At least a millisecond, so that no setting makes a machine spin; at most 71 minutes.
fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX).max(1_000)
}

#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;
