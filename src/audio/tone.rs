//! Computed tones. A sample is a function of its place alone, so a player may take them up
//! anywhere.

use super::sine::{sine, step};

/// One or two frequencies, sounding and silent in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Tone {
    /// Frequencies in hertz, both at once; 0 for none.
    pub hz: [u16; 2],
    /// Milliseconds of sound and of silence; silence 0 means that it never stops to breathe.
    pub on_ms: u32,
    /// See `on_ms`.
    pub off_ms: u32,
    /// How often sound and silence repeat; `None` for ever.
    pub times: Option<u32>,
}

impl Tone {
    /// The tone of a name, or of a frequency from 20 to 3400 Hz written as a number (`"440"`: one
    /// second of it).
    ///
    /// | name | Hz | sound, silence (ms) | |
    /// |---|---|---|---|
    /// | `dial` | 350 + 440 | without end | the North American precise tones |
    /// | `ringback` | 440 + 480 | 2000, 4000 | |
    /// | `busy` | 480 + 620 | 500, 500 | |
    /// | `congestion` | 480 + 620 | 250, 250 | |
    /// | `beep` | 1000 | 300, once | ours: "speak now" |
    pub fn named(name: &str) -> Option<Self> {
        let (hz, on_ms, off_ms, times) = match name {
            "dial" => ([350, 440], 1000, 0, None),
            "ringback" => ([440, 480], 2000, 4000, None),
            "busy" => ([480, 620], 500, 500, None),
            "congestion" => ([480, 620], 250, 250, None),
            "beep" => ([1000, 0], 300, 0, Some(1)),
            digits if digits.bytes().all(|it| it.is_ascii_digit()) => {
                let hz = digits.parse().ok().filter(|it| (20..=3400).contains(it))?;
                ([hz, 0], 1000, 0, Some(1))
            }
            _ => return None,
        };
        Some(Self { hz, on_ms, off_ms, times })
    }

    /// How long it lasts in milliseconds; `None` for ever.
    pub fn length_ms(&self) -> Option<u64> {
        Some(self.period_ms().saturating_mul(u64::from(self.times?)))
    }

    /// Fills `samples` with what it sounds like at `rate` samples a second from the sample numbered
    /// `first` on: silence behind its end.
    pub fn fill(&self, rate: u32, first: u64, samples: &mut [i16]) {
        let steps = self.hz.map(|it| step(f64::from(it), rate));
        let peak = if self.hz.contains(&0) { PEAK_ALONE } else { PEAK_IN_PAIR };
        let per_ms = |ms: u64| ms.saturating_mul(u64::from(rate)) / 1000;
        let (period, on) = (per_ms(self.period_ms()), per_ms(u64::from(self.on_ms)));
        let end = self.length_ms().map_or(u64::MAX, per_ms);
        for (at, sample) in (first..).zip(samples) {
            let within = at.checked_rem(period).unwrap_or(u64::MAX);
            // Without silence nothing interrupts the wave, so its phase runs on.
            let place = if self.off_ms == 0 { at } else { within };
            *sample = if at >= end || within >= on {
                0
            } else {
                let wave = steps.map(|it| sine((place as u32).wrapping_mul(it)));
                ((wave[0] + wave[1]) * peak) as i16
            };
        }
    }

    fn period_ms(&self) -> u64 {
        u64::from(self.on_ms) + u64::from(self.off_ms)
    }
}

/// One frequency leaves with -10 dBm0 (a full sine is +3.14 dBm0 in G.711), two with -13 dBm0 each:
/// what ITU-T E.180 has exchanges send, and far from clipping.
const PEAK_ALONE: f64 = 7200.0;
const PEAK_IN_PAIR: f64 = 5100.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{dominant, power};

    #[test]
    fn every_name_sounds_with_its_frequencies() {
        for (name, hz) in [("dial", [350, 440]), ("ringback", [440, 480]), ("busy", [480, 620])] {
            let mut samples = [0; 4000];
            Tone::named(name).expect("a name of the list").fill(8000, 0, &mut samples);
            for hz in hz {
                let power = power(&samples, 8000, f64::from(hz));
                assert!(
                    (power / (5100.0 * 5100.0 / 2.0) - 1.0).abs() < 0.15,
                    "{name} {hz} {power}"
                );
            }
        }
        assert_eq!(Tone::named("dail"), None);
    }

    #[test]
    fn a_number_is_a_second_of_that_frequency() {
        let tone = Tone::named("440").expect("a frequency");
        assert_eq!(tone.length_ms(), Some(1000));
        let mut samples = [0; 1600];
        tone.fill(8000, 6400, &mut samples);
        assert_eq!(dominant(&samples, 8000, &[425, 440, 480]), Some(440));
        tone.fill(8000, 8000, &mut samples);
        assert_eq!(samples, [0; 1600]);
        for outside in ["", "19", "3401", "-440", "440.0", "99999999999"] {
            assert_eq!(Tone::named(outside), None, "{outside}");
        }
    }

    #[test]
    fn sound_and_silence_take_turns() {
        let busy = Tone::named("busy").expect("a name of the list");
        let mut second = [0; 8000];
        busy.fill(8000, 8000 * 100, &mut second);
        assert!(second[1..100].iter().any(|it| *it != 0));
        assert!(second[4000..].iter().all(|it| *it == 0));
        assert_eq!(busy.length_ms(), None);
    }

    #[test]
    fn pieces_of_any_length_make_the_same_wave() {
        let tone = Tone { hz: [697, 1209], on_ms: 70, off_ms: 30, times: Some(3) };
        let mut whole = [0; 4000];
        tone.fill(8000, 0, &mut whole);
        let mut pieces = [0; 4000];
        for (at, piece) in pieces.chunks_mut(77).enumerate() {
            tone.fill(8000, at as u64 * 77, piece);
        }
        assert_eq!(whole, pieces);
        assert_eq!(tone.length_ms(), Some(300));
    }

    #[test]
    fn a_tone_that_makes_no_sense_is_silence() {
        let mut samples = [1; 100];
        let tone = Tone { hz: [440, 0], on_ms: 0, off_ms: 0, times: None };
        tone.fill(8000, 0, &mut samples);
        assert_eq!(samples, [0; 100]);
        let tone =
            Tone { hz: [u16::MAX; 2], on_ms: u32::MAX, off_ms: u32::MAX, times: Some(u32::MAX) };
        tone.fill(u32::MAX, u64::MAX - 200, &mut samples);
        tone.fill(0, 0, &mut samples);
    }
}
