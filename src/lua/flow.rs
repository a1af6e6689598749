//! A call's flows: coroutines that Rust owns, resumes, cancels and ends.
//!
//! ```text
//! Begin ─> (slice) ─┬─> Sliced ──────────────────> (slice)
//!                   ├─> Op ──── outcome ─> Next ─> (slice)
//!                   ├─> Join ── siblings ─> Next ─> (slice)
//!                   └─> ended: returned, failed, doomed
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use mlua::{Function, MultiValue, Thread, Value};

use super::errors::{self, Fatal};
use super::generation::{Generation, collect, is_embedded};
use super::host::{Turn, Want};
use super::meter::Phase;
use super::ops;
use crate::base::{CallId, Mono, OpId, Rng};
use crate::call::plan::{End, Outcome, Place, ScriptError, State, Step, View};

/// How long a call that is over may clean up.
pub(super) const CLEANUP: Duration = Duration::from_secs(5);

/// A shorter wait does not renew the budget: else a loop of empty waits would run for ever.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// What calls tell the plan.
#[derive(Default)]
pub(super) struct Out {
    pub(super) steps: VecDeque<Step>,
    /// Who waits for which operation.
    pub(super) ops: BTreeMap<OpId, (CallId, FlowId)>,
    last_op: u64,
    /// Units used by all flows so far.
    pub(super) units: u64,
}

impl Out {
    /// Nobody waits for this operation any more. Whether the engine has heard of it.
    fn withdraw(&mut self, op: OpId) -> bool {
        self.ops.remove(&op);
        let untold =
            self.steps.iter().position(|it| matches!(it, Step::Do { id, .. } if *id == op));
        untold.map(|it| self.steps.remove(it)).is_none()
    }
}

/// A flow's name within its call.
pub(super) type FlowId = u32;

/// A call as the plan sees it.
pub(super) struct Call {
    key: CallId,
    pub(super) generation: Rc<Generation>,
    state: State,
    view: Rc<View>,
    rng: Option<Box<Rng>>,
    flows: BTreeMap<FlowId, Flow>,
    last_flow: FlowId,
    ready: VecDeque<FlowId>,
    defers: Vec<Function>,
    defers_left: usize,
    held: i64,
    /// What is left for cleaning up, once the call is over.
    cleanup: Option<i64>,
    /// The five seconds are over too.
    late: bool,
    /// Whether its handler is of the layer below the user's.
    is_below: bool,
    /// Whether it stands in the plan's run queue.
    pub(super) is_queued: bool,
}

struct Flow {
    thread: Option<Thread>,
    role: Role,
    /// Where its function was given.
    origin: Place,
    wait: Wait,
    /// Asked for, but the flow was sliced before it could yield.
    want: Option<Want>,
    /// Units since its last wait.
    used: u64,
    /// What a killed flow has left to unwind.
    grace: i64,
    doomed: Option<Fatal>,
    pending: Option<Fatal>,
    raised: Option<ScriptError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Handler,
    /// One of `all` or `race`.
    Sibling {
        parent: FlowId,
        index: usize,
    },
    Spawned {
        parent: FlowId,
    },
    Cleanup,
}

enum Wait {
    Begin(Box<Beginning>),
    Next(MultiValue),
    Sliced,
    Op { id: OpId, holds_media: bool, at: Place, since: Mono },
    Join { race: bool, children: Vec<FlowId>, results: Vec<Value>, left: usize },
}

enum Beginning {
    Handler { handler: Function, captures: Vec<(String, String)> },
    Function(Function),
}

enum Ended {
    Returned(Vec<Value>),
    Failed(Value, ScriptError),
    Doomed(Fatal, ScriptError),
}

