//! A media thread: it owns a plane and the RTP sockets of its calls.
//!
//! While many packets come it works in ticks of a millisecond: gather what is ready, let the plane
//! compute, send. A wake-up per packet would cost twice as much as the packet. While few come, a
//! wake-up for each is less than a thousand ticks a second, and in silence there is none.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::base::Mono;
use crate::call::Input;
use crate::media::{Command, Event, Out, Plane};

use super::clock::Clock;
use super::ports::Ports;
use super::post::{Letter, Mailbox, Post};

/// The most that a packet waits here.
const TICK: Duration = Duration::from_millis(1);
/// So many packets in such a time are worth a tick: more than one each.
const MANY: u32 = 20;
const WINDOW: Duration = Duration::from_millis(20);
/// A stall longer than this is not caught up with tick by tick.
const LATE_MAX: Duration = Duration::from_millis(10);
/// Larger packets than Ethernet carries are cut off, and then refused by the plane.
const PACKET_MAX: usize = 2048;
/// Packets taken from one socket before the next has its turn; what is left waits a tick.
const BATCH: usize = 8;
/// Events that may wait for the switch before digits and silences are thrown away.
const DIGITS_MAX: usize = 1024;
/// What the epoll set calls the bell; ports are smaller.
const BELL: u64 = u64::MAX;

/// What the thread works with.
pub(super) struct Desk {
    /// The time.
    pub(super) clock: Clock,
    /// The sockets.
    pub(super) ports: Ports,
    /// Where the switch writes to us.
    pub(super) mailbox: Mailbox<Command>,
    /// Where we write to the switch.
    pub(super) switch: Post<Input>,
}

/// Runs until the switch is gone.
pub(super) fn run(desk: Desk, plane: Plane) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(desk.mailbox.bell(), EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
    let (out, waiting) = (Out::default(), VecDeque::new());
    let pace = Pace::default();
    let mut thread = Thread { desk, plane, epoll, open: BTreeSet::new(), out, waiting, pace };
    let mut next = Mono::ZERO;
    loop {
        if thread.waiting.is_empty() && !thread.pace.is_brisk(thread.desk.clock.mono()) {
            thread.sleep()?;
        } else {
            next = thread.tick(next);
        }
        let now = thread.desk.clock.mono();
        thread.gather(now)?;
        if !thread.obey(now) {
            return Ok(());
        }
        if thread.plane.poll_timeout().is_some_and(|at| at <= now) {
            thread.plane.handle_timeout(now, &mut thread.out);
        }
        thread.send();
        thread.tell();
    }
}

struct Thread {
    desk: Desk,
    plane: Plane,
    epoll: Epoll,
    /// RTP ports with a stream.
    open: BTreeSet<u16>,
    out: Out,
    /// What the switch had no room for.
    waiting: VecDeque<Event>,
    pace: Pace,
}

/// Whether so much comes that ticks are worth it.
#[derive(Debug, Default)]
struct Pace {
    since: Mono,
    packets: u32,
    were_many: bool,
}

impl Pace {
    fn count(&mut self) {
        self.packets = self.packets.saturating_add(1);
    }

    /// Whether many came in the window before this one, or already in this.
    fn is_brisk(&mut self, now: Mono) -> bool {
        let span = now.since(self.since);
        if span >= WINDOW {
            // After a sleep the window before was empty, whatever this one was counted for.
            self.were_many = self.packets >= MANY && span < WINDOW * 2;
            (self.since, self.packets) = (now, 0);
        }
        self.were_many || self.packets >= MANY
    }
}

