//! The signalling of a call's leg, from its INVITE to its BYE: a file per verb.
//!
//! | file | what it says | RFC 3261 |
//! |---|---|---|
//! | `call` | we ring somebody, and what comes back | §13.2 |
//! | `answer` | somebody rings us: ring, accept, reject | §13.3 |
//! | `cancel` | a call is given up before its answer | §9 |
//! | `bye` | an answered call ends | §15 |
//! | `modify` | an answered call is renegotiated, by the peer or by us | §14 |
//! | `prack` | provisional responses that arrive | RFC 3262 |
//! | `update` | a refresh or an offer that takes no ACK | RFC 3311 |
//! | `session` | a call that nobody keeps alive is over | RFC 4028 |
//! | `refer` | the peer wants its partner sent elsewhere | RFC 3515 |
//! | `replaces` | one dialog takes the place of another | RFC 3891 |
//!
//! The room above names a leg when it takes or makes an INVITE, and speaks of it by that name. Once
//! it has hung a leg up it hears no more of it; what is left to be signalled happens here.

mod answer;
mod bye;
mod call;
mod cancel;
mod modify;
mod prack;
mod prove;
mod refer;
mod replaces;
mod session;
mod update;

use std::time::Duration;

use bytes::Bytes;

use super::dialog::Dialog;
use super::endpoint::{Endpoint, Event as EndpointEvent, Request, Timer, TxId};
use super::flow::Transport;
use super::message::{Message, Method, Name, Scheme, Writer};
use super::tx::Timing;
use crate::base::map::Keyed;
use crate::base::{Cause, LegId, Map, Mono};
use modify::{Modify, ends_dialog, retry_after};
use prack::{Early, Provisional};
use refer::Refer;
use session::Session;

pub use call::{ANONYMOUS, Invitation, NOWHERE};
pub use prove::Outside;
pub use refer::Referral;
pub use replaces::Replaces;
pub use session::{MIN_SE, SUPPORTED, is_too_brief};

/// What happens to a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A provisional answer to our INVITE, other than 100.
    Ringing {
        /// 101 to 199.
        status: u16,
    },
    /// Our INVITE was answered; the ACK has left.
    Accepted {
        /// The session description of the answer.
        sdp: Option<Bytes>,
    },
    /// A carrier refuses, and tells when to come again: [`Event::Refused`] follows.
    ComeLater {
        /// How long it wants to be left alone.
        wait: Duration,
    },
    /// Our INVITE was refused, or nobody answered it.
    Refused {
        /// 300 to 699.
        status: u16,
    },
    /// Our answer to the peer's INVITE has arrived.
    Acked {
        /// The peer's answer, where ours carried the offer (§13.2.1).
        sdp: Option<Bytes>,
    },
    /// The peer wants another session description. Answer with `accept` or `reject`. An offer of
    /// ours that waited for another try is given up by it, and nothing more is told of that.
    Offered {
        /// Its offer; none when it wants ours.
        sdp: Option<Bytes>,
    },
    /// The peer does not want it any more (§9.2): there is nothing to be answered.
    Withdrawn,
    /// The peer has answered an offer of ours; the ACK has left.
    Modified {
        /// Its answer.
        sdp: Option<Bytes>,
    },
    /// The peer has refused an offer of ours: all stays as it was (§14.1).
    NotModified {
        /// 300 to 699.
        status: u16,
    },
    /// The session is to be refreshed by an INVITE: what holds is to be offered once more, with
    /// [`Endpoint::modify`] (RFC 4028 §7.4).
    Refresh,
    /// The peer wants its partner to talk with somebody else. It was told that we try; say what comes
    /// of it with `refer_says`.
    Referred(Referral),
    /// The leg is over.
    Ended(Ended),
}

/// How a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The caller gave up before the answer.
    Cancelled,
    /// The peer hung up.
    Bye,
    /// The peer never acknowledged our answer (§13.3.1.4).
    NoAck,
    /// The connection to the caller was lost before the answer.
    Unreachable,
    /// The peer does not know of the call any more, does not answer (RFC 5057 §5.1), or has not
    /// refreshed the session (RFC 4028 §10).
    Gone,
}

