//! What the sequence of received packets tells: order, loss, repeats, jitter (RFC 3550 §6.4,
//! appendices A.1, A.3 and A.8).

use crate::base::Mono;

use super::{Header, rtcp::Block};

/// The reception of one peer's stream. When the peer begins anew (another SSRC, or a jump of the
/// sequence) an era ends; losses are counted within eras.
#[derive(Clone, Debug)]
pub struct Reception {
    /// Clock ticks a second.
    rate: u32,
    era: Option<Era>,
    eras: u32,
    /// Losses of the eras that are over.
    lost_before: u64,
    /// Sixteen times the jitter, in ticks, as in A.8.
    jitter: u32,
}

/// How a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The number of the era; each begins with a packet in order.
    pub era: u32,
    /// The sequence number, extended by its wraps; starts anew with an era. A stray packet has
    /// none: that of the highest stands here.
    pub seq: u64,
    /// Where it stands among the others.
    pub order: Order,
}

/// Where a packet stands among those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ahead of all others, maybe with a gap.
    Ahead,
    /// Behind another that was sent later.
    Late,
    /// It was here already.
    Repeated,
    /// Far from the others. If the next one follows it, the peer has begun anew (A.1).
    Stray,
}

#[derive(Clone, Debug)]
struct Era {
    ssrc: u32,
    first: u64,
    highest: u64,
    /// Packets below `highest` that have come, from bit 0 on.
    seen: u128,
    received: u64,
    repeated: u64,
    /// After a stray packet: the sequence number that would prove a new beginning.
    suspect: Option<u16>,
    /// Arrival minus timestamp of the last packet, in ticks.
    transit: Option<u32>,
    /// Expected and received when the last report was made.
    reported: (u64, u64),
}

impl Reception {
    /// Nothing received yet, from a clock of `rate` ticks a second.
    pub fn new(rate: u32) -> Self {
        Self { rate, era: None, eras: 0, lost_before: 0, jitter: 0 }
    }

    /// The clock has another rate from now on.
    pub fn set_rate(&mut self, rate: u32) {
        if self.rate != rate {
            self.jitter = (u64::from(self.jitter) * u64::from(rate) / u64::from(self.rate.max(1)))
                .min(u64::from(u32::MAX)) as u32;
            self.rate = rate;
            if let Some(era) = &mut self.era {
                era.transit = None;
            }
        }
    }

    /// A packet has come.
    pub fn accept(&mut self, header: &Header) -> Arrival {
        let Some(era) = self.era.as_mut().filter(|it| it.ssrc == header.ssrc) else {
            return self.begin(header);
        };
        let ahead = header.seq.wrapping_sub(era.highest as u16);
        let behind = ahead.wrapping_neg();
        let order = if ahead == 0 {
            Order::Repeated
        } else if ahead < MAX_DROPOUT {
            era.seen = era.seen.checked_shl(u32::from(ahead)).unwrap_or(0);
            if let Some(bit) = 1_u128.checked_shl(u32::from(ahead) - 1) {
                era.seen |= bit;
            }
            era.highest += u64::from(ahead);
            Order::Ahead
        } else if behind <= MAX_MISORDER {
            let bit = 1_u128 << (behind - 1);
            if era.seen & bit != 0 {
                Order::Repeated
            } else if era.highest < era.first + u64::from(behind) {
                // Sent before the first that we know of: nobody missed it.
                Order::Stray
            } else {
                era.seen |= bit;
                Order::Late
            }
        } else if era.suspect == Some(header.seq) {
            return self.begin(header);
        } else {
            era.suspect = Some(header.seq.wrapping_add(1));
            Order::Stray
        };
        if order != Order::Stray {
            era.suspect = None;
            era.received += 1;
            era.repeated += u64::from(order == Order::Repeated);
        }
        let behind = match order {
            Order::Late | Order::Repeated => u64::from(behind),
            Order::Ahead | Order::Stray => 0,
        };
        Arrival { era: self.eras, seq: era.highest - behind, order }
    }

    /// Takes the arrival of a packet into the jitter (A.8). Not for telephone events: their
    /// timestamp stands still while they last.
    pub fn time(&mut self, now: Mono, timestamp: u32) {
        let Some(era) = &mut self.era else { return };
        let transit = (ticks(now.as_nanos(), self.rate) as u32).wrapping_sub(timestamp);
        if let Some(before) = era.transit.replace(transit) {
            let off = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A peer whose clock jumps by more than a minute tells nothing of the network.
            if u64::from(off) < u64::from(self.rate) * 60 {
                self.jitter = self.jitter - ((self.jitter + 8) >> 4) + off;
            }
        }
    }

