//! RTCP (RFC 3550 §6): reading what a peer reports, and writing reports of our own.

use crate::base::Mono;

/// What a sender says of its own stream (§6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The moment of the report, as seconds and a fraction of 2^-32.
    pub ntp: u64,
    /// The same moment on the clock of the stream.
    pub timestamp: u32,
    /// Packets so far.
    pub packets: u32,
    /// Octets of payload so far.
    pub octets: u32,
}

/// What a receiver says of a stream (§6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Of which stream.
    pub ssrc: u32,
    /// Of the last interval, in 256ths.
    pub fraction_lost: u8,
    /// Over all; negative when repeats outweigh the losses. 24 bits on the wire.
    pub lost: i32,
    /// The highest sequence number, extended by its wraps.
    pub highest_seq: u32,
    /// In ticks of the stream's clock.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report; 0 when none came.
    pub last_sr: u32,
    /// How long ago that was, in seconds / 2^16.
    pub since_sr: u32,
}

/// A report of our own: a sender's or a receiver's, with the name of who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// What was sent; `None` makes it a receiver report.
    pub sent: Option<Sent>,
    /// What was received.
    pub block: Option<Block>,
    /// The canonical name. What is beyond 255 bytes is cut off.
    pub cname: &'a str,
}

impl Report<'_> {
    /// Appends the report and the source description as a compound packet (§6.1).
    pub fn write(&self, out: &mut Vec<u8>) {
        let kind = if self.sent.is_some() { SENDER } else { RECEIVER };
        packet(out, kind, u8::from(self.block.is_some()), |out| {
            put(out, self.ssrc);
            if let Some(sent) = self.sent {
                out.extend_from_slice(&sent.ntp.to_be_bytes());
                put(out, sent.timestamp);
                put(out, sent.packets);
                put(out, sent.octets);
            }
            if let Some(block) = self.block {
                put(out, block.ssrc);
                let lost = block.lost.clamp(-(1 << 23), (1 << 23) - 1).cast_unsigned() & 0xff_ffff;
                put(out, u32::from(block.fraction_lost) << 24 | lost);
                put(out, block.highest_seq);
                put(out, block.jitter);
                put(out, block.last_sr);
                put(out, block.since_sr);
            }
        });
        packet(out, DESCRIPTION, 1, |out| {
            put(out, self.ssrc);
            let name = &self.cname.as_bytes()[..self.cname.len().min(255)];
            out.push(CNAME);
            out.push(name.len() as u8);
            out.extend_from_slice(name);
            // At least one null ends the list of items; `packet` fills the word up.
            out.push(0);
        });
    }

    /// Appends a goodbye to what [`Report::write`] wrote (§6.6).
    pub fn write_bye(&self, out: &mut Vec<u8>) {
        packet(out, BYE, 1, |out| put(out, self.ssrc));
    }
}

/// One packet of a compound packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A sender report.
    Sender {
        /// Who reports.
        ssrc: u32,
        /// What it sent.
        sent: Sent,
        /// What it received.
        blocks: Blocks<'a>,
    },
    /// A receiver report.
    Receiver {
        /// Who reports.
        ssrc: u32,
        /// What it received.
        blocks: Blocks<'a>,
    },
    /// A source description: the name of its first source.
    Description {
        /// Whose.
        ssrc: u32,
        /// The canonical name, when it comes first.
        cname: Option<&'a [u8]>,
    },
    /// Somebody leaves.
    Bye {
        /// Who; of several the first.
        ssrc: u32,
    },
    /// A kind that nobody here reads, by its number.
    Other(u8),
}

/// Reads a compound packet. It ends where the lengths stop making sense.
pub fn parse(bytes: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        let body = behind.get(..len).filter(|_| head[0] >> 6 == 2)?;
        rest = &behind[len..];
        read(head[1], usize::from(head[0] & 0x1f), body)
    })
}

/// Report blocks that were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [[u8; 24]]);

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        let mut words = Words(first);
        let ssrc = words.take()?;
        let lost = words.take()?;
        Some(Block {
            ssrc,
            fraction_lost: (lost >> 24) as u8,
            // The sign is in bit 23.
            lost: (lost << 8).cast_signed() >> 8,
            highest_seq: words.take()?,
            jitter: words.take()?,
            last_sr: words.take()?,
            since_sr: words.take()?,
        })
    }
}

/// A moment as NTP time. A sender that does not know the time of day may count from its own
/// beginning (§6.4.1).
pub fn ntp(now: Mono) -> u64 {
    let (seconds, rest) = (now.as_nanos() / 1_000_000_000, now.as_nanos() % 1_000_000_000);
    (seconds << 32) | ((rest << 32) / 1_000_000_000)
}

/// The middle 32 bits of an NTP time: what a report block says of a sender report.
pub fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

