//! An answered call is renegotiated: by the peer (RFC 3261 §14.2), or by us (§14.1).
//!
//! ```text
//!              Endpoint::modify                 2xx /ACK, Modified
//!  (no Modify) ---------------> +--------+ -----------------------> (none)
//!                               | Trying |  481, 408 ..: /Ended(Gone)
//!              at /INVITE again +--------+  others /NotModified
//!                    +------------^   | 491; 500 with Retry-After
//!                    |                v
//!                +---------+ <--------+
//!                | Waiting |     an INVITE of the peer comes: ours is given up
//!                +---------+ ---------------------------------------------> (none)
//! ```
//!
//! While ours is under way an INVITE of the peer gets 491. After a glare both wait, each for another
//! time (§14.1); whoever comes first is heard, and the other one's offer is out of date by then.

use std::time::Duration;

use super::session::{MIN_SE, is_too_brief};
use super::{Ended, Event, Pending, Reason, State, sdp};
use crate::base::{LegId, Mono};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{ALLOW, Endpoint, Request, TxId};
use crate::sip::message::{Message, Method, Name, Writer};
use crate::sip::tx::Failure;

/// An INVITE of ours within the dialog.
#[derive(Debug)]
pub(in crate::sip) struct Modify {
    /// Our offer.
    sdp: String,
    /// How often it was put off.
    tries: u8,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// It is under way; a peer that never decides is given up.
    Trying { tx: TxId, until: Mono },
    /// It was put off.
    Waiting { at: Mono },
}

impl Modify {
    /// When something is to be done about it.
    pub(super) fn poll_timeout(&self) -> Mono {
        match self.stage {
            Stage::Trying { until: at, .. } | Stage::Waiting { at } => at,
        }
    }

    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.poll_timeout() <= now
    }

    /// Its transaction, while it is under way.
    pub(super) fn tx(&self) -> Option<TxId> {
        match self.stage {
            Stage::Trying { tx, .. } => Some(tx),
            Stage::Waiting { .. } => None,
        }
    }
}

impl Endpoint {
    /// Whether an offer of ours may leave: the leg is answered, and no INVITE is under way in either
    /// direction (§14.1).
    pub fn is_quiet(&self, leg: LegId) -> bool {
        self.legs.get(leg).is_some_and(|it| {
            let is_idle = it.pending.is_none() && it.unacked.is_none() && it.modify.is_none();
            matches!(it.state, State::Up) && is_idle
        })
    }

    /// Offers the peer another session description, if the leg [is quiet](Self::is_quiet).
    /// [`Event::Modified`] or [`Event::NotModified`] says what came of it.
    pub fn modify(&mut self, now: Mono, leg: LegId, sdp: &str) {
        if self.is_quiet(leg) {
            self.reinvite(now, leg, sdp.to_owned(), 0);
        }
    }

    /// An INVITE within a dialog.
    pub(super) fn reinvited(&mut self, now: Mono, leg: LegId, request: Request) {
        let Some(usage) = self.usage(leg) else { return };
        let is_trying = usage.modify.as_ref().is_some_and(|it| it.tx().is_some());
        let offer = sdp(&request.message);
        match &usage.state {
            // §14.2: an INVITE is still open; the peer may come again.
            _ if usage.pending.is_some() || usage.unacked.is_some() => {
                let seconds = self.rng.below(RETRY_AFTER_MAX_S + 1);
                let more = |it: Writer| it.header(Name::RetryAfter, seconds);
                return self.refuse_reinvite(now, leg, &request, 500, more);
            }
            // §14.2: one of ours is under way.
            State::Up if is_trying => {
                return self.refuse_reinvite(now, leg, &request, 491, |it| it);
            }
            State::Inviting { .. } | State::Invited => {
                return self.refuse_reinvite(now, leg, &request, 491, |it| it);
            }
            State::Up if offer.is_none() && !request.message.body().is_empty() => {
                let more = |it: Writer| it.raw("Accept", b"application/sdp");
                return self.refuse_reinvite(now, leg, &request, 415, more);
            }
            // RFC 4028 §9.
            State::Up if is_too_brief(&request.message) => {
                let more = |it: Writer| it.header(Name::MinSe, MIN_SE);
                return self.refuse_reinvite(now, leg, &request, 422, more);
            }
            State::Up => {}
        }
        usage.modify = None;
        usage.note_methods(&request.message);
        usage.dialog.refresh(&request.message);
        // A phone that has moved, or whose NAT has, is reached where it is now.
        usage.dialog.flow = request.flow;
        let tx = self.open_invite_server(&request, leg);
        let trying = Writer::reply(&request.message, 100, request.flow.remote, None).finish();
        self.reply(now, tx, 100, trying);
        if let Some(usage) = self.usage(leg) {
            usage.pending = Some(Pending::new(tx, request.message, None));
        }
        self.arm(leg);
        self.tell(leg, Event::Offered { sdp: offer });
    }

