//! Audio from both sides of every standing call, and who heard how much of it.
//!
//! All legs of a side share a few sockets, so that the generator costs little beside what it
//! measures; each packet says in its payload whose it is. A relay leaves payloads alone.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{setsockopt, sockopt};

use crate::calls::Route;
use crate::report::Figure;

/// Sockets of a side.
const SOCKETS: usize = 8;
/// What a receiving socket may hold: the generator may be late, the relay is not to blame for it.
const BUFFER: usize = 8 << 20;
/// How long late packets are waited for.
const DRAIN: Duration = Duration::from_millis(500);
/// 20 ms of G.711 behind an RTP header (RFC 3550 §5.1).
const PACKET: usize = 12 + 160;
/// How our payloads begin.
const MARK: [u8; 4] = *b"load";

/// The sockets of all callers and all callees.
pub(crate) struct Sockets {
    callers: Vec<Pair>,
    callees: Vec<Pair>,
}

impl Sockets {
    pub(crate) fn bind() -> io::Result<Self> {
        let side = || (0..SOCKETS).map(|_| Pair::bind()).collect::<io::Result<Vec<_>>>();
        Ok(Self { callers: side()?, callees: side()? })
    }

    /// Where the caller of a call hears.
    pub(crate) fn caller(&self, call: usize) -> SocketAddr {
        self.callers[call % SOCKETS].here
    }

    /// Where the callee of a call hears.
    pub(crate) fn callee(&self, call: usize) -> SocketAddr {
        self.callees[call % SOCKETS].here
    }

    /// How many sockets a side has.
    pub(crate) const fn len(&self) -> usize {
        self.callees.len()
    }

    /// What the caller of a call talks from.
    pub(crate) fn caller_socket(&self, call: usize) -> &UdpSocket {
        &self.callers[call % SOCKETS].rtp
    }

    /// What the callee of a call hears with.
    pub(crate) fn callee_socket(&self, call: usize) -> &UdpSocket {
        &self.callees[call % SOCKETS].rtp
    }

