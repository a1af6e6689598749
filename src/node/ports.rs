//! RTP ports, bound beforehand in pairs: RTP on the even one, RTCP on the next. A call never waits
//! for a socket, and nobody else can take a port between the offer and the first packet.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

/// Descriptors for everything that is not RTP.
const OTHER_FILES: u64 = 512;
/// A stream brings a packet every 20 ms and is read every millisecond; this holds a long stall.
const BUFFER: usize = 128 << 10;

/// Bound ports of one media thread.
#[derive(Debug)]
pub(super) struct Ports {
    first: u16,
    sockets: Vec<Option<UdpSocket>>,
}

/// The pairs that could not be had.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// How many.
    pub(super) count: usize,
    /// The first of them and why.
    pub(super) first: Option<(u16, io::Error)>,
}

impl Ports {
    /// Binds what can be bound of these pairs.
    pub(super) fn bind(at: IpAddr, pairs: &[u16], skipped: &mut Skipped) -> Self {
        let first = pairs.first().copied().unwrap_or_default();
        let mut ports = Self { first, sockets: Vec::new() };
        for &rtp in pairs {
            let both = bind(at, rtp).and_then(|it| Ok((it, bind(at, rtp.saturating_add(1))?)));
            match both {
                Ok((rtp, rtcp)) => ports.sockets.extend([Some(rtp), Some(rtcp)]),
                Err(e) => {
                    ports.sockets.extend([None, None]);
                    skipped.count += 1;
                    skipped.first.get_or_insert((rtp, e));
                }
            }
        }
        ports
    }

    /// The RTP ports that are ours.
    pub(super) fn pairs(&self) -> Vec<u16> {
        (self.first..=u16::MAX)
            .zip(&self.sockets)
            .step_by(2)
            .filter_map(|(port, socket)| socket.is_some().then_some(port))
            .collect()
    }

    /// The socket of a port.
    pub(super) fn socket(&self, port: u16) -> Option<&UdpSocket> {
        self.sockets.get(usize::from(port.checked_sub(self.first)?))?.as_ref()
    }
}

/// Raises the limit of open files as far as these sockets and connections need and we may, and says
/// for how many of the sockets there is room then. Connections get what is left.
pub(super) fn make_room_for(sockets: usize, connections: usize) -> usize {
    let need = (sockets + connections) as u64 + OTHER_FILES;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return sockets };
    if soft < need {
        // Raising the hard limit is a privilege; without it the soft one rises to the hard one.
        _ = setrlimit(Resource::RLIMIT_NOFILE, need, need.max(hard))
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, need.min(hard), hard));
    }
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(soft, |it| it.0);
    sockets.min(room_within(limit))
}

/// Everything else has its share first, also of a small limit.
fn room_within(limit: u64) -> usize {
    usize::try_from(limit - OTHER_FILES.min(limit / 2)).unwrap_or(usize::MAX)
}

/// How many files may still be opened.
pub(super) fn files_free() -> u64 {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |it| it.0);
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |it| it.count() as u64);
    limit.saturating_sub(open)
}

/// Where the system takes ports for outgoing traffic from; ours lie below.
pub(super) fn ephemeral_start() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range.ok().and_then(|it| it.split_whitespace().next()?.parse().ok());
    first.unwrap_or(32_768)
}

/// Pairs in as many parts as there are media threads.
pub(super) fn deal(pairs: &[u16], threads: usize) -> Vec<Vec<u16>> {
    pairs.chunks(pairs.len().div_ceil(threads.max(1)).max(1)).map(<[u16]>::to_vec).collect()
}

fn bind(at: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let at = SocketAddr::new(at, port);
    if port == 0 {
        return Err(ErrorKind::InvalidInput.into());
    }
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_busy_pair_is_left_out() {
        let taken = (20_100..30_000).step_by(2).find_map(|it| UdpSocket::bind((HERE, it + 1)).ok());
        let taken = taken.unwrap();
        let busy = taken.local_addr().unwrap().port() - 1;
        let pairs = [busy - 2, busy];
        let mut skipped = Skipped::default();
        let ports = Ports::bind(HERE, &pairs, &mut skipped);
        assert!(ports.socket(busy).is_none());
        assert!(!ports.pairs().contains(&busy));
        assert!(skipped.count >= 1);
        assert!(ports.socket(busy - 3).is_none() && ports.socket(busy + 2).is_none());
    }

    #[test]
    fn a_small_limit_of_files_leaves_room_for_everything_else() {
        assert_eq!(room_within(20_000), 19_488);
        assert_eq!(room_within(256), 128);
    }

    #[test]
    fn every_pair_is_dealt_to_exactly_one_thread() {
        let pairs: Vec<u16> = (20_000..20_014).step_by(2).collect();
        for threads in [1, 2, 3, 7, 9] {
            let dealt = deal(&pairs, threads);
            assert!(dealt.len() <= threads);
            assert_eq!(dealt.concat(), pairs, "{threads}");
        }
    }
}
