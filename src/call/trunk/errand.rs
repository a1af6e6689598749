//! A request to a carrier on its way: where the carrier is, how we get there, what it says.
//!
//! ```text
//!             known flow
//!   begin ---------------------------------------+
//!     |                                          v
//!  +---------+ found  +-----+ routed,      +-------+  2xx-6xx: to the line
//!  | Looking |------->| Way |  connected -->| Asked |------------------------> over
//!  +---------+        +-----+              +-------+
//!     | nothing        ^  |  no way            |  408, 430, 5xx; 4 s without a word
//!     v                |  +------- next -------+  while there is another destination
//!   failed             +-----------------------+
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::outgoing::Outgoing;
use super::{Due, LineId, aor, carrier};
use crate::base::{AskId, Now};
use crate::call::Output;
use crate::call::plan::Plan;
use crate::call::switch::Switch;
use crate::sip::endpoint::{ALLOW, Reply};
use crate::sip::enrol::{self, Enrol, Register};
use crate::sip::message::{Method, Name, Writer};
use crate::sip::resolve::{self, Answer, Destination, LookupId, Protocol, Question};
use crate::sip::{Connection, Flow, Transport};

/// How long a destination may be silent while there is another one.
const PATIENCE: Duration = Duration::from_secs(4);

/// A request of a line.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) line: LineId,
    pub(super) task: Task,
    stage: Stage,
    pub(super) left: VecDeque<Destination>,
    /// What the destinations before this one have said.
    said: Option<Reply>,
}

/// What is to be said.
#[derive(Debug)]
pub(super) enum Task {
    Register(Box<Register>),
    Ping,
    Call(Box<Outgoing>),
}

#[derive(Debug)]
enum Stage {
    Looking,
    /// We want to know which address of ours this one sees.
    Route(SocketAddr),
    /// A connection is being opened.
    Connect(Connection, Destination),
    Asked(AskId),
}

impl<P: Plan> Switch<P> {
    pub(super) fn begin_errand(
        &mut self,
        now: Now,
        line: LineId,
        task: Task,
        out: &mut Vec<Output>,
    ) {
        let id = self.next_id();
        let Some(it) = self.trunks.lines.get(&line) else { return };
        let known = it.flow.filter(|flow| it.leaving && self.endpoint.is_reachable(*flow));
        let target = it.target.clone();
        let stage = Stage::Looking;
        let errand = Errand { line, task, stage, left: VecDeque::new(), said: None };
        self.trunks.errands.insert(id, errand);
        match (known, target) {
            // Who leaves says so where it is known, for there may be no time to look.
            (Some(flow), _) => self.ask_carrier(now, id, flow, out),
            (None, Some(target)) => {
                let mut found = Vec::new();
                let input = resolve::Input::Find(LookupId(id), target);
                self.trunks.resolver.handle(now.mono, input, &mut found);
                self.resolved(now, found, out);
            }
            (None, None) => self.end_errand(now, id, None, out),
        }
    }

    /// Nobody wants to know any more what comes of it.
    pub(super) fn drop_errand(&mut self, now: Now, id: u64) -> Option<Task> {
        self.trunks.timers.set(Due::Errand(id), None);
        let errand = self.trunks.errands.remove(&id);
        let input = resolve::Input::Forget(LookupId(id));
        self.trunks.resolver.handle(now.mono, input, &mut Vec::new());
        errand.map(|it| it.task)
    }

    /// DNS has spoken.
    pub(in crate::call) fn dns_answered(
        &mut self,
        now: Now,
        question: Question,
        answer: Answer,
        out: &mut Vec<Output>,
    ) {
        let mut found = Vec::new();
        let input = resolve::Input::Answer(question, answer);
        self.trunks.resolver.handle(now.mono, input, &mut found);
        self.resolved(now, found, out);
    }