    /// Both sides of every call talk: `rate` packets a second, for some seconds.
    pub(crate) fn talk(&self, routes: &[Route], rate: u32, seconds: u32) -> io::Result<Heard> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let listener = scope.spawn(|| self.listen(routes.len(), &over));
            let sent = self.send(routes, rate, seconds);
            thread::sleep(DRAIN);
            over.store(true, Ordering::Relaxed);
            let mut heard = listener.join().map_err(|_| io::Error::other("listener broke"))??;
            heard.sent = sent?;
            Ok(heard)
        })
    }

    fn send(&self, routes: &[Route], rate: u32, seconds: u32) -> io::Result<usize> {
        // The streams of a house are not in step: each begins at its own millisecond.
        let period_ms = 1000 / u64::from(rate);
        let mut streams: Vec<_> = (0..routes.len() * 2).map(|it| Stream::new(it as u32)).collect();
        let mut sent = 0;
        let began = Instant::now();
        for tick in 0..u64::from(seconds) * 1000 {
            let at = began + Duration::from_millis(tick);
            thread::sleep(at.saturating_duration_since(Instant::now()));
            let due = (tick % period_ms) as usize;
            for it in streams.iter_mut().skip(due).step_by(period_ms as usize) {
                let call = it.number as usize / 2;
                let (from, to) = match it.number % 2 {
                    0 => (&self.callers[call % SOCKETS], routes[call].caller),
                    _ => (&self.callees[call % SOCKETS], routes[call].callee),
                };
                from.rtp.send_to(it.next(), to)?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    fn listen(&self, calls: usize, over: &AtomicBool) -> io::Result<Heard> {
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        let all: Vec<_> = self.callers.iter().chain(&self.callees).collect();
        for (n, it) in all.iter().enumerate() {
            epoll.add(&it.rtp, EpollEvent::new(EpollFlags::EPOLLIN, n as u64))?;
        }
        let mut heard = Heard { sent: 0, streams: vec![0; calls * 2], strange: 0 };
        let mut events = [EpollEvent::empty(); SOCKETS * 2];
        let mut buffer = [0; 2048];
        while !over.load(Ordering::Relaxed) {
            let ready = epoll.wait(&mut events, EpollTimeout::from(20_u8))?;
            for event in &events[..ready] {
                let at = event.data() as usize;
                while let Ok(len) = all[at].rtp.recv(&mut buffer) {
                    heard.take(&buffer[..len], at >= SOCKETS);
                }
            }
            // At our own pace, like the relay: less work for both.
            thread::sleep(Duration::from_millis(1));
        }
        Ok(heard)
    }
}

/// What was heard.
pub(crate) struct Heard {
    sent: usize,
    /// Packets of each stream.
    streams: Vec<usize>,
    /// Packets that are none of ours, or came to the wrong side.
    strange: usize,
}

impl Heard {
    /// The row of the table: a unit has failed where a party heard nothing at all. Loss is said.
    pub(crate) fn figure(&self, what: String, rate: String, cpu: Duration, note: &str) -> Figure {
        let heard: usize = self.streams.iter().sum();
        let mute = self.streams.iter().enumerate().filter(|it| *it.1 == 0);
        let failures = mute
            .map(|(stream, _)| match stream % 2 {
                0 => format!("call {}: the callee heard nothing", stream / 2),
                _ => format!("call {}: the caller heard nothing", stream / 2),
            })
            .collect();
        let mut lost = format!("{} of {} lost", self.sent.saturating_sub(heard), self.sent);
        if self.strange > 0 {
            lost += &format!(", {} strange", self.strange);
        }
        let note = if note.is_empty() { lost } else { format!("{lost}; {note}") };
        Figure::cpu(what, rate, heard, cpu).with(failures, note)
    }

    fn take(&mut self, packet: &[u8], by_callee: bool) {
        let number = packet
            .get(12..20)
            .and_then(|it| it.strip_prefix(&MARK))
            .and_then(|it| it.try_into().ok())
            .map(|it| u32::from_be_bytes(it) as usize)
            .filter(|it| (it % 2 == 0) == by_callee);
        match number.and_then(|it| self.streams.get_mut(it)) {
            Some(count) => *count += 1,
            None => self.strange += 1,
        }
    }
}

/// A socket for RTP, and the next port for the RTCP that nobody here reads.
struct Pair {
    rtp: UdpSocket,
    here: SocketAddr,
    _rtcp: UdpSocket,
}

impl Pair {
    fn bind() -> io::Result<Self> {
        for _ in 0..1000 {
            let rtp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            let here = rtp.local_addr()?;
            if here.port() % 2 == 1 {
                continue;
            }
            let Ok(rtcp) = UdpSocket::bind((Ipv4Addr::LOCALHOST, here.port() + 1)) else {
                continue;
            };
            rtp.set_nonblocking(true)?;
            // Beyond the system's limit when we may, up to it when not.
            setsockopt(&rtp, sockopt::RcvBufForce, &BUFFER)
                .or_else(|_| setsockopt(&rtp, sockopt::RcvBuf, &BUFFER))?;
            return Ok(Self { rtp, here, _rtcp: rtcp });
        }
        Err(io::Error::other("no two ports in a row are free"))
    }
}

/// One direction of a call: an even number from the caller, an odd one from the callee.
pub(crate) struct Stream {
    number: u32,
    sequence: u16,
    timestamp: u32,
    packet: [u8; PACKET],
}

impl Stream {
    pub(crate) fn new(number: u32) -> Self {
        let mut packet = [0xff; PACKET]; // Silence of G.711 mu-law.
        packet[0] = 0x80; // Version 2.
        packet[1] = 0; // PCMU.
        packet[8..12].copy_from_slice(&(0x6c6f_0000 + number).to_be_bytes());
        packet[12..16].copy_from_slice(&MARK);
        packet[16..20].copy_from_slice(&number.to_be_bytes());
        Self { number, sequence: 0, timestamp: 0, packet }
    }

    /// The next packet, which says when it left.
    pub(crate) fn stamped(&mut self, at: Duration) -> &[u8] {
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        self.packet[20..28].copy_from_slice(&nanos.to_be_bytes());
        self.next()
    }

    /// When a packet left, if it is one of ours.
    pub(crate) fn stamp(packet: &[u8]) -> Option<Duration> {
        let marked = packet.get(12..16)? == MARK;
        let nanos = packet.get(20..28)?.try_into().ok().map(u64::from_be_bytes)?;
        marked.then(|| Duration::from_nanos(nanos))
    }

    fn next(&mut self) -> &[u8] {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        &self.packet
    }
}