impl Call {
    /// A call whose handler is ready to run.
    pub(super) fn new(
        key: CallId,
        generation: Rc<Generation>,
        view: View,
        handler: Function,
        at: Place,
        captures: Vec<(String, String)>,
    ) -> Self {
        let mut call = Self {
            key,
            state: State::Ringing,
            view: Rc::new(view),
            rng: None,
            flows: BTreeMap::new(),
            last_flow: 0,
            ready: VecDeque::new(),
            defers: Vec::new(),
            defers_left: generation.host.limits.defers,
            held: 0,
            cleanup: None,
            late: false,
            is_below: is_embedded(&at),
            is_queued: false,
            generation,
        };
        call.add(Role::Handler, at, Beginning::Handler { handler, captures }, 0);
        call
    }

    /// The layer below takes a call whose handler has failed, once. Where its route is.
    pub(super) fn begin_below(&mut self) -> Option<Place> {
        if self.is_below || self.is_over() {
            return None;
        }
        let generation = Rc::clone(&self.generation);
        let (route, captures) = generation.route_below(self.view.direction, &self.view.to)?;
        self.is_below = true;
        // What the failed handler held has been collected, or is counted when it grows again.
        self.held = 0;
        let beginning = Beginning::Handler { handler: route.handler.clone(), captures };
        self.add(Role::Handler, route.at.clone(), beginning, 0);
        Some(route.at.clone())
    }

    /// Whether a flow could run now.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether it was hung up.
    pub(super) const fn is_over(&self) -> bool {
        self.cleanup.is_some()
    }

    pub(super) const fn advance(&mut self, state: State) {
        self.state = state;
    }

    /// The outcome of an operation for the flow that waits for it.
    pub(super) fn resume(&mut self, now: Mono, flow: FlowId, outcome: Outcome) {
        let lua = &self.generation.sandbox.lua;
        let Some(it) = self.flows.get_mut(&flow) else { return };
        let Wait::Op { at, since, .. } = &it.wait else { return };
        if now.since(*since) >= WAIT_MIN {
            it.used = 0;
        }
        let next = ops::values(lua, outcome).and_then(|it| match it {
            Ok(values) => Ok(with_error(Value::Nil, values)),
            Err(message) => Ok(one(Value::String(lua.create_string(format!("{at}: {message}"))?))),
        });
        it.wait = Wait::Next(next.unwrap_or_else(|_| {
            it.pending.get_or_insert(Fatal::TooBig);
            MultiValue::new()
        }));
        self.ready.push_back(flow);
    }

    /// The call is over. True when nothing of it is left.
    pub(super) fn hang_up(&mut self, out: &mut Out) -> bool {
        self.state = State::Ended;
        self.cleanup = Some(i64::from(self.generation.host.limits.between_waits));
        for id in self.flows.keys().copied().collect::<Vec<_>>() {
            self.doom(id, Fatal::HungUp, out);
        }
        self.settle(out)
    }

    /// The time to clean up is over: whoever still waits is woken with an error.
    pub(super) fn expire(&mut self, out: &mut Out) {
        self.late = true;
        for id in self.flows.keys().copied().collect::<Vec<_>>() {
            let Some(flow) = self.flows.get_mut(&id) else { continue };
            if let Wait::Op { id: op, at, .. } = &flow.wait {
                out.withdraw(*op);
                let (text, at) = (Fatal::TooLate.to_string(), at.clone());
                out.steps.push_back(Step::Log { call: self.key, text, at });
                flow.doomed = None;
                flow.pending = Some(Fatal::TooLate);
                flow.wait = Wait::Next(MultiValue::new());
                self.ready.push_back(id);
            }
        }
    }

