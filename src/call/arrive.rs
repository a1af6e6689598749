//! Requests outside of all dialogs: who may do what. An INVITE becomes a call here.

use super::Output;
use super::event::{By, What};
use super::leg::{Call, Leg};
use super::plan::{Plan, View, Way};
use super::switch::{Switch, tell};
use crate::base::{CallId, Cause, LegId, Now};
use crate::sdp::Session;
use crate::sip::auth::Verdict;
use crate::sip::endpoint::{ALLOW, Request};
use crate::sip::invite::{
    ANONYMOUS, MIN_SE, NOWHERE, Replaces, SUPPORTED, is_too_brief, unsupported,
};
use crate::sip::message::{Method, Name, Scheme, Uri, Writer};
use crate::sip::registrar::Refused;

/// The most calls at once; one more gets 503.
pub(super) const CALLS_MAX: usize = 10_000;
/// The hops that a request without Max-Forwards has (RFC 3261 §8.1.1.6).
const HOPS: u32 = 70;

impl<P: Plan> Switch<P> {
    pub(super) fn arrived(&mut self, now: Now, request: Request, out: &mut Vec<Output>) {
        if !self.lets_in(now, &request) {
            return;
        }
        let message = &request.message;
        let method = message.method();
        // §8.2.2.1, in front of §8.2.2.3: whoever asks by another kind of name asks nobody here.
        let uri = message.request_uri().map(Uri::parse);
        if matches!(uri, Some(Ok(Uri { scheme: Scheme::Other, .. }))) {
            return self.endpoint.reply_stateless(&request, 416, |it| it);
        }
        if let Some(tags) = unsupported(message) {
            let more = |it: Writer| it.header(Name::Unsupported, tags);
            return self.endpoint.reply_stateless(&request, 420, more);
        }
        match method {
            Method::Options => {
                let more = |it: Writer| {
                    it.header(Name::Allow, ALLOW)
                        .header(Name::Supported, SUPPORTED)
                        .raw("Accept", b"application/sdp")
                };
                self.endpoint.reply_stateless(&request, 200, more);
            }
            Method::Register => self.register(now, &request, out),
            Method::Invite => self.invited(now, request, out),
            Method::Subscribe => {
                if let Some(user) = self.authenticate(now, &request) {
                    self.subscribed(now, user, &request);
                }
            }
            // Both belong to a dialog that is not there (§12.2.2).
            Method::Prack | Method::Update => {
                self.endpoint.reply_stateless(&request, 481, |it| it);
            }
            // RFC 5589 §6: only parties of a call send their partners elsewhere.
            Method::Refer => self.endpoint.reply_stateless(&request, 403, |it| it),
            Method::Other => self.endpoint.reply_stateless(&request, 501, |it| it),
            _ => {
                self.endpoint.reply_stateless(&request, 405, |it| it.header(Name::Allow, ALLOW));
            }
        }
    }

    fn register(&mut self, now: Now, request: &Request, out: &mut Vec<Output>) {
        let Some(user) = self.authenticate(now, request) else { return };
        let message = &request.message;
        let aor = message.to().ok().and_then(|it| user_of(it.uri));
        if aor.as_deref() != Some(user.as_str()) {
            return self.endpoint.respond(now.mono, request, 403, |it| it);
        }
        if !self.may_register(now, request, &user) {
            return;
        }
        // Before its phones are counted: one that has lost its connection comes back as another.
        let endpoint = &self.endpoint;
        for contact in self.registrar.sweep(&user, |flow| endpoint.is_reachable(flow)) {
            self.remember(now, &user, &contact, out);
            tell(out, now, None, What::Expired { extension: user.clone(), contact });
        }
        let phones = self.directory.extension(&user).map_or(0, |it| usize::from(it.max_contacts));
        match self.registrar.register(now.mono, (&user, phones), request.flow, message) {
            Ok(done) => {
                self.endpoint.respond(now.mono, request, 200, |mut it| {
                    for contact in &done.contacts {
                        it = it.header(Name::Contact, contact);
                    }
                    it
                });
                for (contact, expires) in done.changes {
                    self.remember(now, &user, &contact, out);
                    let extension = user.clone();
                    tell(out, now, None, What::Registered { extension, contact, expires });
                }
                for (contact, expires) in done.refreshed {
                    self.remember(now, &user, &contact, out);
                    let extension = user.clone();
                    tell(out, now, None, What::Refreshed { extension, contact, expires });
                }
            }
            Err(refused) => {
                let (status, brief) = match refused {
                    Refused::Malformed(_) => (400, false),
                    Refused::TooBrief => (423, true),
                    Refused::TooMany => (403, false),
                    Refused::OutOfOrder => (500, false),
                };
                let brief_min = self.registrar.rules().expires_min;
                self.endpoint.respond(now.mono, request, status, |it| match brief {
                    true => it.header(Name::MinExpires, brief_min),
                    false => it,
                });
            }
        }
    }

