//! Instant messages between phones (RFC 3428), here called texts: who may send one, which phones get
//! it, and what becomes of it when nobody is there.
//!
//! ```text
//!                 a phone takes it: 200
//!   new ── phones ───────────────────────────────► over
//!    │       │ none takes it, or 8 s
//!    │       ▼                   durable: 202          a phone takes it
//!    └────► written down ─────────────────► waits ─────────────────────► over
//!  nobody      │ not written: 500                 at each registration, in order
//!  there       └────────────► over
//! ```
//!
//! A text that waits is durable before its sender is told so. When a phone takes it, those who keep it
//! are told to forget it; a power cut between the two delivers it once more, never not at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::Output;
use super::arrive::user_of;
use super::event::What;
use super::plan::Plan;
use super::switch::{Switch, tell};
use crate::base::map::Keyed;
use crate::base::{AskId, Map, Mono, Now, Timers, Wall};
use crate::directory::{ExtensionId, TenantId};
use crate::sip::Held;
use crate::sip::endpoint::{Reply, Request};
use crate::sip::message::{Name, Writer};
use crate::sip::registrar::Binding;
use crate::sip::text::Text;

/// The longest body.
const BODY_MAX: usize = 8 << 10;
/// The longest Content-Type.
const KIND_MAX: usize = 256;
/// Texts that wait for an extension: one more gets 480.
const WAITING_MAX: usize = 100;
/// Bytes of all texts that are not over.
const BYTES_MAX: usize = 64 << 20;
/// What a text counts beside its body.
const OVERHEAD: usize = 512;
/// The most phones that one text goes to.
const PHONES_MAX: usize = 32;
/// How long phones have before a text is written down: its sender waits 32 s (RFC 3261 §17.1.2.2).
const PATIENCE: Duration = Duration::from_secs(8);

/// A text that waits, for those who remember it longer than we live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptText {
    /// Its name: no other has it.
    pub id: u64,
    /// Whose house.
    pub tenant: TenantId,
    /// For whom.
    pub extension: ExtensionId,
    /// The sender's number.
    pub from: String,
    /// What the sender calls itself.
    pub from_name: Option<String>,
    /// When it came.
    pub at: Wall,
    /// What kind of text it is.
    pub kind: String,
    /// What it says.
    pub body: Bytes,
}

/// All texts that are not over.
#[derive(Debug)]
pub(super) struct Texts {
    all: Map<u64, Entry>,
    /// Those that wait, in the order in which they came.
    waiting: BTreeMap<ExtensionId, VecDeque<u64>>,
    asks: Map<AskId, u64>,
    /// When a text that phones have not answered is written down.
    patience: Timers<u64>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    text: KeptText,
    /// The request of its sender, who waits for an answer.
    sender: Option<Held>,
    /// Phones that have not answered yet.
    asks: BTreeSet<AskId>,
    /// What a phone that does not want it has said.
    refused: Option<u16>,
    /// Whether a phone could not be reached.
    missed: bool,
    /// Whether it is among those that wait.
    waits: bool,
    /// Whether a phone has shown up since it was offered.
    again: bool,
}

impl Texts {
    pub(super) fn new(hash: Keyed) -> Self {
        Self {
            all: hash.map(),
            waiting: BTreeMap::new(),
            asks: hash.map(),
            patience: Timers::new(),
            bytes: 0,
        }
    }

    /// When to call [`Switch::texts_due`] next.
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.patience.next()
    }

    /// How many are not over.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    fn insert(&mut self, entry: Entry) {
        self.bytes += entry.text.size();
        self.all.insert(entry.text.id, entry);
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.all.remove(&id)?;
        self.bytes -= entry.text.size();
        self.patience.set(id, None);
        for ask in &entry.asks {
            self.asks.remove(ask);
        }
        if let Some(queue) = self.waiting.get_mut(&entry.text.extension) {
            queue.retain(|it| *it != id);
            if queue.is_empty() {
                self.waiting.remove(&entry.text.extension);
            }
        }
        Some(entry)
    }

    fn waiting(&self, extension: ExtensionId) -> usize {
        self.waiting.get(&extension).map_or(0, VecDeque::len)
    }

    fn queue(&mut self, id: u64) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        entry.waits = true;
        self.waiting.entry(entry.text.extension).or_default().push_back(id);
    }
}

impl KeptText {
    fn size(&self) -> usize {
        self.body.len() + OVERHEAD
    }
}

impl Entry {
    fn new(text: KeptText, sender: Option<Held>) -> Self {
        let (asks, refused) = (BTreeSet::new(), None);
        Self { text, sender, asks, refused, missed: false, waits: false, again: false }
    }
}

