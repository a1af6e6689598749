//! Whom a stream believes, and where its peer hears (RFC 4961).
//!
//! A peer may send from the address that it described, from another port of that host, or from the
//! host that its signalling comes from: behind a NAT the described address means nothing. Everybody
//! else is a stranger and is neither heard nor fed. The first packet decides where the peer is, and
//! after that it stays there, with these exceptions:
//!
//! - The described address is always the peer's own.
//! - A peer whose signalling comes from the described host should send from the described port. If
//!   it sends from another, it is believed after [`ALONE`], when nobody came from the right one.
//! - In the first moments the described host goes before that of the signalling.
//! - When the NAT gives the peer another port, its SSRC and its sequence go on: it is followed at
//!   once. Should the old place go on too, the new one was a thief's, and no such move is believed
//!   again.
//! - After [`HOLDS`] of silence it may be found anew.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::Mono;
use crate::rtp::Header;

/// Where one peer's packets come from.
#[derive(Debug)]
pub(super) struct Source {
    described: SocketAddr,
    described_rtcp: SocketAddr,
    signalling: IpAddr,
    latch: Option<Latch>,
    suspect: Option<Suspect>,
    /// Where RTCP came from, and when the last of it.
    control: Option<(SocketAddr, Mono)>,
}

/// Where the peer was found.
#[derive(Clone, Copy, Debug)]
struct Latch {
    at: SocketAddr,
    kin: Kin,
    since: Mono,
    heard: Mono,
    ssrc: u32,
    /// The newest sequence number.
    seq: u16,
    before: Option<Before>,
    moves: Moves,
}

/// The place before this one.
#[derive(Clone, Copy, Debug)]
struct Before {
    at: SocketAddr,
    ssrc: u32,
    /// What comes from there behind this number was late; what is ahead of it shows that the peer
    /// never left.
    seq: u16,
}

/// Whether a sequence that goes on elsewhere is a reason to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    Believed,
    Distrusted,
}

/// Somebody on the described host who does not use the described port.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    at: SocketAddr,
    since: Mono,
    heard: Mono,
}

/// Why a place may be the peer's; the better reason is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kin {
    /// Its signalling comes from that host.
    Signalling,
    /// It described that host.
    Host,
    /// It described that port.
    Described,
}

impl Source {
    pub(super) fn new(described: SocketAddr, rtcp: SocketAddr, signalling: IpAddr) -> Self {
        let (latch, suspect, control) = (None, None, None);
        Self { described, described_rtcp: rtcp, signalling, latch, suspect, control }
    }

    /// The peer describes itself again. Where it was found stays true while it says the same: a
    /// refresh must not lose a phone behind a NAT, and neither must a hold that names no address.
    pub(super) fn describe(&mut self, to: SocketAddr, rtcp: SocketAddr, signalling: IpAddr) {
        let is_same_peer = is_same(self.signalling, signalling)
            || self.latch.is_some_and(|it| it.kin > Kin::Signalling);
        let is_same_place = to == self.described || to.ip().to_canonical().is_unspecified();
        if !is_same_place || !is_same_peer {
            *self = Self::new(to, rtcp, signalling);
        }
        self.signalling = signalling;
    }

    /// Whether an RTP packet is the peer's; it is followed where it has moved.
    pub(super) fn believes(&mut self, now: Mono, from: SocketAddr, header: &Header) -> bool {
        let Some(kin) = self.kin(from) else { return false };
        let Some(mut latch) = self.latch else {
            let is_found = kin != Kin::Host
                || !is_same(self.described.ip(), self.signalling)
                || self.has_been_alone(now, from);
            if is_found {
                self.latch = Some(Latch::new(now, from, kin, header));
            }
            return is_found;
        };
        if latch.at == from {
            latch.follow(now, header);
        } else if latch.before.is_some_and(|it| it.goes_on(from, header)) {
            let moves = Moves::Distrusted;
            latch = Latch { moves, ..Latch::new(now, from, kin, header) };
        } else if latch.before.is_some_and(|it| it.is_late(from, header)) {
            // It was on its way when the peer moved.
        } else if kin == Kin::Described || latch.gives_way(now, from, kin) {
            let moves = latch.moves;
            latch = Latch { moves, ..Latch::new(now, from, kin, header) };
        } else if now.since(latch.heard) > HOLDS {
            let before = Some(Before { at: latch.at, ssrc: latch.ssrc, seq: latch.seq });
            let moves = latch.moves;
            latch = Latch { before, moves, ..Latch::new(now, from, kin, header) };
        } else if latch.goes_on(from, header) {
            let seq = header.seq.wrapping_sub(1);
            let before = Some(Before { at: latch.at, ssrc: latch.ssrc, seq });
            latch = Latch { before, ..Latch::new(now, from, kin, header) };
        } else {
            return false;
        }
        self.latch = Some(latch);
        true
    }

