//! What goes wrong, as people and programs are told of it (RFC 9457).

use super::Response;
use super::json::{Json, Wrong};
use crate::directory::FieldError;
use crate::store;

/// A problem: a status, a word for programs, a sentence for people.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    code: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    allow: Option<&'static str>,
    /// What only the log is told.
    trouble: Option<String>,
}

/// A field is wrong.
#[derive(Debug)]
pub(super) struct FieldProblem {
    /// Its name, as it was or should have been sent.
    pub(super) field: String,
    /// What was sent, unless it is a secret.
    pub(super) value: Option<String>,
    /// What is wrong with it.
    pub(super) why: String,
}

impl Problem {
    pub(super) fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), allow: None, trouble: None }
    }

    /// There is no such thing, or not for this caller.
    pub(super) fn not_found() -> Self {
        Self::new(404, "not_found", "there is no such thing here")
    }

    /// The thing is there, but takes other methods.
    pub(super) fn not_allowed(allow: &'static str) -> Self {
        let detail = format!("this takes {allow}");
        Self { allow: Some(allow), ..Self::new(405, "method_not_allowed", detail) }
    }

    /// Fields are wrong: all of them.
    pub(super) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.field, one.why),
            all => format!("{} fields are wrong", all.len()),
        };
        Self { errors, ..Self::new(422, "invalid", detail) }
    }

    pub(super) fn response(self) -> Response {
        let mut fields = vec![
            ("type", Json::text("about:blank")),
            ("title", Json::text(title(self.status))),
            ("status", Json::count(self.status)),
            ("detail", Json::Text(self.detail)),
            ("code", Json::text(self.code)),
        ];
        if !self.errors.is_empty() {
            let all = self.errors.into_iter().map(FieldProblem::json).collect();
            fields.push(("errors", Json::List(all)));
        }
        let fields = fields.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        let mut response = Response::new(self.status, &Json::Object(fields));
        response.kind = "application/problem+json";
        response.trouble = self.trouble;
        if let Some(allow) = self.allow {
            response.headers.push(("Allow", allow.to_owned()));
        }
        match self.status {
            // RFC 6750 §3.
            401 => response.headers.push(("WWW-Authenticate", "Bearer realm=\"api\"".to_owned())),
            503 => response.headers.push(("Retry-After", "1".to_owned())),
            _ => {}
        }
        response
    }
}

impl FieldProblem {
    pub(super) fn new(field: &str, value: Option<String>, why: impl Into<String>) -> Self {
        Self { field: field.to_owned(), value, why: why.into() }
    }

    /// A wrong field of the directory, under the name that it has in JSON.
    pub(super) fn of(error: FieldError, name: &str) -> Self {
        let value = Some(error.value_shown).filter(|it| !it.is_empty());
        Self { field: name.to_owned(), value, why: error.why }
    }

    fn json(self) -> Json {
        let mut fields = vec![("field".to_owned(), Json::Text(self.field))];
        fields.extend(self.value.map(|it| ("value".to_owned(), Json::Text(it))));
        fields.push(("why".to_owned(), Json::Text(self.why)));
        Json::Object(fields)
    }
}

impl From<Wrong> for Problem {
    fn from(Wrong(what, at): Wrong) -> Self {
        Self::new(
            400,
            "malformed",
            format!("the body is no JSON that we read: {what} at byte {at}"),
        )
    }
}

/// What the store refuses, told without what only the log should say.
impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound => Self::not_found(),
            store::Error::Taken(field) => {
                let field = super::extensions::json_name(field);
                let why = format!("this {field} is taken");
                let errors = vec![FieldProblem::new(field, None, why.clone())];
                Self { errors, ..Self::new(409, "taken", why) }
            }
            store::Error::Weak(field) | store::Error::Unfit(field) => {
                Self::invalid(vec![FieldProblem::new(field, None, error.to_string())])
            }
            store::Error::Full => {
                Self::new(507, "disk_full", "the disk is full: nothing was changed")
            }
            store::Error::Busy => Self::new(503, "busy", "the store is busy: nothing was changed"),
            error => {
                let detail = "the store failed: nothing was changed; the log says why";
                Self { trouble: Some(error.to_string()), ..Self::new(500, "store", detail) }
            }
        }
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        503 => "Service Unavailable",
        507 => "Insufficient Storage",
        _ => "Internal Server Error",
    }
}
