//! An ear: how strong a frequency sounds in some samples (Goertzel), and which of several it is.

use super::sine::{cosine, step};

/// The mean square of what sounds at `hz`: a wave of the peak A has A²/2. Frequencies closer to each
/// other than `rate / samples.len()` are not told apart.
pub fn power(samples: &[i16], rate: u32, hz: f64) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let turn = 2.0 * cosine(step(hz, rate));
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (f64::from(*sample) + turn * last - before, last);
    }
    let square = last * last + before * before - turn * last * before;
    let count = samples.len() as f64;
    2.0 * square / (count * count)
}

/// The candidate that sounds strongest, when it makes up a good part of what is heard.
pub fn dominant(samples: &[i16], rate: u32, candidates: &[u16]) -> Option<u16> {
    let all = samples.iter().map(|it| f64::from(*it) * f64::from(*it)).sum::<f64>();
    let all = all / samples.len().max(1) as f64;
    let (strongest, hz) = candidates
        .iter()
        .map(|it| (power(samples, rate, f64::from(*it)), *it))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (all > SILENCE && strongest > all * SHARE).then_some(hz)
}

/// Below this mean square (a hum with the peak 14) there is nothing to hear.
const SILENCE: f64 = 100.0;
/// One of two frequencies of a tone has half of the power, minus what codecs add.
const SHARE: f64 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Tone;

    #[test]
    fn hears_one_frequency_and_not_its_neighbour() {
        let mut samples = [0; 800];
        Tone { hz: [1000, 0], on_ms: 1000, off_ms: 0, times: None }.fill(8000, 0, &mut samples);
        assert!((power(&samples, 8000, 1000.0) / (7200.0 * 7200.0 / 2.0) - 1.0).abs() < 0.01);
        assert!(power(&samples, 8000, 1100.0) < 100.0);
        assert_eq!(dominant(&samples, 8000, &[900, 1000, 1100]), Some(1000));
        assert_eq!(dominant(&samples, 8000, &[400, 500]), None);
    }

    #[test]
    fn hears_nothing_in_silence() {
        assert_eq!(dominant(&[0; 800], 8000, &[440]), None);
        assert_eq!(dominant(&[], 8000, &[440]), None);
        assert_eq!(dominant(&[9; 800], 8000, &[]), None);
    }
}
