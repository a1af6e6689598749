//! A carrier asks who we are: RFC 3261 §22.2, §22.3. Its challenge is answered in the same leg, with
//! the next number (§8.1.3.5), and only when it names a realm of the account.

use super::{Invitation, State};
use crate::base::{LegId, Mono};
use crate::sip::auth::client::{Account, Credentials, Login, Tries};
use crate::sip::endpoint::{ALLOW, Endpoint, TxId};
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
    uri: String,
    sdp: String,
    max_forwards: u32,
    pub(super) outside: Outside,
    login: Login,
    tries: Tries,
}

impl Proof {
    pub(super) fn new(it: &Invitation<'_>, outside: Outside) -> Self {
        let (uri, sdp, max_forwards) = (it.uri.to_owned(), it.sdp.to_owned(), it.max_forwards);
        let (login, tries) = (Login::default(), Tries::default());
        Self { uri, sdp, max_forwards, outside, login, tries }
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
        let flow = usage.dialog.flow;
        let Some(mut proof) = usage.proof.take() else { return false };
        let Proof { uri, outside, login, tries, .. } = &mut *proof;
        let Some(account) = &outside.account else { return false };
        if login.challenged(tries, account, is_proxy, response.values(name)).is_err() {
            return false;
        }
        let Some(credentials) = login.credentials(tries, account, ("INVITE", uri), &mut self.rng)
        else {
            return false;
        };
        let (branch, via) = self.via(flow);
        let Some(scheme) = self.usage(leg).map(|it| it.dialog.scheme()) else { return false };
        let contact = self.contact(flow, scheme);
        let Some(usage) = self.usage(leg) else { return false };
        let invite = usage
            .dialog
            .invite(&proof.uri, &via, proof.max_forwards)
            .header(Name::Contact, contact)
            .header(Name::Allow, ALLOW);
        let Credentials { proxy, value } = credentials;
        let header = if proxy { Name::ProxyAuthorization } else { Name::Authorization };
        let invite = identified(invite, &proof.outside).header(header, value);
        let invite = usage.ask_session(invite);
        let bytes = invite.finish_with("application/sdp", proof.sdp.as_bytes());
        let tx = self.open_invite_client(now, flow, leg, &branch, bytes);
        if let Some(usage) = self.usage(leg) {
            usage.state = State::Inviting { tx, heard: false, until: None };
            usage.proof = Some(proof);
            usage.early.clear();
        }
        self.fail_if_unreachable(now, flow, tx);
        true
    }
}

/// Adds the headers that say who calls.
pub(super) fn identified(writer: Writer, outside: &Outside) -> Writer {
    outside.identity.iter().fold(writer, |it, (name, value)| it.raw(name, value.as_bytes()))
}
