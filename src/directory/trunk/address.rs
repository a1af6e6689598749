//! Addresses, networks and hosts as people write them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// An address, or all that begin like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    network: IpAddr,
    bits: u8,
}

impl Prefix {
    /// Reads `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`. Bits beyond the prefix are to be zero, or
    /// it was meant otherwise.
    pub fn parse(text: &str) -> Option<Self> {
        let (network, bits) = text.split_once('/').map_or((text, None), |it| (it.0, Some(it.1)));
        let network: IpAddr = network.parse().ok()?;
        let all = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => all,
            Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        // A trunk that everybody may call from is none.
        let it = Self { network, bits };
        (bits <= all && bits >= 8 && it.holds(network) && it.first() == network).then_some(it)
    }

    /// Whether an address begins like it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let same_family = self.network.is_ipv4() == address.is_ipv4();
        same_family && (number(address) ^ number(self.network)) & self.mask() == 0
    }

    fn first(&self) -> IpAddr {
        let first = number(self.network) & self.mask();
        match self.network {
            IpAddr::V4(_) => IpAddr::from(((first >> 96) as u32).to_be_bytes()),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::from_bits(first)),
        }
    }

    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0)
    }
}

/// An address as a number whose highest bits come first.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(it) => u128::from(it.to_bits()) << 96,
        IpAddr::V6(it) => it.to_bits(),
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.network.is_ipv4() { 32 } else { 128 };
        match self.bits == all {
            true => self.network.fmt(f),
            false => write!(f, "{}/{}", self.network, self.bits),
        }
    }
}

/// A domain name or an address; IPv6 with or without brackets.
pub(super) fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let fits = |label: &str| {
        let letter = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(letter)
    };
    match bare {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(fits)),
    }
}

/// The same with a port behind it, if there is one; IPv6 then wants its brackets.
pub(super) fn is_host_and_port(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            is_host(host) && port.parse::<u16>().is_ok_and(|it| it > 0)
        }
        _ => is_host(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_like_it() {
        let holds = |prefix: &str, address: &str| {
            Prefix::parse(prefix).unwrap().holds(address.parse().unwrap())
        };
        assert!(holds("192.0.2.0/24", "192.0.2.255"));
        assert!(!holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.1", "192.0.2.1") && !holds("192.0.2.1", "192.0.2.2"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(!holds("192.0.2.0/24", "::1"));
        for bad in
            ["", "192.0.2.1/24", "0.0.0.0/0", "::/0", "192.0.2.0/33", "192.0.2.0/-1", "x", "1.2.3"]
        {
            assert_eq!(Prefix::parse(bad), None, "{bad}");
        }
        for good in ["192.0.2.0/24", "192.0.2.1", "2001:db8::/32", "::1"] {
            assert_eq!(Prefix::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn hosts_are_names_and_addresses() {
        for good in ["sip.carrier.test", "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "a_b"] {
            assert!(is_host(good) && is_host_and_port(good), "{good}");
        }
        for good in ["sip.carrier.test:5060", "[2001:db8::1]:5061"] {
            assert!(!is_host(good) && is_host_and_port(good), "{good}");
        }
        for bad in ["", "a..b", "sip:x", "a b", "x:0", "x:70000", "[x]", "a@b", "ü.test"] {
            assert!(!is_host(bad) && !is_host_and_port(bad), "{bad}");
        }
    }
}
