//! The front of the room: calls, their run queue and their deadlines.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use super::flow::{CLEANUP, Call, Out};
use super::generation::{Generation, Loader};
use super::meter::Limits;
use super::slips::slips;
use crate::base::{CallId, Cause, Mono, Now, OpId, Timers};
use crate::call::plan::{self, Files, NoRoute, Outcome, Place, Plan, Problem, State, Step, View};

/// A dial plan of Lua scripts.
pub struct LuaPlan {
    limits: Limits,
    current: Option<Rc<Generation>>,
    /// Scripts that are being loaded; calls and they take turns.
    loader: Option<Loader>,
    /// What looks wrong in the scripts that are being loaded.
    slips: Vec<Problem>,
    /// Whether it is the loader's turn.
    load_next: bool,
    calls: BTreeMap<CallId, Call>,
    /// Calls that have a flow to run, each once; they take turns.
    queue: VecDeque<CallId>,
    /// When the cleanup of a call has taken too long.
    deadlines: Timers<CallId>,
    out: Out,
}

impl LuaPlan {
    /// A plan without scripts: it takes no call.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            current: None,
            loader: None,
            slips: Vec::new(),
            load_next: false,
            calls: BTreeMap::new(),
            queue: VecDeque::new(),
            deadlines: Timers::new(),
            out: Out::default(),
        }
    }

    /// Takes these scripts for new calls at once; calls in progress keep theirs.
    ///
    /// # Errors
    /// When they do not load: then the scripts before them stay.
    pub fn load(&mut self, files: &Files) -> Result<plan::Generation, Vec<Problem>> {
        let generation = Generation::load(self.limits, files)?;
        let id = generation.id;
        self.current = Some(Rc::new(generation));
        Ok(id)
    }

    /// How many routes new calls find.
    pub fn routes(&self) -> usize {
        self.current.as_ref().map_or(0, |it| it.routes())
    }

    /// What scripts have computed so far, in VM instructions and what host functions charge.
    pub fn units(&self) -> u64 {
        self.out.units
    }

    /// A generation that new calls get, or that others still run on.
    fn living(&self, id: plan::Generation) -> Option<Rc<Generation>> {
        let calls = self.calls.values().map(|it| &it.generation);
        self.current.iter().chain(calls).find(|it| it.id == id).cloned()
    }

    /// A slice of loading, when it is due.
    fn run_loader(&mut self) -> Option<Step> {
        self.load_next = !self.load_next;
        if !self.load_next && !self.queue.is_empty() {
            return None;
        }
        let mut loader = self.loader.take()?;
        let Some(result) = loader.step() else {
            self.loader = Some(loader);
            return Some(Step::Loading);
        };
        let generation = loader.id;
        let result = result.and_then(|()| loader.finish());
        let result = result.map(|it| {
            self.current = Some(Rc::new(it));
            std::mem::take(&mut self.slips)
        });
        Some(Step::Loaded { generation, result })
    }

    fn enqueue(&mut self, call: CallId) {
        if let Some(it) = self.calls.get_mut(&call)
            && it.is_ready()
            && !it.is_queued
        {
            it.is_queued = true;
            self.queue.push_back(call);
        }
    }

    /// Forgets a call of which nothing is left.
    fn forget(&mut self, call: CallId) {
        self.calls.remove(&call);
        self.deadlines.set(call, None);
    }
}

impl Plan for LuaPlan {
    fn begin_load(&mut self, files: Files) {
        let generation = files.generation();
        self.loader = None;
        self.slips = slips(&files.user);
        // The same texts are the same generation, so that going back and forth makes no more of them.
        if let Some(living) = self.living(generation) {
            self.current = Some(living);
            let result = Ok(std::mem::take(&mut self.slips));
            self.out.steps.push_back(Step::Loaded { generation, result });
            return;
        }
        match Loader::new(self.limits, generation, files) {
            Ok(loader) => self.loader = Some(loader),
            Err(problems) => {
                self.out.steps.push_back(Step::Loaded { generation, result: Err(problems) });
            }
        }
    }

    fn begin(&mut self, _: Now, call: CallId, view: View) -> Result<(), NoRoute> {
        let generation = self.current.clone().ok_or(NoRoute)?;
        let (route, captures) = generation.route(view.direction, &view.to).ok_or(NoRoute)?;
        let (handler, at) = (route.handler.clone(), route.at.clone());
        let it = Call::new(call, Rc::clone(&generation), view, handler, at, captures);
        self.calls.insert(call, it);
        self.enqueue(call);
        Ok(())
    }

    fn begin_below(&mut self, call: CallId) -> Result<Place, NoRoute> {
        let it = self.calls.get_mut(&call).ok_or(NoRoute)?;
        let at = it.begin_below().ok_or(NoRoute)?;
        self.enqueue(call);
        Ok(at)
    }

    fn advance(&mut self, call: CallId, state: State) {
        if let Some(it) = self.calls.get_mut(&call) {
            it.advance(state);
        }
    }

    fn resume(&mut self, now: Now, op: OpId, outcome: Outcome) {
        let Some((call, flow)) = self.out.ops.remove(&op) else { return };
        if let Some(it) = self.calls.get_mut(&call) {
            it.resume(now.mono, flow, outcome);
        }
        self.enqueue(call);
    }

    fn hang_up(&mut self, now: Now, call: CallId, _: Cause) {
        let Some(it) = self.calls.get_mut(&call) else { return };
        if it.is_over() {
            return;
        }
        if it.hang_up(&mut self.out) {
            return self.forget(call);
        }
        self.deadlines.set(call, Some(now.mono + CLEANUP));
        self.enqueue(call);
    }

    fn run(&mut self, now: Now) -> Option<Step> {
        if let Some(step) = self.out.steps.pop_front() {
            return Some(step);
        }
        if let Some(step) = self.run_loader() {
            return Some(step);
        }
        let call = self.queue.pop_front()?;
        if let Some(it) = self.calls.get_mut(&call) {
            it.is_queued = false;
            if it.run(now.mono, &mut self.out) {
                self.forget(call);
            } else {
                self.enqueue(call);
            }
        }
        Some(self.out.steps.pop_front().unwrap_or(Step::Sliced { call }))
    }

    fn is_runnable(&self) -> bool {
        !self.out.steps.is_empty() || !self.queue.is_empty() || self.loader.is_some()
    }

    fn poll_timeout(&self) -> Option<Mono> {
        self.deadlines.next()
    }

    fn handle_timeout(&mut self, now: Now) {
        while let Some(call) = self.deadlines.pop(now.mono) {
            if let Some(it) = self.calls.get_mut(&call) {
                it.expire(&mut self.out);
            }
            self.enqueue(call);
        }
    }

    fn generation(&self) -> plan::Generation {
        self.current.as_ref().map_or(plan::Generation(0), |it| it.id)
    }
}

impl fmt::Debug for LuaPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LuaPlan")
            .field("generation", &self.generation())
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}
