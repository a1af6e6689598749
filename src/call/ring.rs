//! Dialling: who is rung, who refuses, who is first.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::Output;
use super::audio::is_ours;
use super::event::{By, What};
use super::leg::{Job, Leg, Ring, Target};
use super::ops::close;
use super::plan::{Outcome, Plan, Refusal, State, Talk};
use super::switch::{Held, Switch, tell};
use super::trace::{Detail, Traced};
use super::trunk::is_outside;
use crate::base::{CallId, Cause, LegId, Now, OpId, StreamId};
use crate::media::{Command, Source, Tone};
use crate::sdp::{self, Agreed, Direction, Session};
use crate::sip::Flow;
use crate::sip::invite::{Invitation, Outside, Reason};
use crate::sip::registrar::Binding;

/// The most phones that one `dial` rings.
const LEGS_MAX: usize = 32;

/// Somebody who is to be rung: a phone, or somebody behind a carrier.
pub(super) struct Callee<'a> {
    pub(super) leg: LegId,
    /// What the script has named.
    pub(super) target: &'a str,
    pub(super) uri: &'a str,
    pub(super) flow: Flow,
    /// The number in From, unless it is the caller's.
    pub(super) from: Option<&'a str>,
    /// The number in To.
    pub(super) to: &'a str,
    pub(super) outside: Option<&'a Outside>,
}

impl<P: Plan> Switch<P> {
    pub(super) fn dial(
        &mut self,
        now: Now,
        id: CallId,
        op: OpId,
        names: &[String],
        timeout: Duration,
        out: &mut Vec<Output>,
    ) {
        if let Some(odd) = names.iter().find(|it| it.contains(':') && !is_outside(it)) {
            let why =
                format!("cannot dial '{odd}': only extensions, trunk:name/number and +numbers");
            return self.resume(now, op, Outcome::Misused(why));
        }
        if !self.open_caller(id, names, out) {
            return self.refuse_call(now, id, Cause::Limit, 503, By::House, out);
        }
        let mut targets = Vec::new();
        let mut outside = Vec::new();
        let mut budget = LEGS_MAX;
        // Whoever is named twice rings once.
        let is_first = |(nth, name): &(usize, &String)| !names[..*nth].contains(name);
        for (_, name) in names.iter().enumerate().filter(is_first) {
            if is_outside(name) && self.directory.extension(name).is_none() {
                let (target, wanted) = self.outside_target(now, id, name);
                targets.push(target);
                outside.extend(wanted);
                continue;
            }
            let bindings: Vec<Binding> =
                self.registrar.bindings(name).take(budget).cloned().collect();
            budget -= bindings.len();
            let refused = match self.directory.extension(name) {
                None => Some((Cause::NotFound, 404)),
                Some(_) if bindings.is_empty() => Some((Cause::Offline, 480)),
                Some(_) => None,
            };
            let refusal =
                refused.map(|(cause, status)| Refusal { target: name.clone(), cause, status });
            let mut target = Target { name: name.clone(), legs: Vec::new(), refusal };
            if target.refusal.is_none() {
                for binding in &bindings {
                    self.ring_phone(now, id, &mut target, binding, out);
                }
            }
            targets.push(target);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.has_dialled = true;
            call.job = Some(Job::Ring(Ring { op, targets, ringback: None }));
        }
        self.timers.set(op, Some(now.mono + timeout));
        for it in outside {
            self.ring_outside(now, it, out);
        }
        self.settle_ring(now, id, out);
    }

    /// A phone rings; the caller hears that it does.
    pub(super) fn callee_rings(&mut self, now: Now, id: CallId, leg: LegId, out: &mut Vec<Output>) {
        let own = self.own_op();
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(callee) = call.callee(leg) else { return };
        // A phone may say it as often as it likes.
        if !std::mem::replace(&mut callee.rang, true) {
            tell(out, now, Some(id), What::Ringing { leg });
            self.transfer_rings(now, id);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Job::Ring(ring)) = &mut call.job else { return };
        match call.state {
            State::Ringing => {
                let caller = call.caller.id;
                self.endpoint.ring(now.mono, caller, 180, None);
            }
            State::Early | State::Answered if ring.ringback.is_none() => {
                if let Some(tone) = Tone::named("ringback") {
                    ring.ringback = Some(own);
                    let source = Source::Tone(tone);
                    self.caller_command(id, out, |stream| Command::Play {
                        stream,
                        op: own,
                        source,
                    });
                }
            }
            State::Early | State::Answered | State::Ended => {}
        }
    }

