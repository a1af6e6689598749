//! Subscriptions of others to what we know, RFC 6665 §4.2: we are the notifier.
//!
//! | file | what it is |
//! |---|---|
//! | `package` | the packages that we serve, and what their Event headers say |
//! | `lamp` | who is on the phone, as dialog-info (RFC 4235) |
//! | `presence` | whether somebody can be reached, as PIDF (RFC 3863, RFC 4480) |
//! | `summary` | how many messages wait (RFC 3842) |
//! | `sync` | phones are asked to read their settings again, without a subscription |
//!
//! The room above accepts a SUBSCRIBE by [`Endpoint::subscribe`] and says with [`Endpoint::stir`]
//! that there is news. When a NOTIFY may leave it is asked for its text ([`Event::Due`]): never
//! while another is under way, so a slow phone gets the latest state and no queue of old ones.

pub mod lamp;
pub mod package;
pub mod presence;
pub mod summary;
mod sync;
mod xml;

use std::time::Duration;

use super::Flow;
use super::dialog::{Dialog, Order};
use super::endpoint::{Endpoint, Event as EndpointEvent, Reply, Request, Timer};
use super::message::{Fault, Message, Method, Name, Scheme, Writer};
use crate::base::map::Keyed;
use crate::base::{AskId, Map, Mono, SubId};

pub use package::{Package, Topic};

/// The shortest subscription that is taken (§4.2.1.1).
pub const EXPIRES_MIN: u32 = 60;
/// The longest; longer wishes are cut to it.
pub const EXPIRES_MAX: u32 = 3600;
/// For how long one holds that names no time (RFC 4235 §3.4, RFC 3842 §3.4).
const EXPIRES_USUAL: u32 = 3600;
/// How far a sequence number jumps at a restart: further than it can have come since it was kept.
const LEAP: u32 = 1_000;

/// What happens to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is news and nothing is under way: say it with [`Endpoint::notify`].
    Due {
        /// The number of this state, for packages that count.
        version: u32,
    },
    /// Its time, its dialog or its sequence has changed: whoever remembers it should know.
    Moved,
    /// It is over.
    Over,
}

/// All that is known of a subscription, for those who remember it longer than we live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is about.
    pub topic: Topic,
    /// Its dialog, as [`Dialog::text`] writes it.
    pub dialog: String,
    /// Where its messages go.
    pub flow: Flow,
    /// The number of the next state.
    pub version: u32,
    /// How long it still holds.
    pub left: Duration,
}

/// All subscriptions.
#[derive(Debug)]
pub(super) struct Subscriptions {
    by_id: Map<SubId, Subscription>,
    /// By Call-ID and our tag.
    by_dialog: Map<(String, String), SubId>,
    by_ask: Map<AskId, SubId>,
}

#[derive(Debug)]
struct Subscription {
    dialog: Dialog,
    topic: Topic,
    until: Mono,
    version: u32,
    /// The NOTIFY under way.
    busy: Option<AskId>,
    /// There is news.
    is_stirred: bool,
    /// It ends with the next NOTIFY, for this reason (§4.1.3).
    ends: Option<&'static str>,
}

