//! What goes wrong, as people and programs are told of it (RFC 9457).

use super::Response;
use super::json::{Json, Wrong};
use crate::directory::FieldError;
use crate::store;

/// A word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request cannot be read.
    Malformed,
    /// Who are you?
    Unauthorized,
    /// The key does not allow it.
    Forbidden,
    /// It is not there.
    NotFound,
    /// It takes other methods.
    MethodNotAllowed,
    /// It is not told in any form that was asked for.
    NotAcceptable,
    /// The client took too long.
    TooSlow,
    /// Another one has this value.
    Taken,
    /// The last key cannot go.
    LastKey,
    /// It has changed since.
    Changed,
    /// The body is too large.
    TooLarge,
    /// The body is in another form.
    UnsupportedMediaType,
    /// Fields are wrong.
    Invalid,
    /// Too many requests.
    TooMany,
    /// Our fault.
    Internal,
    /// Too much to do.
    Busy,
    /// The switch does not answer.
    Stuck,
    /// The disk takes no more.
    DiskFull,
}

/// A kind of problem, as the page about the API tells of it.
pub(super) struct Kind {
    code: Code,
    pub(super) status: u16,
    pub(super) word: &'static str,
    title: &'static str,
    pub(super) doc: &'static str,
}

macro_rules! kinds {
    ($($code:ident $status:literal $word:literal $title:literal $doc:literal)*) => {
        &[$(Kind {
            code: Code::$code, status: $status, word: $word, title: $title, doc: $doc
        }),*]
    };
}

pub(super) const KINDS: &[Kind] = kinds! {
    Malformed 400 "malformed" "Bad Request" "The body is no JSON object, or cannot be read."
    Unauthorized 401 "unauthorized" "Unauthorized"
        "There is no access key, or it is wrong, ended or was taken away."
    Forbidden 403 "forbidden" "Forbidden" "The key does not have the role."
    NotFound 404 "not_found" "Not Found" "There is no such thing, or it is somebody else's."
    MethodNotAllowed 405 "method_not_allowed" "Method Not Allowed"
        "It takes the methods that `Allow` names."
    NotAcceptable 406 "not_acceptable" "Not Acceptable" "It is not told in any form of `Accept`."
    TooSlow 408 "too_slow" "Request Timeout" "The request took more than ten seconds to come."
    Taken 409 "taken" "Conflict" "Another one has this value."
    LastKey 409 "last_key" "Conflict"
        "Without it there would be no key left that allows everything and never ends."
    Changed 412 "changed" "Precondition Failed" "It is not any more what `If-Match` says."
    TooLarge 413 "too_large" "Content Too Large" "The body is larger than 64 KiB."
    UnsupportedMediaType 415 "unsupported_media_type" "Unsupported Media Type"
        "The body is to be `application/json`."
    Invalid 422 "invalid" "Unprocessable Content"
        "Fields are wrong: `errors` names all of them, each with `field`, `value` and `why`."
    TooMany 429 "too_many" "Too Many Requests"
        "Too many requests with one key, or wrong keys from one address: `Retry-After` says when."
    Internal 500 "internal" "Internal Server Error" "Our fault; the log says more."
    Busy 503 "busy" "Service Unavailable" "Too much waits: try again after `Retry-After`."
    Stuck 503 "stuck" "Service Unavailable"
        "The switch did not answer in time; what was to be changed is changed."
    DiskFull 507 "disk_full" "Insufficient Storage"
        "The disk is full or takes no more: nothing was changed."
};

/// A problem: what kind, and a sentence for people.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    detail: String,
    after_s: u64,
    errors: Vec<FieldProblem>,
    allow: Option<String>,
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
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        let (errors, allow, trouble) = (Vec::new(), None, None);
        Self { code, detail: detail.into(), after_s: 1, errors, allow, trouble }
    }

    /// Too many requests: the next one may come after so many seconds.
    pub(super) fn too_many(detail: &str, after_s: u64) -> Self {
        Self { after_s, ..Self::new(Code::TooMany, detail) }
    }

    /// There is no such thing, or not for this caller.
    pub(super) fn not_found() -> Self {
        Self::new(Code::NotFound, "there is no such thing here")
    }

    /// The thing is there, but takes other methods.
    pub(super) fn not_allowed(allow: String) -> Self {
        let detail = format!("this takes {allow}");
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    /// Fields are wrong: all of them.
    pub(super) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.field, one.why),
            all => format!("{} fields are wrong", all.len()),
        };
        Self { errors, ..Self::new(Code::Invalid, detail) }
    }

    pub(super) fn response(self) -> Response {
        let kind = self.code.kind();
        let mut fields = vec![
            ("type", Json::text("about:blank")),
            ("title", Json::text(kind.title)),
            ("status", Json::count(kind.status)),
            ("detail", Json::Text(self.detail)),
            ("code", Json::text(kind.word)),
        ];
        if !self.errors.is_empty() {
            let all = self.errors.into_iter().map(FieldProblem::json).collect();
            fields.push(("errors", Json::List(all)));
        }
        let fields = fields.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        let mut response = Response::new(kind.status, &Json::Object(fields));
        response.kind = "application/problem+json";
        response.trouble = self.trouble;
        if let Some(allow) = self.allow {
            response.headers.push(("Allow", allow));
        }
        match kind.status {
            // RFC 6750 §3.
            401 => response.headers.push(("WWW-Authenticate", "Bearer realm=\"api\"".to_owned())),
            429 | 503 => response.headers.push(("Retry-After", self.after_s.to_string())),
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
        let detail = format!("the body is no JSON that we read: {what} at byte {at}");
        Self::new(Code::Malformed, detail)
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
                Self { errors, ..Self::new(Code::Taken, why) }
            }
            store::Error::Weak(field) | store::Error::Unfit(field) => {
                Self::invalid(vec![FieldProblem::new(field, None, error.to_string())])
            }
            store::Error::LastKey => Self::new(Code::LastKey, error.to_string()),
            store::Error::Full => {
                let detail = "the disk is full or takes no more: nothing was changed";
                Self { trouble: Some(error.to_string()), ..Self::new(Code::DiskFull, detail) }
            }
            store::Error::Busy => Self::new(Code::Busy, "the store is busy: nothing was changed"),
            error => {
                let detail = "the store failed: nothing was changed; the log says why";
                Self { trouble: Some(error.to_string()), ..Self::new(Code::Internal, detail) }
            }
        }
    }
}

impl Code {
    pub(super) fn kind(self) -> &'static Kind {
        let found = KINDS.iter().find(|it| it.code == self);
        found.expect("every code has its kind: the test below")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_kind() {
        // The codes are numbered in their order, and so are the kinds.
        for (at, kind) in KINDS.iter().enumerate() {
            assert_eq!((kind.code as usize, kind.code.kind().word), (at, kind.word));
        }
        assert_eq!(KINDS.len(), Code::DiskFull as usize + 1);
    }
}