    /// Whether RTCP is the peer's. It has no sequence that could go on elsewhere and comes seldom,
    /// so any port of the peer's hosts is heard; where ours goes only changes after a long silence.
    pub(super) fn believes_control(&mut self, now: Mono, from: SocketAddr) -> bool {
        let is_described = is_there(self.described_rtcp, from);
        if !is_described
            && self.kin(from).is_none()
            && !is_same(self.described_rtcp.ip(), from.ip())
        {
            return false;
        }
        let is_moved =
            self.control.is_none_or(|it| it.0 == from || now.since(it.1) > CONTROL_HOLDS);
        if is_described || is_moved {
            self.control = Some((from, now));
        }
        true
    }

    /// Where the peer hears.
    pub(super) fn place(&self) -> SocketAddr {
        self.latch.map_or(self.described, |it| it.at)
    }

    /// Where the peer hears RTCP.
    pub(super) fn control_place(&self) -> SocketAddr {
        self.control.map_or(self.described_rtcp, |it| it.0)
    }

    fn kin(&self, from: SocketAddr) -> Option<Kin> {
        if is_there(self.described, from) {
            Some(Kin::Described)
        } else if is_same(self.described.ip(), from.ip()) {
            Some(Kin::Host)
        } else {
            is_same(self.signalling, from.ip()).then_some(Kin::Signalling)
        }
    }

    /// Whether this one has spoken for long enough without anybody else.
    fn has_been_alone(&mut self, now: Mono, from: SocketAddr) -> bool {
        match &mut self.suspect {
            Some(it) if it.at == from => {
                it.heard = now;
                now.since(it.since) >= ALONE
            }
            // Who came first is waited for while it speaks.
            Some(it) if now.since(it.heard) < ALONE => false,
            suspect => {
                *suspect = Some(Suspect { at: from, since: now, heard: now });
                false
            }
        }
    }
}

impl Latch {
    fn new(now: Mono, at: SocketAddr, kin: Kin, header: &Header) -> Self {
        let (ssrc, seq) = (header.ssrc, header.seq);
        let moves = Moves::Believed;
        Self { at, kin, since: now, heard: now, ssrc, seq, before: None, moves }
    }

    /// Another packet from here.
    fn follow(&mut self, now: Mono, header: &Header) {
        self.heard = now;
        if self.ssrc != header.ssrc || is_ahead(header.seq, self.seq) {
            (self.ssrc, self.seq) = (header.ssrc, header.seq);
        }
    }

    /// Whether somebody with a better reason may take the place, in the first moments.
    fn gives_way(&self, now: Mono, from: SocketAddr, kin: Kin) -> bool {
        now.since(self.since) <= ALONE && !is_same(self.at.ip(), from.ip()) && kin > self.kin
    }

    /// Whether the peer's own sequence goes on at another port of its host.
    fn goes_on(&self, from: SocketAddr, header: &Header) -> bool {
        self.moves == Moves::Believed
            && is_same(self.at.ip(), from.ip())
            && header.ssrc == self.ssrc
            && is_ahead(header.seq, self.seq)
            && header.seq.wrapping_sub(self.seq) <= GOES_ON_MAX
    }
}

impl Before {
    fn goes_on(&self, from: SocketAddr, header: &Header) -> bool {
        self.at == from && header.ssrc == self.ssrc && is_ahead(header.seq, self.seq)
    }

    fn is_late(&self, from: SocketAddr, header: &Header) -> bool {
        let behind = self.seq.wrapping_sub(header.seq);
        self.at == from && header.ssrc == self.ssrc && behind <= GOES_ON_MAX
    }
}

/// A dual-stack socket sees IPv4 peers as mapped addresses.
fn is_same(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical() == b.to_canonical()
}

fn is_there(a: SocketAddr, b: SocketAddr) -> bool {
    is_same(a.ip(), b.ip()) && a.port() == b.port()
}

fn is_ahead(seq: u16, of: u16) -> bool {
    (1..0x8000).contains(&seq.wrapping_sub(of))
}

/// How long somebody on the right host must speak from the wrong port before it is believed.
const ALONE: Duration = Duration::from_millis(500);
/// A stream that is alive has packets far more often. Long enough that a neighbour behind the same
/// NAT cannot take it over, short enough that a phone whose NAT forgot it is heard again.
const HOLDS: Duration = Duration::from_secs(2);
/// Three reports (RFC 3550 §6.2).
const CONTROL_HOLDS: Duration = Duration::from_secs(15);
/// A second of packets may be lost while a NAT changes its mind.
const GOES_ON_MAX: u16 = 50;
