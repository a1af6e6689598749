//! `/api/v1/sip/trunks`: the ways to carriers.

use super::fields::{Doc, unknown};
use super::json::Json;
use super::page::Page;
use super::problem::{FieldProblem, Problem};
use super::{Asked, Finish, Reply, Response, moment};
use crate::call::{Answer, Question, TrunkSeen};
use crate::directory::{Delta, FieldError, Terms, Trunk, TrunkFields, TrunkId, TrunkOrder, Uuid};
use crate::store::{Paging, Row};

/// Where the list is.
const PATH: &str = "/api/v1/sip/trunks";

pub(super) fn list(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let page = Page::of(asked)?;
    let paging = Paging::Page { page: page.page, size: page.size };
    let listed = asked.store.read().trunks(asked.grant.tenant, paging)?;
    let response = Response::new(200, &Json::List(listed.rows.iter().map(shape).collect()));
    Ok(Reply::Now(page.mark(response, PATH, listed.total.unwrap_or_default())))
}

pub(super) fn one(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let row = find(asked, id)?;
    let question = Question::Trunk(row.it.id);
    let finish = Finish::new(move |answer| {
        let seen = if let Answer::Trunk(it) = answer { it } else { None };
        let Json::Object(mut fields) = shape(&row) else { return Response::nothing() };
        fields.push(("state".to_owned(), state(seen)));
        Response::new(200, &Json::Object(fields)).tagged(row.updated)
    });
    Ok(Reply::Then { deltas: Vec::new(), question, finish })
}

pub(super) fn create(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let order = order(asked, None, false)?;
    let row = asked.store.create_trunk(asked.grant.tenant, order, asked.now)?;
    let location = format!("{PATH}/{}", row.it.id);
    let response = Response::new(201, &shape(&row)).with("Location", location).tagged(row.updated);
    Ok(changed(Delta::Trunk(Box::new(row.it)), response))
}

/// What is missing stays as it is; null takes away.
pub(super) fn change(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let before = find(asked, id)?;
    let terms = before.it.terms.clone();
    write(asked, &before, Some(&terms))
}

/// What is missing gets its usual value, but for the password, which stays.
pub(super) fn replace(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let before = find(asked, id)?;
    write(asked, &before, None)
}

pub(super) fn delete(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let before = find(asked, id)?;
    asked.expects(before.updated)?;
    asked.store.delete_trunk(asked.grant.tenant, before.it.id, asked.now)?;
    Ok(changed(Delta::TrunkGone(before.it.id), Response::nothing()))
}

/// A field that may be written.
pub(super) struct Field {
    pub(super) doc: Doc,
    /// Its name in the directory.
    inner: &'static str,
    take: Take,
}

/// How a field is read. What is optional is taken away by null.
enum Take {
    Text(fn(&mut TrunkFields) -> &mut Option<String>),
    Optional(fn(&mut TrunkFields) -> &mut Option<String>),
    /// The same without showing it again.
    Password(fn(&mut TrunkFields) -> &mut Option<String>),
    Bool(fn(&mut TrunkFields) -> &mut Option<bool>),
    Int(fn(&mut TrunkFields) -> &mut Option<i64>),
    /// A number that null, like 0, takes away.
    OptionalInt(fn(&mut TrunkFields) -> &mut Option<i64>),
    Texts(fn(&mut TrunkFields) -> &mut Option<Vec<String>>),
}

macro_rules! fields {
    ($($name:literal $inner:ident $take:ident $doc:literal)*) => {
        &[$(Field {
            doc: Doc { name: $name, kind: Take::$take(|it| &mut it.$inner).kind(), doc: $doc },
            inner: stringify!($inner),
            take: Take::$take(|it| &mut it.$inner),
        }),*]
    };
}

