//! The page about the API, printed from the tables that the code works with. `docs/rest.md` is this
//! page; `tests/pages.rs` fails when it is not.

use std::fmt::Write as _;

use super::fields::Doc;
use super::limit::{ASKS, GUESSES};
use super::problem::KINDS;
use super::routes::{ROUTES, Route};
use super::{BODY_MAX, extensions, keys, trunks, users};
use crate::store::Role;

const INTRO: &str = "\
Every request needs an access key, `Authorization: Bearer …`; only `GET /health` is open. The first
start makes a user, *Administrator*, and a key with the role `admin`. A key sees what belongs to its
tenant and nothing else. A list comes in pages: `?page=2&size=50` (at most 1000), with the number of
all rows in `X-Total-Count` and the other pages in `Link`; lists that only grow are read with
`?after=ID&limit=50`, and `Link` says where to go on, however few rows a piece has. What can be read
with GET can be asked for with HEAD, and OPTIONS names the methods.

What is answered is durable, and the next SIP message sees it. PUT and DELETE may be sent again: the
second PUT leaves the same fields, the second DELETE finds nothing (404). A single extension or user has an
`ETag`; a change with `If-Match` is made only to that version (else 412).
";

/// The page, in Markdown.
pub fn page() -> String {
    let mut text = format!(
        "# The REST API\n\nPrinted from the code: `make pages` writes it anew.\n\n{INTRO}\n\
         A body is one JSON object of at most {} KiB. A key asks {} times at once and then {} times \
         a second; an address tries {} wrong keys at once and then one a second.\n",
        BODY_MAX >> 10,
        ASKS.at_once,
        1_000_000 / ASKS.every.as_micros(),
        GUESSES.at_once,
    );
    text += "\n## Roles\n\n| role | a key with it may |\n|---|---|\n";
    for role in Role::all() {
        _ = writeln!(text, "| `{role}` | {} |", meaning(role));
    }
    text += "\n## What can be asked\n\n| request | role | |\n|---|---|---|\n";
    for Route { method, path, role, doc, .. } in ROUTES {
        _ = writeln!(text, "| `{method} {path}` | `{role}` | {doc} |");
    }
    text += "\n## What can be written\n";
    let of_extensions = extensions::FIELDS.iter().map(|it| (it.name, it.kind(), it.doc));
    fields(&mut text, "An extension", of_extensions);
    fields(&mut text, "A trunk", trunks::FIELDS.iter().map(|it| it.doc.row()));
    fields(&mut text, "A user", users::FIELDS.iter().map(Doc::row));
    fields(&mut text, "An access key", keys::FIELDS.iter().map(Doc::row));
    text += "\n## Problems\n\nA problem is `application/problem+json` (RFC 9457).\n\n";
    text += "| status | `code` | |\n|---|---|---|\n";
    for kind in KINDS {
        _ = writeln!(text, "| {} | `{}` | {} |", kind.status, kind.word, kind.doc);
    }
    text
}

fn fields<'a>(text: &mut String, of: &str, all: impl Iterator<Item = (&'a str, &'a str, &'a str)>) {
    _ = write!(text, "\n### {of}\n\n| field | what | |\n|---|---|---|\n");
    for (name, kind, doc) in all {
        _ = writeln!(text, "| `{name}` | {kind} | {doc} |");
    }
}

impl Doc {
    fn row(&self) -> (&str, &str, &str) {
        (self.name, self.kind, self.doc)
    }
}

const fn meaning(role: Role) -> &'static str {
    match role {
        Role::Admin => "do everything, also make keys and users",
        Role::Read => "see what is provisioned and what happened",
        Role::Write => "provision and hang up calls",
        Role::Credentials => "be shown passwords of extensions",
    }
}
