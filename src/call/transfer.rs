//! Transfers: a party sends its partner to somebody else (RFC 5589), and one leg takes the place of
//! another (RFC 3891). Both end here; no phone ever sees another one's REFER.
//!
//! ```text
//!             REFER                       the new call is answered
//!  Talk ----------------> Away + new call -------------------------> Away, until the referrer leaves
//!    ^                      |   |    \
//!    |  it comes to nothing |   |     the party that was sent away hangs up: as if it had done so
//!    +----------------------+   |     in the old call
//!                               | it comes to nothing, and the referrer has left
//!                               +----------------------------> another call: the referrer is rung
//! ```
//!
//! Who is sent away is the caller of a new call with its leg and its stream, and the dial plan of the
//! new call runs with the rights and within the limits of who sent it there. In the old call a
//! [shell](Leg::shell) of the leg stays, so that its record is whole.

use std::time::Duration;

use super::Output;
use super::arrive::{CALLS_MAX, is_number};
use super::audio::is_ours;
use super::event::{By, What};
use super::leg::{Audio, Away, Call, Job, Leg, Transfer};
use super::ops::close;
use super::plan::{Outcome, Plan, Talk, View, Way};
use super::switch::{Switch, tell};
use super::trace::{Detail, Traced};
use crate::base::{CallId, Cause, LegId, Now, StreamId};
use crate::media::Command;
use crate::sdp::{self, Agreed, Direction, Session};
use crate::sip::endpoint::Request;
use crate::sip::invite::{Reason, Referral, Replaces};

impl<P: Plan> Switch<P> {
    /// A party wants its partner to talk with somebody else.
    pub(super) fn referred(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        it: Referral,
        out: &mut Vec<Output>,
    ) {
        let done = match it.replaces {
            None => self.send_away(now, id, leg, it.to, out),
            Some(replaces) => self.join_other(now, id, leg, &replaces, out),
        };
        if let Err(status) = done {
            self.endpoint.refer_says(now.mono, leg, status);
        }
    }

    /// The partner of a leg begins a new call.
    fn send_away(
        &mut self,
        now: Now,
        id: CallId,
        referrer: LegId,
        to: String,
        out: &mut Vec<Output>,
    ) -> Result<(), u16> {
        let call = self.calls.get(&id).ok_or(481_u16)?;
        // A machine is nobody who could be sent anywhere.
        let partner = call.partner(referrer).ok_or(403_u16)?;
        let (sent, by) = (partner.id, call.leg(referrer).map(|it| it.who.clone()));
        let by = by.ok_or(481_u16)?;
        let (from, from_name) = match sent == call.caller.id {
            true => (call.from.clone(), call.from_name.clone()),
            false => {
                let name = self.directory.extension(&partner.who).map(|it| it.name.clone());
                (partner.who.clone(), name)
            }
        };
        // As if it had come over another hop (RFC 3261 §16.6, 3): transfers in a circle end.
        let hops = call.max_forwards.saturating_sub(1);
        if hops == 0 {
            return Err(483);
        }
        if !is_number(&to) {
            return Err(404);
        }
        let is_full = self.closing || self.behind || self.calls.len() >= CALLS_MAX;
        if is_full || !self.has_room(now, &by) {
            return Err(503);
        }
        let new = CallId(self.rng.bits() >> 8);
        let leg = self.take_away(now, id, referrer, new, out).ok_or(403_u16)?;
        let view = View {
            direction: Way::Internal,
            from,
            from_name,
            to,
            extension: Some(by.clone()),
            transferred_by: Some(by),
            headers: Vec::new(),
            seed: self.rng.bits(),
        };
        let transfer = Transfer { home: id, referrer };
        self.go_on(now, (new, view), leg, (id, hops), Some(transfer), out);
        Ok(())
    }

