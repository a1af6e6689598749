//! A session is refreshed or renegotiated by UPDATE: RFC 3311.
//!
//! The peer's offer is told as [`Event::Offered`], like one in an INVITE, and is to be answered within
//! the same turn: nobody may wait for an UPDATE to be decided (§5.2). Ours carry no description; they are
//! session refreshes (RFC 4028 §7.4), which take no ACK and cannot meet an offer of the peer.

use super::session::{MIN_SE, Session, is_too_brief};
use super::{Event, State, ends_dialog, retry_after, sdp};
use crate::base::{LegId, Mono};
use crate::sip::endpoint::{ALLOW, Endpoint, Owner, Request};
use crate::sip::message::{Message, Method, Name, Writer};
use crate::sip::tx::Failure;

impl Endpoint {
    /// Whether the offer that a peer waits with must be answered at once: it is refused rather than that
    /// anybody is asked about it (§5.2).
    pub fn is_urgent(&self, leg: LegId) -> bool {
        self.legs.get(leg).is_some_and(|it| it.urgent.is_some())
    }

    /// An UPDATE of the peer.
    pub(super) fn update_came(&mut self, now: Mono, leg: LegId, request: Request) {
        let offer = sdp(&request.message);
        let has_offer = !request.message.body().is_empty();
        let seconds = self.rng.below(11);
        let later = |it: Writer| it.header(Name::RetryAfter, seconds);
        let Some(usage) = self.usage(leg) else { return };
        let is_up = matches!(usage.state, State::Up);
        let is_trying = usage.modify.as_ref().is_some_and(|it| it.tx().is_some());
        // §5.2: an offer of ours waits for its answer, which may come in an ACK.
        let waits_for_us = is_trying || usage.unacked.as_ref().is_some_and(|it| it.is_offer);
        // §5.2: one of the peer's does; in an early dialog until a reliable answer has arrived.
        let is_answered = |it: &super::Pending| !is_up && it.provisional.is_answered();
        let waits_for_them =
            usage.urgent.is_some() || usage.pending.as_ref().is_some_and(|it| !is_answered(it));
        if is_too_brief(&request.message) {
            return self.respond(now, &request, 422, |it| it.header(Name::MinSe, MIN_SE));
        }
        if has_offer && (waits_for_them || usage.left.is_some()) {
            return self.respond(now, &request, 500, later);
        }
        if has_offer && waits_for_us {
            return self.respond(now, &request, 491, |it| it);
        }
        if has_offer && offer.is_none() {
            let more = |it: Writer| it.raw("Accept", b"application/sdp");
            return self.respond(now, &request, 415, more);
        }
        // §5.1: a target refresh.
        usage.dialog.refresh(&request.message);
        usage.dialog.flow = request.flow;
        usage.note_methods(&request.message);
        usage.urgent = Some(request);
        if has_offer {
            // An offer of ours that waits for another try is out of date.
            usage.modify = None;
            return self.tell(leg, Event::Offered { sdp: offer });
        }
        self.answer_urgent(now, leg, 200, None);
    }

    /// Answers an UPDATE or a PRACK; false when there is none.
    pub(super) fn answer_urgent(
        &mut self,
        now: Mono,
        leg: LegId,
        status: u16,
        sdp: Option<&str>,
    ) -> bool {
        let Some(request) = self.usage(leg).and_then(|it| it.urgent.take()) else { return false };
        let is_update = request.message.method() == Method::Update;
        let Some((flow, scheme)) = self.usage(leg).map(|it| (it.dialog.flow, it.dialog.scheme()))
        else {
            return false;
        };
        let contact = self.contact(flow, scheme);
        let mut writer = Writer::reply(&request.message, status, request.flow.remote, None);
        if let Some(usage) = self.usage(leg).filter(|_| is_update && status < 300) {
            writer = writer.header(Name::Contact, contact).header(Name::Allow, ALLOW);
            // RFC 4028 §5: there is no session before the answer.
            if matches!(usage.state, State::Up) {
                let session = Session::answering(now, &request.message);
                writer = session.answer(writer, &request.message);
                usage.session = Some(session);
            }
        }
        let bytes = match sdp {
            Some(sdp) => writer.finish_with("application/sdp", sdp.as_bytes()),
            None => writer.finish(),
        };
        self.respond_with(now, &request, status, bytes);
        self.go_on(now, leg);
        self.arm(leg);
        true
    }

    /// Refreshes the session without an offer (RFC 4028 §7.4).
    pub(super) fn update(&mut self, now: Mono, leg: LegId) {
        let Some(usage) = self.usage(leg).filter(|it| !it.updating) else { return };
        let (flow, scheme) = (usage.dialog.flow, usage.dialog.scheme());
        let (branch, via) = self.via(flow);
        let contact = self.contact(flow, scheme);
        let Some(usage) = self.usage(leg) else { return };
        usage.updating = true;
        let writer = usage
            .dialog
            .request(Method::Update, &via)
            .header(Name::Contact, contact)
            .header(Name::Allow, ALLOW);
        let bytes = usage.ask_session(writer).finish();
        self.open_client(now, flow, Owner::Update(leg), &branch, Method::Update, bytes);
    }

    /// A response to an UPDATE of ours.
    pub(in crate::sip) fn update_answered(&mut self, now: Mono, leg: LegId, response: &Message) {
        let status = response.status().unwrap_or(0);
        let wait = retry_after(response);
        let Some(usage) = self.usage(leg).filter(|_| status >= 200) else { return };
        usage.updating = false;
        match status {
            ..300 => {
                // §5.1: a target refresh.
                usage.dialog.refresh(response);
                usage.session_agreed(now, response);
            }
            422 if usage.takes_more(response) => self.update(now, leg),
            // A try later, when its turn comes (§5.3).
            491 => {}
            500 if wait.is_some() => {}
            405 | 501 => {
                usage.takes_updates = false;
                self.tell(leg, Event::Refresh);
            }
            it if ends_dialog(it) => return self.gone(now, leg, it),
            _ => usage.session_lives(now),
        }
        self.arm(leg);
    }

    /// An UPDATE of ours came to nothing.
    pub(in crate::sip) fn update_failed(&mut self, now: Mono, leg: LegId, why: Failure) {
        let Some(usage) = self.usage(leg) else { return };
        usage.updating = false;
        if why != Failure::Unreachable {
            // RFC 4028 §10: as a 408.
            self.gone(now, leg, 408);
        }
    }
}
