//! Who is let in, and how much of it: the switch's side of [`crate::sip::defence`]. Also how much a
//! script may have written down, and which phones are asked whether they are still there.

use bytes::Bytes;

use super::Output;
use super::event::What;
use super::plan::{Place, Plan};
use super::switch::{Switch, tell};
use crate::base::map::Keyed;
use crate::base::{Bucket, CallId, Map, Now, Rate};
use crate::sip::Flow;
use crate::sip::defence::{Defence, Entry};
use crate::sip::endpoint::Request;
use crate::sip::message::{Name, Writer};
use crate::sip::registrar::Kept;

/// Lines a second that the scripts of a call may write, and at once.
const SAID: Rate = Rate::per_second(20, 200);
/// What those wait that are told to come again, in seconds.
const RETRY_AFTER: u32 = 5;
/// Phones that are asked in one turn whether they are there; then something else has its turn.
const ASKED_MAX: usize = 16;

/// What is counted at the door.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) defence: Defence,
    /// Calls that each account has begun and that are not over.
    calls: Map<String, u32>,
    /// What scripts of a call have written, and how many lines were left out.
    said: Map<CallId, (Bucket, u64)>,
}

impl Gate {
    pub(super) fn new(defence: Defence, hash: Keyed) -> Self {
        Self { defence, calls: hash.map(), said: hash.map() }
    }

    /// An account has begun a call.
    pub(super) fn began(&mut self, account: &str) {
        *self.calls.entry(account.to_owned()).or_default() += 1;
    }

    /// A call of an account is over.
    pub(super) fn ended(&mut self, call: CallId, account: &str) {
        self.said.remove(&call);
        if let Some(count) = self.calls.get_mut(account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.calls.remove(account);
            }
        }
    }
}

impl<P: Plan> Switch<P> {
    /// A message has come, and is read if its sender may speak.
    pub(super) fn message(&mut self, now: Now, flow: Flow, bytes: Bytes) {
        if self.gate.defence.admits(now.mono, flow) {
            self.endpoint.receive(now.mono, flow, bytes);
        }
    }

    /// A phone had registered before we lived; it need not prove itself again.
    pub(super) fn restored(&mut self, now: Now, kept: Kept) {
        self.gate.defence.proved(now.mono, kept.binding.flow);
        self.registrar.restore(now.mono, kept);
    }

    /// Whether a request outside of all dialogs is served; if not, it is answered or dropped.
    pub(super) fn lets_in(&mut self, now: Now, request: &Request) -> bool {
        let entry = self.gate.defence.asked(now.mono, request);
        if entry == Entry::Refused {
            self.endpoint.reply_stateless(request, 503, later);
        }
        entry == Entry::Served
    }

    /// Whether an account may register now; if not, it is told when.
    pub(super) fn may_register(&mut self, now: Now, request: &Request, account: &str) -> bool {
        let may = self.gate.defence.may_register(now.mono, account);
        if !may {
            self.endpoint.reply_stateless(request, 503, later);
        }
        may
    }

    /// Whether an account may begin a call now; if not, it is told when.
    pub(super) fn may_call(&mut self, now: Now, request: &Request, account: &str) -> bool {
        let may = self.has_room(now, account);
        if !may {
            self.endpoint.reply_stateless(request, 503, later);
        }
        may
    }

    /// Whether an account may have one more call.
    pub(super) fn has_room(&mut self, now: Now, account: &str) -> bool {
        let calls = self.gate.calls.get(account).copied().unwrap_or_default();
        self.gate.defence.may_call(now.mono, account, calls)
    }

    /// A script writes a line. One that writes without end fills neither log nor store.
    pub(super) fn said(
        &mut self,
        now: Now,
        call: CallId,
        text: String,
        at: Place,
        out: &mut Vec<Output>,
    ) {
        if !self.calls.contains_key(&call) {
            return;
        }
        let (bucket, left_out) = self.gate.said.entry(call).or_default();
        if !bucket.take(now.mono, SAID) {
            *left_out += 1;
            return;
        }
        let text = match std::mem::take(left_out) {
            0 => text,
            count => format!("{text} ({count} lines before this one were left out)"),
        };
        tell(out, now, Some(call), What::Said { text, at });
    }

    /// Asks the phones whose turn it is whether they are still there.
    pub(super) fn keep_alive(&mut self, now: Now) {
        for _ in 0..ASKED_MAX {
            let Some(ask) = self.registrar.poll_alive(now.mono) else { return };
            let branch = self.endpoint.ask_alive(&ask);
            self.registrar.asked(now.mono, ask.id, branch);
        }
    }
}

fn later(reply: Writer) -> Writer {
    reply.header(Name::RetryAfter, RETRY_AFTER)
}
