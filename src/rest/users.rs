//! `/api/v1/users`: who access keys were given to.

use super::fields::{Doc, Sent};
use super::json::Json;
use super::page::Page;
use super::problem::Problem;
use super::{Asked, Reply, Response, moment};
use crate::store::{Paging, Row, User, UserId};

const PATH: &str = "/api/v1/users";
pub(super) const FIELDS: &[Doc] =
    &[Doc { name: "name", kind: "text", doc: "What people call them; it must be sent." }];

pub(super) fn list(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let page = Page::of(asked)?;
    let paging = Paging::Page { page: page.page, size: page.size };
    let listed = asked.store.read().users(asked.grant.tenant, paging)?;
    let response = Response::new(200, &Json::List(listed.rows.iter().map(shape).collect()));
    Ok(Reply::Now(page.mark(response, PATH, listed.total.unwrap_or_default())))
}

pub(super) fn one(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let row = find(asked, id)?;
    Ok(Reply::Now(Response::new(200, &shape(&row)).tagged(row.updated)))
}

pub(super) fn create(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let name = name(asked)?;
    let row = asked.store.create_user(asked.grant.tenant, &name, asked.now)?;
    let response = Response::new(201, &shape(&row));
    Ok(Reply::Now(response.with("Location", format!("{PATH}/{}", row.it.id.0))))
}

pub(super) fn rename(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let row = find(asked, id)?;
    asked.expects(row.updated)?;
    let name = name(asked)?;
    let row = asked.store.rename_user(asked.grant.tenant, row.it.id, &name, asked.now)?;
    Ok(Reply::Now(Response::new(200, &shape(&row)).tagged(row.updated)))
}

pub(super) fn delete(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let row = find(asked, id)?;
    asked.expects(row.updated)?;
    asked.store.delete_user(asked.grant.tenant, row.it.id, asked.now)?;
    Ok(Reply::Now(Response::nothing()))
}

fn name(asked: &Asked<'_>) -> Result<String, Problem> {
    let mut sent = Sent::of(asked, FIELDS)?;
    let name = sent.text("name");
    if name.is_none() {
        sent.wrong("name", "a user needs a name");
    }
    sent.settle()?;
    Ok(name.unwrap_or_default())
}

/// The user of an id, unless they are deleted.
fn find(asked: &Asked<'_>, id: &str) -> Result<Row<User>, Problem> {
    let id = UserId(id.parse().map_err(|_| Problem::not_found())?);
    let row = asked.store.read().user(asked.grant.tenant, id)?;
    row.filter(|it| it.deleted.is_none()).ok_or_else(Problem::not_found)
}

fn shape(row: &Row<User>) -> Json {
    Json::object([
        ("id", Json::Int(row.it.id.0)),
        ("uuid", Json::text(row.it.uuid)),
        ("name", Json::text(&row.it.name)),
        ("created_at", moment(row.created)),
        ("updated_at", moment(row.updated)),
    ])
}
