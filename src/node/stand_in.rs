//! (stand-ins for rooms that are not merged yet)
#![allow(missing_docs, unused, clippy::all)]
use crate::base::*;
use crate::call::plan::*;
use crate::media::{Command, Event, Packet};
use std::net::SocketAddr;
pub(crate) struct Plane;
#[derive(Default)]
pub(crate) struct Out {
    pub(crate) packets: Vec<Packet>,
    pub(crate) events: Vec<Event>,
}
pub(crate) struct Relayed {
    pub(crate) port: u16,
    pub(crate) to: SocketAddr,
    pub(crate) len: usize,
}
impl Plane {
    pub(crate) fn new(_: Rng) -> Self {
        Self
    }
    pub(crate) fn handle(&mut self, _: Mono, _: Command, _: &mut Out) {}
    pub(crate) fn receive(
        &mut self,
        _: Mono,
        _: u16,
        _: SocketAddr,
        _: &mut [u8],
        _: &mut Out,
    ) -> Option<Relayed> {
        None
    }
    pub(crate) fn handle_timeout(&mut self, _: Mono, _: &mut Out) {}
    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        None
    }
}
pub(crate) struct LuaPlan;
#[derive(Default)]
pub(crate) struct Limits;
#[derive(Debug)]
pub(crate) struct Problem;
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
pub(crate) struct Files {
    pub(crate) embedded: Vec<(String, String)>,
    pub(crate) user: Vec<(String, String)>,
}
pub(crate) fn embedded() -> Vec<(String, String)> {
    Vec::new()
}
impl LuaPlan {
    pub(crate) fn new(_: Limits) -> Self {
        Self
    }
    pub(crate) fn load(&mut self, _: &Files) -> Result<Generation, Vec<Problem>> {
        Ok(Generation(0))
    }
}
impl Plan for LuaPlan {
    fn begin(&mut self, _: Now, _: CallId, _: View) -> Result<(), NoRoute> {
        Err(NoRoute)
    }
    fn advance(&mut self, _: CallId, _: State) {}
    fn resume(&mut self, _: Now, _: OpId, _: Outcome) {}
    fn hang_up(&mut self, _: Now, _: CallId, _: Cause) {}
    fn run(&mut self, _: Now) -> Option<Step> {
        None
    }
    fn is_runnable(&self) -> bool {
        false
    }
    fn poll_timeout(&self) -> Option<Mono> {
        None
    }
    fn handle_timeout(&mut self, _: Now) {}
    fn generation(&self) -> Generation {
        Generation(0)
    }
}
pub(crate) struct Wav {
    pub(crate) rate: u32,
    pub(crate) samples: Vec<i16>,
}
impl Wav {
    pub(crate) fn parse(_: &[u8]) -> Result<Self, Problem> {
        Err(Problem)
    }
}
