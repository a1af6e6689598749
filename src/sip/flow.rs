//! Where a message came from, which is also where its answers go.

use std::fmt;
use std::net::SocketAddr;

/// A pair of addresses that messages travel between (RFC 5626 §3.1).
///
/// Everything we send goes along a flow on which we have heard from the peer, so NAT and several
/// local addresses need no second thought: `local` is our address as that peer sees us, and stands
/// in the Via, Contact and SDP that we write for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// What carries the messages.
    pub transport: Transport,
    /// Our address towards this peer.
    pub local: SocketAddr,
    /// The peer's address as we see it.
    pub remote: SocketAddr,
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams; nothing is promised.
    Udp,
}

impl Transport {
    /// The word in a Via header.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
        }
    }

    /// Whether the transport repeats what was lost, so that transactions need not.
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.transport.word(), self.remote, self.local)
    }
}
