//! The door: connections before they may say anything. TLS handshakes in both directions, and the
//! opening of connections that the switch wants, over TLS or not. It is a thread of its own, so
//! that arithmetic which strangers cause, and peers that do not answer, cost no call anything.
//! Whoever is through goes to the switch thread's [`Streams`] as a [`Guest`].
//!
//! | limit | what happens |
//! |---|---|
//! | a handshake takes longer than 10 s | it is given up |
//! | 200 handshakes of one address | the oldest of them makes room for the new one |
//! | 1,000 in all | the oldest makes room |
//! | a connection of ours is not ready within 3 s | it is given up, and the switch is told |
//! | 256 of ours at once | the next is not tried, and the switch is told |
//!
//! [`Streams`]: super::super::tcp::Streams

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};
use socket2::{Domain, Protocol, Socket, Type};

use crate::base::{Mono, Timers};
use crate::sip::defence::Source;
use crate::sip::{Identities, Wanted};

use super::super::clock::Clock;
use super::super::post::{Letter, Mailbox, Post};
use super::super::seldom::Seldom;
use super::super::tcp::is_out_of_files;
use super::credentials::Current;
use super::failure::Failure;
use super::session::Session;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The most handshakes at once.
pub(super) const HANDSHAKES_MAX: usize = 1000;
/// The most from one address.
const PLACE_MAX: usize = 200;
/// How long a connection of ours may take; whoever wants it has others to try.
const OPENING: Duration = Duration::from_secs(3);
/// The most of ours at once.
pub(super) const OPENINGS_MAX: usize = 256;
/// Connections that are let in, served or asked for before something else has its turn.
const BATCH: usize = 64;
/// What is read of a peer before the next has its turn.
const READ: usize = 4096;
/// What a peer may leave unread of a handshake: much more than any has.
const UNSENT_MAX: usize = 64 << 10;
/// How long nobody is let in when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(200);
/// The listener's place among the connections, and that of the switch's wishes.
const LISTENER: u64 = 0;
const WISHES: u64 = 1;

/// Somebody who may speak.
pub(in crate::node) struct Guest {
    pub(in crate::node) stream: TcpStream,
    pub(in crate::node) remote: SocketAddr,
    /// Of TLS.
    pub(in crate::node) session: Option<Session>,
    /// What it has said already.
    pub(in crate::node) plain: Vec<u8>,
    /// What is still to be sent to it.
    pub(in crate::node) unsent: Vec<u8>,
    /// Who it has proved to be, if it has shown a certificate.
    pub(in crate::node) identities: Option<Identities>,
    /// The switch has asked for it.
    pub(in crate::node) wanted: Option<Wanted>,
}

impl Guest {
    /// Somebody who needs no handshake.
    pub(in crate::node) fn plain(stream: TcpStream, remote: SocketAddr) -> Self {
        let (plain, unsent) = (Vec::new(), Vec::new());
        Self { stream, remote, session: None, plain, unsent, identities: None, wanted: None }
    }
}

/// Who comes through the door.
pub(in crate::node) enum Arrival {
    /// Somebody.
    Guest(Box<Guest>),
    /// Nobody: what the switch has asked for is not to be had.
    Nobody(Wanted),
}

/// All connections before the door.
pub(super) struct Door {
    listener: Option<TcpListener>,
    epoll: Epoll,
    wishes: Mailbox<Wanted>,
    guests: Post<Arrival>,
    credentials: Current,
    waiting: BTreeMap<u64, Waiting>,
    /// Those that came to us, in the order in which they did.
    strangers: BTreeSet<u64>,
    /// The same by address.
    places: BTreeMap<Source, BTreeSet<u64>>,
    timers: Timers<u64>,
    seldom: Seldom,
    /// Something was put that the switch was not told of.
    is_to_ring: bool,
    last: u64,
}

/// A connection before the door.
struct Waiting {
    stream: TcpStream,
    remote: SocketAddr,
    session: Option<Session>,
    plain: Vec<u8>,
    unsent: Vec<u8>,
    /// The first byte of a peer that came to us.
    first: Option<u8>,
    /// The system is still opening it.
    is_opening: bool,
    wanted: Option<Wanted>,
}

/// How it stands with a connection.
enum Progress {
    Waits,
    Through,
    Failed(Failure),
}

