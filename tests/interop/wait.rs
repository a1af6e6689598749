//! Waiting for real programs. This is the only place in the tests that looks at a clock or sleeps.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none in time.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "real programs live in real time")]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let beginning = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(beginning.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Lets real time pass, for what cannot be waited for: a conversation that is long enough to judge.
#[expect(clippy::disallowed_methods, reason = "real programs live in real time")]
pub(crate) fn let_pass(span: Duration) {
    std::thread::sleep(span);
}

/// What `work` gave and how long it took.
#[expect(clippy::disallowed_methods, reason = "real programs live in real time")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let beginning = Instant::now();
    (work(), beginning.elapsed())
}

/// Counts the time from its making.
pub(crate) struct Watch(Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "real programs live in real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "real programs live in real time")]
    pub(crate) fn passed(&self) -> Duration {
        self.0.elapsed()
    }
}
