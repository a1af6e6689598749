//! A carrier asks who we are: RFC 3261 §22.2, §22.3. Its challenge is answered in the same leg, with
//! the next number (§8.1.3.5), and only when it names a realm of the account.

use super::State;
use crate::base::{LegId, Mono};
use crate::sip::auth::client::{Account, Credentials, Login, Tries};
use crate::sip::endpoint::{Endpoint, TxId};
use crate::sip::message::{Message, Name, Writer};

/// What a carrier is told that a phone is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// The host in From and To.
    pub domain: String,
    /// Headers that say who calls.
    pub identity: Vec<(&'static str, String)>,
    /// What its challenges are answered with.
    pub account: Option<Account>,
}

/// An INVITE to a carrier that may have to leave again, with credentials.
#[derive(Debug)]
pub(in crate::sip) struct Proof {
    outside: Outside,
    login: Login,
    tries: Tries,
}

impl Proof {
    pub(super) fn new(outside: Outside) -> Self {
        Self { outside, login: Login::default(), tries: Tries::default() }
    }
}

impl Endpoint {
    /// Whether a peer that we ring has said anything yet.
    pub fn is_heard(&self, leg: LegId) -> bool {
        let usage = self.legs.get(leg);
        usage.is_some_and(|it| !matches!(it.state, State::Inviting { heard: false, .. }))
    }

    /// Answers a challenge to an INVITE of ours; whether it has left again.
    pub(super) fn prove(&mut self, now: Mono, leg: LegId, tx: TxId, response: &Message) -> bool {
        let (is_proxy, name) = match response.status() {
            Some(401) => (false, Name::WwwAuthenticate),
            Some(407) => (true, Name::ProxyAuthenticate),
            _ => return false,
        };
        if !self.is_inviting(leg, tx) {
            return false;
        }
        // Who has hung up meanwhile need not prove anything.
        let Some(usage) = self.usage(leg).filter(|it| it.left.is_none()) else { return false };
        let Some(Proof { outside, login, tries }) = usage.proof.as_deref_mut() else {
            return false;
        };
        let Some(account) = &outside.account else { return false };
        if login.challenged(tries, account, is_proxy, response.values(name)).is_err() {
            return false;
        }
        self.invite_again(now, leg, tx);
        true
    }

    /// Adds who calls, and what proves it once that was asked for, to another INVITE of a leg.
    pub(super) fn proved(&mut self, leg: LegId, uri: &str, writer: Writer) -> Writer {
        let Some(mut proof) = self.usage(leg).and_then(|it| it.proof.take()) else { return writer };
        let Proof { outside, login, tries } = &mut *proof;
        let mut writer = identified(writer, outside);
        if let Some(account) = &outside.account
            && let Some(it) = login.credentials(tries, account, ("INVITE", uri), &mut self.rng)
        {
            let Credentials { proxy, value } = it;
            let name = if proxy { Name::ProxyAuthorization } else { Name::Authorization };
            writer = writer.header(name, value);
        }
        if let Some(usage) = self.usage(leg) {
            usage.proof = Some(proof);
        }
        writer
    }
}

/// Adds the headers that say who calls.
pub(super) fn identified(writer: Writer, outside: &Outside) -> Writer {
    outside.identity.iter().fold(writer, |it, (name, value)| it.raw(name, value.as_bytes()))
}