    /// A phone answers: the first one gets the call.
    pub(super) fn callee_answered(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        sdp: Option<Bytes>,
        out: &mut Vec<Output>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !matches!(call.job, Some(Job::Ring(_))) {
            return;
        }
        let Some(callee) = call.callee(leg) else { return };
        let flow = callee.flow;
        let answer = sdp.and_then(|it| Session::parse(&it).ok());
        let agreed = match (callee.offer.take(), answer) {
            (Some(offer), Some(answer)) => {
                let agreed = offer.accept(&answer, Direction::SendRecv).ok();
                agreed.map(|it| (it, offer.layout().clone()))
            }
            _ => None,
        };
        let (Some((agreed, layout)), Some(audio)) = (agreed, callee.audio.as_mut()) else {
            return self.callee_unfit(now, id, leg, out);
        };
        let local = audio.local(&self.endpoint, flow);
        if is_ours(&self.ports, &local, &agreed) {
            return self.callee_unfit(now, id, leg, out);
        }
        audio.will = agreed.peer;
        audio.layout = Some(layout);
        let local = SocketAddr::new(local.address, local.port);
        audio.agree((id, leg), agreed.clone(), local, flow.remote.ip(), out);
        tell(out, now, Some(id), What::Answered { leg });
        self.first_answered(now, id, leg, &agreed, out);
    }

    /// The first has answered, with this agreement: it talks with the caller, and nobody else rings.
    pub(super) fn first_answered(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        agreed: &Agreed,
        out: &mut Vec<Output>,
    ) {
        // Its offer held the caller's codecs only, so a caller who waits can be answered with it.
        if !self.answer_caller(now, id, Some(agreed), out) {
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Job::Ring(ring)) = call.job.take() else { return };
        call.job = Some(Job::Talk { op: ring.op, leg, since: now.mono });
        self.timers.set(ring.op, None);
        self.stop_ringback(id, &ring, out);
        for other in ring.targets.into_iter().flat_map(|it| it.legs).filter(|it| *it != leg) {
            self.drop_callee(now, id, other, Cause::Hangup, &Reason::elsewhere(), out);
        }
        // A script may have answered the caller, or played to it, since this phone was offered more;
        // and either may have held the other already: that is followed.
        self.bridge(now, id, out);
    }

    /// A phone refuses, or does not answer our INVITE at all.
    pub(super) fn callee_refused(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        status: u16,
        out: &mut Vec<Output>,
    ) {
        if self.carrier_refused(now, id, leg, status, out) {
            return;
        }
        let cause = Cause::from_status(status);
        let Some(call) = self.calls.get_mut(&id) else { return };
        self.legs.remove(&leg);
        if let Some(audio) = call.take_callee(leg).and_then(|it| it.audio) {
            close(&audio, out);
        }
        tell(out, now, Some(id), What::LegEnded { leg, cause, status: Some(status), by: By::Peer });
        self.lost(now, id, leg, cause, status, out);
    }

    /// A leg's peer has hung up, or the caller has given up, or the peer is gone.
    pub(super) fn leg_left(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        cause: Cause,
        by: By,
        out: &mut Vec<Output>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.caller.id == leg {
            self.sent_left(now, id, out);
            return self.end_call(now, id, cause, by, out);
        }
        self.legs.remove(&leg);
        let Some(callee) = call.take_callee(leg) else { return };
        if let Some(audio) = &callee.audio {
            close(audio, out);
        }
        tell(out, now, Some(id), What::LegEnded { leg, cause, status: None, by });
        if matches!(call.job, Some(Job::Away(_))) {
            // It has sent the caller elsewhere, and leaves.
            return self.end_call(now, id, cause, by, out);
        }
        if let Some(Job::Talk { op, leg: own, since }) = call.job
            && own == leg
        {
            call.job = None;
            let duration = now.mono - since;
            let talk = Talk { by: callee.who, duration, ended_by_caller: false };
            self.resume(now, op, Outcome::Talked(talk));
            self.follow(now, id, out);
        }
    }

    /// Nothing is heard of a peer any more: it is treated as if it had hung up. A caller who is not
    /// answered yet only listens, and may.
    pub(super) fn stream_silent(&mut self, now: Now, stream: StreamId, out: &mut Vec<Output>) {
        let Some(Held { call: id, leg, .. }) = self.streams.get(&stream).copied() else { return };
        let Some(call) = self.calls.get(&id).filter(|it| it.is_answered()) else { return };
        if call.caller.id != leg {
            // Its stream may outlive a leg until the plane has closed it.
            if call.callees.iter().all(|it| it.id != leg) {
                return;
            }
            self.endpoint.hang_up(now.mono, leg, &Reason::of(Cause::Lost));
        }
        self.leg_left(now, id, leg, Cause::Lost, By::House, out);
    }

