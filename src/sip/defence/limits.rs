//! What can be set of the defence.

use crate::base::Rate;

/// How much is allowed. A rate of zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages a second of each source that nobody is known at; five times as many at once.
    pub stranger_rate: u32,
    /// Requests a second, outside of dialogs, of each known source; twice as many at once.
    pub source_rate: u32,
    /// REGISTERs a second of each account; five times as many at once.
    pub register_rate: u32,
    /// New calls a second of each account; five times as many at once.
    pub call_rate: u32,
    /// Calls at once that an account has begun.
    pub calls: u32,
    /// Connections at once on which an account has proved who it is.
    pub connections: usize,
    /// Whether strangers that name themselves as a known scanner get no answer.
    pub drop_scanners: bool,
}

impl Limits {
    pub(super) const fn of_strangers(&self) -> Rate {
        Rate::per_second(self.stranger_rate, self.stranger_rate.saturating_mul(5))
    }

    pub(super) const fn of_sources(&self) -> Rate {
        Rate::per_second(self.source_rate, self.source_rate.saturating_mul(2))
    }

    pub(super) const fn of_registers(&self) -> Rate {
        Rate::per_second(self.register_rate, self.register_rate.saturating_mul(5))
    }

    pub(super) const fn of_calls(&self) -> Rate {
        Rate::per_second(self.call_rate, self.call_rate.saturating_mul(5))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stranger_rate: 20,
            source_rate: 1_000,
            register_rate: 10,
            call_rate: 10,
            calls: 50,
            connections: 20,
            drop_scanners: true,
        }
    }
}
