//! We ring somebody: RFC 3261 §13.2.

use super::prove::{Outside, Proof, identified};
use super::{Early, Ended, Event, State, Usage, sdp};
use crate::base::{LegId, Mono};
use crate::sip::Flow;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{ALLOW, Endpoint, Owner, TxId};
use crate::sip::enrol::retry_after;
use crate::sip::message::{Message, Method, Name, Writer};
use crate::sip::tx::Failure;

/// Whom we ring, and what we say.
#[derive(Clone, Copy, Debug)]
pub struct Invitation<'a> {
    /// The Request-URI: the address that the phone registered.
    pub uri: &'a str,
    /// Along which flow.
    pub flow: Flow,
    /// The user part of From: the caller's number.
    pub from: &'a str,
    /// The display name in From.
    pub from_name: Option<&'a str>,
    /// The user part of To: whom the caller means.
    pub to: &'a str,
    /// Our offer.
    pub sdp: &'a str,
    /// How many hops are left (§16.6, 3): the caller's number, less one.
    pub max_forwards: u32,
    /// Of a carrier: what else it is told.
    pub outside: Option<&'a Outside>,
}

impl Endpoint {
    /// Sends an INVITE as this leg; returns its Call-ID.
    pub fn invite(&mut self, now: Mono, leg: LegId, it: Invitation<'_>) -> String {
        let flow = it.flow;
        let host = self.address(flow).ip();
        let host = match it.outside {
            Some(outside) => outside.domain.clone(),
            None if host.is_ipv6() => format!("[{host}]"),
            None => host.to_string(),
        };
        let address = match it.from {
            ANONYMOUS => format!("<sip:{ANONYMOUS}@{NOWHERE}>"),
            from => format!("<sip:{from}@{host}>"),
        };
        let from = match it.from_name {
            Some(name) => format!("{} {address}", quoted(name)),
            None => address,
        };
        let to = format!("<sip:{}@{host}>", it.to);
        let (call_id, tag) = (self.rng.token() + &self.rng.token(), self.rng.token());
        let mut dialog = Dialog::outgoing(flow, call_id.clone(), it.uri, from, tag, to);
        let (branch, via) = self.via(flow);
        let mut writer = dialog
            .invite(it.uri, &via, it.max_forwards)
            .header(Name::Contact, self.contact(flow, dialog.scheme()))
            .header(Name::Allow, ALLOW);
        if let Some(outside) = it.outside {
            writer = identified(writer, outside);
        }
        let mut usage = Usage::new(dialog, State::Up, None);
        let bytes = usage.ask_session(writer).finish_with("application/sdp", it.sdp.as_bytes());
        let tx = self.open_invite_client(now, flow, leg, &branch, bytes);
        usage.state = State::Inviting { tx, heard: false, until: None };
        usage.proof = it.outside.map(|outside| Box::new(Proof::new(&it, outside.clone())));
        self.legs.insert(leg, usage);
        self.fail_if_unreachable(now, flow, tx);
        call_id
    }

    /// RFC 4028 §7.3: the same INVITE once more, for a longer session.
    fn invite_again(&mut self, now: Mono, leg: LegId, id: TxId) {
        let Some(tx) = self.txs.get(&id) else { return };
        let (flow, before) = (tx.flow, Message::parse(tx.request.clone()));
        let (branch, via) = self.via(flow);
        let Some(scheme) = self.usage(leg).map(|it| it.dialog.scheme()) else { return };
        let contact = self.contact(flow, scheme);
        let (Ok(before), Some(usage)) = (before, self.usage(leg)) else { return };
        let uri = before.request_uri().unwrap_or_default();
        let hops = before.max_forwards().ok().flatten().unwrap_or_default();
        let mut writer = usage
            .dialog
            .invite(uri, &via, hops)
            .header(Name::Contact, contact)
            .header(Name::Allow, ALLOW);
        if let Some(proof) = &usage.proof {
            writer = identified(writer, &proof.outside);
        }
        let invite = usage.ask_session(writer).finish_with("application/sdp", before.body());
        usage.early.clear();
        let tx = self.open_invite_client(now, flow, leg, &branch, invite);
        if let Some(usage) = self.usage(leg) {
            usage.state = State::Inviting { tx, heard: false, until: None };
        }
        self.fail_if_unreachable(now, flow, tx);
    }

