//! One packet: which kind it is, its header, and rewriting that header where it stands.

use rtp_rs::RtpReader;

/// What a datagram on a media port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An RTP packet, by its second byte.
    Rtp,
    /// An RTCP packet, by its second byte.
    Rtcp,
    /// Neither: STUN, a keep-alive, junk.
    Other,
}

impl Kind {
    /// Tells them apart (RFC 5761 §4, RFC 7983 §7). The packet may still be malformed.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x80..=0xbf, 192..=223, _, _, ..] => Self::Rtcp,
            [0x80..=0xbf, _, _, _, ..] => Self::Rtp,
            _ => Self::Other,
        }
    }
}

/// The fields of the fixed header (RFC 3550 §5.1) that a relay decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The first packet after silence, or of a telephone event.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Counts packets, and wraps.
    pub seq: u16,
    /// Counts samples of the codec's clock, and wraps.
    pub timestamp: u32,
    /// Whose stream it is.
    pub ssrc: u32,
}

impl Header {
    /// How many bytes it has.
    pub const LEN: usize = 12;

    /// Appends a packet with this header to `out`.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.reserve(Self::LEN + payload.len());
        out.push(2 << 6);
        out.extend_from_slice(&self.fields());
        out.extend_from_slice(payload);
    }

    /// Puts this header into the packet that stands in `packet`. Its contributing sources,
    /// extension and padding stay. What is too short to be a packet stays as it is.
    pub fn rewrite(&self, packet: &mut [u8]) {
        if let Some((_, rest)) = packet.split_first_mut()
            && let Some(fields) = rest.first_chunk_mut()
        {
            *fields = self.fields();
        }
    }

    /// All of it behind the first byte.
    fn fields(&self) -> [u8; Self::LEN - 1] {
        let [s0, s1] = self.seq.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let kind = self.payload_type & 0x7f | u8::from(self.marker) << 7;
        [kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

/// A packet that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp<'a> {
    /// Its header.
    pub header: Header,
    /// What it carries, without extension and padding.
    pub payload: &'a [u8],
}

impl<'a> Rtp<'a> {
    /// Reads a packet. `None` when it is not one of RTP version 2 or its lengths contradict each
    /// other.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let reader = RtpReader::new(bytes).ok()?;
        let header = Header {
            marker: reader.mark(),
            payload_type: reader.payload_type(),
            seq: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
        };
        Some(Self { header, payload: reader.payload() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 111,
        seq: 0xfffe,
        timestamp: 0x8000_0001,
        ssrc: 0xdead_beef,
    };

    #[test]
    fn what_was_written_is_read() {
        let mut bytes = Vec::new();
        HEADER.write(&[1, 2, 3], &mut bytes);
        let packet = Rtp::parse(&bytes).unwrap();
        assert_eq!((packet.header, packet.payload), (HEADER, &[1, 2, 3][..]));
    }

    #[test]
    fn rewriting_leaves_sources_extension_and_padding_alone() {
        let mut bytes = vec![0xb1, 0x00];
        bytes.resize(12, 0);
        // A contributing source, an extension of one word, two bytes of payload, two of padding.
        bytes.extend_from_slice(&[9, 9, 9, 9, 0xbe, 0xde, 0, 1, 5, 6, 7, 8, 1, 2, 0, 2]);
        let before = bytes.clone();
        HEADER.rewrite(&mut bytes);
        assert_eq!((bytes[0], &bytes[12..]), (before[0], &before[12..]));
        let packet = Rtp::parse(&bytes).unwrap();
        assert_eq!((packet.header, packet.payload), (HEADER, &[1, 2][..]));
    }

    #[test]
    fn the_second_byte_tells_rtcp_from_rtp() {
        assert_eq!(Kind::of(&[0x80, 200, 0, 0]), Kind::Rtcp);
        assert_eq!(Kind::of(&[0x80, 223, 0, 0]), Kind::Rtcp);
        assert_eq!(Kind::of(&[0x80, 0x80 | 63, 0, 0]), Kind::Rtp);
        assert_eq!(Kind::of(&[0x80, 0x80 | 96, 0, 0]), Kind::Rtp);
        assert_eq!(Kind::of(&[0, 1, 0, 0]), Kind::Other);
        assert_eq!(Kind::of(b"\r\n\r\n"), Kind::Other);
        assert_eq!(Kind::of(&[0x80, 200]), Kind::Other);
    }

    #[test]
    fn garbage_is_survived() {
        let mut rng = Rng::from_seed(3550);
        let mut bytes = [0; 64];
        for _ in 0..20_000 {
            rng.fill(&mut bytes);
            bytes[0] = bytes[0] & 0x3f | 0x80;
            let len = rng.below(64) as usize;
            if let Some(packet) = Rtp::parse(&bytes[..len]) {
                assert!(packet.payload.len() + Header::LEN <= len);
            }
            HEADER.rewrite(&mut bytes[..len]);
        }
    }
}
