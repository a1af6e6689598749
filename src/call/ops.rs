//! What scripts ask for: each operation begins here and comes to its outcome.

use std::collections::VecDeque;
use std::time::Duration;

use super::Output;
use super::event::{By, What};
use super::leg::{Call, Job};
use super::plan::{End, Op, Outcome, Place, Plan, Sound, State};
use super::switch::{Switch, tell};
use super::trace::{Detail, Traced};
use crate::base::{CallId, Cause, LegId, Now, OpId};
use crate::media::{Command, Source, Tone};
use crate::sip::invite::Reason;

/// How long a caller hears that a script has failed.
const FAREWELL: Duration = Duration::from_secs(3);

impl<P: Plan> Switch<P> {
    pub(super) fn begin_op(
        &mut self,
        now: Now,
        id: CallId,
        op: OpId,
        what: Op,
        at: Place,
        out: &mut Vec<Output>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.is_ended() && what.needs_call() {
            return;
        }
        let detail = Detail::Asked { what: what.to_string(), at: at.clone() };
        out.push(Output::Traced(Traced { call: id, detail }));
        let needs_call = what.needs_call();
        tell(out, now, Some(id), What::Asked { op: what.word(), at });
        self.ops.insert(op, id);
        if what.wants_media() && call.job.is_some() {
            let why = "the call's audio is in use by another operation".into();
            return self.resume(now, op, Outcome::Misused(why));
        }
        match what {
            Op::Answer => {
                if self.answer_caller(now, id, None, out) {
                    self.resume(now, op, Outcome::Done);
                }
            }
            Op::Ring => {
                if matches!(call.state, State::Ringing) {
                    let leg = call.caller.id;
                    self.endpoint.ring(now.mono, leg, 180, None);
                }
                self.resume(now, op, Outcome::Done);
            }
            Op::Play { sound, early } => self.play(now, id, op, sound, early, out),
            Op::Echo => self.echo(now, id, op, out),
            Op::Dial { targets, timeout } => self.dial(now, id, op, &targets, timeout, out),
            Op::Sleep(span) => {
                call.sleeps.insert(op);
                self.timers.set(op, Some(now.mono + span));
            }
            Op::Reject(cause) | Op::Hangup(cause) => self.end_call(now, id, cause, By::Script, out),
        }
        if needs_call && self.calls.get(&id).is_none_or(Call::is_ended) {
            // It ended the call, as it was asked to or for want of a port or a codec. Nobody is
            // resumed from it: the plan knows of the end.
            self.ops.remove(&op);
        }
    }

    /// Nobody waits for this operation any more.
    pub(super) fn cancel_op(&mut self, now: Now, id: CallId, op: OpId, out: &mut Vec<Output>) {
        self.ops.remove(&op);
        self.timers.set(op, None);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.sleeps.remove(&op);
        if call.job.as_ref().is_none_or(|it| it.op() != op) {
            return;
        }
        match call.job.take() {
            Some(Job::Play { .. }) => {
                self.caller_command(id, out, |stream| Command::Stop { stream, op })
            }
            Some(Job::Echo { .. }) => {
                self.caller_command(id, out, |stream| Command::Echo { stream, on: false });
            }
            Some(Job::Ring(ring)) => {
                self.stop_ringback(id, &ring, out);
                for leg in ring.targets.into_iter().flat_map(|it| it.legs) {
                    self.drop_callee(now, id, leg, Cause::Hangup, &Reason::q850(16), out);
                }
            }
            Some(Job::Talk { leg, .. }) => {
                self.drop_callee(now, id, leg, Cause::Hangup, &Reason::q850(16), out);
                self.follow(now, id, out);
            }
            // Its caller or its callee is elsewhere, and nobody waits for the other one.
            Some(Job::Away(_)) => self.end_call(now, id, Cause::Hangup, By::Script, out),
            Some(Job::Farewell { .. }) => {
                self.caller_command(id, out, |stream| Command::Stop { stream, op });
            }
            None => {}
        }
    }