    pub(super) fn resolved(
        &mut self,
        now: Now,
        found: Vec<resolve::Output>,
        out: &mut Vec<Output>,
    ) {
        for it in found {
            match it {
                resolve::Output::Question(question) => out.push(Output::Dns(question)),
                resolve::Output::Found(LookupId(id), all) => {
                    if let Some(errand) = self.trunks.errands.get_mut(&id)
                        && let Some(line) = self.trunks.lines.get_mut(&errand.line)
                    {
                        line.found = all.iter().map(|it| it.address.ip()).collect();
                        errand.left = all.into();
                        // A challenge is answered where it came from, and who has worked goes on.
                        let known = line.flow.filter(|_| !matches!(errand.task, Task::Call(_)));
                        let known = known.map(|it| it.remote);
                        let at = errand.left.iter().position(|it| Some(it.address) == known);
                        if let Some(it) = at.and_then(|at| errand.left.remove(at)) {
                            errand.left.push_front(it);
                        }
                    }
                    self.next_destination(now, id, out);
                }
                resolve::Output::Lost(LookupId(id), _) => self.end_errand(now, id, None, out),
            }
        }
    }

    /// We know which address of ours a peer sees, or that there is no way to it.
    pub(in crate::call) fn routed(
        &mut self,
        now: Now,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        out: &mut Vec<Output>,
    ) {
        let waiting: Vec<u64> = self.waiting(|it| matches!(it, Stage::Route(to) if *to == remote));
        for id in waiting {
            match local {
                Some(local) => {
                    let flow = Flow { transport: Transport::Udp, local, remote };
                    self.ask_carrier(now, id, flow, out);
                }
                None => self.next_destination(now, id, out),
            }
        }
    }

    /// A connection is open that an errand may wait for.
    pub(in crate::call) fn trunk_connected(&mut self, now: Now, flow: Flow, out: &mut Vec<Output>) {
        let Some(connection) = flow.transport.connection() else { return };
        for id in self.waiting(|it| matches!(it, Stage::Connect(own, _) if *own == connection)) {
            if let Some(it) = self.trunks.errands.get(&id)
                && let Stage::Connect(_, destination) = it.stage
            {
                self.trunks.ways.insert((it.line, destination), flow);
                self.ask_carrier(now, id, flow, out);
            }
        }
    }

    /// A connection is gone, or was not to be had.
    pub(in crate::call) fn trunk_disconnected(
        &mut self,
        now: Now,
        flow: Flow,
        out: &mut Vec<Output>,
    ) {
        self.trunks.ways.retain(|_, it| *it != flow);
        let Some(connection) = flow.transport.connection() else { return };
        for id in self.waiting(|it| matches!(it, Stage::Connect(own, _) if *own == connection)) {
            self.next_destination(now, id, out);
        }
    }

    /// A carrier has answered, or has not.
    pub(in crate::call) fn carrier_answered(
        &mut self,
        now: Now,
        ask: AskId,
        reply: Reply,
        out: &mut Vec<Output>,
    ) {
        for id in self.waiting(|it| matches!(it, Stage::Asked(own) if *own == ask)) {
            let Some(errand) = self.trunks.errands.get_mut(&id) else { continue };
            if is_failure(reply.status) {
                errand.said = Some(reply.clone());
                self.next_destination(now, id, out);
            } else {
                self.end_errand(now, id, Some(reply.clone()), out);
            }
        }
    }

    /// A destination is silent while there are others.
    pub(super) fn errand_late(&mut self, now: Now, id: u64, out: &mut Vec<Output>) {
        let errand = self.trunks.errands.get(&id);
        match errand.map(|it| (&it.task, &it.stage)) {
            Some((Task::Call(it), Stage::Asked(_))) => {
                let it = it.clone();
                self.carrier_silent(now, id, &it, out);
            }
            _ => self.next_destination(now, id, out),
        }
    }

    fn waiting(&self, wanted: impl Fn(&Stage) -> bool) -> Vec<u64> {
        self.trunks.errands.iter().filter(|it| wanted(&it.1.stage)).map(|it| *it.0).collect()
    }

