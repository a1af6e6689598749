//! One connection, over TCP or TLS: what it has sent of a message, what it has not read yet, how
//! long it may stay.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::epoll::EpollFlags;
use socket2::{SockRef, TcpKeepalive};

use crate::base::Mono;
use crate::call::Input;
use crate::sip::Flow;
use crate::sip::stream::{Frame, Framer, PONG};

use super::super::tls::{Heard, Session};

/// How long a stranger may be without a whole message.
const STRANGER_IDLE: Duration = Duration::from_secs(30);
/// How long a message may take to come.
const HALF_MAX: Duration = Duration::from_secs(10);
/// How many bytes a peer may leave unread, beyond what the system holds for it.
const UNSENT_MAX: usize = 256 << 10;
/// How long it may take nothing of them.
const UNSENT_FOR: Duration = Duration::from_secs(30);
/// How long a connection that has ended may take to go.
const LEAVING: Duration = Duration::from_secs(2);
/// The switch answers within the turn in which it is asked; the next one comes after this.
const TURN: Duration = Duration::from_millis(1);
/// When the system begins to ask a silent peer whether it lives, how often, and how many answers
/// may be missing.
const ASK_AFTER: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(15);
const ASK_TIMES: u32 = 4;

/// Why somebody is closed who mistakes the port.
pub(super) const SPEAKS_TLS: &str = "a peer speaks TLS to the port of plain SIP";
/// What every TLS connection begins with (RFC 8446 §5.1), and no SIP message.
const TLS_HANDSHAKE: u8 = 22;

/// One connection.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    pub(super) flow: Flow,
    pub(super) standing: Standing,
    pub(super) is_known_to_switch: bool,
    /// Of TLS; none when nothing is sealed, or when we have said goodbye.
    session: Option<Session>,
    framer: Framer,
    /// As it goes to the wire: sealed, over TLS.
    unsent: Vec<u8>,
    /// Since when nothing of what is unsent was taken.
    stuck_since: Option<Mono>,
    /// When its present message began.
    half_since: Option<Mono>,
    /// When its last message came, or else it.
    heard_at: Mono,
    phase: Phase,
    interest: EpollFlags,
}

/// What the switch thinks of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet.
    Stranger,
    /// It has proved who it is.
    Trusted,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It does not.
    Open,
    /// Nothing more is taken from it; what we have to say still leaves.
    Ending { since: Mono },
    /// All is said, and its peer may read it: closing while something is unread would take it back
    /// (RFC 1122 §4.2.2.13).
    Said { since: Mono },
    /// It is worth nothing any more.
    Dead,
    /// It wants to begin TLS here.
    Mistaken,
}

impl Link {
    /// A connection that was just let in.
    pub(super) fn new(
        now: Mono,
        stream: TcpStream,
        session: Option<Session>,
        flow: Flow,
        standing: Standing,
    ) -> Self {
        Self {
            stream,
            flow,
            standing,
            is_known_to_switch: false,
            session,
            framer: Framer::default(),
            unsent: Vec::new(),
            stuck_since: None,
            half_since: None,
            heard_at: now,
            phase: Phase::Open,
            interest: EpollFlags::EPOLLIN,
        }
    }

    /// Reads what has come, as far as the buffer goes.
    pub(super) fn read(&mut self, now: Mono, buffer: &mut [u8], take: &mut impl FnMut(Input)) {
        match self.stream.read(buffer) {
            Ok(0) if self.phase == Phase::Open => self.phase = Phase::Ending { since: now },
            Ok(0) => self.phase = Phase::Dead,
            Ok(length) if self.phase == Phase::Open => {
                self.hear(now, buffer.get(..length).unwrap_or_default(), take);
            }
            Ok(_) => {}
            Err(e) if is_for_later(&e) => {}
            Err(_) => self.phase = Phase::Dead,
        }
    }