    /// The deadline of an operation has come.
    pub(super) fn op_due(&mut self, now: Now, op: OpId, out: &mut Vec<Output>) {
        let Some(id) = self.ops.get(&op).copied() else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.sleeps.remove(&op) {
            return self.resume(now, op, Outcome::Done);
        }
        match call.job {
            Some(Job::Farewell { .. }) => self.end_call(now, id, Cause::Failed, By::Script, out),
            // Its party has gone elsewhere, and who sent it there does not hang up by itself.
            Some(Job::Away(_)) => self.end_call(now, id, Cause::Hangup, By::House, out),
            _ => self.ring_due(now, id, out),
        }
    }

    /// A sound has ended.
    pub(super) fn played(&mut self, now: Now, op: OpId, out: &mut Vec<Output>) {
        let Some(id) = self.ops.get(&op).copied() else { return };
        let Some(call) = self.calls.get(&id) else { return };
        if matches!(&call.job, Some(Job::Play { op: own, .. }) if *own == op) {
            self.play_next(now, id, out);
        }
    }

    /// The handler has ended; a call that still lives ends with it.
    pub(super) fn handled(&mut self, now: Now, id: CallId, end: End, out: &mut Vec<Output>) {
        let cause = match end {
            End::Returned => match self.calls.get(&id).is_some_and(Call::is_answered) {
                true => Cause::Hangup,
                false => Cause::NoAnswer,
            },
            End::HungUp => Cause::Hangup,
            End::Failed(error) | End::Killed(error) => {
                tell(out, now, Some(id), What::ScriptFailed(error));
                return self.script_failed(now, id, out);
            }
        };
        self.end_call(now, id, cause, By::Script, out);
    }

    /// A script's error is not the caller's fault: while nothing has come of the call yet, the layer
    /// below takes it; an answered caller hears that something is wrong, and then the call ends.
    fn script_failed(&mut self, now: Now, id: CallId, out: &mut Vec<Output>) {
        let Some(call) = self.calls.get(&id).filter(|it| !it.is_ended()) else { return };
        if !call.is_answered() {
            let is_fresh = !call.has_dialled && call.job.is_none();
            let below = if is_fresh { self.plan.begin_below(id).ok() } else { None };
            return match below {
                Some(to) => tell(out, now, Some(id), What::FellBack { to }),
                None => self.end_call(now, id, Cause::Failed, By::Script, out),
            };
        }
        // Flows that still run have lost the caller's media; theirs is over with the handler.
        if let Some(job) = call.job.as_ref().map(Job::op) {
            self.cancel_op(now, id, job, out);
        }
        let op = self.own_op();
        let Some(call) = self.calls.get_mut(&id).filter(|it| !it.is_ended()) else { return };
        call.job = Some(Job::Farewell { op });
        self.ops.insert(op, id);
        self.timers.set(op, Some(now.mono + FAREWELL));
        if let Some(tone) = Tone::named("congestion") {
            let source = Source::Tone(tone);
            self.caller_command(id, out, |stream| Command::Play { stream, op, source });
        }
    }

    /// Ends a call that is not over yet: its legs, its streams, what its scripts wait for.
    pub(super) fn end_call(
        &mut self,
        now: Now,
        id: CallId,
        cause: Cause,
        by: By,
        out: &mut Vec<Output>,
    ) {
        self.refuse_call(now, id, cause, cause.status(), by, out);
    }

