//! Where a message came from, which is also where its answers go.

use std::fmt;
use std::net::SocketAddr;

/// A pair of addresses that messages travel between (RFC 5626 §3.1).
///
/// Everything we send goes along a flow on which we have heard from the peer, so NAT and several
/// local addresses need no second thought: `local` is our address as that peer sees us, and stands
/// in the Via, Contact and SDP that we write for it. For the same reason a large request takes the
/// flow that its phone has registered over and does not look for a connection, as RFC 3261 §18.1.1
/// would have it: behind a NAT there is none to be had.
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
    /// This connection. When it is closed its flow is gone for ever, even if another one comes
    /// from the same address.
    Tcp(Connection),
    /// The same, sealed (RFC 3261 §26.3.1).
    Tls(Connection),
}

/// The name of a connection, which no other ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(pub u64);

impl Connection {
    /// What the names of connections that the switch asks for have set, and those of accepted ones
    /// have not.
    const OURS: u64 = 1 << 63;

    /// The name of the nth connection that the switch asks for.
    pub const fn ours(nth: u64) -> Self {
        Self(nth | Self::OURS)
    }

    /// Whether the switch asked for it.
    pub const fn is_ours(self) -> bool {
        self.0 & Self::OURS != 0
    }
}

impl Transport {
    /// The word in a Via header.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp(_) => "TCP",
            Self::Tls(_) => "TLS",
        }
    }

    /// The URI parameter that asks for it, behind its semicolon (RFC 3261 §19.1.1). UDP is what a
    /// SIP address means without one.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp(_) => ";transport=tcp",
            // RFC 3261 §26.2.2 deprecates it; it is what phones write and understand.
            Self::Tls(_) => ";transport=tls",
        }
    }

    /// Whether the transport repeats what was lost, so that transactions need not.
    pub const fn is_reliable(self) -> bool {
        self.connection().is_some()
    }

    /// The connection that it depends on.
    pub const fn connection(self) -> Option<Connection> {
        match self {
            Self::Udp => None,
            Self::Tcp(it) | Self::Tls(it) => Some(it),
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.transport.word(), self.remote, self.local)
    }
}
