//! Client transaction of every request but INVITE and ACK, RFC 3261 §17.1.2.
//!
//! ```text
//!                request from the core /send
//!                   |
//!             +-----------+  E: resend, wait twice as long up to T2 (UDP)
//!             |  Trying   |-----------+
//!             |           |<----------+
//!             +-----------+--------------------------+
//!     200-699 |       | 1xx /pass                    |
//!      /pass  |       v                              |
//!             | +------------+  E: resend every T2   |
//!             | | Proceeding |--------+  1xx /pass   |
//!             | |            |<-------+              |
//!             | +------------+-----------------------+
//!             |       | 200-699 /pass                |
//!             v       v                              | F: no reply
//!          +-----------+                             | unreachable
//!          | Completed | K                           v
//!          +-----------+--------------------------> Over
//! ```
//!
//! F (64*T1) bounds the whole; K (T4) absorbs repeats of the final response and is zero on a
//! reliable transport.

use bytes::Bytes;

use super::{Class, Failure, Pace, Resend, Timing};
use crate::base::Mono;

/// What may happen to the transaction.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// A response with this status came.
    Response(u16),
    /// The transport could not deliver.
    Unreachable,
}

/// What the transaction wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Put these bytes on the wire.
    Send(Bytes),
    /// Hand the response that came to the core.
    Pass,
    /// It came to nothing.
    Failed(Failure),
}

/// The client's side of one request.
#[derive(Clone, Debug)]
pub struct Client {
    pace: Pace,
    state: State,
}

/// The states, each holding only what that state needs.
#[derive(Clone, Debug)]
enum State {
    Trying(Waiting),
    Proceeding(Waiting),
    Completed { k: Mono },
    Over,
}

/// What it takes to wait for a final response.
#[derive(Clone, Debug)]
struct Waiting {
    request: Bytes,
    e: Option<Resend>,
    f: Mono,
}

impl Client {
    /// Sends the request.
    pub fn new(
        timing: Timing,
        reliable: bool,
        request: Bytes,
        now: Mono,
        out: &mut Vec<Output>,
    ) -> Self {
        let pace = Pace::new(timing, reliable);
        out.push(Output::Send(request.clone()));
        let waiting = Waiting { request, e: pace.resend(now), f: now + pace.patience() };
        Self { pace, state: State::Trying(waiting) }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        use State::{Completed, Over, Proceeding, Trying};
        let state = std::mem::replace(&mut self.state, Over);
        self.state = match (state, input) {
            (Trying(waiting) | Proceeding(waiting), Input::Response(100..=199)) => {
                out.push(Output::Pass);
                Proceeding(waiting)
            }
            (Trying(_) | Proceeding(_), Input::Response(status)) if Class::of(status).is_some() => {
                out.push(Output::Pass);
                if self.pace.reliable { Over } else { Completed { k: now + self.pace.t4() } }
            }
            (Trying(_) | Proceeding(_), Input::Unreachable) => {
                out.push(Output::Failed(Failure::Unreachable));
                Over
            }

            // Repeats of the final response, and what is no response.
            (state, _) => state,
        };
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Mono, out: &mut Vec<Output>) {
        use State::{Completed, Over, Proceeding, Trying};
        let state = std::mem::replace(&mut self.state, Over);
        self.state = match state {
            Trying(it) | Proceeding(it) if now >= it.f => {
                out.push(Output::Failed(Failure::NoReply));
                Over
            }
            Trying(it) => Trying(it.resend(now, out, |e| self.pace.doubled(e, now))),
            Proceeding(it) => Proceeding(it.resend(now, out, |e| e.after(now, self.pace.t2_us))),
            Completed { k } if now >= k => Over,
            state => state,
        };
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        match &self.state {
            State::Trying(it) | State::Proceeding(it) => {
                Some(it.e.map_or(it.f, |e| e.at.min(it.f)))
            }
            State::Completed { k } => Some(*k),
            State::Over => None,
        }
    }

    /// Whether it is done and may be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

impl Waiting {
    /// Sends the request again if timer E is due; `next` sets it anew.
    fn resend(
        mut self,
        now: Mono,
        out: &mut Vec<Output>,
        next: impl FnOnce(Resend) -> Resend,
    ) -> Self {
        if let Some(e) = self.e.filter(|e| e.is_due(now)) {
            out.push(Output::Send(self.request.clone()));
            self.e = Some(next(e));
        }
        self
    }
}

#[cfg(test)]
mod tests;
