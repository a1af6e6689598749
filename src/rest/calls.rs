//! `/api/v1/calls` and `/api/v1/registrations`: what is so at this moment, asked of the switch.

use super::json::Json;
use super::page::Page;
use super::problem::Problem;
use super::{Asked, Code, Finish, Reply, Response, moment};
use crate::base::{CallId, Wall};
use crate::call::{Answer, CallSeen, PhoneSeen, Question};
use crate::directory::TenantId;

const CALLS: &str = "/api/v1/calls";
const PHONES: &str = "/api/v1/registrations";

pub(super) fn list(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    own_house(asked)?;
    let page = Page::of(asked)?;
    let now = asked.now;
    let question = Question::Calls { skip: page.skip(), take: page.size as usize };
    Ok(ask(question, move |answer| {
        let Answer::Calls(all, total) = answer else { return unexpected() };
        let rows = all.iter().map(|it| shape(it, now)).collect();
        page.mark(Response::new(200, &Json::List(rows)), CALLS, total as u64)
    }))
}

pub(super) fn one(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    own_house(asked)?;
    let now = asked.now;
    Ok(ask(Question::Call(id_of(id)?), move |answer| match answer {
        Answer::Call(Some(it)) => Response::new(200, &shape(&it, now)),
        Answer::Call(None) => Problem::not_found().response(),
        _ => unexpected(),
    }))
}

pub(super) fn hang_up(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    own_house(asked)?;
    Ok(ask(Question::HangUp(id_of(id)?), |answer| match answer {
        Answer::Call(Some(_)) => Response::nothing(),
        Answer::Call(None) => Problem::not_found().response(),
        _ => unexpected(),
    }))
}

pub(super) fn registrations(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    own_house(asked)?;
    let page = Page::of(asked)?;
    let now = asked.now;
    let question = Question::Phones { skip: page.skip(), take: page.size as usize };
    Ok(ask(question, move |answer| {
        let Answer::Phones(all, total) = answer else { return unexpected() };
        let rows = all.iter().map(|it| phone(it, now)).collect();
        page.mark(Response::new(200, &Json::List(rows)), PHONES, total as u64)
    }))
}

/// The switch serves the first tenant; nobody else has calls or phones.
pub(super) fn own_house(asked: &Asked<'_>) -> Result<(), Problem> {
    if asked.grant.tenant == TenantId::FIRST { Ok(()) } else { Err(Problem::not_found()) }
}

pub(super) fn ask(
    question: Question,
    finish: impl FnOnce(Answer) -> Response + Send + 'static,
) -> Reply {
    Reply::Then { deltas: Vec::new(), question, finish: Finish::new(finish) }
}

/// A call's id, as it stands in the log too: `c` and hexadecimal digits.
fn id_of(text: &str) -> Result<CallId, Problem> {
    let digits = text.strip_prefix('c').filter(|it| !it.starts_with('+'));
    let id = digits.and_then(|it| u64::from_str_radix(it, 16).ok());
    id.map(CallId).ok_or_else(Problem::not_found)
}

fn shape(it: &CallSeen, now: Wall) -> Json {
    let answered = it.answered_for.map(|span| {
        let micros = u64::try_from(span.as_micros()).unwrap_or_default();
        moment(Wall(now.0.saturating_sub(micros)))
    });
    let legs = it.legs.iter().map(|leg| {
        Json::object([
            ("id", Json::text(leg.id)),
            ("party", Json::text(&leg.party)),
            ("state", Json::text(leg.state)),
        ])
    });
    Json::object([
        ("id", Json::text(it.id)),
        ("from", Json::text(&it.from)),
        ("to", Json::text(&it.to)),
        ("state", Json::text(it.state)),
        ("created_at", moment(it.began)),
        ("answered_at", answered.unwrap_or(Json::Null)),
        ("legs", Json::List(legs.collect())),
    ])
}

fn phone(it: &PhoneSeen, now: Wall) -> Json {
    let micros = u64::try_from(it.left.as_micros()).unwrap_or_default();
    let round_trip = it.round_trip.and_then(|it| i64::try_from(it.as_millis()).ok());
    Json::object([
        ("extension", Json::text(&it.number)),
        ("extension_id", Json::maybe(it.extension, |id| Json::Int(id.0))),
        ("contact", Json::text(&it.contact)),
        ("transport", Json::text(it.flow.transport.word().to_ascii_lowercase())),
        ("address", Json::text(it.flow.remote)),
        ("instance", Json::maybe(it.instance.as_ref(), Json::text)),
        ("expires_at", moment(Wall(now.0.saturating_add(micros)))),
        ("reachable", Json::Bool(it.reachable)),
        ("round_trip_ms", Json::maybe(round_trip, Json::Int)),
    ])
}

pub(super) fn unexpected() -> Response {
    Problem::new(Code::Internal, "the switch has answered another question").response()
}
