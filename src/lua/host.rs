//! What Rust and the prelude share while a slice runs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{Error, Function, HookTriggers, Lua, Value, VmState};

use super::errors::{self, Fatal};
use super::meter::{Limits, Meter, Phase, Reading, TICK};
use super::route::Pattern;
use crate::base::{CallId, Rng};
use crate::call::plan::{Op, Place, ScriptError, State, View, Way};

/// The Rust side of one generation's state.
pub(super) struct Host {
    pub(super) limits: Limits,
    pub(super) meter: Meter,
    pub(super) turn: RefCell<Turn>,
    /// Names of the files, as errors show them.
    pub(super) files: RefCell<Vec<String>>,
    /// Present while the scripts load.
    pub(super) loading: RefCell<Option<Loading>>,
    /// Memory in use when it was last looked at, and what the running call held then.
    seen: Cell<usize>,
    held: Cell<i64>,
}

/// What routes the scripts have made so far.
#[derive(Default)]
pub(super) struct Loading {
    pub(super) routes: Vec<Registered>,
}

/// A route as a script made it.
pub(super) struct Registered {
    /// Which calls it takes.
    pub(super) way: Way,
    pub(super) pattern: Pattern,
    pub(super) handler: Function,
    pub(super) at: Place,
}

/// What the running flow is, and what it has asked for.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) call: Option<CallId>,
    pub(super) state: Option<State>,
    /// The script's function that this flow began with: a place when no line is known.
    pub(super) origin: Place,
    /// The flow unwinds, for this reason.
    pub(super) doomed: Option<Fatal>,
    /// To be raised at the next occasion.
    pub(super) pending: Option<Fatal>,
    /// The call is over: only operations that do not need it are left.
    pub(super) over: bool,
    /// The time for cleaning up is over as well.
    pub(super) late: bool,
    /// The line whose operation holds the caller's media.
    pub(super) media: Option<Place>,
    pub(super) rng: Option<Box<Rng>>,
    /// What is known of the call.
    pub(super) view: Option<Rc<View>>,
    /// How many flows and defers the call may still have.
    pub(super) flows_left: usize,
    pub(super) defers_left: usize,
    pub(super) want: Option<Want>,
    pub(super) spawned: Vec<(Function, Place)>,
    pub(super) deferred: Vec<Function>,
    pub(super) logs: Vec<(String, Place)>,
    /// The error that was raised last, with its frames.
    pub(super) raised: Option<ScriptError>,
}

/// What a flow waits for once it has yielded.
pub(super) enum Want {
    Op(Op, Place),
    All(Vec<Function>, Place),
    Race(Vec<Function>, Place),
}

/// How much the call may grow before it is measured: a full collection tells what is held.
const GROWTH: i64 = 1 << 20;

