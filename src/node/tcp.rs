//! SIP over TCP: a listener and its connections, served by the switch thread.
//!
//! Nobody who connects is trusted before the switch says so. Until then a connection is a
//! *stranger*, and strangers are few, short-lived and the first to go:
//!
//! | limit | what happens |
//! |---|---|
//! | no whole message for 30 s | a stranger is closed; keep-alives do not count |
//! | a message unfinished for 10 s | anybody is closed |
//! | as many of an account as the settings allow | its oldest is closed |
//! | 200 strangers from one address | the oldest of them makes room for the new one |
//! | 10,000 in all, or what the descriptors allow | the oldest stranger makes room, first of addresses without a trusted peer; without any the new one is closed |
//! | 256 KiB unsent, or nothing of it taken for 30 s | anybody is closed |
//! | a stream that cannot be read any further | its sender is told, if a request can be read, and closed |
//!
//! A trusted connection stays for as long as its peer lives, which the system asks from time to
//! time. The switch hears of a connection with its first message, and of its end afterwards.

mod link;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};

use crate::base::{Bucket, Mono, Rate, Timers};
use crate::call::Input;
use crate::sip::defence::Source;
use crate::sip::{Connection, Flow, Transport};

use link::{Link, Standing};

/// The most connections at once.
pub(super) const CONNECTIONS_MAX: usize = 10_000;
/// The most strangers from one address.
const STRANGERS_MAX: usize = 200;
/// How many old strangers are looked at to find one whose address has no trusted peer.
const LOOKED_AT_MAX: usize = 64;
/// How long nobody is let in when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(200);
/// Descriptors that connections leave to others: files, HTTP, whatever comes.
const FILES_SPARED: u64 = 64;
/// Connections that are served, or let in, before something else has its turn.
const BATCH: usize = 256;
/// What is read of a connection before the next has its turn.
const READ: usize = 16 << 10;
/// Connections that may wait for us to let them in; the system may allow less.
const BACKLOG: i32 = 4096;
/// Lines of the log about those who find no room.
const COMPLAINTS: Rate = Rate::per_second(1, 5);
/// The listener's place among the connections.
const LISTENER: u64 = 0;