pub(super) const FIELDS: &[Field] = fields! {
    "name" name Text "What scripts call it, `trunk:NAME`: lower case letters, digits, `-` and `_`. It must be sent."
    "description" detail Optional "What else is to be said of it."
    "enabled" enabled Bool "Whether calls go through it; true."
    "type" kind Text "`register` (unless it is said): we register with the carrier; `peer`: both sides know each other's address."
    "host" host Text "The carrier's domain or address. It must be sent."
    "port" port OptionalInt "Its port. Without one DNS says where to go (RFC 3263)."
    "transport" transport Optional "`udp`, `tcp` or `tls`. Without a word DNS says, and else it is `udp`."
    "proxy" proxy Optional "Where requests go instead of to the host: `host` or `host:port`."
    "username" username Optional "Who we are to the carrier."
    "password" password Password "What proves it; never shown again."
    "realm" realm Optional "Who may ask for the password, if it is neither the host nor the domain. Nobody else is given an answer."
    "from_domain" from_domain Optional "The host in From and in what is registered; else the host."
    "expires" expires Int "For how many seconds we register, 30 to 86400; 600."
    "bulk" bulk Bool "Whether all numbers register at once (RFC 6140); false."
    "addresses" addresses Texts "Addresses and networks that the carrier calls from, beside those of its host."
    "inbound_auth" inbound_auth Text "How a call proves that it is the carrier's: `address` (unless it is said) or `digest`."
    "did_source" did_source Text "Where the called number stands: `request_uri` (unless it is said), `to` or `p_called_party_id`."
    "caller_id" caller_id Optional "The number that calls show, unless the extension has one of its own."
    "identity" identity Text "Where our number stands beside From: `p_asserted_identity` (unless it is said), `p_preferred_identity`, `remote_party_id`, or `from` alone."
    "format" format Text "How numbers are written to the carrier: `+e164` (unless it is said), `e164`, `national` or `raw`."
    "country" country Optional "The country of national numbers: `49`. Without it they are left as they are."
    "national_prefix" national_prefix Optional "What stands before national numbers; `0`."
    "international_prefix" international_prefix Optional "What stands before international numbers; `00`."
    "channels" channels Int "Calls at a time, 1 to 10000; 30."
    "calls_per_second" calls_per_second Int "New calls in a second, 1 to 1000; 10."
    "codecs" codecs Texts "Codecs, the preferred first; all when there are none."
    "ping" ping Int "How often we ask whether the carrier is there (OPTIONS), in seconds; 30, and 0 never."
    "trusted" trusted Bool "Whether its word is taken for who calls, and it is told who calls although they stay unknown to others (RFC 3325); false."
    "priority" priority Int "The lowest is tried first when a script names no trunk, 1 to 1000; 100."
};

/// What was sent, as an order that cannot be wrong, or everything that is.
fn order(
    asked: &Asked<'_>,
    before: Option<&Terms>,
    has_password: bool,
) -> Result<TrunkOrder, Problem> {
    let mut fields = TrunkFields::default();
    let mut wrong: Vec<FieldProblem> = Vec::new();
    for (name, value) in asked.fields()? {
        let Some(field) = FIELDS.iter().find(|it| it.doc.name == name) else {
            wrong.push(unknown(&name, FIELDS.iter().map(|it| it.doc.name)));
            continue;
        };
        if field.take.read(&mut fields, &value).is_none() {
            let is_secret = matches!(field.take, Take::Password(_));
            let shown = (!is_secret).then(|| value.to_string().chars().take(64).collect());
            let why = format!("{} is wanted", field.doc.kind);
            wrong.push(FieldProblem::new(&name, shown, why));
        }
    }
    let order = TrunkOrder::parse(fields, before, has_password);
    let more = order.as_ref().err().into_iter().flatten();
    for FieldError { field, value_shown, why } in more {
        let name = FIELDS.iter().find(|it| it.inner == *field).map_or(*field, |it| it.doc.name);
        // One that could not be read at all is not missing on top of that.
        if !wrong.iter().any(|it| it.field == name) {
            let shown = Some(value_shown.clone()).filter(|it| !it.is_empty());
            wrong.push(FieldProblem::new(name, shown, why));
        }
    }
    match order {
        Ok(order) if wrong.is_empty() => Ok(order),
        Ok(_) | Err(_) => Err(Problem::invalid(wrong)),
    }
}

impl Take {
    fn read(&self, fields: &mut TrunkFields, value: &Json) -> Option<()> {
        match (self, value) {
            (Self::Text(at) | Self::Optional(at) | Self::Password(at), Json::Text(it)) => {
                *at(fields) = Some(it.clone());
            }
            // Many write numbers as numbers.
            (Self::Optional(at), Json::Int(it)) => *at(fields) = Some(it.to_string()),
            (Self::Optional(at) | Self::Password(at), Json::Null) => {
                *at(fields) = Some(String::new());
            }
            (Self::Bool(at), Json::Bool(it)) => *at(fields) = Some(*it),
            (Self::Int(at) | Self::OptionalInt(at), Json::Int(it)) => *at(fields) = Some(*it),
            (Self::OptionalInt(at), Json::Null) => *at(fields) = Some(0),
            (Self::Texts(at), Json::Null) => *at(fields) = Some(Vec::new()),
            (Self::Texts(at), Json::List(all)) => {
                let texts = all.iter().map(|it| match it {
                    Json::Text(it) => Some(it.clone()),
                    _ => None,
                });
                *at(fields) = Some(texts.collect::<Option<_>>()?);
            }
            _ => return None,
        }
        Some(())
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Optional(_) | Self::Password(_) => "text or null",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "number",
            Self::OptionalInt(_) => "number or null",
            Self::Texts(_) => "list of texts",
        }
    }
}