fn read(kind: u8, count: usize, body: &[u8]) -> Option<Packet<'_>> {
    let mut words = Words(body);
    match kind {
        SENDER => {
            let ssrc = words.take()?;
            let ntp = u64::from(words.take()?) << 32 | u64::from(words.take()?);
            let sent = Sent {
                ntp,
                timestamp: words.take()?,
                packets: words.take()?,
                octets: words.take()?,
            };
            Some(Packet::Sender { ssrc, sent, blocks: words.blocks(count) })
        }
        RECEIVER => Some(Packet::Receiver { ssrc: words.take()?, blocks: words.blocks(count) }),
        DESCRIPTION if count > 0 => {
            let ssrc = words.take()?;
            let cname = match words.0 {
                [CNAME, len, text @ ..] => text.get(..usize::from(*len)),
                _ => None,
            };
            Some(Packet::Description { ssrc, cname })
        }
        BYE if count > 0 => Some(Packet::Bye { ssrc: words.take()? }),
        kind => Some(Packet::Other(kind)),
    }
}

/// What is left of a packet's body.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn take(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }

    fn blocks(&self, count: usize) -> Blocks<'a> {
        let all = self.0.as_chunks::<24>().0;
        Blocks(&all[..count.min(all.len())])
    }
}

/// Appends a packet whose body `write` makes, filled up to whole words.
fn packet(out: &mut Vec<u8>, kind: u8, count: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&[2 << 6 | count, kind, 0, 0]);
    write(out);
    let len = (out.len() - begin).next_multiple_of(4);
    out.resize(begin + len, 0);
    // Ours are far shorter than the 65,536 words that fit.
    let words = (len / 4 - 1) as u16;
    out[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
/// The type of the item (§6.5.1).
const CNAME: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    const BLOCK: Block = Block {
        ssrc: 0xaabb_ccdd,
        fraction_lost: 200,
        lost: -3,
        highest_seq: 0x0001_0002,
        jitter: 77,
        last_sr: 0x1234_5678,
        since_sr: 65_536,
    };
    const SENT: Sent = Sent { ntp: 0x0102_0304_0506_0708, timestamp: 9, packets: 10, octets: 1600 };

    fn compound(sent: Option<Sent>, block: Option<Block>, cname: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let report = Report { ssrc: 5, sent, block, cname };
        report.write(&mut out);
        report.write_bye(&mut out);
        out
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = compound(Some(SENT), Some(BLOCK), "a@b");
        let packets: Vec<_> = parse(&bytes).collect();
        let [Packet::Sender { ssrc: 5, sent: SENT, blocks }, description, bye] = &packets[..]
        else {
            panic!("{packets:?}");
        };
        assert_eq!(blocks.clone().collect::<Vec<_>>(), [BLOCK]);
        assert_eq!(description, &Packet::Description { ssrc: 5, cname: Some(b"a@b") });
        assert_eq!(bye, &Packet::Bye { ssrc: 5 });
    }

    #[test]
    fn a_receiver_without_anything_to_report_still_reports() {
        let bytes = compound(None, None, "");
        let mut packets = parse(&bytes);
        let Some(Packet::Receiver { ssrc: 5, mut blocks }) = packets.next() else { panic!() };
        assert_eq!(blocks.next(), None);
        assert_eq!(packets.next(), Some(Packet::Description { ssrc: 5, cname: Some(b"") }));
    }

    #[test]
    fn names_of_any_length_fill_whole_words() {
        for len in 0..300 {
            let name = "x".repeat(len);
            let bytes = compound(None, Some(BLOCK), &name);
            assert_eq!(bytes.len() % 4, 0);
            let Some(Packet::Description { cname: Some(read), .. }) = parse(&bytes).nth(1) else {
                panic!("no name of {len} bytes");
            };
            assert_eq!(read, &name.as_bytes()[..len.min(255)]);
            assert_eq!(parse(&bytes).nth(2), Some(Packet::Bye { ssrc: 5 }));
        }
    }

    #[test]
    fn four_bytes_of_junk_and_lying_counts_are_survived() {
        assert_eq!(parse(&[0x80, 200, 0, 0]).next(), None);
        assert_eq!(parse(&[0x81, 203, 0xff, 0xff]).next(), None);
        assert_eq!(parse(&[0x80, 203, 0, 0]).next(), Some(Packet::Other(203)));
        // 31 blocks are promised, one is there.
        let mut bytes = compound(None, Some(BLOCK), "a");
        bytes[0] |= 31;
        let Some(Packet::Receiver { blocks, .. }) = parse(&bytes).next() else { panic!() };
        assert_eq!(blocks.count(), 1);
    }

    #[test]
    fn garbage_is_survived() {
        let mut rng = Rng::from_seed(3611);
        let whole = compound(Some(SENT), Some(BLOCK), "somebody");
        for _ in 0..20_000 {
            let mut bytes = whole[..rng.below(whole.len() as u64 + 1) as usize].to_vec();
            for _ in 0..rng.below(6) {
                let at = rng.below(bytes.len() as u64) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = rng.bits() as u8;
                }
            }
            for packet in parse(&bytes) {
                if let Packet::Sender { blocks, .. } | Packet::Receiver { blocks, .. } = packet {
                    assert!(blocks.count() < 32);
                }
            }
        }
    }

    #[test]
    fn time_counts_from_the_beginning() {
        assert_eq!(ntp(Mono::from_millis(1500)), 0x0000_0001_8000_0000);
        assert_eq!(middle(ntp(Mono::from_millis(1500))), 0x0001_8000);
    }
}
