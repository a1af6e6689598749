//! Session descriptions: text to types and back (RFC 8866), and offer/answer (RFC 3264).
//!
//! The room knows nothing of SIP, sockets or samples. It reads what a peer sent, writes offers and
//! answers of our own, and says what was agreed. One leg has one audio stream over plain RTP;
//! whatever else a peer offers is declined in the answer, line by line. ICE, DTLS and SDES
//! attributes are not read yet.
//!
//! - The peer calls: [`Session::parse`] its offer, then [`answer`].
//! - We call: [`offer`], send [`Offer::text`], and hand the parsed answer to [`Offer::accept`].
//! - Either ends with [`Agreed`], which is all that the media plane needs to know.
//!
//! ```
//! use moonswitch::sdp::{self, Codec, Direction, Local, Session};
//!
//! let local = |port| Local { address: [192, 0, 2, 1].into(), port, session: 1, version: 1 };
//! let ours = sdp::offer(&local(40000), &[Codec::Pcma, Codec::Opus]);
//! let seen = Session::parse(ours.text().as_bytes())?;
//! let theirs = sdp::answer(&local(50000), &seen, &[Codec::Opus], Direction::SendRecv)?;
//! let agreed = ours.accept(&Session::parse(theirs.text.as_bytes())?, Direction::SendRecv)?;
//! assert_eq!(agreed.codec, Codec::Opus);
//! assert_eq!(agreed.remote.port(), 50000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod codec;
mod direction;
mod line;
mod offer;
mod parse;
mod print;
mod session;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use answer::{Answer, answer};
pub use offer::{Offer, offer};
pub use parse::ParseError;
pub use session::Session;

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

/// What we are for one leg: where we listen, and the identity of our descriptions (`o=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address that the peer can reach.
    pub address: IpAddr,
    /// The RTP port, even; RTCP is on the next one (RFC 3550 §11).
    pub port: u16,
    /// The same in every description of this leg.
    pub session: u64,
    /// One more with every description of this leg that differs from the last (RFC 3264 §8).
    pub version: u64,
}

/// Why an offer cannot be answered, or an answer cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// No audio over plain RTP, or the peer declined it.
    NoAudio,
    /// The offer has none of our codecs.
    NoCommonCodec,
    /// The answer has none of the codecs that we offered: the peer misbehaved.
    NotOffered,
    /// The peer names no address, a host name, or an address that is not one host's.
    Address,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAudio => "no usable audio line",
            Self::NoCommonCodec => "no common codec",
            Self::NotOffered => "answered a codec that was not offered",
            Self::Address => "no usable address",
        })
    }
}

impl std::error::Error for Refused {}
