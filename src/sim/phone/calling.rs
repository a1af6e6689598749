//! How a phone makes, takes and ends calls.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::base::Mono;
use crate::sip::message::{Message, Method, Name, Writer};

use super::call::Act;
use super::client::{Client, Purpose};
use super::served::Served;
use super::session::Session;
use super::{Asks, Call, Ending, Later, Letter, Offers, Out, Phase, Phone, Reply, Side};

impl Phone {
    /// Calls a number. The call is the last of [`Phone::calls`] from now on.
    pub fn dial(&mut self, now: Mono, number: &str, out: &mut Out) {
        let (at, outside) = self.next_port();
        let ours = Session::offer(at, &self.behaviour.codecs);
        let mut call = Call::outgoing(&self.identity, number, ours, &mut self.rng);
        call.asks = self.behaviour.offers == Offers::Late;
        call.outside = outside;
        call.replaces = self.replaces.take();
        call.plans.extend(self.behaviour.cancel_after.map(|it| (now + it, Act::GiveUp)));
        self.calls.push(call);
        self.request(now, Purpose::Invite(self.calls.len() - 1), 0, out);
    }

    /// Ends every call in whatever way its state asks for: it is given up, declined or hung up.
    pub fn hang_up(&mut self, now: Mono, out: &mut Out) {
        for nth in 0..self.calls.len() {
            let Call { phase, side, confirmed, .. } = self.calls[nth];
            match (phase, side) {
                (Phase::Ringing, Side::Caller) => {
                    self.calls[nth].plans.clear();
                    self.calls[nth].phase = Phase::Cancelled;
                    self.cancel(now, nth, out);
                }
                (Phase::Ringing, Side::Callee) => {
                    if let Some(invite) = self.open_invite(nth) {
                        self.refuse(now, invite, nth, 603, out);
                    }
                }
                (Phase::Up, _) if confirmed => self.leave(now, nth, out),
                // RFC 3261 §15: not before the ACK.
                (Phase::Up, _) => self.calls[nth].leaves_soon = true,
                (Phase::Cancelled | Phase::Leaving | Phase::Over(_), _) => {}
            }
        }
    }

    /// Does what the owner of the phone has decided to do by now.
    pub(super) fn act(&mut self, now: Mono, out: &mut Out) {
        for nth in 0..self.calls.len() {
            let Some(act) = self.calls[nth].next_act(now) else { continue };
            match act {
                Act::Answer if self.is_unheard(nth) => {
                    self.calls[nth].plans.push((now + A_MOMENT, act));
                }
                Act::Answer => self.answer(now, nth, out),
                Act::HangUp => self.leave(now, nth, out),
                Act::GiveUp => {
                    self.calls[nth].phase = Phase::Cancelled;
                    self.cancel(now, nth, out);
                }
                Act::Hold | Act::Resume | Act::Recode | Act::Ask | Act::Again | Act::Refresh
                    if self.is_negotiating(nth) =>
                {
                    // RFC 3261 §14.1: one at a time.
                    self.calls[nth].plans.push((now + A_MOMENT, act));
                }
                Act::Hold => {
                    let hold = Some(self.behaviour.hold);
                    self.calls[nth].hold(hold);
                    self.ask(now, nth, out);
                }
                Act::Resume => {
                    self.calls[nth].hold(None);
                    self.ask(now, nth, out);
                }
                Act::Recode => {
                    self.calls[nth].recode = self.behaviour.recode.clone().map(|it| it.1);
                    self.ask(now, nth, out);
                }
                Act::Ask => {
                    self.calls[nth].asks = true;
                    self.request(now, Purpose::Invite(nth), 0, out);
                }
                Act::Again => self.ask(now, nth, out),
                Act::Refresh => self.refresh(now, nth, out),
                Act::Expire => self.leave(now, nth, out),
                Act::Move => {
                    let outside = &mut self.calls[nth].outside;
                    outside.set_port(outside.port() + 5000);
                }
                Act::Transfer => {
                    if let Some((_, number)) = self.behaviour.transfer.clone() {
                        self.transfer(now, &number, out);
                    }
                }
                Act::Vanish => self.vanish(),
            }
        }
    }

