//! What a slice may still compute: units of VM instructions and of host work, never time.

use std::cell::Cell;

/// How much scripts may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Units that a flow runs before others get their turn: about a millisecond.
    pub slice: u32,
    /// Units that the flows of a call use between two waits: about 50 milliseconds.
    pub between_waits: u32,
    /// Bytes of one Lua state: of all calls of a generation together.
    pub memory: usize,
    /// Bytes that one call may hold.
    pub memory_per_call: usize,
    /// Flows of one call that live at the same time.
    pub flows: usize,
    /// Functions that one call may defer.
    pub defers: usize,
    /// Units for loading all scripts.
    pub load: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slice: 50_000,
            between_waits: 2_500_000,
            memory: 64 << 20,
            memory_per_call: 16 << 20,
            flows: 64,
            defers: 64,
            load: 20_000_000,
        }
    }
}

/// VM instructions between two ticks of the hook, and so the units of a tick.
pub(super) const TICK: u32 = 200;

/// Units of an operation, a fork or a log line.
pub(super) const ACT: u32 = 500;

/// How a slice's flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It runs.
    Live,
    /// It was killed and unwinds on a last allowance.
    Dying,
    /// It has used that too: nothing of it is to run any more.
    Dead,
}

/// What to do when the meter was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Go on.
    Fine,
    /// Let others run.
    Yield,
    /// Raise the fatal error.
    Kill,
}

/// Counts one slice. Everything is a cell: the hook and host functions share it.
#[derive(Debug)]
pub(super) struct Meter {
    phase: Cell<Phase>,
    slice: Cell<i64>,
    left: Cell<i64>,
    used: Cell<u64>,
    /// What a killed flow gets to unwind.
    grace: Cell<i64>,
    /// A yield was asked for and nothing came of it: Lua cannot yield here.
    stuck: Cell<bool>,
}

/// A flow that cannot yield may overrun its slice by this factor before it is killed.
const OVERRUN: i64 = 4;

impl Meter {
    pub(super) const fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Live),
            slice: Cell::new(0),
            left: Cell::new(0),
            used: Cell::new(0),
            grace: Cell::new(0),
            stuck: Cell::new(false),
        }
    }

    /// Begins a slice with what is `left` of the budget.
    pub(super) fn start(&self, phase: Phase, slice: u32, left: i64, grace: i64) {
        self.phase.set(phase);
        self.slice.set(i64::from(slice));
        self.left.set(left);
        self.grace.set(grace);
        self.used.set(0);
        self.stuck.set(false);
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether others should run now.
    pub(super) fn is_spent(&self) -> bool {
        self.slice.get() <= 0
    }

    /// Units used since the slice began.
    pub(super) fn used(&self) -> u64 {
        self.used.get()
    }

    /// What is left of the budget, or of the allowance to unwind.
    pub(super) fn left(&self) -> i64 {
        self.left.get()
    }

    /// Work of a host function.
    pub(super) fn charge(&self, units: u64) -> Reading {
        let units = i64::try_from(units).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        self.slice.set(self.slice.get().saturating_sub(units));
        self.left.set(self.left.get().saturating_sub(units));
        self.used.set(self.used.get().saturating_add(units.unsigned_abs()));
        if self.left.get() <= 0 { self.kill() } else { Reading::Fine }
    }

    /// A tick of the hook.
    pub(super) fn tick(&self) -> Reading {
        if self.charge(u64::from(TICK)) == Reading::Kill {
            // Nothing catches a yield, so a dead flow is left lying where it stands. Where Lua
            // cannot yield the request is ignored without a sign; then the error is raised.
            let leave = self.phase.get() == Phase::Dead && !self.stuck.replace(true);
            if !leave {
                self.stuck.set(false);
            }
            return if leave { Reading::Yield } else { Reading::Kill };
        }
        if self.slice.get() > 0 {
            return Reading::Fine;
        }
        if !self.stuck.replace(true) {
            return Reading::Yield;
        }
        let allowed = (self.used.get() / u64::try_from(OVERRUN).unwrap_or(1)) as i64;
        if self.slice.get() + allowed < 0 { self.kill() } else { Reading::Fine }
    }

    /// The next phase on the way down.
    pub(super) fn kill(&self) -> Reading {
        match self.phase.get() {
            Phase::Live => {
                self.phase.set(Phase::Dying);
                self.left.set(self.grace.get());
                if self.grace.get() <= 0 {
                    self.phase.set(Phase::Dead);
                }
            }
            Phase::Dying | Phase::Dead => self.phase.set(Phase::Dead),
        }
        Reading::Kill
    }
}
