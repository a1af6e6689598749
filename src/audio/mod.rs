//! Arithmetic on samples: G.711, Opus, tones, WAV, resampling, and an ear that finds frequencies.
//!
//! The room knows samples and bytes. It does not know packets, time or calls, and the same input
//! gives the same bytes on every machine: nothing here depends on a mathematical library.

mod ear;
pub mod g711;
pub mod opus;
mod resample;
mod sine;
mod tone;
mod wav;

pub use ear::{dominant, power};
pub use resample::Resampler;
pub use tone::Tone;
pub use wav::{Wav, WavError};