    /// Acknowledges the final response to an INVITE (RFC 3261 §13.2.2.4, §17.1.1.3).
    pub(super) fn acknowledge(&mut self, nth: usize, response: &Message, out: &mut Out) {
        let accepted = response.status().is_some_and(|it| it < 300);
        let is_inside = self.calls[nth].confirmed;
        let answer = if accepted { self.answer_late(nth, response) } else { None };
        let version = self.calls[nth].version;
        let dialog = &mut self.calls[nth].dialog;
        let (branch, cseq) = dialog.invite.clone();
        let (target, hop, ack_branch);
        if accepted {
            dialog.confirm(response);
            target = dialog.target().to_owned();
            hop = dialog.hop().unwrap_or(self.identity.server);
            ack_branch = format!("z9hG4bK{}", self.rng.token());
        } else {
            dialog.remote_tag = response.to().ok().and_then(|it| it.tag()).map(str::to_owned);
            target = dialog.target().to_owned();
            hop = self.identity.server;
            ack_branch = branch.clone();
        }
        let ack = dialog.request(&self.identity, Method::Ack, &ack_branch, cseq, &target);
        let ack = match answer {
            Some(it) => ack.finish_with("application/sdp", it.print(version).as_bytes()),
            None => ack.finish(),
        };
        if !accepted && !is_inside {
            // Nothing was established; another try starts without a tag.
            dialog.remote_tag = None;
        }
        let letter = Letter { from: self.identity.address, to: hop, bytes: ack };
        if let Some(client) = self.clients.iter_mut().find(|it| it.is(&branch, Method::Invite)) {
            client.ack = Some(letter.clone());
        }
        out.letters.push(letter);
    }

    /// An INVITE of ours has its final response, which is acknowledged already.
    pub(super) fn conclude(
        &mut self,
        now: Mono,
        nth: usize,
        response: &Message,
        status: u16,
        out: &mut Out,
    ) {
        let call = &mut self.calls[nth];
        let asked = call.asking.take().flatten();
        if call.confirmed {
            self.conclude_later(now, nth, asked, response, status);
            return;
        }
        call.status = Some(status);
        if status >= 300 {
            call.end(Ending::Refused(status));
            return;
        }
        call.connected(now, &self.behaviour);
        if call.phase == Phase::Cancelled {
            // The answer overtook the CANCEL.
            self.leave(now, nth, out);
            return;
        }
        call.phase = Phase::Up;
        call.asks = false;
        // What has come reliably is the answer (RFC 3262 §5).
        let early = call.early.take().and_then(|it| it.answer);
        self.learn_session(now, nth, response);
        let call = &mut self.calls[nth];
        match early.or_else(|| Session::read(response.body())) {
            Some(theirs) => {
                let agreed = call.ours.shared(theirs);
                call.speak(now, &agreed, &mut self.rng);
            }
            None => self.leave(now, nth, out),
        }
    }

    /// An INVITE of ours within the call has its final response.
    fn conclude_later(
        &mut self,
        now: Mono,
        nth: usize,
        asked: Option<Session>,
        response: &Message,
        status: u16,
    ) {
        let call = &mut self.calls[nth];
        if call.phase != Phase::Up {
            return;
        }
        let seconds = response.text(Name::RetryAfter).and_then(|it| it.parse().ok());
        let wait = match (status, call.side) {
            (..300, _) => {
                call.granted(asked);
                call.held = call.hold;
                self.learn_session(now, nth, response);
                let call = &mut self.calls[nth];
                if let Some(theirs) = Session::read(response.body()) {
                    let agreed = call.ours.shared(theirs);
                    call.speak(now, &agreed, &mut self.rng);
                }
                return;
            }
            (408 | 481, _) => return call.end(Ending::Lost),
            // RFC 3261 §14.1: who owns the Call-ID waits longer.
            (491, Side::Caller) => Duration::from_millis(2_100 + 10 * self.rng.below(191)),
            (491, Side::Callee) => Duration::from_millis(10 * self.rng.below(201)),
            (500, _) if seconds.is_some() => Duration::from_secs(seconds.unwrap_or(0)),
            _ => return call.refused(),
        };
        call.later[1] += 1;
        call.plans.push((now + wait, Act::Again));
    }

