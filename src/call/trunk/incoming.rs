//! Calls from carriers: a carrier is known by its address, and what it says of who calls and who is
//! called is taken as its trunk has it.

use std::net::IpAddr;

use super::outgoing::international;
use super::{Line, LineId};
use crate::base::{Now, Rate};
use crate::call::Output;
use crate::call::arrive::{is_anonymous, is_number, offer_of, user_of};
use crate::call::plan::{Plan, View, Way};
use crate::call::switch::Switch;
use crate::directory::{DidSource, InboundAuth, Terms};
use crate::sip::endpoint::Request;
use crate::sip::invite::ANONYMOUS;
use crate::sip::message::{Message, Name, NameAddr, Writer};

impl<P: Plan> Switch<P> {
    /// The trunk whose carrier calls from this address.
    pub(in crate::call) fn trunk_at(&self, address: IpAddr) -> Option<LineId> {
        let mut all = self.trunks.lines.iter();
        all.find(|(_, it)| !it.leaving && it.is_at(address)).map(|it| *it.0)
    }

    /// A carrier calls: the number that it means finds its route.
    pub(in crate::call) fn carrier_calls(
        &mut self,
        now: Now,
        line: LineId,
        request: Request,
        hops: u32,
        out: &mut Vec<Output>,
    ) {
        self.gate.defence.proved(now.mono, request.flow);
        let legs = &self.legs;
        let Some(it) = self.trunks.lines.get_mut(&line) else { return };
        it.calls.retain(|leg, _| legs.contains_key(leg));
        let second = it.trunk.terms.calls_per_second;
        let has_room = it.calls.len() < it.trunk.terms.channels as usize;
        if !has_room || !it.pace.take(now.mono, Rate::per_second(second, second)) {
            let more = |it: Writer| it.header(Name::RetryAfter, RETRY_AFTER);
            return self.endpoint.reply_stateless(&request, 503, more);
        }
        let terms = it.trunk.terms.clone();
        let called = called(&terms, &request.message).filter(|it| is_number(it));
        let Some(to) = called.map(|it| international(&terms, &it)) else {
            return self.endpoint.reply_stateless(&request, 404, |it| it);
        };
        let offered = match offer_of(&request) {
            Ok(it) => it,
            Err(status) => {
                let more = |it: Writer| it.raw("Accept", b"application/sdp");
                return self.endpoint.reply_stateless(&request, status, more);
            }
        };
        let (from, from_name) = caller(&terms, &request.message);
        // Nobody outside is one of ours.
        let is_ours = self.directory.extension(&from).is_some();
        let from = if is_ours { ANONYMOUS.to_owned() } else { from };
        let view = View {
            direction: Way::Inbound,
            from,
            from_name,
            to,
            extension: None,
            transferred_by: None,
            headers: Vec::new(),
            seed: self.rng.bits(),
        };
        let leg = self.born(now, request, offered, hops, view, out);
        if let Some(it) = self.trunks.lines.get_mut(&line)
            && let Some(leg) = leg
        {
            it.calls.insert(leg, String::new());
        }
    }
}

impl Line {
    fn is_at(&self, address: IpAddr) -> bool {
        let terms = &self.trunk.terms;
        terms.inbound_auth == InboundAuth::Address
            && (self.found.contains(&address)
                || terms.host.parse() == Ok(address)
                || terms.addresses.iter().any(|it| it.holds(address)))
    }
}

/// The number that is called.
fn called(terms: &Terms, message: &Message) -> Option<String> {
    let by_header = match terms.did_source {
        DidSource::RequestUri => None,
        DidSource::To => message.to().ok().and_then(|it| user_of(it.uri)),
        DidSource::PCalledPartyId => address(message, "P-Called-Party-ID"),
    };
    by_header.or_else(|| user_of(message.request_uri()?))
}

/// Who calls, and what they are called. Only from a carrier that we trust P-Asserted-Identity counts
/// (RFC 3325 §5); Privacy is honoured (RFC 3323 §4.2).
fn caller(terms: &Terms, message: &Message) -> (String, Option<String>) {
    let is_private = message.text(Name::Privacy).is_some_and(|it| it.trim() != "none");
    let Ok(from) = message.from() else { return (ANONYMOUS.to_owned(), None) };
    if is_private || is_anonymous(from.uri) {
        return (ANONYMOUS.to_owned(), None);
    }
    let asserted = message.text(Name::PAssertedIdentity).filter(|_| terms.trusted);
    let asserted = asserted.and_then(|it| user_of(NameAddr::parse(it.as_bytes()).ok()?.uri));
    let number = asserted.or_else(|| user_of(from.uri)).filter(|it| is_number(it));
    let name = from.display.map(|it| it.into_owned()).filter(|it| !it.is_empty());
    (number.map_or_else(|| ANONYMOUS.to_owned(), |it| international(terms, &it)), name)
}

/// The user of an address in a header that has no name of its own with us.
fn address(message: &Message, header: &str) -> Option<String> {
    let mut all = message.others();
    let (_, value) = all.find(|it| it.0.eq_ignore_ascii_case(header))?;
    user_of(NameAddr::parse(value).ok()?.uri)
}

/// What a carrier waits that has more calls than agreed, in seconds.
const RETRY_AFTER: u32 = 5;
