//! Somebody rings us: RFC 3261 §13.3.

use std::time::Duration;

use super::{Event, Pending, Reason, Session, State, Unacked, Usage, record_route, sdp};
use crate::base::{LegId, Mono};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{ALLOW, Endpoint, Request};
use crate::sip::message::{Fault, Name, Writer};

impl Endpoint {
    /// Takes an INVITE as this leg: its transaction opens and 100 leaves (§8.2.6.1, §17.2.1).
    ///
    /// # Errors
    /// When it cannot open a dialog; nothing is kept then.
    pub fn take(&mut self, now: Mono, leg: LegId, request: Request) -> Result<(), Fault> {
        let tag = self.rng.token();
        let dialog = Dialog::incoming(&request.message, request.flow, tag)?;
        let tx = self.open_invite_server(&request, leg);
        let trying = Writer::reply(&request.message, 100, request.flow.remote, None).finish();
        self.reply(now, tx, 100, trying);
        let pending = Some(Pending::new(tx, request.message.clone(), Some(now + STILL)));
        let mut usage = Usage::new(dialog, State::Invited, pending);
        usage.note_methods(&request.message);
        self.legs.insert(leg, usage);
        self.arm(leg);
        Ok(())
    }

    /// Sends a provisional answer, with a session description for early media. It is sent again
    /// every minute until the final one, so that no proxy between us and the caller gives up (§13.3.1.1).
    pub fn ring(&mut self, now: Mono, leg: LegId, status: u16, sdp: Option<&str>) {
        let is_reliable = self.rings_reliably(leg, sdp.is_some());
        let Some((tx, writer)) = self.answer(leg, status) else { return };
        if let Some(pending) = self.usage(leg).and_then(|it| it.pending.as_mut()) {
            pending.said = Some((status, sdp.map(str::to_owned)));
            pending.again_at = Some(now + STILL);
        }
        self.arm(leg);
        if is_reliable {
            return self.ring_reliably(now, leg, status, sdp.map(str::to_owned));
        }
        let bytes = match sdp {
            Some(sdp) => writer.finish_with("application/sdp", sdp.as_bytes()),
            None => writer.finish(),
        };
        self.reply(now, tx, status, bytes);
    }

    /// Answers the peer's INVITE, the first or a later one, with 200; or what it has offered otherwise.
    pub fn accept(&mut self, now: Mono, leg: LegId, sdp: &str) {
        if self.answer_urgent(now, leg, 200, Some(sdp)) {
            return;
        }
        let waits = |it: &mut Usage| it.pending.as_mut().is_some_and(|it| it.provisional.keep(sdp));
        if self.usage(leg).is_some_and(waits) {
            return;
        }
        let Some((tx, writer)) = self.answer(leg, 200) else { return };
        let timing = self.timing;
        let Some(usage) = self.usage(leg) else { return };
        let Some(pending) = usage.pending.take() else { return };
        let session = Session::answering(now, &pending.invite);
        let writer = session.answer(writer.header(Name::Allow, ALLOW), &pending.invite);
        let ok = match pending.provisional.is_answered() {
            true => writer.finish(),
            false => writer.finish_with("application/sdp", sdp.as_bytes()),
        };
        usage.state = State::Up;
        usage.session = Some(session);
        usage.unacked = Some(Unacked::new(now, timing, &pending.invite, ok.clone()));
        self.reply(now, tx, 200, ok);
        self.arm(leg);
    }

    /// Refuses the peer's INVITE. Of the first one, the leg is over; of a later one, all stays as
    /// it was (§14.2).
    pub fn reject(&mut self, now: Mono, leg: LegId, status: u16, reason: Option<&Reason>) {
        if !self.answer_urgent(now, leg, status, None) {
            self.reject_invite(now, leg, status, reason);
        }
    }

    pub(super) fn reject_invite(
        &mut self,
        now: Mono,
        leg: LegId,
        status: u16,
        reason: Option<&Reason>,
    ) {
        let Some((tx, mut writer)) = self.answer(leg, status) else { return };
        if let Some(reason) = reason {
            writer = writer.header(Name::Reason, &reason.value);
        }
        self.reply(now, tx, status, writer.finish());
        let Some(usage) = self.usage(leg) else { return };
        usage.pending = None;
        if matches!(usage.state, State::Invited) {
            self.drop_leg(now, leg);
        }
    }

    /// Says again that a caller is not answered yet, when it is time to.
    pub(super) fn still_ringing(&mut self, now: Mono, leg: LegId) {
        let pending = self.usage(leg).and_then(|it| it.pending.as_ref());
        let Some(pending) = pending.filter(|it| it.again_at.is_some_and(|it| it <= now)) else {
            return;
        };
        // §13.3.1.1: 100 does not count.
        let (status, sdp) = pending.said.clone().unwrap_or((183, None));
        self.ring(now, leg, status, sdp.as_deref());
    }

    /// An ACK for a 2xx of ours (§13.3.1.4).
    pub(in crate::sip) fn acked(&mut self, now: Mono, request: &Request) {
        let Some(leg) = self.legs.find(&request.message) else { return };
        let number = request.message.cseq().map_or(0, |it| it.number);
        let Some(usage) = self.usage(leg) else { return };
        if !usage.dialog.is_peer(&request.message)
            || usage.unacked.as_ref().is_none_or(|it| it.number != number)
        {
            return;
        }
        usage.unacked = None;
        let left = usage.left.take();
        self.follow(leg, request.flow);
        self.arm(leg);
        match left {
            Some(reason) => self.bye(now, leg, &reason),
            None => self.tell(leg, Event::Acked { sdp: sdp(&request.message) }),
        }
    }

    /// Begins the answer to the pending INVITE of a leg.
    pub(super) fn answer(
        &mut self,
        leg: LegId,
        status: u16,
    ) -> Option<(crate::sip::endpoint::TxId, Writer)> {
        let dialog = &self.usage(leg)?.dialog;
        let (flow, scheme) = (dialog.flow, dialog.scheme());
        let contact = self.contact(flow, scheme);
        let usage = self.usage(leg)?;
        let pending = usage.pending.as_ref()?;
        let tag = usage.dialog.local_tag();
        let mut writer = Writer::reply(&pending.invite, status, flow.remote, Some(tag));
        if status < 300 {
            writer = record_route(writer, &pending.invite).header(Name::Contact, contact);
        }
        Some((pending.tx, writer))
    }
}

/// RFC 3261 §13.3.1.1: a caller who waits hears from us every minute.
const STILL: Duration = Duration::from_secs(60);
