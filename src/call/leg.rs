//! A call and its legs, as the switch remembers them.

use std::collections::{BTreeSet, VecDeque};

use super::plan::View;
use super::plan::{Generation, Refusal, Sound, State};
use crate::base::{CallId, LegId, Mono, Now, OpId, StreamId};
use crate::sdp::{Agreed, Codec, Direction, Layout, Offer, Session};
use crate::sip::Flow;

/// What the caller feels, from the first ring to the last hangup.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) state: State,
    /// The scripts it runs on.
    pub(super) generation: Generation,
    pub(super) caller: Leg,
    /// Whose rights and limits it has: an extension's number.
    pub(super) account: String,
    /// The number and name that callees see.
    pub(super) from: String,
    pub(super) from_name: Option<String>,
    /// The number that was dialled.
    pub(super) to: String,
    pub(super) began: Now,
    /// How many hops the caller's INVITE had left (RFC 3261 §16.6, 3).
    pub(super) max_forwards: u32,
    /// Legs to callees that are not over.
    pub(super) callees: Vec<Leg>,
    /// The operation that has the caller's media.
    pub(super) job: Option<Job>,
    /// Operations that only wait.
    pub(super) sleeps: BTreeSet<OpId>,
    pub(super) answered_at: Option<Mono>,
    /// Whether somebody was rung: then no other route may take the call.
    pub(super) has_dialled: bool,
    /// Its caller was sent here, and nobody has answered yet.
    pub(super) transfer: Option<Transfer>,
}

/// Who was sent into a call, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    /// The call that it was in.
    pub(super) home: CallId,
    /// The leg, in that call, of who sent it.
    pub(super) referrer: LegId,
}

/// One party.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    /// Whom it belongs to: an extension's number.
    pub(super) who: String,
    pub(super) flow: Flow,
    pub(super) audio: Option<Audio>,
    /// The peer's offer, until we have answered it.
    pub(super) offered: Option<Session>,
    /// Our offer, until the peer has answered it.
    pub(super) offer: Option<Offer>,
    /// Whether it was noted that it rings.
    pub(super) rang: bool,
    /// It lives in another call now; see [`Leg::shell`].
    pub(super) is_away: bool,
}

/// A leg's stream and what its session descriptions say.
#[derive(Debug)]
pub(super) struct Audio {
    pub(super) stream: StreamId,
    pub(super) thread: u8,
    pub(super) port: u16,
    /// The `o=` line's session id.
    pub(super) session: u64,
    /// The `o=` line's version; rises with each description that differs.
    pub(super) version: u64,
    /// Milliseconds per packet that we ask for: what the other leg wants, who hears it.
    pub(super) ptime_ms: u8,
    pub(super) agreed: Option<Agreed>,
    /// The lines of what was agreed on, for the next offer of ours.
    pub(super) layout: Option<Layout>,
    /// Our last description. A later 200 repeats it, and the version rises when another follows.
    pub(super) said: Option<String>,
    /// What the peer wants of itself, whatever we want of it: what its partner is to be told.
    pub(super) will: Direction,
    /// What the peer was told that we want: its partner's will.
    pub(super) told: Direction,
    /// What we have offered last, until it is agreed on: it is under way, or was refused.
    pub(super) tried: Option<Wish>,
}

/// What a leg is to be offered, on behalf of its partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) direction: Direction,
    pub(super) codecs: Vec<Codec>,
}

/// What the caller's media is used for.
#[derive(Debug)]
pub(super) enum Job {
    /// Something is played to the caller.
    Play { op: OpId, rest: VecDeque<Sound> },
    /// The caller hears itself.
    Echo { op: OpId },
    /// Somebody is rung.
    Ring(Ring),
    /// The caller talks with a callee.
    Talk { op: OpId, leg: LegId, since: Mono },
    /// Of the caller and a callee, one has sent the other to somebody else.
    Away(Away),
    /// The script has failed; the caller hears so, and then the call ends.
    Farewell { op: OpId },
}

/// One of two was sent away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    pub(super) op: OpId,
    /// The callee of the two, and since when they have talked.
    pub(super) talker: LegId,
    pub(super) since: Mono,
    /// To which call.
    pub(super) to: CallId,
}

