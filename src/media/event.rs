//! What a plane tells, counts and sends.

use std::net::SocketAddr;

use crate::base::{OpId, StreamId};

/// What a plane tells the switch.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The last packet of what `op` played has left and its time is over, or it was stopped.
    Played {
        /// Which stream.
        stream: StreamId,
        /// The operation that played.
        op: OpId,
    },
    /// A digit was pressed (RFC 4733), reported once, at its end.
    Digit {
        /// Which stream.
        stream: StreamId,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
        /// How long the key was held, in milliseconds.
        duration_ms: u32,
    },
    /// Nothing was heard of the peer for as long as it may be silent, although it should speak:
    /// it does not hold us and nothing else was agreed on. Told again each time that the silence
    /// lasts as long once more. Whatever comes from the peer counts: audio, digits, the few packets
    /// of a codec that does not send silence, comfort noise, RTCP.
    Silent {
        /// Which stream.
        stream: StreamId,
    },
    /// The stream is gone and its port free.
    Closed {
        /// Which stream.
        stream: StreamId,
        /// Its port.
        port: u16,
        /// What it saw.
        stats: Stats,
    },
}

/// What a stream saw in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// RTP packets from the peer.
    pub received: u64,
    /// RTP packets to the peer.
    pub sent: u64,
    /// Packets of the peer that never came, by sequence numbers.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) in microseconds.
    pub jitter_us: u32,
    /// Packets that we refused: wrong source, wrong payload type, not RTP.
    pub refused: u64,
}

/// A packet that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The local port it leaves from (the RTP port, or that plus one for RTCP).
    pub port: u16,
    /// Where it goes.
    pub to: SocketAddr,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// What a call of the plane brought forth. The driver empties it and uses it again, so that a
/// steady plane does not allocate for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Out {
    /// Packets that leave now, in this order.
    pub packets: Vec<Packet>,
    /// What the switch is told, in this order.
    pub events: Vec<Event>,
}

/// Where a relayed packet leaves: its bytes stand rewritten in the buffer they came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The local port it leaves from.
    pub port: u16,
    /// Where it goes.
    pub to: SocketAddr,
    /// How many bytes of the buffer it has.
    pub len: usize,
}
