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
//!
//! Every request needs an access key (`Authorization: Bearer …`), also one to a path that is not
//! there; what a key allows is in its roles. Everything is scoped to the key's tenant.

mod calls;
mod cdrs;
mod extensions;
mod json;
mod page;
mod problem;

use std::fmt;

use crate::base::Wall;
use crate::call::{Answer, Question};
use crate::directory::Delta;
use crate::store::{Grant, Role, Store};

use json::Json;
use problem::Problem;

/// The largest body.
pub const BODY_MAX: usize = 64 << 10;

/// What phones are told of us.
#[derive(Clone, Debug)]
pub struct Api {
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
}

/// Makes a response of the switch's answer.
pub struct Finish(Box<dyn FnOnce(Answer) -> Response + Send>);

/// A request of somebody we know.
struct Asked<'a> {
    request: &'a Request,
    store: &'a mut Store,
    grant: Grant,
    now: Wall,
}

impl Api {
    /// Answers a request.
    pub fn answer(&self, store: &mut Store, request: &Request, now: Wall) -> Reply {
        match self.route(store, request, now) {
            Ok(reply) => reply,
            Err(problem) => Reply::Now(problem.response()),
        }
    }

    fn route(&self, store: &mut Store, request: &Request, now: Wall) -> Result<Reply, Problem> {
        let grant = authenticate(store, request, now)?;
        let mut asked = Asked { request, store, grant, now };
        let path: Vec<&str> = request.path.split('/').collect();
        let ["", "api", "v1", rest @ ..] = path.as_slice() else {
            return Err(Problem::not_found());
        };
        let method = request.method.as_str();
        match rest {
            ["sip", "extensions"] => match method {
                "GET" | "HEAD" => extensions::list(&asked),
                "POST" => extensions::create(&mut asked),
                _ => Err(Problem::not_allowed("GET, HEAD, POST")),
            },
            ["sip", "extensions", id] => match method {
                "GET" | "HEAD" => extensions::one(&asked, id),
                "PATCH" => extensions::change(&mut asked, id),
                "PUT" => extensions::replace(&mut asked, id),
                "DELETE" => extensions::delete(&mut asked, id),
                _ => Err(Problem::not_allowed("GET, HEAD, PATCH, PUT, DELETE")),
            },
            ["sip", "extensions", id, "config"] => match method {
                "GET" => extensions::config(&mut asked, self, id),
                _ => Err(Problem::not_allowed("GET")),
            },
            ["registrations"] => match method {
                "GET" | "HEAD" => calls::registrations(&asked),
                _ => Err(Problem::not_allowed("GET, HEAD")),
            },
            ["calls"] => match method {
                "GET" | "HEAD" => calls::list(&asked),
                _ => Err(Problem::not_allowed("GET, HEAD")),
            },
            ["calls", id] => match method {
                "GET" | "HEAD" => calls::one(&asked, id),
                "DELETE" => calls::hang_up(&asked, id),
                _ => Err(Problem::not_allowed("GET, HEAD, DELETE")),
            },
            ["cdrs"] => match method {
                "GET" | "HEAD" => cdrs::list(&asked),
                _ => Err(Problem::not_allowed("GET, HEAD")),
            },
            ["cdrs", id] => match method {
                "GET" | "HEAD" => cdrs::one(&asked, id),
                _ => Err(Problem::not_allowed("GET, HEAD")),
            },
            _ => Err(Problem::not_found()),
        }
    }
}

/// Who asks (RFC 6750 §2.1).
fn authenticate(store: &Store, request: &Request, now: Wall) -> Result<Grant, Problem> {
    let nobody = || Problem::new(401, "unauthorized", "this wants an access key as a Bearer token");
    let header = request.authorization.as_deref().ok_or_else(nobody)?;
    let (scheme, token) = header.trim().split_once(' ').ok_or_else(nobody)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(nobody());
    }
    store.read().authenticate(token.trim(), now)?.ok_or_else(nobody)
}

impl Asked<'_> {
    /// Refuses what the key does not allow.
    fn may(&self, role: Role) -> Result<(), Problem> {
        if self.grant.allows(role) {
            return Ok(());
        }
        Err(Problem::new(403, "forbidden", format!("this key does not have the role {role}")))
    }

    /// The fields of the body.
    fn fields(&self) -> Result<Vec<(String, Json)>, Problem> {
        let kind = self.request.content_type.as_deref().unwrap_or("application/json");
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let why = "the body is to be application/json";
            return Err(Problem::new(415, "unsupported_media_type", why));
        }
        let text = str::from_utf8(&self.request.body);
        let text = text.map_err(|_| Problem::new(400, "malformed", "the body is not UTF-8"))?;
        match Json::parse(text)? {
            Json::Object(fields) => Ok(fields),
            _ => Err(Problem::new(400, "malformed", "the body is to be an object")),
        }
    }
}

impl Response {
    /// A problem that those meet who carry requests here.
    pub fn problem(status: u16, code: &'static str, detail: &str) -> Self {
        Problem::new(status, code, detail).response()
    }

    fn new(status: u16, body: &Json) -> Self {
        let body = body.to_string();
        Self { status, kind: "application/json", headers: Vec::new(), body, trouble: None }
    }

    fn nothing() -> Self {
        Self { status: 204, body: String::new(), ..Self::new(204, &Json::Null) }
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
