//! A description of a peer, as types.

use super::Codec;
use super::line::Line;

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
    /// The codecs that we know of the first usable audio line, in the order of its author's
    /// preference. Empty when there is no such line.
    pub fn codecs(&self) -> Vec<Codec> {
        let mut codecs = Vec::new();
        let Some(line) = self.audio() else { return codecs };
        for (_, codec) in line.payloads().codecs {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        codecs
    }

    /// The first usable audio line.
    pub(super) fn audio(&self) -> Option<&Line> {
        self.lines.iter().find(|it| it.is_usable_audio())
    }
}
