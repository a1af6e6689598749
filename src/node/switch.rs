//! The switch thread: it owns the SIP sockets, the switch and the scripts' states, and does one
//! turn after the other: wait, take in what has come, act on what the switch says.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::base::{Mono, Now};
use crate::call::plan::Generation;
use crate::call::{Census, Input, Load, Output, Plan, Standing, Switch};
use crate::media;
use crate::sip::Transport;

use super::book::Book;
use super::clock::Clock;
use super::dns::Dns;
use super::facts;
use super::keeper::Counter;
use super::post::{Letter, Mailbox, Post};
use super::tcp::Streams;
use super::traces::Traces;
use super::udp::{Received, SipSocket};

/// How much of each kind is taken in before we act, so that no kind starves the others.
const BATCH: usize = 256;
/// How long calls may take to end when we leave.
const LEAVING: Duration = Duration::from_millis(1500);
/// How long we stay after the last call, to answer what repeats.
const GRACE: Duration = Duration::from_millis(100);

/// When what always waits is an overload. An answer then comes so late that phones ask again
/// (RFC 3261 §17.1.1.1, T1), which makes it worse.
const OVERLOADED_AFTER: Duration = Duration::from_millis(250);

/// A turn that takes longer than this is stuck: nobody waits that long for an answer.
const TURN_MAX: Duration = Duration::from_secs(2);

/// What the epoll set calls those who may have something; an empty event names nobody.
const SOCKET: u64 = 1;
const STREAMS: u64 = 2;
const BELL: u64 = 3;
const SOURCES: usize = 3;

/// What the outside may know of the switch without asking it.
#[derive(Debug, Default)]
pub(super) struct View {
    calls: AtomicUsize,
    registrations: AtomicUsize,
    loads: Mutex<Arc<[Load]>>,
    /// When the present turn began, in nanoseconds; 0 while the thread waits.
    turn_since: AtomicU64,
}

/// What the thread works with.
pub(super) struct Desk {
    /// The time.
    pub(super) clock: Clock,
    /// Where SIP comes and goes.
    pub(super) socket: SipSocket,
    /// The same over TCP.
    pub(super) streams: Streams,
    /// Where everybody else writes to us.
    pub(super) mailbox: Mailbox<Input>,
    /// Where we write to the media threads, by number.
    pub(super) planes: Vec<Post<media::Command>>,
    /// What is written down of what happens.
    pub(super) book: Book,
    /// Where answers are waited for.
    pub(super) counter: Arc<Counter>,
    /// Where names are looked up.
    pub(super) dns: Dns,
    /// What we have found out for the switch, to be told in its next turn.
    pub(super) found: Vec<Input>,
    /// What we tell the outside.
    pub(super) view: Arc<View>,
    /// What is remembered of the calls.
    pub(super) traces: Arc<Traces>,
}