    /// An UPDATE of ours has its final response.
    pub(super) fn conclude_update(
        &mut self,
        now: Mono,
        nth: usize,
        response: &Message,
        status: u16,
        out: &mut Out,
    ) {
        let asked = self.calls[nth].asking.take().flatten();
        let is_up = self.calls[nth].phase == Phase::Up;
        if is_up && status < 300 && asked.is_some() && Session::read(response.body()).is_none() {
            // RFC 3264 §4: an offer is answered; some phones end their calls over this.
            self.puzzled += 1;
            return self.leave(now, nth, out);
        }
        self.conclude_later(now, nth, asked, response, status);
    }

    /// The answer to an offer that came in a 200: it stands in the ACK (RFC 3261 §13.2.2.4).
    fn answer_late(&mut self, nth: usize, response: &Message) -> Option<Session> {
        let call = &mut self.calls[nth];
        call.asking.as_ref().filter(|it| it.is_none())?;
        let theirs = Session::read(response.body())?;
        call.version += 1;
        call.ours = theirs.answer(call.ours.at, &self.behaviour.codecs, call.hold)?;
        Some(call.ours.clone())
    }

    /// Whether what it has said before the answer has not arrived.
    fn is_unheard(&self, nth: usize) -> bool {
        self.open_invite(nth).is_some_and(|it| self.served[it].is_unheard())
    }

    /// Whether an INVITE of the call is not over, in either direction.
    fn is_negotiating(&self, nth: usize) -> bool {
        let is_open = |it: &Served| {
            it.call == Some(nth) && it.request.method() == Method::Invite && !it.is_done()
        };
        self.calls[nth].asking.is_some() || self.served.iter().any(is_open)
    }

    /// A request has come.
    pub(super) fn serve(&mut self, now: Mono, request: Message, from: SocketAddr, out: &mut Out) {
        let method = request.method();
        if method == Method::Ack {
            self.take_ack(now, &request);
            return;
        }
        if method != Method::Register && self.behaviour.reply == Reply::Silent {
            return;
        }
        if let Some(served) = self.served.iter().find(|it| it.is(&request, method)) {
            let bytes = served.last_reply();
            let letter = |bytes| Letter { from: self.identity.address, to: served.source, bytes };
            out.letters.extend(bytes.map(letter));
            return;
        }
        let Some(served) = Served::new(request.clone(), from) else {
            self.puzzled += 1;
            return;
        };
        self.served.push(served);
        let this = self.served.len() - 1;
        let is_inside = request.to().is_ok_and(|it| it.tag().is_some());
        let call = self.calls.iter().position(|it| it.dialog.is(&request) && !it.is_over());
        match (method, call) {
            (Method::Invite, Some(nth)) => self.renegotiate(now, this, nth, &request, out),
            (Method::Invite, None) if !is_inside => self.take_invite(now, this, &request, out),
            (Method::Update, Some(nth))
                if self.behaviour.asks_by == Asks::Update && request.body().is_empty() =>
            {
                self.refreshed(now, this, nth, &request, out);
            }
            (Method::Prack, Some(nth)) => self.take_prack(now, this, nth, &request, out),
            (Method::Cancel, _) => self.take_cancel(now, this, &request, out),
            (Method::Bye, Some(nth)) => {
                self.say(now, this, 200, None, out);
                self.refuse_invite_of(now, nth, out);
                self.abandon(now, nth);
                self.end(nth, Ending::HungUpByPeer);
            }
            (Method::Options, _) => self.say(now, this, 200, None, out),
            (Method::Notify, Some(nth)) => {
                let status = self.told(now, nth, &request, out);
                self.say(now, this, status, None, out);
            }
            (Method::Notify, None) => {
                let status = self.note(now, &request);
                self.say(now, this, status, None, out);
            }
            (Method::Invite | Method::Bye | Method::Prack, _) => {
                self.say(now, this, 481, None, out)
            }
            _ => self.say(now, this, 405, None, out),
        }
    }

