//! A phone: a small user agent of its own.
//!
//! It reads and prints messages with `sip::message` and shares no other line with our signalling:
//! transactions, dialogs, digest and session descriptions are written here once more, from the
//! point of view of the other end, so that an error of ours finds no accomplice. It does what its
//! [`Behaviour`] says; [`Phone::dial`], [`Phone::register`] and [`Phone::hang_up`] set it going.

mod behaviour;
mod call;
mod calling;
mod client;
mod digest;
mod early;
mod refreshing;
mod served;
mod session;
mod transferring;
mod watching;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::base::{Mono, Rng};
use crate::sip::message::{Contacts, Message, Method, Name, Writer};

use super::voice::Voice;
use client::{Client, Purpose, Receipt};
use digest::Challenge;
use served::Served;

pub use behaviour::{
    Asks, Behaviour, Early, Hold, Later, Leaves, Nat, Offers, Reliable, Reply, Session as Timer,
};
pub use call::{Call, Ending, Phase, Side};
pub use transferring::Sent;
pub use watching::{Note, Watch};

/// A phone.
#[derive(Debug)]
pub struct Phone {
    /// Who it is.
    pub identity: Identity,
    /// What it does.
    pub behaviour: Behaviour,
    /// How its registration stands.
    pub registered: Registered,
    /// Messages that made no sense to it.
    pub puzzled: u64,
    /// Final responses of its own that nobody acknowledged.
    pub unacknowledged: u64,
    /// RTP packets to ports of its address where nobody listens.
    pub astray: u64,
    /// It is gone: nothing reaches it, and it says nothing.
    gone: bool,
    rng: Rng,
    registration: Registration,
    challenge: Option<Challenge>,
    clients: Vec<Client>,
    served: Vec<Served>,
    calls: Vec<Call>,
    watches: Vec<Watch>,
    /// Whose place its next call is to take.
    replaces: Option<String>,
}

/// Who a phone is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its number, the user part of its address.
    pub number: String,
    /// What it proves.
    pub password: String,
    /// How it sounds.
    pub voice: Voice,
    /// Where it is.
    pub address: SocketAddr,
    /// Whom it sends its requests to.
    pub server: SocketAddr,
}

/// How a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It was never asked for, or not answered yet.
    No,
    /// It holds.
    Yes,
    /// It was refused.
    Refused(u16),
}

/// A SIP message under way.
#[derive(Clone, Debug)]
pub struct Letter {
    /// From where.
    pub from: SocketAddr,
    /// To where.
    pub to: SocketAddr,
    /// What it says.
    pub bytes: Bytes,
}

/// An RTP or RTCP packet under way.
#[derive(Clone, Debug)]
pub struct Frame {
    /// From where.
    pub from: SocketAddr,
    /// To where.
    pub to: SocketAddr,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// What a phone sends.
#[derive(Debug, Default)]
pub struct Out {
    /// SIP.
    pub letters: Vec<Letter>,
    /// RTP.
    pub frames: Vec<Frame>,
}

#[derive(Debug)]
struct Registration {
    call_id: String,
    tag: String,
    cseq: u32,
    again_at: Option<Mono>,
    /// It is not asked for any more.
    rests: bool,
}

impl Phone {
    /// A phone that is switched on and does nothing yet.
    pub fn new(identity: Identity, behaviour: Behaviour, mut rng: Rng) -> Self {
        let (call_id, tag) = (rng.token(), rng.token());
        Self {
            identity,
            behaviour,
            registered: Registered::No,
            puzzled: 0,
            unacknowledged: 0,
            astray: 0,
            gone: false,
            rng,
            registration: Registration { call_id, tag, cseq: 0, again_at: None, rests: false },
            challenge: None,
            clients: Vec::new(),
            served: Vec::new(),
            calls: Vec::new(),
            watches: Vec::new(),
            replaces: None,
        }
    }

