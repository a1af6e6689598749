//! A description of a peer, as types.

use super::line::Line;
use super::{Codec, Direction};

/// What a peer described. Attributes that we have no use for are not kept.
///
/// Two equal descriptions with the same `o=` line mean that the peer repeats itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `o=` line as it was written, when there was one.
    pub(super) origin: Option<String>,
    /// The first `t=` line.
    pub(super) time: (u64, u64),
    /// The `m=` sections in order, with the defaults of the session filled in.
    pub(super) lines: Vec<Line>,
}

impl Session {
    /// The codecs of the first usable audio line: those that we speak in the order of its author's
    /// preference, then those that we could only pass on, in the same order. Empty when there is no
    /// such line.
    pub fn codecs(&self) -> Vec<Codec> {
        let mut codecs = Vec::new();
        let Some(line) = self.audio() else { return codecs };
        let (foreign, known): (Vec<_>, Vec<_>) =
            line.payloads().codecs.into_iter().map(|it| it.1).partition(Codec::is_foreign);
        for codec in known.into_iter().chain(foreign.into_iter().take(FOREIGN_MAX)) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        codecs
    }

    /// What its author wants of that line, in effect. Nothing at all when there is none.
    pub fn direction(&self) -> Direction {
        self.audio().map_or(Direction::Inactive, Line::effective_direction)
    }

    /// Milliseconds of audio per packet that its author would like to receive on that line.
    pub fn packet_ms(&self) -> u8 {
        self.audio().map_or(20, |it| it.packet_ms(&Codec::Pcmu))
    }

    /// The first usable audio line.
    fn audio(&self) -> Option<&Line> {
        self.lines.iter().find(|it| it.is_usable_audio())
    }
}

/// Codecs that we cannot speak and pass on: more would make our offer a large one.
const FOREIGN_MAX: usize = 12;