/// Somebody is rung.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) op: OpId,
    pub(super) targets: Vec<Target>,
    /// The tone that an answered caller hears meanwhile.
    pub(super) ringback: Option<OpId>,
}

/// One of those who are rung.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// Its phones that have not refused.
    pub(super) legs: Vec<LegId>,
    /// The best of its phones' refusals.
    pub(super) refusal: Option<Refusal>,
}

impl Job {
    /// The operation that it is done for.
    pub(super) fn op(&self) -> OpId {
        match self {
            Self::Play { op, .. }
            | Self::Echo { op }
            | Self::Talk { op, .. }
            | Self::Farewell { op } => *op,
            Self::Ring(it) => it.op,
            Self::Away(it) => it.op,
        }
    }
}

impl Leg {
    /// A leg that nothing is known of but whose it is.
    pub(super) fn new(id: LegId, who: String, flow: Flow) -> Self {
        let (audio, offered, offer) = (None, None, None);
        Self { id, who, flow, audio, offered, offer, rang: false, is_away: false }
    }

    /// What stays of a leg that goes on in another call: its name, for the record.
    pub(super) fn shell(&self) -> Self {
        Self { is_away: true, ..Self::new(self.id, self.who.clone(), self.flow) }
    }
}

impl Call {
    /// A call that begins with this leg.
    pub(super) fn new(
        began: Now,
        caller: Leg,
        view: &View,
        max_forwards: u32,
        generation: Generation,
    ) -> Self {
        Self {
            state: State::Ringing,
            generation,
            caller,
            account: view.extension.clone().unwrap_or_else(|| view.from.clone()),
            from: view.from.clone(),
            from_name: view.from_name.clone(),
            to: view.to.clone(),
            began,
            max_forwards,
            callees: Vec::new(),
            job: None,
            sleeps: BTreeSet::new(),
            answered_at: None,
            has_dialled: false,
            transfer: None,
        }
    }

    pub(super) fn be_answered(&mut self, now: Now) {
        self.state = State::Answered;
        self.answered_at = Some(now.mono);
    }

    pub(super) fn is_answered(&self) -> bool {
        matches!(self.state, State::Answered)
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The leg of this name.
    pub(super) fn leg(&self, leg: LegId) -> Option<&Leg> {
        std::iter::once(&self.caller).chain(&self.callees).find(|it| it.id == leg)
    }

    pub(super) fn leg_mut(&mut self, leg: LegId) -> Option<&mut Leg> {
        std::iter::once(&mut self.caller).chain(&mut self.callees).find(|it| it.id == leg)
    }

    /// Who talks with the caller.
    pub(super) fn talker(&self) -> Option<LegId> {
        match self.job {
            Some(Job::Talk { leg, .. }) => Some(leg),
            _ => None,
        }
    }

    /// Who talks with whom: the other one's leg.
    pub(super) fn partner(&self, leg: LegId) -> Option<&Leg> {
        let talker = self.talker()?;
        match leg {
            _ if leg == talker => Some(&self.caller),
            _ if leg == self.caller.id => self.leg(talker),
            _ => None,
        }
    }

    pub(super) fn callee(&mut self, leg: LegId) -> Option<&mut Leg> {
        self.callees.iter_mut().find(|it| it.id == leg)
    }

    /// Whether somebody waits for this leg to answer.
    pub(super) fn rings(&self, leg: LegId) -> bool {
        matches!(&self.job, Some(Job::Ring(it)) if it.targets.iter().any(|it| it.legs.contains(&leg)))
    }

    /// A target is rung by another leg instead.
    pub(super) fn ring_instead(&mut self, leg: LegId, other: LegId) {
        if let Some(Job::Ring(ring)) = &mut self.job {
            let legs = ring.targets.iter_mut().flat_map(|it| &mut it.legs);
            legs.filter(|it| **it == leg).for_each(|it| *it = other);
        }
    }

    pub(super) fn take_callee(&mut self, leg: LegId) -> Option<Leg> {
        let at = self.callees.iter().position(|it| it.id == leg)?;
        Some(self.callees.remove(at))
    }
}
