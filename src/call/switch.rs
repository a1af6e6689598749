//! (placeholder of the skeleton; its public face holds)

use std::net::IpAddr;

use crate::base::{Mono, Now, Rng};

use super::{Input, Output, Plan};

/// What a switch is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The realm that phones see in challenges.
    pub realm: String,
    /// The address that stands in Via, Contact and SDP instead of the flow's own.
    pub advertise: Option<IpAddr>,
}

/// How much a switch holds, for tests that look for leftovers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Calls that are not over.
    pub calls: usize,
    /// Legs of those calls.
    pub legs: usize,
    /// SIP transactions of all four kinds.
    pub transactions: usize,
    /// SIP dialogs, early ones too.
    pub dialogs: usize,
    /// Operations that scripts wait for.
    pub ops: usize,
    /// Registered contacts.
    pub bindings: usize,
    /// RTP ports that are free.
    pub ports_free: usize,
    /// RTP ports that were offered.
    pub ports: usize,
}

/// Signalling, calls and the dial plan.
#[derive(Debug)]
pub struct Switch<P> {
    plan: P,
}

impl<P: Plan> Switch<P> {
    /// A switch with nothing provisioned.
    pub fn new(_settings: Settings, _rng: Rng, plan: P) -> Self {
        Self { plan }
    }

    /// Takes an input; what is to be done about it is appended to `out`.
    pub fn handle(&mut self, _now: Now, _input: Input, _out: &mut Vec<Output>) {}

    /// Fires what has fallen due.
    pub fn handle_timeout(&mut self, _now: Now, _out: &mut Vec<Output>) {}

    /// When to call [`Self::handle_timeout`] next. A time that has passed means now.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.plan.poll_timeout()
    }

    /// What is held.
    pub fn census(&self) -> Census {
        Census::default()
    }
}
