//! Phones are asked to read their settings again, and whoever wanted that learns how many will.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Output;
use super::ask::{Answer, Ticket};
use super::plan::Plan;
use super::switch::Switch;
use crate::base::map::Keyed;
use crate::base::{AskId, Map, Mono, Now, Timers};
use crate::directory::ExtensionId;
use crate::sip::endpoint::Reply;
use crate::sip::registrar::Binding;

/// How long phones have: who asks waits for the answer over HTTP.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Who waits.
#[derive(Debug)]
pub(super) struct Syncs {
    asks: Map<AskId, Ticket>,
    open: BTreeMap<Ticket, Sync>,
    due: Timers<Ticket>,
}

#[derive(Debug)]
struct Sync {
    phones: usize,
    took: usize,
    silent: usize,
}

impl Syncs {
    pub(super) fn new(hash: Keyed) -> Self {
        Self { asks: hash.map(), open: BTreeMap::new(), due: Timers::new() }
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.due.next()
    }

    fn close(&mut self, ticket: Ticket, out: &mut Vec<Output>) {
        let Some(Sync { phones, took, .. }) = self.open.remove(&ticket) else { return };
        self.due.set(ticket, None);
        self.asks.retain(|_, it| *it != ticket);
        out.push(Output::Told { ticket, answer: Answer::Synced(Some((phones, took))) });
    }
}

impl<P: Plan> Switch<P> {
    /// The phones of an extension are asked; the answer to this ticket comes when all have answered,
    /// or have had their time.
    pub(super) fn sync(
        &mut self,
        now: Now,
        ticket: Ticket,
        id: ExtensionId,
        out: &mut Vec<Output>,
    ) {
        let Some(number) = self.directory.extension_of(id).map(|it| it.number.to_string()) else {
            return out.push(Output::Told { ticket, answer: Answer::Synced(None) });
        };
        let phones: Vec<Binding> = self.registrar.bindings(&number).cloned().collect();
        let count = phones.len();
        self.syncs.open.insert(ticket, Sync { phones: count, took: 0, silent: count });
        self.syncs.due.set(ticket, Some(now.mono + PATIENCE));
        for phone in phones {
            let ask = AskId(self.next_id());
            self.syncs.asks.insert(ask, ticket);
            self.endpoint.check_sync(now.mono, ask, &phone, &number);
        }
        if count == 0 {
            self.syncs.close(ticket, out);
        }
    }

    /// What came of a request of ours, if it was such a question.
    pub(super) fn sync_answered(&mut self, ask: AskId, reply: &Reply, out: &mut Vec<Output>) {
        let Some(ticket) = self.syncs.asks.remove(&ask) else { return };
        let Some(it) = self.syncs.open.get_mut(&ticket) else { return };
        it.silent -= 1;
        it.took += usize::from(reply.status < 300);
        if it.silent == 0 {
            self.syncs.close(ticket, out);
        }
    }

    /// Whose time is up.
    pub(super) fn syncs_due(&mut self, now: Now, out: &mut Vec<Output>) {
        while let Some(ticket) = self.syncs.due.pop(now.mono) {
            self.syncs.close(ticket, out);
        }
    }
}