impl<P: Plan> Switch<P> {
    /// A MESSAGE outside of all dialogs, of this extension.
    pub(super) fn texted(
        &mut self,
        now: Now,
        user: String,
        request: &Request,
        out: &mut Vec<Output>,
    ) {
        if !self.may_text(now, request, &user) {
            return;
        }
        let text = match self.read_text(now, user, request) {
            Ok(text) => text,
            Err(status) => return self.endpoint.respond(now.mono, request, status, |it| it),
        };
        let (id, extension) = (text.id, text.extension);
        let sender = self.endpoint.hold(request);
        self.texts.insert(Entry::new(text, Some(sender)));
        // Nobody overtakes those that wait.
        if self.texts.waiting(extension) > 0 || self.offer_text(now, id) == 0 {
            self.keep_text(now, id, out);
        }
    }

    /// What a MESSAGE says, or the status that refuses it.
    fn read_text(&mut self, now: Now, user: String, request: &Request) -> Result<KeptText, u16> {
        let message = &request.message;
        if self.closing || self.behind {
            return Err(503);
        }
        let from = message.from().map_err(|_| 400_u16)?;
        if user_of(from.uri).as_deref() != Some(user.as_str()) {
            return Err(403);
        }
        if message.body().len() > BODY_MAX {
            return Err(413);
        }
        // What is packed we could not tell the phone: the kind is all that goes with the body.
        let is_packed = message.others().any(|it| it.0.eq_ignore_ascii_case("Content-Encoding"));
        let kind = message.text(Name::ContentType).map(str::trim).unwrap_or_default();
        if is_packed || kind.is_empty() || kind.len() > KIND_MAX {
            return Err(415);
        }
        let to = message.request_uri().and_then(user_of).ok_or(404_u16)?;
        let target = self.directory.extension(&to).ok_or(404_u16)?;
        let (tenant, extension) = (target.tenant, target.id);
        if self.texts.bytes >= BYTES_MAX {
            return Err(480);
        }
        let own = self.directory.extension(&user).map(|it| it.name.clone());
        let name = from.display.map(|it| it.into_owned()).filter(|it| !it.is_empty()).or(own);
        Ok(KeptText {
            // Random, so that no text of an earlier life has it; a store counts to 2^63.
            id: self.rng.bits() >> 1,
            tenant,
            extension,
            from: user,
            from_name: name,
            at: now.wall,
            kind: kind.to_owned(),
            body: Bytes::copy_from_slice(message.body()),
        })
    }

    /// A text from before we lived.
    pub(super) fn text_restored(&mut self, text: KeptText) {
        let id = text.id;
        let is_known = self.directory.extension_of(text.extension).is_some();
        if is_known && !self.texts.all.contains_key(&id) {
            self.texts.insert(Entry::new(text, None));
            self.texts.queue(id);
        }
    }

    /// Phones of an extension have shown up: what waits for it is told to them.
    pub(super) fn deliver_texts(&mut self, now: Now, number: &str) {
        let Some(extension) = self.directory.extension(number).map(|it| it.id) else { return };
        let Some(id) = self.texts.waiting.get(&extension).and_then(|it| it.front()).copied() else {
            return;
        };
        let Some(entry) = self.texts.all.get_mut(&id) else { return };
        // While phones that were there before have not answered, those that are there now wait.
        entry.again = !entry.asks.is_empty();
        if !entry.again {
            self.offer_text(now, id);
        }
    }

    /// What came of a request of ours, if it was a text.
    pub(super) fn text_answered(
        &mut self,
        now: Now,
        ask: AskId,
        reply: &Reply,
        out: &mut Vec<Output>,
    ) {
        let Some(id) = self.texts.asks.remove(&ask) else { return };
        let Some(entry) = self.texts.all.get_mut(&id) else { return };
        entry.asks.remove(&ask);
        match reply.status {
            ..300 => return self.end_text(now, id, 200, out),
            // It is not there, or not now.
            408 | 430 | 480 | 486 | 500 | 503 | 504 => entry.missed = true,
            // What only the phone's own next hop could follow is no answer for the sender.
            300..=399 | 401 | 407 => entry.refused = entry.refused.max(Some(480)),
            status => entry.refused = entry.refused.max(Some(status)),
        }
        if !entry.asks.is_empty() {
            return;
        }
        match (entry.refused, entry.missed, entry.waits) {
            (Some(status), false, _) => self.end_text(now, id, status, out),
            (_, _, false) => self.keep_text(now, id, out),
            (_, _, true) if std::mem::take(&mut entry.again) => _ = self.offer_text(now, id),
            (_, _, true) => {}
        }
    }

    /// Those who keep texts have written this one down, or cannot.
    pub(super) fn text_kept(&mut self, now: Now, id: u64, kept: bool, out: &mut Vec<Output>) {
        match (kept, self.texts.all.get_mut(&id)) {
            (_, None) => {}
            (false, Some(_)) => self.end_text(now, id, 500, out),
            (true, Some(entry)) => {
                let sender = entry.sender.take();
                self.answer_text(now, id, sender, 202, out);
            }
        }
    }

