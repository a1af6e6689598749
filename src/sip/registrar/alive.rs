//! Whether the phones are still there: each phone behind NAT is asked from time to time along its
//! flow, which also keeps the NAT's door open (the purpose of RFC 5626 §3.5; the question is an OPTIONS,
//! RFC 3261 §11, because every phone answers it, over every transport).
//!
//! ```text
//!            interval                answer
//!   waits ───────────► asked ──────────────────► waits      (missed = 0)
//!                       │  ▲
//!               4 s, no │  │ missed < 3: once more
//!               answer  └──┘ missed = 3: unreachable, waits
//! ```
//!
//! An unreachable phone is not rung; it is asked on, and its next answer or REGISTER makes it reachable
//! at once. A phone that has never answered may be one that answers no OPTIONS, so it counts as
//! reachable. Which phones: those whose Contact is not the address that we see them at.
//!
//! Each question costs a message and no transaction; when and how many is spread over the interval by
//! the phone's number, and bounded by the second.

use std::net::IpAddr;
use std::time::Duration;

use super::{Binding, Registrar};
use crate::base::{Mono, Rate};
use crate::sip::Flow;
use crate::sip::message::Uri;

/// What we know of the way to a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// The question that waits for its answer: when it left, and its branch.
    asked: Option<(Mono, String)>,
    missed: u8,
    /// How long its last answer took; none if it never gave one.
    pub round_trip: Option<Duration>,
}

/// A phone that is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The phone's number here.
    pub id: u64,
    /// The phone.
    pub binding: Binding,
}

impl Pulse {
    /// Whether the phone can be rung, as far as we know.
    pub fn is_reachable(&self) -> bool {
        self.missed < MISSED_MAX || self.round_trip.is_none()
    }
}

impl Registrar {
    /// The next phone to be asked now, if any. Tell [`Self::asked`] what it was asked.
    pub fn poll_alive(&mut self, now: Mono) -> Option<Ask> {
        while let Some(id) = self.asks.pop(now) {
            let Some(entry) = self.bindings.get_mut(&id) else { continue };
            if entry.pulse.asked.take().is_some() {
                let was_reachable = entry.pulse.is_reachable();
                entry.pulse.missed = entry.pulse.missed.saturating_add(1).min(MISSED_MAX);
                if was_reachable && !entry.pulse.is_reachable() {
                    self.turned.push((entry.aor.clone(), entry.binding.contact.clone(), false));
                }
                if entry.pulse.missed == MISSED_MAX {
                    self.asks.set(id, Some(now + self.rules.keep_alive));
                    continue;
                }
            }
            if self.pace.take(now, PACE) {
                return Some(Ask { id, binding: entry.binding.clone() });
            }
            self.asks.set(id, Some(now + share(id, Duration::from_secs(1))));
        }
        None
    }

    /// A phone was asked, in a request with this branch.
    pub fn asked(&mut self, now: Mono, id: u64, branch: String) {
        let Some(entry) = self.bindings.get_mut(&id) else { return };
        entry.pulse.asked = Some((now, branch));
        self.asks.set(id, Some(now + ANSWER_WAIT));
    }

    /// An answer has come along this flow, to the phone of this number as it says.
    pub fn alive(&mut self, now: Mono, flow: Flow, id: u64, branch: &str) {
        let Some(entry) = self.bindings.get_mut(&id) else { return };
        let pulse = &mut entry.pulse;
        // Anybody could claim to be alive in the name of a phone; its flow and branch nobody guesses.
        let Some((at, _)) = pulse.asked.take_if(|it| it.1 == branch && entry.binding.flow == flow)
        else {
            return;
        };
        if !pulse.is_reachable() {
            self.turned.push((entry.aor.clone(), entry.binding.contact.clone(), true));
        }
        (pulse.missed, pulse.round_trip) = (0, Some(now - at));
        let pause = self.rules.keep_alive.mul_f64(0.8) + share(id, self.rules.keep_alive / 5);
        self.asks.set(id, Some(at + pause));
    }

    /// Takes what has turned since it was last asked: phones that have missed too many questions, and
    /// those of them that are there again, each with its extension and contact.
    pub fn turned(&mut self) -> Vec<(String, String, bool)> {
        std::mem::take(&mut self.turned)
    }

    /// A phone has registered: it is there, and will be asked whether it still is.
    pub(super) fn beats(&mut self, now: Mono, id: u64) {
        let Some(entry) = self.bindings.get_mut(&id) else { return };
        if !entry.pulse.is_reachable() {
            self.turned.push((entry.aor.clone(), entry.binding.contact.clone(), true));
        }
        entry.pulse = Pulse { round_trip: entry.pulse.round_trip, ..Pulse::default() };
        let wants = !self.rules.keep_alive.is_zero() && is_behind_nat(&entry.binding);
        self.asks.set(id, wants.then(|| now + share(id, self.rules.keep_alive)));
    }
}

/// A part of the span, the same for the same phone and unlike that of its neighbours.
fn share(id: u64, span: Duration) -> Duration {
    // Fibonacci hashing: numbers in a row fall far from each other.
    let part = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    span.mul_f64(part as f64 / f64::from(u32::MAX))
}

/// Whether a phone calls itself by another address than the one that we see. A name counts as one.
fn is_behind_nat(binding: &Binding) -> bool {
    let Ok(uri) = Uri::parse(&binding.contact) else { return true };
    let host = uri.host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port.unwrap_or(5060);
    let seen = binding.flow.remote;
    host.parse::<IpAddr>().ok() != Some(seen.ip()) || port != seen.port()
}

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(4);
/// Missed answers in a row that make a phone unreachable.
const MISSED_MAX: u8 = 3;
/// Questions, to all phones together: what 10,000 phones need is 450 a second.
const PACE: Rate = Rate::per_second(1_000, 100);

#[cfg(test)]
mod tests;