/// The listener and all connections.
pub(super) struct Streams {
    listener: TcpListener,
    epoll: Epoll,
    links: BTreeMap<u64, Link>,
    /// All strangers, in the order in which they came.
    strangers: BTreeSet<u64>,
    sources: BTreeMap<Source, Neighbours>,
    timers: Timers<u64>,
    /// Links that something was said to since the last flush.
    unsent: BTreeSet<u64>,
    last: u64,
    room: usize,
    /// Given up for a moment to close a connection that there is no descriptor for.
    spare: Option<File>,
    buffer: Box<[u8]>,
    complaints: Bucket,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct Neighbours {
    /// In the order in which they came.
    strangers: BTreeSet<u64>,
    trusted: usize,
}

impl Streams {
    /// Listens.
    pub(super) fn bind(at: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        if at.is_ipv6() {
            // Else IPv4 peers would come in disguise (`::ffff:a.b.c.d`).
            socket.set_only_v6(true)?;
        }
        // What is left of the connections of a PBX before us must not keep us from listening.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        Ok(Self {
            listener: socket.into(),
            epoll,
            links: BTreeMap::new(),
            strangers: BTreeSet::new(),
            sources: BTreeMap::new(),
            timers: Timers::new(),
            unsent: BTreeSet::new(),
            last: LISTENER,
            room: CONNECTIONS_MAX,
            spare: spare(),
            buffer: vec![0; READ].into_boxed_slice(),
            complaints: Bucket::default(),
        })
    }

    /// Takes no more connections than this process may still open files, but for some that others
    /// will need.
    pub(super) fn leave_room(&mut self, files_free: u64) {
        let room = files_free.saturating_sub(FILES_SPARED);
        self.room = usize::try_from(room).unwrap_or(usize::MAX).clamp(1, CONNECTIONS_MAX);
        if self.room < CONNECTIONS_MAX {
            tracing::warn!("at most {} TCP connections: the limit of open files is low", self.room);
        }
    }

    /// Lets in who waits, reads what has come, closes whose time is up.
    pub(super) fn serve(&mut self, now: Mono, mut take: impl FnMut(Input)) {
        let mut events = [EpollEvent::empty(); BATCH];
        // What is not served in this turn makes the epoll readable for the next one.
        let ready = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        for event in events.iter().take(ready) {
            match event.data() {
                LISTENER => self.let_in(now, &mut take),
                id => self.attend(now, id, event.events(), &mut take),
            }
        }
        while let Some(id) = self.timers.pop(now) {
            match id {
                LISTENER => self.listen(EpollFlags::EPOLLIN),
                id => self.look_after(now, id, &mut take),
            }
        }
    }

    /// When [`Self::serve`] is next wanted although nothing comes.
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// Sends with the next [`Self::flush`]. What is meant for a connection that is gone is too.
    pub(super) fn send(&mut self, flow: Flow, bytes: &[u8]) {
        let Some(Connection(id)) = flow.transport.connection() else { return };
        let Some(link) = self.links.get_mut(&id) else { return };
        link.say(bytes);
        self.unsent.insert(id);
    }

    /// Hands to the system what is to be sent.
    pub(super) fn flush(&mut self, now: Mono) {
        for id in std::mem::take(&mut self.unsent) {
            let Some(link) = self.links.get_mut(&id) else { continue };
            link.write(now);
            self.watch(id);
        }
    }

    /// A peer is known: its connection stays.
    pub(super) fn trust(&mut self, flow: Flow) {
        let Some(Connection(id)) = flow.transport.connection() else { return };
        let Some(link) = self.links.get_mut(&id) else { return };
        if std::mem::replace(&mut link.standing, Standing::Trusted) == Standing::Stranger {
            let source = self.sources.entry(Source::of(link.flow)).or_default();
            source.strangers.remove(&id);
            source.trusted += 1;
            self.strangers.remove(&id);
            self.watch(id);
        }
    }

    /// A connection is not wanted any more: what is to be said on it still leaves.
    pub(super) fn dismiss(&mut self, now: Mono, flow: Flow) {
        let Some(Connection(id)) = flow.transport.connection() else { return };
        let Some(link) = self.links.get_mut(&id) else { return };
        link.dismiss(now);
        self.watch(id);
    }

    fn let_in(&mut self, now: Mono, take: &mut impl FnMut(Input)) {
        for _ in 0..BATCH {
            match self.listener.accept() {
                Ok((stream, remote)) => self.welcome(now, stream, remote, take),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if is_out_of_files(&e) => return self.turn_away(now),
                // The peer has left already.
                Err(e) => tracing::debug!("SIP over TCP: {e}"),
            }
        }
    }

    fn welcome(
        &mut self,
        now: Mono,
        stream: TcpStream,
        remote: SocketAddr,
        take: &mut impl FnMut(Input),
    ) {
        let id = self.last + 1;
        let Ok(local) = link::prepare(&stream) else { return };
        let flow = Flow { transport: Transport::Tcp(Connection(id)), local, remote };
        let neighbours = self.sources.get(&Source::of(flow)).map(|it| &it.strangers);
        let crowd = neighbours.filter(|it| it.len() >= STRANGERS_MAX);
        if let Some(oldest) = crowd.and_then(|it| it.first().copied()) {
            self.close(oldest, "too many strangers of its address", take);
        } else if self.links.len() >= self.room {
            let Some(oldest) = self.oldest_stranger() else {
                if self.complaints.take(now, COMPLAINTS) {
                    tracing::warn!("no room for {flow}: all connections are trusted");
                }
                return;
            };
            self.close(oldest, "makes room for a newer one", take);
        }
        if self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, id)).is_err() {
            return;
        }
        self.last = id;
        self.strangers.insert(id);
        self.sources.entry(Source::of(flow)).or_default().strangers.insert(id);
        let link = Link::new(now, stream, flow);
        self.timers.set(id, link.next());
        self.links.insert(id, link);
    }

    /// Who makes room when there is none.
    fn oldest_stranger(&self) -> Option<u64> {
        let is_alone = |id: &u64| {
            let source = self.links.get(id).and_then(|it| self.sources.get(&Source::of(it.flow)));
            source.is_none_or(|it| it.trusted == 0)
        };
        let mut looked_at = self.strangers.iter().copied().take(LOOKED_AT_MAX);
        looked_at.find(is_alone).or_else(|| self.strangers.first().copied())
    }

    /// There is no descriptor for who waits. With the spare one it is let in to be closed, so that
    /// it does not wait in vain; then nobody is let in for a moment, or this would spin.
    fn turn_away(&mut self, now: Mono) {
        drop(self.spare.take());
        drop(self.listener.accept());
        self.spare = spare();
        if self.complaints.take(now, COMPLAINTS) {
            tracing::warn!("no descriptors left: no TCP connections for {PAUSE:?}");
        }
        self.listen(EpollFlags::empty());
        self.timers.set(LISTENER, Some(now + PAUSE));
    }

    fn listen(&self, flags: EpollFlags) {
        _ = self.epoll.modify(&self.listener, &mut EpollEvent::new(flags, LISTENER));
    }

    /// Something has happened to a connection.
    fn attend(&mut self, now: Mono, id: u64, events: EpollFlags, take: &mut impl FnMut(Input)) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if events.contains(EpollFlags::EPOLLOUT) {
            link.write(now);
        }
        if events.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            link.read(now, &mut self.buffer, take);
            // Keep-alives are answered here.
            self.unsent.insert(id);
        }
        self.watch(id);
    }

    /// A connection's time has come.
    fn look_after(&mut self, now: Mono, id: u64, take: &mut impl FnMut(Input)) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(why) = link.due(now) {
            return self.close(id, why, take);
        }
        link.say_goodbye(now);
        self.watch(id);
    }

    /// Sets what a connection waits for.
    fn watch(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(flags) = link.new_interest() {
            _ = self.epoll.modify(&link.stream, &mut EpollEvent::new(flags, id));
        }
        self.timers.set(id, link.next());
    }

    fn close(&mut self, id: u64, why: &str, take: &mut impl FnMut(Input)) {
        let Some(link) = self.links.remove(&id) else { return };
        tracing::debug!("{}: closed: {why}", link.flow);
        self.timers.set(id, None);
        self.unsent.remove(&id);
        self.strangers.remove(&id);
        let place = Source::of(link.flow);
        if let Some(source) = self.sources.get_mut(&place) {
            match link.standing {
                Standing::Stranger => _ = source.strangers.remove(&id),
                Standing::Trusted => source.trusted = source.trusted.saturating_sub(1),
            }
            if source.strangers.is_empty() && source.trusted == 0 {
                self.sources.remove(&place);
            }
        }
        if link.is_known_to_switch {
            take(Input::Disconnected { flow: link.flow });
        }
    }
}

impl AsFd for Streams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_files(e: &io::Error) -> bool {
    let out = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    e.raw_os_error().is_some_and(|it| out.contains(&Errno::from_raw(it)))
}

#[cfg(test)]
mod tests;
