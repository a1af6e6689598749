//! INVITE server transaction, RFC 3261 §17.2.1 with the `Accepted` state of RFC 6026 §7.1.
//!
//! ```text
//!                 INVITE
//!                   |
//!            +-------------+  1xx/send
//!   INVITE   |             |-----------+
//!   /resend  | Proceeding  |<----------+
//!            +-------------+
//!        300-699 |     | 2xx
//!          /send v     | /send
//!      +-----------+   +-----------------+
//!      | Completed |---+ G, INVITE       v
//!      |           |<--+ /resend    +----------+  INVITE: absorb
//!      +-----------+                | Accepted |  ACK: to the core
//!        ACK |   | H/failed         +----------+  2xx: send
//!            v   |                       | L
//!    +-----------+                       |
//!    | Confirmed | I                     |
//!    +-----------+-----> Over <----------+
//! ```
//!
//! The core sends its own 100 (as a reply) and its own repeats of a 2xx (RFC 3261 §13.3.1.4). How
//! long a call may stay in Proceeding is the core's business as well.
//!
//! One state more than in the figure: `Lost` is Proceeding after the transport failed. RFC 6026 tells
//! the core and stays in Proceeding; we do, but for 64*T1 at most, so that a core which takes the
//! failure for the end of the call leaves nothing behind.

use bytes::Bytes;

use super::{Class, Failure, Pace, Resend, Timing};
use crate::base::Mono;

/// What may happen to the transaction.
#[derive(Clone, Debug)]
pub enum Input {
    /// The INVITE arrived again.
    Invite,
    /// An ACK matched this transaction.
    Ack,
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
    /// Hand the ACK that came to the core: after a 2xx it belongs to the dialog, not to us.
    PassAck,
    /// It came to nothing: no ACK, or the peer is out of reach.
    Failed(Failure),
}

/// The server's side of one INVITE.
#[derive(Clone, Debug)]
pub struct InviteServer {
    pace: Pace,
    state: State,
}

/// The states, each holding only what that state needs.
#[derive(Clone, Debug)]
enum State {
    Proceeding {
        last: Option<Bytes>,
    },
    /// The peer was out of reach while Proceeding, and the core knows.
    Lost {
        last: Option<Bytes>,
        until: Mono,
    },
    Accepted {
        l: Mono,
    },
    Completed {
        last: Bytes,
        g: Option<Resend>,
        h: Mono,
    },
    Confirmed {
        i: Mono,
    },
    Over,
}

impl InviteServer {
    /// An INVITE came that no transaction knows. Nothing is sent yet.
    pub fn new(timing: Timing, reliable: bool) -> Self {
        Self { pace: Pace::new(timing, reliable), state: State::Proceeding { last: None } }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        use State::{Accepted, Completed, Confirmed, Lost, Over, Proceeding};
        let state = std::mem::replace(&mut self.state, Over);
        self.state = match (state, input) {
            (state @ (Proceeding { .. } | Lost { .. }), Input::Reply { status, bytes }) => {
                self.reply(now, state, status, bytes, out)
            }
            (state @ (Proceeding { .. } | Lost { .. }), Input::Invite) => {
                if let Proceeding { last: Some(last) } | Lost { last: Some(last), .. } = &state {
                    out.push(Output::Send(last.clone()));
                }
                state
            }
            // RFC 6026 §7.1: the core is told and the transaction stays, or a repeat of the INVITE
            // would look like a new call. A core that never answers is not waited for.
            (Proceeding { last }, Input::Unreachable) => {
                out.push(Output::Failed(Failure::Unreachable));
                Lost { last, until: now + self.pace.patience() }
            }

            // RFC 6026 §7.1: absorb the INVITE, let ACKs and further 2xx through.
            (Accepted { l }, Input::Ack) => {
                out.push(Output::PassAck);
                Accepted { l }
            }
            (Accepted { l }, Input::Reply { status, bytes }) => {
                if Class::of(status) == Some(Class::Success) {
                    out.push(Output::Send(bytes));
                }
                Accepted { l }
            }

            (Completed { last, g, h }, Input::Invite) => {
                out.push(Output::Send(last.clone()));
                Completed { last, g, h }
            }
            // Timer I is zero on a reliable transport.
            (Completed { .. }, Input::Ack) if self.pace.reliable => Over,
            (Completed { .. }, Input::Ack) => Confirmed { i: now + self.pace.t4() },

            // All else changes nothing. An undelivered final reply is not worth telling: it is
            // repeated anyway, and a missing ACK tells it (timer H; for a 2xx the core's clock).
            (state, _) => state,
        };
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Mono, out: &mut Vec<Output>) {
        use State::{Accepted, Completed, Confirmed, Lost, Over};
        let state = std::mem::replace(&mut self.state, Over);
        self.state = match state {
            Lost { until, .. } if now >= until => Over,
            Accepted { l } if now >= l => Over,
            Confirmed { i } if now >= i => Over,
            Completed { h, .. } if now >= h => {
                out.push(Output::Failed(Failure::NoAck));
                Over
            }
            Completed { last, g: Some(g), h } if g.is_due(now) => {
                out.push(Output::Send(last.clone()));
                Completed { last, g: Some(self.pace.doubled(g, now)), h }
            }
            state => state,
        };
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        match &self.state {
            State::Proceeding { .. } | State::Over => None,
            State::Lost { until, .. } => Some(*until),
            State::Accepted { l } => Some(*l),
            State::Completed { g: Some(g), h, .. } => Some(g.at.min(*h)),
            State::Completed { g: None, h, .. } => Some(*h),
            State::Confirmed { i } => Some(*i),
        }
    }

    /// Whether it is done and may be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The core's reply before any final one.
    fn reply(
        &self,
        now: Mono,
        state: State,
        status: u16,
        bytes: Bytes,
        out: &mut Vec<Output>,
    ) -> State {
        let Some(class) = Class::of(status) else { return state };
        out.push(Output::Send(bytes.clone()));
        let limit = now + self.pace.patience();
        match (class, state) {
            (Class::Provisional, State::Lost { until, .. }) => {
                State::Lost { last: Some(bytes), until }
            }
            (Class::Provisional, _) => State::Proceeding { last: Some(bytes) },
            (Class::Success, _) => State::Accepted { l: limit },
            (Class::Rejection, _) => {
                State::Completed { last: bytes, g: self.pace.resend(now), h: limit }
            }
        }
    }
}

#[cfg(test)]
mod tests;
