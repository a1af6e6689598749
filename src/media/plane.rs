//! The table of streams, and what happens to them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::{Map, Mono, Rng, StreamId, Timers, map::Keyed};
use crate::rtp::Kind;
use crate::rtp::dtmf::Digit;

use super::line::Payload;
use super::player::Player;
use super::stream::{Echo, Said, Stream};
use super::{Command, Event, Open, Out, Relayed};

/// The streams of one media thread.
#[derive(Debug)]
pub struct Plane {
    rng: Rng,
    streams: Map<StreamId, Stream>,
    /// Which stream has a port, by the port of its RTP.
    ports: Map<u16, StreamId>,
    timers: Timers<(StreamId, Timer)>,
}

/// What a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The next frame of its player.
    Frame,
    /// The end of a digit.
    Digit,
    /// The next RTCP report.
    Report,
    /// The end of our patience.
    Silence,
}

impl Plane {
    /// A plane without streams.
    pub fn new(mut rng: Rng) -> Self {
        let keyed = Keyed::new(&mut rng);
        Self { rng, streams: keyed.map(), ports: keyed.map(), timers: Timers::new() }
    }

    /// Does what the switch asks. A command for a stream that is not open is ignored, and so is
    /// opening one on a port that another has.
    pub fn handle(&mut self, now: Mono, command: Command, out: &mut Out) {
        match command {
            Command::Open(open) => self.open(now, open),
            Command::Agree { stream, agreed, signalling } => {
                let Some(it) = self.streams.get_mut(&stream) else { return };
                let is_first = !it.is_agreed();
                it.agree(now, agreed, signalling);
                self.timers.set((stream, Timer::Silence), it.silent_at());
                if is_first {
                    self.first_report(now, stream);
                }
            }
            Command::Join { a, b } => self.join(a, b),
            Command::Part { stream } => self.part(stream),
            Command::Play { stream, op, source } => {
                let Some(it) = self.streams.get_mut(&stream) else { return };
                let due = it.next_frame(now);
                if let Some(before) = it.player.replace(Player::new(op, source, due)) {
                    out.events.push(Event::Played { stream, op: before.op });
                }
                self.timers.set((stream, Timer::Frame), Some(due));
            }
            Command::Stop { stream, op } => {
                let Some(it) = self.streams.get_mut(&stream) else { return };
                if it.player.take_if(|it| it.op == op).is_some() {
                    out.events.push(Event::Played { stream, op });
                    self.timers.set((stream, Timer::Frame), None);
                }
            }
            Command::Echo { stream, on } => {
                let Some(it) = self.streams.get_mut(&stream) else { return };
                it.set_echo(if on { Echo::On } else { Echo::Off });
            }
            Command::Close { stream } => self.close(now, stream, out),
        }
    }

    /// A datagram has come to a local `port`: a stream's, or that plus one for RTCP. What leaves at
    /// once stands rewritten in `bytes`, and the answer says where it goes. `out` only gets digits.
    pub fn receive(
        &mut self,
        now: Mono,
        port: u16,
        from: SocketAddr,
        bytes: &mut [u8],
        out: &mut Out,
    ) -> Option<Relayed> {
        let (id, is_rtp_port) = self.at(port)?;
        let stream = self.streams.get_mut(&id)?;
        match Kind::of(bytes) {
            Kind::Rtp if is_rtp_port => {}
            Kind::Rtcp => {
                stream.control(now, from, bytes);
                return None;
            }
            Kind::Rtp | Kind::Other => {
                stream.refuse();
                return None;
            }
        }
        let heard = stream.hear(now, from, bytes)?;
        if heard.payload == Payload::Event {
            out.events.extend(heard.digits.into_iter().flatten().map(|it| pressed(id, it)));
            self.timers.set((id, Timer::Digit), stream.digits.poll_timeout());
        }
        let said = match (stream.echo(), stream.partner()) {
            (Echo::On, _) => stream.relay(now, id, &heard, bytes),
            (Echo::Off, None) => return None,
            (Echo::Off, Some(partner)) => match self.streams.get_mut(&partner) {
                Some(it) if it.echo() == Echo::Off => it.relay(now, id, &heard, bytes),
                _ => return None,
            },
        };
        match said {
            Said::Leaves(relayed) => Some(relayed),
            Said::Unheard => None,
            Said::Foreign => {
                self.streams.get_mut(&id)?.refuse();
                None
            }
        }
    }