    fn invited(&mut self, now: Now, request: Request, out: &mut Vec<Output>) {
        if self.closing || self.behind || self.calls.len() >= CALLS_MAX {
            let more = |it: Writer| it.header(Name::RetryAfter, 5);
            return self.endpoint.reply_stateless(&request, 503, more);
        }
        let hops = match request.message.max_forwards() {
            Ok(Some(0)) => return self.endpoint.reply_stateless(&request, 483, |it| it),
            Ok(hops) => hops.unwrap_or(HOPS).min(HOPS),
            Err(_) => return self.endpoint.reply_stateless(&request, 400, |it| it),
        };
        if let Some(line) = self.trunk_at(request.flow.remote.ip()) {
            return self.carrier_calls(now, line, request, hops, out);
        }
        let Some(user) = self.authenticate(now, &request) else { return };
        let message = &request.message;
        let Ok(from) = message.from() else { return };
        let is_hidden = is_anonymous(from.uri);
        if !is_hidden && user_of(from.uri).as_deref() != Some(user.as_str()) {
            return self.endpoint.reply_stateless(&request, 403, |it| it);
        }
        if !self.may_call(now, &request, &user) {
            return;
        }
        // RFC 4028 §9.
        if is_too_brief(message) {
            let more = |it: Writer| it.header(Name::MinSe, MIN_SE);
            return self.endpoint.reply_stateless(&request, 422, more);
        }
        match Replaces::of(message) {
            Ok(None) => {}
            Ok(Some(replaces)) => {
                return self.instead(now, (&user, &request), &replaces, out);
            }
            Err(_) => return self.endpoint.reply_stateless(&request, 400, |it| it),
        }
        let uri = message.request_uri().unwrap_or_default();
        let Some(to) = user_of(uri).filter(|it| is_number(it)) else {
            return self.endpoint.reply_stateless(&request, 404, |it| it);
        };
        let offered = match offer_of(&request) {
            Ok(it) => it,
            Err(status) => {
                let more = |it: Writer| it.raw("Accept", b"application/sdp");
                return self.endpoint.reply_stateless(&request, status, more);
            }
        };
        let from_name = from
            .display
            .map(|it| it.into_owned())
            .filter(|it| !it.is_empty())
            .or_else(|| self.directory.extension(&user).map(|it| it.name.clone()))
            .filter(|_| !is_hidden);
        let headers = message
            .others()
            .filter(|it| it.0.get(..2).is_some_and(|it| it.eq_ignore_ascii_case("x-")))
            .map(|it| (it.0.to_owned(), String::from_utf8_lossy(it.1).into_owned()))
            .collect();
        let view = View {
            direction: Way::Internal,
            from: if is_hidden { ANONYMOUS.to_owned() } else { user.clone() },
            from_name,
            to,
            extension: Some(user),
            transferred_by: None,
            headers,
            seed: self.rng.bits(),
        };
        self.born(now, request, offered, hops, view, out);
    }

    /// An INVITE wants the place of another leg.
    fn instead(
        &mut self,
        now: Now,
        (user, request): (&str, &Request),
        replaces: &Replaces,
        out: &mut Vec<Output>,
    ) {
        let done = offer_of(request).and_then(|offered| {
            self.invited_instead(now, (user, request), offered.as_ref(), replaces, out)
        });
        if let Err(status) = done {
            self.endpoint.reply_stateless(request, status, |it| it);
        }
    }