impl Subscriptions {
    pub(super) fn new(hash: Keyed) -> Self {
        Self { by_id: hash.map(), by_dialog: hash.map(), by_ask: hash.map() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The subscription that a request of its subscriber belongs to.
    pub(super) fn find(&self, request: &Message) -> Option<SubId> {
        let key = (request.call_id()?.to_owned(), request.to().ok()?.tag()?.to_owned());
        let id = self.by_dialog.get(&key).copied()?;
        let is_peer = self.by_id.get(&id).is_some_and(|it| it.dialog.is_peer(request));
        is_peer.then_some(id)
    }

    fn insert(&mut self, id: SubId, it: Subscription) {
        self.by_dialog.insert(it.dialog.key(), id);
        self.by_id.insert(id, it);
    }

    fn remove(&mut self, id: SubId) {
        let Some(it) = self.by_id.remove(&id) else { return };
        self.by_dialog.remove(&it.dialog.key());
        if let Some(ask) = it.busy {
            self.by_ask.remove(&ask);
        }
    }
}

impl Subscription {
    fn name(&self) -> String {
        let (call_id, tag) = self.dialog.key();
        format!("{call_id} {tag}")
    }
}

impl Endpoint {
    /// Takes a SUBSCRIBE as this subscription, for what its Event says: 200, and the first NOTIFY is
    /// due at once (§4.2.1.1, §4.2.1.2). One that asks for no time at all gets a single NOTIFY.
    /// Returns a word for it that no other has, in this life or another.
    ///
    /// # Errors
    /// When it can open no dialog, or is too short; nothing is kept then.
    pub fn subscribe(
        &mut self,
        now: Mono,
        id: SubId,
        topic: Topic,
        request: &Request,
    ) -> Result<String, Refused> {
        let seconds = expires(&request.message).ok_or(Refused::TooBrief)?;
        let tag = self.rng.token();
        let dialog = Dialog::incoming(&request.message, request.flow, tag);
        let dialog = dialog.map_err(Refused::Malformed)?;
        let until = now + Duration::from_secs(u64::from(seconds));
        let (busy, ends) = (None, None);
        let it = Subscription { dialog, topic, until, version: 0, busy, is_stirred: false, ends };
        let name = it.name();
        self.subscriptions.insert(id, it);
        self.welcome(now, id, seconds, request);
        Ok(name)
    }

    /// Takes up a subscription that was there before we lived, unless it cannot be read. Returns
    /// its word.
    pub fn resubscribe(&mut self, now: Mono, id: SubId, kept: &Kept) -> Option<String> {
        let mut dialog = Dialog::read(&kept.dialog, kept.flow)?;
        dialog.leap(LEAP);
        let (busy, ends) = (None, None);
        let version = kept.version.saturating_add(LEAP);
        let (topic, until) = (kept.topic.clone(), now + kept.left);
        let it = Subscription { dialog, topic, until, version, busy, is_stirred: false, ends };
        let name = it.name();
        self.subscriptions.insert(id, it);
        self.timers.set(Timer::Subscription(id), Some(until));
        Some(name)
    }

    /// All that is known of a subscription; nothing when it is over.
    pub fn subscription(&self, now: Mono, id: SubId) -> Option<Kept> {
        let it = self.subscriptions.by_id.get(&id).filter(|it| it.ends.is_none())?;
        Some(Kept {
            topic: it.topic.clone(),
            dialog: it.dialog.text(),
            flow: it.dialog.flow,
            version: it.version,
            left: it.until - now,
        })
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// There is news for this subscription.
    pub fn stir(&mut self, id: SubId) {
        let Some(it) = self.subscriptions.by_id.get_mut(&id) else { return };
        let was_quiet = !std::mem::replace(&mut it.is_stirred, true);
        if was_quiet && it.busy.is_none() {
            let version = it.version;
            self.tell_subscription(id, Event::Due { version });
        }
    }

    /// Ends a subscription from our side: its subscriber is told why with the state of now.
    pub fn unsubscribe(&mut self, id: SubId, reason: &'static str) {
        if let Some(it) = self.subscriptions.by_id.get_mut(&id) {
            it.ends = it.ends.or(Some(reason));
            self.stir(id);
        }
    }

    /// Sends a NOTIFY with the state of now, under the name `ask`. Only after [`Event::Due`].
    pub fn notify(&mut self, now: Mono, id: SubId, ask: AskId, text: &str) {
        let Some(it) = self.subscriptions.by_id.get_mut(&id) else { return };
        it.is_stirred = false;
        it.busy = Some(ask);
        it.version = it.version.saturating_add(1);
        let (flow, event) = (it.dialog.flow, it.topic.header());
        let kind = it.topic.package.content_type();
        let state = match it.ends {
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={}", (it.until - now).as_secs()),
        };
        let mut dialog = it.dialog.clone();
        let contact = self.contact(flow, dialog.scheme());
        self.subscriptions.by_ask.insert(ask, id);
        self.ask(now, ask, flow, Method::Notify, |stamp| {
            dialog
                .request(Method::Notify, &stamp.via)
                .header(Name::Contact, contact)
                .header(Name::Event, event)
                .header(Name::SubscriptionState, state)
                .finish_with(kind, text.as_bytes())
        });
        let Some(it) = self.subscriptions.by_id.get_mut(&id) else { return };
        it.dialog = dialog;
        if it.version % (LEAP / 2) == 0 {
            self.tell_subscription(id, Event::Moved);
        }
    }

    /// A request of the subscriber within its dialog.
    pub(super) fn subscriber_asks(&mut self, now: Mono, id: SubId, request: &Request) {
        let number = request.message.cseq().map_or(0, |it| it.number);
        if request.message.method() != Method::Subscribe {
            return self.reply_stateless(request, 405, |it| it.raw("Allow", b"SUBSCRIBE"));
        }
        let Some(it) = self.subscriptions.by_id.get_mut(&id) else { return };
        if it.ends.is_some() {
            return self.reply_stateless(request, 481, |it| it);
        }
        if it.dialog.note(number) == Order::Late {
            return self.reply_stateless(request, 500, |it| it);
        }
        let Some(seconds) = expires(&request.message) else {
            return self.respond(now, request, 423, |it| it.header(Name::MinExpires, EXPIRES_MIN));
        };
        // A phone that has moved, or whose NAT has, is told where it is now.
        it.dialog.flow = request.flow;
        it.dialog.refresh(&request.message);
        it.until = now + Duration::from_secs(u64::from(seconds));
        self.welcome(now, id, seconds, request);
    }

    /// Its time is up (§4.2.2): the subscriber is told so.
    pub(super) fn subscription_due(&mut self, id: SubId) {
        self.unsubscribe(id, "timeout");
    }

    /// What came of a NOTIFY; whether it was one.
    pub(super) fn notified(&mut self, ask: AskId, reply: &Reply) -> bool {
        let Some(id) = self.subscriptions.by_ask.remove(&ask) else { return false };
        let Some(it) = self.subscriptions.by_id.get_mut(&id) else { return true };
        it.busy = None;
        let has_news = std::mem::take(&mut it.is_stirred);
        let is_over = match reply.status {
            // §4.2.2, RFC 5057: nobody listens, or nobody understands.
            404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604 => true,
            // The connection is gone; the subscriber comes back with its next refresh, or not at all.
            430 => it.ends.is_some(),
            // That was the last word.
            _ => it.ends.is_some() && !has_news,
        };
        if is_over {
            self.drop_subscription(id);
        } else if has_news && reply.status != 430 {
            self.stir(id);
        }
        true
    }

    /// 200 for a SUBSCRIBE, and the state of now (§4.2.1.2).
    fn welcome(&mut self, now: Mono, id: SubId, seconds: u32, request: &Request) {
        let dialog = self.subscriptions.by_id.get(&id).map(|it| &it.dialog);
        let scheme = dialog.map_or(Scheme::Sip, Dialog::scheme);
        let contact = self.contact(request.flow, scheme);
        let Some(it) = self.subscriptions.by_id.get_mut(&id) else { return };
        if seconds == 0 {
            it.ends = Some("timeout");
        }
        let until = it.until;
        let tag = it.dialog.local_tag();
        let ok = Writer::reply(&request.message, 200, request.flow.remote, Some(tag));
        let mut ok = ok.header(Name::Contact, contact).header(Name::Expires, seconds);
        for value in request.message.values(Name::RecordRoute) {
            ok = ok.raw(Name::RecordRoute.word(), value);
        }
        self.respond_with(now, request, 200, ok.finish());
        self.timers.set(Timer::Subscription(id), (seconds > 0).then_some(until));
        self.tell_subscription(id, Event::Moved);
        self.stir(id);
    }

    fn drop_subscription(&mut self, id: SubId) {
        self.timers.set(Timer::Subscription(id), None);
        self.subscriptions.remove(id);
        self.tell_subscription(id, Event::Over);
    }

    fn tell_subscription(&mut self, id: SubId, event: Event) {
        self.events.push_back(EndpointEvent::Subscription(id, event));
    }
}

/// Why a SUBSCRIBE is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It cannot open a dialog: 400.
    Malformed(Fault),
    /// It asks for less than [`EXPIRES_MIN`]: 423.
    TooBrief,
}

/// For how many seconds; nothing when that is too short.
fn expires(subscribe: &Message) -> Option<u32> {
    match subscribe.expires().unwrap_or(EXPIRES_USUAL) {
        0 => Some(0),
        1..EXPIRES_MIN => None,
        seconds => Some(seconds.min(EXPIRES_MAX)),
    }
}

#[cfg(test)]
mod tests;
