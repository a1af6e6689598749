//! Requests of ours that belong to no call: a phone or a carrier is asked something, and what comes
//! of it is told as [`Event::Answered`], exactly once for each.

use bytes::Bytes;

use super::Flow;
use super::endpoint::{Endpoint, Event, Owner, Reply};
use super::message::{Message, Method};
use super::tx::Failure;
use crate::base::{AskId, Mono};

/// What a request gets that nobody may choose.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Its Via.
    pub via: String,
    /// A new Call-ID, for one that opens or needs no dialog.
    pub call_id: String,
    /// A new tag for its From.
    pub tag: String,
}

impl Endpoint {
    /// Sends a request, neither INVITE nor ACK, along this flow, as `write` words it.
    pub fn ask(
        &mut self,
        now: Mono,
        ask: AskId,
        flow: Flow,
        method: Method,
        write: impl FnOnce(Stamp) -> Bytes,
    ) {
        let (branch, via) = self.via(flow);
        let call_id = self.rng.token() + &self.rng.token();
        let bytes = write(Stamp { via, call_id, tag: self.rng.token() });
        self.open_client(now, flow, Owner::Asker(ask), &branch, method, bytes);
    }

    /// A response to such a request. One that only says that it is being worked on is not told.
    pub(super) fn replied(&mut self, ask: AskId, response: &Message) {
        let status = response.status().unwrap_or(0);
        if status >= 200 {
            self.tell_reply(ask, Reply { status, message: Some(response.clone()) });
        }
    }

    /// Nobody will answer it (§8.1.3.1; RFC 5626 §11.5 for a flow that is gone).
    pub(super) fn unreplied(&mut self, ask: AskId, why: Failure) {
        let status = if why == Failure::Unreachable { 430 } else { 408 };
        self.tell_reply(ask, Reply { status, message: None });
    }

    /// To the subscription whose NOTIFY it was, or to the room above.
    fn tell_reply(&mut self, ask: AskId, reply: Reply) {
        if !self.notified(ask, &reply) {
            self.events.push_back(Event::Answered(ask, reply));
        }
    }
}
