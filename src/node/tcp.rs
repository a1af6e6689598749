//! SIP over TCP and TLS: a listener and all connections, served by the switch thread. Those over
//! TLS, and those that we open ourselves, come through the door (`tls`) with their handshake done;
//! from then on they are like the others.
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
//! Whoever has shown a certificate that we asked for, or was asked by us to talk, is trusted at once.
//! A trusted connection stays for as long as its peer lives, which the system asks from time to
//! time. The switch hears of a connection with its first message, and of its end afterwards.

mod link;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};

use crate::base::{Bucket, Mono, Rate, Timers};
use crate::call::Input;
use crate::sip::defence::Source;
use crate::sip::{Connection, Flow, Transport, Wanted};

use super::post::Letter;
use super::seldom::Seldom;
use super::tls::{Arrival, Guest, Hall};

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
/// The listener's place among the connections, and that of the door.
const LISTENER: u64 = 0;
const DOOR: u64 = u64::MAX;

/// The listener and all connections.
pub(super) struct Streams {
    listener: TcpListener,
    hall: Hall,
    /// Where phones reach us over TLS.
    tls_port: u16,
    epoll: Epoll,
    links: BTreeMap<u64, Link>,
    /// All strangers, in the order in which they came.
    strangers: BTreeSet<u64>,
    sources: BTreeMap<Source, Neighbours>,
    timers: Timers<u64>,
    /// Links that something was said to since the last flush.
    unsent: BTreeSet<u64>,
    /// Connections that the door had no time for; the switch is told with the next turn.
    not_tried: Vec<Wanted>,
    seldom: Seldom,
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
    /// Serves who connects to the listener, and who comes through the door; `tls_port` is where
    /// that is.
    pub(super) fn new(listener: TcpListener, hall: Hall, tls_port: u16) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        epoll.add(hall.arrivals.bell(), EpollEvent::new(EpollFlags::EPOLLIN, DOOR))?;
        Ok(Self {
            listener,
            hall,
            tls_port,
            epoll,
            links: BTreeMap::new(),
            strangers: BTreeSet::new(),
            sources: BTreeMap::new(),
            timers: Timers::new(),
            unsent: BTreeSet::new(),
            not_tried: Vec::new(),
            seldom: Seldom::default(),
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
        self.not_tried.drain(..).for_each(|it| take(nobody(&it)));
        let mut events = [EpollEvent::empty(); BATCH];
        // What is not served in this turn makes the epoll readable for the next one.
        let ready = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        for event in events.iter().take(ready) {
            match event.data() {
                LISTENER => self.let_in(now, &mut take),
                DOOR => self.receive_guests(now, &mut take),
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
        if self.not_tried.is_empty() { self.timers.next() } else { Some(Mono::ZERO) }
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

    /// Opens a connection; what becomes of it is told.
    pub(super) fn connect(&mut self, wanted: Wanted) {
        match self.hall.wishes.put(wanted) {
            Ok(()) => self.hall.wishes.ring(),
            Err(wanted) => self.not_tried.push(wanted),
        }
    }

    fn let_in(&mut self, now: Mono, take: &mut impl FnMut(Input)) {
        for _ in 0..BATCH {
            match self.listener.accept() {
                Ok((stream, remote)) => self.welcome(now, Guest::plain(stream, remote), take),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if is_out_of_files(&e) => return self.turn_away(now),
                // The peer has left already.
                Err(e) => tracing::debug!("SIP over TCP: {e}"),
            }
        }
    }

    /// Takes those who have come through the door; more than its queue holds have not.
    fn receive_guests(&mut self, now: Mono, take: &mut impl FnMut(Input)) {
        self.hall.arrivals.hush();
        for _ in 0..BATCH {
            match self.hall.arrivals.take() {
                Letter::Came(Arrival::Guest(guest)) => self.welcome(now, *guest, take),
                Letter::Came(Arrival::Nobody(wanted)) => take(nobody(&wanted)),
                Letter::Empty | Letter::Over => return,
            }
        }
    }

    fn welcome(&mut self, now: Mono, guest: Guest, take: &mut impl FnMut(Input)) {
        let wanted = guest.wanted.clone();
        if self.take_in(now, guest, take).is_none()
            && let Some(wanted) = wanted
        {
            take(nobody(&wanted));
        }
    }

    fn take_in(&mut self, now: Mono, guest: Guest, take: &mut impl FnMut(Input)) -> Option<()> {
        let flow = self.flow_of(&guest)?;
        let Guest { stream, session, plain, unsent, identities, wanted, .. } = guest;
        let is_known = wanted.is_some() || identities.is_some();
        self.make_room(now, flow, is_known, take)?;
        let Connection(id) = flow.transport.connection()?;
        self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, id)).ok()?;
        let source = self.sources.entry(Source::of(flow)).or_default();
        let standing = if is_known {
            source.trusted += 1;
            Standing::Trusted
        } else {
            source.strangers.insert(id);
            self.strangers.insert(id);
            Standing::Stranger
        };
        let mut link = Link::new(now, stream, session, flow, standing);
        if is_known {
            link.is_known_to_switch = true;
            take(Input::Connected { flow, identities: identities.unwrap_or_default() });
        }
        link.go_on(now, &plain, unsent, take);
        self.links.insert(id, link);
        self.unsent.insert(id);
        self.watch(id);
        Some(())
    }

    /// The flow of a new connection, made ready to be served. One that the switch has asked for
    /// has its name already, and its peer reaches us where we listen.
    fn flow_of(&mut self, guest: &Guest) -> Option<Flow> {
        let mut local = link::prepare(&guest.stream).ok()?;
        let connection = match &guest.wanted {
            Some(it) => it.connection,
            None => {
                self.last += 1;
                Connection(self.last)
            }
        };
        let (transport, port) = match guest.session {
            Some(_) => (Transport::Tls(connection), self.tls_port),
            None => (Transport::Tcp(connection), self.listener.local_addr().ok()?.port()),
        };
        if guest.wanted.is_some() && port != 0 {
            local.set_port(port);
        }
        Some(Flow { transport, local, remote: guest.remote })
    }

    /// Has a stranger leave for a new connection where there are too many.
    fn make_room(
        &mut self,
        now: Mono,
        flow: Flow,
        is_known: bool,
        take: &mut impl FnMut(Input),
    ) -> Option<()> {
        let neighbours = self.sources.get(&Source::of(flow)).map(|it| &it.strangers);
        let crowd = neighbours.filter(|it| it.len() >= STRANGERS_MAX && !is_known);
        if let Some(oldest) = crowd.and_then(|it| it.first().copied()) {
            self.close(oldest, "too many strangers of its address", take);
        } else if self.links.len() >= self.room {
            let Some(oldest) = self.oldest_stranger() else {
                if self.complaints.take(now, COMPLAINTS) {
                    tracing::warn!("no room for {flow}: all connections are trusted");
                }
                return None;
            };
            self.close(oldest, "makes room for a newer one", take);
        }
        Some(())
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
            if why == link::SPEAKS_TLS
                && let Some(others) = self.seldom.may_tell(now, why)
            {
                tracing::warn!("{}: {why}, which is spoken on --sip-tls{others}", link.flow);
            }
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

/// A listener for TCP, whatever is spoken over it.
pub(super) fn listen(at: SocketAddr) -> io::Result<TcpListener> {
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
    Ok(socket.into())
}

/// A connection that the switch has asked for is not to be had.
fn nobody(wanted: &Wanted) -> Input {
    let Wanted { connection, remote, domain } = wanted;
    let transport = match domain {
        Some(_) => Transport::Tls(*connection),
        None => Transport::Tcp(*connection),
    };
    let local = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    Input::Disconnected { flow: Flow { transport, local, remote: *remote } }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

pub(super) fn is_out_of_files(e: &io::Error) -> bool {
    let out = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    e.raw_os_error().is_some_and(|it| out.contains(&Errno::from_raw(it)))
}

#[cfg(test)]
mod tests;