    /// Runs the next flow for one slice. True when nothing of the call is left.
    pub(super) fn run(&mut self, now: Mono, out: &mut Out) -> bool {
        let Some(id) = self.ready.pop_front() else { return false };
        let Some(mut flow) = self.flows.remove(&id) else { return false };
        let generation = Rc::clone(&self.generation);
        let (lua, host) = (&generation.sandbox.lua, &generation.host);
        self.take_turn(&mut flow);
        let resumed = flow.start_or_resume(self.key, &generation);
        if let Ok(Resumed::Yielded(_)) = resumed
            && host.weigh(lua).is_err()
        {
            let pending = host.turn.borrow().doomed;
            host.turn.borrow_mut().doomed = flow.doomed;
            flow.pending = flow.pending.or(pending);
        }
        let (want, raised) = self.end_turn(id, &mut flow, out);
        match resumed {
            Ok(Resumed::Yielded(_)) if host.meter.phase() == Phase::Dead => {
                self.end(id, &flow, Ended::dead(&flow, raised), out);
            }
            Ok(Resumed::Yielded(true)) if want.is_some() => {
                flow.raised = raised;
                self.serve(now, id, flow, want, out);
            }
            Ok(Resumed::Yielded(_)) => {
                (flow.wait, flow.want, flow.raised) = (Wait::Sliced, want, raised);
                self.flows.insert(id, flow);
                self.ready.push_back(id);
            }
            Ok(Resumed::Finished(values)) => {
                let ended = Ended::from_values(&flow, values, raised);
                self.end(id, &flow, ended, out);
            }
            Err(error) => {
                let ended = Ended::from_values(&flow, broken(error), raised);
                self.end(id, &flow, ended, out);
            }
        }
        self.settle(out)
    }

    fn add(&mut self, role: Role, origin: Place, beginning: Beginning, used: u64) -> FlowId {
        self.last_flow = self.last_flow.wrapping_add(1);
        let flow = Flow {
            thread: None,
            role,
            origin,
            wait: Wait::Begin(Box::new(beginning)),
            want: None,
            used,
            grace: i64::from(self.generation.host.limits.slice),
            doomed: None,
            pending: None,
            raised: None,
        };
        self.flows.insert(self.last_flow, flow);
        self.ready.push_back(self.last_flow);
        self.last_flow
    }

    /// Sets the host up for a slice of this flow, which is not among `flows` now.
    fn take_turn(&mut self, flow: &mut Flow) {
        let host = &self.generation.host;
        let limits = host.limits;
        let used = self.flows.values().map(|it| it.used).sum::<u64>() + flow.used;
        let left = i64::from(limits.between_waits) - i64::try_from(used).unwrap_or(i64::MAX);
        let (phase, left, grace) = match self.cleanup {
            Some(left) => (Phase::Live, left, 0),
            None if flow.doomed.is_some_and(Fatal::is_kill) => (Phase::Dying, flow.grace, 0),
            None => (Phase::Live, left, flow.grace),
        };
        host.meter.start(phase, limits.slice, left, grace);
        host.weigh_in(&self.generation.sandbox.lua, self.held);
        let media = self.flows.values().find_map(|it| match &it.wait {
            Wait::Op { holds_media: true, at, .. } => Some(at.clone()),
            _ => None,
        });
        *host.turn.borrow_mut() = Turn {
            call: Some(self.key),
            state: Some(self.state),
            origin: flow.origin.clone(),
            doomed: flow.doomed,
            pending: flow.pending.take(),
            over: self.cleanup.is_some(),
            late: self.late,
            media,
            rng: self.rng.take(),
            view: Some(Rc::clone(&self.view)),
            flows_left: limits.flows.saturating_sub(self.flows.len() + 1),
            defers_left: self.defers_left,
            want: flow.want.take(),
            raised: flow.raised.take(),
            ..Turn::default()
        };
    }

    /// Takes over what the slice has left behind.
    fn end_turn(
        &mut self,
        id: FlowId,
        flow: &mut Flow,
        out: &mut Out,
    ) -> (Option<Want>, Option<ScriptError>) {
        let host = Rc::clone(&self.generation.host);
        let turn = host.turn.take();
        flow.used += host.meter.used();
        out.units += host.meter.used();
        flow.doomed = turn.doomed;
        flow.pending = flow.pending.or(turn.pending);
        if host.meter.phase() == Phase::Dying {
            flow.grace = host.meter.left();
        }
        if self.cleanup.is_some() {
            self.cleanup = Some(host.meter.left());
        }
        self.held = host.held();
        self.rng = turn.rng;
        self.defers_left = turn.defers_left;
        self.defers.extend(turn.deferred);
        for (text, at) in turn.logs {
            out.steps.push_back(Step::Log { call: self.key, text, at });
        }
        for (function, at) in turn.spawned {
            self.add(Role::Spawned { parent: id }, at, Beginning::Function(function), 0);
        }
        (turn.want, turn.raised)
    }