    /// The partner of a leg talks with the party of another call, in which its own phone has another
    /// leg: both legs of the referrer are over.
    fn join_other(
        &mut self,
        now: Now,
        id: CallId,
        referrer: LegId,
        replaces: &Replaces,
        out: &mut Vec<Output>,
    ) -> Result<(), u16> {
        let old = self.endpoint.replaced(replaces).ok_or(481_u16)?;
        let other = self.legs.get(&old).copied().filter(|it| *it != id).ok_or(481_u16)?;
        let [call, target] = [id, other].map(|it| self.calls.get(&it));
        let (call, target) = (call.ok_or(481_u16)?, target.ok_or(481_u16)?);
        call.partner(referrer).ok_or(403_u16)?;
        let [own, its] = [call.leg(referrer), target.leg(old)].map(|it| it.map(|it| &it.who));
        if own != its {
            // Lamps show the dialogs of others; they are not there to be sent into.
            return Err(403);
        }
        if target.partner(old).is_none() {
            // Nobody has answered yet: then it is as if the number alone had been named.
            let is_ringing = matches!(target.job, Some(Job::Ring(_))) && target.caller.id == old;
            let to = target.to.clone();
            if !is_ringing || !is_number(&to) {
                return Err(481);
            }
            self.end_call(now, other, Cause::Hangup, By::House, out);
            return self.send_away(now, id, referrer, to, out);
        }
        let thread = target.partner(old).and_then(|it| it.audio.as_ref()).map(|it| it.thread);
        let leg = call.partner(referrer).and_then(|it| it.audio.as_ref()).map(|it| it.thread);
        if thread != leg {
            // A stream cannot change its media thread; see `open_caller`.
            return Err(503);
        }
        let leg = self.take_away(now, id, referrer, other, out).ok_or(403_u16)?;
        self.put_in_place(now, other, old, leg, Some(id), out);
        self.transferred(now, id, referrer);
        Ok(())
    }

    /// Takes the partner of the referrer out of its call; a shell stays.
    fn take_away(
        &mut self,
        now: Now,
        id: CallId,
        referrer: LegId,
        to: CallId,
        out: &mut Vec<Output>,
    ) -> Option<Leg> {
        let call = self.calls.get_mut(&id)?;
        let sent = call.partner(referrer)?.id;
        let Some(Job::Talk { op, leg: talker, since }) = call.job else { return None };
        let slot = call.leg_mut(sent)?;
        let shell = slot.shell();
        let leg = std::mem::replace(slot, shell);
        call.job = Some(Job::Away(Away { op, talker, since, to }));
        self.belongs(&leg, to);
        if let Some(audio) = &leg.audio {
            let command = Command::Part { stream: audio.stream };
            out.push(Output::Media { thread: audio.thread, command });
        }
        tell(out, now, Some(id), What::Transferred { leg: sent, by: referrer, to_call: to });
        // Whatever the referrer has asked of its partner is ours to answer now.
        self.follow_alone(now, id, referrer, out);
        Some(leg)
    }

    /// A leg goes on as the caller of a new call.
    fn go_on(
        &mut self,
        now: Now,
        (id, view): (CallId, View),
        leg: Leg,
        (from_call, hops): (CallId, u32),
        transfer: Option<Transfer>,
        out: &mut Vec<Output>,
    ) {
        let (caller, who) = (leg.id, leg.who.clone());
        let sip_call_id = self.endpoint.dialog_of(caller).map(|it| it.0).unwrap_or_default();
        let mut call = Call::new(now, leg, &view, hops, self.plan.generation());
        call.be_answered(now);
        call.transfer = transfer;
        self.belongs(&call.caller, id);
        let is_taken = self.begin(now, id, call, view, sip_call_id, out);
        tell(out, now, Some(id), What::Joined { leg: caller, who, from_call: Some(from_call) });
        tell(out, now, Some(id), What::Answered { leg: caller });
        if !is_taken {
            self.end_call(now, id, Cause::NotFound, By::House, out);
            return self.forget_call(id);
        }
        self.plan.advance(id, super::plan::State::Answered);
        self.follow(now, id, out);
    }

    /// Somebody is rung for who was sent there: who sent it is told.
    pub(super) fn transfer_rings(&mut self, now: Now, id: CallId) {
        if let Some(it) = self.calls.get(&id).and_then(|it| it.transfer) {
            self.endpoint.refer_says(now.mono, it.referrer, 180);
        }
    }

    /// The new call is answered, by a person or a machine.
    pub(super) fn transfer_done(&mut self, now: Now, id: CallId) {
        if let Some(it) = self.calls.get_mut(&id).and_then(|it| it.transfer.take()) {
            self.transferred(now, it.home, it.referrer);
        }
    }

    /// Who was sent away is well: who sent it may leave, and is hung up when it does not.
    fn transferred(&mut self, now: Now, home: CallId, referrer: LegId) {
        self.endpoint.refer_says(now.mono, referrer, 200);
        if let Some(Job::Away(away)) = self.calls.get(&home).and_then(|it| it.job.as_ref()) {
            self.timers.set(away.op, Some(now.mono + LINGER));
        }
    }