    fn take_invite(&mut self, now: Mono, this: usize, invite: &Message, out: &mut Out) {
        if let Some(least) = self.behaviour.session.wants_longer(invite) {
            let more = |it: Writer| it.header(Name::MinSe, least);
            return self.say_more(now, this, 422, None, more, out);
        }
        let (at, outside) = self.next_port();
        let codecs = &self.behaviour.codecs;
        let ours = match invite.body() {
            [] => Some(Session::offer(at, codecs)),
            body => Session::read(body).and_then(|it| it.answer(at, codecs, None)),
        };
        let Some(ours) = ours else { return self.say(now, this, 488, None, out) };
        let Some(mut call) = Call::incoming(invite, ours, &mut self.rng) else {
            return self.say(now, this, 400, None, out);
        };
        call.outside = outside;
        if let Reply::Answer { after } = self.behaviour.reply {
            call.plans.push((now + after, Act::Answer));
        }
        self.calls.push(call);
        let nth = self.calls.len() - 1;
        self.served[this].call = Some(nth);
        match self.behaviour.reply {
            Reply::Busy => self.refuse(now, this, nth, 486, out),
            Reply::Decline => self.refuse(now, this, nth, 603, out),
            Reply::Answer { .. } | Reply::Ring | Reply::Silent => {
                self.calls[nth].rang = true;
                self.ring(now, this, nth, out);
            }
        }
    }

    /// An INVITE inside a call: a new place, a hold, or only a sign of life.
    fn renegotiate(&mut self, now: Mono, this: usize, nth: usize, invite: &Message, out: &mut Out) {
        let call = &mut self.calls[nth];
        if call.asking.is_some() {
            // RFC 3261 §14.2: one of ours is under way.
            return self.say(now, this, 491, None, out);
        }
        if let Later::Refuse(status) = self.behaviour.later {
            if status == 481 {
                call.end(Ending::Lost);
            }
            return self.say(now, this, status, None, out);
        }
        call.dialog.retarget(invite);
        call.version += 1;
        if let Some(theirs) = Session::read(invite.body()) {
            let codecs = &self.behaviour.codecs;
            let Some(ours) = theirs.answer(call.ours.at, codecs, call.hold) else {
                return self.say(now, this, 488, None, out);
            };
            call.ours = ours;
            call.held = call.hold;
            let agreed = Session { formats: call.ours.formats.clone(), ..theirs };
            call.speak(now, &agreed, &mut self.rng);
        }
        self.served[this].call = Some(nth);
        let body = self.calls[nth].ours.print(self.calls[nth].version);
        self.say(now, this, 200, Some(&body), out);
    }

    /// The owner takes the call.
    fn answer(&mut self, now: Mono, nth: usize, out: &mut Out) {
        let Some(this) = self.open_invite(nth) else { return };
        let call = &mut self.calls[nth];
        call.phase = Phase::Up;
        call.status = Some(200);
        if let Some(theirs) = Session::read(self.served[this].request.body()) {
            // Only what is agreed on: the answer's codec under the number that the offer gave it.
            let agreed = Session { formats: call.ours.formats.clone(), ..theirs };
            call.speak(now, &agreed, &mut self.rng);
        }
        let body = call.ours.print(call.version);
        // RFC 6337 §3.1.1: what has arrived already is not said again.
        let has_arrived = self.served[this].reliable.is_some_and(|it| it.1);
        let body = Some(&*body).filter(|_| !has_arrived);
        self.say(now, this, 200, body, out);
    }

    fn take_ack(&mut self, now: Mono, ack: &Message) {
        let number = |it: &Message| it.cseq().ok().map(|it| it.number);
        let call = self.calls.iter().position(|it| it.dialog.is(ack));
        let found = self.served.iter_mut().find(|it| {
            it.is(ack, Method::Invite)
                || call.is_some() && it.call == call && number(&it.request) == number(ack)
        });
        if !found.is_some_and(|it| it.acknowledge(now)) {
            return;
        }
        let Some(nth) = call.filter(|it| self.calls[*it].phase == Phase::Up) else { return };
        let call = &mut self.calls[nth];
        if !call.confirmed {
            call.connected(now, &self.behaviour);
        }
        if let Some(theirs) = Session::read(ack.body()) {
            call.speak(now, &theirs, &mut self.rng);
        }
    }

