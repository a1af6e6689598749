//! `/api/v1/cdrs`: the records of calls that are over, the newest first.

use super::json::Json;
use super::page::After;
use super::problem::Problem;
use super::{Asked, Reply, Response, moment};
use crate::base::Wall;
use crate::store::{Cdr, CdrId, Wanted};

pub(super) fn list(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let mut wanted = Wanted::default();
    let after = After::of(asked, &["from", "to", "extension"], |name, value| {
        if name == "extension" {
            wanted.number = Some(value.to_owned());
            return Ok(());
        }
        let at = Wall::parse(value);
        let at = Some(at.ok_or("a day or a moment such as 2030-01-31T12:00:00Z is wanted")?);
        *(if name == "from" { &mut wanted.from } else { &mut wanted.until }) = at;
        Ok(())
    })?;
    let reader = asked.store.read();
    let listed = reader.find_cdrs(asked.grant.tenant, &wanted, after.after, after.limit)?;
    let rows = listed.rows.iter().map(|(id, it)| shape(*id, it)).collect();
    let response = Response::new(200, &Json::List(rows));
    Ok(Reply::Now(after.mark(response, asked, listed.next)))
}

pub(super) fn one(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let id = CdrId(id.parse().map_err(|_| Problem::not_found())?);
    let cdr = asked.store.read().cdr(asked.grant.tenant, id)?.ok_or_else(Problem::not_found)?;
    Ok(Reply::Now(Response::new(200, &shape(id, &cdr))))
}

fn shape(id: CdrId, it: &Cdr) -> Json {
    let legs = it.legs.iter().map(|leg| {
        Json::object([
            ("id", Json::text(leg.leg)),
            ("side", Json::text(leg.side.word())),
            ("party", Json::text(&leg.party)),
            ("created_at", moment(leg.created)),
            ("ringing_at", Json::maybe(leg.ringing, moment)),
            ("answered_at", Json::maybe(leg.answered, moment)),
            ("ended_at", moment(leg.ended)),
            ("ended_by", Json::text(leg.ended_by.word())),
            ("cause", Json::text(leg.cause)),
            ("sip_code", Json::maybe(leg.sip_status, Json::count)),
        ])
    });
    Json::object([
        ("id", Json::Int(id.0)),
        ("call_id", Json::text(it.call)),
        ("sip_call_id", Json::text(&it.sip_call_id)),
        ("from", Json::text(&it.from)),
        ("to", Json::text(&it.to)),
        ("generation", Json::text(format_args!("{:08x}", it.generation))),
        ("created_at", moment(it.created)),
        ("ringing_at", Json::maybe(it.ringing, moment)),
        ("answered_at", Json::maybe(it.answered, moment)),
        ("ended_at", moment(it.ended)),
        ("ended_by", Json::text(it.ended_by.word())),
        ("cause", Json::text(it.cause)),
        ("sip_code", Json::maybe(it.sip_status, Json::count)),
        ("talked_ms", Json::count(it.talked.as_millis())),
        ("legs", Json::List(legs.collect())),
    ])
}