    /// A call begins with the leg of its caller.
    pub(super) fn born(
        &mut self,
        now: Now,
        request: Request,
        offered: Option<Session>,
        hops: u32,
        view: View,
        out: &mut Vec<Output>,
    ) -> Option<LegId> {
        // Random, so that a number in an old log never means a call of today.
        let id = CallId(self.rng.bits() >> 8);
        let leg = LegId(self.next_id());
        let flow = request.flow;
        let sip_call_id = request.message.call_id().unwrap_or_default().to_owned();
        if self.endpoint.take(now.mono, leg, request.clone()).is_err() {
            self.endpoint.reply_stateless(&request, 400, |it| it);
            return None;
        }
        let who = view.extension.clone().unwrap_or_else(|| view.from.clone());
        let caller = Leg { offered, ..Leg::new(leg, who, flow) };
        self.legs.insert(leg, id);
        let call = Call::new(now, caller, &view, hops, self.plan.generation());
        if !self.begin(now, id, call, view, sip_call_id, out) {
            self.end_call(now, id, Cause::NotFound, By::House, out);
            self.forget_call(id);
        }
        Some(leg)
    }

    /// A call is in the books, and the dial plan takes it; if it does.
    pub(super) fn begin(
        &mut self,
        now: Now,
        id: CallId,
        call: Call,
        view: View,
        sip_call_id: String,
        out: &mut Vec<Output>,
    ) -> bool {
        let (leg, generation) = (call.caller.id, call.generation);
        let (from, to) = (view.from.clone(), view.to.clone());
        tell(out, now, Some(id), What::Began { leg, from, to, sip_call_id, generation });
        self.gate.began(&call.account);
        self.calls.insert(id, call);
        self.loads.began(generation);
        self.plan.begin(now, id, view).is_ok()
    }

    /// Who sends this request. If nobody that we know, it is challenged or refused, and nothing is
    /// kept of it.
    fn authenticate(&mut self, now: Now, request: &Request) -> Option<String> {
        // §22.2, §22.3: a registrar asks with 401, who passes calls on with 407.
        let is_register = request.message.method() == Method::Register;
        let (status, ask, answer) = match is_register {
            true => (401, Name::WwwAuthenticate, Name::Authorization),
            false => (407, Name::ProxyAuthenticate, Name::ProxyAuthorization),
        };
        let message = &request.message;
        let directory = &self.directory;
        let verdict = self.guard.check(
            now.mono,
            request.flow,
            message.method_token(),
            message.request_uri().unwrap_or_default(),
            message.values(answer),
            |user| directory.extension(user).map(|it| it.password.as_str()),
        );
        let stale = match verdict {
            Verdict::Known(user) => {
                self.gate.defence.proved(now.mono, request.flow);
                self.endpoint.trust(request.flow, &user, self.gate.defence.limits().connections);
                return Some(user);
            }
            Verdict::None => false,
            Verdict::Stale => true,
            Verdict::Slowed => return None,
            Verdict::Malformed => {
                self.endpoint.reply_stateless(request, 400, |it| it);
                return None;
            }
            // The same for a wrong password and an unknown user.
            Verdict::Wrong => {
                self.endpoint.reply_stateless(request, 403, |it| it);
                return None;
            }
        };
        let challenge = self.guard.challenge(now.mono, request.flow, stale);
        self.endpoint.reply_stateless(request, status, |it| it.header(ask, challenge));
        None
    }
}

/// The user part of a SIP address, or the number of a `tel:` one.
pub(super) fn user_of(uri: &str) -> Option<String> {
    let user = Uri::parse(uri).ok()?.user_decoded()?.into_owned();
    (!user.is_empty() && user.len() <= USER_LEN_MAX).then_some(user)
}

/// Whether a caller wants to be nobody (RFC 3323 §4.1.1.3).
pub(super) fn is_anonymous(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|it| it.host.eq_ignore_ascii_case(NOWHERE))
}

/// Whether a caller may dial this. What stands before a colon is the kind of a target, which only
/// scripts choose, and control characters are for nobody.
pub(super) fn is_number(text: &str) -> bool {
    !text.chars().any(|it| it == ':' || it.is_control())
}

/// The longest number that anybody may dial.
const USER_LEN_MAX: usize = 128;

/// The offer that an INVITE carries, or the status that refuses it. An INVITE without one wants
/// ours (RFC 3261 §13.2.1).
pub(super) fn offer_of(request: &Request) -> Result<Option<Session>, u16> {
    let message = &request.message;
    if message.body().is_empty() {
        return Ok(None);
    }
    match message.content_type() {
        Some(it) if it.trim().eq_ignore_ascii_case("application/sdp") => {
            Session::parse(message.body()).map(Some).map_err(|_| 400)
        }
        _ => Err(415),
    }
}