    /// What the flow has asked for is begun.
    fn serve(&mut self, now: Mono, id: FlowId, mut flow: Flow, want: Option<Want>, out: &mut Out) {
        let call = self.key;
        match want {
            Some(Want::Op(op, at)) => {
                out.last_op += 1;
                let op_id = OpId(out.last_op);
                let holds_media = op.wants_media();
                out.ops.insert(op_id, (call, id));
                flow.wait = Wait::Op { id: op_id, holds_media, at: at.clone(), since: now };
                out.steps.push_back(Step::Do { call, id: op_id, op, at });
                self.flows.insert(id, flow);
            }
            Some(Want::All(list, at)) => self.fork(id, flow, false, list, &at),
            Some(Want::Race(list, at)) => self.fork(id, flow, true, list, &at),
            None => {}
        }
    }

    fn fork(&mut self, id: FlowId, mut flow: Flow, race: bool, list: Vec<Function>, at: &Place) {
        let left = list.len();
        let children = list
            .into_iter()
            .enumerate()
            .map(|(index, it)| {
                self.add(
                    Role::Sibling { parent: id, index },
                    at.clone(),
                    Beginning::Function(it),
                    0,
                )
            })
            .collect();
        flow.wait = Wait::Join { race, children, results: vec![Value::Nil; left], left };
        self.flows.insert(id, flow);
        if left == 0 {
            self.joined(id);
        }
    }

