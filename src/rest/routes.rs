//! The table of everything that can be asked, and who may: the router, the page about the API and
//! the tests of who may what all read it. A new resource is a file of its own and its lines here.

use super::problem::Problem;
use super::{Asked, Reply, calls, cdrs, extensions, keys, look, trunks, users};
use crate::store::Role;

/// Something that can be asked.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// With at most one `{id}`, which is one piece of the path.
    pub(super) path: &'static str,
    /// What a key must allow.
    pub(super) role: Role,
    pub(super) doc: &'static str,
    pub(super) run: Run,
    /// Forms in which it can be told.
    pub(super) forms: &'static [&'static str],
}

/// Who answers.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// A path without an id.
    All(fn(&mut Asked<'_>) -> Result<Reply, Problem>),
    /// A path with one.
    One(fn(&mut Asked<'_>, &str) -> Result<Reply, Problem>),
}

/// What a path and a method lead to.
pub(super) enum Found {
    Route(&'static Route, Option<String>),
    /// The path is right, the method is not: these are.
    Allow(String),
}

use Role::{Admin, Credentials, Read, Write};
use Run::{All, One};

const JSON: &[&str] = &["application/json"];
/// Text for people comes first: who takes anything gets it.
const TEXT_OR_JSON: &[&str] = &["text/plain", "application/json"];

macro_rules! routes {
    ($($method:ident $path:literal $role:ident $run:ident($way:expr) $forms:ident $doc:literal)*) => {
        &[$(Route {
            method: stringify!($method),
            path: concat!("/api/v1/", $path),
            role: $role,
            doc: $doc,
            run: $run($way),
            forms: $forms,
        }),*]
    };
}

pub(super) const ROUTES: &[Route] = routes! {
    GET "sip/extensions" Read All(extensions::list) JSON
        "The extensions, the oldest first, in pages."
    POST "sip/extensions" Write All(extensions::create) JSON
        "Makes one. A password that is not sent is made, and shown this once."
    GET "sip/extensions/{id}" Read One(extensions::one) JSON
        "One, by `id` or `uuid`."
    PATCH "sip/extensions/{id}" Write One(extensions::change) JSON
        "Changes the fields that are sent; null takes one away."
    PUT "sip/extensions/{id}" Write One(extensions::replace) JSON
        "Changes all fields: those that are not sent get their defaults, but for the password."
    DELETE "sip/extensions/{id}" Write One(extensions::delete) JSON
        "Deletes it and its registrations; its number is free again."
    GET "sip/extensions/{id}/config" Credentials One(extensions::config) JSON
        "What a phone needs to log in, with the password. That it was shown is kept."
    GET "sip/trunks" Read All(trunks::list) JSON
        "The trunks, the oldest first, in pages, without their passwords."
    POST "sip/trunks" Write All(trunks::create) JSON
        "Makes one."
    GET "sip/trunks/{id}" Read One(trunks::one) JSON
        "One, by `id` or `uuid`, with its `state`: how its registration stands, and whether the carrier answers."
    PATCH "sip/trunks/{id}" Write One(trunks::change) JSON
        "Changes the fields that are sent; null takes one away."
    PUT "sip/trunks/{id}" Write One(trunks::replace) JSON
        "Changes all fields: those that are not sent get their defaults, but for the password."
    DELETE "sip/trunks/{id}" Write One(trunks::delete) JSON
        "Deletes it: its calls go on, new ones do not begin, and we leave the carrier's registrar."
    POST "sip/extensions/{id}/sync" Write One(extensions::sync) JSON
        "Asks its phones to read their settings again (NOTIFY, `check-sync;reboot=false`); the answer \
         says how many there are (`phones`) and how many took it (`took`)."
    GET "registrations" Read All(calls::registrations) JSON
        "The phones that are registered, in pages."
    GET "calls" Read All(calls::list) JSON
        "The calls that are not over, the oldest first, in pages."
    GET "calls/{id}" Read One(calls::one) JSON
        "One, with its legs."
    DELETE "calls/{id}" Write One(calls::hang_up) JSON
        "Hangs it up."
    GET "calls/{id}/trace" Read One(look::trace) TEXT_OR_JSON
        "What happened in a call, by its id, a SIP Call-ID or `last`; `?full` with whole messages."
    GET "cdrs" Read All(cdrs::list) JSON
        "The records of calls that are over, the newest first: `after` and `limit`, and `from`, `to` \
         (moments or days in which they began) and `extension` (who called, was dialled or rung)."
    GET "cdrs/{id}" Read One(cdrs::one) JSON
        "One, with its legs."
    GET "scripts" Read All(look::scripts) JSON
        "The scripts that were loaded and refused, the latest first."
    GET "keys" Admin All(keys::list) JSON
        "The access keys, the oldest first, in pages, without their secrets."
    POST "keys" Admin All(keys::create) JSON
        "Makes one. The field `key` of the answer is shown this once."
    GET "keys/{id}" Admin One(keys::one) JSON
        "One."
    DELETE "keys/{id}" Admin One(keys::revoke) JSON
        "Takes it away: from now on it opens nothing."
    GET "users" Read All(users::list) JSON
        "The users, the oldest first, in pages."
    POST "users" Admin All(users::create) JSON
        "Makes one. Users have no passwords: what opens is a key."
    GET "users/{id}" Read One(users::one) JSON
        "One."
    PATCH "users/{id}" Admin One(users::rename) JSON
        "Gives them another name."
    DELETE "users/{id}" Admin One(users::delete) JSON
        "Deletes them and takes their keys away."
};

/// Finds the route of a request; nothing when there is no such path.
pub(super) fn find(method: &str, path: &str) -> Option<Found> {
    let matching: Vec<(&Route, Option<&str>)> =
        ROUTES.iter().filter_map(|it| Some((it, it.id_in(path)?))).collect();
    // Who asks for the head of what shows a secret would be shown nothing, and it would be kept.
    let takes = |it: &Route| {
        it.method == method || (method == "HEAD" && it.method == "GET" && it.role != Credentials)
    };
    if let Some((route, id)) = matching.iter().find(|it| takes(it.0)) {
        return Some(Found::Route(
            route,
            id.map(decoded).map_or(Some(None), |it| Some(Some(it?)))?,
        ));
    }
    let mut methods = Vec::new();
    for (route, _) in &matching {
        methods.push(route.method);
        methods.extend((route.method == "GET" && route.role != Credentials).then_some("HEAD"));
    }
    if methods.is_empty() {
        return None;
    }
    methods.push("OPTIONS");
    Some(Found::Allow(methods.join(", ")))
}

impl Route {
    /// Whether a path is this one's, and what stands at its id.
    #[expect(clippy::option_option, reason = "no path of ours, one without an id, one with an id")]
    fn id_in<'a>(&self, path: &'a str) -> Option<Option<&'a str>> {
        let mut id = None;
        let mut pieces = path.split('/');
        for own in self.path.split('/') {
            let piece = pieces.next()?;
            match own {
                "{id}" if !piece.is_empty() => id = Some(piece),
                own if own == piece => {}
                _ => return None,
            }
        }
        pieces.next().is_none().then_some(id)
    }
}

/// A piece of a path or query without its percents (RFC 3986 §2.1).
pub(super) fn decoded(piece: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_route_and_to_no_other() {
        let found = |method, path: &str| match find(method, &format!("/api/v1/{path}")) {
            Some(Found::Route(it, id)) => format!("{} {}", it.path, id.unwrap_or_default()),
            Some(Found::Allow(methods)) => methods,
            None => "nothing".to_owned(),
        };
        assert_eq!(found("GET", "calls/a%40b%2Fc/trace"), "/api/v1/calls/{id}/trace a@b/c");
        assert_eq!(found("HEAD", "calls/c1"), "/api/v1/calls/{id} c1");
        assert_eq!(found("HEAD", "sip/extensions/1/config"), "GET, OPTIONS");
        assert_eq!(found("POST", "users/1"), "GET, HEAD, PATCH, DELETE, OPTIONS");
        for path in
            ["", "/", "call", "calls/", "calls/1/", "calls/1/trace/x", "calls/%ff", "keys//"]
        {
            assert_eq!(found("GET", path), "nothing", "{path}");
        }
    }

    #[test]
    fn a_name_in_a_path_is_decoded_or_refused() {
        assert_eq!(decoded("a%40b%2Fc").as_deref(), Some("a@b/c"));
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
