//! What may be asked of a switch, and what it answers. An answer shows one moment: every input
//! before the question has had its effect.

use std::time::Duration;

use super::Output;
use super::event::By;
use super::leg::{Call, Job};
use super::plan::{Plan, State};
use super::switch::Switch;
use super::trunk::TrunkSeen;
use crate::base::{CallId, Cause, LegId, Now, Wall};
use crate::directory::{ExtensionId, TrunkId};
use crate::sip::Flow;

/// The name under which an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether everything before has had its effect.
    Settled,
    /// Calls that are not over, the oldest first.
    Calls {
        /// How many to leave out.
        skip: usize,
        /// How many are wanted.
        take: usize,
    },
    /// One call.
    Call(CallId),
    /// One call, which is hung up now.
    HangUp(CallId),
    /// How a trunk stands.
    Trunk(TrunkId),
    /// The phones of an extension, which are asked to read their settings again.
    Sync(ExtensionId),
    /// Phones that are registered, in the order in which they came.
    Phones {
        /// How many to leave out.
        skip: usize,
        /// How many are wanted.
        take: usize,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Everything before has had its effect.
    Settled,
    /// Some calls, and how many there are.
    Calls(Vec<CallSeen>, usize),
    /// The call, if there is one: as it was before it was hung up.
    Call(Option<CallSeen>),
    /// How the trunk stands, if it is at work.
    Trunk(Option<TrunkSeen>),
    /// How many phones the extension has that can be reached, and how many of them will; nothing when
    /// there is no such extension.
    Synced(Option<(usize, usize)>),
    /// Some phones, and how many there are.
    Phones(Vec<PhoneSeen>, usize),
}

/// A call that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSeen {
    /// Its name.
    pub id: CallId,
    /// The caller's number.
    pub from: String,
    /// The number dialled.
    pub to: String,
    /// How far it is.
    pub state: &'static str,
    /// When the caller came.
    pub began: Wall,
    /// How long it is answered.
    pub answered_for: Option<Duration>,
    /// Its legs, the caller's first.
    pub legs: Vec<LegSeen>,
}

/// A leg of a call that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegSeen {
    /// Its name.
    pub id: LegId,
    /// Whose it is: a number.
    pub party: String,
    /// How far it is.
    pub state: &'static str,
}

/// A phone that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneSeen {
    /// Whose phone.
    pub extension: Option<ExtensionId>,
    /// The extension's number.
    pub number: String,
    /// The address it wants to be called by.
    pub contact: String,
    /// How it is reached.
    pub flow: Flow,
    /// What it calls itself.
    pub instance: Option<String>,
    /// How long its registration still holds.
    pub left: Duration,
    /// Whether it can be rung, as far as we know.
    pub reachable: bool,
    /// How long its last answer took, when it is asked from time to time.
    pub round_trip: Option<Duration>,
}

impl<P: Plan> Switch<P> {
    pub(super) fn asked(
        &mut self,
        now: Now,
        ticket: Ticket,
        question: Question,
        out: &mut Vec<Output>,
    ) {
        let answer = match question {
            Question::Settled => Answer::Settled,
            // This one has to be waited for.
            Question::Sync(id) => return self.sync(now, ticket, id, out),
            Question::Calls { skip, take } => {
                let mut all: Vec<(Now, CallId)> =
                    self.living().map(|(id, call)| (call.began, id)).collect();
                all.sort_unstable_by_key(|(began, id)| (began.mono, *id));
                let some = all.iter().skip(skip).take(take);
                let seen = some.filter_map(|(_, id)| Some(self.calls.get(id)?.seen(now, *id)));
                Answer::Calls(seen.collect(), all.len())
            }
            Question::Trunk(id) => Answer::Trunk(self.trunk_seen(id)),
            Question::Call(id) => Answer::Call(self.seen(now, id)),
            Question::HangUp(id) => {
                let seen = self.seen(now, id);
                self.end_call(now, id, Cause::Hangup, By::House, out);
                Answer::Call(seen)
            }
            Question::Phones { skip, take } => {
                let some = self.registrar.all(now.mono, skip, take).map(|(it, pulse)| PhoneSeen {
                    extension: self.directory.extension(&it.aor).map(|it| it.id),
                    number: it.aor,
                    contact: it.binding.contact,
                    flow: it.binding.flow,
                    instance: it.instance,
                    left: it.left,
                    reachable: pulse.is_reachable(),
                    round_trip: pulse.round_trip,
                });
                Answer::Phones(some.collect(), self.registrar.len())
            }
        };
        out.push(Output::Told { ticket, answer });
    }

    fn seen(&self, now: Now, id: CallId) -> Option<CallSeen> {
        let call = self.calls.get(&id).filter(|it| !it.is_ended())?;
        Some(call.seen(now, id))
    }

    fn living(&self) -> impl Iterator<Item = (CallId, &Call)> {
        self.calls.iter().filter(|it| !it.1.is_ended()).map(|(id, call)| (*id, call))
    }
}

impl Call {
    fn seen(&self, now: Now, id: CallId) -> CallSeen {
        let state = match self.state {
            State::Ringing => "ringing",
            State::Early => "early",
            State::Answered => "active",
            State::Ended => "ended",
        };
        let talks = |leg: LegId| matches!(self.job, Some(Job::Talk { leg: own, .. }) if own == leg);
        let caller = LegSeen { id: self.caller.id, party: self.caller.who.clone(), state };
        let callees = self.callees.iter().map(|it| LegSeen {
            id: it.id,
            party: it.who.clone(),
            state: if talks(it.id) { "active" } else { "ringing" },
        });
        CallSeen {
            id,
            from: self.from.clone(),
            to: self.to.clone(),
            state,
            began: self.began.wall,
            answered_for: self.answered_at.map(|it| now.mono - it),
            legs: std::iter::once(caller).chain(callees).collect(),
        }
    }
}