    /// Registers, and keeps the registration alive.
    pub fn register(&mut self, now: Mono, out: &mut Out) {
        self.registration.again_at = None;
        self.registration.rests = false;
        self.request(now, Purpose::Register, 0, out);
    }

    /// Leaves the network without a word.
    pub(super) fn vanish(&mut self) {
        self.gone = true;
        self.rest();
        self.clients.clear();
        self.served.clear();
        for nth in 0..self.calls.len() {
            self.end(nth, Ending::Vanished);
        }
    }

    /// Lets the registration run out.
    pub fn rest(&mut self) {
        self.registration.again_at = None;
        self.registration.rests = true;
    }

    /// Its calls, the oldest first, those that are over too.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// How much of it is not over: transactions of both sides, and calls.
    pub fn unfinished(&self) -> usize {
        let calls = self.calls.iter().filter(|it| !it.is_over()).count();
        self.clients.len() + self.served.len() + calls
    }

    /// A SIP message has come.
    pub fn handle(&mut self, now: Mono, letter: Letter, out: &mut Out) {
        if self.gone {
            return;
        }
        let Some(message) = Message::parse(letter.bytes).ok().filter(|it| it.check().is_ok())
        else {
            self.puzzled += 1;
            return;
        };
        if message.is_request() {
            self.serve(now, message, letter.from, out);
        } else {
            self.receive(now, &message, out);
        }
    }