    fn take_cancel(&mut self, now: Mono, this: usize, cancel: &Message, out: &mut Out) {
        let of = self.served.iter().position(|it| it.is(cancel, Method::Invite));
        let Some(invite) = of else { return self.say(now, this, 481, None, out) };
        self.say(now, this, 200, None, out);
        if let Some(nth) = self.served[invite].call.filter(|_| !self.served[invite].is_final()) {
            self.refuse(now, invite, nth, 487, out);
        }
    }

    /// A BYE that comes before the answer ends the INVITE too (RFC 3261 §15.1.2).
    fn refuse_invite_of(&mut self, now: Mono, nth: usize, out: &mut Out) {
        if let Some(invite) = self.open_invite(nth) {
            self.refuse(now, invite, nth, 487, out);
        }
    }

    fn refuse(&mut self, now: Mono, this: usize, nth: usize, status: u16, out: &mut Out) {
        self.say(now, this, status, None, out);
        self.calls[nth].status = Some(status);
        self.end(nth, Ending::Refused(status));
    }

    /// Answers a request.
    pub(super) fn say(
        &mut self,
        now: Mono,
        this: usize,
        status: u16,
        sdp: Option<&str>,
        out: &mut Out,
    ) {
        let request = self.served[this].request.clone();
        let is_refresh = matches!(request.method(), Method::Invite | Method::Update);
        let nth = self.served[this].call.filter(|_| status / 100 == 2 && is_refresh);
        let session = nth.and_then(|nth| self.grant(now, nth, &request));
        let more = |it: Writer| match session {
            Some(session) => it
                .header(Name::Supported, "timer")
                .header(Name::Require, "timer")
                .header(Name::SessionExpires, session),
            None => it,
        };
        self.say_more(now, this, status, sdp, more, out);
    }

    /// Answers a request, with more headers.
    pub(super) fn say_more(
        &mut self,
        now: Mono,
        this: usize,
        status: u16,
        sdp: Option<&str>,
        more: impl FnOnce(Writer) -> Writer,
        out: &mut Out,
    ) {
        let methods = self.methods();
        let served = &mut self.served[this];
        let tag = match served.call {
            Some(nth) => self.calls[nth].dialog.local_tag.clone(),
            None => self.rng.token(),
        };
        let writer = Writer::reply(&served.request, status, served.source, Some(&tag))
            .header(Name::Contact, format_args!("<{}>", self.identity.contact()))
            .header(Name::Allow, methods);
        let writer = more(writer);
        let writer = served
            .request
            .routes(Name::RecordRoute)
            .iter()
            .fold(writer, |it, route| it.header(Name::RecordRoute, route));
        let bytes = match sdp {
            Some(sdp) => writer.finish_with("application/sdp", sdp.as_bytes()),
            None => writer.finish(),
        };
        served.reply(now, status, bytes.clone());
        out.letters.push(Letter { from: self.identity.address, to: served.source, bytes });
    }

    /// Hangs up.
    pub(super) fn leave(&mut self, now: Mono, nth: usize, out: &mut Out) {
        if matches!(self.calls[nth].phase, Phase::Leaving | Phase::Over(_)) {
            return;
        }
        self.calls[nth].phase = Phase::Leaving;
        self.calls[nth].plans.clear();
        self.calls[nth].hush();
        self.abandon(now, nth);
        self.request(now, Purpose::Bye(nth), 0, out);
    }

    /// Nobody waits for the answers to what was asked within a call.
    fn abandon(&mut self, now: Mono, nth: usize) {
        let asked = |it: &&mut Client| it.purpose == Purpose::Invite(nth);
        self.clients.iter_mut().filter(asked).for_each(|it| it.cancelled(now));
    }

