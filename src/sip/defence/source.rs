//! Whose address something came from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::sip::Flow;

/// An IPv4 address, or the /64 network of an IPv6 one: there everybody has as many addresses as
/// they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// Where the peer of this flow is.
    pub fn of(flow: Flow) -> Self {
        Self::at(flow.remote)
    }

    /// Where somebody with this address is.
    pub fn at(remote: SocketAddr) -> Self {
        match remote.ip() {
            IpAddr::V6(it) => Self(IpAddr::V6(Ipv6Addr::from_bits(it.to_bits() >> 64 << 64))),
            it => Self(it),
        }
    }

    /// Its bytes, for a seal.
    pub fn octets(self) -> [u8; 16] {
        match self.0 {
            IpAddr::V4(it) => it.to_ipv6_mapped().octets(),
            IpAddr::V6(it) => it.octets(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let of = |remote: &str| {
            let local = "[::1]:5060".parse().unwrap();
            Source::of(Flow { transport: Transport::Udp, local, remote: remote.parse().unwrap() })
        };
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff:1]:2"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
        assert_ne!(of("192.0.2.1:1"), of("192.0.2.2:1"));
    }
}