impl Thread {
    /// Sleeps until the bell rings or the plane wants to be called.
    fn sleep(&self) -> io::Result<()> {
        let timeout = self.plane.poll_timeout().map_or(EpollTimeout::NONE, |at| {
            let millis = self.desk.clock.millis_until(at).min(60_000);
            EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
        });
        match self.epoll.wait(&mut [EpollEvent::empty()], timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Sleeps until the next tick, and says when the one after it is.
    fn tick(&self, next: Mono) -> Mono {
        let now = self.desk.clock.mono();
        if next > now {
            self.desk.clock.sleep_until(next);
            return next + TICK;
        }
        if now.since(next) > LATE_MAX { now + TICK } else { next + TICK }
    }

    /// Takes packets from every socket that has some.
    fn gather(&mut self, now: Mono) -> io::Result<()> {
        let mut ready = [EpollEvent::empty(); 256];
        // Sockets that stay ready are named again; every open one has its turn once.
        for _ in 0..=self.open.len() * 2 / ready.len() {
            let count = match self.epoll.wait(&mut ready, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            for event in ready.iter().take(count) {
                match u16::try_from(event.data()) {
                    Ok(port) => self.take_packets(now, port),
                    Err(_) => self.desk.mailbox.hush(),
                }
            }
            if count < ready.len() {
                break;
            }
        }
        Ok(())
    }

    fn take_packets(&mut self, now: Mono, port: u16) {
        let Some(socket) = self.desk.ports.socket(port) else { return };
        let mut buffer = [0; PACKET_MAX];
        for _ in 0..BATCH {
            // An error belongs to an earlier packet, or there is nothing more: both can wait.
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
            self.pace.count();
            let Some(packet) = buffer.get_mut(..length) else { return };
            let Some(relayed) = self.plane.receive(now, port, from, packet, &mut self.out) else {
                continue;
            };
            let packet = packet.get(..relayed.len).unwrap_or_default();
            if let Some(socket) = self.desk.ports.socket(relayed.port) {
                // A packet that the system does not take is lost, as it could have been on the way.
                _ = socket.send_to(packet, relayed.to);
            }
        }
    }

    /// Carries out what the switch asks; `false` when it is gone.
    fn obey(&mut self, now: Mono) -> bool {
        loop {
            match self.desk.mailbox.take() {
                Letter::Came(command) => {
                    if let Command::Open(open) = &command {
                        self.watch(open.port);
                    }
                    self.plane.handle(now, command, &mut self.out);
                }
                Letter::Empty => return true,
                Letter::Over => return false,
            }
        }
    }

    /// Listens on a port and the RTCP port beside it, from this packet on.
    fn watch(&mut self, port: u16) {
        if !self.open.insert(port) {
            return;
        }
        for port in [port, port.saturating_add(1)] {
            let Some(socket) = self.desk.ports.socket(port) else { continue };
            let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(port));
            if self.epoll.add(socket, event).is_ok() {
                forget_the_past(socket);
            }
        }
    }

    fn unwatch(&mut self, port: u16) {
        self.open.remove(&port);
        for port in [port, port.saturating_add(1)] {
            if let Some(socket) = self.desk.ports.socket(port) {
                _ = self.epoll.delete(socket);
            }
        }
    }

    fn send(&mut self) {
        for packet in self.out.packets.drain(..) {
            if let Some(socket) = self.desk.ports.socket(packet.port) {
                _ = socket.send_to(&packet.bytes, packet.to);
            }
        }
    }

    /// Tells the switch. When it has no room, events wait here: of each stream there is at most one
    /// `Closed` and a `Played` for every operation; digits and silences are bounded by throwing them
    /// away.
    fn tell(&mut self) {
        for event in std::mem::take(&mut self.out.events) {
            match &event {
                Event::Closed { port, .. } => self.unwatch(*port),
                // A silence that lasts is told again.
                Event::Digit { .. } | Event::Silent { .. } if self.waiting.len() >= DIGITS_MAX => {
                    continue;
                }
                _ => {}
            }
            self.waiting.push_back(event);
        }
        if self.waiting.is_empty() {
            return;
        }
        while let Some(event) = self.waiting.pop_front() {
            if let Err(Input::Media(event)) = self.desk.switch.put(Input::Media(event)) {
                self.waiting.push_front(event);
                break;
            }
        }
        self.desk.switch.ring();
    }
}

/// What an earlier call's peer still sent is not for the new one.
fn forget_the_past(socket: &UdpSocket) {
    let mut nothing = [0; 1];
    for _ in 0..1024 {
        if socket.recv_from(&mut nothing).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether ticks are worth it after each of some milliseconds with so many packets.
    fn brisk(pace: &mut Pace, from_ms: u64, to_ms: u64, packets: u32) -> Vec<bool> {
        let one = |ms| {
            (0..packets).for_each(|_| pace.count());
            pace.is_brisk(Mono::from_millis(ms))
        };
        (from_ms..to_ms).map(one).collect()
    }

    #[test]
    fn many_packets_are_worth_a_tick_and_few_are_not() {
        let mut pace = Pace::default();
        // Ten packets a millisecond: at once, and all the time.
        assert_eq!(brisk(&mut pace, 1000, 1100, 10).iter().position(|it| *it), Some(2));
        assert!(brisk(&mut pace, 1100, 2000, 10).iter().all(|it| *it));
        // None any more: it is noticed within two windows, and stays so.
        let quiet = brisk(&mut pace, 2000, 2500, 0);
        assert!(quiet[45..].iter().all(|it| !*it), "{quiet:?}");
        // A call or two: a packet each few milliseconds.
        for ms in (3000..4000).step_by(5) {
            pace.count();
            assert!(!pace.is_brisk(Mono::from_millis(ms)));
        }
    }
}
