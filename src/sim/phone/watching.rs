//! How a phone watches somebody: SUBSCRIBE, and the NOTIFYs that come of it (RFC 6665 §4.1).

use std::time::Duration;

use bytes::Bytes;

use crate::base::Mono;
use crate::sip::message::{Message, Method, Name};

use super::client::Purpose;
use super::{Out, Phone};

/// What a phone watches, and what it was told. It stays after its end.
#[derive(Debug)]
pub struct Watch {
    /// The number that is watched.
    pub number: String,
    /// The event package.
    pub package: String,
    /// The final status of the last SUBSCRIBE.
    pub status: Option<u16>,
    /// What was told, the oldest first.
    pub notes: Vec<Note>,
    call_id: String,
    tag: String,
    remote_tag: Option<String>,
    cseq: u32,
    heard: u32,
    seconds: u32,
    again_at: Option<Mono>,
}

/// One NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When it came.
    pub at: Mono,
    /// Its Subscription-State.
    pub state: String,
    /// Its sequence number.
    pub cseq: u32,
    /// What it says.
    pub body: String,
}

impl Watch {
    /// What was told last.
    pub fn last(&self) -> &str {
        self.notes.last().map_or("", |it| &it.body)
    }

    /// Whether it was told to be over.
    pub fn is_over(&self) -> bool {
        self.notes.last().is_some_and(|it| it.state.starts_with("terminated"))
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.again_at
    }

    fn is(&self, request: &Message) -> bool {
        let tag = request.to().ok().and_then(|it| it.tag());
        request.call_id() == Some(&*self.call_id) && tag == Some(&*self.tag)
    }
}

impl Phone {
    /// Watches a number: `dialog`, `presence` or `message-summary`. It is the last of
    /// [`Phone::watches`] from now on, and is kept up until it is given up.
    pub fn watch(&mut self, now: Mono, number: &str, package: &str, seconds: u32, out: &mut Out) {
        let (call_id, tag) = (self.rng.token(), self.rng.token());
        self.watches.push(Watch {
            number: number.to_owned(),
            package: package.to_owned(),
            status: None,
            notes: Vec::new(),
            call_id,
            tag,
            remote_tag: None,
            cseq: 0,
            heard: 0,
            seconds,
            again_at: None,
        });
        self.request(now, Purpose::Subscribe(self.watches.len() - 1), 0, out);
    }

    /// Gives up watching everything.
    pub fn unwatch(&mut self, now: Mono, out: &mut Out) {
        for nth in 0..self.watches.len() {
            if !self.watches[nth].is_over() {
                self.watches[nth].seconds = 0;
                self.request(now, Purpose::Subscribe(nth), 0, out);
            }
        }
    }

    /// What it watches or has watched.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// Refreshes what must be refreshed by now.
    pub(super) fn keep_watching(&mut self, now: Mono, out: &mut Out) {
        for nth in 0..self.watches.len() {
            if self.watches[nth].again_at.is_some_and(|it| it <= now) {
                self.watches[nth].again_at = None;
                self.request(now, Purpose::Subscribe(nth), 0, out);
            }
        }
    }

    /// A SUBSCRIBE was answered.
    pub(super) fn watched(&mut self, now: Mono, nth: usize, response: &Message, status: u16) {
        let watch = &mut self.watches[nth];
        watch.status = Some(status);
        if status >= 300 {
            watch.again_at = None;
            return;
        }
        watch.remote_tag = response.to().ok().and_then(|it| it.tag()).map(str::to_owned);
        let seconds = response.expires().unwrap_or(watch.seconds);
        let soon = now + Duration::from_secs(u64::from(seconds)) * 9 / 10;
        watch.again_at = (seconds > 0).then_some(soon);
    }

    /// A NOTIFY has come; the status it gets.
    pub(super) fn note(&mut self, now: Mono, notify: &Message) -> u16 {
        if notify.text(Name::Event) == Some("check-sync;reboot=false") {
            self.synced += 1;
            return 200;
        }
        let Some(watch) = self.watches.iter_mut().find(|it| it.is(notify)) else { return 481 };
        let number = notify.cseq().map_or(0, |it| it.number);
        if number <= watch.heard || watch.is_over() {
            return if watch.is_over() { 481 } else { 500 };
        }
        // RFC 6665 §4.4.1: a NOTIFY may come before the 200, and makes the dialog then.
        let from = notify.from().ok().and_then(|it| it.tag()).map(str::to_owned);
        if watch.remote_tag.is_some() && watch.remote_tag != from {
            return 481;
        }
        watch.remote_tag = from;
        watch.heard = number;
        watch.notes.push(Note {
            at: now,
            state: notify.text(Name::SubscriptionState).unwrap_or_default().to_owned(),
            cseq: number,
            body: String::from_utf8_lossy(notify.body()).into_owned(),
        });
        if watch.is_over() {
            watch.again_at = None;
        }
        200
    }

    pub(super) fn write_subscribe(&mut self, nth: usize, branch: &str) -> Bytes {
        let (own, server) = (self.identity.number.clone(), self.identity.server);
        let contact = self.identity.contact();
        let watch = &mut self.watches[nth];
        watch.cseq += 1;
        let uri = format!("sip:{}@{server}", watch.number);
        let to = match &watch.remote_tag {
            Some(tag) => format!("<{uri}>;tag={tag}"),
            None => format!("<{uri}>"),
        };
        let writer = self
            .identity
            .request(Method::Subscribe, &uri, branch)
            .header(Name::From, format_args!("<sip:{own}@{server}>;tag={}", watch.tag))
            .header(Name::To, to)
            .header(Name::CallId, &watch.call_id)
            .header(Name::CSeq, format_args!("{} SUBSCRIBE", watch.cseq))
            .header(Name::Contact, format_args!("<{contact}>"))
            .header(Name::Event, &watch.package)
            .header(Name::Expires, watch.seconds);
        self.authorize(writer, Method::Subscribe, &uri).finish()
    }
}
