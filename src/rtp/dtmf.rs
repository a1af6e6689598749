//! Digits as telephone events (RFC 4733): many packets, one digit.

use std::time::Duration;

use crate::base::Mono;

use super::{Arrival, Header};

/// A digit that was pressed and let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub digit: char,
    /// For how long, in milliseconds.
    pub duration_ms: u32,
}

/// The payload of a telephone-event packet (§2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Its code; 0 to 15 are digits.
    pub event: u8,
    /// Whether the key was let go.
    pub ended: bool,
    /// Its level in decibels below 0 dBm0: 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in ticks.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload. Bytes behind the first event are ignored.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low, ..] = payload else { return None };
        let duration = u16::from_be_bytes([high, low]);
        Some(Self { event, ended: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// The payload.
    pub fn bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.ended) << 7 | self.volume & 0x3f, high, low]
    }

    /// The code of a digit.
    pub fn code(digit: char) -> Option<u8> {
        DIGITS.iter().position(|it| *it == digit).map(|it| it as u8)
    }
}

/// Turns packets into digits: each is told once, at its end, even when the packets that say so are
/// lost.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// The event that lasts.
    current: Option<Current>,
    /// Era and timestamp of the last that was told or passed over.
    told: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    event: u8,
    era: u32,
    timestamp: u32,
    /// Of segments that are over (§2.5.1.3), in ticks.
    before: u32,
    duration: u16,
    /// When its last packet came.
    heard: Mono,
    rate: u32,
}

impl Reader {
    /// A packet of the agreed payload type has come; `rate` is its clock. It may end two digits:
    /// one before, whose end was lost, and this one.
    pub fn packet(
        &mut self,
        now: Mono,
        arrival: Arrival,
        header: &Header,
        payload: &[u8],
        rate: u32,
    ) -> [Option<Digit>; 2] {
        let Some(report) = TelephoneEvent::parse(payload) else { return [None; 2] };
        if self.is_old(arrival.era, header.timestamp) {
            return [None; 2];
        }
        let mut ends = [None; 2];
        let open = self.current.filter(|it| it.era == arrival.era && it.event == report.event);
        let current = match open {
            Some(it) if it.timestamp == header.timestamp => {
                Current { duration: it.duration.max(report.duration), heard: now, ..it }
            }
            // A key held for longer than the field can say is reported in segments, each beginning
            // where the one before is full, without a marker.
            Some(it) if it.is_continued_by(header) => Current {
                timestamp: header.timestamp,
                before: it.before.saturating_add(u32::from(u16::MAX)),
                duration: report.duration,
                heard: now,
                ..it
            },
            _ => {
                ends[0] = self.finish();
                Current {
                    event: report.event,
                    era: arrival.era,
                    timestamp: header.timestamp,
                    before: 0,
                    duration: report.duration,
                    heard: now,
                    rate,
                }
            }
        };
        self.current = Some(current);
        if report.ended {
            ends[1] = self.finish();
        }
        ends
    }

    /// When [`Reader::timeout`] may have something to tell; `None` when no key is held.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.current.map(|it| it.heard + END_IS_LOST)
    }

    /// Ends a digit of which nothing has been heard for too long.
    pub fn timeout(&mut self, now: Mono) -> Option<Digit> {
        if self.poll_timeout().is_some_and(|it| it <= now) { self.finish() } else { None }
    }

    /// Whether a packet belongs to an event that is over: the end is sent three times, and packets
    /// may come late.
    fn is_old(&self, era: u32, timestamp: u32) -> bool {
        self.told
            .is_some_and(|told| told.0 == era && timestamp.wrapping_sub(told.1).cast_signed() <= 0)
            || self.current.is_some_and(|it| {
                it.era == era && timestamp.wrapping_sub(it.timestamp).cast_signed() < 0
            })
    }

    fn finish(&mut self) -> Option<Digit> {
        let over = self.current.take()?;
        self.told = Some((over.era, over.timestamp));
        let digit = *DIGITS.get(usize::from(over.event))?;
        let ticks = u64::from(over.before) + u64::from(over.duration);
        let ms = ticks * 1000 / u64::from(over.rate.max(1));
        Some(Digit { digit, duration_ms: ms.min(u64::from(u32::MAX)) as u32 })
    }
}

impl Current {
    fn is_continued_by(&self, header: &Header) -> bool {
        !header.marker && header.timestamp.wrapping_sub(self.timestamp) == u32::from(u16::MAX)
    }
}