    /// Raises the fatal error in a flow at the next occasion.
    fn doom(&mut self, id: FlowId, fatal: Fatal, out: &mut Out) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        match &mut flow.wait {
            Wait::Begin(_) => {
                self.ready.retain(|it| *it != id);
                let Some(flow) = self.flows.remove(&id) else { return };
                let error = errors::plain(fatal, flow.origin.clone());
                return self.end(id, &flow, Ended::Doomed(fatal, error), out);
            }
            Wait::Op { id: op, .. } => {
                // The engine forgets the operations of a call that is over by itself.
                if out.withdraw(*op) && fatal == Fatal::Lost {
                    out.steps.push_back(Step::Cancel { call: self.key, id: *op });
                }
                flow.wait = Wait::Next(MultiValue::new());
                self.ready.push_back(id);
            }
            Wait::Join { children, .. } => {
                let children = std::mem::take(children);
                flow.wait = Wait::Next(MultiValue::new());
                flow.pending = flow.pending.or(Some(fatal));
                self.ready.push_back(id);
                let reason = if fatal == Fatal::HungUp { fatal } else { Fatal::Lost };
                for child in children {
                    self.doom(child, reason, out);
                }
                return;
            }
            Wait::Next(_) | Wait::Sliced => {}
        }
        if flow.doomed.is_none() {
            flow.pending = flow.pending.or(Some(fatal));
        }
    }

    /// A flow has ended; whoever depends on it is told.
    fn end(&mut self, id: FlowId, flow: &Flow, ended: Ended, out: &mut Out) {
        if let Ended::Doomed(Fatal::TooBig, _) = ended {
            collect(&self.generation.sandbox.lua);
        }
        let call = self.key;
        match flow.role {
            Role::Handler => out.steps.push_back(Step::Handled { call, end: ended.into_end() }),
            Role::Sibling { parent, index } => {
                self.charge(parent, flow.used);
                self.end_sibling(id, parent, index, ended, out);
            }
            Role::Spawned { .. } | Role::Cleanup => {
                if let Role::Spawned { parent } = flow.role {
                    self.charge(parent, flow.used);
                }
                let error = match ended {
                    Ended::Failed(_, error) => Some(error),
                    Ended::Doomed(fatal, error) if fatal.is_kill() => Some(error),
                    Ended::Returned(_) | Ended::Doomed(..) => None,
                };
                if let Some(ScriptError { message, at, .. }) = error {
                    let what = if flow.role == Role::Cleanup { "deferred" } else { "spawned" };
                    let text = format!("error in a {what} function: {message}");
                    out.steps.push_back(Step::Log { call, text, at });
                }
            }
        }
    }

    /// What a flow has used without waiting, its parent has used: else forks would multiply budgets.
    fn charge(&mut self, parent: FlowId, used: u64) {
        let parent = if self.flows.contains_key(&parent) {
            Some(parent)
        } else {
            self.flows.keys().next().copied()
        };
        if let Some(it) = parent.and_then(|it| self.flows.get_mut(&it)) {
            it.used += used;
        }
    }

    fn end_sibling(
        &mut self,
        id: FlowId,
        parent: FlowId,
        index: usize,
        ended: Ended,
        out: &mut Out,
    ) {
        let Some(flow) = self.flows.get_mut(&parent) else { return };
        let Wait::Join { race, children, results, left } = &mut flow.wait else { return };
        if !children.contains(&id) {
            return; // It had lost, and ends only now.
        }
        let race = *race;
        children.retain(|it| *it != id);
        let next = match ended {
            Ended::Returned(values) if race => with_error(Value::Nil, values),
            Ended::Returned(values) => {
                results[index] = values.into_iter().next().unwrap_or(Value::Nil);
                *left -= 1;
                if *left == 0 {
                    self.joined(parent);
                }
                return;
            }
            Ended::Failed(value, _) => one(value),
            Ended::Doomed(fatal, error) => {
                flow.raised = Some(error);
                flow.pending = Some(fatal);
                MultiValue::new()
            }
        };
        let losers = std::mem::take(children);
        flow.wait = Wait::Next(next);
        self.ready.push_back(parent);
        for loser in losers {
            self.doom(loser, Fatal::Lost, out);
        }
    }

    /// All of `all` have returned.
    fn joined(&mut self, parent: FlowId) {
        let Some(flow) = self.flows.get_mut(&parent) else { return };
        let Wait::Join { results, .. } = &mut flow.wait else { return };
        let results = std::mem::take(results);
        let table = self.generation.sandbox.lua.create_sequence_from(results);
        flow.wait = Wait::Next(match table {
            Ok(table) => with_error(Value::Nil, vec![Value::Table(table)]),
            Err(_) => {
                flow.pending = Some(Fatal::TooBig);
                MultiValue::new()
            }
        });
        self.ready.push_back(parent);
    }

    /// Once all flows of a call that is over have ended, the next deferred function runs. True when
    /// none is left.
    fn settle(&mut self, out: &mut Out) -> bool {
        if self.cleanup.is_none() || !self.flows.is_empty() {
            return false;
        }
        let allowed = self.cleanup.is_some_and(|it| it > 0);
        match self.defers.pop().filter(|_| allowed) {
            Some(function) => {
                let info = function.info();
                let at = place_of(info.source.as_deref(), info.line_defined);
                self.add(Role::Cleanup, at, Beginning::Function(function), 0);
                false
            }
            None => {
                out.steps.push_back(Step::Over { call: self.key });
                true
            }
        }
    }
}

enum Resumed {
    /// With a value when it was an operation, without when it was the hook.
    Yielded(bool),
    Finished(MultiValue),
}

