//! What is sent again until something comes, and the times of the generator.

use std::time::{Duration, Instant};

/// When a request is sent again (RFC 3261 §17.1.2.2, timer E, without its doubling).
pub(crate) const RESEND: Duration = Duration::from_millis(500);
/// When a unit of work has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(8);
/// How long the generator sleeps when there is nothing to do.
pub(crate) const NAP: Duration = Duration::from_micros(500);

/// What is sent again until something comes.
#[derive(Debug)]
pub(crate) struct Sent {
    text: String,
    at: Instant,
    tries: u32,
    settled: bool,
}

impl Sent {
    pub(crate) fn never() -> Self {
        Self { settled: true, ..Self::now(String::new()) }
    }

    pub(crate) fn now(text: String) -> Self {
        Self { text, at: Instant::now(), tries: 1, settled: false }
    }

    pub(crate) fn settle(&mut self) {
        self.settled = true;
    }

    pub(crate) fn is_due(&self) -> bool {
        !self.settled && self.at.elapsed() > RESEND * self.tries
    }

    pub(crate) fn again(&mut self) -> Option<String> {
        if !self.is_due() {
            return None;
        }
        self.tries += 1;
        Some(self.text.clone())
    }

    /// Nothing final has come for too long; a provisional answer alone is no end either.
    pub(crate) fn is_late(&self) -> bool {
        !self.text.is_empty() && self.at.elapsed() > LIMIT
    }
}
