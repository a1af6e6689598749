//! `/api/v1/scripts` and `/api/v1/calls/{id}/trace`: what the process remembers beside the store.
//! Whoever carries requests here looks it up; here stands who may be told, and in which form.

use super::problem::Problem;
use super::{Asked, Reply, Sight, calls, page};

pub(super) fn scripts(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    calls::own_house(asked)?;
    page::read(&asked.request.query, &[], |_, _| Ok(()))?;
    Ok(Reply::Look(Sight::Scripts))
}

pub(super) fn trace(asked: &mut Asked<'_>, call: &str) -> Result<Reply, Problem> {
    calls::own_house(asked)?;
    let mut is_full = false;
    page::read(&asked.request.query, &["full"], |_, _| {
        is_full = true;
        Ok(())
    })?;
    let is_json = asked.form == "application/json";
    Ok(Reply::Look(Sight::Trace { call: call.to_owned(), is_json, is_full }))
}
