//! The ring: traces of recent calls, bounded in bytes. The oldest call goes first, whether it is
//! over or not.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::super::event::{Fact, What};
use super::super::{Input, Output};
use super::mask::keepable;
use super::{Detail, Entry, Heard, Leg, Record, Trace, Traced, Way};
use crate::base::{CallId, LegId, Mono, Now, Wall};
use crate::sip::Flow;
use crate::sip::message::{Message, Method};

/// The most bytes of one call.
const CALL_BYTES_MAX: usize = 1 << 20;
/// How much of that is for how the call ended: without it, a flood would hide the end.
const END_BYTES: usize = 32 << 10;
/// The most messages that are kept because a call may come of them, and their share of the ring.
const STRANGERS_MAX: usize = 1_024;
const STRANGERS_SHARE: usize = 8;
/// What a record and a call take beside their text, roughly and rather more than less.
const RECORD_BYTES: usize = 320;
const CALL_BYTES: usize = 1_024;

/// Traces of recent calls.
#[derive(Debug, Default)]
pub struct Ring {
    bound: usize,
    held: usize,
    calls: BTreeMap<CallId, Kept>,
    /// In the order in which they began.
    order: VecDeque<CallId>,
    /// Which leg has this Call-ID.
    by_sip: BTreeMap<String, (CallId, LegId)>,
    strangers: Strangers,
}

/// Messages of no call that we know, such as an INVITE that is challenged. The oldest goes first.
#[derive(Debug, Default)]
struct Strangers {
    by_sip: BTreeMap<Arc<str>, VecDeque<(Mono, Heard)>>,
    /// The Call-ID of each message in the order in which they came; of some that were taken, too.
    order: VecDeque<Arc<str>>,
    held: usize,
}

#[derive(Debug)]
struct Kept {
    trace: Trace,
    bytes: usize,
}

impl Ring {
    /// A ring that never holds more than `bound` bytes; nothing at all when that is zero.
    pub fn new(bound: usize) -> Self {
        Self { bound, ..Self::default() }
    }

    /// A switch is about to be given this.
    pub fn heard(&mut self, now: Now, input: &Input) {
        if let Input::Message { flow, bytes } = input {
            self.message(now.mono, *flow, Way::ToUs, bytes.clone());
        }
    }

    /// A switch has asked for this.
    pub fn done(&mut self, now: Now, output: &Output) {
        if self.bound == 0 {
            return;
        }
        match output {
            // Copied: what is written has room to grow, which would be held as long as the text.
            Output::Send { flow, bytes } => {
                self.message(now.mono, *flow, Way::FromUs, Bytes::copy_from_slice(bytes));
            }
            Output::Fact(fact) => self.fact(now, fact),
            Output::Traced(Traced { call, detail }) => self.detail(now.mono, *call, detail),
            Output::Connect(_)
            | Output::Dns(_)
            | Output::Route(_)
            | Output::Media { .. }
            | Output::Trusted { .. }
            | Output::Close { .. }
            | Output::Phone { .. }
            | Output::Watch { .. }
            | Output::Told { .. } => {}
        }
    }

    /// The trace of a call: by its id, by the Call-ID of one of its legs, or `last`.
    pub fn find(&self, name: &str) -> Option<Trace> {
        let by_id = || {
            let digits = name.strip_prefix('c').filter(|it| !it.starts_with('+'))?;
            u64::from_str_radix(digits, 16)
                .ok()
                .map(CallId)
                .filter(|it| self.calls.contains_key(it))
        };
        let call = match name {
            "last" => self.order.back().copied(),
            _ => by_id().or_else(|| self.by_sip.get(name).map(|it| it.0)),
        };
        self.calls.get(&call?).map(|it| it.trace.clone())
    }

    /// How many bytes it holds.
    pub fn held(&self) -> usize {
        self.held + self.strangers.held
    }