    /// Whether this transaction is the leg's offer that is under way.
    pub(in crate::sip) fn is_modifying(&self, leg: LegId, tx: TxId) -> bool {
        let modify = self.legs.get(leg).and_then(|it| it.modify.as_ref());
        modify.is_some_and(|it| it.tx() == Some(tx))
    }

    /// Whether this INVITE of ours went along a dialog that was there already.
    pub(super) fn is_later(&self, leg: LegId, tx: TxId) -> bool {
        if self.is_modifying(leg, tx) || self.is_inviting(leg, tx) {
            return self.is_modifying(leg, tx);
        }
        // Nobody waits for it any more, so it must speak for itself.
        let invite = self.txs.get(&tx).and_then(|it| Message::parse(it.request.clone()).ok());
        invite.is_some_and(|it| it.to().is_ok_and(|it| it.tag().is_some()))
    }

    /// A response to an INVITE of ours within the dialog.
    pub(super) fn modify_answered(&mut self, now: Mono, leg: LegId, tx: TxId, response: &Message) {
        let status = response.status().unwrap_or(0);
        if status < 200 {
            return;
        }
        if status < 300 {
            self.ack_later(tx, response);
        }
        let Some(usage) = self.usage(leg) else { return };
        let Some(modify) = usage.modify.take_if(|it| it.tx() == Some(tx)) else { return };
        if status < 300 {
            // §12.2.1.2: a target refresh.
            usage.dialog.refresh(response);
            usage.session_agreed(now, response);
            self.arm(leg);
            return self.tell(leg, Event::Modified { sdp: sdp(response) });
        }
        // RFC 4028 §7.3: for longer.
        if status == 422 && usage.takes_more(response) {
            return self.reinvite(now, leg, modify.sdp, modify.tries);
        }
        let wait = match status {
            491 => Some(self.glare_wait(leg)),
            500 => retry_after(response),
            _ => None,
        };
        if let Some(wait) = wait.filter(|_| modify.tries < TRIES_MAX) {
            let stage = Stage::Waiting { at: now + wait };
            if let Some(usage) = self.usage(leg) {
                usage.modify = Some(Modify { tries: modify.tries + 1, stage, ..modify });
            }
            return self.arm(leg);
        }
        if ends_dialog(status) {
            return self.gone(now, leg, status);
        }
        if let Some(usage) = self.usage(leg) {
            usage.session_lives(now);
        }
        self.arm(leg);
        self.tell(leg, Event::NotModified { status });
    }

    /// Our INVITE within the dialog came to nothing.
    pub(super) fn modify_failed(&mut self, now: Mono, leg: LegId, why: Failure) {
        if why != Failure::Unreachable {
            return self.gone(now, leg, 408);
        }
        // The peer's audio travels elsewhere, and its next request brings another flow.
        if let Some(usage) = self.usage(leg) {
            usage.modify = None;
        }
        self.arm(leg);
        self.tell(leg, Event::NotModified { status: 430 });
    }

    /// What was put off is tried again, and what takes too long is given up.
    pub(super) fn modify_due(&mut self, now: Mono, leg: LegId) {
        let modify = self.usage(leg).and_then(|it| it.modify.take());
        let Some(Modify { sdp, tries, stage }) = modify else { return };
        match stage {
            Stage::Waiting { .. } => self.reinvite(now, leg, sdp, tries),
            Stage::Trying { tx, .. } => {
                self.forget(tx);
                self.gone(now, leg, 408);
            }
        }
    }

