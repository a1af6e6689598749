//! The floor: what it costs to receive and send the packets of a relay and do nothing else. A
//! socket for each leg and a tick of a millisecond, as in the switch.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::time::ClockId;

use crate::calls::Route;
use crate::media::Sockets;

const TICK: Duration = Duration::from_millis(1);

/// A running forwarder.
pub(crate) struct Forwarder {
    /// Where the legs of its calls send.
    pub(crate) routes: Vec<Route>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Duration>>,
}

impl Forwarder {
    /// Forwards between the two sides of so many calls.
    pub(crate) fn start(media: &Sockets, calls: usize) -> io::Result<Self> {
        let mut legs = Vec::new();
        let mut routes = Vec::new();
        for call in 0..calls {
            let caller = Leg::bind(media.caller(call))?;
            let callee = Leg::bind(media.callee(call))?;
            routes.push(Route {
                caller: caller.socket.local_addr()?,
                callee: callee.socket.local_addr()?,
            });
            legs.extend([caller, callee]);
        }
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = thread::spawn(move || forward(&legs, &told));
        Ok(Self { routes, over, thread })
    }

    /// Ends it and says how much processor time its thread has used.
    pub(crate) fn stop(self) -> io::Result<Duration> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| io::Error::other("the forwarder broke"))?
    }
}

struct Leg {
    socket: UdpSocket,
    peer: SocketAddr,
}

impl Leg {
    fn bind(peer: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, peer })
    }
}

/// Legs stand in pairs: what comes to one leaves from the other.
fn forward(legs: &[Leg], over: &AtomicBool) -> io::Result<Duration> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    for (n, it) in legs.iter().enumerate() {
        epoll.add(&it.socket, EpollEvent::new(EpollFlags::EPOLLIN, n as u64))?;
    }
    let mut events = vec![EpollEvent::empty(); legs.len()];
    let mut buffer = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        let ready = epoll.wait(&mut events, EpollTimeout::ZERO)?;
        for event in &events[..ready] {
            let at = event.data() as usize;
            let other = &legs[at ^ 1];
            // One each tick: what is left makes the socket ready again.
            if let Ok((len, _)) = legs[at].socket.recv_from(&mut buffer) {
                other.socket.send_to(&buffer[..len], other.peer)?;
            }
        }
        thread::sleep(TICK);
    }
    Ok(Duration::from(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?))
}