    /// Calls, and Call-IDs by which they are found.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.calls.len(), self.by_sip.len())
    }

    fn message(&mut self, at: Mono, flow: Flow, way: Way, bytes: Bytes) {
        if self.bound == 0 {
            return;
        }
        let Ok(message) = Message::parse(bytes.clone()) else { return };
        let Some(sip_call_id) = message.call_id() else { return };
        let owner = self.by_sip.get(sip_call_id).copied();
        if owner.is_none() && !may_become_a_call(&message) {
            return;
        }
        let (kept, body_left_out) = keepable(&message, &bytes);
        let heard = Heard { flow, way, bytes: kept, body_left_out };
        match owner {
            Some((call, leg)) => self.add(call, at, Entry::Sip { leg, message: heard }),
            None => {
                self.strangers.keep(sip_call_id, at, heard, self.bound / STRANGERS_SHARE);
                self.make_room();
            }
        }
    }

    fn fact(&mut self, now: Now, fact: &Fact) {
        let Some(call) = fact.call else { return };
        match &fact.what {
            What::Began { leg, from, to, sip_call_id, .. } => {
                self.begin(call, now, from, to);
                self.add_leg(call, *leg, from, sip_call_id);
                self.adopt(call, *leg, sip_call_id);
            }
            What::Dialled { leg, target } => {
                let trace = self.calls.get_mut(&call).map(|it| &mut it.trace);
                if let Some(it) = trace.and_then(|it| it.legs.iter_mut().find(|it| it.id == *leg)) {
                    target.clone_into(&mut it.who);
                }
            }
            What::Joined { leg, who, .. } => {
                let trace = self.calls.get_mut(&call).map(|it| &mut it.trace);
                if let Some(it) = trace.and_then(|it| it.legs.iter_mut().find(|it| it.id == *leg)) {
                    who.clone_into(&mut it.who);
                }
            }
            // The trace has it with its arguments.
            What::Asked { .. } => return,
            _ => {}
        }
        self.add(call, now.mono, Entry::Fact(fact.what.clone()));
    }

    fn detail(&mut self, at: Mono, call: CallId, detail: &Detail) {
        match detail {
            Detail::Named { leg, sip_call_id } => self.add_leg(call, *leg, "", sip_call_id),
            _ => self.add(call, at, Entry::Detail(detail.clone())),
        }
    }

    fn begin(&mut self, call: CallId, now: Now, from: &str, to: &str) {
        let trace = Trace {
            call,
            began: now.wall,
            began_mono: now.mono,
            from: from.to_owned(),
            to: to.to_owned(),
            legs: Vec::new(),
            records: Vec::new(),
            left_out: 0,
        };
        let bytes = CALL_BYTES + from.len() + to.len();
        if self.calls.insert(call, Kept { trace, bytes }).is_none() {
            self.order.push_back(call);
            self.held += bytes;
            self.make_room();
        }
    }

    fn add_leg(&mut self, call: CallId, leg: LegId, who: &str, sip_call_id: &str) {
        let Some(kept) = self.calls.get_mut(&call) else { return };
        if kept.trace.leg(leg).is_some() {
            // It was in another call meanwhile, and is back.
            self.by_sip.insert(sip_call_id.to_owned(), (call, leg));
            return;
        }
        let bytes = CALL_BYTES + 2 * sip_call_id.len() + who.len();
        // A script may dial for ever.
        if kept.bytes + bytes > CALL_BYTES_MAX - END_BYTES {
            kept.trace.left_out += 1;
            return;
        }
        // A peer may use the Call-ID of its earlier call again; who wants to see it wants the later.
        self.by_sip.insert(sip_call_id.to_owned(), (call, leg));
        let (who, sip_call_id) = (who.to_owned(), sip_call_id.to_owned());
        kept.trace.legs.push(Leg { id: leg, who, sip_call_id, remote: None });
        kept.bytes += bytes;
        self.held += bytes;
        self.make_room();
    }

    /// The messages that led to a call become its first.
    fn adopt(&mut self, call: CallId, leg: LegId, sip_call_id: &str) {
        let own = self.strangers.take(sip_call_id);
        if let (Some((first, _)), Some(kept)) = (own.front(), self.calls.get_mut(&call)) {
            let earlier = kept.trace.began_mono.since(*first);
            let micros = u64::try_from(earlier.as_micros()).unwrap_or(u64::MAX);
            kept.trace.began = Wall(kept.trace.began.0.saturating_sub(micros));
            kept.trace.began_mono = (*first).min(kept.trace.began_mono);
        }
        for (at, message) in own {
            self.add(call, at, Entry::Sip { leg, message });
        }
    }

    fn add(&mut self, call: CallId, at: Mono, entry: Entry) {
        let Some(kept) = self.calls.get_mut(&call) else { return };
        let bytes = RECORD_BYTES + bytes_of(&entry);
        let room = if is_an_end(&entry) { CALL_BYTES_MAX } else { CALL_BYTES_MAX - END_BYTES };
        if kept.bytes + bytes > room {
            kept.trace.left_out += 1;
            return;
        }
        if let Entry::Sip { leg, message } = &entry
            && let Some(leg) = kept.trace.legs.iter_mut().find(|it| it.id == *leg)
        {
            leg.remote.get_or_insert(message.flow.remote);
        }
        kept.trace.records.push(Record { at, entry });
        kept.bytes += bytes;
        self.held += bytes;
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.held() > self.bound {
            let Some(call) = self.order.pop_front() else { return };
            let Some(kept) = self.calls.remove(&call) else { continue };
            self.held -= kept.bytes;
            for leg in kept.trace.legs {
                if self.by_sip.get(&leg.sip_call_id).is_some_and(|it| it.0 == call) {
                    self.by_sip.remove(&leg.sip_call_id);
                }
            }
        }
    }
}

