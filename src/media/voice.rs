//! From what is to be played to the payload of packets: samples at the codec's rate, encoded.

use std::time::Duration;

use crate::audio::{Resampler, g711, opus};
use crate::sdp::{Agreed, Codec};

use super::Source;

/// How a stream's packets follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Timestamp ticks a second.
    pub(super) rate: u32,
    /// Milliseconds of audio in one of our packets.
    pub(super) frame_ms: u32,
}

impl Pace {
    /// The pace when nothing is agreed.
    pub(super) const SILENT: Self = Self { rate: 8000, frame_ms: 20 };

    /// What the peer wants, where its codec has such frames; else 20 ms (RFC 3551 §4.2).
    pub(super) fn of(agreed: &Agreed) -> Self {
        let frame_ms = match (&agreed.codec, agreed.ptime_ms) {
            (Codec::Opus, it @ (10 | 20 | 40 | 60)) => u32::from(it),
            (Codec::Pcmu | Codec::Pcma | Codec::Other(_), it @ 10..=60) => u32::from(it),
            _ => 20,
        };
        Self { rate: agreed.codec.clock_rate(), frame_ms }
    }

    /// A frame in ticks.
    pub(super) fn ticks(self) -> u32 {
        self.rate / 1000 * self.frame_ms
    }

    /// A frame in time.
    pub(super) fn frame(self) -> Duration {
        Duration::from_millis(u64::from(self.frame_ms))
    }
}

/// Speaks one codec. Its buffers live as long as the stream, so a player only allocates what
/// leaves.
#[derive(Debug)]
pub(super) struct Voice {
    codec: Codec,
    encoder: Option<opus::Encoder>,
    resampler: Option<Resampler>,
    raw: Vec<i16>,
    pcm: Vec<i16>,
    payload: Vec<u8>,
}

impl Voice {
    pub(super) fn new(codec: Codec) -> Self {
        let encoder = match &codec {
            Codec::Opus => opus::Encoder::new().ok(),
            Codec::Pcmu | Codec::Pcma | Codec::Other(_) => None,
        };
        let (raw, pcm, payload) = (Vec::new(), Vec::new(), Vec::new());
        Self { codec, encoder, resampler: None, raw, pcm, payload }
    }

    pub(super) fn codec(&self) -> &Codec {
        &self.codec
    }

    /// What follows has nothing to do with what was before.
    pub(super) fn begin(&mut self, source: &Source) {
        self.resampler = match source {
            Source::Samples { rate, .. } => Resampler::new(*rate, self.codec.clock_rate()),
            Source::Tone(_) => None,
        };
    }

    /// The payload that says the source from `at_ms` on, for `frame_ms`. `None` when the codec
    /// refuses.
    pub(super) fn say(&mut self, source: &Source, at_ms: u64, frame_ms: u32) -> Option<&[u8]> {
        let rate = self.codec.clock_rate();
        let count = (rate / 1000 * frame_ms) as usize;
        self.pcm.clear();
        match source {
            Source::Samples { rate, samples } => {
                let first = usize::try_from(at_ms.saturating_mul(u64::from(*rate)) / 1000);
                let rest = first.ok().and_then(|it| samples.get(it..)).unwrap_or_default();
                let wanted = (rate / 1000).saturating_mul(frame_ms) as usize;
                self.raw.clear();
                self.raw.extend_from_slice(&rest[..wanted.min(rest.len())]);
                if let Some(resampler) = &mut self.resampler {
                    self.raw.resize(wanted, 0);
                    resampler.push(&self.raw, &mut self.pcm);
                }
                // At a rate that nobody here knows there is silence.
                self.pcm.resize(count, 0);
            }
            Source::Tone(tone) => {
                self.pcm.resize(count, 0);
                tone.fill(rate, at_ms.saturating_mul(u64::from(rate / 1000)), &mut self.pcm);
            }
        }
        self.payload.clear();
        match (&self.codec, &mut self.encoder) {
            (Codec::Pcmu, _) => self.payload.extend(self.pcm.iter().map(|it| g711::to_ulaw(*it))),
            (Codec::Pcma, _) => self.payload.extend(self.pcm.iter().map(|it| g711::to_alaw(*it))),
            (Codec::Opus, Some(encoder)) => encoder.encode(&self.pcm, &mut self.payload).ok()?,
            (Codec::Opus, None) | (Codec::Other(_), _) => return None,
        }
        Some(&self.payload)
    }
}
