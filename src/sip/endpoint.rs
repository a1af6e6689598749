//! The front door of SIP: bytes come in; answers, resends and events of legs come out.
//!
//! A request that belongs to no transaction and no dialog of ours is handed out as a
//! [`Event::Stranger`]; nothing is kept of it until somebody takes it ([`Endpoint::respond`],
//! [`Endpoint::take`]). It can be refused without keeping anything at all ([`Endpoint::reply_stateless`],
//! RFC 3261 §8.2.7).
//!
//! The signalling of a leg, from its INVITE to its BYE, stands in [`super::invite`], a file per
//! verb; its machines are driven from here.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::IpAddr;

use bytes::Bytes;

use super::alive;
use super::connections::{Connections, Wanted};
use super::invite::{Legs, Usage};
use super::message::{Fault, Message, Method, Name, Writer};
use super::subscribe::{self, Subscriptions};
use super::tx::key::Key;
use super::tx::{Failure, Timing, client, invite_client, invite_server, server};
use super::{Flow, invite};
use crate::base::map::Keyed;
use crate::base::{AskId, LegId, Map, Mono, Rng, SubId, Timers};

/// The methods we understand, as Allow says it.
pub const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, REFER, REGISTER, SUBSCRIBE";

/// How much longer than a stranger's request its answer may be.
const AMPLIFICATION_MAX: usize = 2;

/// Every SIP transaction and the signalling of every leg.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) timing: Timing,
    pub(super) rng: Rng,
    advertise: Option<IpAddr>,
    hash: Keyed,
    pub(super) txs: Map<TxId, Tx>,
    pub(super) by_key: Map<Key, TxId>,
    last_tx: u64,
    pub(super) connections: Connections,
    pub(super) legs: Legs,
    pub(super) subscriptions: Subscriptions,
    pub(super) timers: Timers<Timer>,
    /// What is to be sent, in order.
    pub sends: Vec<(Flow, Bytes)>,
    /// What has happened, in order.
    pub events: VecDeque<Event>,
    /// Flows on connections on which somebody known has shown up for the first time.
    pub trusted: Vec<Flow>,
    /// Connections that are to be closed: their accounts have newer ones.
    pub surplus: Vec<Flow>,
    /// Connections that are to be opened.
    pub wanted: Vec<Wanted>,
}

/// What the room above is told.
#[derive(Debug)]
pub enum Event {
    /// A request outside of all dialogs. ACK and CANCEL never come here.
    Stranger(Request),
    /// Something happened to a leg.
    Leg(LegId, invite::Event),
    /// A phone that [`Endpoint::ask_alive`] has asked answers along this flow: its number, and the
    /// branch of the question.
    Alive(Flow, u64, String),
    /// Something happened to a subscription.
    Subscription(SubId, subscribe::Event),
    /// What came of a request of ours; see [`Endpoint::ask`].
    Answered(AskId, Reply),
}

/// What came of a request of ours outside of calls.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The final status; 408 when nobody answered, 430 when the flow is gone.
    pub status: u16,
    /// The response, if one came.
    pub message: Option<Message>,
}

/// A request that nobody has taken yet.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it says; it has passed [`Message::check`].
    pub message: Message,
    /// Where it came from.
    pub flow: Flow,
}

/// The name of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TxId(u64);

/// What the timer table keeps deadlines for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Tx(TxId),
    Leg(LegId),
    /// A transaction of ours whose leg is over.
    Orphan(TxId),
    Subscription(SubId),
}

/// Who hears what comes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    Leg(LegId),
    /// An UPDATE of this leg.
    Update(LegId),
    Asker(AskId),
    /// The leg whose peer is told of a transfer.
    Refer(LegId),
}

/// A transaction, its flow and what it belongs to.
#[derive(Debug)]
pub(super) struct Tx {
    machine: Machine,
    key: Key,
    pub(super) flow: Flow,
    owner: Owner,
    /// Of an INVITE of ours: the request, which CANCEL and ACK are made from.
    pub(super) request: Bytes,
    /// Of an INVITE of ours: the ACKs for its 2xx, by the peer's tag, for 2xx that come again.
    pub(super) acks: Vec<(String, Bytes)>,
}

#[derive(Debug)]
enum Machine {
    InviteServer(invite_server::InviteServer),
    InviteClient(invite_client::InviteClient),
    Server(server::Server),
    Client(client::Client),
}