/// The signalling of all legs.
#[derive(Debug)]
pub(super) struct Legs {
    by_leg: Map<LegId, Usage>,
    /// By Call-ID and our tag.
    by_dialog: Map<(String, String), LegId>,
}

/// The signalling of one leg.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) dialog: Dialog,
    pub(super) state: State,
    /// An INVITE of the peer that we have not answered finally.
    pub(super) pending: Option<Pending>,
    /// A 2xx of ours that waits for its ACK.
    pub(super) unacked: Option<Unacked>,
    /// An INVITE of ours within the dialog that has no final answer.
    pub(super) modify: Option<Modify>,
    /// How long it lasts unless it is refreshed; nothing before the answer.
    pub(super) session: Option<Session>,
    /// No session of the peer may be shorter (RFC 4028 §5).
    pub(super) min_se: u32,
    /// Whether the peer takes UPDATE, and one of ours has no final response.
    pub(super) takes_updates: bool,
    pub(super) updating: bool,
    /// An UPDATE or PRACK of the peer that is answered within this turn.
    pub(super) urgent: Option<Request>,
    /// Of an INVITE of ours: the forks that have answered reliably.
    pub(super) early: Vec<Early>,
    /// What the peer is told of a transfer that it asked for.
    refer: Refer,
    /// The room above has hung up; it hears no more.
    pub(super) left: Option<Reason>,
    /// Of an INVITE to a carrier: what it may ask for.
    pub(super) proof: Option<Box<prove::Proof>>,
}

/// How far a leg is.
#[derive(Debug)]
pub(super) enum State {
    /// The peer rings us; see [`Usage::pending`].
    Invited,
    /// We ring the peer.
    Inviting {
        tx: TxId,
        /// A provisional response has come, so a CANCEL may leave (§9.1).
        heard: bool,
        /// When a cancelled INVITE without any final response is given up (§9.1).
        until: Option<Mono>,
    },
    /// Answered.
    Up,
}

/// An INVITE of the peer that waits for our final answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) tx: TxId,
    pub(super) invite: Message,
    /// What was said so far; nothing but 100 when there is none.
    pub(super) said: Option<(u16, Option<String>)>,
    /// When it is said again; of a first INVITE only.
    pub(super) again_at: Option<Mono>,
    /// What was said of it reliably.
    pub(super) provisional: Provisional,
}

/// A 2xx of ours that is repeated until its ACK comes (§13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacked {
    number: u32,
    /// Whether it carries our offer, whose answer is in the ACK.
    is_offer: bool,
    ok: Bytes,
    at: Mono,
    wait: Duration,
    until: Mono,
}

/// What a Reason header says (RFC 3326).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A header value, such as `Q.850;cause=16`.
    pub value: String,
}

impl Reason {
    /// The words that stop the other phones of a group from counting a missed call.
    pub fn elsewhere() -> Self {
        Self { value: "SIP;cause=200;text=\"Call completed elsewhere\"".into() }
    }

    /// Why we hang up.
    pub fn of(cause: Cause) -> Self {
        match cause {
            // Q.850 has no number for it that anybody would understand.
            Cause::Lost => Self { value: "SIP;cause=408;text=\"RTP timeout\"".into() },
            _ => Self::q850(cause.q850()),
        }
    }

    /// A Q.850 cause.
    pub fn q850(cause: u8) -> Self {
        Self { value: format!("Q.850;cause={cause}") }
    }
}

