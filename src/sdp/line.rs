//! One `m=` section of a peer, and what it means for the stream that we would make of it.

use std::net::{IpAddr, SocketAddr};

use super::codec::{Mapping, Payloads};
use super::{Codec, Direction, Refused};

/// The packet length where the peer has no wish that we can meet.
const PACKET_MS: u16 = 20;
const PACKET_MS_MIN: u16 = 10;
const PACKET_MS_MAX: u16 = 60;

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// `audio`, `video`, `application` …
    pub(super) kind: String,
    /// 0 when the stream is declined or not wanted.
    pub(super) port: u16,
    /// `RTP/AVP` and its kin.
    pub(super) proto: String,
    /// At least one, without repetition.
    pub(super) formats: Vec<Format>,
    /// Of the section or of the session; `None` when there is none, or a host name.
    pub(super) address: Option<IpAddr>,
    /// Of the section or of the session, seen from its author.
    pub(super) direction: Direction,
    /// Milliseconds per packet that the author would like to receive.
    pub(super) ptime_ms: Option<u16>,
    /// Milliseconds per packet that the author can take at most.
    pub(super) maxptime_ms: Option<u16>,
    /// Where the author wants RTCP, if not on the next port (RFC 3605).
    pub(super) rtcp: Option<Rtcp>,
}

/// One format of a section: a payload type if the section is RTP, else any word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// As it stands in the `m=` line.
    pub(super) word: String,
    /// Its `a=rtpmap`.
    pub(super) mapping: Option<Mapping>,
    /// Its `a=fmtp`. Nothing of it changes what we do: our Opus is mono and may be heard by all. Of
    /// codecs that we only pass on it is passed on.
    pub(super) parameters: Option<String>,
}

/// An `a=rtcp` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rtcp {
    /// Never 0.
    pub(super) port: u16,
    /// When it was written, and not as a host name.
    pub(super) address: Option<IpAddr>,
}

impl Line {
    /// Whether it is audio over plain RTP that is neither declined nor secured.
    pub(super) fn is_usable_audio(&self) -> bool {
        self.is_plain_audio() && self.port != 0
    }

    /// Whether it is audio over plain RTP that is declined, or was and is to stop.
    pub(super) fn is_stopped_audio(&self) -> bool {
        self.is_plain_audio() && self.port == 0
    }

    /// Whether it wants a fax (T.38).
    pub(super) fn is_fax(&self) -> bool {
        self.kind.eq_ignore_ascii_case("image") && self.port != 0
    }

    /// Which of its payload types we understand.
    pub(super) fn payloads(&self) -> Payloads {
        let mut payloads = Payloads::default();
        for format in &self.formats {
            match format.meaning() {
                Some(Meaning::Audio(pt, codec)) => payloads.codecs.push((pt, codec)),
                Some(Meaning::Events(pt, clock)) => payloads.events.push((pt, clock)),
                None => {}
            }
        }
        payloads
    }

    fn is_plain_audio(&self) -> bool {
        self.kind.eq_ignore_ascii_case("audio") && self.proto.eq_ignore_ascii_case("RTP/AVP")
    }

    /// Where its author receives RTP and RTCP.
    ///
    /// # Errors
    /// When that is no single host's address.
    pub(super) fn remote(&self) -> Result<(SocketAddr, SocketAddr), Refused> {
        let address = self.address.filter(|it| is_unicast(*it)).ok_or(Refused::Address)?;
        // The last port has no next one. RTCP to the RTP port does no harm: the peer drops it.
        let beside = SocketAddr::new(address, self.port.checked_add(1).unwrap_or(self.port));
        let rtcp = match self.rtcp {
            Some(rtcp) => SocketAddr::new(rtcp.host(address), rtcp.port),
            None => beside,
        };
        Ok((SocketAddr::new(address, self.port), rtcp))
    }

    /// The direction that its author has in effect: the unspecified address is how RFC 2543 said
    /// hold, and means that nothing may be sent there (RFC 3264 §8.4).
    pub(super) fn effective_direction(&self) -> Direction {
        match self.address {
            Some(address) if address.is_unspecified() => self.direction.deaf(),
            _ => self.direction,
        }
    }

    /// The length of our packets: what its author wishes, if we can make it, and never more than it
    /// can take (RFC 8866 §6.4, §6.5).
    pub(super) fn packet_ms(&self, codec: &Codec) -> u8 {
        let can_make = PACKET_MS_MIN..=PACKET_MS_MAX;
        let wish = self.ptime_ms.filter(|it| can_make.contains(it)).unwrap_or(PACKET_MS);
        let most = self.maxptime_ms.map_or(wish, |it| it.min(wish));
        let lengths = codec.packet_lengths_ms();
        let longest = lengths.iter().copied().find(|it| u16::from(*it) <= most);
        longest.unwrap_or(PACKET_MS_MIN as u8)
    }
}

impl Format {
    /// What we make of it. Some payload types are fixed; one that is mapped to something else is a
    /// mistake, and whoever made it cannot expect to be understood. Payload types from 64 to 95
    /// would look like RTCP packets (RFC 5761 §4).
    fn meaning(&self) -> Option<Meaning> {
        let pt = payload_type(&self.word).filter(|it| matches!(it, 0..=63 | 96..=127))?;
        let fixed = Mapping::of_static(pt);
        let mapping = match (&self.mapping, fixed) {
            // The clock of G.722 is 8000 (RFC 3551 §4.5.2), whatever its friends write.
            (Some(own), Some(fixed)) if own.name.eq_ignore_ascii_case(&fixed.name) => fixed,
            (Some(_), Some(_)) => return None,
            (Some(own), None) => own.clone(),
            (None, fixed) => fixed?,
        };
        let parameters = self.parameters.as_deref().unwrap_or_default();
        let codec = Codec::of_mapping(pt, &mapping, parameters);
        let events = || mapping.event_clock().map(|it| Meaning::Events(pt, it));
        codec.map(|it| Meaning::Audio(pt, it)).or_else(events)
    }
}

/// The payload type of a format word. Only one word means each, so that `8` and `+08` cannot give
/// one payload type two meanings.
fn payload_type(word: &str) -> Option<u8> {
    let is_plain = word == "0" || word.starts_with(|it: char| matches!(it, '1'..='9'));
    word.parse().ok().filter(|_| is_plain)
}

/// What a payload type carries.
enum Meaning {
    Audio(u8, Codec),
    Events(u8, u32),
}

impl Rtcp {
    /// The host that RTCP goes to when RTP goes to `rtp`. On hold neither goes anywhere (RFC 3264
    /// §8.4); and a socket cannot send to an address of the other family.
    fn host(&self, rtp: IpAddr) -> IpAddr {
        let same_family = |it: &IpAddr| it.is_ipv4() == rtp.is_ipv4();
        match self.address.filter(same_family).filter(|it| is_unicast(*it)) {
            Some(own) if !rtp.is_unspecified() => own,
            _ => rtp,
        }
    }
}

/// Whether an address is one host's, or nobody's.
fn is_unicast(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(it) if it.is_broadcast());
    !address.is_multicast() && !is_broadcast
}
