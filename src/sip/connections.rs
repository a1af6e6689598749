//! What depends on each connection, so that nobody waits for what can no longer come.
//!
//! A connection is known from its first message, or from [`Endpoint::connected`], to
//! [`Endpoint::disconnected`]; between the two its flow is reachable, afterwards never again. One
//! that we want ourselves ([`Endpoint::connect`]) is told of by one of these two. What happens when
//! it is lost:
//!
//! - its transactions fail as unreachable (RFC 3261 §17.1.4). A phone that we ring refuses with 430
//!   (RFC 5626 §11.5), a caller who waits for our answer has left;
//! - a registration over it stays until it runs out or its phone registers anew; ringing it fails
//!   at once;
//! - an answered call goes on, for its audio travels elsewhere. Its signalling follows the peer to
//!   the flow of its next request;
//! - its account may open another one: an account has so many, and one more closes its oldest;
//! - answers to its requests are dropped. RFC 3261 §18.2.2 would have us open a connection to the
//!   peer, which a NAT does not let through, and which would let strangers point us at others.

use std::collections::BTreeSet;

use std::net::SocketAddr;

use super::endpoint::{Drive, Endpoint, TxId};
use super::flow::Connection;
use super::tx::Failure;
use super::{Flow, Identities};
use crate::base::map::Keyed;
use crate::base::{LegId, Map, Mono};

/// The connections that messages have come over.
#[derive(Debug)]
pub(super) struct Connections {
    open: Map<Connection, Open>,
    /// Those on which each account has proved who it is, the oldest first.
    by_account: Map<String, Vec<(Connection, Flow)>>,
    /// How many we have asked for.
    wanted: u64,
}

/// A connection that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub connection: Connection,
    /// To whom.
    pub remote: SocketAddr,
    /// Over TLS: the domain that the peer must prove to be (RFC 5922 §7.3).
    pub domain: Option<String>,
}

#[derive(Debug, Default)]
struct Open {
    txs: BTreeSet<TxId>,
    /// Who was the first to prove on it who they are.
    account: Option<String>,
    identities: Identities,
}

impl Connections {
    pub(super) fn new(hash: Keyed) -> Self {
        Self { open: hash.map(), by_account: hash.map(), wanted: 0 }
    }

    /// A message has come along this flow.
    pub(super) fn heard(&mut self, flow: Flow) {
        if let Some(it) = flow.transport.connection() {
            self.open.entry(it).or_default();
        }
    }

    /// A transaction depends on this flow.
    pub(super) fn opened(&mut self, flow: Flow, id: TxId) {
        if let Some(it) = self.open(flow) {
            it.txs.insert(id);
        }
    }

    /// A transaction is over.
    pub(super) fn closed(&mut self, flow: Flow, id: TxId) {
        if let Some(it) = self.open(flow) {
            it.txs.remove(&id);
        }
    }

    /// A connection is gone.
    fn remove(&mut self, connection: Connection) -> Option<Open> {
        let open = self.open.remove(&connection)?;
        if let Some(account) = &open.account
            && let Some(all) = self.by_account.get_mut(account)
        {
            all.retain(|it| it.0 != connection);
            if all.is_empty() {
                self.by_account.remove(account);
            }
        }
        Some(open)
    }

    fn open(&mut self, flow: Flow) -> Option<&mut Open> {
        self.open.get_mut(&flow.transport.connection()?)
    }
}

impl Endpoint {
    /// Asks for a connection, over TLS when the peer is to prove that it is `domain`. It stands in
    /// [`Endpoint::wanted`], and becomes a flow or nothing within seconds.
    pub fn connect(&mut self, remote: SocketAddr, domain: Option<&str>) -> Connection {
        self.connections.wanted += 1;
        let connection = Connection::ours(self.connections.wanted);
        self.wanted.push(Wanted { connection, remote, domain: domain.map(str::to_owned) });
        connection
    }

    /// A connection is open that we asked for, or whose peer has proved to be somebody.
    pub fn connected(&mut self, flow: Flow, identities: Identities) {
        self.connections.heard(flow);
        if let Some(it) = self.connections.open(flow) {
            it.identities = identities;
        }
    }

    /// Whether the peer on this flow has proved by its certificate to be this domain.
    pub fn is_proved(&self, flow: Flow, domain: &str) -> bool {
        let open = flow.transport.connection().and_then(|it| self.connections.open.get(&it));
        open.is_some_and(|it| it.identities.include(domain))
    }

    /// A connection is gone, or was not to be had.
    pub fn disconnected(&mut self, now: Mono, flow: Flow) {
        let connection = flow.transport.connection();
        let Some(open) = connection.and_then(|it| self.connections.remove(it)) else { return };
        for id in open.txs {
            self.fail(now, id);
        }
    }

    /// Whether anything can be sent along this flow.
    pub fn is_reachable(&self, flow: Flow) -> bool {
        flow.transport.connection().is_none_or(|it| self.connections.open.contains_key(&it))
    }

    /// An account has proved on this flow who it is. Of a connection this is told once, in
    /// [`Endpoint::trusted`]. When the account has more than `max` of them, the oldest is to be closed
    /// ([`Endpoint::surplus`]).
    pub fn trust(&mut self, flow: Flow, account: &str, max: usize) {
        let Some(connection) = flow.transport.connection() else { return };
        let open = self.connections.open(flow).filter(|it| it.account.is_none());
        let Some(open) = open else { return };
        open.account = Some(account.to_owned());
        self.trusted.push(flow);
        let all = self.connections.by_account.entry(account.to_owned()).or_default();
        all.push((connection, flow));
        if max > 0 && all.len() > max {
            self.surplus.push(all.remove(0).1);
        }
    }

    /// Fails a transaction of ours whose flow has gone before it was opened.
    pub(super) fn fail_if_unreachable(&mut self, now: Mono, flow: Flow, id: TxId) {
        if !self.is_reachable(flow) {
            self.fail(now, id);
        }
    }

    /// A peer that has lost its connection speaks again, on another flow: its leg follows.
    pub(super) fn follow(&mut self, leg: LegId, flow: Flow) {
        let before = self.usage(leg).map(|it| it.dialog.flow);
        if before.is_some_and(|it| !self.is_reachable(it))
            && let Some(usage) = self.usage(leg)
        {
            usage.dialog.flow = flow;
        }
    }

    fn fail(&mut self, now: Mono, id: TxId) {
        self.drive(now, id, Drive::Unreachable, None);
        // An INVITE of ours that has had a provisional answer waits without end for the final one.
        let leg = self.txs.get(&id).and_then(|it| it.leg());
        if let Some(leg) = leg.filter(|it| self.is_inviting(*it, id) || self.is_modifying(*it, id))
        {
            self.unanswered(now, leg, id, Failure::Unreachable);
            self.forget(id);
        }
    }
}

#[cfg(test)]
mod tests;
