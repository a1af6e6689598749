//! The front door of the switch: an input comes in, finds its call, and what is to be done about it
//! goes out. What happens in between stands in the files beside this one.

use std::net::IpAddr;

use super::event::{By, Fact, What};
use super::gate::Gate;
use super::lamps::Lamps;
use super::leg::Call;
use super::plan::{Outcome, Plan, Step};
use super::ports::Ports;
use super::scripts::Loads;
use super::trace::{Detail, Traced};
use super::trunk::Trunks;
use super::{Input, Output};
use crate::base::map::Keyed;
use crate::base::{CallId, Cause, LegId, Map, Mono, Now, OpId, Rng, StreamId, Timers};
use crate::directory::Directory;
use crate::media;
use crate::sip::auth::Guard;
use crate::sip::defence::{Defence, Limits};
use crate::sip::endpoint::Event;
use crate::sip::invite::Ended;
use crate::sip::registrar::{Registrar, Rules};
use crate::sip::tx::Timing;
use crate::sip::{Endpoint, invite};

/// What a switch is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The realm that phones see in challenges.
    pub realm: String,
    /// The address that stands in Via, Contact and SDP instead of the flow's own.
    pub advertise: Option<IpAddr>,
    /// Whether SIP comes and goes over IPv6, and not over IPv4.
    pub is_v6: bool,
    /// Calls through trunks that one extension may have at once.
    pub trunk_calls: usize,
    /// How much anybody may ask.
    pub limits: Limits,
    /// How phones register.
    pub rules: Rules,
}

impl Settings {
    /// The usual ones.
    pub fn new(realm: &str) -> Self {
        let (limits, rules) = (Limits::default(), Rules::default());
        Self {
            realm: realm.to_owned(),
            advertise: None,
            is_v6: false,
            trunk_calls: 2,
            limits,
            rules,
        }
    }
}

/// How much a switch holds, for people who watch it and tests that look for leftovers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Calls, those included whose scripts are still cleaning up.
    pub calls: usize,
    /// Legs of those calls.
    pub legs: usize,
    /// SIP transactions of all four kinds.
    pub transactions: usize,
    /// Legs that have signalling left to do.
    pub dialogs: usize,
    /// Operations that scripts wait for.
    pub ops: usize,
    /// Registered contacts.
    pub bindings: usize,
    /// Subscriptions of lamps and the like.
    pub subscriptions: usize,
    /// Trunks that still tell their carriers that they go.
    pub leaving: usize,
    /// RTP ports that are free.
    pub ports_free: usize,
    /// RTP ports that were offered.
    pub ports: usize,
}

/// Signalling, calls and the dial plan.
#[derive(Debug)]
pub struct Switch<P> {
    pub(super) rng: Rng,
    pub(super) endpoint: Endpoint,
    pub(super) guard: Guard,
    pub(super) gate: Gate,
    pub(super) registrar: Registrar,
    pub(super) lamps: Lamps,
    pub(super) trunks: Trunks,
    pub(super) directory: Directory,
    pub(super) plan: P,
    pub(super) loads: Loads,
    pub(super) calls: Map<CallId, Call>,
    pub(super) legs: Map<LegId, CallId>,
    pub(super) streams: Map<StreamId, Held>,
    pub(super) ops: Map<OpId, CallId>,
    pub(super) ports: Ports,
    pub(super) timers: Timers<OpId>,
    pub(super) last_id: u64,
    pub(super) closing: bool,
    /// What happens cannot be written down fast enough.
    pub(super) behind: bool,
}

/// Where a stream is, until its plane says that it is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) thread: u8,
    pub(super) call: CallId,
    pub(super) leg: LegId,
}

/// Operations of our own, such as ringback, have this bit; those of a plan do not.
const OWN: u64 = 1 << 63;
/// The most steps of scripts between two inputs; a flow that computes ends the turn earlier.
const STEPS_MAX: usize = 64;

impl<P: Plan> Switch<P> {
    /// A switch with nothing provisioned.
    pub fn new(settings: Settings, mut rng: Rng, plan: P) -> Self {
        let hash = Keyed::new(&mut rng);
        Self {
            endpoint: Endpoint::new(Timing::default(), rng.fork(), settings.advertise),
            guard: Guard::new(&mut rng, &settings.realm),
            gate: Gate::new(Defence::new(hash, settings.limits), hash),
            registrar: Registrar::new(settings.rules),
            lamps: Lamps::new(hash),
            trunks: Trunks::new(rng.fork(), &settings),
            directory: Directory::default(),
            plan,
            loads: Loads::default(),
            calls: hash.map(),
            legs: hash.map(),
            streams: hash.map(),
            ops: hash.map(),
            ports: Ports::default(),
            timers: Timers::new(),
            last_id: 0,
            closing: false,
            behind: false,
            rng,
        }
    }

