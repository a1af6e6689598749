//! What each codec is called on the wire, and which payload type means what.

use super::Codec;

/// The clock of telephone-event that everybody understands.
const EVENT_CLOCK: u32 = 8000;

impl Codec {
    /// The RTP clock in ticks per second. For Opus it is always 48,000 (RFC 7587 §4.1).
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::Opus => 48_000,
        }
    }

    /// The name in an `rtpmap`; compared without regard to case (RFC 4855 §3).
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Opus => "opus",
        }
    }

    /// The codec of a payload type that needs no `rtpmap` (RFC 3551 §6).
    pub(super) fn of_static(pt: u8) -> Option<Self> {
        match pt {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }

    /// The payload type under which we offer it.
    pub(super) fn own_pt(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::Opus => 107,
        }
    }

    /// The codec of an `rtpmap`. Opus is two channels or it is not Opus (RFC 7587 §7).
    pub(super) fn of_mapping(mapping: &Mapping) -> Option<Self> {
        [Self::Pcmu, Self::Pcma, Self::Opus].into_iter().find(|it| {
            mapping.name.eq_ignore_ascii_case(it.name())
                && mapping.clock == it.clock_rate()
                && mapping.channels == it.channels()
        })
    }

    /// The third part of its `rtpmap`.
    pub(super) fn channels(self) -> u8 {
        match self {
            Self::Pcmu | Self::Pcma => 1,
            Self::Opus => 2,
        }
    }

    /// Packet lengths that we can make, in milliseconds, longest first. Opus has no frames of 30 or
    /// 50 ms (RFC 6716 §2.1.4).
    pub(super) fn packet_lengths_ms(self) -> &'static [u8] {
        match self {
            Self::Pcmu | Self::Pcma => &[60, 50, 40, 30, 20, 10],
            Self::Opus => &[60, 40, 20, 10],
        }
    }
}

/// What an `a=rtpmap` line says of one payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// The encoding name as it was written.
    pub(super) name: String,
    /// The RTP clock.
    pub(super) clock: u32,
    /// 1 when it was not written.
    pub(super) channels: u8,
}

impl Mapping {
    /// The clock, when the payload type carries telephone events (RFC 4733).
    pub(super) fn event_clock(&self) -> Option<u32> {
        let is_event = self.name.eq_ignore_ascii_case("telephone-event") && self.channels == 1;
        is_event.then_some(self.clock)
    }
}

/// Which payload types of one audio line we understand, in the order of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Payloads {
    /// The payload types of codecs.
    pub(super) codecs: Vec<(u8, Codec)>,
    /// The payload types of telephone-event, and their clocks.
    pub(super) events: Vec<(u8, u32)>,
}

impl Payloads {
    /// What we offer for these codecs.
    ///
    /// telephone-event/8000 is there even for Opus alone: some peers know no other (baresip,
    /// Firefox), and would otherwise have no way to send digits in the audio.
    pub(super) fn own(codecs: &[Codec]) -> Self {
        let mut own = Self::default();
        for &codec in codecs {
            if own.codec_pt(codec).is_none() {
                own.codecs.push((codec.own_pt(), codec));
            }
        }
        if own.codec_pt(Codec::Opus).is_some() {
            own.events.push((96, Codec::Opus.clock_rate()));
        }
        own.events.push((101, EVENT_CLOCK));
        own
    }

    /// The first payload type of a codec.
    pub(super) fn codec_pt(&self, codec: Codec) -> Option<u8> {
        self.codecs.iter().find(|it| it.1 == codec).map(|it| it.0)
    }

    /// Which telephone-event goes with a codec, among those that `self` and `other` both have: the
    /// payload types of `self` and of `other`, and the clock.
    ///
    /// The events of a stream run on the clock of its audio (RFC 4733 §2.1). Where there is
    /// none of the codec's clock the one of 8000 is taken, because a digit of the wrong length is
    /// better than a digit that never comes.
    pub(super) fn events_with(&self, other: &Self, codec: Codec) -> Option<(u8, u8, u32)> {
        [codec.clock_rate(), EVENT_CLOCK]
            .into_iter()
            .find_map(|clock| Some((self.event_pt(clock)?, other.event_pt(clock)?, clock)))
    }

    fn event_pt(&self, clock: u32) -> Option<u8> {
        self.events.iter().find(|it| it.1 == clock).map(|it| it.0)
    }
}