    pub(super) fn next_destination(&mut self, now: Now, id: u64, out: &mut Vec<Output>) {
        self.trunks.timers.set(Due::Errand(id), None);
        let Some(errand) = self.trunks.errands.get_mut(&id) else { return };
        let rests = self.trunks.lines.get(&errand.line).map(|it| &it.rests);
        let rests = rests.filter(|_| matches!(errand.task, Task::Call(_)));
        let may = |it: &Destination| {
            rests.and_then(|all| all.get(it)).is_none_or(|it| it.is_over(now.mono))
        };
        errand.left.retain(may);
        let Some(next) = errand.left.pop_front() else {
            let said = errand.said.take();
            return self.end_errand(now, id, said, out);
        };
        if let Task::Call(it) = &mut errand.task {
            it.at = Some(next);
        }
        let way = self.trunks.ways.get(&(errand.line, next)).copied();
        match (next.protocol, way) {
            (Protocol::Udp, _) => {
                errand.stage = Stage::Route(next.address);
                out.push(Output::Route(next.address));
            }
            (_, Some(flow)) if self.endpoint.is_reachable(flow) => {
                self.ask_carrier(now, id, flow, out);
            }
            (protocol, _) => {
                let line = self.trunks.lines.get(&errand.line);
                let host = line.map(|it| it.trunk.terms.host.clone());
                let domain = host.filter(|_| protocol == Protocol::Tls);
                let connection = self.endpoint.connect(next.address, domain.as_deref());
                errand.stage = Stage::Connect(connection, next);
            }
        }
    }

    /// Says it on this way.
    fn ask_carrier(&mut self, now: Now, id: u64, flow: Flow, out: &mut Vec<Output>) {
        let ask = AskId(self.next_id());
        let address = self.endpoint.address(flow);
        let Some(errand) = self.trunks.errands.get_mut(&id) else { return };
        errand.stage = Stage::Asked(ask);
        let late = (!errand.left.is_empty()).then(|| now.mono + PATIENCE);
        self.trunks.timers.set(Due::Errand(id), late);
        if let Task::Call(it) = &errand.task {
            let (line, it) = (errand.line, it.clone());
            return self.ring_carrier(now, id, line, &it, flow, out);
        }
        let Some(line) = self.trunks.lines.get_mut(&errand.line) else { return };
        let parameter = flow.transport.parameter();
        match (&errand.task, &mut line.enrol) {
            (Task::Register(register), Some(enrol)) => {
                self.endpoint.ask(now.mono, ask, flow, Method::Register, |stamp| {
                    enrol.write(register, &stamp.via, address, parameter)
                });
            }
            (Task::Register(_), None) | (Task::Call(_), _) => {}
            (Task::Ping, _) => {
                let (uri, from) = (carrier(&line.trunk), aor(&line.trunk));
                self.endpoint.ask(now.mono, ask, flow, Method::Options, |stamp| {
                    Writer::request(Method::Options, &uri)
                        .header(Name::Via, stamp.via)
                        .header(Name::MaxForwards, 70)
                        .header(Name::From, format_args!("<{from}>;tag={}", stamp.tag))
                        .header(Name::To, format_args!("<{uri}>"))
                        .header(Name::CallId, stamp.call_id)
                        .header(Name::CSeq, "1 OPTIONS")
                        .header(Name::Contact, format_args!("<sip:{address}{parameter}>"))
                        .header(Name::Allow, ALLOW)
                        .finish()
                });
            }
        }
        line.tried = Some(flow);
    }

    fn end_errand(&mut self, now: Now, id: u64, reply: Option<Reply>, out: &mut Vec<Output>) {
        self.trunks.timers.set(Due::Errand(id), None);
        let Some(errand) = self.trunks.errands.remove(&id) else { return };
        if let Task::Call(it) = errand.task {
            return self.call_not_carried(now, *it, out);
        }
        let Some(line) = self.trunks.lines.get_mut(&errand.line) else { return };
        let status = reply.as_ref().map_or(408, |it| it.status);
        if !is_failure(status) {
            line.flow = line.tried;
        }
        match errand.task {
            Task::Ping | Task::Call(_) => line.healthy(now, status),
            Task::Register(_) => {
                let message = reply.and_then(|it| it.message);
                let input = message.as_ref().map_or(enrol::Input::Failed, enrol::Input::Response);
                self.drive_enrol(now, errand.line, out, |it, told| it.handle(now, input, told));
                let line = self.trunks.lines.get(&errand.line);
                let is_over = |it: &super::Line| it.enrol.as_ref().is_none_or(Enrol::is_over);
                if line.is_some_and(|it| it.leaving && is_over(it)) {
                    self.forget_line(errand.line);
                }
            }
        }
    }
}

/// Whether another destination may do better (RFC 3263 §4.3; RFC 5626 §11.5).
pub(super) fn is_failure(status: u16) -> bool {
    matches!(status, 408 | 430 | 500..=599)
}
