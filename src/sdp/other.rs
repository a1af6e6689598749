//! Codecs that we cannot speak and pass on all the same, when both ends of a call share them.

use std::sync::Arc;

use super::Codec;

/// A codec that is only known by what descriptions say of it.
///
/// Two are the same when name, clock, channels and number are: an offer may hold AMR twice under two
/// numbers. What its parameters say may differ from end to end.
#[derive(Clone, Debug)]
pub struct OtherCodec {
    name: String,
    clock: u32,
    channels: u8,
    /// The payload type under which it was first offered.
    number: u8,
    /// Its `a=fmtp`; empty when there was none.
    parameters: String,
}

impl Codec {
    /// A codec that can only be passed on. `None` when it is one of ours, when it is no codec at all
    /// but something that travels beside one, or when it is too strange to be repeated to others.
    pub fn other(
        name: &str,
        clock: u32,
        channels: u8,
        number: u8,
        parameters: &str,
    ) -> Option<Self> {
        let is = |it: &&str| name.eq_ignore_ascii_case(it);
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.+".contains(&it));
        // A lone carriage return would be a new line to some readers.
        let is_plain = parameters.len() <= PARAMETERS_BYTES_MAX
            && parameters.bytes().all(|it| it == b' ' || it.is_ascii_graphic());
        let is_sane = CLOCKS.contains(&clock) && (1..=CHANNELS_MAX).contains(&channels);
        if !is_name || !is_plain || !is_sane || OURS.iter().chain(&BESIDE).any(is) {
            return None;
        }
        let (name, parameters) = (name.to_owned(), parameters.to_owned());
        Some(Self::Other(Arc::new(OtherCodec { name, clock, channels, number, parameters })))
    }

    /// The same with what another end says of it.
    pub(super) fn described_by(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Other(it), Self::Other(other)) if it.parameters != other.parameters => {
                let parameters = other.parameters.clone();
                Self::Other(Arc::new(OtherCodec { parameters, ..OtherCodec::clone(it) }))
            }
            _ => self.clone(),
        }
    }
}

impl OtherCodec {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn clock(&self) -> u32 {
        self.clock
    }

    pub(super) fn channels(&self) -> u8 {
        self.channels
    }

    pub(super) fn number(&self) -> u8 {
        self.number
    }

    pub(super) fn parameters(&self) -> &str {
        &self.parameters
    }

    /// Whether they are the same but for the number.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock == other.clock
            && self.channels == other.channels
    }
}

impl PartialEq for OtherCodec {
    fn eq(&self, other: &Self) -> bool {
        self.is_like(other) && self.number == other.number
    }
}

impl Eq for OtherCodec {}

/// Codecs of ours. Under other circumstances than ours they are a mistake of the peer.
const OURS: [&str; 3] = ["PCMU", "PCMA", "opus"];
/// What stands among the formats of an audio line and is no codec.
const BESIDE: [&str; 7] = ["telephone-event", "tone", "CN", "red", "rtx", "ulpfec", "parityfec"];
const NAME_BYTES_MAX: usize = 32;
/// AMR needs about a hundred.
const PARAMETERS_BYTES_MAX: usize = 256;
const CLOCKS: std::ops::RangeInclusive<u32> = 8_000..=192_000;
const CHANNELS_MAX: u8 = 8;
