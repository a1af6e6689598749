//! What phones say, made so that it can be told by ear who speaks.
//!
//! Each phone hums its own frequency in G.711, or puts its name into packets of other codecs.
//! The arithmetic of G.711 is written here once more on purpose: it judges the other one.

use std::sync::LazyLock;

use crate::audio::{Tone, dominant};
use crate::sdp::Codec;

/// One of a few voices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voice(u8);

/// Samples in a frame of 20 ms at 8 kHz.
pub const FRAME: usize = 160;

impl Voice {
    /// How many voices there are.
    pub const COUNT: u8 = 16;

    /// The voice of the `nth` phone.
    pub const fn nth(nth: u8) -> Self {
        Self(nth % Self::COUNT)
    }

    /// Its frequency. All are multiples of 50 Hz, so that each 20 ms frame is like the next.
    pub fn hz(self) -> u16 {
        600 + 150 * u16::from(self.0)
    }

    /// One frame of it, 20 ms; `count` numbers the frames.
    pub fn say(self, codec: &Codec, count: u32, frame: &mut Vec<u8>) {
        match law(codec) {
            Some(law) => frame.extend_from_slice(&self.frames()[law]),
            None => {
                frame.extend_from_slice(MARK);
                frame.push(self.0);
                frame.extend_from_slice(&count.to_be_bytes());
            }
        }
    }

    /// Who speaks in this frame; `guess` is who spoke before.
    pub fn recognise(codec: &Codec, frame: &[u8], guess: Option<Self>) -> Option<Self> {
        let Some(law) = law(codec) else {
            let [voice, _, _, _, _] = *frame.strip_prefix(MARK)? else { return None };
            return (voice < Self::COUNT).then_some(Self(voice));
        };
        let unchanged = |it: &Self| it.frames()[law] == *frame;
        guess.filter(unchanged).or_else(|| Self::loudest(law, frame))
    }

    /// Every voice.
    fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The voice that makes up most of what is to be heard.
    fn loudest(law: usize, frame: &[u8]) -> Option<Self> {
        let samples: Vec<i16> = frame.iter().map(|it| EXPANDED[law][usize::from(*it)]).collect();
        let hz = dominant(&samples, RATE, &FREQUENCIES)?;
        Self::all().find(|it| it.hz() == hz)
    }

    fn frames(self) -> &'static [[u8; FRAME]; 2] {
        &FRAMES[usize::from(self.0)]
    }
}

/// Which of the two laws of G.711 a codec is.
const fn law(codec: &Codec) -> Option<usize> {
    match codec {
        Codec::Pcmu => Some(0),
        Codec::Pcma => Some(1),
        Codec::Opus | Codec::Other(_) => None,
    }
}

/// A byte of mu-law as a sample (ITU-T G.711, table 2a).
fn expand_mu(byte: u8) -> i16 {
    let bits = !byte;
    let step = (i16::from(bits & 0x0f) << 3) + 0x84;
    let size = (step << ((bits >> 4) & 7)) - 0x84;
    if bits & 0x80 == 0 { size } else { -size }
}

/// A byte of A-law as a sample (ITU-T G.711, table 1a).
fn expand_a(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let step = (i16::from(bits & 0x0f) << 4) + 8;
    let size = match (bits >> 4) & 7 {
        0 => step,
        segment => (step + 0x100) << (segment - 1),
    };
    if bits & 0x80 == 0 { -size } else { size }
}

const RATE: u32 = 8000;
const MARK: &[u8] = b"hum";

/// What each byte means, by law.
static EXPANDED: LazyLock<[[i16; 256]; 2]> = LazyLock::new(|| {
    let table = |expand: fn(u8) -> i16| std::array::from_fn(|it| expand(it as u8));
    [table(expand_mu), table(expand_a)]
});

static FREQUENCIES: LazyLock<Vec<u16>> = LazyLock::new(|| Voice::all().map(Voice::hz).collect());

/// Every voice by law.
static FRAMES: LazyLock<Vec<[[u8; FRAME]; 2]>> =
    LazyLock::new(|| Voice::all().map(|it| [0, 1].map(|law| hum(it.hz(), law))).collect());

/// A frame of a tone: each sample is the byte that comes nearest.
fn hum(hz: u16, law: usize) -> [u8; FRAME] {
    let mut samples = [0; FRAME];
    Tone { hz: [hz, 0], on_ms: 20, off_ms: 0, times: None }.fill(RATE, 0, &mut samples);
    samples.map(|sample| {
        let far = |byte: &u8| EXPANDED[law][usize::from(*byte)].abs_diff(sample);
        (0..=255).min_by_key(far).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voice_is_recognised_in_every_codec() {
        for codec in &[Codec::Pcmu, Codec::Pcma, Codec::Opus] {
            for voice in Voice::all() {
                let mut frame = Vec::new();
                voice.say(codec, 7, &mut frame);
                for guess in [None, Some(voice), Some(Voice::nth(3))] {
                    assert_eq!(Voice::recognise(codec, &frame, guess), Some(voice));
                }
            }
        }
    }

    #[test]
    fn silence_and_a_foreign_tone_are_nobody() {
        assert_eq!(Voice::recognise(&Codec::Pcmu, &[0xff; FRAME], None), None);
        assert_eq!(Voice::recognise(&Codec::Pcma, &[0xd5; FRAME], None), None);
        assert_eq!(Voice::recognise(&Codec::Opus, b"humble", None), None);
        assert_eq!(Voice::recognise(&Codec::Pcmu, &hum(425, 0), None), None);
    }
}
