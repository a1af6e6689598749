//! The native REST surface, `/api/v1`: what people and programs provision and ask.
//!
//! The room turns a [`Request`] into a [`Reply`]. It knows no sockets and no HTTP library: whoever
//! has those gives it methods, paths and bodies. How to drive it:
//!
//! 1. The one who owns the store calls [`Api::answer`]. What a request changes is durable when it
//!    returns.
//! 2. A [`Reply::Now`] leaves as it is. With a [`Reply::Then`] the switch first gets the deltas,
//!    in the order of the answers, and then the question; its answer makes the response. So what
//!    was changed is seen by the next SIP message after the response.
//! 3. A [`Reply::Look`] asks for what the process remembers beside the store and the switch.
//!
//! Every request needs an access key (`Authorization: Bearer …`), also one to a path that is not
//! there. What can be asked, and what a key must allow for it, is the table in `routes`; `page()`
//! prints it. Everything is scoped to the key's tenant, and nobody asks too often (`limit`).

mod calls;
mod cdrs;
mod docs;
mod extensions;
mod fields;
mod json;
mod keys;
mod limit;
mod look;
mod page;
mod problem;
mod routes;
mod trunks;
mod users;

use std::fmt;
use std::net::IpAddr;

use crate::base::{Now, Wall};
use crate::call::{Answer, Question};
use crate::directory::{Delta, TenantId};
use crate::store::{Grant, KeyId, Role, Store, UserId};

use json::Json;
use limit::{Limits, Print};
use problem::Problem;
use routes::{Found, Run};

pub use docs::page;
pub use problem::Code;

/// The largest body.
pub const BODY_MAX: usize = 64 << 10;

/// The surface.
#[derive(Clone, Debug)]
pub struct Api {
    told: Told,
    local: Option<Print>,
    limits: Limits,
}

/// What phones are told of us.
#[derive(Clone, Debug)]
pub struct Told {
    /// The address, unless each client sees another one.
    pub server: Option<String>,
    /// The port, over UDP and TCP.
    pub port: u16,
}

/// What somebody asks for.
#[derive(Clone, Default)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// What stands before the question mark, as it was sent.
    pub path: String,
    /// What stands behind it.
    pub query: String,
    /// The Authorization header.
    pub authorization: Option<String>,
    /// The Content-Type header.
    pub content_type: Option<String>,
    /// The Host header.
    pub host: Option<String>,
    /// The Accept header.
    pub accept: Option<String>,
    /// The If-Match header.
    pub if_match: Option<String>,
    /// Where it comes from.
    pub source: Option<IpAddr>,
    /// The body: at most [`BODY_MAX`] bytes.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The Content-Type of the body.
    pub kind: &'static str,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body; with 204 there is none.
    pub body: String,
    /// What only the log is told.
    pub trouble: Option<String>,
}

/// What a request comes to.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Now(Response),
    /// An answer after the switch has given one.
    Then {
        /// What was changed.
        deltas: Vec<Delta>,
        /// What is asked after that.
        question: Question,
        /// Makes the response.
        finish: Finish,
    },
    /// Something to look up.
    Look(Sight),
}

/// What the process remembers beside the store and the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Which scripts were loaded and refused, as JSON.
    Scripts,
    /// What happened in a call.
    Trace {
        /// By any of its names.
        call: String,
        /// As JSON, not as text.
        is_json: bool,
        /// With whole messages.
        is_full: bool,
    },
}

/// Makes a response of the switch's answer.
pub struct Finish(Box<dyn FnOnce(Answer) -> Response + Send>);

/// A request of somebody we know.
struct Asked<'a> {
    request: &'a Request,
    store: &'a mut Store,
    grant: Grant,
    now: Wall,
    told: &'a Told,
    /// The form in which it is to be told.
    form: &'static str,
}

impl Api {
    /// A surface. A `local` key opens for reading what belongs to the first tenant, for as long as
    /// this lives: it is for who sits at the same machine.
    pub fn new(told: Told, local: Option<&str>) -> Self {
        Self { told, local: local.map(Print::of), limits: Limits::default() }
    }

    /// Answers a request.
    pub fn answer(&mut self, store: &mut Store, request: &Request, now: Now) -> Reply {
        match self.route(store, request, now) {
            Ok(reply) => reply,
            Err(problem) => Reply::Now(problem.response()),
        }
    }

    fn route(&mut self, store: &mut Store, request: &Request, now: Now) -> Result<Reply, Problem> {
        let grant = self.authenticate(store, request, now)?;
        let (route, id) = match routes::find(&request.method, &request.path) {
            None => return Err(Problem::not_found()),
            Some(Found::Allow(methods)) if request.method == "OPTIONS" => {
                return Ok(Reply::Now(Response::nothing().with("Allow", methods)));
            }
            Some(Found::Allow(methods)) => return Err(Problem::not_allowed(methods)),
            Some(Found::Route(route, id)) => (route, id),
        };
        if !grant.allows(route.role) {
            let why = format!("this key does not have the role {}", route.role);
            return Err(Problem::new(Code::Forbidden, why));
        }
        let accepted = route.forms.iter().find(|it| is_accepted(request.accept.as_deref(), it));
        let form = accepted.copied().ok_or_else(|| {
            let forms = route.forms.join(" or ");
            Problem::new(Code::NotAcceptable, format!("this is told as {forms}"))
        })?;
        let mut asked = Asked { request, store, grant, now: now.wall, told: &self.told, form };
        match (route.run, id) {
            (Run::All(run), _) => run(&mut asked),
            (Run::One(run), Some(id)) => run(&mut asked, &id),
            (Run::One(_), None) => Err(Problem::not_found()),
        }
    }