impl Flow {
    fn start_or_resume(&mut self, key: CallId, generation: &Generation) -> mlua::Result<Resumed> {
        let lua = &generation.sandbox.lua;
        let host = &generation.host;
        let args = match std::mem::replace(&mut self.wait, Wait::Sliced) {
            Wait::Begin(beginning) => {
                self.thread = Some(lua.create_thread(generation.sandbox.start.clone())?);
                beginning.args(key, generation)?
            }
            Wait::Next(values) => {
                let mut turn = host.turn.borrow_mut();
                match turn.pending.take() {
                    Some(fatal) => one(turn.doomed.get_or_insert(fatal).value()),
                    None => values,
                }
            }
            // The arguments of a resume after a yield of the hook are lost; it raises what is pending.
            Wait::Sliced | Wait::Op { .. } | Wait::Join { .. } => MultiValue::new(),
        };
        let Some(thread) = &self.thread else { return Ok(Resumed::Finished(MultiValue::new())) };
        let values: MultiValue = thread.resume(args)?;
        if thread.is_resumable() {
            Ok(Resumed::Yielded(!values.is_empty()))
        } else {
            Ok(Resumed::Finished(values))
        }
    }
}

impl Beginning {
    /// What the body of the coroutine gets.
    fn args(self, key: CallId, generation: &Generation) -> mlua::Result<MultiValue> {
        let lua = &generation.sandbox.lua;
        let (handler, captures) = match self {
            Self::Function(function) => return Ok(one(Value::Function(function))),
            Self::Handler { handler, captures } => (handler, captures),
        };
        let m = lua.create_table()?;
        for (name, text) in captures {
            m.raw_set(name, text)?;
        }
        Ok(MultiValue::from_iter([
            Value::Function(generation.sandbox.handle.clone()),
            Value::Function(handler),
            Value::Integer(key.0.cast_signed()),
            Value::Table(m),
        ]))
    }
}

impl Ended {
    /// What the coroutine's body has returned: `true, …` or `false, error`.
    fn from_values(flow: &Flow, mut values: MultiValue, raised: Option<ScriptError>) -> Self {
        let ok = values.pop_front();
        if let Some(fatal) = flow.doomed {
            return Self::doomed(fatal, flow, raised);
        }
        if matches!(ok, Some(Value::Boolean(true))) {
            return Self::Returned(values.into_iter().collect());
        }
        let value = values.pop_front().unwrap_or(Value::Nil);
        if errors::is_memory(&value) {
            return Self::doomed(Fatal::TooBig, flow, None);
        }
        let error =
            raised.unwrap_or_else(|| errors::plain(errors::readable(&value), flow.origin.clone()));
        Self::Failed(value, error)
    }

    /// It was left lying: its last allowance is used up.
    fn dead(flow: &Flow, raised: Option<ScriptError>) -> Self {
        let fatal = flow.doomed.filter(|it| it.is_kill()).unwrap_or(Fatal::TooLong);
        Self::doomed(fatal, flow, raised)
    }

    fn doomed(fatal: Fatal, flow: &Flow, raised: Option<ScriptError>) -> Self {
        let error = raised.unwrap_or_else(|| errors::plain(fatal, flow.origin.clone()));
        Self::Doomed(fatal, error)
    }

    fn into_end(self) -> End {
        match self {
            Self::Returned(_) => End::Returned,
            Self::Failed(_, error) => End::Failed(error),
            Self::Doomed(fatal, error) if fatal.is_kill() => End::Killed(error),
            Self::Doomed(..) => End::HungUp,
        }
    }
}

/// An error that came through the body of the coroutine, as that would have returned it.
fn broken(error: mlua::Error) -> MultiValue {
    MultiValue::from_iter([Value::Boolean(false), Value::Error(Box::new(error))])
}

fn one(value: Value) -> MultiValue {
    MultiValue::from_iter([value])
}

fn with_error(error: Value, values: Vec<Value>) -> MultiValue {
    std::iter::once(error).chain(values).collect()
}

/// The place of a function's definition.
fn place_of(source: Option<&str>, line: Option<usize>) -> Place {
    let file = source.and_then(|it| it.strip_prefix('@')).unwrap_or_default().to_owned();
    Place { file, line: line.and_then(|it| u32::try_from(it).ok()).unwrap_or(0) }
}
