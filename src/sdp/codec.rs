//! What each codec is called on the wire, and which payload type means what.

use super::Codec;

/// The clock of telephone-event that everybody understands.
const EVENT_CLOCK: u32 = 8000;
/// Our numbers for what has none.
const OPUS: u8 = 107;
const EVENTS: u8 = 101;
const EVENTS_48000: u8 = 96;

impl Codec {
    /// The RTP clock in ticks per second. For Opus it is always 48,000 (RFC 7587 §4.1).
    pub fn clock_rate(&self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::Opus => 48_000,
            Self::Other(it) => it.clock(),
        }
    }

    /// The name in an `rtpmap`; compared without regard to case (RFC 4855 §3).
    pub fn name(&self) -> &str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Opus => "opus",
            Self::Other(it) => it.name(),
        }
    }

    /// The third part of its `rtpmap`.
    pub fn channels(&self) -> u8 {
        match self {
            Self::Pcmu | Self::Pcma => 1,
            Self::Opus => 2,
            Self::Other(it) => it.channels(),
        }
    }

    /// The payload type that it should have in an offer of ours: our own choice, or that of who
    /// offered it to us.
    pub fn number(&self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::Opus => OPUS,
            Self::Other(it) => it.number(),
        }
    }

    /// What we say of it in an `fmtp`; empty when that is nothing.
    pub fn parameters(&self) -> &str {
        match self {
            Self::Pcmu | Self::Pcma => "",
            Self::Opus => "useinbandfec=1",
            Self::Other(it) => it.parameters(),
        }
    }

    /// Whether we can only pass it on, and neither play nor hear it.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Other(_))
    }

    /// The codec of an `rtpmap`. Opus is two channels or it is not Opus (RFC 7587 §7).
    pub(super) fn of_mapping(pt: u8, mapping: &Mapping, parameters: &str) -> Option<Self> {
        let Mapping { name, clock, channels } = mapping;
        let ours = [Self::Pcmu, Self::Pcma, Self::Opus].into_iter().find(|it| {
            name.eq_ignore_ascii_case(it.name())
                && *clock == it.clock_rate()
                && *channels == it.channels()
        });
        ours.or_else(|| Self::other(name, *clock, *channels, pt, parameters))
    }

    /// Packet lengths that we can make, in milliseconds, longest first. Opus has no frames of 30 or
    /// 50 ms (RFC 6716 §2.1.4).
    pub(super) fn packet_lengths_ms(&self) -> &'static [u8] {
        match self {
            Self::Pcmu | Self::Pcma | Self::Other(_) => &[60, 50, 40, 30, 20, 10],
            Self::Opus => &[60, 40, 20, 10],
        }
    }

    /// Whether it is the same, under whatever number.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(it), Self::Other(other)) => it.is_like(other),
            _ => self == other,
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
    /// What a payload type means that needs no `rtpmap` (RFC 3551 §6).
    pub(super) fn of_static(pt: u8) -> Option<Self> {
        let (_, name, clock) = *STATIC.iter().find(|it| it.0 == pt)?;
        Some(Self { name: name.to_owned(), clock, channels: 1 })
    }

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
    /// What we offer for these codecs. A number keeps the meaning that it had `before` (RFC 3264
    /// §8.3.2).
    ///
    /// telephone-event/8000 is there even for Opus alone: some peers know no other (baresip,
    /// Firefox), and would otherwise have no way to send digits in the audio.
    pub(super) fn own(codecs: &[Codec], before: &Self) -> Self {
        let mut own = Self::default();
        for codec in codecs {
            if own.codecs.iter().any(|it| it.1 == *codec) {
                continue;
            }
            let known = before.codec_pt(codec).filter(|it| !own.has(*it));
            if let Some(pt) = known.or_else(|| own.free_pt(before, codec.number())) {
                own.codecs.push((pt, codec.clone()));
            }
        }
        let clocks: Vec<u32> = own.codecs.iter().map(|it| it.1.clock_rate()).collect();
        let others = clocks.into_iter().filter(|it| *it != EVENT_CLOCK);
        for clock in others.chain([EVENT_CLOCK]) {
            if own.event_pt(clock).is_some() {
                continue;
            }
            let wish = if clock == EVENT_CLOCK { EVENTS } else { EVENTS_48000 };
            let known = before.event_pt(clock).filter(|it| !own.has(*it));
            if let Some(pt) = known.or_else(|| own.free_pt(before, wish)) {
                own.events.push((pt, clock));
            }
        }
        own
    }

    /// The payload type of a codec; of one that only differs in its number when there is none.
    pub(super) fn codec_pt(&self, codec: &Codec) -> Option<u8> {
        let find = |wanted: fn(&Codec, &Codec) -> bool| {
            self.codecs.iter().find(|it| wanted(&it.1, codec)).map(|it| it.0)
        };
        find(Codec::eq).or_else(|| find(Codec::is_like))
    }

    /// Which of the codecs that we offered a peer means that answers with this one: of several the
    /// one with the same number.
    pub(super) fn answered_by(&self, pt: u8, codec: &Codec) -> Option<(u8, &Codec)> {
        let mut alike = self.codecs.iter().filter(|it| it.1.is_like(codec));
        let first = alike.clone().next();
        alike.find(|it| it.0 == pt).or(first).map(|it| (it.0, &it.1))
    }

    /// Which telephone-event goes with a codec, among those that `self` and `other` both have: the
    /// payload types of `self` and of `other`, and the clock.
    ///
    /// The events of a stream run on the clock of its audio (RFC 4733 §2.1). Where there is
    /// none of the codec's clock the one of 8000 is taken, because a digit of the wrong length is
    /// better than a digit that never comes.
    pub(super) fn events_with(&self, other: &Self, codec: &Codec) -> Option<(u8, u8, u32)> {
        [codec.clock_rate(), EVENT_CLOCK]
            .into_iter()
            .find_map(|clock| Some((self.event_pt(clock)?, other.event_pt(clock)?, clock)))
    }

    /// A number without a meaning so far, that which is wished for if possible. The numbers that we
    /// give to our own are nobody else's.
    fn free_pt(&self, before: &Self, wish: u8) -> Option<u8> {
        let is_free = |pt: &u8| !self.has(*pt) && !before.has(*pt);
        let others = (96..=127).filter(|it| ![OPUS, EVENTS, EVENTS_48000].contains(it));
        [wish].into_iter().chain(others).find(is_free)
    }

    fn has(&self, pt: u8) -> bool {
        self.codecs.iter().any(|it| it.0 == pt) || self.events.iter().any(|it| it.0 == pt)
    }

    fn event_pt(&self, clock: u32) -> Option<u8> {
        self.events.iter().find(|it| it.1 == clock).map(|it| it.0)
    }
}

/// The payload types with a fixed meaning (RFC 3551 §6): number, name, clock. Comfort noise is
/// none, and what has two channels is nothing for a telephone.
const STATIC: [(u8, &str, u32); 10] = [
    (0, "PCMU", 8000),
    (3, "GSM", 8000),
    (4, "G723", 8000),
    (5, "DVI4", 8000),
    (6, "DVI4", 16_000),
    (7, "LPC", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (15, "G728", 8000),
    (18, "G729", 8000),
];
