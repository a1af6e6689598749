//! Provisional responses that arrive: RFC 3262.
//!
//! ```text
//!              ring /1xx, RSeq             PRACK /200
//!  (nothing) ------------------> +-------+ ----------> (nothing), and what has waited leaves
//!                           +--- |Waiting|
//!     T1, 2*T1 .. /1xx again     +-------+ 64*T1: /500, Ended(NoAck)
//! ```
//!
//! One is under way at a time. A 2xx waits for the PRACK of one that carries our answer (§3); other
//! final responses do not.

use std::time::Duration;

use super::{Ended, Event, sdp};
use crate::base::{LegId, Mono};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{ALLOW, Endpoint, Owner, Request, TxId};
use crate::sip::message::{Message, Method, Name};

/// Our reliable responses to an INVITE of a peer.
#[derive(Debug, Default)]
pub(in crate::sip) struct Provisional {
    /// The RSeq of the last one; 0 before the first.
    number: u32,
    waiting: Option<Waiting>,
    /// What is said next: a status and a description.
    next: Option<(u16, Option<String>)>,
    /// The description of a 2xx that waits.
    answer: Option<String>,
    /// Our answer has arrived in one of them.
    is_answered: bool,
}

#[derive(Debug)]
struct Waiting {
    status: u16,
    bytes: bytes::Bytes,
    has_answer: bool,
    at: Mono,
    wait: Duration,
    until: Mono,
}

/// What we know of a fork of our INVITE that answers reliably.
#[derive(Debug)]
pub(in crate::sip) struct Early {
    pub(super) dialog: Dialog,
    number: u32,
    /// Its answer (§5).
    pub(super) sdp: Option<bytes::Bytes>,
}

/// What a RAck says (§7.2).
#[derive(Debug, PartialEq, Eq)]
struct RAck {
    response: u32,
    request: u32,
}

impl Provisional {
    /// Whether our answer has arrived reliably: no later response repeats it (RFC 6337 §3.1.1).
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Keeps a 2xx until the answer before it has arrived (§3); false when it may leave.
    pub(super) fn keep(&mut self, sdp: &str) -> bool {
        let waits = self.waiting.as_ref().is_some_and(|it| it.has_answer);
        if waits {
            self.answer = Some(sdp.to_owned());
        }
        waits
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.waiting.as_ref().map(|it| it.at.min(it.until))
    }

    fn is_of(&self, rack: &RAck) -> bool {
        self.waiting.is_some() && self.number == rack.response
    }
}

impl RAck {
    fn read(message: &Message) -> Option<Self> {
        let mut words = message.text(Name::RAck)?.split_ascii_whitespace();
        let [response, request, method] = [words.next()?, words.next()?, words.next()?];
        let is_whole = words.next().is_none() && method == "INVITE";
        let (response, request) = (number(response)?, number(request)?);
        is_whole.then_some(Self { response, request })
    }
}

impl Endpoint {
    /// Whether this provisional response is to be sent reliably: the caller wants that, or can do it and
    /// gets our answer with it (§3).
    pub(super) fn rings_reliably(&self, leg: LegId, has_answer: bool) -> bool {
        let Some(pending) = self.legs.get(leg).and_then(|it| it.pending.as_ref()) else {
            return false;
        };
        let has = |name| pending.invite.has_option(name, "100rel");
        has(Name::Require) || has(Name::Supported) && has_answer && !pending.provisional.is_answered
    }

    /// Sends a provisional response until its PRACK comes, or later when one is under way.
    pub(super) fn ring_reliably(
        &mut self,
        now: Mono,
        leg: LegId,
        status: u16,
        sdp: Option<String>,
    ) {
        let t1 = self.timing.t1;
        let first = 1 + self.rng.below(1 << 30) as u32;
        let Some(pending) = self.usage(leg).and_then(|it| it.pending.as_mut()) else { return };
        let it = &mut pending.provisional;
        if it.waiting.is_some() || it.answer.is_some() {
            // §3: what was to be said meanwhile is out of date, but for its description.
            let before = it.next.take().and_then(|it| it.1);
            it.next = Some((status, sdp.or(before)));
            return;
        }
        // RFC 3261 §13.2.1: the first reliable response to an INVITE without an offer carries ours,
        // and ours stands in the 2xx.
        if pending.invite.body().is_empty() {
            return;
        }
        it.number = if it.number == 0 { first } else { it.number + 1 };
        let number = it.number;
        let sdp = sdp.filter(|_| !it.is_answered);
        let Some((tx, writer)) = self.answer(leg, status) else { return };
        let writer = writer
            .header(Name::Require, "100rel")
            .header(Name::RSeq, number)
            .header(Name::Allow, ALLOW);
        let has_answer = sdp.is_some();
        let bytes = match sdp {
            Some(sdp) => writer.finish_with("application/sdp", sdp.as_bytes()),
            None => writer.finish(),
        };
        if let Some(pending) = self.usage(leg).and_then(|it| it.pending.as_mut()) {
            let (at, until, bytes) = (now + t1, now + 64 * t1, bytes.clone());
            let waiting = Waiting { status, bytes, has_answer, at, wait: t1, until };
            pending.provisional.waiting = Some(waiting);
        }
        self.arm(leg);
        self.reply(now, tx, status, bytes);
    }

