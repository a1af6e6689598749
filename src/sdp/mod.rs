//! Session descriptions: text to types and back (RFC 8866), and offer/answer (RFC 3264).
//!
//! The room knows nothing of SIP. It reads what a peer sent, writes offers and answers of our own,
//! and says what was agreed.

use std::net::SocketAddr;

/// A codec that we know by name. Others are never agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711 mu-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
    /// Opus (RFC 7587), always `opus/48000/2`, dynamic payload type.
    Opus,
}

/// Which way audio flows, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// We only send.
    SendOnly,
    /// We only receive.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// What an offer and its answer agreed on for the one audio stream of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Where our RTP goes. The unspecified address means that nothing is sent (old-style hold).
    pub remote: SocketAddr,
    /// Where our RTCP goes (`a=rtcp`, else the next port).
    pub remote_rtcp: SocketAddr,
    /// Seen from us.
    pub direction: Direction,
    /// The codec that both sides use.
    pub codec: Codec,
    /// The payload type that the peer wants to receive this codec with: what we send.
    pub pt_out: u8,
    /// The payload type that we asked for: what the peer sends.
    pub pt_in: u8,
    /// telephone-event (RFC 4733) of the codec's clock rate: the payload types out and in.
    pub dtmf: Option<(u8, u8)>,
    /// Milliseconds of audio per packet that the peer wants to receive.
    pub ptime_ms: u8,
}