fn write(
    asked: &mut Asked<'_>,
    before: &Row<Trunk>,
    terms: Option<&Terms>,
) -> Result<Reply, Problem> {
    asked.expects(before.updated)?;
    let (tenant, id) = (asked.grant.tenant, before.it.id);
    let has_password = asked.store.read().trunk_has_password(tenant, id)?;
    let order = order(asked, terms, has_password)?;
    let row = asked.store.change_trunk(tenant, id, order, asked.now)?;
    let response = Response::new(200, &shape(&row)).tagged(row.updated);
    Ok(changed(Delta::Trunk(Box::new(row.it)), response))
}

/// The answer leaves when the switch has taken the change over.
fn changed(delta: Delta, response: Response) -> Reply {
    Reply::Then {
        deltas: vec![delta],
        question: Question::Settled,
        finish: Finish::new(move |_| response),
    }
}

/// The trunk of an id or uuid, unless it is deleted.
fn find(asked: &Asked<'_>, id: &str) -> Result<Row<Trunk>, Problem> {
    let (read, tenant) = (asked.store.read(), asked.grant.tenant);
    let row = match (id.parse(), Uuid::parse(id)) {
        (Ok(id), _) => read.trunk(tenant, TrunkId(id))?,
        (_, Some(uuid)) => read.trunk_by_uuid(tenant, uuid)?,
        _ => None,
    };
    row.filter(|it| it.deleted.is_none()).ok_or_else(Problem::not_found)
}

/// How a trunk stands; null when it is not at work.
fn state(seen: Option<TrunkSeen>) -> Json {
    let status = |it: Option<u16>| Json::maybe(it, Json::count);
    Json::maybe(seen, |it| {
        let registration = it.registration.map(|it| {
            Json::object([
                ("state", Json::text(it.standing.word())),
                ("since", moment(it.since)),
                ("status", status(it.status)),
                ("next_try_at", Json::maybe(it.next, moment)),
            ])
        });
        let health = Json::object([
            ("reachable", Json::maybe(it.health.reachable, Json::Bool)),
            ("since", Json::maybe(it.health.since, moment)),
            ("status", status(it.health.status)),
        ]);
        Json::object([("registration", Json::maybe(registration, |it| it)), ("health", health)])
    })
}

fn shape(row: &Row<Trunk>) -> Json {
    let it = &row.it.terms;
    let text = |it: &Option<String>| Json::maybe(it.as_ref(), Json::text);
    let texts = |all: Vec<String>| Json::List(all.into_iter().map(Json::Text).collect());
    let detail = Some(&it.detail).filter(|it| !it.is_empty());
    Json::object([
        ("id", Json::Int(row.it.id.0)),
        ("uuid", Json::text(row.it.uuid)),
        ("name", Json::text(&it.name)),
        ("description", Json::maybe(detail, Json::text)),
        ("enabled", Json::Bool(it.enabled)),
        ("type", Json::text(it.kind.word())),
        ("host", Json::text(&it.host)),
        ("port", Json::maybe(it.port, Json::count)),
        ("transport", Json::maybe(it.transport, |it| Json::text(it.word()))),
        ("proxy", text(&it.proxy)),
        ("username", text(&it.username)),
        ("realm", text(&it.realm)),
        ("from_domain", text(&it.from_domain)),
        ("expires", Json::count(it.expires)),
        ("bulk", Json::Bool(it.bulk)),
        ("addresses", texts(it.addresses.iter().map(ToString::to_string).collect())),
        ("inbound_auth", Json::text(it.inbound_auth.word())),
        ("did_source", Json::text(it.did_source.word())),
        ("caller_id", Json::maybe(it.caller_id.as_ref(), Json::text)),
        ("identity", Json::text(it.identity.word())),
        ("format", Json::text(it.format.word())),
        ("country", text(&it.country)),
        ("national_prefix", Json::text(&it.national_prefix)),
        ("international_prefix", Json::text(&it.international_prefix)),
        ("channels", Json::count(it.channels)),
        ("calls_per_second", Json::count(it.calls_per_second)),
        ("codecs", texts(it.codecs.clone())),
        ("ping", Json::count(it.ping)),
        ("trusted", Json::Bool(it.trusted)),
        ("priority", Json::count(it.priority)),
        ("created_at", moment(row.created)),
        ("updated_at", moment(row.updated)),
    ])
}
