//! The media plane: what is heard by whom. One [`Plane`] per media thread; it owns the streams of
//! its calls, knows packets, ports and time, and speaks with the switch in [`Command`]s and
//! [`Event`]s. It knows nothing of SIP or scripts.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::{CallId, Mono, OpId, StreamId};
use crate::sdp::Agreed;

/// What the switch asks of a plane.
#[derive(Clone, Debug)]
pub enum Command {
    /// A stream begins on a port of this plane's pool. Until `agreed` is there nothing is sent and
    /// what arrives is counted and dropped. Opening an open stream is ignored.
    Open(Open),
    /// An (other) agreement holds from now on. SSRC, sequence and timestamps continue.
    Agree { stream: StreamId, agreed: Agreed },
    /// Two streams hear each other from now on. Each stream has at most one partner; a former
    /// partner of either is left alone.
    Join { a: StreamId, b: StreamId },
    /// The stream has no partner any more, nor has its partner.
    Part { stream: StreamId },
    /// Plays towards the peer, instead of what a partner says. Ends with [`Event::Played`], also
    /// when it is stopped or replaced by another.
    Play { stream: StreamId, op: OpId, source: Source },
    /// Stops what `op` plays, if it still does.
    Stop { stream: StreamId, op: OpId },
    /// The peer hears itself from now on (or no more).
    Echo { stream: StreamId, on: bool },
    /// The stream ends; its port is free again with [`Event::Closed`].
    Close { stream: StreamId },
}

/// How a stream begins.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its name.
    pub stream: StreamId,
    /// The call it belongs to.
    pub call: CallId,
    /// The local RTP port, even; RTCP is the next one.
    pub port: u16,
    /// Our synchronisation source.
    pub ssrc: u32,
    /// Our first sequence number.
    pub seq: u16,
    /// Our first timestamp.
    pub timestamp: u32,
    /// The name in our RTCP SDES packets.
    pub cname: String,
    /// The agreement, when it is there already.
    pub agreed: Option<Agreed>,
}

/// What a player plays.
#[derive(Clone, Debug)]
pub enum Source {
    /// Decoded samples, mono, at this rate (8,000, 16,000 or 48,000 a second), played once.
    Samples { rate: u32, samples: Arc<[i16]> },
    /// A computed tone.
    Tone(crate::audio::Tone),
}

/// What a plane tells the switch.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The last packet of what `op` played has left, or it was stopped.
    Played { stream: StreamId, op: OpId },
    /// A digit was pressed (RFC 4733), reported once, at its end.
    Digit { stream: StreamId, digit: char, duration_ms: u32 },
    /// The stream is gone and its port free.
    Closed { stream: StreamId, port: u16, stats: Stats },
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

/// Placeholder of the skeleton: the media helper replaces it.
#[derive(Debug)]
pub struct Plane;

#[allow(unused)]
fn _keep(_: Mono) {}