impl Legs {
    pub(super) fn new(hash: Keyed) -> Self {
        Self { by_leg: hash.map(), by_dialog: hash.map() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_leg.len()
    }

    pub(super) fn get(&self, leg: LegId) -> Option<&Usage> {
        self.by_leg.get(&leg)
    }

    pub(super) fn get_mut(&mut self, leg: LegId) -> Option<&mut Usage> {
        self.by_leg.get_mut(&leg)
    }

    fn insert(&mut self, leg: LegId, usage: Usage) {
        self.by_dialog.insert(usage.dialog.key(), leg);
        self.by_leg.insert(leg, usage);
    }

    fn remove(&mut self, leg: LegId) -> Option<Usage> {
        let usage = self.by_leg.remove(&leg)?;
        self.by_dialog.remove(&usage.dialog.key());
        Some(usage)
    }

    /// The leg that a request of a peer belongs to, by Call-ID and To tag (§12.2.2).
    fn find(&self, request: &Message) -> Option<LegId> {
        let tag = request.to().ok()?.tag()?.to_owned();
        let call_id = request.call_id()?.to_owned();
        self.by_dialog.get(&(call_id, tag)).copied()
    }
}

impl Usage {
    fn new(dialog: Dialog, state: State, pending: Option<Pending>) -> Self {
        Self {
            dialog,
            state,
            pending,
            unacked: None,
            modify: None,
            session: None,
            min_se: MIN_SE,
            takes_updates: false,
            updating: false,
            urgent: None,
            early: Vec::new(),
            refer: Refer::default(),
            left: None,
            proof: None,
        }
    }
}

impl Pending {
    fn new(tx: TxId, invite: Message, again_at: Option<Mono>) -> Self {
        Self { tx, invite, said: None, again_at, provisional: Provisional::default() }
    }
}

impl Unacked {
    fn new(now: Mono, timing: Timing, invite: &Message, ok: Bytes) -> Self {
        let number = invite.cseq().map_or(0, |it| it.number);
        let is_offer = invite.body().is_empty();
        Self {
            number,
            is_offer,
            ok,
            at: now + timing.t1,
            wait: timing.t1,
            until: now + 64 * timing.t1,
        }
    }
}

impl Endpoint {
    /// A request within a dialog: to its verb, or refused.
    pub(super) fn within(&mut self, now: Mono, request: Request) {
        let leg = self.legs.find(&request.message);
        // Whom we ring has no dialog before its answer, not even one without a tag (§12.1.2), and may
        // not leave before it either (§15).
        let is_peer = |it: &LegId| {
            self.legs.get(*it).is_some_and(|it| {
                !matches!(it.state, State::Inviting { .. }) && it.dialog.is_peer(&request.message)
            })
        };
        let Some(leg) = leg.filter(is_peer) else {
            return self.reply_stateless(&request, 481, |it| it);
        };
        self.follow(leg, request.flow);
        let known = [
            Method::Bye,
            Method::Invite,
            Method::Options,
            Method::Prack,
            Method::Update,
            Method::Refer,
        ];
        if !known.contains(&request.message.method()) {
            return self.reply_stateless(&request, 405, |it| {
                it.header(Name::Allow, super::endpoint::ALLOW)
            });
        }
        if let Some(tags) = unsupported(&request.message) {
            return self.reply_stateless(&request, 420, |it| it.header(Name::Unsupported, tags));
        }
        let number = request.message.cseq().map_or(0, |it| it.number);
        let order = self.usage(leg).map(|it| it.dialog.note(number));
        if order == Some(super::dialog::Order::Late) {
            return self.reply_stateless(&request, 500, |it| it);
        }
        match request.message.method() {
            Method::Bye => self.bye_came(now, leg, &request),
            Method::Invite => self.reinvited(now, leg, request),
            Method::Prack => self.prack_came(now, leg, request),
            Method::Update => self.update_came(now, leg, request),
            Method::Refer => self.referred(now, leg, &request),
            _ => self
                .respond(now, &request, 200, |it| it.header(Name::Allow, super::endpoint::ALLOW)),
        }
    }

