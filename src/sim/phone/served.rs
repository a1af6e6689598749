//! A request that a phone has received, and what it said to it (RFC 3261 §17.2).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::base::Mono;
use crate::sip::message::{Message, Method};

use super::{T1, T2, T4};

/// A request that was received, until no repeat of it can come any more.
#[derive(Debug)]
pub(super) struct Served {
    /// The call that an INVITE belongs to.
    pub(super) call: Option<usize>,
    pub(super) request: Message,
    pub(super) source: SocketAddr,
    branch: String,
    sent_by: String,
    reply: Option<Bytes>,
    /// The RSeq of a reliable response that has left, and whether it had our answer.
    pub(super) reliable: Option<(u32, bool)>,
    state: State,
    interval: Duration,
    resend_at: Option<Mono>,
    ends_at: Option<Mono>,
}

/// What a deadline asks for.
#[derive(Debug)]
pub(super) enum Fired {
    Resend(SocketAddr, Bytes),
    /// An INVITE's final response was never acknowledged; with the call that was accepted.
    NoAck(Option<usize>),
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Proceeding,
    /// An INVITE was refused, no ACK yet.
    Refused,
    /// An INVITE was accepted, no ACK yet.
    Accepted,
    /// The final response needs no ACK any more.
    Confirmed,
}

impl Served {
    /// A request has come; `None` if it cannot be told from others.
    pub(super) fn new(request: Message, source: SocketAddr) -> Option<Self> {
        let via = request.top_via().ok()?;
        let (branch, sent_by) = (via.branch()?.to_owned(), via.sent_by().to_owned());
        Some(Self {
            call: None,
            request,
            source,
            branch,
            sent_by,
            reply: None,
            reliable: None,
            state: State::Proceeding,
            interval: T1,
            resend_at: None,
            ends_at: None,
        })
    }

    /// Whether `request` is this one again, its ACK or its CANCEL (RFC 3261 §17.2.3, §9.2).
    pub(super) fn is(&self, request: &Message, method: Method) -> bool {
        self.request.method() == method
            && request
                .top_via()
                .is_ok_and(|it| it.branch() == Some(&*self.branch) && it.sent_by() == self.sent_by)
    }

    pub(super) fn is_final(&self) -> bool {
        self.state != State::Proceeding
    }

    /// Whether neither a response nor an ACK is missing.
    pub(super) fn is_done(&self) -> bool {
        !matches!(self.state, State::Proceeding | State::Accepted)
    }

    /// What was said last, to be said again.
    pub(super) fn last_reply(&self) -> Option<Bytes> {
        self.reply.clone()
    }

    /// What is being said now.
    pub(super) fn reply(&mut self, now: Mono, status: u16, bytes: Bytes) {
        self.reply = Some(bytes);
        if status < 200 {
            return;
        }
        self.interval = T1;
        self.resend_at = None;
        // Timers H, L and J.
        self.ends_at = Some(now + 64 * T1);
        self.state = match (self.request.method(), status) {
            (Method::Invite, ..300) => State::Accepted,
            (Method::Invite, _) => State::Refused,
            _ => State::Confirmed,
        };
        if self.state != State::Confirmed {
            self.resend_at = Some(now + T1);
        }
    }

    /// What was said is said again until its PRACK comes (RFC 3262 §3).
    pub(super) fn wait_for_prack(&mut self, now: Mono, number: u32, has_answer: bool) {
        self.reliable = Some((number, has_answer));
        self.resend_at = Some(now + T1);
    }

    /// It has come.
    pub(super) fn pracked(&mut self) {
        if self.state == State::Proceeding {
            self.resend_at = None;
            self.interval = T1;
        }
    }

    /// Whether the final answer must wait, for another has not arrived.
    pub(super) fn is_unheard(&self) -> bool {
        self.state == State::Proceeding && self.resend_at.is_some()
    }

    /// The ACK has come. True the first time.
    pub(super) fn acknowledge(&mut self, now: Mono) -> bool {
        let first = matches!(self.state, State::Refused | State::Accepted);
        if self.state == State::Refused {
            // Timer I.
            self.ends_at = Some(now + T4);
        }
        if first {
            self.state = State::Confirmed;
            self.resend_at = None;
        }
        first
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        [self.resend_at, self.ends_at].into_iter().flatten().min()
    }

    /// What has fallen due, one thing at a time.
    pub(super) fn handle_timeout(&mut self, now: Mono) -> Option<Fired> {
        if self.ends_at.is_some_and(|it| it <= now) {
            return Some(match self.state {
                State::Accepted => Fired::NoAck(self.call),
                State::Refused => Fired::NoAck(None),
                _ => Fired::Gone,
            });
        }
        // Timer G, and RFC 3261 §13.3.1.4 for a 2xx.
        let due = self.resend_at.filter(|it| *it <= now)?;
        self.interval = T2.min(self.interval * 2);
        self.resend_at = Some(due + self.interval);
        self.reply.clone().map(|it| Fired::Resend(self.source, it))
    }
}
