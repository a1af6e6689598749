//! Descriptions of answered legs change: what a peer offers later, what its partner is told of it,
//! and what comes of the offers that we make for that (RFC 3264 §8).
//!
//! A leg's will is what its peer wants of itself: both ways, or a hold in any spelling. What a leg
//! is to be offered follows from its partner: the partner's will as our direction, the partner's
//! codec. [`Switch::follow`] compares, whenever something has changed, and offers where it differs; so
//! nobody has to remember which of two phones has done what in which order.
//!
//! - What leaves the codec alone is answered at once, and the partner hears of it afterwards.
//! - An offer that lacks the partner's codec waits: the partner is asked first. If it cannot, the
//!   offer is refused and everything stays (RFC 6141 §3.1).
//! - What was refused is not offered again until something else is to be.

use bytes::Bytes;

use super::Output;
use super::audio::is_ours;
use super::event::By;
use super::leg::{Job, Leg, Wish};
use super::plan::Plan;
use super::switch::Switch;
use crate::base::{CallId, Cause, LegId, Now};
use crate::sdp::{self, Agreed, Codec, Direction, Layout, Local, Refused, Session};
use crate::sip::invite::Reason;

impl<P: Plan> Switch<P> {
    /// The peer wants another description; without one of its own it wants ours.
    pub(super) fn offered(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        offer: Option<Bytes>,
        out: &mut Vec<Output>,
    ) {
        let Some(it) = self.calls.get_mut(&id).and_then(|it| it.leg_mut(leg)) else { return };
        if it.offer.take().is_some()
            && let Some(audio) = &mut it.audio
        {
            // Ours waited for another try, and is out of date now.
            audio.tried = None;
        }
        let Some(offer) = offer else { return self.offer_in_answer(now, id, leg) };
        let Ok(offer) = Session::parse(&offer) else {
            return self.endpoint.reject(now.mono, leg, 488, None);
        };
        it.offered = Some(offer);
        // RFC 3311 §5.2: nobody is asked about an UPDATE.
        let is_urgent = self.endpoint.is_urgent(leg);
        let codecs = self.codecs_for(id, leg);
        match self.answer_later(now, id, leg, &codecs, out) {
            Err(Refused::NoCommonCodec) if self.has_partner(id, leg) && !is_urgent => {}
            Err(_) => self.refuse_later(now, id, leg),
            Ok(()) => {}
        }
        self.follow(now, id, out);
    }

    /// What holds is offered once more, so that the session lives on (RFC 4028 §7.4).
    pub(super) fn refresh(&mut self, now: Now, id: CallId, leg: LegId) {
        if let Some(wish) = self.what_holds(id, leg) {
            self.offer_later(now, id, leg, wish);
        }
    }

    /// The peer does not want it any more.
    pub(super) fn withdrawn(&mut self, now: Now, id: CallId, leg: LegId, out: &mut Vec<Output>) {
        if let Some(it) = self.calls.get_mut(&id).and_then(|it| it.leg_mut(leg)) {
            it.offered = None;
        }
        self.follow(now, id, out);
    }

    /// Our answer has arrived, and with it perhaps the answer to an offer of ours.
    pub(super) fn acked(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        answer: Option<Bytes>,
        out: &mut Vec<Output>,
    ) {
        let Some(it) = self.calls.get(&id).and_then(|it| it.leg(leg)) else { return };
        match it.offer.is_some() {
            true => self.modified(now, id, leg, answer, out),
            false => self.follow(now, id, out),
        }
    }

