//! Opus, 48 kHz mono, as a phone call wants it. This is the only door to the codec's crate.
//!
//! The codec is `ropus`, a Rust port of the fixed-point reference coder: it builds with cargo alone
//! (no cmake, no system library, no C of others in this tree) and fixed point gives the same bytes
//! on every machine. `audiopus` would need its abandoned `-sys` crate (RUSTSEC-2026-0150) patched
//! out by an `unsafe` crate of our own.

use std::fmt;

use ropus::{Application, Bitrate, Channels, DecodeMode};

/// Samples a second on both sides of the codec.
pub const RATE: u32 = 48_000;

/// Speaks Opus: 32 kbit/s, for voice, without forward error correction.
pub struct Encoder(ropus::Encoder);

impl Encoder {
    /// A coder that has said nothing yet. It costs a tenth of a millisecond and a large allocation.
    ///
    /// # Errors
    /// When the codec refuses our settings.
    pub fn new() -> Result<Self, OpusError> {
        ropus::Encoder::builder(RATE, Channels::Mono, Application::Voip)
            .bitrate(Bitrate::Bits(BITS_PER_SECOND))
            .complexity(COMPLEXITY)
            .build()
            .map(Self)
            .map_err(|_| OpusError)
    }

    /// Appends one packet to `out` that says `samples`: 10, 20, 40 or 60 ms of them.
    ///
    /// # Errors
    /// When the number of samples is none that Opus has frames for. `out` is as before then.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), OpusError> {
        let begin = out.len();
        out.resize(begin + PACKET_MAX, 0);
        let result = self.0.encode(samples, &mut out[begin..]);
        out.truncate(begin + result.as_ref().map_or(0, |it| (*it).min(PACKET_MAX)));
        result.map(drop).map_err(|_| OpusError)
    }
}

/// Understands Opus; stereo is mixed down.
pub struct Decoder(ropus::Decoder);

impl Decoder {
    /// A decoder that has heard nothing yet.
    ///
    /// # Errors
    /// When the codec refuses our settings.
    pub fn new() -> Result<Self, OpusError> {
        ropus::Decoder::new(RATE, Channels::Mono).map(Self).map_err(|_| OpusError)
    }

    /// Appends the samples of one packet to `out`.
    ///
    /// # Errors
    /// When it is no Opus packet. `out` is as before then.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) -> Result<(), OpusError> {
        if packet.is_empty() {
            // The codec would take it for a lost packet.
            return Err(OpusError);
        }
        let begin = out.len();
        out.resize(begin + SAMPLES_MAX, 0);
        let result = self.0.decode(packet, &mut out[begin..], DecodeMode::Normal);
        out.truncate(begin + result.as_ref().map_or(0, |it| (*it).min(SAMPLES_MAX)));
        result.map(drop).map_err(|_| OpusError)
    }
}

/// The codec could not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusError;

impl fmt::Display for OpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Opus packet, or not a length that Opus has")
    }
}

impl std::error::Error for OpusError {}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

const BITS_PER_SECOND: u32 = 32_000;
/// The knee of the curve: half of the cost of 9, hardly worse to hear.
const COMPLEXITY: u8 = 5;
/// The longest frame (RFC 6716 §3.2.1) fits, and so does the packet into an Ethernet frame.
const PACKET_MAX: usize = 1275;
/// 120 ms, the longest packet (RFC 6716 §3.2.5).
const SAMPLES_MAX: usize = RATE as usize / 1000 * 120;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Tone, dominant};
    use crate::base::Rng;

    fn say(ms: usize, frames: usize) -> (Vec<Vec<u8>>, Vec<i16>) {
        let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
        let mut samples = vec![0; 48 * ms * frames];
        Tone { hz: [440, 0], on_ms: 1000, off_ms: 0, times: None }.fill(RATE, 0, &mut samples);
        let (mut packets, mut heard) = (Vec::new(), Vec::new());
        for frame in samples.chunks(48 * ms) {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet).unwrap();
            decoder.decode(&packet, &mut heard).unwrap();
            packets.push(packet);
        }
        (packets, heard)
    }

    #[test]
    fn a_tone_survives_in_frames_of_every_length() {
        for ms in [10, 20, 40, 60] {
            let (_, heard) = say(ms, 10);
            assert_eq!(heard.len(), 48 * ms * 10);
            assert_eq!(dominant(&heard[48 * ms..], RATE, &[350, 440, 620]), Some(440));
        }
    }

    #[test]
    fn the_same_samples_make_the_same_packets() {
        assert_eq!(say(20, 50).0, say(20, 50).0);
    }

    #[test]
    fn refuses_what_is_no_frame_and_leaves_the_buffer_alone() {
        let mut packet = vec![7];
        assert_eq!(Encoder::new().unwrap().encode(&[0; 100], &mut packet), Err(OpusError));
        assert_eq!(packet, [7]);
        let mut heard = vec![7];
        let mut decoder = Decoder::new().unwrap();
        assert_eq!(decoder.decode(&[], &mut heard), Err(OpusError));
        assert_eq!(decoder.decode(&[0xff], &mut heard), Err(OpusError));
        assert_eq!(heard, [7]);
    }

    #[test]
    fn the_loudest_noise_is_coded() {
        let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
        let mut rng = Rng::from_seed(1);
        let mut heard = Vec::new();
        for _ in 0..100 {
            let noise: Vec<i16> =
                (0..960).map(|_| if rng.hits(500) { i16::MIN } else { i16::MAX }).collect();
            let mut packet = Vec::new();
            encoder.encode(&noise, &mut packet).unwrap();
            decoder.decode(&packet, &mut heard).unwrap();
        }
        assert_eq!(heard.len(), 100 * 960);
    }

    #[test]
    fn garbage_is_survived() {
        let (packets, _) = say(20, 20);
        let mut rng = Rng::from_seed(6716);
        let mut decoder = Decoder::new().unwrap();
        let mut heard = Vec::new();
        for round in 0..4000 {
            let mut packet = packets[round % packets.len()].clone();
            if round % 2 == 0 {
                packet.resize(rng.below(200) as usize, 0);
                rng.fill(&mut packet);
            }
            for _ in 0..rng.below(8) {
                let at = rng.below(packet.len() as u64) as usize;
                if let Some(byte) = packet.get_mut(at) {
                    *byte = rng.bits() as u8;
                }
            }
            heard.clear();
            let _ = decoder.decode(&packet, &mut heard);
            assert!(heard.len() <= SAMPLES_MAX);
        }
    }
}
