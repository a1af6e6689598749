//! Calls through trunks: which trunk may take one, what its carrier is told, and who is tried next
//! when a carrier does not answer or cannot.
//!
//! A destination that fails three times rests for half a minute, and twice as long with each failure
//! after that; one that says when to come again (Retry-After) rests until then.

use std::collections::VecDeque;
use std::time::Duration;

use super::errand::{Task, is_failure};
use super::{Due, Line, LineId, account, carrier, in_uri};
use crate::base::{CallId, Cause, LegId, Mono, Now, Rate};
use crate::call::Output;
use crate::call::event::{By, What};
use crate::call::leg::Target;
use crate::call::ops::close;
use crate::call::plan::{Plan, Refusal};
use crate::call::ring::Callee;
use crate::call::switch::{Switch, tell};
use crate::directory::{CallerFormat, IdentityHeader, Number, Terms};
use crate::sip::Flow;
use crate::sip::invite::{ANONYMOUS, Outside, Reason};
use crate::sip::resolve::Destination;

/// How long a carrier may be silent after an INVITE.
pub(super) const SILENCE: Duration = Duration::from_secs(3);
/// Failures after which a destination rests, and for how long then.
const FAILURES: u32 = 3;
const REST: Duration = Duration::from_secs(30);
const REST_MAX: Duration = Duration::from_secs(3_600);

/// A call on its way to a carrier.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) call: CallId,
    /// Its leg: another one with each destination.
    pub(super) leg: LegId,
    /// What the script has dialled, and the number in it.
    target: String,
    number: String,
    /// Trunks that may still be tried.
    lines: VecDeque<LineId>,
    /// The destination that is being rung.
    pub(super) at: Option<Destination>,
}

/// How a destination has failed lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rest {
    failures: u32,
    until: Mono,
}

/// Somebody outside who is to be rung when everything is ready.
pub(in crate::call) struct Wanted(Outgoing);

/// Whether a target of a script is outside of the house.
pub(in crate::call) fn is_outside(name: &str) -> bool {
    let is_international = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    name.starts_with("trunk:") || name.strip_prefix('+').is_some_and(is_international)
}

impl<P: Plan> Switch<P> {
    /// A target outside: its trunks are chosen, and nothing is sent yet.
    pub(in crate::call) fn outside_target(
        &mut self,
        now: Now,
        call: CallId,
        name: &str,
    ) -> (Target, Option<Wanted>) {
        let mut target = Target { name: name.to_owned(), legs: Vec::new(), refusal: None };
        match self.choose_lines(now, call, name) {
            Err(cause) => {
                let status = cause.status();
                target.refusal = Some(Refusal { target: name.to_owned(), cause, status });
                (target, None)
            }
            Ok((number, lines)) => {
                let leg = LegId(self.next_id());
                self.legs.insert(leg, call);
                // It counts from now on, also while its carrier is looked for.
                let owner = self.calls.get(&call).map(|it| it.caller.who.clone());
                if let Some(line) = lines.front().and_then(|it| self.trunks.lines.get_mut(it)) {
                    line.calls.insert(leg, owner.unwrap_or_default());
                }
                target.legs.push(leg);
                let target_name = name.to_owned();
                let it = Outgoing { call, leg, target: target_name, number, lines, at: None };
                (target, Some(Wanted(it)))
            }
        }
    }

    /// Begins to ring somebody outside.
    pub(in crate::call) fn ring_outside(
        &mut self,
        now: Now,
        Wanted(it): Wanted,
        out: &mut Vec<Output>,
    ) {
        self.next_line(now, it, out);
    }

