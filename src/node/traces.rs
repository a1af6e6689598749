//! What the switch thread remembers of its calls, and who may read it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::Now;
use crate::call::trace::{Ring, Trace};
use crate::call::{Input, Output};

/// The ring between the switch thread, which writes, and HTTP, which reads. The lock is held for the
/// time of a few copies of pointers.
#[derive(Debug)]
pub(super) struct Traces(Option<Mutex<Ring>>);

impl Traces {
    /// A ring of so many bytes; none when that is zero.
    pub(super) fn new(bytes: usize) -> Self {
        Self((bytes > 0).then(|| Mutex::new(Ring::new(bytes))))
    }

    /// The switch is about to be given this.
    pub(super) fn heard(&self, now: Now, input: &Input) {
        if let Some(mut ring) = self.ring() {
            ring.heard(now, input);
        }
    }

    /// The switch has asked for this.
    pub(super) fn done(&self, now: Now, outputs: &[Output]) {
        if outputs.is_empty() {
            return;
        }
        if let Some(mut ring) = self.ring() {
            outputs.iter().for_each(|it| ring.done(now, it));
        }
    }

    /// The trace of a call, by whatever name it has.
    pub(super) fn find(&self, name: &str) -> Option<Trace> {
        self.ring()?.find(name)
    }

    fn ring(&self) -> Option<MutexGuard<'_, Ring>> {
        // A panic ends the process; until it has, what is there may be read.
        self.0.as_ref().map(|it| it.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
