//! What is played to a peer, and when its frames are due.

use std::time::Duration;

use crate::base::{Mono, OpId};

use super::Source;
use super::voice::Pace;

/// Plays one source in frames on an absolute schedule: a late tick does not shift the next one.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) op: OpId,
    pub(super) source: Source,
    /// How much of the source has been played.
    pub(super) at_ms: u64,
    /// When the next frame leaves.
    pub(super) due: Mono,
    /// The pace of the frame before, when the next one continues it.
    pub(super) running: Option<Pace>,
}

impl Player {
    pub(super) fn new(op: OpId, source: Source, due: Mono) -> Self {
        Self { op, source, at_ms: 0, due, running: None }
    }

    /// Whether all of it has been played: the time of its last frame is over when the next would
    /// be due.
    pub(super) fn is_over(&self) -> bool {
        let length_ms = match &self.source {
            Source::Samples { rate: 0, .. } => Some(0),
            Source::Samples { rate, samples } => {
                Some((samples.len() as u64).saturating_mul(1000).div_ceil(u64::from(*rate)))
            }
            Source::Tone(tone) => tone.length_ms(),
        };
        length_ms.is_some_and(|it| self.at_ms >= it)
    }

    /// When the driver is late by more than three frames, the schedule starts again from now: a
    /// burst would only fill the peer's jitter buffer.
    pub(super) fn keep_up(&mut self, now: Mono, pace: Pace) {
        if now.since(self.due) > pace.frame() * LATE_FRAMES_MAX {
            self.due = now;
            self.running = None;
        }
    }

    /// A frame is over, heard or not.
    pub(super) fn advance(&mut self, pace: Pace, running: bool) {
        self.at_ms += u64::from(pace.frame_ms);
        self.due = self.due + Duration::from_millis(u64::from(pace.frame_ms));
        self.running = running.then_some(pace);
    }
}

const LATE_FRAMES_MAX: u32 = 3;
