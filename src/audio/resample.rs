//! Changing the sample rate by whole ratios: a polyphase FIR filter with a delay of 1.5 ms.

use super::sine::{cosine, sine};

/// Turns a stream of samples at one rate into one at another. It remembers the end of what it was
/// given, so pieces of any length make one seamless stream.
#[derive(Clone, Debug)]
pub struct Resampler {
    up: usize,
    down: usize,
    /// The prototype low-pass at `up` times the incoming rate, with the gain `up`, scaled by 2^15.
    taps: Vec<i32>,
    /// The last samples of the stream, as many as a phase of the filter needs, then the piece at
    /// hand.
    line: Vec<i16>,
    /// How many filter outputs were skipped since the last that was kept.
    skipped: usize,
}

impl Resampler {
    /// From one to the other of 8,000, 16,000 and 48,000 samples a second. `None` for other rates.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        if ![from, to].iter().all(|it| RATES.contains(it)) {
            return None;
        }
        let (up, down) = ((to / from).max(1) as usize, (from / to).max(1) as usize);
        let ratio = up.max(down);
        let taps = if ratio == 1 { Vec::new() } else { low_pass(ratio, up) };
        let line = vec![0; (taps.len() / up).saturating_sub(1)];
        Some(Self { up, down, taps, line, skipped: 0 })
    }

    /// Takes a piece of the stream and appends what it becomes to `out`.
    pub fn push(&mut self, piece: &[i16], out: &mut Vec<i16>) {
        if self.taps.is_empty() {
            out.extend_from_slice(piece);
            return;
        }
        let past = self.line.len();
        self.line.extend_from_slice(piece);
        for window in self.line.windows(past + 1) {
            for phase in 0..self.up {
                self.skipped += 1;
                if self.skipped < self.down {
                    continue;
                }
                self.skipped = 0;
                let taps = self.taps.iter().skip(phase).step_by(self.up);
                let sum: i64 = window
                    .iter()
                    .rev()
                    .zip(taps)
                    .map(|(sample, tap)| i64::from(*sample) * i64::from(*tap))
                    .sum();
                let rounded = (sum + (1 << 14)) >> 15;
                out.push(rounded.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16);
            }
        }
        self.line.drain(..piece.len());
    }
}

/// A windowed sinc that passes nine tenths of the lower rate's band.
fn low_pass(ratio: usize, gain: usize) -> Vec<i32> {
    let count = TAPS_PER_PHASE * ratio;
    let middle = (count - 1) as f64 / 2.0;
    let cutoff = PASSED / (2.0 * ratio as f64);
    let shape: Vec<f64> = (0..count)
        .map(|at| {
            let x = at as f64 - middle;
            // The number of taps is even, so x is never zero.
            let sinc = sine(turns(cutoff * x)) / (std::f64::consts::PI * x);
            // Blackman.
            let place = turns(at as f64 / (count - 1) as f64);
            sinc * (0.42 - 0.5 * cosine(place) + 0.08 * cosine(place.wrapping_mul(2)))
        })
        .collect();
    let sum: f64 = shape.iter().sum();
    let scale = gain as f64 * 32768.0 / sum;
    shape.iter().map(|it| (it * scale) as i32).collect()
}

/// A number of full turns as a phase.
fn turns(count: f64) -> u32 {
    (count * 4_294_967_296.0) as i64 as u32
}

const RATES: [u32; 3] = [8_000, 16_000, 48_000];
const TAPS_PER_PHASE: usize = 24;
const PASSED: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Tone, power};

    /// A second of a tone, resampled.
    fn second(hz: u16, from: u32, to: u32) -> Vec<i16> {
        let mut samples = vec![0; from as usize];
        Tone { hz: [hz, 0], on_ms: 1000, off_ms: 0, times: None }.fill(from, 0, &mut samples);
        let mut out = Vec::new();
        Resampler::new(from, to).expect("a known rate").push(&samples, &mut out);
        assert_eq!(out.len(), to as usize);
        out
    }

    fn decibels(samples: &[i16], rate: u32, hz: f64) -> f64 {
        10.0 * (power(samples, rate, hz) / (7200.0 * 7200.0 / 2.0)).log10()
    }

    #[test]
    fn speech_passes_unchanged_between_all_rates() {
        for from in RATES {
            for to in RATES {
                for hz in [200, 1000, 2500, 3000] {
                    let level = decibels(&second(hz, from, to)[100..], to, f64::from(hz));
                    assert!(level.abs() < 0.5, "{hz} Hz from {from} to {to}: {level} dB");
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_kept_out_and_no_image_appears() {
        // 6 kHz would fold to 2 kHz at 8 kHz; 1 kHz has its first images at 7 and 9 kHz.
        for from in [16_000, 48_000] {
            assert!(decibels(&second(6000, from, 8000), 8000, 2000.0) < -60.0);
        }
        for image in [7000.0, 9000.0, 15000.0] {
            assert!(decibels(&second(1000, 8000, 48_000), 48_000, image) < -60.0);
        }
    }

    #[test]
    fn pieces_make_the_same_stream_as_the_whole() {
        let mut samples = vec![0; 4800];
        Tone { hz: [697, 1209], on_ms: 1000, off_ms: 0, times: None }.fill(48_000, 0, &mut samples);
        for (from, to) in [(48_000, 8000), (48_000, 16_000), (8000, 48_000), (8000, 8000)] {
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            Resampler::new(from, to).expect("a known rate").push(&samples, &mut whole);
            let mut resampler = Resampler::new(from, to).expect("a known rate");
            for piece in samples.chunks(77) {
                resampler.push(piece, &mut pieces);
            }
            assert_eq!(whole, pieces);
        }
    }

    #[test]
    fn full_scale_does_not_wrap_and_other_rates_are_refused() {
        let mut out = Vec::new();
        let square: Vec<i16> =
            (0..800).map(|it| if it % 16 < 8 { i16::MAX } else { i16::MIN }).collect();
        Resampler::new(8000, 48_000).expect("a known rate").push(&square, &mut out);
        let jump = out.windows(2).map(|it| i32::from(it[0]).abs_diff(i32::from(it[1]))).max();
        assert!(jump < Some(40_000));
        for (from, to) in [(0, 8000), (8000, 0), (44_100, 8000), (8000, 24_000)] {
            assert!(Resampler::new(from, to).is_none());
        }
    }
}