    fn reinvite(&mut self, now: Mono, leg: LegId, sdp: String, tries: u8) {
        let Some(dialog) = self.usage(leg).map(|it| &it.dialog) else { return };
        let (flow, scheme) = (dialog.flow, dialog.scheme());
        let (branch, via) = self.via(flow);
        let contact = self.contact(flow, scheme);
        let Some(usage) = self.usage(leg) else { return };
        let writer = usage
            .dialog
            .request(Method::Invite, &via)
            .header(Name::Contact, contact)
            .header(Name::Allow, ALLOW);
        let invite = usage.ask_session(writer).finish_with("application/sdp", sdp.as_bytes());
        let tx = self.open_invite_client(now, flow, leg, &branch, invite);
        if let Some(usage) = self.usage(leg) {
            let stage = Stage::Trying { tx, until: now + PATIENCE };
            usage.modify = Some(Modify { sdp, tries, stage });
        }
        self.arm(leg);
        self.fail_if_unreachable(now, flow, tx);
    }

    /// ACKs a 2xx to an INVITE of ours within a dialog, the repeats with the same ACK, whether the
    /// leg is still there or not (§13.2.2.4).
    fn ack_later(&mut self, id: TxId, response: &Message) {
        let Some(tx) = self.txs.get(&id) else { return };
        let flow = tx.flow;
        if let Some((_, ack)) = tx.acks.first() {
            let ack = ack.clone();
            return self.sends.push((flow, ack));
        }
        let invite = Message::parse(tx.request.clone());
        let Some(mut dialog) = invite.ok().and_then(|it| Dialog::of_invite(&it, flow).ok()) else {
            return;
        };
        dialog.refresh(response);
        let (_, via) = self.via(flow);
        let ack = dialog.ack(dialog.local_seq(), &via).finish();
        self.sends.push((flow, ack.clone()));
        if let Some(tx) = self.txs.get_mut(&id) {
            tx.acks.push((String::new(), ack));
        }
    }

    /// Refuses an INVITE of the peer without asking anybody. The transaction repeats the refusal, for
    /// the number of the INVITE is used up.
    fn refuse_reinvite(
        &mut self,
        now: Mono,
        leg: LegId,
        request: &Request,
        status: u16,
        more: impl FnOnce(Writer) -> Writer,
    ) {
        let Some(tag) = self.usage(leg).map(|it| it.dialog.local_tag().to_owned()) else { return };
        let tx = self.open_invite_server(request, leg);
        let reply = Writer::reply(&request.message, status, request.flow.remote, Some(&tag));
        self.reply(now, tx, status, more(reply).finish());
    }

    /// The peer has lost the call (RFC 5057 §5.1). Who may still know of it gets a BYE (§12.2.1.2).
    pub(super) fn gone(&mut self, now: Mono, leg: LegId, status: u16) {
        self.tell(leg, Event::Ended(Ended::Gone));
        match status {
            481 => self.drop_leg(now, leg),
            _ => self.bye(now, leg, &Reason { value: format!("SIP;cause={status}") }),
        }
    }

    /// §14.1: who owns the Call-ID waits longer, so that both do not meet again.
    fn glare_wait(&mut self, leg: LegId) -> Duration {
        let is_owner = self.usage(leg).is_some_and(|it| it.dialog.owns_call_id());
        match is_owner {
            true => Duration::from_millis(2_100 + 10 * self.rng.below(191)),
            false => Duration::from_millis(10 * self.rng.below(201)),
        }
    }
}

/// How long a peer wants us to wait; nothing when it names no time that a call could wait for.
pub(super) fn retry_after(response: &Message) -> Option<Duration> {
    let text = response.text(Name::RetryAfter)?.trim();
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let seconds: u64 = text[..end].parse().ok()?;
    (seconds <= RETRY_AFTER_MAX_S).then(|| Duration::from_secs(seconds))
}

/// Whether a refusal within a dialog means that the peer has no such call (RFC 5057 §5.1), or is out
/// of reach (RFC 3261 §12.2.1.2).
pub(super) fn ends_dialog(status: u16) -> bool {
    matches!(status, 404 | 408 | 410 | 416 | 480..=482 | 484 | 485 | 502 | 604)
}

/// How often an offer is put off before it counts as refused.
const TRIES_MAX: u8 = 5;
/// RFC 3261 §14.2: Retry-After is chosen from 0 to 10 seconds.
const RETRY_AFTER_MAX_S: u64 = 10;
/// How long a peer may take for its decision: as long as a proxy waits for a callee (§16.6, 11).
const PATIENCE: Duration = Duration::from_secs(180);