impl Endpoint {
    /// An endpoint that has heard nothing yet. With `advertise`, that address stands in Via and
    /// Contact instead of the flow's own.
    pub fn new(timing: Timing, mut rng: Rng, advertise: Option<IpAddr>) -> Self {
        let hash = Keyed::new(&mut rng);
        Self {
            timing,
            rng,
            advertise,
            hash,
            txs: hash.map(),
            by_key: hash.map(),
            last_tx: 0,
            connections: Connections::new(hash),
            legs: Legs::new(hash),
            subscriptions: Subscriptions::new(hash),
            timers: Timers::new(),
            sends: Vec::new(),
            events: VecDeque::new(),
            trusted: Vec::new(),
            surplus: Vec::new(),
            wanted: Vec::new(),
        }
    }

    /// Takes a message: a datagram, or what was cut out of a stream. The header part in which a
    /// stream broke may be given too, for its sender to be told.
    pub fn receive(&mut self, now: Mono, flow: Flow, bytes: Bytes) {
        self.connections.heard(flow);
        // What cannot be framed cannot be answered either.
        let Ok(message) = Message::parse(bytes) else { return };
        match (message.is_request(), check(flow, &message)) {
            (true, Ok(())) => self.receive_request(now, flow, message),
            (true, Err(fault)) => self.refuse_malformed(flow, &message, &fault),
            (false, Ok(())) => self.receive_response(now, flow, &message),
            (false, Err(_)) => {}
        }
    }

    /// Answers a request without keeping anything (RFC 3261 §8.2.7). `more` adds headers.
    pub fn reply_stateless(
        &mut self,
        request: &Request,
        status: u16,
        more: impl FnOnce(Writer) -> Writer,
    ) {
        let tag = self.stateless_tag(&request.message);
        let reply = Writer::reply(&request.message, status, request.flow.remote, Some(&tag));
        self.send_unproved(request.flow, &request.message, more(reply).finish());
    }

    /// Opens a transaction for a request that is not an INVITE and answers it.
    pub fn respond(
        &mut self,
        now: Mono,
        request: &Request,
        status: u16,
        more: impl FnOnce(Writer) -> Writer,
    ) {
        let tag = self.rng.token();
        let reply = Writer::reply(&request.message, status, request.flow.remote, Some(&tag));
        self.respond_with(now, request, status, more(reply).finish());
    }

    /// Opens a transaction for a request that is not an INVITE and answers it with these bytes.
    pub(super) fn respond_with(&mut self, now: Mono, request: &Request, status: u16, bytes: Bytes) {
        let reliable = request.flow.transport.is_reliable();
        let machine = Machine::Server(server::Server::new(self.timing, reliable));
        let key = server_key(&request.message);
        let id = self.open(machine, key, request.flow, Owner::Nobody, Bytes::new());
        self.reply(now, id, status, bytes);
    }

