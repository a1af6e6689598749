//! What a stream sends: one SSRC, one sequence, one clock, whoever speaks on it.
//!
//! A relayed stream is shifted by an offset of its sequence and one of its timestamps, so its gaps
//! and its order stay what they were. When somebody else begins to speak (another partner, a
//! player, the same peer with another SSRC) the offsets are chosen anew: the sequence goes on
//! without a gap, the timestamps with the time that has passed.

use std::time::Duration;

use crate::base::{Mono, StreamId};
use crate::rtp::{Arrival, Header, Order, ticks};

use super::voice::Pace;

/// The outgoing side of a stream.
#[derive(Debug)]
pub(super) struct Line {
    ssrc: u32,
    /// The next sequence number.
    seq: u16,
    /// The timestamp of the newest audio; before any, the first to use.
    timestamp: u32,
    /// When that left.
    at: Option<Mono>,
    /// Until when the last frame of our own lasts.
    busy: Mono,
    anchor: Option<Anchor>,
    packets: u64,
    octets: u64,
}

/// How packets of one origin become ours.
#[derive(Debug)]
struct Anchor {
    from: StreamId,
    era: u32,
    /// The first packet that was relayed; earlier ones have no number left.
    first: u64,
    seq: u16,
    timestamp: u32,
    /// Timestamp and arrival of its newest audio.
    audio: Option<(u32, Mono)>,
}

/// What a packet to be relayed carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// Sound of the agreed codec.
    Audio,
    /// A telephone event; its timestamp is that of its beginning.
    Event,
    /// Comfort noise instead of sound. It shows that the peer is there and goes no further: the
    /// other end did not ask for it.
    Noise,
}

impl Line {
    pub(super) fn new(ssrc: u32, seq: u16, timestamp: u32) -> Self {
        let (busy, anchor, packets, octets) = (Mono::ZERO, None, 0, 0);
        Self { ssrc, seq, timestamp, at: None, busy, anchor, packets, octets }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// Octets of payload sent.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// When a frame of our own may follow the last one.
    pub(super) fn busy(&self) -> Mono {
        self.busy
    }

    /// The timestamp that belongs to `now`.
    pub(super) fn clock(&self, now: Mono, rate: u32) -> u32 {
        self.at.map_or(self.timestamp, |at| self.timestamp.wrapping_add(passed(at, now, rate)))
    }

    /// The header under which a packet of another stream leaves. `None` when it is from before the
    /// time that its origin speaks here.
    pub(super) fn relay(
        &mut self,
        now: Mono,
        from: StreamId,
        arrival: Arrival,
        incoming: &Header,
        payload: Payload,
        pace: Pace,
    ) -> Option<Header> {
        let known = |it: &&mut Anchor| it.from == from && it.era == arrival.era;
        let resumed = self.resume(now, pace);
        let mut begins = false;
        let anchor = match self.anchor.as_mut().filter(known) {
            Some(anchor) => anchor,
            None if arrival.order != Order::Ahead => return None,
            None => {
                begins = true;
                self.anchor.insert(Anchor {
                    from,
                    era: arrival.era,
                    first: arrival.seq,
                    seq: self.seq.wrapping_sub(incoming.seq),
                    timestamp: resumed.wrapping_sub(incoming.timestamp),
                    audio: None,
                })
            }
        };
        if arrival.seq < anchor.first {
            return None;
        }
        let ahead = arrival.order == Order::Ahead;
        if ahead && payload == Payload::Audio {
            if anchor.audio.is_some_and(|it| has_jumped(it, incoming.timestamp, now, pace.rate)) {
                anchor.timestamp = resumed.wrapping_sub(incoming.timestamp);
            }
            anchor.audio = Some((incoming.timestamp, now));
        }
        let seq = incoming.seq.wrapping_add(anchor.seq);
        let timestamp = incoming.timestamp.wrapping_add(anchor.timestamp);
        if ahead {
            self.seq = seq.wrapping_add(1);
            if begins || payload == Payload::Audio {
                self.timestamp = timestamp;
                self.at = Some(now);
            }
        }
        Some(Header { seq, timestamp, ssrc: self.ssrc, ..*incoming })
    }

    /// The header of a frame of our own. `running` is the pace of the one before, when this
    /// continues it.
    pub(super) fn own(
        &mut self,
        due: Mono,
        payload_type: u8,
        running: Option<Pace>,
        pace: Pace,
    ) -> Header {
        let running = running.filter(|it| it.rate == pace.rate);
        let timestamp = match running {
            Some(before) => self.timestamp.wrapping_add(before.ticks()),
            None => self.resume(due, pace),
        };
        let header = Header {
            marker: running.is_none(),
            payload_type,
            seq: self.seq,
            timestamp,
            ssrc: self.ssrc,
        };
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = timestamp;
        self.at = Some(due);
        self.busy = due + pace.frame();
        self.anchor = None;
        header
    }

    /// Somebody was not heard for a while: whoever speaks next begins anew.
    pub(super) fn cut(&mut self) {
        self.anchor = None;
    }

    /// A packet has left.
    pub(super) fn count(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    /// The timestamp for somebody who begins to speak now: as much later as time has passed, but
    /// behind the last frame.
    fn resume(&self, now: Mono, pace: Pace) -> u32 {
        self.at.map_or(self.timestamp, |at| {
            self.timestamp.wrapping_add(passed(at, now, pace.rate).max(pace.ticks()))
        })
    }
}

/// Whether a timestamp has nothing to do with the time that has passed since the one before: some
/// peers begin a new clock without a new SSRC.
fn has_jumped(before: (u32, Mono), timestamp: u32, now: Mono, rate: u32) -> bool {
    let claimed = timestamp.wrapping_sub(before.0);
    let off = claimed.wrapping_sub(passed(before.1, now, rate)).cast_signed().unsigned_abs();
    u64::from(off) > ticks(JUMP.as_nanos() as u64, rate)
}

fn passed(from: Mono, to: Mono, rate: u32) -> u32 {
    ticks(to.as_nanos().saturating_sub(from.as_nanos()), rate) as u32
}

/// More than any network delays a packet, less than anybody would wait to hear again.
const JUMP: Duration = Duration::from_secs(3);