    /// The trunks that may take a call to this target now, the first to be tried first.
    fn choose_lines(
        &mut self,
        now: Now,
        call: CallId,
        name: &str,
    ) -> Result<(String, VecDeque<LineId>), Cause> {
        let (trunk, number) = match name.strip_prefix("trunk:") {
            Some(rest) => rest.split_once('/').map(|(a, b)| (Some(a), b)).ok_or(Cause::NotFound)?,
            None => (None, name),
        };
        let number = Number::parse(number).ok_or(Cause::NotFound)?.to_string();
        let fits = |it: &Line| !it.leaving && trunk.is_none_or(|name| it.trunk.terms.name == name);
        let all = self.trunks.lines.iter().filter(|it| fits(it.1));
        let mut all: Vec<_> = all.map(|(id, it)| (it.trunk.terms.priority, *id)).collect();
        if all.is_empty() {
            return Err(Cause::NotFound);
        }
        all.sort_unstable();
        let owner = self.calls.get(&call).map(|it| it.caller.who.clone()).unwrap_or_default();
        let legs = &self.legs;
        let mut own = 0;
        for line in self.trunks.lines.values_mut() {
            line.calls.retain(|leg, _| legs.contains_key(leg));
            own += line.calls.values().filter(|it| **it == owner).count();
        }
        // Toll fraud: a phone that was taken over does not call the world at once.
        let most = self.trunks.calls_per_extension;
        if most > 0 && own >= most {
            return Err(Cause::Limit);
        }
        let mut free = VecDeque::new();
        for (_, id) in all {
            let Some(line) = self.trunks.lines.get_mut(&id) else { continue };
            let second = line.trunk.terms.calls_per_second;
            let has_room = line.calls.len() < line.trunk.terms.channels as usize;
            if has_room && line.pace.take(now.mono, Rate::per_second(second, second)) {
                free.push_back(id);
            }
        }
        if free.is_empty() { Err(Cause::Limit) } else { Ok((number, free)) }
    }

    /// The next trunk is tried; without one the target has refused.
    fn next_line(&mut self, now: Now, mut it: Outgoing, out: &mut Vec<Output>) {
        match it.lines.pop_front() {
            Some(line) => self.begin_errand(now, line, Task::Call(Box::new(it)), out),
            None => {
                self.legs.remove(&it.leg);
                self.lost(now, it.call, it.leg, Cause::Failed, 503, out);
            }
        }
    }

    /// An errand for a call has come to an end without an answer.
    pub(super) fn call_not_carried(&mut self, now: Now, it: Outgoing, out: &mut Vec<Output>) {
        let call = self.calls.get_mut(&it.call);
        match call.map(|call| (call.rings(it.leg), call.callee(it.leg).is_some())) {
            // It rings already.
            Some((_, true)) => {}
            Some((true, false)) => self.next_line(now, it, out),
            Some((false, false)) | None => _ = self.legs.remove(&it.leg),
        }
    }

    /// There is a way to a carrier: it is rung.
    pub(super) fn ring_carrier(
        &mut self,
        now: Now,
        errand: u64,
        line: LineId,
        it: &Outgoing,
        flow: Flow,
        out: &mut Vec<Output>,
    ) {
        let (Some(call), Some(to)) = (self.calls.get(&it.call), self.trunks.lines.get_mut(&line))
        else {
            self.legs.remove(&it.leg);
            self.drop_errand(now, errand);
            return;
        };
        // Nobody waits for it any more.
        if !call.rings(it.leg) {
            self.legs.remove(&it.leg);
            self.drop_errand(now, errand);
            return;
        }
        let terms = &to.trunk.terms;
        let owner = call.caller.who.clone();
        let own = self.directory.extension(&owner).and_then(|it| it.caller_id.number.clone());
        let shown = own.or_else(|| terms.caller_id.clone()).map(|it| written(terms, it.as_str()));
        let shown = shown.or_else(|| terms.username.clone());
        let outside = Outside {
            domain: in_uri(terms.from_domain.as_ref().unwrap_or(&terms.host)),
            identity: identity(terms, &call.from, shown.as_deref()),
            account: account(&to.trunk),
        };
        let is_hidden = call.from == ANONYMOUS;
        let number = written(terms, &it.number).replace('#', "%23");
        let uri = carrier(&to.trunk).replacen("sip:", &format!("sip:{number}@"), 1);
        to.calls.insert(it.leg, owner);
        self.trunks.timers.set(Due::Errand(errand), Some(now.mono + SILENCE));
        let from = shown.filter(|_| !is_hidden).unwrap_or_else(|| ANONYMOUS.to_owned());
        let callee = Callee {
            leg: it.leg,
            target: &it.target,
            uri: &uri,
            flow,
            from: Some(&from),
            to: &number,
            outside: Some(&outside),
        };
        if !self.invite_callee(now, it.call, callee, out) {
            self.drop_errand(now, errand);
            self.legs.remove(&it.leg);
            self.lost(now, it.call, it.leg, Cause::Limit, 503, out);
        }
    }

