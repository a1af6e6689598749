//! Judges what a phone has heard.

use moonswitch::audio::{Wav, dominant};

/// A moment that is long enough to tell frequencies apart: 50 ms give 20 Hz.
const MOMENTS_A_SECOND: usize = 20;
/// Every frequency that anybody says in the stories.
const CANDIDATES: [u16; 4] = [440, 700, 1000, 1500];

/// A recording that may still grow: its head does not know yet how long it is.
pub(crate) fn growing(file: &[u8]) -> Option<Wav> {
    let mut file = file.to_vec();
    let data = file.windows(4).position(|it| it == b"data")?;
    file.get_mut(data + 4..data + 8)?.fill(0xFF);
    Wav::parse(&file).ok()
}

/// For how many seconds each of the candidates was heard, strongest first.
pub(crate) fn tones(wav: &Wav) -> Vec<(u16, f64)> {
    let moment = wav.rate as usize / MOMENTS_A_SECOND;
    let mut heard = CANDIDATES.map(|it| (it, 0.0));
    for samples in wav.samples.chunks_exact(moment) {
        let hz = dominant(samples, wav.rate, &CANDIDATES);
        for (candidate, seconds) in &mut heard {
            if Some(*candidate) == hz {
                *seconds += 1.0 / MOMENTS_A_SECOND as f64;
            }
        }
    }
    let mut heard: Vec<_> = heard.into_iter().filter(|it| it.1 > 0.0).collect();
    heard.sort_by(|a, b| b.1.total_cmp(&a.1));
    heard
}

/// Checks that one tone was heard for at least `seconds`, and no other.
#[track_caller]
pub(crate) fn check_heard(wavs: &[Wav], hz: u16, seconds: f64) {
    let heard: Vec<_> = wavs.iter().map(tones).collect();
    let longest = heard.iter().flatten().filter(|it| it.0 == hz).map(|it| it.1).fold(0.0, f64::max);
    let others = heard.iter().flatten().filter(|it| it.0 != hz).map(|it| it.1).sum::<f64>();
    assert!(longest >= seconds, "{hz} Hz for {seconds} s were to be heard; it was {heard:?}");
    assert!(others <= 0.1, "only {hz} Hz were to be heard; it was {heard:?}");
}