    /// The new call comes to nothing: who was sent there goes back, or who sent it is rung.
    pub(super) fn transfer_failed(
        &mut self,
        now: Now,
        id: CallId,
        status: u16,
        out: &mut Vec<Output>,
    ) {
        if self.closing {
            return;
        }
        let call = self.calls.get_mut(&id);
        let Some(call) = call.filter(|it| it.transfer.is_some()) else { return };
        let job = call.job.as_ref().map(Job::op);
        if let Some(op) = job {
            self.cancel_op(now, id, op, out);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Transfer { home, referrer }) = call.transfer.take() else { return };
        let shell = call.caller.shell();
        let leg = std::mem::replace(&mut call.caller, shell);
        let (hops, from, from_name) =
            (call.max_forwards, call.from.clone(), call.from_name.clone());
        let by = call.account.clone();
        self.endpoint.refer_says(now.mono, referrer, status);
        let home_job = self.calls.get(&home).and_then(|it| it.job.as_ref());
        if matches!(home_job, Some(Job::Away(away)) if away.to == id) {
            return self.come_back(now, home, leg, id, out);
        }
        let new = CallId(self.rng.bits() >> 8);
        tell(out, now, Some(id), What::Transferred { leg: leg.id, by: referrer, to_call: new });
        let view = View {
            direction: Way::Internal,
            from,
            from_name,
            to: by.clone(),
            extension: Some(by.clone()),
            transferred_by: Some(by),
            headers: Vec::new(),
            seed: self.rng.bits(),
        };
        self.go_on(now, (new, view), leg, (id, hops), None, out);
    }

    /// Who was sent away talks again with who sent it.
    fn come_back(&mut self, now: Now, home: CallId, leg: Leg, from: CallId, out: &mut Vec<Output>) {
        self.belongs(&leg, home);
        let (id, who) = (leg.id, leg.who.clone());
        let Some(call) = self.calls.get_mut(&home) else { return };
        let Some(Job::Away(Away { op, talker, since, .. })) = call.job else { return };
        if let Some(slot) = call.leg_mut(id) {
            *slot = leg;
        }
        call.job = Some(Job::Talk { op, leg: talker, since });
        self.name(home, id, out);
        tell(out, now, Some(home), What::Joined { leg: id, who, from_call: Some(from) });
        self.bridge(now, home, out);
    }

