//! WAV files of 16-bit PCM, in and out.

use std::fmt;

/// What a WAV file holds, as one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wav {
    /// Samples a second.
    pub rate: u32,
    /// The samples; of two channels their mean.
    pub samples: Vec<i16>,
}

impl Wav {
    /// Reads a file. One that ends early gives what there is: programs that write to a pipe put
    /// some large length into the header.
    ///
    /// # Errors
    /// When it is no WAV file, or none of 16-bit PCM with one or two channels.
    pub fn parse(file: &[u8]) -> Result<Self, WavError> {
        if file.get(..4) != Some(b"RIFF") || file.get(8..12) != Some(b"WAVE") {
            return Err(WavError::NotWav);
        }
        let mut format = None;
        let mut rest = &file[12..];
        while let Some((head, body)) = rest.split_first_chunk::<8>() {
            let (id, size) = head.split_at(4);
            let size = size.iter().rev().fold(0, |size, it| size << 8 | usize::from(*it));
            let chunk = &body[..size.min(body.len())];
            match id {
                b"fmt " => format = Some(Format::parse(chunk)?),
                b"data" => return Ok(format.ok_or(WavError::Truncated)?.read(chunk)),
                _ => {}
            }
            // A chunk of odd length is followed by a byte of padding.
            rest = body.get(size.saturating_add(size % 2)..).unwrap_or_default();
        }
        Err(WavError::Truncated)
    }

    /// Writes a file.
    pub fn write(&self) -> Vec<u8> {
        let bytes = u32::try_from(self.samples.len() * 2).unwrap_or(u32::MAX - 36);
        let mut file = Vec::with_capacity(44 + self.samples.len() * 2);
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(bytes + 36).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        file.extend_from_slice(&PCM.to_le_bytes());
        file.extend_from_slice(&1_u16.to_le_bytes());
        file.extend_from_slice(&self.rate.to_le_bytes());
        file.extend_from_slice(&self.rate.saturating_mul(2).to_le_bytes());
        file.extend_from_slice(&2_u16.to_le_bytes());
        file.extend_from_slice(&16_u16.to_le_bytes());
        file.extend_from_slice(b"data");
        file.extend_from_slice(&bytes.to_le_bytes());
        file.extend(self.samples.iter().flat_map(|it| it.to_le_bytes()));
        file
    }
}

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WavError {
    /// It does not begin like a WAV file.
    NotWav,
    /// It ends before its samples begin.
    Truncated,
    /// It is not 16-bit PCM.
    Coding,
    /// It has neither one nor two channels.
    Channels(u16),
    /// Its rate is 0 or beyond all reason.
    Rate(u32),
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWav => f.write_str("not a WAV file"),
            Self::Truncated => f.write_str("the file ends before its samples begin"),
            Self::Coding => f.write_str("not 16-bit PCM"),
            Self::Channels(count) => write!(f, "{count} channels; one or two are read"),
            Self::Rate(rate) => write!(f, "{rate} samples a second are none that can be played"),
        }
    }
}

impl std::error::Error for WavError {}

struct Format {
    stereo: bool,
    rate: u32,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, WavError> {
        let short = |at: usize| match chunk.get(at..at + 2) {
            Some(&[low, high]) => Ok(u16::from_le_bytes([low, high])),
            _ => Err(WavError::Truncated),
        };
        // The extensible format names the coding in the first bytes of a GUID further on.
        let coding = match short(0)? {
            EXTENSIBLE => short(24)?,
            it => it,
        };
        let rate = u32::from(short(6)?) << 16 | u32::from(short(4)?);
        match (short(2)?, coding, short(14)?) {
            _ if !(1..=192_000).contains(&rate) => Err(WavError::Rate(rate)),
            (channels @ 1..=2, PCM, 16) => Ok(Self { stereo: channels == 2, rate }),
            (1..=2, _, _) => Err(WavError::Coding),
            (channels, _, _) => Err(WavError::Channels(channels)),
        }
    }

    fn read(&self, data: &[u8]) -> Wav {
        let samples = data.as_chunks::<2>().0.iter().map(|it| i16::from_le_bytes(*it));
        let samples = if self.stereo {
            let all: Vec<i16> = samples.collect();
            all.as_chunks::<2>().0.iter().map(|it| it[0].midpoint(it[1])).collect()
        } else {
            samples.collect()
        };
        Wav { rate: self.rate, samples }
    }
}

const PCM: u16 = 1;
const EXTENSIBLE: u16 = 0xfffe;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    fn some() -> Wav {
        Wav { rate: 8000, samples: (-500..500).collect() }
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(Wav::parse(&some().write()), Ok(some()));
        let empty = Wav { rate: 48_000, samples: vec![] };
        assert_eq!(Wav::parse(&empty.write()), Ok(empty));
    }

    #[test]
    fn two_channels_become_their_mean() {
        let mut file = Wav { rate: 8000, samples: vec![100, 200, -5, 5, 9] }.write();
        file[22] = 2;
        assert_eq!(Wav::parse(&file).map(|it| it.samples), Ok(vec![150, 0]));
    }

    #[test]
    fn a_pipe_that_ends_early_gives_what_there_is() {
        let mut file = some().write();
        file[40..44].fill(0xff);
        assert_eq!(Wav::parse(&file), Ok(some()));
        assert_eq!(Wav::parse(&file[..45]).map(|it| it.samples), Ok(vec![]));
        assert_eq!(Wav::parse(&file[..47]).map(|it| it.samples), Ok(vec![-500]));
    }

    #[test]
    fn other_chunks_are_passed_over() {
        let mut file = some().write();
        file.splice(12..12, *b"LIST\x03\0\0\0abc\0");
        assert_eq!(Wav::parse(&file), Ok(some()));
    }

    #[test]
    fn says_what_is_wrong() {
        let with = |at: usize, byte: u8| {
            let mut file = some().write();
            file[at] = byte;
            Wav::parse(&file)
        };
        assert_eq!(with(0, b'X'), Err(WavError::NotWav));
        assert_eq!(with(20, 3), Err(WavError::Coding));
        assert_eq!(with(34, 8), Err(WavError::Coding));
        assert_eq!(with(22, 6), Err(WavError::Channels(6)));
        assert_eq!(with(27, 0x77), Err(WavError::Rate(0x7700_1f40)));
        assert_eq!(Wav::parse(b"RIFF"), Err(WavError::NotWav));
        assert_eq!(Wav::parse(&some().write()[..20]), Err(WavError::Truncated));
        assert_eq!(Wav::parse(&some().write()[..36]), Err(WavError::Truncated));
    }

    #[test]
    fn garbage_is_survived() {
        let mut rng = Rng::from_seed(44);
        let whole = some().write();
        for _ in 0..5000 {
            let mut file = whole[..rng.below(whole.len() as u64) as usize].to_vec();
            for _ in 0..rng.below(6) {
                let at = rng.below(file.len().min(60) as u64) as usize;
                if let Some(byte) = file.get_mut(at) {
                    *byte = rng.bits() as u8;
                }
            }
            let _ = Wav::parse(&file);
        }
    }
}