    /// The peer has answered an offer of ours.
    pub(super) fn modified(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        answer: Option<Bytes>,
        out: &mut Vec<Output>,
    ) {
        let Some(it) = self.calls.get_mut(&id).and_then(|it| it.leg_mut(leg)) else { return };
        let flow = it.flow;
        let (Some(offer), Some(audio)) = (it.offer.take(), it.audio.as_mut()) else { return };
        let direction = audio.tried.take().map_or(Direction::SendRecv, |it| it.direction);
        let local = audio.local(&self.endpoint, flow);
        let answer = answer.and_then(|it| Session::parse(&it).ok());
        let agreed = answer.and_then(|it| offer.accept(&it, direction).ok());
        let Some(agreed) = agreed.filter(|it| !is_ours(&self.ports, &local, it)) else {
            // It said yes to something that nobody can use (RFC 3261 §13.2.2.4).
            return self.lose(now, id, leg, out);
        };
        audio.told = direction;
        // Where we did not ask, its answer does not tell what it wants.
        audio.will = Direction::of(
            if direction.receives() { agreed.peer.sends() } else { audio.will.sends() },
            if direction.sends() { agreed.peer.receives() } else { audio.will.receives() },
        );
        let codec = agreed.codec.clone();
        it.agree(id, agreed, offer.layout().clone(), &local, out);
        if let Some(partner) = self.waiting_partner(id, leg)
            && self.answer_later(now, id, partner, &[codec], out).is_err()
        {
            self.refuse_later(now, id, partner);
        }
        self.follow(now, id, out);
    }

    /// The peer has refused an offer of ours: all stays as it was, for its partner too.
    pub(super) fn not_modified(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        _status: u16,
        out: &mut Vec<Output>,
    ) {
        let Some(it) = self.calls.get_mut(&id).and_then(|it| it.leg_mut(leg)) else { return };
        it.offer = None;
        if let Some(partner) = self.waiting_partner(id, leg) {
            self.refuse_later(now, id, partner);
        }
        self.follow(now, id, out);
    }

    /// Lets every leg of a conversation know what its partner wants, as far as that can be done now.
    pub(super) fn follow(&mut self, now: Now, id: CallId, out: &mut Vec<Output>) {
        let Some(call) = self.calls.get(&id).filter(|it| it.is_answered()) else { return };
        let caller = call.caller.id;
        let Some(callee) = call.talker() else { return self.follow_alone(now, id, caller, out) };
        let waits = |leg: LegId| call.leg(leg).and_then(|it| it.offered.as_ref());
        match (waits(caller), waits(callee)) {
            (Some(one), Some(other)) => {
                let others = other.codecs();
                let shared = one.codecs().into_iter().find(|it| others.contains(it));
                self.answer_both(now, id, [caller, callee], shared, out);
                self.follow(now, id, out);
            }
            (Some(offer), None) => {
                let wish = Wish { direction: offer.direction(), codecs: offer.codecs() };
                self.offer_later(now, id, callee, wish);
            }
            (None, Some(offer)) => {
                let wish = Wish { direction: offer.direction(), codecs: offer.codecs() };
                self.offer_later(now, id, caller, wish);
            }
            (None, None) => self.follow_agreed(now, id, [callee, caller], out),
        }
    }

    /// A party whom nobody talks with is not held by anybody.
    pub(super) fn follow_alone(&mut self, now: Now, id: CallId, leg: LegId, out: &mut Vec<Output>) {
        let Some(it) = self.calls.get(&id).and_then(|it| it.leg(leg)) else { return };
        if it.offered.is_some() {
            // Its partner has left before it could be asked.
            let codecs = self.codecs_for(id, leg);
            if self.answer_later(now, id, leg, &codecs, out).is_err() {
                self.refuse_later(now, id, leg);
            }
            return;
        }
        let Some(codec) = it.codec() else { return };
        let wish = Wish { direction: Direction::SendRecv, codecs: vec![codec] };
        if it.audio.as_ref().is_some_and(|it| it.told != wish.direction) {
            self.offer_later(now, id, leg, wish);
        }
    }