    /// Who was sent away hangs up while the new call rings: for who sent it, its partner has left.
    pub(super) fn sent_left(&mut self, now: Now, id: CallId, out: &mut Vec<Output>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Transfer { home, referrer }) = call.transfer.take() else { return };
        let sent = call.caller.id;
        self.endpoint.refer_says(now.mono, referrer, 487);
        let Some(call) = self.calls.get_mut(&home) else { return };
        let Some(Job::Away(Away { op, since, .. })) = call.job else { return };
        if call.caller.id == sent {
            return self.end_call(now, home, Cause::Hangup, By::Peer, out);
        }
        call.job = None;
        let Some(shell) = call.take_callee(sent) else { return };
        let (cause, by) = (Cause::Hangup, By::Peer);
        tell(out, now, Some(home), What::LegEnded { leg: sent, cause, status: None, by });
        let duration = now.mono - since;
        let talk = Talk { by: shell.who, duration, ended_by_caller: false };
        self.resume(now, op, Outcome::Talked(talk));
        self.follow(now, home, out);
    }

    /// An INVITE that wants the place of another leg (RFC 3891 §3): a call that rings elsewhere is
    /// picked up, or one that was answered elsewhere is taken over.
    ///
    /// # Errors
    /// With the status that refuses it; nothing is kept of it then.
    pub(super) fn invited_instead(
        &mut self,
        now: Now,
        (user, request): (&str, &Request),
        offered: Option<&Session>,
        replaces: &Replaces,
        out: &mut Vec<Output>,
    ) -> Result<(), u16> {
        let old = self.endpoint.replaced(replaces).ok_or(481_u16)?;
        let id = self.legs.get(&old).copied().ok_or(481_u16)?;
        let call = self.calls.get(&id).ok_or(481_u16)?;
        let whose = call.leg(old).ok_or(481_u16)?.who.as_str();
        let [mine, its] = [user, whose].map(|it| self.directory.extension(it).map(|it| it.tenant));
        if mine != its {
            return Err(403);
        }
        let partner = match call.partner(old) {
            Some(_) if replaces.early_only => return Err(486),
            Some(partner) => partner,
            // §3: a dialog that its own phone has begun cannot be picked up before its answer.
            None if matches!(call.job, Some(Job::Ring(_))) && call.caller.id != old => &call.caller,
            None => return Err(481),
        };
        let is_early = call.partner(old).is_none();
        let codecs = partner.codecs();
        let wants = partner.audio.as_ref().map_or(Direction::SendRecv, |it| it.will);
        let leg = LegId(self.next_id());
        let offer = offered.ok_or(488_u16)?;
        let mut audio = self.open_audio(id, leg, out).ok_or(503_u16)?;
        let local = audio.local(&self.endpoint, request.flow);
        let answer = sdp::answer(&local, offer, &codecs, wants).ok();
        let answer = answer.filter(|it| !is_ours(&self.ports, &local, &it.agreed));
        let taken = answer.map(|it| (it, self.endpoint.take(now.mono, leg, request.clone())));
        let Some((answer, Ok(()))) = taken else {
            close(&audio, out);
            return Err(488);
        };
        (audio.told, audio.will) = (wants, answer.agreed.peer);
        (audio.said, audio.layout) = (Some(answer.text.clone()), Some(answer.layout));
        let (socket, host) = (local.socket(), request.flow.remote.ip());
        audio.agree((id, leg), answer.agreed.clone(), socket, host, out);
        self.endpoint.accept(now.mono, leg, &answer.text);
        let new = Leg { audio: Some(audio), ..Leg::new(leg, user.to_owned(), request.flow) };
        match is_early {
            true => self.picked_up(now, id, new, &answer.agreed, out),
            false => {
                self.put_in_place(now, id, old, new, None, out);
            }
        }
        Ok(())
    }

    /// A leg that was not rung is the first to answer.
    fn picked_up(
        &mut self,
        now: Now,
        id: CallId,
        leg: Leg,
        agreed: &Agreed,
        out: &mut Vec<Output>,
    ) {
        let (new, who) = (leg.id, leg.who.clone());
        self.legs.insert(new, id);
        if let Some(call) = self.calls.get_mut(&id) {
            call.callees.push(leg);
        }
        self.name(id, new, out);
        tell(out, now, Some(id), What::Joined { leg: new, who, from_call: None });
        tell(out, now, Some(id), What::Answered { leg: new });
        self.first_answered(now, id, new, agreed, out);
    }

    /// A leg takes the place of another in a conversation; the other one is hung up.
    fn put_in_place(
        &mut self,
        now: Now,
        id: CallId,
        old: LegId,
        leg: Leg,
        from_call: Option<CallId>,
        out: &mut Vec<Output>,
    ) {
        let (new, who) = (leg.id, leg.who.clone());
        self.belongs(&leg, id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(slot) = call.leg_mut(old) else { return };
        let before = std::mem::replace(slot, leg);
        if let Some(Job::Talk { leg, .. }) = &mut call.job
            && *leg == old
        {
            *leg = new;
        }
        self.name(id, new, out);
        tell(out, now, Some(id), What::Joined { leg: new, who, from_call });
        if from_call.is_none() {
            tell(out, now, Some(id), What::Answered { leg: new });
        }
        self.endpoint.hang_up(now.mono, old, &Reason::elsewhere());
        self.legs.remove(&old);
        if let Some(audio) = &before.audio {
            close(audio, out);
        }
        let (cause, by) = (Cause::Hangup, By::House);
        tell(out, now, Some(id), What::LegEnded { leg: old, cause, status: None, by });
        self.bridge(now, id, out);
    }

    /// The two parties of a conversation hear each other.
    pub(super) fn bridge(&mut self, now: Now, id: CallId, out: &mut Vec<Output>) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(talker) = call.talker() else { return };
        let stream = |it: &Leg| it.audio.as_ref().map(|it: &Audio| it.stream);
        let streams: [Option<StreamId>; 2] =
            [stream(&call.caller), call.leg(talker).and_then(stream)];
        let caller = call.caller.id;
        if let [Some(_), Some(b)] = streams {
            self.caller_command(id, out, |a| Command::Join { a, b });
        }
        tell(out, now, Some(id), What::Bridged { a: caller, b: talker });
        self.follow(now, id, out);
    }

    /// A leg and its stream belong to this call from now on.
    fn belongs(&mut self, leg: &Leg, to: CallId) {
        self.legs.insert(leg.id, to);
        if let Some(held) = leg.audio.as_ref().and_then(|it| self.streams.get_mut(&it.stream)) {
            held.call = to;
        }
    }

    /// Whoever reads what happened finds the messages of this leg in this call.
    fn name(&self, id: CallId, leg: LegId, out: &mut Vec<Output>) {
        let sip_call_id = self.endpoint.dialog_of(leg).map(|it| it.0).unwrap_or_default();
        out.push(Output::Traced(Traced { call: id, detail: Detail::Named { leg, sip_call_id } }));
    }
}

/// How long a referrer may take to hang up by itself, once it was told that all is well.
const LINGER: Duration = Duration::from_secs(3);