/// Does what the switch wants already, then runs until all calls are ended after an
/// [`Input::Shutdown`].
pub(super) fn run<P: Plan>(
    mut desk: Desk,
    mut switch: Switch<P>,
    mut out: Vec<Output>,
) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&desk.socket, EpollEvent::new(EpollFlags::EPOLLIN, SOCKET))?;
    epoll.add(&desk.streams, EpollEvent::new(EpollFlags::EPOLLIN, STREAMS))?;
    epoll.add(desk.mailbox.bell(), EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;

    let traces = Arc::clone(&desk.traces);
    let mut leave: Option<Leave> = None;
    let (mut more_datagrams, mut more_letters) = (true, true);
    let mut behind = false;
    let mut unwritten = None;
    let mut pressure = Pressure::default();
    let mut revision = None;
    loop {
        let streams = desk.streams.poll_timeout();
        let until = [switch.poll_timeout(), streams, leave.as_ref().map(Leave::next), unwritten];
        let more = more_datagrams || more_letters || !desk.found.is_empty();
        let until = if more { Some(Mono::ZERO) } else { until.into_iter().flatten().min() };
        let ready = desk.wait(&epoll, until)?;

        let now = desk.clock.now();
        desk.view.turn_since.store(now.mono.as_nanos(), Ordering::Relaxed);
        if desk.book.is_behind() != behind {
            behind = !behind;
            tracing::warn!(
                "calls are written down {}",
                if behind { "too slowly" } else { "again" }
            );
            switch.handle(now, Input::Behind(behind), &mut out);
        }
        if let Some(overloaded) = pressure.turned(now.mono, more_datagrams || more_letters) {
            tracing::warn!("{}", if overloaded { "overloaded" } else { "not overloaded any more" });
            switch.handle(now, Input::Overloaded(overloaded), &mut out);
        }
        let mut calls_to_end = None;
        let mut give = |switch: &mut Switch<P>, input: Input| {
            // Written down one by one, so that an answer stands below its question.
            traces.heard(now, &input);
            let before = out.len();
            switch.handle(now, input, &mut out);
            traces.done(now, out.get(before..).unwrap_or_default());
        };
        for input in std::mem::take(&mut desk.found) {
            give(&mut switch, input);
        }
        // Who has nothing is not asked: a turn is mostly one datagram, and a question a system call.
        if more_datagrams || ready.contains(&SOCKET) {
            more_datagrams = desk.take_datagrams(now.mono, |input| give(&mut switch, input));
        }
        if ready.contains(&STREAMS) || streams.is_some_and(|at| at <= now.mono) {
            desk.streams.serve(now.mono, |input| give(&mut switch, input));
        }
        if more_letters || ready.contains(&BELL) {
            more_letters = desk.take_letters(|input| {
                if matches!(input, Input::Shutdown) {
                    calls_to_end = Some(switch.census().calls);
                }
                give(&mut switch, input);
            });
        }
        if switch.poll_timeout().is_some_and(|at| at <= now.mono) {
            let before = out.len();
            switch.handle_timeout(now, &mut out);
            traces.done(now, out.get(before..).unwrap_or_default());
        }
        // Published first: who has an answer of this turn finds the outside to know as much.
        let census = switch.census();
        desk.view.count(census);
        if revision.replace(switch.loads_revision()) != Some(switch.loads_revision()) {
            desk.view.publish(switch.loads());
        }
        desk.act(now, &mut out);
        unwritten = desk.book.hand_over(now.mono);

        desk.view.turn_since.store(0, Ordering::Relaxed);
        if let Some(calls) = calls_to_end {
            leave.get_or_insert(Leave::new(now.mono, calls));
        }
        if leave.as_mut().is_some_and(|it| it.is_time(now.mono, census.calls + census.leaving)) {
            desk.book.close(now.mono);
            return Ok(());
        }
    }
}

impl View {
    /// Whether the switch takes its turns.
    pub(super) fn is_alive(&self, now: Mono) -> bool {
        let since = self.turn_since.load(Ordering::Relaxed);
        since == 0 || now.since(Mono::from_nanos(since)) <= TURN_MAX
    }

    /// Tells how much the switch holds.
    pub(super) fn count(&self, census: Census) {
        self.calls.store(census.calls, Ordering::Relaxed);
        self.registrations.store(census.bindings, Ordering::Relaxed);
    }

    /// Calls that are not over.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Phones that are registered.
    pub(super) fn registrations(&self) -> usize {
        self.registrations.load(Ordering::Relaxed)
    }