    /// A response to an INVITE of ours that the transaction passed on.
    pub(in crate::sip) fn invite_answered(
        &mut self,
        now: Mono,
        leg: LegId,
        tx: TxId,
        response: &Message,
    ) {
        if self.is_later(leg, tx) {
            return self.modify_answered(now, leg, tx, response);
        }
        match response.status().unwrap_or(0) {
            status @ 100..=199 => {
                if self.acknowledge(now, leg, tx, response) {
                    self.provisional(now, leg, status);
                }
            }
            200..=299 => self.accepted(now, leg, tx, response),
            422 if self.wants_more(leg, response) => self.invite_again(now, leg, tx),
            _ if self.prove(now, leg, tx, response) => {}
            status => {
                // §21.5.4: of a carrier, whose house has others to go to.
                let is_outside = self.legs.get(leg).is_some_and(|it| it.proof.is_some());
                if let Some(wait) = retry_after(response).filter(|_| status == 503 && is_outside) {
                    self.tell(leg, Event::ComeLater { wait });
                }
                self.tell(leg, Event::Refused { status });
                self.drop_leg(now, leg);
            }
        }
    }

    /// Whether a callee whom we still want asks for a longer session.
    fn wants_more(&mut self, leg: LegId, response: &Message) -> bool {
        self.usage(leg).is_some_and(|it| it.left.is_none() && it.takes_more(response))
    }

    /// A transaction of this leg came to nothing: no answer, no ACK, or its peer is out of reach.
    pub(in crate::sip) fn unanswered(&mut self, now: Mono, leg: LegId, tx: TxId, why: Failure) {
        if self.is_inviting(leg, tx) {
            // §8.1.3.1: as if a 408 had come. A flow that is gone has its own word, RFC 5626 §11.5.
            let status = if why == Failure::Unreachable { 430 } else { 408 };
            self.tell(leg, Event::Refused { status });
            return self.drop_leg(now, leg);
        }
        if self.is_modifying(leg, tx) {
            return self.modify_failed(now, leg, why);
        }
        let Some(usage) = self.usage(leg).filter(|_| why == Failure::Unreachable) else { return };
        let was_pending = usage.pending.take_if(|it| it.tx == tx).is_some();
        if was_pending && matches!(usage.state, State::Invited) {
            self.tell(leg, Event::Ended(Ended::Unreachable));
            self.drop_leg(now, leg);
        }
    }

    /// Whether the leg waits for the answer to this INVITE of ours.
    pub(in crate::sip) fn is_inviting(&self, leg: LegId, tx: TxId) -> bool {
        let usage = self.legs.get(leg);
        usage.is_some_and(|it| matches!(it.state, State::Inviting { tx: own, .. } if own == tx))
    }

    /// ACKs a refusal: of the transaction, with its own branch (§17.1.1.3).
    pub(in crate::sip) fn ack_refusal(&mut self, id: TxId, response: &Message) {
        let Some(tx) = self.txs.get(&id) else { return };
        let Ok(invite) = Message::parse(tx.request.clone()) else { return };
        let to = response.first(Name::To).unwrap_or_default();
        let ack = copy(&invite, Method::Ack).raw(Name::To.word(), to).finish();
        self.sends.push((tx.flow, ack));
    }

    fn provisional(&mut self, now: Mono, leg: LegId, status: u16) {
        let Some(usage) = self.usage(leg) else { return };
        let State::Inviting { heard, .. } = &mut usage.state else { return };
        let is_first = !std::mem::replace(heard, true);
        if is_first && let Some(reason) = usage.left.clone() {
            return self.cancel(now, leg, &reason);
        }
        if status > 100 {
            self.tell(leg, Event::Ringing { status });
        }
    }

