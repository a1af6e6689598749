//! INVITE client transaction, RFC 3261 §17.1.1 with the `Accepted` state of RFC 6026 §7.2.
//!
//! ```text
//!                     INVITE from the core /send
//!                   |
//!             +-----------+  A: resend, wait twice as long (UDP)
//!             |           |-----------+
//!             |  Calling  |<----------+
//!             |           |  B: no reply; unreachable
//!             +-----------+-----------------------------+
//!     300-699 |    |    | 2xx /pass                     |
//!  /ACK, pass |    |    +------------------+            |
//!             |    | 1xx /pass (A, B stop) |            |
//!             |    v                       |            |
//!             | +------------+  1xx /pass  |            |
//!             | |            |--------+    |            |
//!             | | Proceeding |<-------+    |            |
//!             | +------------+             |            |
//!             |    |       | 2xx /pass     |            |
//!             |    | 300-  +-----------+   |            |
//!             |    | 699 /ACK, pass    |   |            |
//!             v    v                   v   v            |
//!          +-----------+           +----------+         |
//!          | Completed |           | Accepted |--+      |
//!          +-----------+           +----------+<-+      |
//!   300-699 /ACK |  | D                 | M   2xx /pass |
//!    (again)     |  v                   v               v
//!                +----------------------+------------> Over
//! ```
//!
//! - A starts at T1 and doubles without a ceiling; the first response stops it.
//! - B (64*T1) applies in Calling only: once something came, a callee may ring as long as the core
//!   likes.
//! - D absorbs the repeats of a 300-699 and acknowledges each: at least 32 s, because the server's
//!   timer H is counted by *its* T1. It is zero on a reliable transport.
//! - M (64*T1) lets every 2xx through, the repeats and those of other forks alike: their ACKs belong
//!   to the core (RFC 3261 §13.2.2.4).

use std::time::Duration;

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
    /// Build the ACK for the 300-699 that came (RFC 3261 §17.1.1.3) and send it. It comes again for
    /// each repeat of the response, and stands before [`Output::Pass`]: a core that tries again at
    /// once (with credentials, elsewhere) does so after the ACK.
    Ack,
    /// It came to nothing.
    Failed(Failure),
}

/// The client's side of one INVITE.
#[derive(Clone, Debug)]
pub struct InviteClient {
    pace: Pace,
    state: State,
}

/// The states, each holding only what that state needs.
#[derive(Clone, Debug)]
enum State {
    Calling { invite: Bytes, a: Option<Resend>, b: Mono },
    Proceeding,
    Accepted { m: Mono },
    Completed { d: Mono },
    Over,
}

impl InviteClient {
    /// Sends the INVITE.
    pub fn new(
        timing: Timing,
        reliable: bool,
        invite: Bytes,
        now: Mono,
        out: &mut Vec<Output>,
    ) -> Self {
        let pace = Pace::new(timing, reliable);
        out.push(Output::Send(invite.clone()));
        let (a, b) = (pace.resend(now), now + pace.patience());
        Self { pace, state: State::Calling { invite, a, b } }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        use State::{Accepted, Calling, Completed, Over, Proceeding};
        let class = match input {
            Input::Response(status) => Class::of(status),
            Input::Unreachable => return self.unreachable(out),
        };
        let Some(class) = class else { return };
        let state = std::mem::replace(&mut self.state, Over);
        self.state = match (state, class) {
            (Calling { .. } | Proceeding, Class::Provisional) => {
                out.push(Output::Pass);
                Proceeding
            }
            (Calling { .. } | Proceeding, Class::Success) => {
                out.push(Output::Pass);
                Accepted { m: now + self.pace.patience() }
            }
            (Calling { .. } | Proceeding, Class::Rejection) => {
                out.extend([Output::Ack, Output::Pass]);
                if self.pace.reliable {
                    Over
                } else {
                    Completed { d: now + self.pace.patience().max(TIMER_D_MIN) }
                }
            }

            (Accepted { m }, Class::Success) => {
                out.push(Output::Pass);
                Accepted { m }
            }
            (Completed { d }, Class::Rejection) => {
                out.push(Output::Ack);
                Completed { d }
            }

            // What does not fit the diagram changes nothing.
            (state, _) => state,
        };
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Mono, out: &mut Vec<Output>) {
        use State::{Accepted, Calling, Completed, Over};
        let state = std::mem::replace(&mut self.state, Over);
        self.state = match state {
            Calling { b, .. } if now >= b => {
                out.push(Output::Failed(Failure::NoReply));
                Over
            }
            Calling { invite, a: Some(a), b } if a.is_due(now) => {
                out.push(Output::Send(invite.clone()));
                let a = a.after(now, a.wait_us.saturating_mul(2));
                Calling { invite, a: Some(a), b }
            }
            Accepted { m } if now >= m => Over,
            Completed { d } if now >= d => Over,
            state => state,
        };
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        match &self.state {
            State::Calling { a: Some(a), b, .. } => Some(a.at.min(*b)),
            State::Calling { a: None, b, .. } => Some(*b),
            State::Proceeding | State::Over => None,
            State::Accepted { m } => Some(*m),
            State::Completed { d } => Some(*d),
        }
    }

    /// Whether it is done and may be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// RFC 3261 §17.1.4. Once a response came the peer is known to live, so a late error of an
    /// INVITE sent earlier says nothing; and who has the final response needs no news of a lost ACK.
    fn unreachable(&mut self, out: &mut Vec<Output>) {
        if matches!(self.state, State::Calling { .. }) {
            out.push(Output::Failed(Failure::Unreachable));
            self.state = State::Over;
        }
    }
}

/// RFC 3261 §17.1.1.2: timer D is at least 32 s on an unreliable transport.
const TIMER_D_MIN: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests;
