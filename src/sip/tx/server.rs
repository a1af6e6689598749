//! Server transaction of every request but INVITE and ACK, RFC 3261 §17.2.2.
//!
//! ```text
//!                request
//!                   |
//!             +-----------+
//!             |  Trying   |  request: absorb
//!             +-----------+
//!     200-699 |       | 1xx /send
//!      /send  |       v
//!             | +------------+  request: resend
//!             | | Proceeding |--------+ 1xx /send
//!             | |            |<-------+
//!             | +------------+------------------+
//!             |       | 200-699 /send           |
//!             v       v                         |
//!          +-----------+  request: resend       |
//!          | Completed |--------+               | unreachable
//!          |           |<-------+               | /failed
//!          +-----------+                        v
//!                | J; unreachable /failed     Over
//!                +------------------------------^
//! ```
//!
//! J (64*T1) answers repeats of the request with the same reply; it is zero on a reliable transport.
//! How long a request may go unanswered is the core's business.

use bytes::Bytes;

use super::{Class, Failure, Pace, Timing};
use crate::base::Mono;

/// What may happen to the transaction.
#[derive(Clone, Debug)]
pub enum Input {
    /// The request arrived again.
    Request,
    /// The core answers; the status decides the path, the bytes are sent unread.
    Reply {
        /// The status code.
        status: u16,
        /// The whole response.
        bytes: Bytes,
    },
    /// The transport could not deliver a reply.
    Unreachable,
}

/// What the transaction wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Put these bytes on the wire.
    Send(Bytes),
    /// It came to nothing: the peer is out of reach.
    Failed(Failure),
}

/// The server's side of one request.
#[derive(Clone, Debug)]
pub struct Server {
    pace: Pace,
    state: State,
}

/// The states, each holding only what that state needs.
#[derive(Clone, Debug)]
enum State {
    Trying,
    Proceeding { last: Bytes },
    Completed { last: Bytes, j: Mono },
    Over,
}

impl Server {
    /// A request came that no transaction knows. Nothing is sent yet.
    pub fn new(timing: Timing, reliable: bool) -> Self {
        Self { pace: Pace::new(timing, reliable), state: State::Trying }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        use State::{Completed, Over, Proceeding, Trying};
        let state = std::mem::replace(&mut self.state, Over);
        self.state = match (state, input) {
            (state @ (Trying | Proceeding { .. }), Input::Reply { status, bytes }) => {
                let Some(class) = Class::of(status) else {
                    self.state = state;
                    return;
                };
                out.push(Output::Send(bytes.clone()));
                match class {
                    Class::Provisional => Proceeding { last: bytes },
                    _ if self.pace.reliable => Over,
                    _ => Completed { last: bytes, j: now + self.pace.patience() },
                }
            }
            (Proceeding { last }, Input::Request) => {
                out.push(Output::Send(last.clone()));
                Proceeding { last }
            }
            (Completed { last, j }, Input::Request) => {
                out.push(Output::Send(last.clone()));
                Completed { last, j }
            }
            // RFC 3261 §17.2.4
            (Proceeding { .. } | Completed { .. }, Input::Unreachable) => {
                out.push(Output::Failed(Failure::Unreachable));
                Over
            }

            // A second final reply, and repeats before the first reply.
            (state, _) => state,
        };
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Mono, _out: &mut Vec<Output>) {
        if matches!(self.state, State::Completed { j, .. } if now >= j) {
            self.state = State::Over;
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        match &self.state {
            State::Completed { j, .. } => Some(*j),
            State::Trying | State::Proceeding { .. } | State::Over => None,
        }
    }

    /// Whether it is done and may be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

#[cfg(test)]
mod tests;
