//! What an exchange leaves behind for the next one: RFC 3264 §8 wants the same `m=` lines in the
//! same order, and §8.3.2 the same payload types for the same codecs.

use super::codec::Payloads;
use super::line::Line;
use super::{Direction, Local, print};

/// The lines of our last description, and what our payload types mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Each line as it is declined.
    declined: Vec<String>,
    /// Which of them is the audio of the leg.
    audio: usize,
    payloads: Payloads,
}

impl Layout {
    /// One line of audio.
    pub(super) fn alone(payloads: Payloads) -> Self {
        Self { declined: vec![String::new()], audio: 0, payloads }
    }

    /// The lines of a peer's offer, of which the `audio`th is ours.
    pub(super) fn of(lines: &[Line], audio: usize, payloads: Payloads) -> Self {
        Self { declined: lines.iter().map(print::declined).collect(), audio, payloads }
    }

    /// The same lines with other payload types.
    pub(super) fn with(&self, payloads: Payloads) -> Self {
        Self { payloads, ..self.clone() }
    }

    pub(super) fn audio(&self) -> usize {
        self.audio
    }

    pub(super) fn payloads(&self) -> &Payloads {
        &self.payloads
    }

    /// A description of ours with these lines; without a direction our own line is declined too.
    pub(super) fn print(
        &self,
        local: &Local,
        time: (u64, u64),
        direction: Option<Direction>,
    ) -> String {
        let mut text = print::session(local, time);
        for (nth, declined) in self.declined.iter().enumerate() {
            match direction.filter(|_| nth == self.audio) {
                Some(direction) => text += &print::audio(local, &self.payloads, direction),
                None => text += declined,
            }
        }
        text
    }
}