    /// Adds something to be written. A peer that leaves too much unread is given up.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Open | Phase::Ending { .. }) {
            return;
        }
        if self.unsent.len() + bytes.len() > UNSENT_MAX {
            self.unsent = Vec::new();
            self.phase = Phase::Dead;
            return;
        }
        match &mut self.session {
            Some(session) => session.seal(bytes, &mut self.unsent),
            None => self.unsent.extend_from_slice(bytes),
        }
    }

    /// What was said, and is to be said, before it was let in.
    pub(super) fn go_on(
        &mut self,
        now: Mono,
        plain: &[u8],
        unsent: Vec<u8>,
        take: &mut impl FnMut(Input),
    ) {
        self.unsent = unsent;
        self.receive(now, plain, take);
    }

    /// Writes as much as the system takes.
    pub(super) fn write(&mut self, now: Mono) {
        let mut written = 0;
        while written < self.unsent.len() {
            match self.stream.write(self.unsent.get(written..).unwrap_or_default()) {
                Ok(length) => written += length,
                Err(e) if is_for_later(&e) => break,
                Err(_) => {
                    self.phase = Phase::Dead;
                    written = self.unsent.len();
                }
            }
        }
        if written == self.unsent.len() {
            // Nothing is held for a connection that rests.
            self.unsent = Vec::new();
            self.stuck_since = None;
            return;
        }
        self.unsent.drain(..written);
        if written > 0 || self.stuck_since.is_none() {
            self.stuck_since = Some(now);
        }
    }

    /// Nothing more is taken from it.
    pub(super) fn dismiss(&mut self, now: Mono) {
        if self.phase == Phase::Open {
            self.phase = Phase::Ending { since: now };
        }
    }

    /// Says that we are done, once all else is said.
    pub(super) fn say_goodbye(&mut self, now: Mono) {
        if matches!(self.phase, Phase::Ending { .. }) && self.unsent.is_empty() {
            if let Some(mut session) = self.session.take() {
                session.say_goodbye(&mut self.unsent);
                self.write(now);
            }
            _ = self.stream.shutdown(Shutdown::Write);
            self.phase = Phase::Said { since: now };
        }
    }

    /// Why it is to be closed now, if it is.
    pub(super) fn due(&self, now: Mono) -> Option<&'static str> {
        let is_over = |since: Option<Mono>, span| since.is_some_and(|it| now >= it + span);
        match self.phase {
            Phase::Dead => Some("broken"),
            Phase::Mistaken => Some(SPEAKS_TLS),
            Phase::Ending { since } | Phase::Said { since } => {
                (now >= since + LEAVING).then_some("ended")
            }
            Phase::Open if is_over(self.half_since, HALF_MAX) => Some("a message takes too long"),
            Phase::Open if is_over(self.stuck_since, UNSENT_FOR) => Some("it does not read"),
            Phase::Open if is_over(self.idle_since(), STRANGER_IDLE) => Some("an idle stranger"),
            Phase::Open => None,
        }
    }

    /// When something about it falls due.
    pub(super) fn next(&self) -> Option<Mono> {
        match self.phase {
            Phase::Dead | Phase::Mistaken => Some(Mono::ZERO),
            Phase::Ending { since } if self.unsent.is_empty() => Some(since + TURN),
            Phase::Ending { since } | Phase::Said { since } => Some(since + LEAVING),
            Phase::Open => {
                let half = self.half_since.map(|it| it + HALF_MAX);
                let stuck = self.stuck_since.map(|it| it + UNSENT_FOR);
                let idle = self.idle_since().map(|it| it + STRANGER_IDLE);
                [half, stuck, idle].into_iter().flatten().min()
            }
        }
    }

    /// What it waits for, if that has changed.
    pub(super) fn new_interest(&mut self) -> Option<EpollFlags> {
        let read = match self.phase {
            Phase::Open | Phase::Said { .. } => EpollFlags::EPOLLIN,
            Phase::Ending { .. } | Phase::Dead | Phase::Mistaken => EpollFlags::empty(),
        };
        let write = match self.stuck_since {
            Some(_) => EpollFlags::EPOLLOUT,
            None => EpollFlags::empty(),
        };
        let before = std::mem::replace(&mut self.interest, read | write);
        (before != self.interest).then_some(self.interest)
    }

    /// Takes what has come from the wire.
    fn hear(&mut self, now: Mono, bytes: &[u8], take: &mut impl FnMut(Input)) {
        let Some(session) = &mut self.session else {
            if !self.is_known_to_switch && bytes.first() == Some(&TLS_HANDSHAKE) {
                self.phase = Phase::Mistaken;
                return;
            }
            return self.receive(now, bytes, take);
        };
        let mut plain = Vec::new();
        let heard = session.open(bytes, &mut plain, &mut self.unsent);
        self.receive(now, &plain, take);
        if heard == Ok(Heard::More) && self.unsent.len() <= UNSENT_MAX {
            return;
        }
        if let Err(e) = heard {
            tracing::debug!("{}: {e}", self.flow);
        }
        if self.phase == Phase::Open {
            self.phase = Phase::Ending { since: now };
        }
    }

    fn receive(&mut self, now: Mono, bytes: &[u8], take: &mut impl FnMut(Input)) {
        let flow = self.flow;
        let mut messages = 0;
        let mut pings = 0;
        let mut is_broken = false;
        self.framer.receive(bytes, |frame| match frame {
            Frame::Message(bytes) => {
                messages += 1;
                take(Input::Message { flow, bytes });
            }
            Frame::Ping => pings += 1,
            Frame::Broken { why, head } => {
                tracing::debug!("{flow}: {why}");
                is_broken = true;
                // The switch refuses a request that stops where its body should begin.
                if let Some(bytes) = head {
                    messages += 1;
                    take(Input::Message { flow, bytes });
                }
            }
        });
        for _ in 0..pings {
            self.say(PONG);
        }
        if messages > 0 {
            self.is_known_to_switch = true;
            self.heard_at = now;
        }
        self.half_since = match self.half_since.filter(|_| messages == 0) {
            _ if !self.framer.is_inside() => None,
            None => Some(now),
            since => since,
        };
        if is_broken && self.phase == Phase::Open {
            self.phase = Phase::Ending { since: now };
        }
    }

    fn idle_since(&self) -> Option<Mono> {
        (self.standing == Standing::Stranger).then_some(self.heard_at)
    }
}

/// Makes a connection ready to be served; returns our address on it.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let ask = TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&ask.with_retries(ASK_TIMES))?;
    stream.local_addr()
}

fn is_for_later(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