    /// Does what is due: frames of players, reports, digits whose end got lost, silences. What is more than a
    /// few dozen is left for the next call, and [`Plane::poll_timeout`] still says so.
    pub fn handle_timeout(&mut self, now: Mono, out: &mut Out) {
        for _ in 0..DUE_MAX {
            let Some((id, timer)) = self.timers.pop(now) else { return };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let next = match timer {
                Timer::Frame => {
                    let op = stream.player.as_ref().map(|it| it.op);
                    let due = stream.play(now, &mut out.packets);
                    if let (Some(op), None) = (op, due) {
                        out.events.push(Event::Played { stream: id, op });
                    }
                    due
                }
                Timer::Digit => {
                    out.events.extend(stream.digits.timeout(now).map(|it| pressed(id, it)));
                    stream.digits.poll_timeout()
                }
                Timer::Report => {
                    out.packets.extend(stream.report(now));
                    Some(now + around(&mut self.rng, REPORT_INTERVAL))
                }
                Timer::Silence => {
                    // Most often something was heard since the timer was set.
                    if stream.silent_at().is_some_and(|it| it <= now) {
                        stream.begin_silence(now);
                        out.events.push(Event::Silent { stream: id });
                    }
                    stream.silent_at()
                }
            };
            self.timers.set((id, timer), next);
        }
    }

    /// When to call [`Plane::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// How many streams are open.
    pub fn census(&self) -> usize {
        self.streams.len()
    }

    fn open(&mut self, now: Mono, open: Open) {
        let (id, port) = (open.stream, open.port);
        if self.streams.contains_key(&id) || self.at(port).is_some() {
            return;
        }
        self.ports.insert(port, id);
        self.streams.insert(id, Stream::new(now, open));
    }

    fn join(&mut self, a: StreamId, b: StreamId) {
        let partner = |id| self.streams.get(&id).map(|it: &Stream| it.partner());
        let (Some(of_a), Some(_)) = (partner(a), partner(b)) else { return };
        if a == b || of_a == Some(b) {
            return;
        }
        self.part(a);
        self.part(b);
        for (one, other) in [(a, b), (b, a)] {
            if let Some(it) = self.streams.get_mut(&one) {
                it.set_partner(Some(other));
            }
        }
    }

    fn part(&mut self, id: StreamId) {
        let partner = self.streams.get(&id).and_then(Stream::partner);
        for id in [Some(id), partner].into_iter().flatten() {
            if let Some(it) = self.streams.get_mut(&id) {
                it.set_partner(None);
            }
        }
    }

    fn close(&mut self, now: Mono, id: StreamId, out: &mut Out) {
        self.part(id);
        let Some(mut stream) = self.streams.remove(&id) else { return };
        self.ports.remove(&stream.port);
        for timer in [Timer::Frame, Timer::Digit, Timer::Report, Timer::Silence] {
            self.timers.set((id, timer), None);
        }
        if let Some(player) = stream.player.take() {
            out.events.push(Event::Played { stream: id, op: player.op });
        }
        out.packets.extend(stream.bye(now));
        out.events.push(Event::Closed { stream: id, port: stream.port, stats: stream.stats() });
    }

    /// Whose port it is, and whether it is the one for RTP.
    fn at(&self, port: u16) -> Option<(StreamId, bool)> {
        if let Some(id) = self.ports.get(&port) {
            return Some((*id, true));
        }
        let id = self.ports.get(&port.checked_sub(1)?)?;
        Some((*id, false))
    }

    /// The first report comes after half of the time (RFC 3550 §6.2).
    fn first_report(&mut self, now: Mono, id: StreamId) {
        let at = now + around(&mut self.rng, REPORT_INTERVAL / 2);
        self.timers.set((id, Timer::Report), Some(at));
    }
}

fn pressed(stream: StreamId, it: Digit) -> Event {
    Event::Digit { stream, digit: it.digit, duration_ms: it.duration_ms }
}

/// Half to one and a half of a time, so that reports of many do not come together (RFC 3550 §6.2).
/// There is no reconsideration (§6.3): on a stream of two, nobody has to wait for others.
fn around(rng: &mut Rng, time: Duration) -> Duration {
    time * (500 + rng.below(1001) as u32) / 1000
}

/// RFC 3550 §6.2: the least for a session as small as this.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Timers served in one call: when all of them encode Opus, packets to be relayed wait for 15 ms.
const DUE_MAX: usize = 64;