    /// A carrier refuses a call; true when another destination is tried instead.
    pub(in crate::call) fn carrier_refused(
        &mut self,
        now: Now,
        call: CallId,
        leg: LegId,
        status: u16,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(errand) = self.errand_of(leg) else { return false };
        if !is_failure(status) {
            self.note_destination(now, errand, None);
            self.drop_errand(now, errand);
            return false;
        }
        self.note_destination(now, errand, Some(Duration::ZERO));
        self.leave_destination(now, errand, (call, leg), (Cause::Failed, Some(status)), out)
    }

    /// A carrier has told when to come again.
    pub(in crate::call) fn carrier_rests(&mut self, now: Now, leg: LegId, wait: Duration) {
        if let Some(errand) = self.errand_of(leg) {
            self.note_destination(now, errand, Some(wait));
        }
    }

    /// An INVITE is out for some time: a carrier that says nothing is left.
    pub(super) fn carrier_silent(
        &mut self,
        now: Now,
        errand: u64,
        it: &Outgoing,
        out: &mut Vec<Output>,
    ) {
        let call = self.calls.get_mut(&it.call);
        let rings =
            call.is_some_and(|call| call.callee(it.leg).is_some_and(|it| it.offer.is_some()));
        if !rings {
            self.drop_errand(now, errand);
            return;
        }
        if self.endpoint.is_heard(it.leg) {
            return self.trunks.timers.set(Due::Errand(errand), Some(now.mono + SILENCE));
        }
        self.note_destination(now, errand, Some(Duration::ZERO));
        self.endpoint.hang_up(now.mono, it.leg, &Reason::q850(102));
        if !self.leave_destination(now, errand, (it.call, it.leg), (Cause::Offline, None), out) {
            self.drop_callee(now, it.call, it.leg, Cause::Offline, &Reason::q850(102), out);
            self.lost(now, it.call, it.leg, Cause::Offline, 408, out);
        }
    }

    /// Gives the leg at one destination up for one at the next; false when there is none.
    fn leave_destination(
        &mut self,
        now: Now,
        errand: u64,
        (id, leg): (CallId, LegId),
        (cause, status): (Cause, Option<u16>),
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(it) = self.trunks.errands.get(&errand) else { return false };
        let Task::Call(outgoing) = &it.task else { return false };
        if it.left.is_empty() && outgoing.lines.is_empty() {
            self.drop_errand(now, errand);
            return false;
        }
        let next = LegId(self.next_id());
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let callee = call.take_callee(leg);
        call.ring_instead(leg, next);
        self.legs.remove(&leg);
        self.legs.insert(next, id);
        if let Some(audio) = callee.and_then(|it| it.audio) {
            close(&audio, out);
        }
        tell(out, now, Some(id), What::LegEnded { leg, cause, status, by: By::House });
        if let Some(it) = self.trunks.errands.get_mut(&errand)
            && let Task::Call(outgoing) = &mut it.task
        {
            outgoing.leg = next;
        }
        self.next_destination(now, errand, out);
        true
    }

    /// A destination has worked, or has failed and wants to rest.
    fn note_destination(&mut self, now: Now, errand: u64, failed: Option<Duration>) {
        let Some(it) = self.trunks.errands.get(&errand) else { return };
        let Task::Call(outgoing) = &it.task else { return };
        let Some(line) = self.trunks.lines.get_mut(&it.line) else { return };
        let Some(at) = outgoing.at else { return };
        match failed {
            None => _ = line.rests.remove(&at),
            Some(wait) if wait > Duration::ZERO => {
                let rest = line.rests.entry(at).or_default();
                rest.until = rest.until.max(now.mono + wait);
            }
            Some(_) => line.rests.entry(at).or_default().fail(now.mono),
        }
    }

    /// The errand that a leg to a carrier belongs to.
    fn errand_of(&self, leg: LegId) -> Option<u64> {
        let is_its = |task: &Task| matches!(task, Task::Call(it) if it.leg == leg);
        self.trunks.errands.iter().find(|it| is_its(&it.1.task)).map(|it| *it.0)
    }
}