    /// Who asks (RFC 6750 §2.1), if they do not ask too often.
    fn authenticate(
        &mut self,
        store: &mut Store,
        request: &Request,
        now: Now,
    ) -> Result<Grant, Problem> {
        let nobody =
            || Problem::new(Code::Unauthorized, "this wants an access key as a Bearer token");
        let header = request.authorization.as_deref().ok_or_else(nobody)?;
        let (scheme, token) = header.trim().split_once(' ').ok_or_else(nobody)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(nobody());
        }
        let token = token.trim();
        let print = Print::of(token);
        let slower =
            |detail: &str, wait: std::time::Duration| Problem::too_many(detail, wait.as_secs() + 1);
        let may_try = self.limits.may_try(print, request.source, now.mono);
        may_try.map_err(|wait| slower("too many wrong keys come from your address", wait))?;
        let found = match self.local {
            Some(local) if local.is(print) => Some(at_this_machine()),
            _ => store.read().authenticate(token, now.wall)?,
        };
        let Some(grant) = found else {
            self.limits.was_wrong(print, request.source, now.mono);
            return Err(nobody());
        };
        let may_ask = self.limits.was_right(print, now.mono);
        may_ask.map_err(|wait| slower("this key asks too often", wait))?;
        if self.limits.is_news(print, now.mono) {
            // When the disk takes nothing, whoever writes something is told of it.
            _ = store.key_was_used(grant.key, now.wall);
        }
        Ok(grant)
    }
}

/// What the local key allows. No row has its number.
fn at_this_machine() -> Grant {
    Grant { key: KeyId(0), tenant: TenantId::FIRST, user: UserId(0), roles: vec![Role::Read] }
}

/// Whether an Accept header takes a form (RFC 9110 §12.5.1).
fn is_accepted(accept: Option<&str>, form: &str) -> bool {
    let family = form.split('/').next().unwrap_or_default();
    accept.is_none_or(|all| {
        all.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let is_refused = parts.any(|it| matches!(it, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let is_named = name == "*/*"
                || name.eq_ignore_ascii_case(form)
                || name.strip_suffix("/*").is_some_and(|it| it.eq_ignore_ascii_case(family));
            is_named && !is_refused
        })
    })
}

impl Asked<'_> {
    /// The fields of the body.
    fn fields(&self) -> Result<Vec<(String, Json)>, Problem> {
        let kind = self.request.content_type.as_deref().unwrap_or("application/json");
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let why = "the body is to be application/json";
            return Err(Problem::new(Code::UnsupportedMediaType, why));
        }
        let text = str::from_utf8(&self.request.body);
        let text = text.map_err(|_| Problem::new(Code::Malformed, "the body is not UTF-8"))?;
        match Json::parse(text)? {
            Json::Object(fields) => Ok(fields),
            _ => Err(Problem::new(Code::Malformed, "the body is to be an object")),
        }
    }

    /// Refuses a change of what somebody else has changed meanwhile (RFC 9110 §13.1.1).
    fn expects(&self, updated: Wall) -> Result<(), Problem> {
        let Some(wanted) = &self.request.if_match else { return Ok(()) };
        let tag = tag(updated);
        if wanted.trim() == "*" || wanted.split(',').any(|it| it.trim() == tag) {
            return Ok(());
        }
        Err(Problem::new(Code::Changed, format!("it is {tag} now")))
    }
}

/// What tells one version of a row from all others: times of changes strictly increase.
fn tag(updated: Wall) -> String {
    format!("\"{:x}\"", updated.0)
}

impl Response {
    /// A problem that those meet who carry requests here.
    pub fn problem(code: Code, detail: &str) -> Self {
        Problem::new(code, detail).response()
    }

    fn new(status: u16, body: &Json) -> Self {
        let body = body.to_string();
        Self { status, kind: "application/json", headers: Vec::new(), body, trouble: None }
    }

    fn nothing() -> Self {
        Self { status: 204, body: String::new(), ..Self::new(204, &Json::Null) }
    }

    fn tagged(self, updated: Wall) -> Self {
        self.with("ETag", tag(updated))
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Finish {
    fn new(make: impl FnOnce(Answer) -> Response + Send + 'static) -> Self {
        Self(Box::new(make))
    }

    /// The response.
    pub fn with(self, answer: Answer) -> Response {
        (self.0)(answer)
    }
}

impl fmt::Debug for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finish")
    }
}

/// Never shows the key or the body, which may hold a password.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.method, self.path)
    }
}

/// A moment as people and programs read it (RFC 3339), in UTC.
fn moment(at: Wall) -> Json {
    Json::Text(at.to_string())
}

#[cfg(test)]
mod tests;
