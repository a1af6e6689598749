//! An answered call ends: RFC 3261 §15.

use super::{Ended, Event, Reason, State};
use crate::base::{LegId, Mono};
use crate::sip::endpoint::{Endpoint, Owner, Request};
use crate::sip::message::{Method, Name};

impl Endpoint {
    /// Ends the leg in whatever way its state asks for; nothing more is told of it.
    pub fn hang_up(&mut self, now: Mono, leg: LegId, reason: &Reason) {
        let Some(usage) = self.usage(leg) else { return };
        match &usage.state {
            State::Invited => self.reject_invite(now, leg, 480, Some(reason)),
            State::Inviting { .. } => self.cancel(now, leg, reason),
            // §15: a callee that has had no ACK waits with its BYE.
            State::Up if usage.unacked.is_some() => usage.left = Some(reason.clone()),
            State::Up => self.bye(now, leg, reason),
        }
    }

    /// Sends a BYE and forgets the leg; the transaction lives on.
    pub(super) fn bye(&mut self, now: Mono, leg: LegId, reason: &Reason) {
        let Some(usage) = self.usage(leg) else { return };
        let flow = usage.dialog.flow;
        let pending = usage.pending.is_some();
        if pending {
            self.reject_invite(now, leg, 487, None);
        }
        let (branch, via) = self.via(flow);
        let Some(usage) = self.usage(leg) else { return };
        let bye =
            usage.dialog.request(Method::Bye, &via).header(Name::Reason, &reason.value).finish();
        self.open_client(now, flow, Owner::Nobody, &branch, Method::Bye, bye);
        self.drop_leg(now, leg);
    }

    /// The peer hangs up (§15.1.2).
    pub(super) fn bye_came(&mut self, now: Mono, leg: LegId, request: &Request) {
        // An INVITE that is still open gets its final answer.
        self.reject_invite(now, leg, 487, None);
        self.respond(now, request, 200, |it| it);
        self.tell(leg, Event::Ended(Ended::Bye));
        self.drop_leg(now, leg);
    }

    /// No ACK has come for 64*T1 (§13.3.1.4).
    pub(super) fn never_acked(&mut self, now: Mono, leg: LegId) {
        if let Some(usage) = self.usage(leg) {
            usage.unacked = None;
        }
        self.tell(leg, Event::Ended(Ended::NoAck));
        self.bye(now, leg, &Reason { value: "SIP;cause=408;text=\"ACK timeout\"".into() });
    }
}
