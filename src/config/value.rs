//! Readers of single values. Each takes what people type and returns a type that cannot be wrong,
//! or says what would be right.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// UDP ports for audio: RTP on even ones, RTCP on the next (RFC 3550 §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first port; even.
    pub low: u16,
    /// The last port.
    pub high: u16,
}

impl PortRange {
    /// Reads `LOW-HIGH`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "LOW-HIGH, two port numbers such as 16384-20479";
        let (low, high) = text.split_once('-').ok_or(SHAPE)?;
        let low: u16 = low.trim().parse().map_err(|_| SHAPE)?;
        let high: u16 = high.trim().parse().map_err(|_| SHAPE)?;
        if low < 1024 {
            return Err("a LOW of 1024 or more");
        }
        if low % 2 == 1 {
            return Err("an even LOW, because RTP takes the even port of each pair");
        }
        if high.saturating_sub(low) < 3 {
            return Err("a range of at least 4 ports, because a call takes two pairs");
        }
        Ok(Self { low, high })
    }

    /// Whether a port is one of them.
    pub const fn contains(self, port: u16) -> bool {
        self.low <= port && port <= self.high
    }

    /// The even ports, each of which has a partner in the range.
    pub fn pairs(self) -> impl Iterator<Item = u16> {
        (self.low..self.high).step_by(2)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.low, self.high)
    }
}

/// Where we listen for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsAt {
    /// On the port above that of plain SIP.
    Above,
    /// Here.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl TlsAt {
    /// Reads `ADDR:PORT` or `off`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            Ok(it) => Ok(Self::At(it)),
            Err(_) if text == "off" => Ok(Self::Off),
            Err(_) => Err("ADDR:PORT such as 0.0.0.0:5061 or [::1]:5061, or off"),
        }
    }
}

/// What a client without a certificate meets, where certificates are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// It is sent away.
    Require,
    /// It is let in, and has its password to prove who it is.
    Ask,
}

impl Clients {
    /// Reads the word.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "require" => Ok(Self::Require),
            "ask" => Ok(Self::Ask),
            _ => Err("require or ask"),
        }
    }
}

/// Reads `ADDR:PORT`. Port 0 lets the system choose.
pub(super) fn socket(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "ADDR:PORT such as 0.0.0.0:5060 or [::1]:5060")
}

/// Reads an address that others can send to.
pub(super) fn address(text: &str) -> Result<IpAddr, &'static str> {
    let address: IpAddr = text.parse().map_err(|_| "an IP address such as 203.0.113.5")?;
    if address.is_unspecified() || address.is_multicast() {
        return Err("an IP address that phones can send to");
    }
    Ok(address)
}

/// Reads the name of a directory.
pub(super) fn directory(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() {
        return Err("the name of a directory");
    }
    Ok(PathBuf::from(text))
}

/// Reads the name of a file.
pub(super) fn file(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() {
        return Err("the name of a file");
    }
    Ok(PathBuf::from(text))
}

/// Reads the names of files, with commas between them.
pub(super) fn files(text: &str) -> Result<Vec<PathBuf>, &'static str> {
    let each = text.split(',').map(|it| file(it.trim()));
    each.collect::<Result<_, _>>().map_err(|_| "names of files, with commas between them")
}

/// Reads a number of bytes.
pub(super) fn size(text: &str) -> Result<usize, &'static str> {
    const SHAPE: &str = "a number of bytes up to 4G, such as 16M, 512K or 0";
    const MAX: usize = 4 << 30;
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 1 << 10),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 1 << 20),
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 1 << 30),
        _ => (Some(text), 1_usize),
    };
    let digits = digits.filter(|it| it.bytes().all(|it| it.is_ascii_digit())).ok_or(SHAPE)?;
    let count: usize = digits.parse().map_err(|_| SHAPE)?;
    count.checked_mul(unit).filter(|it| *it <= MAX).ok_or(SHAPE)
}

/// Reads a number of things.
pub(super) fn count(text: &str) -> Result<u32, &'static str> {
    const SHAPE: &str = "a number from 0 (no limit) to 1000000";
    let is_number = text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|it| is_number && *it <= 1_000_000).ok_or(SHAPE)
}

/// Reads how often something is done.
pub(super) fn interval(text: &str) -> Result<Duration, &'static str> {
    const SHAPE: &str = "seconds: 0 (never), or 5 to 3600";
    let fits = |it: &u64| *it == 0 || (5..=3600).contains(it);
    let is_number = text.bytes().all(|it| it.is_ascii_digit());
    let seconds = text.parse().ok().filter(|it| is_number && fits(it)).ok_or(SHAPE)?;
    Ok(Duration::from_secs(seconds))
}

/// Reads how long a registration holds, in seconds.
pub(super) fn lifetime(text: &str) -> Result<u32, &'static str> {
    const SHAPE: &str = "seconds from 10 to 86400";
    let is_number = text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|it| is_number && (10..=86_400).contains(it)).ok_or(SHAPE)
}

/// Reads whether something is done.
pub(super) fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("yes or no"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_range_consists_of_pairs() {
        let range = PortRange::parse("20000-20005").unwrap();
        assert_eq!(range.pairs().collect::<Vec<_>>(), [20000, 20002, 20004]);
        let odd_end = PortRange::parse("20000-20004").unwrap();
        assert_eq!(odd_end.pairs().collect::<Vec<_>>(), [20000, 20002]);
        assert!(range.contains(20005) && !range.contains(20006));
        assert_eq!(PortRange::parse("65532-65535").unwrap().pairs().last(), Some(65534));
    }

    #[test]
    fn a_port_range_without_a_pair_for_each_leg_is_refused() {
        for bad in ["", "20000", "20000-", "a-b", "20001-20010", "20000-20002", "20010-20000"] {
            assert!(PortRange::parse(bad).is_err(), "{bad}");
        }
        for bad in ["0-100", "70000-70010", "20000-70000", "-1-5"] {
            assert!(PortRange::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_is_told_to_send_to_nowhere() {
        assert!(address("203.0.113.5").is_ok());
        assert!(address("0.0.0.0").is_err());
        assert!(address("239.1.1.1").is_err());
        assert!(address("pbx.example").is_err());
    }

    #[test]
    fn limits_intervals_and_lifetimes_have_bounds() {
        assert_eq!((count("0"), count("20"), count("1000000")), (Ok(0), Ok(20), Ok(1_000_000)));
        assert!(["", "-1", "+1", "1.5", "1000001", "20/s"].iter().all(|it| count(it).is_err()));
        assert_eq!(interval("25"), Ok(Duration::from_secs(25)));
        assert_eq!(interval("0"), Ok(Duration::ZERO));
        assert!(["4", "3601", "25s", "", "+25"].iter().all(|it| interval(it).is_err()));
        assert_eq!((lifetime("10"), lifetime("86400")), (Ok(10), Ok(86_400)));
        assert!(["0", "9", "86401", "", "1h"].iter().all(|it| lifetime(it).is_err()));
        assert_eq!((yes_or_no("yes"), yes_or_no("false")), (Ok(true), Ok(false)));
        assert!(yes_or_no("maybe").is_err());
    }

    #[test]
    fn a_size_is_a_number_with_or_without_a_unit() {
        for (text, bytes) in [("0", 0), ("4096", 4096), ("512k", 512 << 10), ("16M", 16 << 20)] {
            assert_eq!(size(text), Ok(bytes));
        }
        for bad in ["", "M", "-1", "+5", "1.5M", "5G", "16 M", "99999999999999999999", "16MB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