    /// Fires what has fallen due for a leg.
    pub(super) fn leg_timeout(&mut self, now: Mono, leg: LegId) {
        let t2 = self.timing.t2;
        let Some(usage) = self.usage(leg) else { return };
        if let State::Inviting { tx, until: Some(until), .. } = usage.state
            && now >= until
        {
            // §9.1: no answer to a cancelled INVITE for 64*T1: its transaction is over too.
            self.forget(tx);
            return self.drop_leg(now, leg);
        }
        if usage.modify.as_ref().is_some_and(|it| it.is_due(now)) {
            self.modify_due(now, leg);
        }
        self.prack_due(now, leg);
        self.still_ringing(now, leg);
        self.session_due(now, leg);
        let Some(usage) = self.usage(leg) else { return };
        let flow = usage.dialog.flow;
        if let Some(it) = &mut usage.unacked {
            if now >= it.until {
                return self.never_acked(now, leg);
            }
            if now >= it.at {
                let ok = it.ok.clone();
                it.wait = (it.wait * 2).min(t2);
                // From now, not from when it was due: a clock that jumped must not cause a burst.
                it.at = now + it.wait;
                self.sends.push((flow, ok));
            }
        }
        self.arm(leg);
    }

    /// Sets the leg's timer to its next deadline.
    fn arm(&mut self, leg: LegId) {
        let Some(usage) = self.usage(leg) else { return };
        let unacked = usage.unacked.as_ref().map(|it| it.at.min(it.until));
        let until = match usage.state {
            State::Inviting { until, .. } => until,
            State::Invited | State::Up => None,
        };
        let modify = usage.modify.as_ref().map(Modify::poll_timeout);
        let again = usage.pending.as_ref().and_then(|it| it.again_at);
        let prack = usage.pending.as_ref().and_then(|it| it.provisional.poll_timeout());
        let session = usage.session.as_ref().map(Session::poll_timeout);
        let next = [unacked, until, modify, again, prack, session].into_iter().flatten().min();
        self.timers.set(Timer::Leg(leg), next);
    }

    fn drop_leg(&mut self, now: Mono, leg: LegId) {
        self.timers.set(Timer::Leg(leg), None);
        let modify = self.legs.remove(leg).and_then(|it| it.modify);
        if let Some(tx) = modify.and_then(|it| it.tx()) {
            // Nobody waits for its answer any more. What comes is acknowledged, for as long as a
            // peer that lives needs to send it.
            self.timers.set(Timer::Orphan(tx), Some(now + 64 * self.timing.t1));
        }
    }

    /// Tells the room above, unless it has hung up.
    fn tell(&mut self, leg: LegId, event: Event) {
        if self.usage(leg).is_none_or(|it| it.left.is_none()) {
            self.events.push_back(EndpointEvent::Leg(leg, event));
        }
    }

    /// The Contact that we are reached by on this flow; a SIPS one for a peer that wants it
    /// ([`Dialog::scheme`]), where we have one.
    pub(super) fn contact(&self, flow: super::Flow, scheme: Scheme) -> String {
        match (flow.transport, scheme) {
            (Transport::Tls(_), Scheme::Sips) => format!("<sips:{}>", self.address(flow)),
            (it, _) => format!("<sip:{}{}>", self.address(flow), it.parameter()),
        }
    }
}

/// The extensions that a request requires and that are none of ours (§8.2.2.3).
pub fn unsupported(request: &Message) -> Option<String> {
    let is_ours =
        |tag: &[u8]| SUPPORTED.split(", ").any(|it| tag.eq_ignore_ascii_case(it.as_bytes()));
    let tags = request.list(Name::Require).filter(|it| !is_ours(it));
    let tags: Vec<_> = tags.map(String::from_utf8_lossy).collect();
    (!tags.is_empty()).then(|| tags.join(", "))
}

/// The session description that a message carries.
fn sdp(message: &Message) -> Option<Bytes> {
    let is_sdp =
        message.content_type().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/sdp"));
    (is_sdp && !message.body().is_empty()).then(|| Bytes::copy_from_slice(message.body()))
}

/// Copies the Record-Route of an INVITE into an answer that makes a dialog (§12.1.1).
fn record_route(mut writer: Writer, invite: &Message) -> Writer {
    for value in invite.values(Name::RecordRoute) {
        writer = writer.raw(Name::RecordRoute.word(), value);
    }
    writer
}

#[cfg(test)]
mod tests;
