//! The clock: the one place that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::{Mono, Now, Wall};

/// Tells the time since it was made. Threads share one by copying it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    beginning: Instant,
}

impl Clock {
    /// Begins to count.
    #[expect(clippy::disallowed_methods, reason = "the real outside has a clock; this is it")]
    pub(super) fn start() -> Self {
        Self { beginning: Instant::now() }
    }

    /// Both clocks.
    #[expect(clippy::disallowed_methods, reason = "the real outside has a clock; this is it")]
    pub(super) fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.mono(), wall: Wall(u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)) }
    }

    /// The monotonic clock alone.
    #[expect(clippy::disallowed_methods, reason = "the real outside has a clock; this is it")]
    pub(super) fn mono(self) -> Mono {
        let nanos = self.beginning.elapsed().as_nanos();
        Mono::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Waits until `at`. Only for a thread whose work comes in ticks.
    #[expect(clippy::disallowed_methods, reason = "the media tick is a sleep by design")]
    pub(super) fn sleep_until(self, at: Mono) {
        std::thread::sleep(at.since(self.mono()));
    }

    /// How long from now until `at`, in whole milliseconds, rounded up so that a deadline has come
    /// when the waiting ends.
    pub(super) fn millis_until(self, at: Mono) -> u64 {
        let left = at.since(self.mono()) + Duration::from_nanos(999_999);
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }
}
