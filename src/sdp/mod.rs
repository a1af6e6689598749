//! Session descriptions: text to types and back (RFC 8866), and offer/answer (RFC 3264).
//!
//! The room knows nothing of SIP, sockets or samples. It reads what a peer sent, writes offers and
//! answers of our own, and says what was agreed. One leg has one audio stream over plain RTP;
//! whatever else a peer offers is declined in the answer, line by line. ICE, DTLS and SDES
//! attributes are not read yet.
//!
//! - The peer calls: [`Session::parse`] its offer, then [`answer`].
//! - We call: [`offer`], send [`Offer::text`], and hand the parsed answer to [`Offer::accept`].
//! - Either ends with [`Agreed`], which is all that the media plane needs to know, and with a
//!   [`Layout`] for the next exchange: a peer's offer is answered with [`answer_again`] then, and
//!   [`reoffer`] makes one of ours.
//!
//! ```
//! use moonswitch::sdp::{self, Codec, Direction, Local, Session};
//!
//! let address = [192, 0, 2, 1].into();
//! let local = |port| Local { address, port, session: 1, version: 1, ptime_ms: 20 };
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
mod layout;
mod line;
mod offer;
mod other;
mod parse;
mod print;
mod session;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use answer::{Answer, answer, answer_again};
pub use layout::Layout;
pub use offer::{Offer, offer, reoffer};
pub use other::OtherCodec;
pub use parse::ParseError;
pub use session::Session;

/// A codec: one that we speak, or one that we can only pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711 mu-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
    /// Opus (RFC 7587), always `opus/48000/2`, dynamic payload type.
    Opus,
    /// Any other. Nothing can be played to a leg that speaks it. Made by [`Codec::other`].
    Other(Arc<OtherCodec>),
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
    /// What the peer says of itself. Where it does not receive it holds us, see
    /// [`Agreed::is_held`].
    pub peer: Direction,
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

impl Agreed {
    /// Whether the peer has put us on hold, in any spelling: it does not want to hear us.
    pub fn is_held(&self) -> bool {
        !self.peer.receives()
    }
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
    /// Milliseconds of audio per packet that we would like to receive: what the other leg's peer
    /// wants, since packets are relayed as they are; 20 where nobody wants anything.
    pub ptime_ms: u8,
}

impl Local {
    /// Where we listen.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// Why an offer cannot be answered, or an answer cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// No audio over plain RTP, or the peer declined it.
    NoAudio,
    /// No audio, but a fax: `m=image` (T.38).
    Fax,
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
            Self::Fax => "a fax instead of audio",
            Self::NoCommonCodec => "no common codec",
            Self::NotOffered => "answered a codec that was not offered",
            Self::Address => "no usable address",
        })
    }
}

impl std::error::Error for Refused {}