    /// The same, with a SIP status of its own for a caller who is not answered yet.
    pub(super) fn refuse_call(
        &mut self,
        now: Now,
        id: CallId,
        cause: Cause,
        status: u16,
        by: By,
        out: &mut Vec<Output>,
    ) {
        if self.calls.get(&id).is_none_or(Call::is_ended) {
            return;
        }
        // Who was sent here is not lost with it.
        self.transfer_failed(now, id, status, out);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let answered = call.is_answered();
        call.state = State::Ended;
        let talked = call.answered_at.map(|it| now.mono - it).unwrap_or_default();
        let waiting = call.job.take().map(|it| it.op());
        let waiting: Vec<OpId> =
            waiting.into_iter().chain(std::mem::take(&mut call.sleeps)).collect();
        let (caller, is_away) = (call.caller.id, call.caller.is_away);
        let caller_audio = call.caller.audio.take();
        let callees: Vec<LegId> = call.callees.iter().map(|it| it.id).collect();
        for op in waiting {
            self.ops.remove(&op);
            self.timers.set(op, None);
        }
        let reason = Reason::of(cause);
        // The peer of a leg that has left already hears nothing: its signalling is gone.
        match answered {
            _ if is_away => {}
            true => self.endpoint.hang_up(now.mono, caller, &reason),
            false => self.endpoint.reject(now.mono, caller, status, Some(&reason)),
        }
        if !is_away {
            self.legs.remove(&caller);
        }
        if let Some(audio) = caller_audio {
            close(&audio, out);
        }
        let refused = (!answered).then_some(status);
        tell(out, now, Some(id), What::LegEnded { leg: caller, cause, status: refused, by });
        for leg in callees {
            self.drop_callee(now, id, leg, cause, &reason, out);
        }
        tell(out, now, Some(id), What::Ended { cause, talked, by });
        self.plan.hang_up(now, id, cause);
    }

    fn play(
        &mut self,
        now: Now,
        id: CallId,
        op: OpId,
        sound: Vec<Sound>,
        early: bool,
        out: &mut Vec<Output>,
    ) {
        let is_heard = match early {
            true => self.early_media(now, id, out),
            false => self.answer_caller(now, id, None, out),
        };
        if is_heard && let Some(call) = self.calls.get_mut(&id) {
            call.job = Some(Job::Play { op, rest: VecDeque::from(sound) });
            self.play_next(now, id, out);
        }
    }

    fn play_next(&mut self, now: Now, id: CallId, out: &mut Vec<Output>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Job::Play { op, rest }) = &mut call.job else { return };
        let op = *op;
        let Some(sound) = rest.pop_front() else {
            call.job = None;
            return self.resume(now, op, Outcome::Played(true));
        };
        let source = match &sound {
            Sound::Tone(name) => Tone::named(name).map(Source::Tone),
            Sound::Prompt(name) => self
                .directory
                .prompt(name)
                .map(|it| Source::Samples { rate: it.rate, samples: it.samples.clone() }),
        };
        match source {
            Some(source) => {
                self.caller_command(id, out, |stream| Command::Play { stream, op, source });
            }
            None => {
                call.job = None;
                let why = match sound {
                    Sound::Tone(name) => format!("there is no tone '{name}'"),
                    Sound::Prompt(name) => format!("there is no prompt '{name}'"),
                };
                self.resume(now, op, Outcome::Misused(why));
            }
        }
    }

    fn echo(&mut self, now: Now, id: CallId, op: OpId, out: &mut Vec<Output>) {
        if !self.answer_caller(now, id, None, out) {
            return;
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.job = Some(Job::Echo { op });
        }
        self.caller_command(id, out, |stream| Command::Echo { stream, on: true });
    }

    /// Asks something of the plane that has the caller's stream.
    pub(super) fn caller_command(
        &self,
        id: CallId,
        out: &mut Vec<Output>,
        command: impl FnOnce(crate::base::StreamId) -> Command,
    ) {
        let audio = self.calls.get(&id).and_then(|it| it.caller.audio.as_ref());
        if let Some(audio) = audio {
            out.push(Output::Media { thread: audio.thread, command: command(audio.stream) });
        }
    }
}

/// Gives a leg's stream up.
pub(super) fn close(audio: &super::leg::Audio, out: &mut Vec<Output>) {
    let command = Command::Close { stream: audio.stream };
    out.push(Output::Media { thread: audio.thread, command });
}