/// By their codes (RFC 4733 §3.2, table 3).
const DIGITS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// Updates come every 20 to 50 ms (§2.5.1.4); after five of the slowest the end must have got lost.
const END_IS_LOST: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use crate::rtp::Order;

    /// What is told of packets: `(at_ms, marker, timestamp, digit, duration, ended)`.
    fn told(packets: &[(u64, bool, u32, char, u16, bool)]) -> Vec<(char, u32)> {
        let mut reader = Reader::default();
        let mut told = Vec::new();
        for &(at, marker, timestamp, digit, duration, ended) in packets {
            let now = Mono::from_millis(at);
            let event = TelephoneEvent::code(digit).unwrap_or(16);
            let payload = TelephoneEvent { event, ended, volume: 10, duration }.bytes();
            let header = Header { marker, payload_type: 101, seq: 0, timestamp, ssrc: 1 };
            let arrival = Arrival { era: 1, seq: 0, order: Order::Ahead };
            told.extend(reader.timeout(now));
            told.extend(reader.packet(now, arrival, &header, &payload, 8000).into_iter().flatten());
        }
        told.extend(reader.timeout(Mono::from_millis(1_000_000)));
        told.iter().map(|it| (it.digit, it.duration_ms)).collect()
    }

    #[test]
    fn many_packets_and_three_ends_are_one_digit() {
        let packets = [
            (0, true, 1000, '5', 0, false),
            (20, false, 1000, '5', 160, false),
            (40, false, 1000, '5', 320, true),
            (40, false, 1000, '5', 320, true),
            (40, false, 1000, '5', 320, true),
        ];
        assert_eq!(told(&packets), [('5', 40)]);
    }

    #[test]
    fn the_same_key_twice_is_two_digits() {
        let packets = [
            (0, true, u32::MAX - 100, '1', 800, true),
            (200, true, 1500, '1', 800, true),
            (200, false, 1500, '1', 800, true),
        ];
        assert_eq!(told(&packets), [('1', 100), ('1', 100)]);
    }

    #[test]
    fn a_lost_end_is_found_with_the_next_key_or_after_silence() {
        let packets = [
            (0, true, 1000, '7', 160, false),
            (50, false, 1000, '7', 560, false),
            (150, true, 3000, '#', 160, false),
            (170, false, 3000, '#', 320, false),
        ];
        assert_eq!(told(&packets), [('7', 70), ('#', 40)]);
        let packets = [(0, true, 1000, '7', 160, false), (300, true, 4000, '7', 160, true)];
        assert_eq!(told(&packets), [('7', 20), ('7', 20)]);
    }

    #[test]
    fn only_the_end_may_arrive_and_old_packets_tell_nothing() {
        let packets = [
            (0, false, 1000, '*', 800, true),
            (20, true, 1000, '*', 0, false),
            (40, true, 3000, 'D', 160, false),
            (50, true, 1000, '*', 800, true),
            (60, false, 3000, 'D', 800, true),
        ];
        assert_eq!(told(&packets), [('*', 100), ('D', 100)]);
    }

    #[test]
    fn a_key_held_for_long_is_one_digit() {
        let packets = [
            (0, true, 0, '0', 65_000, false),
            (50, false, 0, '0', 65_535, false),
            (100, false, 65_535, '0', 400, false),
            (150, false, 65_535, '0', 865, true),
        ];
        assert_eq!(told(&packets), [('0', 8300)]);
    }

    #[test]
    fn other_events_are_no_digits() {
        assert_eq!(told(&[(0, true, 0, '?', 800, true)]), []);
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
    }

    #[test]
    fn garbage_is_survived() {
        let mut rng = Rng::from_seed(4733);
        let mut reader = Reader::default();
        for at in 0..20_000 {
            let mut payload = [0; 6];
            rng.fill(&mut payload);
            let header = Header {
                marker: rng.hits(500),
                payload_type: 101,
                seq: 0,
                timestamp: rng.bits32(),
                ssrc: 1,
            };
            let arrival = Arrival { era: rng.below(3) as u32, seq: 0, order: Order::Ahead };
            let len = rng.below(7) as usize;
            let now = Mono::from_millis(at * rng.below(20));
            reader.packet(now, arrival, &header, &payload[..len], rng.below(2) as u32 * 8000);
            reader.timeout(now);
        }
    }
}