impl Door {
    pub(super) fn new(
        listener: Option<TcpListener>,
        wishes: Mailbox<Wanted>,
        guests: Post<Arrival>,
        credentials: Current,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        if let Some(it) = &listener {
            epoll.add(it, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        }
        epoll.add(wishes.bell(), EpollEvent::new(EpollFlags::EPOLLIN, WISHES))?;
        Ok(Self {
            listener,
            epoll,
            wishes,
            guests,
            credentials,
            waiting: BTreeMap::new(),
            strangers: BTreeSet::new(),
            places: BTreeMap::new(),
            timers: Timers::new(),
            seldom: Seldom::default(),
            is_to_ring: false,
            last: WISHES,
        })
    }

    /// Runs until the switch is gone.
    pub(super) fn run(mut self, clock: Clock) -> io::Result<()> {
        loop {
            let timeout = self.timers.next().map_or(EpollTimeout::NONE, |at| {
                let millis = clock.millis_until(at).min(60_000);
                EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
            });
            if !self.serve(|| clock.mono(), timeout)? {
                return Ok(());
            }
        }
    }

    /// One turn. False when nobody is left who could wish for anything.
    pub(super) fn serve(
        &mut self,
        now: impl Fn() -> Mono,
        timeout: EpollTimeout,
    ) -> io::Result<bool> {
        let mut events = [EpollEvent::empty(); BATCH];
        let ready = match self.epoll.wait(&mut events, timeout) {
            Ok(it) => it,
            Err(Errno::EINTR) => 0,
            Err(e) => return Err(e.into()),
        };
        let now = now();
        let mut is_wanted = true;
        for event in events.iter().take(ready) {
            match event.data() {
                LISTENER => self.let_in(now),
                WISHES => is_wanted = self.take_wishes(now),
                id => self.attend(now, id),
            }
        }
        while let Some(id) = self.timers.pop(now) {
            match id {
                LISTENER => self.listen(EpollFlags::EPOLLIN),
                id => self.fail(now, id, &Failure::Slow),
            }
        }
        if std::mem::take(&mut self.is_to_ring) {
            self.guests.ring();
        }
        Ok(is_wanted)
    }

    fn let_in(&mut self, now: Mono) {
        for _ in 0..BATCH {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((stream, remote)) => self.welcome(now, stream, remote),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if is_out_of_files(&e) => {
                    tracing::warn!("no descriptors left: no TLS connections for {PAUSE:?}");
                    self.listen(EpollFlags::empty());
                    self.timers.set(LISTENER, Some(now + PAUSE));
                    return;
                }
                // The peer has left already.
                Err(e) => tracing::debug!("SIP over TLS: {e}"),
            }
        }
    }

    fn listen(&self, flags: EpollFlags) {
        if let Some(it) = &self.listener {
            _ = self.epoll.modify(it, &mut EpollEvent::new(flags, LISTENER));
        }
    }

    fn welcome(&mut self, now: Mono, stream: TcpStream, remote: SocketAddr) {
        let Ok(session) = ServerConnection::new(self.credentials.get().server) else { return };
        let place = Source::at(remote);
        let crowd = self.places.get(&place).filter(|it| it.len() >= PLACE_MAX);
        let crowd = crowd.or_else(|| Some(&self.strangers).filter(|it| it.len() >= HANDSHAKES_MAX));
        if let Some(oldest) = crowd.and_then(|it| it.first().copied()) {
            self.fail(now, oldest, &Failure::MakesRoom);
        }
        let session = Some(Session::new(session.into()));
        let Some(id) = self.insert(now + HANDSHAKE, stream, remote, session, None) else { return };
        self.strangers.insert(id);
        self.places.entry(place).or_default().insert(id);
        // Most have said hello already.
        self.attend(now, id);
    }

    /// False when nobody is left who could wish.
    fn take_wishes(&mut self, now: Mono) -> bool {
        self.wishes.hush();
        loop {
            match self.wishes.take() {
                Letter::Came(wanted) => {
                    if let Err(e) = self.open(now, wanted.clone()) {
                        self.tell_failure(now, wanted.remote, &e);
                        self.put(Arrival::Nobody(wanted));
                    }
                }
                Letter::Empty => return true,
                Letter::Over => return false,
            }
        }
    }

    /// Begins to open a connection that the switch wants.
    fn open(&mut self, now: Mono, wanted: Wanted) -> Result<(), Failure> {
        if self.waiting.len() - self.strangers.len() >= OPENINGS_MAX {
            return Err(Failure::TooMany);
        }
        let remote = wanted.remote;
        let session = match &wanted.domain {
            None => None,
            Some(domain) => {
                let name = ServerName::try_from(domain.clone());
                let name = name.map_err(|_| Failure::NoDomain(domain.clone()))?;
                let client = self.credentials.get().client;
                let it = ClientConnection::new(client, name).map_err(Failure::Tls)?;
                Some(Session::new(it.into()))
            }
        };
        let stream = begin_to_open(remote).map_err(Failure::Io)?;
        let id = self.insert(now + OPENING, stream, remote, session, Some(wanted));
        id.map(drop).ok_or(Failure::TooMany)
    }