impl Host {
    pub(super) fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            meter: Meter::new(),
            turn: RefCell::default(),
            files: RefCell::default(),
            loading: RefCell::new(None),
            seen: Cell::new(0),
            held: Cell::new(0),
        })
    }

    /// Sets the hook on this state and all its coroutines.
    pub(super) fn watch(self: &Rc<Self>, lua: &Lua) -> mlua::Result<()> {
        let host = Rc::clone(self);
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(TICK), move |lua, _| {
            host.tick(lua)
        })
    }

    /// Remembers what memory there is as a slice begins.
    pub(super) fn weigh_in(&self, lua: &Lua, held: i64) {
        self.seen.set(lua.used_memory());
        self.held.set(held);
    }

    /// What the running call holds, as far as it was measured.
    pub(super) fn held(&self) -> i64 {
        self.held.get()
    }

    /// Pays for work, or raises the fatal error.
    pub(super) fn charge(&self, lua: &Lua, units: u64) -> mlua::Result<()> {
        match self.meter.charge(units) {
            Reading::Kill => Err(self.doom(lua, Fatal::TooLong)),
            Reading::Fine | Reading::Yield => Ok(()),
        }
    }

    /// From now on the flow unwinds; the error to raise.
    pub(super) fn doom(&self, lua: &Lua, fatal: Fatal) -> Error {
        let mut turn = self.turn.borrow_mut();
        turn.want = None;
        if fatal.is_kill() && turn.raised.is_none() {
            turn.raised = Some(self.describe(lua, &fatal.to_string(), &turn.origin));
        }
        turn.doomed.get_or_insert(fatal).error()
    }

    /// Raises what is pending.
    pub(super) fn check_pending(&self, lua: &Lua) -> mlua::Result<()> {
        let pending = self.turn.borrow_mut().pending.take();
        pending.map_or(Ok(()), |fatal| Err(self.doom(lua, fatal)))
    }

    /// The innermost script line that runs, or where the flow's function stands.
    pub(super) fn place(&self, lua: &Lua) -> Place {
        let frame = errors::frames(lua).into_iter().next();
        frame.unwrap_or_else(|| self.turn.borrow().origin.clone())
    }

    /// An error of the script, at its own line.
    pub(super) fn complain(&self, lua: &Lua, message: &str) -> Error {
        Error::RuntimeError(self.at(lua, message))
    }

    pub(super) fn at(&self, lua: &Lua, message: &str) -> String {
        format!("{}: {message}", self.place(lua))
    }

    /// An error value with its frames, at the place where it is raised.
    pub(super) fn describe(&self, lua: &Lua, message: &str, origin: &Place) -> ScriptError {
        let frames = errors::frames(lua);
        let (named, message) = self.split(message);
        let at = named.or_else(|| frames.first().cloned()).unwrap_or_else(|| origin.clone());
        let traceback = frames.iter().map(ToString::to_string).collect();
        ScriptError { message: errors::one_line(message), at, traceback }
    }

    /// Takes the place off a message, be it a script's or the prelude's.
    pub(super) fn split<'a>(&self, message: &'a str) -> (Option<Place>, &'a str) {
        let files = self.files.borrow();
        let (place, rest) = errors::split(message, |it| files.iter().any(|file| file == it));
        if place.is_some() {
            return (place, rest);
        }
        (None, errors::split(message, |it| it == PRELUDE).1)
    }

    /// The fatal error, when a caught error ends the flow; else what the script gets to see of it.
    /// And whether to yield: the slice is used up, or the flow is dead and need not even unwind.
    pub(super) fn caught(&self, lua: &Lua, value: Value) -> mlua::Result<(Value, Value, bool)> {
        // Lua walks the whole stack after each error that is caught: on a deep one that is work.
        let depth = errors::depth(lua);
        if depth > 0 && self.meter.charge(depth) == Reading::Kill {
            self.doom(lua, Fatal::TooLong);
        }
        if errors::is_memory(&value) {
            self.doom(lua, Fatal::TooBig);
        }
        let doomed = self.turn.borrow().doomed;
        if let Some(fatal) = doomed {
            return Ok((fatal.value(), Value::Nil, self.meter.phase() == Phase::Dead));
        }
        Ok((Value::Nil, self.visible(lua, value)?, self.meter.is_spent()))
    }

    /// An error value as scripts see it: never one of Rust.
    pub(super) fn visible(&self, lua: &Lua, value: Value) -> mlua::Result<Value> {
        match &value {
            Value::Error(_) => Ok(Value::String(lua.create_string(errors::readable(&value))?)),
            Value::String(text) if text.as_bytes().starts_with(PRELUDE.as_bytes()) => {
                let text = text.to_string_lossy();
                Ok(Value::String(lua.create_string(self.split(&text).1)?))
            }
            _ => Ok(value),
        }
    }

    fn tick(&self, lua: &Lua) -> mlua::Result<VmState> {
        let reading = self.meter.tick();
        if reading == Reading::Kill {
            return Err(self.doom(lua, Fatal::TooLong));
        }
        if self.meter.phase() == Phase::Dead {
            self.doom(lua, Fatal::TooLong);
            return Ok(VmState::Yield);
        }
        self.check_pending(lua)?;
        self.weigh(lua)?;
        Ok(if reading == Reading::Yield { VmState::Yield } else { VmState::Continue })
    }

    /// Looks at what the call holds when it has grown.
    pub(super) fn weigh(&self, lua: &Lua) -> mlua::Result<()> {
        let signed = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
        if signed(lua.used_memory()) - signed(self.seen.get()) < GROWTH {
            return Ok(());
        }
        lua.gc_collect()?;
        let used = lua.used_memory();
        let held = (self.held.get() + signed(used) - signed(self.seen.get())).max(0);
        self.seen.set(used);
        self.held.set(held);
        if held > signed(self.limits.memory_per_call) {
            if self.turn.borrow().doomed.is_none() {
                self.meter.kill();
            }
            return Err(self.doom(lua, Fatal::TooBig));
        }
        self.charge(lua, 1000 + used as u64 / 512)
    }
}

/// What errors call the prelude.
pub(super) const PRELUDE: &str = "prelude";