impl Strangers {
    fn keep(&mut self, sip_call_id: &str, at: Mono, message: Heard, bound: usize) {
        let known = self.by_sip.get_key_value(sip_call_id).map(|it| Arc::clone(it.0));
        let key = known.unwrap_or_else(|| Arc::from(sip_call_id));
        self.held += stranger_bytes(&message, &key);
        self.order.push_back(Arc::clone(&key));
        self.by_sip.entry(key).or_default().push_back((at, message));
        while self.order.len() > STRANGERS_MAX || self.held > bound {
            let Some(key) = self.order.pop_front() else { return };
            let Some(messages) = self.by_sip.get_mut(&key) else { continue };
            if let Some((_, oldest)) = messages.pop_front() {
                self.held -= stranger_bytes(&oldest, &key);
            }
            if messages.is_empty() {
                self.by_sip.remove(&key);
            }
        }
    }

    fn take(&mut self, sip_call_id: &str) -> VecDeque<(Mono, Heard)> {
        let own = self.by_sip.remove(sip_call_id).unwrap_or_default();
        self.held -= own.iter().map(|it| stranger_bytes(&it.1, sip_call_id)).sum::<usize>();
        own
    }
}

impl Heard {
    /// From where and to where it went.
    pub(super) fn ends(&self) -> (SocketAddr, SocketAddr) {
        match self.way {
            Way::ToUs => (self.flow.remote, self.flow.local),
            Way::FromUs => (self.flow.local, self.flow.remote),
        }
    }
}

/// Only an INVITE makes a call, so registrations and the like are not even looked at twice.
fn may_become_a_call(message: &Message) -> bool {
    matches!(message.method(), Method::Invite | Method::Ack | Method::Cancel)
}

/// What tells how a call ended is kept when all else has filled its share.
fn is_an_end(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::Fact(What::Ended { .. } | What::LegEnded { .. } | What::Bridged { .. })
            | Entry::Detail(Detail::Closed { .. })
    )
}

fn bytes_of(entry: &Entry) -> usize {
    match entry {
        Entry::Sip { message, .. } => message.bytes.len(),
        Entry::Fact(What::Said { text, at }) => text.len() + at.file.len(),
        Entry::Fact(What::ScriptFailed(error)) => {
            let way: usize = error.traceback.iter().map(|it| it.len() + 32).sum();
            error.message.len() + error.at.file.len() + way
        }
        Entry::Fact(What::Began { from, to, sip_call_id, .. }) => {
            from.len() + to.len() + sip_call_id.len()
        }
        Entry::Fact(What::Dialled { target: who, .. } | What::Joined { who, .. }) => who.len(),
        Entry::Fact(What::FellBack { to }) => to.file.len(),
        Entry::Fact(_) => 0,
        Entry::Detail(Detail::Asked { what, at }) => what.len() + at.file.len(),
        // Unless we know it, its name and parameters are the peer's.
        Entry::Detail(Detail::Agreed { codec, .. }) => {
            codec.name().len() + codec.parameters().len()
        }
        Entry::Detail(_) => 0,
    }
}

fn stranger_bytes(message: &Heard, sip_call_id: &str) -> usize {
    RECORD_BYTES + message.bytes.len() + sip_call_id.len()
}
