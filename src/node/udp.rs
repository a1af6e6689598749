//! The SIP socket: datagrams and the flows they travel on.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};

use crate::base::Mono;
use crate::sip::{Flow, Transport};

/// Every datagram fits (RFC 768: the length field has 16 bits).
const DATAGRAM_MAX: usize = 65_535;
/// Room for a registration storm while the switch is busy. The system may give less.
const BUFFER: usize = 4 << 20;

/// A bound SIP socket that never blocks.
pub(super) struct SipSocket {
    socket: UdpSocket,
    bound: SocketAddr,
    own: OwnAddresses,
    buffer: Box<[u8]>,
}

/// What waited in the socket.
pub(super) enum Received {
    /// A datagram.
    Datagram(Flow, Bytes),
    /// Something that was dropped.
    Dropped,
    /// Nothing more.
    Nothing,
}

impl SipSocket {
    /// Binds.
    pub(super) fn bind(at: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
        if at.is_ipv6() {
            // Else IPv4 peers would come in disguise (`::ffff:a.b.c.d`).
            socket.set_only_v6(true)?;
        }
        socket.set_recv_buffer_size(BUFFER)?;
        socket.set_send_buffer_size(BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        let socket = UdpSocket::from(socket);
        let bound = socket.local_addr()?;
        let own = OwnAddresses::new(bound.ip());
        Ok(Self { socket, bound, own, buffer: vec![0; DATAGRAM_MAX].into_boxed_slice() })
    }

    /// The address it is bound to, with the real port.
    pub(super) const fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Takes what waits.
    pub(super) fn receive(&mut self, now: Mono) -> Received {
        let (length, remote) = match self.socket.recv_from(&mut self.buffer) {
            Ok(it) => it,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Received::Nothing,
            // A pending error of an earlier datagram, an interruption: the next one may be good.
            Err(e) => {
                tracing::debug!("SIP socket: {e}");
                return Received::Dropped;
            }
        };
        let Some(local) = self.towards(remote, now) else {
            tracing::debug!("no way back to {remote}: its datagram is dropped");
            return Received::Dropped;
        };
        let flow = Flow { transport: Transport::Udp, local, remote };
        let bytes = self.buffer.get(..length).unwrap_or_default();
        Received::Datagram(flow, Bytes::copy_from_slice(bytes))
    }

    /// Our address as this peer sees it; nothing when there is no way to it.
    pub(super) fn towards(&mut self, remote: SocketAddr, now: Mono) -> Option<SocketAddr> {
        let ip = self.own.towards(remote.ip(), now)?;
        Some(SocketAddr::new(ip, self.bound.port()))
    }

    /// Sends. What the network does not take is lost, as it could have been on the way; SIP's
    /// timers repeat what matters (RFC 3261 §17).
    pub(super) fn send(&self, flow: Flow, bytes: &[u8]) {
        if let Err(e) = self.socket.send_to(bytes, flow.remote) {
            tracing::debug!("to {}: {e}", flow.remote);
        }
    }
}

impl AsFd for SipSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Which of our addresses each peer sees, when we are bound to all of them.
struct OwnAddresses {
    bound: IpAddr,
    known: BTreeMap<IpAddr, IpAddr>,
    since: Mono,
}

impl OwnAddresses {
    /// A forged source address costs an entry, so their number is bounded.
    const KNOWN_MAX: usize = 4096;
    /// Routes change; what is known is asked for again after this time.
    const KNOWN_FOR: Duration = Duration::from_secs(30);

    const fn new(bound: IpAddr) -> Self {
        Self { bound, known: BTreeMap::new(), since: Mono::ZERO }
    }

    /// Our address as `peer` sees it; `None` when there is no way to it.
    fn towards(&mut self, peer: IpAddr, now: Mono) -> Option<IpAddr> {
        if !self.bound.is_unspecified() {
            return Some(self.bound);
        }
        if now.since(self.since) > Self::KNOWN_FOR || self.known.len() >= Self::KNOWN_MAX {
            self.known.clear();
            self.since = now;
        }
        if let Some(own) = self.known.get(&peer) {
            return Some(*own);
        }
        let own = ask_the_routes(self.bound, peer).ok()?;
        self.known.insert(peer, own);
        Some(own)
    }
}

/// Connecting a UDP socket sends nothing, but the system chooses the address it would send from.
fn ask_the_routes(unspecified: IpAddr, peer: IpAddr) -> io::Result<IpAddr> {
    let probe = UdpSocket::bind((unspecified, 0))?;
    probe.connect((peer, 9))?;
    Ok(probe.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_names_the_address_that_the_peer_sees() {
        let mut socket = SipSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = socket.bound().port();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"hello", ("127.0.0.1", port)).unwrap();

        let Received::Datagram(flow, bytes) = socket.receive(Mono::ZERO) else {
            panic!("loopback delivers at once")
        };
        assert_eq!(flow.local, SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(flow.remote, peer.local_addr().unwrap());
        assert_eq!(&bytes[..], b"hello");
        assert!(matches!(socket.receive(Mono::ZERO), Received::Nothing));

        socket.send(flow, b"there");
        let mut answer = [0; 16];
        assert_eq!(peer.recv(&mut answer).unwrap(), 5);
    }

    #[test]
    fn what_is_known_of_routes_is_bounded_and_grows_old() {
        let mut own = OwnAddresses::new("0.0.0.0".parse().unwrap());
        let peer = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(own.towards(peer, Mono::ZERO), Some(peer));
        for n in 0..2 * OwnAddresses::KNOWN_MAX as u32 {
            own.known.insert(IpAddr::from(n.to_be_bytes()), peer);
            if n % 16 == 0 {
                own.towards(peer, Mono::ZERO);
            }
        }
        assert!(own.known.len() <= OwnAddresses::KNOWN_MAX + 16);
        own.towards(peer, Mono::from_millis(31_000));
        assert_eq!(own.known.len(), 1);
    }
}