    /// Two legs whose descriptions are agreed on. When their codecs differ, the first is asked for
    /// the other's before the second is; if neither can, they cannot talk.
    fn follow_agreed(&mut self, now: Now, id: CallId, legs: [LegId; 2], out: &mut Vec<Output>) {
        let Some(call) = self.calls.get(&id) else { return };
        let wish = |leg: LegId| {
            let partner = call.partner(leg)?;
            let direction = partner.audio.as_ref()?.will;
            Some(Wish { direction, codecs: vec![partner.codec()?] })
        };
        let [Some(one), Some(other)] = legs.map(wish) else { return };
        let is_same = one.codecs == other.codecs;
        for (leg, wish) in legs.into_iter().zip([one, other]) {
            let Some(it) = self.calls.get_mut(&id).and_then(|it| it.leg_mut(leg)) else { return };
            let is_under_way = it.offer.is_some();
            let Some(audio) = &mut it.audio else { return };
            if is_same && audio.told == wish.direction && !is_under_way {
                audio.tried = None;
                continue;
            }
            if audio.tried.as_ref() != Some(&wish) {
                self.offer_later(now, id, leg, wish);
            } else if !is_under_way {
                // It was refused.
                continue;
            }
            if !is_same {
                return;
            }
        }
        if !is_same {
            self.end_call(now, id, Cause::Failed, By::House, out);
        }
    }

    /// Both legs have offered something that lacks the other's codec.
    fn answer_both(
        &mut self,
        now: Now,
        id: CallId,
        legs: [LegId; 2],
        shared: Option<Codec>,
        out: &mut Vec<Output>,
    ) {
        let refused = match shared {
            Some(codec) => {
                let codec = std::slice::from_ref(&codec);
                legs.map(|it| self.answer_later(now, id, it, codec, out).is_err())
            }
            None => [false, true],
        };
        for (leg, _) in legs.into_iter().zip(refused).filter(|it| it.1) {
            self.refuse_later(now, id, leg);
        }
    }

    /// Answers the offer that a peer waits with. The version rises when the description is another,
    /// and only then (RFC 3264 §8).
    fn answer_later(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        codecs: &[Codec],
        out: &mut Vec<Output>,
    ) -> Result<(), Refused> {
        let call = self.calls.get_mut(&id).ok_or(Refused::NoAudio)?;
        let wants = call.partner(leg).and_then(|it| it.audio.as_ref());
        let wants = wants.map_or(Direction::SendRecv, |it| it.will);
        let it = call.leg_mut(leg).ok_or(Refused::NoAudio)?;
        let flow = it.flow;
        let (Some(offer), Some(audio)) = (&it.offered, it.audio.as_mut()) else {
            return Err(Refused::NoAudio);
        };
        let last = audio.agreed.as_ref().ok_or(Refused::NoAudio)?;
        let local = audio.local(&self.endpoint, flow);
        let mut answer = sdp::answer_again(&local, offer, codecs, wants, last)?;
        if is_ours(&self.ports, &local, &answer.agreed) {
            return Err(Refused::Address);
        }
        if audio.said.as_ref() != Some(&answer.text) {
            audio.version += 1;
            let local = Local { version: audio.version, ..local };
            answer = sdp::answer_again(&local, offer, codecs, wants, last)?;
        }
        audio.said = Some(answer.text.clone());
        (audio.told, audio.will) = (wants, answer.agreed.peer);
        it.offered = None;
        it.agree(id, answer.agreed, answer.layout, &local, out);
        self.endpoint.accept(now.mono, leg, &answer.text);
        Ok(())
    }

    /// Nothing has changed by an offer, a fax that was asked for included.
    fn refuse_later(&mut self, now: Now, id: CallId, leg: LegId) {
        let it = self.calls.get_mut(&id).and_then(|it| it.leg_mut(leg));
        if it.is_some_and(|it| it.offered.take().is_some()) {
            self.endpoint.reject(now.mono, leg, 488, None);
        }
    }

    /// Offers something of ours, when nothing else is under way; if something is, its end comes back
    /// to [`Switch::follow`].
    fn offer_later(&mut self, now: Now, id: CallId, leg: LegId, wish: Wish) {
        if self.endpoint.is_quiet(leg)
            && let Some(text) = self.write_offer(id, leg, wish)
        {
            self.endpoint.modify(now.mono, leg, &text);
        }
    }

