//! The table of streams, and what happens to them.

use std::net::SocketAddr;

use crate::base::{Map, Mono, Rng, StreamId, map::Keyed};

use super::{Command, Out, Relayed};

/// The streams of one media thread.
#[derive(Debug)]
pub struct Plane {
    rng: Rng,
    streams: Map<StreamId, ()>,
}

impl Plane {
    /// A plane without streams.
    pub fn new(mut rng: Rng) -> Self {
        let streams = Keyed::new(&mut rng).map();
        Self { rng, streams }
    }

    /// Does what the switch asks.
    pub fn handle(&mut self, _now: Mono, command: Command, _out: &mut Out) {
        if let Command::Open(open) = command {
            self.streams.insert(open.stream, ());
        }
    }

    /// A datagram has come to a local `port` (a stream's, or that plus one for RTCP).
    pub fn receive(
        &mut self,
        _now: Mono,
        _port: u16,
        _from: SocketAddr,
        _bytes: &mut [u8],
        _out: &mut Out,
    ) -> Option<Relayed> {
        None
    }

    /// Does what is due: frames of players, reports, digits whose end got lost.
    pub fn handle_timeout(&mut self, _now: Mono, _out: &mut Out) {
        self.rng.bits32();
    }

    /// When to call [`Plane::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        None
    }

    /// How many streams are open.
    pub fn census(&self) -> usize {
        self.streams.len()
    }
}
