//! What a phone hears: who speaks, and whether the packets are as RTP wants them (RFC 3550).
//!
//! It reads packets by itself and trusts no other room's reading of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::sdp::Codec;

use super::voice::Voice;

/// What one phone heard in one call.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    /// Whom, for how many packets.
    pub heard: BTreeMap<Voice, u64>,
    /// Packets that were in order in themselves.
    pub packets: u64,
    /// Packets in which nobody known spoke.
    pub unknown: u64,
    /// Packets that were no RTP, of another payload type or from another address than agreed.
    pub strange: u64,
    /// How often the synchronisation source changed.
    pub sources_changed: u64,
    /// The largest step between two sequence numbers that followed each other.
    pub gap_max: u16,
    source: Option<u32>,
    seq: u16,
    last: Option<Voice>,
}

/// What a phone expects to hear, from what was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// From where.
    pub from: SocketAddr,
    /// Encoded how.
    pub codec: Codec,
    /// Under which payload type.
    pub payload_type: u8,
}

impl Ear {
    /// A packet has come.
    pub fn hear(&mut self, expected: &Expected, from: SocketAddr, packet: &[u8]) {
        match Rtp::read(packet) {
            Some(it) if it.payload_type == expected.payload_type && from == expected.from => {
                self.follow(&it);
                self.listen(&expected.codec, it.payload);
            }
            _ => self.strange += 1,
        }
    }

    /// How many packets of this voice were heard.
    pub fn heard(&self, voice: Voice) -> u64 {
        self.heard.get(&voice).copied().unwrap_or(0)
    }

    fn follow(&mut self, rtp: &Rtp<'_>) {
        self.packets += 1;
        let ahead = rtp.seq.wrapping_sub(self.seq);
        match self.source {
            Some(source) if source == rtp.source => {
                // Steps backwards are stragglers, not gaps.
                if ahead < 0x8000 {
                    self.gap_max = self.gap_max.max(ahead);
                    self.seq = rtp.seq;
                }
                return;
            }
            Some(_) => self.sources_changed += 1,
            None => {}
        }
        (self.source, self.seq) = (Some(rtp.source), rtp.seq);
    }

    fn listen(&mut self, codec: &Codec, payload: &[u8]) {
        match Voice::recognise(codec, payload, self.last) {
            Some(voice) => {
                *self.heard.entry(voice).or_default() += 1;
                self.last = Some(voice);
            }
            None => self.unknown += 1,
        }
    }
}

/// The parts of an RTP packet that matter here (RFC 3550 §5.1).
struct Rtp<'a> {
    payload_type: u8,
    seq: u16,
    source: u32,
    payload: &'a [u8],
}

impl<'a> Rtp<'a> {
    /// Nobody here sends padding, extensions or contributors, so they are strange.
    fn read(packet: &'a [u8]) -> Option<Self> {
        let (head, payload) = packet.split_first_chunk::<12>()?;
        let [0x80, kind, s1, s0, _, _, _, _, c3, c2, c1, c0] = *head else { return None };
        let (seq, source) = (u16::from_be_bytes([s1, s0]), u32::from_be_bytes([c3, c2, c1, c0]));
        Some(Self { payload_type: kind & 0x7f, seq, source, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ear_tells_voices_gaps_sources_and_strangers() {
        let here: SocketAddr = "10.0.0.1:20000".parse().unwrap();
        let expected = Expected { from: here, codec: Codec::Pcmu, payload_type: 0 };
        let mut ear = Ear::default();
        for (seq, source) in [(1, 7), (2, 7), (5, 7), (4, 7), (6, 8)] {
            ear.hear(&expected, here, &packet(0, seq, source));
        }
        ear.hear(&expected, here, &packet(8, 7, 8));
        ear.hear(&expected, "10.0.0.9:4".parse().unwrap(), &packet(0, 7, 8));
        ear.hear(&expected, here, b"short");
        assert_eq!((ear.packets, ear.heard(Voice::nth(1)), ear.strange), (5, 5, 3));
        assert_eq!((ear.gap_max, ear.sources_changed, ear.unknown), (3, 1, 0));
    }

    fn packet(payload_type: u8, seq: u16, source: u32) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type];
        packet.extend(seq.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(source.to_be_bytes());
        Voice::nth(1).say(&Codec::Pcmu, 0, &mut packet);
        packet
    }
}