    /// Which scripts were loaded and refused, the latest last.
    pub(super) fn loads(&self) -> Arc<[Load]> {
        Arc::clone(&self.loads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The scripts that new calls get.
    pub(super) fn generation(&self) -> Generation {
        let loads = self.loads();
        let current = loads.iter().find(|it| matches!(it.standing, Standing::Current { .. }));
        current.and_then(|it| it.generation).unwrap_or(Generation(0))
    }

    /// Tells the outside of them.
    pub(super) fn publish(&self, loads: &[Load]) {
        *self.loads.lock().unwrap_or_else(PoisonError::into_inner) = loads.into();
    }
}

impl Desk {
    /// Sleeps until something comes or `until`; a time that has passed means not at all. Tells who
    /// has something.
    fn wait(&self, epoll: &Epoll, until: Option<Mono>) -> io::Result<[u64; SOURCES]> {
        let timeout = until.map_or(EpollTimeout::NONE, |at| {
            let millis = self.clock.millis_until(at).min(60_000);
            EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
        });
        let mut events = [EpollEvent::empty(); SOURCES];
        match epoll.wait(&mut events, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(events.map(|it| it.data())),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether more may wait.
    fn take_datagrams(&mut self, now: Mono, mut take: impl FnMut(Input)) -> bool {
        for _ in 0..BATCH {
            match self.socket.receive(now) {
                Received::Datagram(flow, bytes) => take(Input::Message { flow, bytes }),
                Received::Dropped => {}
                Received::Nothing => return false,
            }
        }
        true
    }

    /// Whether more may wait.
    fn take_letters(&self, mut take: impl FnMut(Input)) -> bool {
        self.mailbox.hush();
        for _ in 0..BATCH {
            match self.mailbox.take() {
                Letter::Came(input) => take(input),
                Letter::Empty | Letter::Over => return false,
            }
        }
        true
    }

    fn act(&mut self, now: Now, out: &mut Vec<Output>) {
        let mut rung = 0_u64;
        for output in out.drain(..) {
            match output {
                Output::Send { flow, bytes } => match flow.transport {
                    Transport::Udp => self.socket.send(flow, &bytes),
                    Transport::Tcp(_) | Transport::Tls(_) => self.streams.send(flow, &bytes),
                },
                Output::Dns(question) => self.dns.ask(question),
                Output::Route(remote) => {
                    let local = self.socket.towards(remote, now.mono);
                    self.found.push(Input::Routed { remote, local });
                }
                Output::Connect(wanted) => self.streams.connect(wanted),
                Output::Trusted { flow } => self.streams.trust(flow),
                Output::Close { flow } => self.streams.dismiss(now.mono, flow),
                Output::Media { thread, command } => {
                    let Some(plane) = self.planes.get(usize::from(thread)) else { continue };
                    // A lost Close would lose a port for ever, so we wait when the queue is full.
                    // The plane never waits for us, and empties its queue on every tick.
                    plane.put_patiently(command);
                    rung |= 1 << (thread % 64);
                }
                Output::Fact(fact) => {
                    facts::log(&fact);
                    self.book.note(now.mono, fact);
                }
                Output::Phone { tenant, extension, contact, kept } => {
                    self.book.phone(now, (tenant, extension), contact, kept);
                }
                Output::Watch { tenant, extension, name, kept } => {
                    self.book.watch(now, (tenant, extension), name, kept);
                }
                Output::Told { ticket, answer } => self.counter.bring(ticket, answer),
                Output::Traced(_) => {}
            }
        }
        self.streams.flush(now.mono);
        for (number, plane) in self.planes.iter().enumerate() {
            if rung & (1 << (number % 64)) != 0 {
                plane.ring();
            }
        }
    }
}

/// Whether more comes in than is taken: the time for which something always waited.
#[derive(Debug, Default)]
struct Pressure {
    since: Option<Mono>,
    is_overload: bool,
}

impl Pressure {
    /// A turn begins, and something was left of the last one or not; whether that changes what we
    /// are.
    fn turned(&mut self, now: Mono, more: bool) -> Option<bool> {
        self.since = more.then(|| self.since.unwrap_or(now));
        let is_overload = self.since.is_some_and(|it| now - it >= OVERLOADED_AFTER);
        let before = std::mem::replace(&mut self.is_overload, is_overload);
        (before != is_overload).then_some(is_overload)
    }
}

/// How we leave: all calls end, late answers are still taken, and then, whatever happens, we go.
struct Leave {
    deadline: Mono,
    quiet_since: Option<Mono>,
    had_calls: bool,
}

impl Leave {
    fn new(now: Mono, calls: usize) -> Self {
        Self { deadline: now + LEAVING, quiet_since: None, had_calls: calls > 0 }
    }

    fn is_time(&mut self, now: Mono, calls: usize) -> bool {
        self.had_calls |= calls > 0;
        if calls == 0 {
            self.quiet_since.get_or_insert(now);
        }
        !self.had_calls || now >= self.next()
    }

    fn next(&self) -> Mono {
        self.quiet_since.map_or(self.deadline, |it| (it + GRACE).min(self.deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_calls_we_leave_at_once() {
        assert!(Leave::new(ms(0), 0).is_time(ms(0), 0));
    }

    #[test]
    fn after_the_last_call_we_stay_a_moment() {
        let mut leave = Leave::new(ms(0), 2);
        assert!(!leave.is_time(ms(0), 2));
        assert!(!leave.is_time(ms(300), 0));
        assert_eq!(leave.next(), ms(400));
        assert!(leave.is_time(ms(400), 0));
    }

    #[test]
    fn a_call_that_does_not_end_does_not_keep_us() {
        let mut leave = Leave::new(ms(0), 1);
        assert!(!leave.is_time(ms(1499), 1));
        assert!(leave.is_time(ms(1500), 1));
    }

    #[test]
    fn what_waits_for_long_is_an_overload_and_a_burst_is_none() {
        let mut pressure = Pressure::default();
        for (millis, more, turned) in [
            (0, true, None),
            (249, true, None),
            (250, false, None),
            (300, true, None),
            (550, true, Some(true)),
            (560, true, None),
            (570, false, Some(false)),
            (580, true, None),
        ] {
            assert_eq!(pressure.turned(ms(millis), more), turned, "{millis}");
        }
    }

    #[test]
    fn a_turn_that_does_not_end_is_no_life() {
        let view = View::default();
        assert!(view.is_alive(ms(60_000)));
        view.turn_since.store(ms(1000).as_nanos(), Ordering::Relaxed);
        assert!(view.is_alive(ms(3000)));
        assert!(!view.is_alive(ms(3001)));
    }

    const fn ms(millis: u64) -> Mono {
        Mono::from_millis(millis)
    }
}
