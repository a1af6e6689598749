//! The registrar, RFC 3261 §10.3: which phones an extension has, and along which flow each is
//! reached. Who may register is decided before; where bindings are kept is decided elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{Mono, Timers};
use crate::sip::Flow;
use crate::sip::message::{Contacts, Fault, Message, Name, NameAddr};

/// The shortest registration that is taken (§10.2.8): shorter ones are answered with 423.
pub const EXPIRES_MIN: u32 = 30;
/// The longest registration; longer wishes are cut to it.
pub const EXPIRES_MAX: u32 = 3600;
/// The most phones that an extension may have at once.
pub const BINDINGS_MAX: usize = 10;
/// The longest Contact that is kept.
const CONTACT_LEN_MAX: usize = 512;

/// All bindings.
#[derive(Debug, Default)]
pub struct Registrar {
    bindings: BTreeMap<u64, Entry>,
    by_aor: BTreeMap<String, Vec<u64>>,
    expiry: Timers<u64>,
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
    at: Mono,
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
    /// Shorter than [`EXPIRES_MIN`]: 423.
    TooBrief,
    /// More than [`BINDINGS_MAX`] phones: 403.
    TooMany,
    /// An older request came after a newer one: 500.
    OutOfOrder,
}

impl Registrar {
    /// Carries out an authenticated REGISTER. Either all of it takes effect or nothing (§10.3, 7).
    ///
    /// # Errors
    /// When it is refused; then nothing has changed.
    pub fn register(
        &mut self,
        now: Mono,
        aor: &str,
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
                let wishes = self.read(aor, call_id, cseq, request.expires(), &list)?;
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
        let entry = Entry { aor, binding, instance, call_id, cseq, at: now + left };
        self.expiry.set(self.last, Some(entry.at));
        self.bindings.insert(self.last, entry);
    }

    /// All that is known of an extension's phone with this contact.
    pub fn kept(&self, now: Mono, aor: &str, contact: &str) -> Option<Kept> {
        let ids = self.by_aor.get(aor)?;
        let all = ids.iter().filter_map(|id| self.bindings.get(id));
        all.map(|it| it.keep(now)).find(|it| it.binding.contact == contact)
    }

    /// All phones from the one after `skip`, `take` of them, in the order in which they came.
    pub fn all(&self, now: Mono, skip: usize, take: usize) -> impl Iterator<Item = Kept> {
        self.bindings.values().skip(skip).take(take).map(move |it| it.keep(now))
    }

    /// The phones of an extension, in the order in which they came.
    pub fn bindings(&self, aor: &str) -> impl Iterator<Item = &Binding> {
        let ids = self.by_aor.get(aor).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.bindings.get(id)).map(|it| &it.binding)
    }

    /// How many phones are registered.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether no phone is registered.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// When the next registration runs out.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.expiry.next()
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
        aor: &str,
        call_id: &str,
        cseq: u32,
        expires: Option<u32>,
        list: &[NameAddr<'_>],
    ) -> Result<Vec<Wish>, Refused> {
        let mut wishes = Vec::new();
        for contact in list {
            if contact.uri.len() > CONTACT_LEN_MAX {
                return Err(Refused::Malformed(Fault::Malformed(Name::Contact)));
            }
            let own = contact.params.get("expires").and_then(|it| it.parse::<u32>().ok());
            let seconds = own.or(expires).unwrap_or(EXPIRES_MAX).min(EXPIRES_MAX);
            if (1..EXPIRES_MIN).contains(&seconds) {
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
        let held = self.by_aor.get(aor).map_or(0, Vec::len);
        if new > 0 && held + new > BINDINGS_MAX {
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
            at: now + span,
        };
        self.expiry.set(id, Some(entry.at));
        self.bindings.insert(id, entry);
        (wish.contact, span)
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