    /// The peer wants our offer: it is what holds (RFC 3261 §14.2).
    fn offer_in_answer(&mut self, now: Now, id: CallId, leg: LegId) {
        match self.what_holds(id, leg).and_then(|it| self.write_offer(id, leg, it)) {
            Some(text) => self.endpoint.accept(now.mono, leg, &text),
            None => self.endpoint.reject(now.mono, leg, 488, None),
        }
    }

    fn what_holds(&self, id: CallId, leg: LegId) -> Option<Wish> {
        let call = self.calls.get(&id)?;
        let codec = call.leg(leg)?.codec()?;
        let partner = call.partner(leg).and_then(|it| it.audio.as_ref());
        let direction = partner.map_or(Direction::SendRecv, |it| it.will);
        Some(Wish { direction, codecs: vec![codec] })
    }

    fn write_offer(&mut self, id: CallId, leg: LegId, wish: Wish) -> Option<String> {
        let it = self.calls.get_mut(&id)?.leg_mut(leg)?;
        let audio = it.audio.as_mut()?;
        let layout = audio.layout.as_ref()?;
        let local = audio.local(&self.endpoint, it.flow);
        let mut offer = sdp::reoffer(&local, layout, &wish.codecs, wish.direction);
        if audio.said.as_deref() != Some(offer.text()) {
            audio.version += 1;
            let local = Local { version: audio.version, ..local };
            offer = sdp::reoffer(&local, layout, &wish.codecs, wish.direction);
        }
        let text = offer.text().to_owned();
        it.begin_offer(offer, wish);
        Some(text)
    }

    /// A leg that cannot go on is hung up.
    fn lose(&mut self, now: Now, id: CallId, leg: LegId, out: &mut Vec<Output>) {
        let is_caller = self.calls.get(&id).is_some_and(|it| it.caller.id == leg);
        if !is_caller {
            let reason = Reason { value: "SIP;cause=488;text=\"Not acceptable here\"".into() };
            self.endpoint.hang_up(now.mono, leg, &reason);
        }
        self.leg_left(now, id, leg, Cause::Failed, By::House, out);
    }

    /// What an offer of this leg may be answered with without asking anybody.
    fn codecs_for(&self, id: CallId, leg: LegId) -> Vec<Codec> {
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        let Some(it) = call.leg(leg) else { return Vec::new() };
        let own = it.codec().into_iter();
        match call.partner(leg) {
            Some(partner) => partner.codec().into_iter().collect(),
            // Phones that ring were offered what it speaks now.
            None if matches!(call.job, Some(Job::Ring(_))) => own.collect(),
            None => {
                let offered = it.offered.iter().flat_map(Session::codecs);
                own.chain(offered.filter(|it| !it.is_foreign())).collect()
            }
        }
    }

    fn has_partner(&self, id: CallId, leg: LegId) -> bool {
        self.calls.get(&id).is_some_and(|it| it.partner(leg).is_some())
    }

    /// The partner of this leg, when it waits for our answer.
    fn waiting_partner(&self, id: CallId, leg: LegId) -> Option<LegId> {
        let partner = self.calls.get(&id)?.partner(leg)?;
        partner.offered.is_some().then_some(partner.id)
    }
}

impl Leg {
    /// The codec that is agreed on.
    fn codec(&self) -> Option<Codec> {
        Some(self.audio.as_ref()?.agreed.as_ref()?.codec.clone())
    }

    /// Something else is agreed on.
    fn agree(
        &mut self,
        call: CallId,
        agreed: Agreed,
        layout: Layout,
        local: &Local,
        out: &mut Vec<Output>,
    ) {
        let (leg, signalling) = (self.id, self.flow.remote.ip());
        let Some(audio) = &mut self.audio else { return };
        audio.layout = Some(layout);
        audio.agree((call, leg), agreed, local.socket(), signalling, out);
    }
}