    /// Fires every timer that has fallen due.
    pub fn handle_timeout(&mut self, now: Mono) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Tx(id) => self.drive(now, id, Drive::Timeout, None),
                Timer::Leg(leg) => self.leg_timeout(now, leg),
                Timer::Orphan(id) => self.forget(id),
                Timer::Subscription(id) => self.subscription_due(id),
            }
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// How many transactions there are.
    pub fn transactions(&self) -> usize {
        self.txs.len()
    }

    /// The dialog of a leg: Call-ID, our tag and the peer's, which is empty until it is known.
    pub fn dialog_of(&self, leg: LegId) -> Option<(String, String, String)> {
        let dialog = &self.legs.get(leg)?.dialog;
        let (call_id, ours) = dialog.key();
        Some((call_id, ours, dialog.remote_tag().to_owned()))
    }

    /// How many legs have signalling, early and ending ones too.
    pub fn dialogs(&self) -> usize {
        self.legs.len()
    }

    fn receive_request(&mut self, now: Mono, flow: Flow, message: Message) {
        let key = server_key(&message);
        if let Some(id) = self.by_key.get(&key).copied() {
            let drive = match message.method() {
                Method::Ack => Drive::Ack,
                _ => Drive::Again,
            };
            self.drive(now, id, drive, Some(&message));
            return;
        }
        let request = Request { message, flow };
        match (request.message.method(), request.message.to().ok().and_then(|it| it.tag())) {
            // §17.2.3: the CANCEL is a transaction of its own, beside the one that it means.
            (Method::Cancel, _) => self.cancelled(now, &request),
            (Method::Ack, Some(_)) => self.acked(now, &request),
            // §8.2.7: an ACK for an answer that we kept nothing of.
            (Method::Ack, None) => {}
            (_, Some(_)) => match self.subscriptions.find(&request.message) {
                Some(id) => self.subscriber_asks(now, id, &request),
                None => self.within(now, request),
            },
            (_, None) => self.events.push_back(Event::Stranger(request)),
        }
    }

    fn receive_response(&mut self, now: Mono, flow: Flow, response: &Message) {
        let Some(status) = response.status() else { return };
        // §18.1.2: a response whose top Via is not ours is dropped; a branch of ours is a secret.
        let Some(branch) = response.top_via().ok().and_then(|it| it.branch().map(str::to_owned))
        else {
            return;
        };
        let key = Key::client(&branch, response.method_token());
        if let Some(id) = self.by_key.get(&key).copied() {
            self.drive(now, id, Drive::Response(status), Some(response));
        } else if let Some(phone) = alive::phone_of(&branch) {
            self.events.push_back(Event::Alive(flow, phone, branch));
        }
    }

    /// Answers what we can frame but not read. Only requests; an ACK is never answered.
    fn refuse_malformed(&mut self, flow: Flow, message: &Message, fault: &Fault) {
        let answerable = message.method() != Method::Ack
            && message.first(Name::Via).is_some()
            && message.first(Name::CSeq).is_some();
        if answerable {
            let tag = self.stateless_tag(message);
            let reason = fault.to_string();
            let reply =
                Writer::reply_with(message, fault.status(), &reason, flow.remote, Some(&tag));
            self.send_unproved(flow, message, reply.finish());
        }
    }

    /// Sends an answer to somebody who has not proved who they are. Their address may be forged, so
    /// what reaches it through us is at most twice what they have sent themselves. (Real requests are
    /// longer than half of our answers.)
    fn send_unproved(&mut self, flow: Flow, request: &Message, reply: Bytes) {
        let is_forgeable = !flow.transport.is_reliable();
        if !is_forgeable || reply.len() <= AMPLIFICATION_MAX * request.bytes().len() {
            self.sends.push((flow, reply));
        }
    }

    /// A tag that comes out the same when the same request comes again.
    fn stateless_tag(&self, message: &Message) -> String {
        let branch = message.top_via().ok().and_then(|it| it.branch().map(str::to_owned));
        format!("{:016x}", self.hash.hash_one((message.call_id(), branch)))
    }

    // What the verbs in `invite` are made of.

    /// Opens an INVITE server transaction.
    pub(super) fn open_invite_server(&mut self, request: &Request, leg: LegId) -> TxId {
        let reliable = request.flow.transport.is_reliable();
        let machine =
            Machine::InviteServer(invite_server::InviteServer::new(self.timing, reliable));
        let key = server_key(&request.message);
        self.open(machine, key, request.flow, Owner::Leg(leg), Bytes::new())
    }

    /// Sends an INVITE of ours.
    pub(super) fn open_invite_client(
        &mut self,
        now: Mono,
        flow: Flow,
        leg: LegId,
        branch: &str,
        bytes: Bytes,
    ) -> TxId {
        let reliable = flow.transport.is_reliable();
        let mut out = Vec::new();
        let machine =
            invite_client::InviteClient::new(self.timing, reliable, bytes.clone(), now, &mut out);
        let key = Key::client(branch, "INVITE");
        let id = self.open(Machine::InviteClient(machine), key, flow, Owner::Leg(leg), bytes);
        self.after(now, id, out.into_iter().map(Done::from), None);
        id
    }

    /// Sends a request of ours that is not an INVITE.
    pub(super) fn open_client(
        &mut self,
        now: Mono,
        flow: Flow,
        owner: Owner,
        branch: &str,
        method: Method,
        bytes: Bytes,
    ) {
        let reliable = flow.transport.is_reliable();
        let mut out = Vec::new();
        let machine = client::Client::new(self.timing, reliable, bytes, now, &mut out);
        let key = Key::client(branch, method.word());
        let id = self.open(Machine::Client(machine), key, flow, owner, Bytes::new());
        self.after(now, id, out.into_iter().map(Done::from), None);
        self.fail_if_unreachable(now, flow, id);
    }

    /// Answers with a server transaction.
    pub(super) fn reply(&mut self, now: Mono, id: TxId, status: u16, bytes: Bytes) {
        self.drive(now, id, Drive::Reply(status, bytes), None);
    }

    /// A new branch and the Via that carries it (§8.1.1.7, RFC 3581).
    pub(super) fn via(&mut self, flow: Flow) -> (String, String) {
        let branch = format!("z9hG4bK{}", self.rng.token());
        let address = self.address(flow);
        let word = flow.transport.word();
        let via = format!("SIP/2.0/{word} {address};branch={branch};rport");
        (branch, via)
    }

    /// Our address as the peer of this flow is told: host and port.
    pub fn address(&self, flow: Flow) -> std::net::SocketAddr {
        let ip = self.advertise.unwrap_or(flow.local.ip());
        std::net::SocketAddr::new(ip, flow.local.port())
    }

    fn open(
        &mut self,
        machine: Machine,
        key: Key,
        flow: Flow,
        owner: Owner,
        request: Bytes,
    ) -> TxId {
        self.last_tx += 1;
        let id = TxId(self.last_tx);
        self.by_key.insert(key.clone(), id);
        self.connections.opened(flow, id);
        self.txs.insert(id, Tx { machine, key, flow, owner, request, acks: Vec::new() });
        id
    }

    /// Gives a machine its input and carries out what it says.
    pub(super) fn drive(&mut self, now: Mono, id: TxId, input: Drive, message: Option<&Message>) {
        let Some(tx) = self.txs.get_mut(&id) else { return };
        let done: Vec<Done> = match &mut tx.machine {
            Machine::InviteServer(it) => {
                let mut out = Vec::new();
                match input {
                    Drive::Again => it.handle(now, invite_server::Input::Invite, &mut out),
                    Drive::Ack => it.handle(now, invite_server::Input::Ack, &mut out),
                    Drive::Reply(status, bytes) => {
                        it.handle(now, invite_server::Input::Reply { status, bytes }, &mut out);
                    }
                    Drive::Timeout => it.handle_timeout(now, &mut out),
                    Drive::Unreachable => {
                        it.handle(now, invite_server::Input::Unreachable, &mut out);
                    }
                    Drive::Response(_) => {}
                }
                out.into_iter().map(Done::from).collect()
            }
            Machine::Server(it) => {
                let mut out = Vec::new();
                match input {
                    Drive::Again => it.handle(now, server::Input::Request, &mut out),
                    Drive::Reply(status, bytes) => {
                        it.handle(now, server::Input::Reply { status, bytes }, &mut out);
                    }
                    Drive::Timeout => it.handle_timeout(now, &mut out),
                    Drive::Unreachable => it.handle(now, server::Input::Unreachable, &mut out),
                    Drive::Ack | Drive::Response(_) => {}
                }
                out.into_iter().map(Done::from).collect()
            }
            Machine::InviteClient(it) => {
                let mut out = Vec::new();
                match input {
                    Drive::Response(status) => {
                        it.handle(now, invite_client::Input::Response(status), &mut out);
                    }
                    Drive::Timeout => it.handle_timeout(now, &mut out),
                    Drive::Unreachable => {
                        it.handle(now, invite_client::Input::Unreachable, &mut out);
                    }
                    Drive::Again | Drive::Ack | Drive::Reply(..) => {}
                }
                out.into_iter().map(Done::from).collect()
            }
            Machine::Client(it) => {
                let mut out = Vec::new();
                match input {
                    Drive::Response(status) => {
                        it.handle(now, client::Input::Response(status), &mut out);
                    }
                    Drive::Timeout => it.handle_timeout(now, &mut out),
                    Drive::Unreachable => it.handle(now, client::Input::Unreachable, &mut out),
                    Drive::Again | Drive::Ack | Drive::Reply(..) => {}
                }
                out.into_iter().map(Done::from).collect()
            }
        };
        self.after(now, id, done.into_iter(), message);
    }

    fn after(
        &mut self,
        now: Mono,
        id: TxId,
        done: impl Iterator<Item = Done>,
        message: Option<&Message>,
    ) {
        let Some(tx) = self.txs.get(&id) else { return };
        let (flow, owner) = (tx.flow, tx.owner);
        let next = tx.machine.poll_timeout();
        let is_over = tx.machine.is_over();
        self.timers.set(Timer::Tx(id), next);
        for it in done {
            match (it, owner, message) {
                (Done::Send(bytes), ..) => self.sends.push((flow, bytes)),
                (Done::Ack, _, Some(response)) => self.ack_refusal(id, response),
                (Done::Pass, Owner::Leg(leg), Some(response)) => {
                    self.invite_answered(now, leg, id, response);
                }
                (Done::Pass, Owner::Update(leg), Some(response)) => {
                    self.update_answered(now, leg, response);
                }
                (Done::Failed(why), Owner::Update(leg), _) => self.update_failed(now, leg, why),
                (Done::Pass, Owner::Asker(ask), Some(response)) => self.replied(ask, response),
                (Done::Pass, Owner::Refer(leg), Some(response)) => {
                    self.refer_noted(now, leg, response.status().unwrap_or(0));
                }
                (Done::Failed(_), Owner::Refer(leg), _) => self.refer_noted(now, leg, 408),
                (Done::Failed(why), Owner::Leg(leg), _) => self.unanswered(now, leg, id, why),
                (Done::Failed(why), Owner::Asker(ask), _) => self.unreplied(ask, why),
                // An ACK that matches a 2xx's transaction belongs to the dialog, by its To tag.
                (Done::PassAck, _, Some(ack)) => {
                    self.acked(now, &Request { message: ack.clone(), flow });
                }
                (Done::Ack | Done::Pass | Done::PassAck | Done::Failed(_), ..) => {}
            }
        }
        if is_over {
            self.forget(id);
        }
    }

    /// Forgets a transaction.
    pub(super) fn forget(&mut self, id: TxId) {
        if let Some(tx) = self.txs.remove(&id) {
            self.by_key.remove(&tx.key);
            self.connections.closed(tx.flow, id);
            self.timers.set(Timer::Tx(id), None);
            self.timers.set(Timer::Orphan(id), None);
        }
    }

    /// The leg that signalling of ours belongs to.
    pub(super) fn usage(&mut self, leg: LegId) -> Option<&mut Usage> {
        self.legs.get_mut(leg)
    }
}