    fn insert(
        &mut self,
        until: Mono,
        stream: TcpStream,
        remote: SocketAddr,
        session: Option<Session>,
        wanted: Option<Wanted>,
    ) -> Option<u64> {
        let id = self.last + 1;
        stream.set_nonblocking(true).ok()?;
        let is_opening = wanted.is_some();
        let flags = if is_opening { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
        self.epoll.add(&stream, EpollEvent::new(flags, id)).ok()?;
        self.last = id;
        self.timers.set(id, Some(until));
        let (plain, unsent) = (Vec::new(), Vec::new());
        let it =
            Waiting { stream, remote, session, plain, unsent, first: None, is_opening, wanted };
        self.waiting.insert(id, it);
        Some(id)
    }

    /// Something has happened to a connection.
    fn attend(&mut self, now: Mono, id: u64) {
        let Some(it) = self.waiting.get_mut(&id) else { return };
        match it.go_on() {
            Progress::Waits => {
                let mut flags = EpollFlags::EPOLLIN;
                flags.set(EpollFlags::EPOLLOUT, it.is_opening || !it.unsent.is_empty());
                _ = self.epoll.modify(&it.stream, &mut EpollEvent::new(flags, id));
            }
            Progress::Through => self.pass_on(id),
            Progress::Failed(why) => self.fail(now, id, &why),
        }
    }

    fn pass_on(&mut self, id: u64) {
        let Some(it) = self.remove(id) else { return };
        if self.epoll.delete(&it.stream).is_err() {
            return;
        }
        let identities = it.session.as_ref().filter(|it| it.has_peer_certificate());
        let identities = identities.map(Session::identities);
        if let Some(session) = &it.session {
            tracing::debug!("TLS {}: {}", it.remote, session.describe());
        }
        let Waiting { stream, remote, session, plain, unsent, wanted, .. } = it;
        let guest = Guest { stream, remote, session, plain, unsent, identities, wanted };
        self.put(Arrival::Guest(Box::new(guest)));
    }

    /// When the switch is late it is waited for; it never waits for us.
    fn put(&mut self, arrival: Arrival) {
        self.guests.put_patiently(arrival);
        self.is_to_ring = true;
    }

    fn fail(&mut self, now: Mono, id: u64, why: &Failure) {
        let Some(it) = self.remove(id) else { return };
        // An alert says why.
        _ = (&it.stream).write(&it.unsent);
        self.tell_failure(now, it.remote, why);
        if let Some(wanted) = it.wanted {
            self.put(Arrival::Nobody(wanted));
        }
    }

    fn tell_failure(&mut self, now: Mono, remote: SocketAddr, why: &Failure) {
        let Some(kind) = why.kind() else { return };
        if let Some(others) = self.seldom.may_tell(now, kind) {
            tracing::warn!("TLS {remote}: {why}{others}");
        }
    }

    fn remove(&mut self, id: u64) -> Option<Waiting> {
        let it = self.waiting.remove(&id)?;
        self.timers.set(id, None);
        if self.strangers.remove(&id) {
            let place = Source::at(it.remote);
            if let Some(crowd) = self.places.get_mut(&place) {
                crowd.remove(&id);
                if crowd.is_empty() {
                    self.places.remove(&place);
                }
            }
        }
        Some(it)
    }
}

impl Waiting {
    /// Goes as far as it gets.
    fn go_on(&mut self) -> Progress {
        if self.is_opening {
            match self.stream.take_error() {
                Ok(None) => self.is_opening = false,
                Ok(Some(e)) | Err(e) => return Progress::Failed(Failure::Io(e)),
            }
            // It says that the descriptor is ready before the connection is, when it was not asked.
            if self.stream.peer_addr().is_err() {
                self.is_opening = true;
                return Progress::Waits;
            }
        }
        let Some(session) = &mut self.session else { return Progress::Through };
        // What a client begins with waits to be drained.
        let begun = session.open(&[], &mut self.plain, &mut self.unsent);
        if let Some(why) = begun.err().map(Failure::Tls).or_else(|| self.write()) {
            return Progress::Failed(why);
        }
        let progress = self.read();
        match self.write() {
            Some(why) if !matches!(progress, Progress::Failed(_)) => Progress::Failed(why),
            _ => progress,
        }
    }

    fn read(&mut self) -> Progress {
        let Some(session) = &mut self.session else { return Progress::Through };
        let mut buffer = [0; READ];
        let bytes = match self.stream.read(&mut buffer) {
            Ok(0) => return Progress::Failed(Failure::Left(self.first.is_some())),
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Progress::Waits;
            }
            Err(e) => return Progress::Failed(Failure::Io(e)),
        };
        let first = *self.first.get_or_insert(bytes.first().copied().unwrap_or_default());
        match session.open(bytes, &mut self.plain, &mut self.unsent) {
            Err(_) if self.wanted.is_none() && first != HANDSHAKE_RECORD => {
                Progress::Failed(Failure::NoTls)
            }
            Err(e) => Progress::Failed(Failure::Tls(e)),
            Ok(_) if session.is_handshaking() && self.unsent.len() > UNSENT_MAX => {
                Progress::Failed(Failure::Slow)
            }
            Ok(_) if session.is_handshaking() => Progress::Waits,
            Ok(_) => Progress::Through,
        }
    }

    /// Writes as much as the system takes.
    fn write(&mut self) -> Option<Failure> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(length) => _ = self.unsent.drain(..length),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    return None;
                }
                Err(e) => return Some(Failure::Io(e)),
            }
        }
        None
    }
}

/// The first byte of every TLS connection (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Begins to open a connection; the system tells later how that went.
fn begin_to_open(remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&remote.into()) {
        Err(e) if e.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(e),
        _ => Ok(socket.into()),
    }
}

#[cfg(test)]
mod tests;
