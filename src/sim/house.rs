//! The engine inside a world: a switch and a plane, as `node` would drive them on two threads.
//!
//! Commands and events cross between the two in lanes that keep their order but not their pace, so
//! that every interleaving that two threads may produce has a seed that produces it here.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{Mono, Now, Rng};
use crate::call::{Census, Input, Output, Plan, Settings, Switch};
use crate::media::{self, Command, Event, Plane};

/// The engine.
#[derive(Debug)]
pub(super) struct House {
    pub(super) switch: Box<dyn Core>,
    pub(super) plane: Plane,
    pub(super) to_plane: Lane<Command>,
    pub(super) to_switch: Lane<Event>,
    /// Reused, so that a steady plane does not allocate.
    pub(super) heard: media::Out,
    pub(super) wanted: Vec<Output>,
}

/// A switch, whatever its dial plan is written in.
pub(super) trait Core: fmt::Debug {
    fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>);
    fn handle_timeout(&mut self, now: Now, out: &mut Vec<Output>);
    fn poll_timeout(&self) -> Option<Mono>;
    fn census(&self) -> Census;
}

/// A queue between two threads: what comes first leaves first, each after a moment of its own.
#[derive(Debug)]
pub(super) struct Lane<T> {
    queue: VecDeque<(Mono, T)>,
}

/// A switch and its plan, for [`Core`].
struct Anyhow<P>(Switch<P>);

impl House {
    /// A switch with this plan and a plane with free ports.
    pub(super) fn new(plan: impl Plan + 'static, ports: u16, rng: &mut Rng) -> Self {
        let settings = Settings::new("moonswitch");
        let mut switch = Anyhow(Switch::new(settings, rng.fork(), plan));
        let mut wanted = Vec::new();
        let ports = (0..ports).map(|it| PORT_FIRST + 2 * it).collect();
        switch.handle(now(Mono::ZERO), Input::Ports { thread: 0, ports }, &mut wanted);
        Self {
            switch: Box::new(switch),
            plane: Plane::new(rng.fork()),
            to_plane: Lane::new(),
            to_switch: Lane::new(),
            heard: media::Out::default(),
            wanted,
        }
    }

    /// What it holds that it should not hold when everything is over.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let it = self.switch.census();
        let counts = [
            ("calls", it.calls),
            ("legs", it.legs),
            ("transactions", it.transactions),
            ("dialogs", it.dialogs),
            ("operations", it.ops),
            ("ports", it.ports - it.ports_free),
            ("streams", self.plane.census()),
            ("commands on their way", self.to_plane.queue.len()),
            ("events on their way", self.to_switch.queue.len()),
        ];
        let left = counts.into_iter().filter(|it| it.1 > 0);
        left.map(|(what, count)| format!("the house still holds {count} {what}")).collect()
    }
}

impl<T> Lane<T> {
    const fn new() -> Self {
        Self { queue: VecDeque::new() }
    }

    pub(super) fn send(&mut self, now: Mono, rng: &mut Rng, what: T) {
        let own = now + Duration::from_micros(rng.below(PACE_US));
        let at = self.queue.back().map_or(own, |it| it.0.max(own));
        self.queue.push_back((at, what));
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.queue.front().map(|it| it.0)
    }

    pub(super) fn receive(&mut self) -> Option<T> {
        self.queue.pop_front().map(|it| it.1)
    }
}

impl<P: Plan> Core for Anyhow<P> {
    fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        self.0.handle(now, input, out);
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Vec<Output>) {
        self.0.handle_timeout(now, out);
    }

    fn poll_timeout(&self) -> Option<Mono> {
        self.0.poll_timeout()
    }

    fn census(&self) -> Census {
        self.0.census()
    }
}

impl<P> fmt::Debug for Anyhow<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Switch")
    }
}

/// The calendar of every world begins on 1 January 2030.
pub(super) fn now(mono: Mono) -> Now {
    let wall = crate::base::Wall(1_893_456_000_000_000 + mono.as_nanos() / 1000);
    Now { mono, wall }
}

/// Where the switch is.
pub(super) fn door() -> SocketAddr {
    SocketAddr::new(ADDRESS, 5060)
}

/// Where one of the plane's ports is.
pub(super) fn window(port: u16) -> SocketAddr {
    SocketAddr::new(ADDRESS, port)
}

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const PORT_FIRST: u16 = 20_000;
/// How many ports there are when nobody says otherwise.
pub(super) const PORTS: u16 = 64;
/// Threads answer each other within this time.
const PACE_US: u64 = 2_000;