impl Tx {
    /// The leg that it belongs to.
    pub(super) fn leg(&self) -> Option<LegId> {
        match self.owner {
            Owner::Leg(leg) => Some(leg),
            Owner::Nobody | Owner::Update(_) | Owner::Asker(_) | Owner::Refer(_) => None,
        }
    }
}

impl Machine {
    fn poll_timeout(&self) -> Option<Mono> {
        match self {
            Self::InviteServer(it) => it.poll_timeout(),
            Self::InviteClient(it) => it.poll_timeout(),
            Self::Server(it) => it.poll_timeout(),
            Self::Client(it) => it.poll_timeout(),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::InviteServer(it) => it.is_over(),
            Self::InviteClient(it) => it.is_over(),
            Self::Server(it) => it.is_over(),
            Self::Client(it) => it.is_over(),
        }
    }
}

/// What happens to a transaction, whichever of the four it is.
#[derive(Debug)]
pub(super) enum Drive {
    Again,
    Ack,
    Reply(u16, Bytes),
    Response(u16),
    Unreachable,
    Timeout,
}

/// What a transaction wants, whichever of the four it is.
#[derive(Debug)]
enum Done {
    Send(Bytes),
    Ack,
    Pass,
    PassAck,
    Failed(Failure),
}

impl From<invite_server::Output> for Done {
    fn from(it: invite_server::Output) -> Self {
        match it {
            invite_server::Output::Send(bytes) => Self::Send(bytes),
            invite_server::Output::PassAck => Self::PassAck,
            invite_server::Output::Failed(why) => Self::Failed(why),
        }
    }
}