impl Rest {
    fn fail(&mut self, now: Mono) {
        self.failures = self.failures.saturating_add(1);
        if let Some(more) = self.failures.checked_sub(FAILURES) {
            let rest = REST.saturating_mul(1 << more.min(16)).min(REST_MAX);
            self.until = self.until.max(now + rest);
        }
    }

    pub(super) fn is_over(self, now: Mono) -> bool {
        self.until <= now
    }
}

/// Says who calls, in the header that the carrier wants (RFC 3325 §9). One who wants to stay unknown
/// is named to those whom we trust alone, and they are asked to tell nobody (RFC 3323 §4.2).
fn identity(terms: &Terms, from: &str, shown: Option<&str>) -> Vec<(&'static str, String)> {
    let Some(shown) = shown else { return Vec::new() };
    let is_hidden = from == ANONYMOUS;
    let domain = in_uri(terms.from_domain.as_ref().unwrap_or(&terms.host));
    let address = format!("<sip:{shown}@{domain}>");
    let name = match terms.identity {
        IdentityHeader::PAssertedIdentity => "P-Asserted-Identity",
        IdentityHeader::PPreferredIdentity => "P-Preferred-Identity",
        IdentityHeader::RemotePartyId => "Remote-Party-ID",
        IdentityHeader::From => return Vec::new(),
    };
    match (is_hidden, terms.trusted) {
        (false, _) => vec![(name, address)],
        (true, true) => vec![(name, address), ("Privacy", "id".to_owned())],
        (true, false) => vec![("Privacy", "id".to_owned())],
    }
}

/// A number as `+…`, when the trunk's rules tell how.
pub(super) fn international(terms: &Terms, number: &str) -> String {
    let strip = |prefix: &str| number.strip_prefix(prefix).filter(|_| !prefix.is_empty());
    let is_number = number.bytes().all(|it| it.is_ascii_digit());
    match &terms.country {
        Some(country) if is_number => match strip(&terms.international_prefix) {
            Some(rest) => format!("+{rest}"),
            None => match strip(&terms.national_prefix) {
                Some(rest) => format!("+{country}{rest}"),
                None => number.to_owned(),
            },
        },
        _ => number.to_owned(),
    }
}

/// A number as the carrier wants it written.
fn written(terms: &Terms, number: &str) -> String {
    let full = international(terms, number);
    let digits = full.strip_prefix('+');
    match (terms.format, digits) {
        (CallerFormat::Raw, _) => number.to_owned(),
        (CallerFormat::Plus, _) | (_, None) => full,
        (CallerFormat::Bare, Some(digits)) => digits.to_owned(),
        (CallerFormat::National, Some(digits)) => {
            let country = terms.country.as_deref().filter(|it| !it.is_empty());
            match country.and_then(|it| digits.strip_prefix(it)) {
                Some(rest) => format!("{}{rest}", terms.national_prefix),
                None => format!("{}{digits}", terms.international_prefix),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_carrier_wants_them() {
        let mut terms = Terms::usual("a".into(), "b.test".into());
        terms.country = Some("49".into());
        for (format, number, wanted) in [
            (CallerFormat::Plus, "030123", "+4930123"),
            (CallerFormat::Plus, "0044207", "+44207"),
            (CallerFormat::Bare, "030123", "4930123"),
            (CallerFormat::National, "+4930123", "030123"),
            (CallerFormat::National, "+44207", "0044207"),
            (CallerFormat::Raw, "030123", "030123"),
            (CallerFormat::Plus, "112", "112"),
        ] {
            terms.format = format;
            assert_eq!(written(&terms, number), wanted, "{format:?} {number}");
        }
    }

    #[test]
    fn only_three_failures_make_a_rest_and_each_more_doubles_it() {
        let mut rest = Rest::default();
        let at = |seconds: u64| Mono::from_millis(seconds * 1_000);
        rest.fail(at(0));
        rest.fail(at(0));
        assert!(rest.is_over(at(0)));
        rest.fail(at(0));
        assert!(!rest.is_over(at(29)) && rest.is_over(at(30)));
        rest.fail(at(30));
        assert!(!rest.is_over(at(89)) && rest.is_over(at(90)));
    }
}
