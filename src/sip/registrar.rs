//! The registrar, RFC 3261 §10.3: which phones an extension has, along which flow each is reached, and
//! whether it still is (`alive`). Who may register is decided before; where bindings are kept is
//! decided elsewhere.
//!
//! An extension has a limit of phones. One more is taken, and the phone that is missed least leaves:
//! one that is unreachable, else the one that has not refreshed for longest. To refuse the new one, as
//! others do, locks a phone out that has got a new address or lost its memory, until its own ghost
//! runs out.

mod alive;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{Bucket, Mono, Timers};
use crate::sip::Flow;
use crate::sip::message::{Contacts, Fault, Message, Name, NameAddr};

pub use alive::{Ask, Pulse};

/// How phones register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The shortest registration that is taken, in seconds (§10.2.8): shorter ones get 423.
    pub expires_min: u32,
    /// The longest registration; longer wishes are cut to it.
    pub expires_max: u32,
    /// How often a phone behind NAT is asked whether it is still there; never when zero.
    pub keep_alive: Duration,
}

/// The most phones of an extension that are taken back at the start.
const BINDINGS_MAX: usize = 256;
/// The longest Contact that is kept.
const CONTACT_LEN_MAX: usize = 512;

/// All bindings.
#[derive(Debug)]
pub struct Registrar {
    rules: Rules,
    bindings: BTreeMap<u64, Entry>,
    by_aor: BTreeMap<String, Vec<u64>>,
    expiry: Timers<u64>,
    /// When each phone is to be asked whether it is there, or has missed its answer.
    asks: Timers<u64>,
    pace: Bucket,
    /// Phones that are out of reach, or there again, and of whom nobody was told.
    turned: Vec<(String, String, bool)>,
    last: u64,
}

/// One phone of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The address it wants to be called by: the Request-URI of what we send it.
    pub contact: String,
    /// How it is reached.
    pub flow: Flow,
}

/// All that is known of a phone, for those who remember it longer than we live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The extension's number.
    pub aor: String,
    /// The phone.
    pub binding: Binding,
    /// What it calls itself (RFC 5626 §4.1).
    pub instance: Option<String>,
    /// The Call-ID of its REGISTER (§10.3, 7).
    pub call_id: String,
    /// The sequence number of its REGISTER.
    pub cseq: u32,
    /// How long the registration still holds.
    pub left: Duration,
}

#[derive(Debug)]
struct Entry {
    aor: String,
    binding: Binding,
    instance: Option<String>,
    call_id: String,
    cseq: u32,
    /// When it registered or refreshed.
    since: Mono,
    at: Mono,
    pulse: Pulse,
}

/// What a REGISTER came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Registered {
    /// The bindings that hold now, as Contact values for the 200.
    pub contacts: Vec<String>,
    /// What changed: the contact and for how long, zero when it is gone.
    pub changes: Vec<(String, Duration)>,
    /// What stays as it was, with its new time.
    pub refreshed: Vec<(String, Duration)>,
}

/// Why a REGISTER is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// It cannot be read: 400.
    Malformed(Fault),
    /// Shorter than [`Rules::expires_min`]: 423.
    TooBrief,
    /// More new phones at once than the extension may have: 403.
    TooMany,
    /// An older request came after a newer one: 500.
    OutOfOrder,
}