    /// A 2xx: the first opens the dialog; the same again gets its ACK again; one of another fork is
    /// thanked and hung up (§13.2.2.4).
    fn accepted(&mut self, now: Mono, leg: LegId, id: TxId, response: &Message) {
        let Some(tx) = self.txs.get(&id) else { return };
        let tag = response.to().ok().and_then(|it| it.tag()).unwrap_or_default().to_owned();
        let flow = tx.flow;
        if let Some((_, ack)) = tx.acks.iter().find(|it| it.0 == tag) {
            let ack = ack.clone();
            self.sends.push((flow, ack));
            return;
        }
        if tx.acks.len() >= FORKS_MAX {
            return;
        }
        let Ok(invite) = Message::parse(tx.request.clone()) else { return };
        let Ok(dialog) = Dialog::of_invite(&invite, flow).map(|it| it.confirmed_by(response))
        else {
            return;
        };
        let (_, via) = self.via(flow);
        let ack = dialog.ack(dialog.local_seq(), &via).finish();
        let is_fork = |it: &Early| it.dialog.remote_tag() == dialog.remote_tag();
        let early = self.usage(leg).and_then(|it| {
            let nth = it.early.iter().position(is_fork)?;
            Some(it.early.swap_remove(nth))
        });
        let (dialog, answer) = match early {
            // RFC 3262 §5: what came reliably is the answer; its PRACKs have used numbers up.
            Some(it) => (it.dialog.confirmed_by(response), it.sdp),
            None => (dialog, None),
        };
        self.sends.push((flow, ack.clone()));
        if let Some(tx) = self.txs.get_mut(&id) {
            tx.acks.push((tag, ack));
        }
        let Some(usage) = self.usage(leg).filter(|it| matches!(it.state, State::Inviting { .. }))
        else {
            let (branch, via) = self.via(flow);
            let mut dialog = dialog;
            let bye = dialog.request(Method::Bye, &via).finish();
            self.open_client(now, flow, Owner::Nobody, &branch, Method::Bye, bye);
            return;
        };
        usage.dialog = dialog;
        usage.state = State::Up;
        usage.session_agreed(now, response);
        let left = usage.left.take();
        self.arm(leg);
        match left {
            // §9.1: the CANCEL crossed the 2xx, or never left.
            Some(reason) => self.bye(now, leg, &reason),
            None => self.tell(leg, Event::Accepted { sdp: answer.or_else(|| sdp(response)) }),
        }
    }
}

/// The user and the host of a caller who wants to be nobody (RFC 3323 §4.1.1.3).
pub const ANONYMOUS: &str = "anonymous";
/// See [`ANONYMOUS`].
pub const NOWHERE: &str = "anonymous.invalid";

/// The most forks of one INVITE whose 2xx are answered: each costs a BYE and its repeats.
const FORKS_MAX: usize = 8;

/// Begins an ACK or CANCEL from the INVITE that it means: same Request-URI, Via, From, Call-ID,
/// number and Route (§9.1, §17.1.1.3). The caller adds To.
pub(super) fn copy(invite: &Message, method: Method) -> Writer {
    let raw = |name| invite.first(name).unwrap_or_default();
    let mut it = Writer::request(method, invite.request_uri().unwrap_or_default())
        .raw(Name::Via.word(), raw(Name::Via))
        .header(Name::MaxForwards, 70);
    for route in invite.values(Name::Route) {
        it = it.raw(Name::Route.word(), route);
    }
    let number = invite.cseq().map_or(0, |it| it.number);
    it.raw(Name::From.word(), raw(Name::From))
        .raw(Name::CallId.word(), raw(Name::CallId))
        .header(Name::CSeq, format_args!("{number} {}", method.word()))
}

/// A display name as a quoted string (§25.1).
fn quoted(name: &str) -> String {
    let mut it = String::from('"');
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            it.push('\\');
        }
        it.push(c);
    }
    it.push('"');
    it
}
