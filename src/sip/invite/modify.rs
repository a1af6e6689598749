//! An answered call is renegotiated by the peer: RFC 3261 §14.2.

use super::{Event, Pending, State, sdp};
use crate::base::{LegId, Mono};
use crate::sip::endpoint::{Endpoint, Request};
use crate::sip::message::{Name, Writer};

impl Endpoint {
    /// An INVITE within a dialog.
    pub(super) fn reinvited(&mut self, now: Mono, leg: LegId, request: Request) {
        let Some(usage) = self.usage(leg) else { return };
        match &usage.state {
            // §14.2: an INVITE is still open; the peer may come again.
            _ if usage.pending.is_some() || usage.unacked.is_some() => {
                return self.reply_stateless(&request, 500, |it| it.header(Name::RetryAfter, 1));
            }
            State::Inviting { .. } | State::Invited => {
                return self.reply_stateless(&request, 491, |it| it);
            }
            State::Up => {}
        }
        usage.dialog.refresh(&request.message);
        // A phone that has moved, or whose NAT has, is reached where it is now.
        usage.dialog.flow = request.flow;
        let offer = sdp(&request.message);
        let tx = self.open_invite_server(&request, leg);
        let trying = Writer::reply(&request.message, 100, request.flow.remote, None).finish();
        self.reply(now, tx, 100, trying);
        if let Some(usage) = self.usage(leg) {
            usage.pending = Some(Pending { tx, invite: request.message });
        }
        self.tell(leg, Event::Offered { sdp: offer });
    }
}
