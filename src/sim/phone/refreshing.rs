//! How a phone keeps a session alive (RFC 4028), and how it asks by UPDATE (RFC 3311).

use std::time::Duration;

use bytes::Bytes;

use crate::base::Mono;
use crate::sip::message::{Message, Method, Name, Writer};

use super::behaviour::Session as Timer;
use super::call::Act;
use super::client::Purpose;
use super::{Asks, Later, Out, Phone};

impl Phone {
    /// Asks for what its owner wants within a call.
    pub(super) fn ask(&mut self, now: Mono, nth: usize, out: &mut Out) {
        let by_update = self.behaviour.asks_by == Asks::Update && !self.calls[nth].asks;
        let purpose = if by_update { Purpose::Update(nth) } else { Purpose::Invite(nth) };
        self.request(now, purpose, 0, out);
    }

    /// Says that it is still there: by an UPDATE without a description, or by what holds.
    pub(super) fn refresh(&mut self, now: Mono, nth: usize, out: &mut Out) {
        self.calls[nth].is_refreshing = true;
        self.ask(now, nth, out);
    }

    pub(super) fn write_update(&mut self, nth: usize, branch: &str) -> Bytes {
        let contact = self.identity.contact();
        let timer = self.behaviour.session;
        let call = &mut self.calls[nth];
        call.dialog.cseq += 1;
        let offer = call.offer().filter(|_| !call.is_refreshing);
        call.version += u32::from(offer.is_some());
        let body = offer.as_ref().map(|it| it.print(call.version));
        call.asking = Some(offer);
        let target = call.dialog.target().to_owned();
        let writer = call
            .dialog
            .request(&self.identity, Method::Update, branch, call.dialog.cseq, &target)
            .header(Name::Contact, format_args!("<{contact}>"))
            .header(Name::Allow, self.methods());
        let writer = timer.ask(writer, true);
        let writer = self.authorize(writer, Method::Update, &target);
        match body {
            Some(body) => writer.finish_with("application/sdp", body.as_bytes()),
            None => writer.finish(),
        }
    }

    /// An UPDATE without a description has come.
    pub(super) fn refreshed(
        &mut self,
        now: Mono,
        this: usize,
        nth: usize,
        update: &Message,
        out: &mut Out,
    ) {
        self.calls[nth].dialog.retarget(update);
        self.served[this].call = Some(nth);
        match self.behaviour.later {
            Later::Refuse(status) => self.say(now, this, status, None, out),
            Later::Accept => self.say(now, this, 200, None, out),
        }
    }

    /// What it says of the session in its 2xx to this request; it takes note of that itself.
    pub(super) fn grant(&mut self, now: Mono, nth: usize, request: &Message) -> Option<String> {
        let (asked, who) = read(request)?;
        let (Timer::Timed(own) | Timer::Forgets(own)) = self.behaviour.session else {
            return None;
        };
        // In a call the roles stay, as the request names them.
        let seconds = asked.min(own).max(90);
        let is_ours = who.as_deref() != Some("uac");
        self.keep(now, nth, seconds, is_ours);
        Some(format!("{seconds};refresher={}", if is_ours { "uas" } else { "uac" }))
    }

    /// A request of its own was granted: who refreshes, and when.
    pub(super) fn learn_session(&mut self, now: Mono, nth: usize, response: &Message) {
        match (read(response), self.behaviour.session) {
            (None, _) | (_, Timer::Unknown | Timer::Longer(_)) => {}
            (Some((seconds, who)), _) => {
                self.keep(now, nth, seconds, who.as_deref() != Some("uas"));
            }
        }
    }

    fn keep(&mut self, now: Mono, nth: usize, seconds: u32, is_ours: bool) {
        let interval = Duration::from_secs(u64::from(seconds));
        let forgets = matches!(self.behaviour.session, Timer::Forgets(_));
        let last = now + (interval - (interval / 3).min(Duration::from_secs(32)));
        let plans = &mut self.calls[nth].plans;
        plans.retain(|it| !matches!(it.1, Act::Refresh | Act::Expire));
        match is_ours {
            true if forgets => {}
            true => plans.push((now + interval / 2, Act::Refresh)),
            false => plans.push((last, Act::Expire)),
        }
    }

    /// What its Allow says.
    pub(super) fn methods(&self) -> &'static str {
        match self.behaviour.asks_by {
            Asks::Invite => "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK",
            Asks::Update => "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE",
        }
    }
}

impl Timer {
    /// What stands in a request of its own.
    pub(super) fn ask(self, writer: Writer, is_inside: bool) -> Writer {
        let (Self::Timed(seconds) | Self::Forgets(seconds)) = self else { return writer };
        let writer = writer.header(Name::Supported, "timer");
        match is_inside {
            true => writer.header(Name::SessionExpires, format_args!("{seconds};refresher=uac")),
            false => writer.header(Name::SessionExpires, seconds),
        }
    }

    /// The interval that it wants instead of what this INVITE asks for.
    pub(super) fn wants_longer(self, invite: &Message) -> Option<u32> {
        let Self::Longer(least) = self else { return None };
        read(invite).is_some_and(|it| it.0 < least).then_some(least)
    }
}

/// A Session-Expires: its seconds and the refresher.
fn read(message: &Message) -> Option<(u32, Option<String>)> {
    let text = message.text(Name::SessionExpires)?;
    let (seconds, rest) = text.split_once(';').unwrap_or((text, ""));
    let who = rest.trim().strip_prefix("refresher=").map(str::to_owned);
    Some((seconds.trim().parse().ok()?, who))
}