    /// Takes an input; what is to be done about it is appended to `out`.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        let start = out.len();
        match input {
            Input::Message { flow, bytes } => self.message(now, flow, bytes),
            Input::Connected { flow, identities } => {
                self.endpoint.connected(flow, identities);
                self.trunk_connected(now, flow, out);
            }
            Input::Disconnected { flow } => {
                self.endpoint.disconnected(now.mono, flow);
                self.trunk_disconnected(now, flow, out);
            }
            Input::Media(event) => self.media(now, event, out),
            Input::Directory(delta) => self.provision(now, delta, out),
            Input::Scripts(scripts) => self.load(now, scripts, out),
            Input::Restored(kept) => self.restored(now, kept),
            Input::Watched(it) => self.watched_before(now, it),
            Input::Ask { ticket, question } => {
                let answer = self.asked(now, question, out);
                out.push(Output::Told { ticket, answer });
            }
            Input::Behind(behind) => self.behind = behind,
            Input::Overloaded(overloaded) => self.gate.defence.overload(overloaded),
            Input::Ports { thread, ports } => self.ports.offer(thread, ports),
            Input::Dns(question, answer) => self.dns_answered(now, question, answer, out),
            Input::Routed { remote, local } => self.routed(now, remote, local, out),
            Input::Shutdown => self.shut_down(now, out),
        }
        self.settle(now, start, out);
    }

    /// Fires what has fallen due, and lets scripts compute.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Vec<Output>) {
        let start = out.len();
        self.endpoint.handle_timeout(now.mono);
        while let Some(op) = self.timers.pop(now.mono) {
            self.op_due(now, op, out);
        }
        while let Some((extension, contact)) = self.registrar.expire(now.mono) {
            tell(out, now, None, What::Expired { extension, contact });
        }
        self.trunks_due(now, out);
        self.keep_alive(now);
        self.tell_resumed(now);
        self.plan.handle_timeout(now);
        self.settle(now, start, out);
    }

    /// When to call [`Self::handle_timeout`] next. A time that has passed means now.
    pub fn poll_timeout(&self) -> Option<Mono> {
        if self.plan.is_runnable() {
            return Some(Mono::ZERO);
        }
        let next = [
            self.endpoint.poll_timeout(),
            self.timers.next(),
            self.registrar.poll_timeout(),
            self.lamps.poll_timeout(),
            self.trunks.poll_timeout(),
            self.plan.poll_timeout(),
        ];
        next.into_iter().flatten().min()
    }

    /// What is held.
    pub fn census(&self) -> Census {
        Census {
            calls: self.calls.len(),
            legs: self.legs.len(),
            transactions: self.endpoint.transactions(),
            dialogs: self.endpoint.dialogs(),
            ops: self.ops.len(),
            bindings: self.registrar.len(),
            subscriptions: self.endpoint.subscriptions(),
            leaving: self.trunks.leaving(),
            ports_free: self.ports.free(),
            ports: self.ports.offered(),
        }
    }

    /// Carries events to their calls and runs scripts until all is quiet, or a script has used its
    /// slice up: then datagrams come first. What was put out since `start` is news for lamps.
    fn settle(&mut self, now: Now, start: usize, out: &mut Vec<Output>) {
        let mut steps = 0;
        let mut lit = start;
        loop {
            self.flush(out);
            self.light(out.get(lit..).unwrap_or_default());
            lit = out.len();
            if let Some(event) = self.endpoint.events.pop_front() {
                match event {
                    Event::Stranger(request) => self.arrived(now, request, out),
                    Event::Leg(leg, event) => self.leg_event(now, leg, event, out),
                    Event::Alive(flow, phone, branch) => {
                        self.registrar.alive(now.mono, flow, phone, &branch);
                    }
                    Event::Subscription(id, event) => self.subscription_event(now, id, event, out),
                    Event::Answered(ask, reply) => self.carrier_answered(now, ask, reply, out),
                }
                continue;
            }
            if steps == STEPS_MAX {
                return;
            }
            steps += 1;
            match self.plan.run(now) {
                None => return,
                Some(Step::Sliced { .. } | Step::Loading) => steps = STEPS_MAX,
                Some(step) => self.step(now, step, out),
            }
        }
    }

    fn leg_event(&mut self, now: Now, leg: LegId, event: invite::Event, out: &mut Vec<Output>) {
        let Some(id) = self.legs.get(&leg).copied() else { return };
        match event {
            invite::Event::Ringing { .. } => self.callee_rings(now, id, leg, out),
            invite::Event::Accepted { sdp } => self.callee_answered(now, id, leg, sdp, out),
            invite::Event::ComeLater { wait } => self.carrier_rests(now, leg, wait),
            invite::Event::Refused { status } => self.callee_refused(now, id, leg, status, out),
            invite::Event::Acked { sdp } => self.acked(now, id, leg, sdp, out),
            invite::Event::Offered { sdp } => self.offered(now, id, leg, sdp, out),
            invite::Event::Withdrawn => self.withdrawn(now, id, leg, out),
            invite::Event::Modified { sdp } => self.modified(now, id, leg, sdp, out),
            invite::Event::NotModified { status } => self.not_modified(now, id, leg, status, out),
            invite::Event::Refresh => self.refresh(now, id, leg),
            invite::Event::Referred(it) => self.referred(now, id, leg, it, out),
            invite::Event::Ended(Ended::Gone) => {
                self.leg_left(now, id, leg, Cause::Lost, By::House, out);
            }
            invite::Event::Ended(_) => {
                self.leg_left(now, id, leg, Cause::Hangup, By::Peer, out);
            }
        }
    }

    fn media(&mut self, now: Now, event: media::Event, out: &mut Vec<Output>) {
        match event {
            media::Event::Played { op, .. } => self.played(now, op, out),
            media::Event::Closed { stream, port, stats } => {
                if let Some(held) = self.streams.remove(&stream) {
                    let Held { call, leg, .. } = held;
                    self.ports.give_back(held.thread, port);
                    out.push(Output::Traced(Traced {
                        call,
                        detail: Detail::Closed { leg, stats },
                    }));
                }
            }
            media::Event::Silent { stream } => self.stream_silent(now, stream, out),
            media::Event::Digit { .. } => {}
        }
    }

    pub(super) fn step(&mut self, now: Now, step: Step, out: &mut Vec<Output>) {
        match step {
            Step::Sliced { .. } | Step::Loading => {}
            Step::Loaded { generation, result } => self.loaded(now, generation, result, out),
            Step::Do { call, id, op, at } => self.begin_op(now, call, id, op, at, out),
            Step::Cancel { call, id } => self.cancel_op(now, call, id, out),
            Step::Log { call, text, at } => self.said(now, call, text, at, out),
            Step::Handled { call, end } => self.handled(now, call, end, out),
            Step::Over { call } => self.forget_call(call),
        }
    }

    /// Nothing is left of a call.
    pub(super) fn forget_call(&mut self, id: CallId) {
        let Some(over) = self.calls.remove(&id) else { return };
        self.loads.ended(over.generation);
        self.gate.ended(id, &over.account);
        for op in over.sleeps {
            self.ops.remove(&op);
            self.timers.set(op, None);
        }
    }

    fn shut_down(&mut self, now: Now, out: &mut Vec<Output>) {
        self.closing = true;
        self.leave_trunks(now, out);
        let mut all: Vec<CallId> = self.calls.keys().copied().collect();
        all.sort_unstable();
        for call in all {
            self.end_call(now, call, Cause::Failed, By::House, out);
        }
    }

    /// Moves what SIP wants to send to the outputs, behind what stands there already.
    pub(super) fn flush(&mut self, out: &mut Vec<Output>) {
        out.extend(self.endpoint.wanted.drain(..).map(Output::Connect));
        out.extend(self.endpoint.trusted.drain(..).map(|flow| Output::Trusted { flow }));
        out.extend(self.endpoint.surplus.drain(..).map(|flow| Output::Close { flow }));
        out.extend(self.endpoint.sends.drain(..).map(|(flow, bytes)| Output::Send { flow, bytes }));
    }

    /// Brings an outcome to the flow that waits for it.
    pub(super) fn resume(&mut self, now: Now, op: OpId, outcome: Outcome) {
        self.timers.set(op, None);
        if self.ops.remove(&op).is_some() {
            self.plan.resume(now, op, outcome);
        }
    }

    /// An operation of our own; see [`OWN`].
    pub(super) fn own_op(&mut self) -> OpId {
        OpId(OWN | self.next_id())
    }

    /// A number that no leg, stream or operation of ours has had.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// Writes a fact down.
pub(super) fn tell(out: &mut Vec<Output>, now: Now, call: Option<CallId>, what: What) {
    out.push(Output::Fact(Fact { call, at: now.wall, what }));
}