impl Registrar {
    /// Knows no phones yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            bindings: BTreeMap::new(),
            by_aor: BTreeMap::new(),
            expiry: Timers::new(),
            asks: Timers::new(),
            pace: Bucket::default(),
            turned: Vec::new(),
            last: 0,
        }
    }

    /// How phones register.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Carries out an authenticated REGISTER for an extension that may have so many phones. Either all
    /// of it takes effect or nothing (§10.3, 7).
    ///
    /// # Errors
    /// When it is refused; then nothing has changed.
    pub fn register(
        &mut self,
        now: Mono,
        (aor, phones_max): (&str, usize),
        flow: Flow,
        request: &Message,
    ) -> Result<Registered, Refused> {
        let contacts = request.contacts().map_err(Refused::Malformed)?;
        let cseq = request.cseq().map_err(Refused::Malformed)?.number;
        let call_id = request.call_id().unwrap_or_default();
        let (mut changes, mut refreshed) = (Vec::new(), Vec::new());
        match contacts {
            Contacts::Star => {
                // §10.3, 6: only with "Expires: 0".
                if request.expires() != Some(0) {
                    return Err(Refused::Malformed(Fault::Malformed(Name::Contact)));
                }
                for id in self.by_aor.get(aor).cloned().unwrap_or_default() {
                    if let Some(gone) = self.remove(id) {
                        changes.push((gone.contact, Duration::ZERO));
                    }
                }
            }
            Contacts::List(list) => {
                let wishes =
                    self.read((aor, phones_max), call_id, cseq, request.expires(), &list)?;
                for wish in wishes {
                    // A device that comes with another address has left its old one.
                    let before = self.find(aor, &wish).and_then(|id| self.bindings.get(&id));
                    let before = before.map(|it| it.binding.clone());
                    let stays = before
                        .as_ref()
                        .is_some_and(|it| it.contact == wish.contact && it.flow == flow);
                    let left = before.filter(|it| it.contact != wish.contact);
                    changes.extend(left.map(|it| (it.contact, Duration::ZERO)));
                    let bound = self.bind(now, aor, flow, call_id, cseq, wish);
                    match stays && !bound.1.is_zero() {
                        true => refreshed.push(bound),
                        false => changes.push(bound),
                    }
                }
                changes.extend(self.evict(aor, phones_max).map(|it| (it, Duration::ZERO)));
            }
        }
        Ok(Registered { contacts: self.listed(now, aor), changes, refreshed })
    }

    /// Takes out the phones of an extension whose flow is gone for ever; returns their contacts.
    pub fn sweep(&mut self, aor: &str, is_reachable: impl Fn(Flow) -> bool) -> Vec<String> {
        let ids = self.by_aor.get(aor).cloned().unwrap_or_default();
        let is_gone =
            |id: &u64| self.bindings.get(id).is_some_and(|it| !is_reachable(it.binding.flow));
        let gone: Vec<u64> = ids.into_iter().filter(is_gone).collect();
        gone.into_iter().filter_map(|id| self.remove(id)).map(|it| it.contact).collect()
    }

    /// Takes out all phones of an extension; returns their contacts.
    pub fn forget(&mut self, aor: &str) -> Vec<String> {
        self.sweep(aor, |_| false)
    }

    /// Takes a phone in that had registered before we lived. Only what [`Self::kept`] has told.
    pub fn restore(&mut self, now: Mono, kept: Kept) {
        let Kept { aor, binding, instance, call_id, cseq, left } = kept;
        let held = self.by_aor.get(&aor).map_or(0, Vec::len);
        if held >= BINDINGS_MAX {
            return;
        }
        self.last += 1;
        self.by_aor.entry(aor.clone()).or_default().push(self.last);
        let (at, pulse) = (now + left, Pulse::default());
        let entry = Entry { aor, binding, instance, call_id, cseq, since: now, at, pulse };
        self.expiry.set(self.last, Some(entry.at));
        self.bindings.insert(self.last, entry);
        self.beats(now, self.last);
    }

    /// All that is known of an extension's phone with this contact.
    pub fn kept(&self, now: Mono, aor: &str, contact: &str) -> Option<Kept> {
        let ids = self.by_aor.get(aor)?;
        let all = ids.iter().filter_map(|id| self.bindings.get(id));
        all.map(|it| it.keep(now)).find(|it| it.binding.contact == contact)
    }

    /// All phones from the one after `skip`, `take` of them, in the order in which they came.
    pub fn all(&self, now: Mono, skip: usize, take: usize) -> impl Iterator<Item = (Kept, &Pulse)> {
        self.bindings.values().skip(skip).take(take).map(move |it| (it.keep(now), &it.pulse))
    }

    /// The phones of an extension that can be rung, in the order in which they came.
    pub fn bindings(&self, aor: &str) -> impl Iterator<Item = &Binding> {
        let ids = self.by_aor.get(aor).map(Vec::as_slice).unwrap_or_default();
        let all = ids.iter().filter_map(|id| self.bindings.get(id));
        all.filter(|it| it.pulse.is_reachable()).map(|it| &it.binding)
    }

    /// How many phones are registered.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether no phone is registered.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// When the next registration runs out, or the next phone is to be asked.
    pub fn poll_timeout(&self) -> Option<Mono> {
        [self.expiry.next(), self.asks.next()].into_iter().flatten().min()
    }

    /// Takes the next registration that has run out: its extension and contact.
    pub fn expire(&mut self, now: Mono) -> Option<(String, String)> {
        let id = self.expiry.pop(now)?;
        let aor = self.bindings.get(&id)?.aor.clone();
        let gone = self.remove(id)?;
        Some((aor, gone.contact))
    }

    /// What every Contact of the request asks for, checked as a whole.
    fn read(
        &self,
        (aor, phones_max): (&str, usize),
        call_id: &str,
        cseq: u32,
        expires: Option<u32>,
        list: &[NameAddr<'_>],
    ) -> Result<Vec<Wish>, Refused> {
        let Rules { expires_min, expires_max, .. } = self.rules;
        let mut wishes = Vec::new();
        for contact in list {
            if contact.uri.len() > CONTACT_LEN_MAX {
                return Err(Refused::Malformed(Fault::Malformed(Name::Contact)));
            }
            let own = contact.params.get("expires").and_then(|it| it.parse::<u32>().ok());
            let seconds = own.or(expires).unwrap_or(expires_max).min(expires_max);
            if (1..expires_min).contains(&seconds) {
                return Err(Refused::TooBrief);
            }
            let instance = contact.params.get("+sip.instance").map(str::to_owned);
            let wish = Wish { contact: contact.uri.to_owned(), instance, seconds };
            let known = self.find(aor, &wish).and_then(|id| self.bindings.get(&id));
            // §10.3, 7: within one Call-ID the CSeq must rise.
            if known.is_some_and(|it| it.call_id == call_id && it.cseq >= cseq) {
                return Err(Refused::OutOfOrder);
            }
            wishes.push(wish);
        }
        let new = wishes.iter().filter(|it| it.seconds > 0 && self.find(aor, it).is_none()).count();
        if new > phones_max {
            return Err(Refused::TooMany);
        }
        Ok(wishes)
    }

    fn bind(
        &mut self,
        now: Mono,
        aor: &str,
        flow: Flow,
        call_id: &str,
        cseq: u32,
        wish: Wish,
    ) -> (String, Duration) {
        let known = self.find(aor, &wish);
        let span = Duration::from_secs(u64::from(wish.seconds));
        if wish.seconds == 0 {
            known.and_then(|id| self.remove(id));
            return (wish.contact, span);
        }
        let id = known.unwrap_or_else(|| {
            self.last += 1;
            self.by_aor.entry(aor.to_owned()).or_default().push(self.last);
            self.last
        });
        let entry = Entry {
            aor: aor.to_owned(),
            binding: Binding { contact: wish.contact.clone(), flow },
            instance: wish.instance,
            call_id: call_id.to_owned(),
            cseq,
            since: now,
            at: now + span,
            pulse: self.bindings.get(&id).map(|it| it.pulse.clone()).unwrap_or_default(),
        };
        self.expiry.set(id, Some(entry.at));
        self.bindings.insert(id, entry);
        self.beats(now, id);
        (wish.contact, span)
    }

    /// Takes out the phones of an extension that are too many; returns their contacts.
    fn evict(&mut self, aor: &str, phones_max: usize) -> impl Iterator<Item = String> {
        let mut ids = self.by_aor.get(aor).cloned().unwrap_or_default();
        let too_many = ids.len().saturating_sub(phones_max);
        // An equal one that came later stays.
        ids.sort_by_key(|id| self.bindings.get(id).map(|it| (it.pulse.is_reachable(), it.since)));
        ids.into_iter().take(too_many).filter_map(|id| self.remove(id)).map(|it| it.contact)
    }

    /// The binding that a Contact means: the same address, or the same device (RFC 5626 §6).
    fn find(&self, aor: &str, wish: &Wish) -> Option<u64> {
        let ids = self.by_aor.get(aor)?;
        ids.iter().copied().find(|id| {
            self.bindings.get(id).is_some_and(|it| {
                it.binding.contact == wish.contact
                    || (it.instance.is_some() && it.instance == wish.instance)
            })
        })
    }

    fn remove(&mut self, id: u64) -> Option<Binding> {
        let entry = self.bindings.remove(&id)?;
        self.expiry.set(id, None);
        self.asks.set(id, None);
        if let Some(ids) = self.by_aor.get_mut(&entry.aor) {
            ids.retain(|it| *it != id);
            if ids.is_empty() {
                self.by_aor.remove(&entry.aor);
            }
        }
        Some(entry.binding)
    }

    fn listed(&self, now: Mono, aor: &str) -> Vec<String> {
        let ids = self.by_aor.get(aor).map(Vec::as_slice).unwrap_or_default();
        ids.iter()
            .filter_map(|id| self.bindings.get(id))
            .map(|it| format!("<{}>;expires={}", it.binding.contact, (it.at - now).as_secs()))
            .collect()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { expires_min: 30, expires_max: 3600, keep_alive: Duration::from_secs(25) }
    }
}

impl Entry {
    fn keep(&self, now: Mono) -> Kept {
        Kept {
            aor: self.aor.clone(),
            binding: self.binding.clone(),
            instance: self.instance.clone(),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            left: self.at - now,
        }
    }
}

/// What one Contact asks for.
#[derive(Debug)]
struct Wish {
    contact: String,
    instance: Option<String>,
    seconds: u32,
}

#[cfg(test)]
mod tests;