    /// Repeats what is not acknowledged, and gives up who never does (§3).
    pub(super) fn prack_due(&mut self, now: Mono, leg: LegId) {
        let Some(pending) = self.usage(leg).and_then(|it| it.pending.as_mut()) else { return };
        let Some(it) = pending.provisional.waiting.as_mut() else { return };
        if it.until <= now {
            self.tell(leg, Event::Ended(Ended::NoAck));
            return self.reject_invite(now, leg, 500, None);
        }
        if it.at <= now {
            // §3: "starts at T1, and doubles for each"; T2 is no limit.
            it.wait *= 2;
            it.at = now + it.wait;
            let (tx, status, bytes) = (pending.tx, it.status, it.bytes.clone());
            self.reply(now, tx, status, bytes);
        }
    }

    /// A PRACK of the peer (§3).
    pub(super) fn prack_came(&mut self, now: Mono, leg: LegId, request: Request) {
        let rack = RAck::read(&request.message);
        let offer = sdp(&request.message);
        let pending = self.usage(leg).and_then(|it| it.pending.as_mut());
        let number = |it: &super::Pending| it.invite.cseq().map_or(0, |it| it.number);
        let matched = pending.filter(|it| {
            rack.is_some_and(|rack| rack.request == number(it) && it.provisional.is_of(&rack))
        });
        let Some(pending) = matched else { return self.respond(now, &request, 481, |it| it) };
        let it = &mut pending.provisional;
        it.is_answered |= it.waiting.take().is_some_and(|it| it.has_answer);
        let may_offer = it.is_answered;
        if let Some(usage) = self.usage(leg) {
            usage.urgent = Some(request);
        }
        match offer {
            // §5: an offer in a PRACK is answered in its 200.
            Some(_) if may_offer => self.tell(leg, Event::Offered { sdp: offer }),
            // Another one while the INVITE's has no answer.
            Some(_) => drop(self.answer_urgent(now, leg, 488, None)),
            None => drop(self.answer_urgent(now, leg, 200, None)),
        }
        self.arm(leg);
    }

    /// What has waited for a PRACK leaves.
    pub(super) fn go_on(&mut self, now: Mono, leg: LegId) {
        let Some(pending) = self.usage(leg).and_then(|it| it.pending.as_mut()) else { return };
        let it = &mut pending.provisional;
        if it.waiting.is_some() {
            return;
        }
        if let Some(sdp) = it.answer.take() {
            return self.accept(now, leg, &sdp);
        }
        if let Some((status, sdp)) = it.next.take() {
            self.ring_reliably(now, leg, status, sdp);
        }
    }

    /// A provisional response to our INVITE. A reliable one gets its PRACK, when it is the next one of
    /// its fork (§4); false when it is one that counts for nothing.
    pub(super) fn acknowledge(
        &mut self,
        now: Mono,
        leg: LegId,
        id: TxId,
        response: &Message,
    ) -> bool {
        if !response.has_option(Name::Require, "100rel") {
            return true;
        }
        let rseq = response.text(Name::RSeq).and_then(number);
        let tag = response.to().ok().and_then(|it| it.tag().map(str::to_owned));
        let (Some(rseq), Some(tag)) = (rseq, tag) else { return false };
        let Some(tx) = self.txs.get(&id) else { return false };
        let (flow, invite) = (tx.flow, Message::parse(tx.request.clone()));
        let Ok(invite) = invite else { return false };
        let Some(usage) = self.usage(leg) else { return false };
        let nth = match usage.early.iter().position(|it| it.dialog.remote_tag() == tag) {
            // §4: a gap or a repeat is dropped; the sender says it again, and the PRACK's own
            // transaction repeats the PRACK.
            Some(nth) if usage.early[nth].number.checked_add(1) != Some(rseq) => return false,
            Some(nth) => nth,
            None if usage.early.len() >= FORKS_MAX => return false,
            None => {
                let dialog = Dialog::of_invite(&invite, flow).map(|it| it.confirmed_by(response));
                let Ok(dialog) = dialog else { return false };
                usage.early.push(Early { dialog, number: rseq, sdp: None });
                usage.early.len() - 1
            }
        };
        let early = &mut usage.early[nth];
        early.number = rseq;
        early.sdp = early.sdp.take().or_else(|| sdp(response));
        let (branch, via) = self.via(flow);
        let cseq = invite.cseq().map_or(0, |it| it.number);
        let Some(early) = self.usage(leg).and_then(|it| it.early.get_mut(nth)) else {
            return false;
        };
        let prack = early
            .dialog
            .request(Method::Prack, &via)
            .header(Name::RAck, format_args!("{rseq} {cseq} INVITE"))
            .finish();
        self.open_client(now, flow, Owner::Nobody, &branch, Method::Prack, prack);
        true
    }
}

/// RSeq and RAck count in 32 bits (§7.1).
fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// The most forks of one INVITE whose reliable responses are acknowledged.
const FORKS_MAX: usize = 8;
