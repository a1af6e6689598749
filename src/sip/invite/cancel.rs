//! A call is given up before its answer: RFC 3261 §9.

use super::{Ended, Event, Reason, State};
use crate::base::{LegId, Mono};
use crate::sip::endpoint::{Endpoint, Owner, Request, key_as};
use crate::sip::invite::call::copy;
use crate::sip::message::{Message, Method, Name, Writer};

impl Endpoint {
    /// Gives our INVITE up. A CANCEL leaves as soon as the peer has been heard (§9.1).
    pub(super) fn cancel(&mut self, now: Mono, leg: LegId, reason: &Reason) {
        let t1 = self.timing.t1;
        let Some(usage) = self.usage(leg) else { return };
        usage.left = Some(reason.clone());
        let State::Inviting { tx, heard: true, until } = &mut usage.state else { return };
        *until = Some(now + 64 * t1);
        let tx = *tx;
        self.arm(leg);
        let Some(tx) = self.txs.get(&tx) else { return };
        let Ok(invite) = Message::parse(tx.request.clone()) else { return };
        let flow = tx.flow;
        let Some(branch) = invite.top_via().ok().and_then(|it| it.branch().map(str::to_owned))
        else {
            return;
        };
        let mut cancel = copy(&invite, Method::Cancel)
            .raw(Name::To.word(), invite.first(Name::To).unwrap_or_default());
        // With any other reason, a Q.850 one too, Linphone does not show the call as missed.
        if *reason == Reason::elsewhere() {
            cancel = cancel.header(Name::Reason, &reason.value);
        }
        let cancel = cancel.finish();
        self.open_client(now, flow, Owner::Nobody, &branch, Method::Cancel, cancel);
    }

    /// The peer gives its INVITE up (§9.2).
    pub(in crate::sip) fn cancelled(&mut self, now: Mono, request: &Request) {
        let id = self.by_key.get(&key_as(&request.message, "INVITE")).copied();
        let tx = id.and_then(|id| Some((id, self.txs.get(&id)?)));
        // A stranger who has seen the INVITE must not end it.
        let Some((id, tx)) = tx.filter(|it| it.1.flow.remote.ip() == request.flow.remote.ip())
        else {
            return self.reply_stateless(request, 481, |it| it);
        };
        let leg = tx.leg();
        let usage = leg.and_then(|leg| self.usage(leg));
        // §9.2: the tag of the answer is that of the INVITE's answers.
        let tag = usage.as_ref().map(|it| it.dialog.local_tag().to_owned());
        let is_pending = usage.is_some_and(|it| it.pending.as_ref().is_some_and(|it| it.tx == id));
        let source = request.flow.remote;
        let ok = Writer::reply(&request.message, 200, source, tag.as_deref()).finish();
        self.respond_with(now, request, 200, ok);
        if let Some(leg) = leg.filter(|_| is_pending) {
            let is_first = self.usage(leg).is_some_and(|it| matches!(it.state, State::Invited));
            self.reject_invite(now, leg, 487, None);
            let event = if is_first { Event::Ended(Ended::Cancelled) } else { Event::Withdrawn };
            self.tell(leg, event);
        }
    }
}
