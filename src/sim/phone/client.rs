//! A request that a phone has sent, until nothing of it can come back any more (RFC 3261 §17.1).

use std::time::Duration;

use crate::base::Mono;
use crate::sip::message::Method;

use super::{Letter, T1, T2, T4};

/// A request on its way.
#[derive(Debug)]
pub(super) struct Client {
    /// What it belongs to.
    pub(super) purpose: Purpose,
    /// Repeated whenever the final response is repeated.
    pub(super) ack: Option<Letter>,
    /// How many times the same was asked before, without or with other credentials.
    pub(super) tries: u8,
    branch: String,
    request: Letter,
    state: State,
    interval: Duration,
    /// How long it waits for the final response to an INVITE, once something has come.
    patience: Duration,
    resend_at: Option<Mono>,
    ends_at: Mono,
}

/// What a request belongs to; a call by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Register,
    Invite(usize),
    Cancel(usize),
    Bye(usize),
    Prack(usize),
    Update(usize),
    Subscribe(usize),
    Refer(usize),
}

/// What a response is to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    Provisional,
    Final,
    Repeated,
}

/// What a deadline asks for.
#[derive(Debug)]
pub(super) enum Fired {
    Resend(Letter),
    GaveUp(Purpose),
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Calling or Trying: nothing has come.
    Calling,
    Proceeding,
    /// Completed, or Accepted: only repeats come now.
    Completed,
}

impl Client {
    /// A request that has just left.
    pub(super) fn new(
        now: Mono,
        branch: String,
        purpose: Purpose,
        tries: u8,
        request: Letter,
    ) -> Self {
        Self {
            purpose,
            ack: None,
            tries,
            branch,
            request,
            state: State::Calling,
            interval: T1,
            patience: PATIENCE,
            resend_at: Some(now + T1),
            ends_at: now + 64 * T1,
        }
    }

    /// Whether a response of that branch and method is for this request (RFC 3261 §17.1.3).
    pub(super) fn is(&self, branch: &str, method: Method) -> bool {
        self.branch == branch && self.purpose.method() == method
    }

    /// A response has come.
    pub(super) fn receive(&mut self, now: Mono, status: u16) -> Receipt {
        if self.state == State::Completed {
            return Receipt::Repeated;
        }
        if status >= 200 {
            self.state = State::Completed;
            self.resend_at = None;
            // Timers D and M of an INVITE, K of others.
            self.ends_at = now + if self.is_invite() { 64 * T1 } else { T4 };
            return Receipt::Final;
        }
        if self.state == State::Calling && self.is_invite() {
            self.resend_at = None;
            self.ends_at = now + self.patience;
        }
        self.state = State::Proceeding;
        Receipt::Provisional
    }

    /// The INVITE was cancelled: it waits no longer than this (RFC 3261 §9.1).
    pub(super) fn cancelled(&mut self, now: Mono) {
        self.patience = 64 * T1;
        self.ends_at = now + self.patience;
    }

    /// Whether a provisional response has come, without which no CANCEL may leave (RFC 3261 §9.1).
    pub(super) fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    pub(super) fn poll_timeout(&self) -> Mono {
        self.resend_at.map_or(self.ends_at, |it| it.min(self.ends_at))
    }

    /// What has fallen due, one thing at a time.
    pub(super) fn handle_timeout(&mut self, now: Mono) -> Option<Fired> {
        if self.ends_at <= now {
            let ended = self.state == State::Completed;
            return Some(if ended { Fired::Gone } else { Fired::GaveUp(self.purpose) });
        }
        let due = self.resend_at.filter(|it| *it <= now)?;
        self.interval = match self.state {
            _ if self.is_invite() => self.interval * 2,
            State::Proceeding => T2,
            _ => T2.min(self.interval * 2),
        };
        self.resend_at = Some(due + self.interval);
        Some(Fired::Resend(self.request.clone()))
    }

    fn is_invite(&self) -> bool {
        matches!(self.purpose, Purpose::Invite(_))
    }
}

impl Purpose {
    const fn method(self) -> Method {
        match self {
            Self::Register => Method::Register,
            Self::Invite(_) => Method::Invite,
            Self::Cancel(_) => Method::Cancel,
            Self::Bye(_) => Method::Bye,
            Self::Prack(_) => Method::Prack,
            Self::Update(_) => Method::Update,
            Self::Subscribe(_) => Method::Subscribe,
            Self::Refer(_) => Method::Refer,
        }
    }
}

/// How long a phone waits for an answer when its owner does not give up first.
const PATIENCE: Duration = Duration::from_secs(300);