    /// Nobody has answered in time.
    pub(super) fn ring_due(&mut self, now: Now, id: CallId, out: &mut Vec<Output>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Job::Ring(ring)) = &mut call.job else { return };
        let mut silent = Vec::new();
        for target in &mut ring.targets {
            if !target.legs.is_empty() {
                target.note(Cause::NoAnswer, Cause::NoAnswer.status());
                silent.append(&mut target.legs);
            }
        }
        for leg in silent {
            self.drop_callee(now, id, leg, Cause::NoAnswer, &Reason::q850(19), out);
        }
        self.settle_ring(now, id, out);
    }

    /// Hangs a callee up, in whatever state it is.
    pub(super) fn drop_callee(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        cause: Cause,
        reason: &Reason,
        out: &mut Vec<Output>,
    ) {
        let callee = self.calls.get_mut(&id).and_then(|it| it.take_callee(leg));
        let Some(callee) = callee else { return };
        if !callee.is_away {
            self.endpoint.hang_up(now.mono, leg, reason);
            self.legs.remove(&leg);
        }
        if let Some(audio) = &callee.audio {
            close(audio, out);
        }
        tell(out, now, Some(id), What::LegEnded { leg, cause, status: None, by: By::House });
    }

    pub(super) fn stop_ringback(&self, id: CallId, ring: &Ring, out: &mut Vec<Output>) {
        if let Some(op) = ring.ringback {
            self.caller_command(id, out, |stream| Command::Stop { stream, op });
        }
    }

    /// Rings one phone of a target with an offer of our own.
    fn ring_phone(
        &mut self,
        now: Now,
        id: CallId,
        target: &mut Target,
        binding: &Binding,
        out: &mut Vec<Output>,
    ) {
        let leg = LegId(self.next_id());
        let callee = Callee {
            leg,
            target: &target.name,
            uri: &binding.contact,
            flow: binding.flow,
            from: None,
            to: &target.name,
            outside: None,
        };
        match self.invite_callee(now, id, callee, out) {
            true => target.legs.push(leg),
            false => target.note(Cause::Limit, 503),
        }
    }

    /// Rings somebody with an offer of our own; false for want of a port.
    pub(super) fn invite_callee(
        &mut self,
        now: Now,
        id: CallId,
        callee: Callee<'_>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Callee { leg, flow, .. } = callee;
        let Some(mut audio) = self.open_audio(id, leg, out) else { return false };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let codecs = call.caller.codecs();
        audio.ptime_ms = call.caller.packet_ms();
        let offer = sdp::offer(&audio.local(&self.endpoint, flow), &codecs);
        audio.said = Some(offer.text().to_owned());
        let invitation = Invitation {
            uri: callee.uri,
            flow,
            from: callee.from.unwrap_or(&call.from),
            from_name: call.from_name.as_deref(),
            to: callee.to,
            sdp: offer.text(),
            max_forwards: call.max_forwards.saturating_sub(1),
            outside: callee.outside,
        };
        let sip_call_id = self.endpoint.invite(now.mono, leg, invitation);
        call.callees.push(Leg {
            audio: Some(audio),
            offer: Some(offer),
            ..Leg::new(leg, callee.target.to_owned(), flow)
        });
        self.legs.insert(leg, id);
        out.push(Output::Traced(Traced { call: id, detail: Detail::Named { leg, sip_call_id } }));
        tell(out, now, Some(id), What::Dialled { leg, target: callee.target.to_owned() });
        true
    }

    /// An answer that we can do nothing with.
    fn callee_unfit(&mut self, now: Now, id: CallId, leg: LegId, out: &mut Vec<Output>) {
        let reason = Reason { value: "SIP;cause=488;text=\"Not acceptable here\"".into() };
        self.drop_callee(now, id, leg, Cause::Failed, &reason, out);
        self.lost(now, id, leg, Cause::Failed, 488, out);
    }

    /// A phone will not answer any more; perhaps it was the last.
    pub(super) fn lost(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        cause: Cause,
        status: u16,
        out: &mut Vec<Output>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Job::Ring(ring)) = &mut call.job else { return };
        for target in ring.targets.iter_mut().filter(|it| it.legs.contains(&leg)) {
            target.legs.retain(|it| *it != leg);
            target.note(cause, status);
        }
        self.settle_ring(now, id, out);
    }

    /// Ends the dialling when nobody is left who could answer.
    fn settle_ring(&mut self, now: Now, id: CallId, out: &mut Vec<Output>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Job::Ring(ring)) = &call.job else { return };
        if ring.targets.iter().any(|it| !it.legs.is_empty()) {
            return;
        }
        let Some(Job::Ring(ring)) = call.job.take() else { return };
        self.stop_ringback(id, &ring, out);
        let targets: Vec<Refusal> = ring.targets.into_iter().filter_map(|it| it.refusal).collect();
        let cause = targets.iter().map(|it| it.cause).min_by_key(|it| rank(*it));
        let cause = cause.unwrap_or(Cause::NotFound);
        self.resume(now, ring.op, Outcome::Unanswered { cause, targets });
    }
}

impl Target {
    /// Takes note of a phone's refusal; the most telling one stands for the target.
    fn note(&mut self, cause: Cause, status: u16) {
        let is_better = self.refusal.as_ref().is_none_or(|it| rank(cause) < rank(it.cause));
        if is_better {
            self.refusal = Some(Refusal { target: self.name.clone(), cause, status });
        }
    }
}

/// Which of several causes tells the caller most: somebody is there before nobody is.
fn rank(cause: Cause) -> u8 {
    match cause {
        Cause::Busy => 0,
        Cause::Declined => 1,
        Cause::NoAnswer => 2,
        Cause::Hangup => 3,
        Cause::Forbidden => 4,
        Cause::Limit => 5,
        Cause::Failed => 6,
        Cause::Offline => 7,
        Cause::NotFound => 8,
        Cause::Lost => 9,
    }
}