impl From<invite_client::Output> for Done {
    fn from(it: invite_client::Output) -> Self {
        match it {
            invite_client::Output::Send(bytes) => Self::Send(bytes),
            invite_client::Output::Pass => Self::Pass,
            invite_client::Output::Ack => Self::Ack,
            invite_client::Output::Failed(why) => Self::Failed(why),
        }
    }
}

impl From<server::Output> for Done {
    fn from(it: server::Output) -> Self {
        match it {
            server::Output::Send(bytes) => Self::Send(bytes),
            server::Output::Failed(why) => Self::Failed(why),
        }
    }
}

impl From<client::Output> for Done {
    fn from(it: client::Output) -> Self {
        match it {
            client::Output::Send(bytes) => Self::Send(bytes),
            client::Output::Pass => Self::Pass,
            client::Output::Failed(why) => Self::Failed(why),
        }
    }
}

/// RFC 3261 §20.14: on a stream Content-Length is not left out.
fn check(flow: Flow, message: &Message) -> Result<(), Fault> {
    message.check()?;
    match message.content_length()? {
        None if flow.transport.is_reliable() => Err(Fault::Missing(Name::ContentLength)),
        _ => Ok(()),
    }
}

/// The key of the server transaction that a request opens or belongs to (§17.2.3).
pub(super) fn server_key(message: &Message) -> Key {
    key_as(message, message.method_token())
}

/// The key that a request of the same branch with another method has.
pub(super) fn key_as(message: &Message, method: &str) -> Key {
    let via = message.top_via();
    let (branch, sent_by) = via.as_ref().map_or((None, ""), |it| (it.branch(), it.sent_by()));
    let from = message.from().ok();
    Key::server(
        method,
        branch,
        sent_by,
        message.call_id().unwrap_or_default(),
        message.cseq().map_or(0, |it| it.number),
        from.as_ref().and_then(|it| it.tag()),
    )
}

#[cfg(test)]
mod tests;