    /// Gives up, as soon as that is allowed: a provisional response must have come (RFC 3261 §9.1).
    pub(super) fn cancel(&mut self, now: Mono, nth: usize, out: &mut Out) {
        let of = |it: &Purpose| [Purpose::Invite(nth), Purpose::Cancel(nth)].contains(it);
        let mut open = self.clients.iter_mut().filter(|it| of(&it.purpose)).rev();
        let Some(newest) = open.next() else { return };
        if newest.purpose == Purpose::Invite(nth) && newest.is_proceeding() {
            newest.cancelled(now);
            self.request(now, Purpose::Cancel(nth), 0, out);
        }
    }

    pub(super) fn end(&mut self, nth: usize, ending: Ending) {
        if !self.calls[nth].is_over() {
            self.calls[nth].end(ending);
        }
    }

    pub(super) fn hop(&self, nth: usize) -> SocketAddr {
        self.calls[nth].dialog.hop().unwrap_or(self.identity.server)
    }

    pub(super) fn write_invite(&mut self, nth: usize, branch: &str) -> Bytes {
        let (contact, methods) = (self.identity.contact(), self.methods());
        let (timer, reliable) = (self.behaviour.session, self.behaviour.reliable);
        let call = &mut self.calls[nth];
        let is_inside = call.confirmed;
        call.dialog.cseq += 1;
        call.dialog.invite = (branch.to_owned(), call.dialog.cseq);
        let target = call.dialog.target().to_owned();
        let cseq = call.dialog.cseq;
        let offer = call.offer();
        call.version += 1;
        let body = offer.as_ref().map(|it| it.print(call.version));
        call.asking = Some(offer);
        let writer = call
            .dialog
            .request(&self.identity, Method::Invite, branch, cseq, &target)
            .header(Name::Contact, format_args!("<{contact}>"))
            .header(Name::Allow, methods);
        let writer = timer.ask(writer, is_inside);
        let writer = if is_inside { writer } else { reliable.ask(writer) };
        let writer = match call.replaces.as_ref().filter(|_| !call.confirmed) {
            Some(it) => writer.header(Name::Replaces, it),
            None => writer,
        };
        let writer = self.authorize(writer, Method::Invite, &target);
        match body {
            Some(body) => writer.finish_with("application/sdp", body.as_bytes()),
            None => writer.finish(),
        }
    }

    pub(super) fn write_bye(&mut self, nth: usize, branch: &str) -> Bytes {
        let dialog = &mut self.calls[nth].dialog;
        dialog.cseq += 1;
        let target = dialog.target().to_owned();
        let writer = dialog.request(&self.identity, Method::Bye, branch, dialog.cseq, &target);
        self.authorize(writer, Method::Bye, &target).finish()
    }

    pub(super) fn write_cancel(&mut self, nth: usize, branch: &str) -> Bytes {
        let dialog = &self.calls[nth].dialog;
        let cseq = dialog.invite.1;
        dialog.request(&self.identity, Method::Cancel, branch, cseq, dialog.target()).finish()
    }

    /// The INVITE of a call that waits for our final response.
    fn open_invite(&self, nth: usize) -> Option<usize> {
        let open = |it: &Served| {
            it.call == Some(nth) && !it.is_final() && it.request.method() == Method::Invite
        };
        self.served.iter().position(open)
    }

    /// Each call has an RTP port of its own: where the phone believes it to be, and where it is.
    fn next_port(&self) -> (SocketAddr, SocketAddr) {
        let port = 4000 + 2 * (self.calls.len() % 1000) as u16;
        let open = SocketAddr::new(self.identity.address.ip(), port);
        match self.behaviour.nat {
            None => (open, open),
            Some(_) => (SocketAddr::from(([192, 168, 1, 2], port)), mapped(open)),
        }
    }
}

/// How long an owner waits who wants something while something else is under way.
const A_MOMENT: Duration = Duration::from_millis(700);

/// What a router makes of a port.
fn mapped(inside: SocketAddr) -> SocketAddr {
    SocketAddr::new(inside.ip(), inside.port() + 30_000)
}
