//! `/api/v1/keys`: access keys. A key is shown when it is made, and never again.

use super::fields::{Doc, Sent};
use super::json::Json;
use super::page::Page;
use super::problem::Problem;
use super::{Asked, Reply, Response, moment};
use crate::base::Wall;
use crate::base::nearest::hint;
use crate::store::{AccessKey, KeyId, NewKey, Paging, Role, Row, UserId};

const PATH: &str = "/api/v1/keys";
pub(super) const FIELDS: &[Doc] = &[
    Doc { name: "name", kind: "text", doc: "What people call it; it must be sent." },
    Doc {
        name: "roles",
        kind: "list of texts",
        doc: "What it allows: `read`, `write`, `credentials`, `admin`; it must be sent.",
    },
    Doc { name: "user_id", kind: "number", doc: "Whose it is; else of the user who makes it." },
    Doc { name: "expires_at", kind: "moment or null", doc: "When it ends; else never." },
];

pub(super) fn list(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let page = Page::of(asked)?;
    let paging = Paging::Page { page: page.page, size: page.size };
    let listed = asked.store.read().keys(asked.grant.tenant, paging)?;
    let rows = listed.rows.iter().map(|it| Json::Object(shape(it))).collect();
    let response = Response::new(200, &Json::List(rows));
    Ok(Reply::Now(page.mark(response, PATH, listed.total.unwrap_or_default())))
}

pub(super) fn one(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let row = find(asked, id)?;
    Ok(Reply::Now(Response::new(200, &Json::Object(shape(&row)))))
}

pub(super) fn create(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let mut sent = Sent::of(asked, FIELDS)?;
    let name = sent.text("name");
    if name.is_none() {
        sent.wrong("name", "a key needs a name");
    }
    let roles = roles(&mut sent);
    let expires = expires(&mut sent, asked.now);
    let user = user(&mut sent, asked)?;
    sent.settle()?;
    let new = NewKey { name: name.unwrap_or_default(), roles, expires };
    let (row, token) = asked.store.create_key(asked.grant.tenant, user, new, asked.now)?;
    let mut fields = shape(&row);
    // The only time that it is shown.
    fields.push(("key".to_owned(), Json::Text(token)));
    let response = Response::new(201, &Json::Object(fields));
    Ok(Reply::Now(response.with("Location", format!("{PATH}/{}", row.it.id.0))))
}

pub(super) fn revoke(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let id = find(asked, id)?.it.id;
    asked.store.delete_key(asked.grant.tenant, id, asked.now)?;
    Ok(Reply::Now(Response::nothing()))
}

fn roles(sent: &mut Sent) -> Vec<Role> {
    let Some(value) = sent.take("roles") else {
        sent.wrong("roles", "a key needs roles");
        return Vec::new();
    };
    let Json::List(words) = value else {
        sent.wrong("roles", "a list of roles is wanted");
        return Vec::new();
    };
    let mut roles = Vec::new();
    for word in &words {
        let word = if let Json::Text(it) = word { it.as_str() } else { "" };
        match Role::from_word(word) {
            Some(role) if !roles.contains(&role) => roles.push(role),
            Some(_) => {}
            None => {
                let hint = hint(word, Role::all().map(Role::word));
                sent.wrong("roles", format!("there is no such role{hint}"));
            }
        }
    }
    if words.is_empty() {
        sent.wrong("roles", "at least one role is wanted");
    }
    roles
}

fn expires(sent: &mut Sent, now: Wall) -> Option<Wall> {
    const WANT: &str = "a moment such as 2030-01-31T12:00:00Z is wanted, or null";
    match sent.take("expires_at")? {
        Json::Null => None,
        Json::Text(it) => {
            let at = Wall::parse(&it);
            match at {
                None => sent.wrong("expires_at", WANT),
                Some(at) if at <= now => sent.wrong("expires_at", "this moment is over"),
                Some(_) => {}
            }
            at
        }
        _ => {
            sent.wrong("expires_at", WANT);
            None
        }
    }
}

/// The user that the key is for: of the same tenant, and there.
fn user(sent: &mut Sent, asked: &Asked<'_>) -> Result<UserId, Problem> {
    let user = match sent.take("user_id") {
        None => asked.grant.user,
        Some(Json::Int(id)) => UserId(id),
        Some(_) => {
            sent.wrong("user_id", "a whole number is wanted");
            return Ok(asked.grant.user);
        }
    };
    let row = asked.store.read().user(asked.grant.tenant, user)?;
    if row.is_none_or(|it| it.deleted.is_some()) {
        sent.wrong("user_id", "there is no such user");
    }
    Ok(user)
}

/// The key of an id, unless it was taken away.
fn find(asked: &Asked<'_>, id: &str) -> Result<Row<AccessKey>, Problem> {
    let id = KeyId(id.parse().map_err(|_| Problem::not_found())?);
    let row = asked.store.read().key(asked.grant.tenant, id)?;
    row.filter(|it| it.deleted.is_none()).ok_or_else(Problem::not_found)
}

fn shape(row: &Row<AccessKey>) -> Vec<(String, Json)> {
    let it = &row.it;
    let fields = [
        ("id", Json::Int(it.id.0)),
        ("uuid", Json::text(it.uuid)),
        ("name", Json::text(&it.name)),
        ("user_id", Json::Int(it.user.0)),
        ("prefix", Json::text(&it.prefix)),
        ("roles", Json::List(it.roles.iter().map(Json::text).collect())),
        ("expires_at", Json::maybe(it.expires, moment)),
        ("last_used_at", Json::maybe(it.used, moment)),
        ("created_at", moment(row.created)),
        ("updated_at", moment(row.updated)),
    ];
    fields.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()
}