    /// An RTP or RTCP packet has come to one of its ports.
    pub fn hear(&mut self, frame: &Frame) {
        let mut calls = self.calls.iter_mut().rev();
        match calls.find(|it| it.outside == frame.to) {
            Some(call) => call.hear(frame.from, &frame.bytes),
            None => self.astray += 1,
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let clients = self.clients.iter().map(Client::poll_timeout);
        let served = self.served.iter().filter_map(Served::poll_timeout);
        let calls = self.calls.iter().filter_map(Call::poll_timeout);
        let watches = self.watches.iter().filter_map(Watch::poll_timeout);
        clients.chain(served).chain(calls).chain(watches).chain(self.registration.again_at).min()
    }

    /// Does what has fallen due.
    pub fn handle_timeout(&mut self, now: Mono, out: &mut Out) {
        self.speak(now, out);
        self.act(now, out);
        self.repeat_requests(now, out);
        self.repeat_replies(now, out);
        if self.registration.again_at.is_some_and(|it| it <= now) {
            self.register(now, out);
        }
        self.keep_watching(now, out);
    }

    fn speak(&mut self, now: Mono, out: &mut Out) {
        for call in &mut self.calls {
            while let Some((to, bytes)) = call.say(now, self.identity.voice) {
                out.frames.push(Frame { from: call.outside, to, bytes });
            }
        }
    }

    fn repeat_requests(&mut self, now: Mono, out: &mut Out) {
        let mut given_up = Vec::new();
        self.clients.retain_mut(|client| {
            while let Some(fired) = client.handle_timeout(now) {
                match fired {
                    client::Fired::Resend(letter) => out.letters.push(letter),
                    client::Fired::GaveUp(purpose) => {
                        given_up.push(purpose);
                        return false;
                    }
                    client::Fired::Gone => return false,
                }
            }
            true
        });
        for purpose in given_up {
            self.give_up(now, purpose);
        }
    }

    fn repeat_replies(&mut self, now: Mono, out: &mut Out) {
        let from = self.identity.address;
        let mut unacknowledged = Vec::new();
        self.served.retain_mut(|served| {
            while let Some(fired) = served.handle_timeout(now) {
                match fired {
                    served::Fired::Resend(to, bytes) => {
                        out.letters.push(Letter { from, to, bytes });
                    }
                    served::Fired::NoAck(call) => {
                        unacknowledged.push(call);
                        return false;
                    }
                    served::Fired::Gone => return false,
                }
            }
            true
        });
        self.unacknowledged += unacknowledged.len() as u64;
        // RFC 3261 §13.3.1.4: a call whose 2xx was never acknowledged ends with a BYE.
        for nth in unacknowledged.into_iter().flatten() {
            self.leave(now, nth, out);
        }
    }

    /// No final response came in time.
    fn give_up(&mut self, now: Mono, purpose: Purpose) {
        match purpose {
            Purpose::Register => {
                self.register_again(now + Duration::from_secs(5));
            }
            Purpose::Cancel(_) | Purpose::Subscribe(_) | Purpose::Prack(_) | Purpose::Refer(_) => {}
            Purpose::Invite(nth) | Purpose::Update(nth) => self.end(nth, Ending::Lost),
            Purpose::Bye(nth) => self.end(nth, Ending::HungUp),
        }
    }

    /// A response has come.
    fn receive(&mut self, now: Mono, response: &Message, out: &mut Out) {
        let branch = response.top_via().ok().and_then(|it| it.branch()).unwrap_or("");
        let method = response.method();
        let Some(client) = self.clients.iter_mut().find(|it| it.is(branch, method)) else {
            // The request is long over; its late repeats say nothing new.
            return;
        };
        let status = response.status().unwrap_or(0);
        let (purpose, tries) = (client.purpose, client.tries);
        match client.receive(now, status) {
            Receipt::Repeated => out.letters.extend(client.ack.clone()),
            Receipt::Provisional => {
                if let Purpose::Invite(nth) = purpose {
                    let tag = response.to().ok().and_then(|it| it.tag()).map(str::to_owned);
                    self.calls[nth].early_tag = tag;
                }
                self.hear_of(now, purpose, response, out);
            }
            Receipt::Final => {
                if let Purpose::Invite(nth) = purpose {
                    self.acknowledge(nth, response, out);
                }
                let challenged = matches!(status, 401 | 407);
                if challenged && self.may_retry(response, tries) {
                    self.request(now, purpose, tries + 1, out);
                    return;
                }
                match purpose {
                    Purpose::Register => self.learn(now, response, status, out),
                    Purpose::Invite(nth) => self.conclude(now, nth, response, status, out),
                    Purpose::Bye(nth) => self.end(nth, Ending::HungUp),
                    Purpose::Cancel(_) | Purpose::Prack(_) => {}
                    Purpose::Update(nth) => self.conclude_update(now, nth, response, status, out),
                    Purpose::Refer(nth) => self.sent(now, nth, status, out),
                    Purpose::Subscribe(nth) => self.watched(now, nth, response, status),
                }
            }
        }
    }

    /// Whether it makes sense to ask again with the challenge of this response.
    fn may_retry(&mut self, response: &Message, tries: u8) -> bool {
        let Some(challenge) = Challenge::read(response) else { return false };
        let worthwhile = tries == 0 || challenge.is_stale && tries < TRIES;
        self.challenge = Some(challenge);
        worthwhile
    }

    /// A REGISTER was answered.
    fn learn(&mut self, now: Mono, response: &Message, status: u16, out: &mut Out) {
        let least = response.text(Name::MinExpires).and_then(|it| it.parse().ok());
        let least = least.map(Duration::from_secs).filter(|it| *it > self.behaviour.expires);
        if let Some(least) = least.filter(|_| status == 423) {
            // RFC 3261 §10.2.8: too brief; it asks for as long as it must.
            self.behaviour.expires = least;
            self.request(now, Purpose::Register, 0, out);
            return;
        }
        if status >= 300 {
            self.registered = Registered::Refused(status);
            return;
        }
        self.registered = Registered::Yes;
        let mine = self.identity.contact();
        let granted = match response.contacts() {
            Ok(Contacts::List(list)) => list
                .iter()
                .find(|it| it.uri == mine)
                .and_then(|it| it.params.get("expires")?.parse().ok()),
            _ => None,
        };
        let asked = self.behaviour.expires.as_secs();
        let seconds: u64 = granted.or(response.expires().map(u64::from)).unwrap_or(asked);
        self.register_again(now + Duration::from_secs(seconds.max(2)) / 2);
    }

    fn register_again(&mut self, at: Mono) {
        self.registration.again_at = (!self.registration.rests).then_some(at);
    }

    /// Sends a request, for the first time or again with new credentials.
    fn request(&mut self, now: Mono, purpose: Purpose, tries: u8, out: &mut Out) {
        let branch = format!("z9hG4bK{}", self.rng.token());
        let (to, branch, bytes) = match purpose {
            Purpose::Register => {
                (self.identity.server, branch.clone(), self.write_register(&branch))
            }
            Purpose::Invite(nth) => {
                (self.identity.server, branch.clone(), self.write_invite(nth, &branch))
            }
            Purpose::Bye(nth) => (self.hop(nth), branch.clone(), self.write_bye(nth, &branch)),
            Purpose::Update(nth) => {
                (self.hop(nth), branch.clone(), self.write_update(nth, &branch))
            }
            Purpose::Prack(nth) => {
                let Some(prack) = self.write_prack(nth, &branch) else { return };
                (self.identity.server, branch.clone(), prack)
            }
            Purpose::Refer(nth) => (self.hop(nth), branch.clone(), self.write_refer(nth, &branch)),
            Purpose::Subscribe(nth) => {
                (self.identity.server, branch.clone(), self.write_subscribe(nth, &branch))
            }
            Purpose::Cancel(nth) => {
                // RFC 3261 §9.1: a CANCEL has the branch of what it cancels.
                let branch = self.calls[nth].dialog.invite.0.clone();
                (self.identity.server, branch.clone(), self.write_cancel(nth, &branch))
            }
        };
        let letter = Letter { from: self.identity.address, to, bytes };
        self.clients.push(Client::new(now, branch, purpose, tries, letter.clone()));
        out.letters.push(letter);
    }

    fn write_register(&mut self, branch: &str) -> Bytes {
        self.registration.cseq += 1;
        let Identity { number, server, .. } = self.identity.clone();
        let Registration { call_id, tag, cseq, .. } = &self.registration;
        let uri = format!("sip:{server}");
        let whom = format!("<sip:{number}@{server}>");
        let writer = self
            .identity
            .request(Method::Register, &uri, branch)
            .header(Name::From, format_args!("{whom};tag={tag}"))
            .header(Name::To, &whom)
            .header(Name::CallId, call_id)
            .header(Name::CSeq, format_args!("{cseq} REGISTER"))
            .header(Name::Contact, format_args!("<{}>", self.identity.contact()))
            .header(Name::Expires, self.behaviour.expires.as_secs());
        self.authorize(writer, Method::Register, &uri).finish()
    }

    /// Adds credentials, once a challenge is known.
    fn authorize(&mut self, writer: Writer, method: Method, uri: &str) -> Writer {
        let Some(challenge) = &mut self.challenge else { return writer };
        let Identity { number, password, .. } = &self.identity;
        let cnonce = self.rng.token();
        let (name, value) = challenge.answer((number, password), method, uri, &cnonce);
        writer.header(name, value)
    }
}

impl Identity {
    /// Where it is to be reached.
    pub fn contact(&self) -> String {
        format!("sip:{}@{}", self.number, self.address)
    }

    /// Begins a request.
    fn request(&self, method: Method, uri: &str, branch: &str) -> Writer {
        let via = format_args!("SIP/2.0/UDP {};rport;branch={branch}", self.address);
        Writer::request(method, uri).header(Name::Via, via).header(Name::MaxForwards, 70)
    }
}

/// How often a phone answers challenges to one request: the first, a stale nonce, another one.
const TRIES: u8 = 3;

/// RFC 3261 §17.1.1.1, table 4.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const T4: Duration = Duration::from_secs(5);