    /// Packets that never came, over all eras.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.era.as_ref().map_or(0, Era::lost)
    }

    /// The jitter in microseconds.
    pub fn jitter_us(&self) -> u32 {
        let us = u64::from(self.jitter >> 4) * 1_000_000 / u64::from(self.rate.max(1));
        us.min(u64::from(u32::MAX)) as u32
    }

    /// The report block on the stream (A.3); `None` before its first packet. It ends the interval
    /// for which the fraction of lost packets is told.
    pub fn report(&mut self) -> Option<Block> {
        let era = self.era.as_mut()?;
        let expected = era.expected();
        let interval = (expected - era.reported.0, era.received - era.reported.1);
        era.reported = (expected, era.received);
        let lost = interval.0.saturating_sub(interval.1);
        let fraction = (lost << 8).checked_div(interval.0).unwrap_or(0).min(255);
        let total = expected.cast_signed() - era.received.cast_signed();
        Some(Block {
            ssrc: era.ssrc,
            fraction_lost: fraction as u8,
            lost: total.clamp(-(1 << 23), (1 << 23) - 1) as i32,
            highest_seq: era.highest as u32,
            jitter: self.jitter >> 4,
            last_sr: 0,
            since_sr: 0,
        })
    }

    fn begin(&mut self, header: &Header) -> Arrival {
        self.lost_before = self.lost();
        self.eras = self.eras.wrapping_add(1);
        let seq = u64::from(header.seq);
        self.era = Some(Era {
            ssrc: header.ssrc,
            first: seq,
            highest: seq,
            seen: 0,
            received: 1,
            repeated: 0,
            suspect: None,
            transit: None,
            reported: (0, 0),
        });
        Arrival { era: self.eras, seq, order: Order::Ahead }
    }
}

impl Era {
    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received - self.repeated)
    }
}

/// Nanoseconds as ticks of a clock.
pub fn ticks(nanos: u64, rate: u32) -> u64 {
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    (seconds * u64::from(rate)).wrapping_add(rest * u64::from(rate) / 1_000_000_000)
}

/// A gap as long as this is a new beginning (A.1): a minute of packets.
const MAX_DROPOUT: u16 = 3000;
/// A packet later than this is a new beginning (A.1).
const MAX_MISORDER: u16 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(seq: u16) -> Header {
        Header { marker: false, payload_type: 0, seq, timestamp: 0, ssrc: 1 }
    }

    fn orders(seqs: &[u16]) -> (Vec<Order>, Reception) {
        let mut reception = Reception::new(8000);
        let orders = seqs.iter().map(|it| reception.accept(&packet(*it)).order).collect();
        (orders, reception)
    }

    use Order::{Ahead, Late, Repeated, Stray};

    #[test]
    fn counts_on_across_the_wrap() {
        let (_, mut reception) = orders(&[65_534, 65_535, 0, 1]);
        assert_eq!(reception.accept(&packet(2)).seq, 65_538);
        let block = reception.report().unwrap();
        assert_eq!((block.highest_seq, block.lost, block.fraction_lost), (65_538, 0, 0));
    }

    #[test]
    fn a_late_packet_is_not_lost_and_a_repeated_one_counts_once() {
        let (seen, reception) = orders(&[65_535, 2, 0, 0, 2, 65_535, 1]);
        assert_eq!(seen, [Ahead, Ahead, Late, Repeated, Repeated, Repeated, Late]);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn gaps_are_losses() {
        let (_, mut reception) = orders(&[10, 12, 13, 17]);
        assert_eq!(reception.lost(), 4);
        let block = reception.report().unwrap();
        assert_eq!((block.lost, block.fraction_lost), (4, 128));
        reception.accept(&packet(18));
        // The fraction is that of the last interval, the count that of the whole stream.
        let block = reception.report().unwrap();
        assert_eq!((block.lost, block.fraction_lost), (4, 0));
        assert_eq!(reception.report().unwrap().fraction_lost, 0);
    }

    #[test]
    fn repeats_make_the_reported_loss_negative_but_not_ours() {
        let (_, mut reception) = orders(&[1, 1, 1, 2]);
        assert_eq!((reception.report().unwrap().lost, reception.lost()), (-2, 0));
    }

    #[test]
    fn a_jump_is_believed_with_its_second_packet() {
        let (seen, mut reception) = orders(&[1, 2, 30_000, 4, 40_000, 40_001, 40_002]);
        assert_eq!(seen, [Ahead, Ahead, Stray, Ahead, Stray, Ahead, Ahead]);
        assert_eq!(reception.lost(), 1);
        let other = Header { ssrc: 2, ..packet(7) };
        assert_eq!(reception.accept(&other), Arrival { era: 3, seq: 7, order: Ahead });
        assert_eq!(reception.lost(), 1);
    }

    #[test]
    fn what_was_sent_before_the_first_is_a_stray() {
        assert_eq!(orders(&[50, 49, 51]).0, [Ahead, Stray, Ahead]);
    }

    #[test]
    fn jitter_is_that_of_the_appendix() {
        let mut reception = Reception::new(8000);
        reception.accept(&packet(1));
        for at in 0..1000_u32 {
            // Every other packet is 5 ms late: the difference of transits is always 5 ms.
            let late = if at % 2 == 0 { 0 } else { 5 };
            reception.time(
                Mono::from_millis(u64::from(at * 20 + late)),
                (u32::MAX - 80).wrapping_add(at * 160),
            );
        }
        assert!((4500..=5000).contains(&reception.jitter_us()), "{}", reception.jitter_us());
        assert_eq!(reception.report().unwrap().jitter, reception.jitter_us() * 8 / 1000);
        reception.set_rate(48_000);
        assert!((4500..=5000).contains(&reception.jitter_us()));
    }

    #[test]
    fn a_long_uptime_does_not_overflow() {
        let mut reception = Reception::new(48_000);
        reception.accept(&packet(1));
        for nanos in [u64::MAX - 1, u64::MAX] {
            reception.time(Mono::from_nanos(nanos), 5);
        }
    }
}