    /// Texts that phones have not answered in time.
    pub(super) fn texts_due(&mut self, now: Now, out: &mut Vec<Output>) {
        while let Some(id) = self.texts.patience.pop(now.mono) {
            if self.texts.all.get(&id).is_some_and(|it| !it.waits) {
                self.keep_text(now, id, out);
            }
        }
    }

    /// An extension is gone, and with it what waits for it.
    pub(super) fn drop_texts(&mut self, now: Now, extension: ExtensionId, out: &mut Vec<Output>) {
        let of_it = self.texts.all.values().filter(|it| it.text.extension == extension);
        let mut ids: Vec<u64> = of_it.map(|it| it.text.id).collect();
        ids.sort_unstable();
        for id in ids {
            self.end_text(now, id, 404, out);
        }
    }

    /// Sends a text to all phones of its extension; returns to how many.
    fn offer_text(&mut self, now: Now, id: u64) -> usize {
        let Some(entry) = self.texts.all.get_mut(&id) else { return 0 };
        (entry.refused, entry.missed) = (None, false);
        let text = entry.text.clone();
        let Some(target) = self.directory.extension_of(text.extension) else { return 0 };
        let number = target.number.to_string();
        let phones: Vec<Binding> =
            self.registrar.bindings(&number).take(PHONES_MAX).cloned().collect();
        // Before the first leaves: a connection that is gone answers at once.
        let asks: Vec<AskId> = phones.iter().map(|_| AskId(self.next_id())).collect();
        for ask in &asks {
            self.texts.asks.insert(*ask, id);
        }
        if let Some(entry) = self.texts.all.get_mut(&id) {
            entry.asks.extend(&asks);
            if !entry.waits && !asks.is_empty() {
                self.texts.patience.set(id, Some(now.mono + PATIENCE));
            }
        }
        for (phone, ask) in phones.iter().zip(asks) {
            let text = Text {
                uri: &phone.contact,
                flow: phone.flow,
                from: &text.from,
                from_name: text.from_name.as_deref(),
                to: &number,
                at: text.at,
                kind: &text.kind,
                body: &text.body,
            };
            self.endpoint.text(now.mono, ask, text);
        }
        phones.len()
    }

    /// Nobody has taken a text yet: it waits, once it is written down.
    fn keep_text(&mut self, now: Now, id: u64, out: &mut Vec<Output>) {
        let Some(entry) = self.texts.all.get(&id) else { return };
        let text = entry.text.clone();
        if self.texts.waiting(text.extension) >= WAITING_MAX {
            return self.end_text(now, id, 480, out);
        }
        self.texts.queue(id);
        let (tenant, extension) = (text.tenant, text.extension);
        out.push(Output::Text { tenant, extension, id, kept: Some(text) });
    }

    /// A text is over; its sender is told how, if it still waits, and the next one has its turn.
    fn end_text(&mut self, now: Now, id: u64, status: u16, out: &mut Vec<Output>) {
        let Some(entry) = self.texts.remove(id) else { return };
        let KeptText { tenant, extension, from, .. } = entry.text;
        if entry.waits {
            out.push(Output::Text { tenant, extension, id, kept: None });
        }
        let target = self.directory.extension_of(extension).map(|it| it.number.to_string());
        if let Some(sender) = entry.sender {
            self.endpoint.reply_held(now.mono, sender, status, |it| it);
        }
        let Some(to) = target else { return };
        tell(out, now, None, What::Text { from, to: to.clone(), status });
        self.deliver_texts(now, &to);
    }

    fn answer_text(
        &mut self,
        now: Now,
        id: u64,
        sender: Option<Held>,
        status: u16,
        out: &mut Vec<Output>,
    ) {
        let Some(sender) = sender else { return };
        self.endpoint.reply_held(now.mono, sender, status, |it| it);
        let Some(text) = self.texts.all.get(&id).map(|it| &it.text) else { return };
        let Some(target) = self.directory.extension_of(text.extension) else { return };
        let (from, to) = (text.from.clone(), target.number.to_string());
        tell(out, now, None, What::Text { from, to, status });
    }

    /// Whether an account may send a text now; if not, it is told when.
    fn may_text(&mut self, now: Now, request: &Request, account: &str) -> bool {
        let may = self.gate.defence.may_text(now.mono, account);
        if !may {
            let later = |it: Writer| it.header(Name::RetryAfter, RETRY_AFTER);
            self.endpoint.reply_stateless(request, 503, later);
        }
        may
    }
}

/// What those wait that are told to come again, in seconds.
const RETRY_AFTER: u32 = 5;
