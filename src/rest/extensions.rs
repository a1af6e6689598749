//! `/api/v1/sip/extensions`.

use super::calls::{ask, own_house, unexpected};
use super::json::Json;
use super::page::Page;
use super::problem::{FieldProblem, Problem};
use super::{Asked, Finish, Reply, Response, fields, moment};
use crate::call::{Answer, Question};
use crate::directory::{
    CONTACTS_MAX, ChangeExtension, Delta, DomainId, Extension, ExtensionId, FieldError, Fields,
    Kind, NewExtension, Uuid,
};
use crate::store::{Paging, Row};

/// Where the list is.
const PATH: &str = "/api/v1/sip/extensions";

pub(super) fn list(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let page = Page::of(asked)?;
    let paging = Paging::Page { page: page.page, size: page.size };
    let listed = asked.store.read().extensions(asked.grant.tenant, paging)?;
    let rows = listed.rows.iter().map(|it| Json::Object(shape(it))).collect();
    let response = Response::new(200, &Json::List(rows));
    Ok(Reply::Now(page.mark(response, PATH, listed.total.unwrap_or_default())))
}

pub(super) fn one(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let row = find(asked, id)?;
    Ok(Reply::Now(Response::new(200, &Json::Object(shape(&row))).tagged(row.updated)))
}

pub(super) fn create(asked: &mut Asked<'_>) -> Result<Reply, Problem> {
    let (fields, wrong) = read(asked.fields()?);
    let makes_password = fields.password.is_none();
    let new = told(NewExtension::parse(fields), wrong)?;
    let row = asked.store.create_extension(asked.grant.tenant, DomainId::FIRST, new, asked.now)?;
    let mut fields = shape(&row);
    if makes_password {
        // The only time that it is shown without being asked for.
        fields.push(("password".to_owned(), Json::text(&row.it.password)));
    }
    let location = format!("{PATH}/{}", row.it.id);
    let response = Response::new(201, &Json::Object(fields));
    let response = response.with("Location", location).tagged(row.updated);
    Ok(changed(Delta::Extension(row.it), response))
}

/// What is missing stays as it is; null takes away.
pub(super) fn change(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let before = find(asked, id)?;
    asked.expects(before.updated)?;
    let (fields, wrong) = read(asked.fields()?);
    write(asked, &before.it, fields, wrong)
}

/// What is missing gets its usual value, but for the password, which stays.
pub(super) fn replace(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let before = find(asked, id)?;
    asked.expects(before.updated)?;
    let (mut fields, mut wrong) = read(asked.fields()?);
    if fields.number.is_none() && !wrong.iter().any(|it| it.field == "extension") {
        wrong.push(FieldProblem::new("extension", None, "an extension needs a number"));
    }
    fields.name = fields.name.or_else(|| fields.number.clone());
    fields.enabled = fields.enabled.or(Some(true));
    fields.dnd = fields.dnd.or(Some(false));
    fields.kind = fields.kind.or_else(|| Some(Kind::default().word().to_owned()));
    fields.max_contacts = fields.max_contacts.or(Some(i64::from(CONTACTS_MAX)));
    for it in [
        &mut fields.detail,
        &mut fields.caller_id_name,
        &mut fields.caller_id_number,
        &mut fields.forward_all,
        &mut fields.forward_busy,
        &mut fields.forward_no_answer,
        &mut fields.forward_not_registered,
    ] {
        it.get_or_insert_default();
    }
    write(asked, &before.it, fields, wrong)
}

pub(super) fn delete(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let before = find(asked, id)?;
    asked.expects(before.updated)?;
    let id = before.it.id;
    asked.store.delete_extension(asked.grant.tenant, id, asked.now)?;
    Ok(changed(Delta::ExtensionGone(id), Response::nothing()))
}

/// What a phone needs to log in. That it was shown is kept.
pub(super) fn config(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    let it = find(asked, id)?.it;
    let Asked { grant, now, request, told, .. } = asked;
    let password = asked.store.reveal(grant.tenant, grant.key, it.id, *now)?;
    let host = request.host.as_deref().map(host_of);
    let server = told.server.as_deref().or(host).unwrap_or("localhost");
    let body = Json::object([
        ("server", Json::text(server)),
        ("port", Json::count(told.port)),
        ("transport", Json::text("udp")),
        ("username", Json::text(&it.number)),
        ("password", Json::Text(password)),
        ("domain", Json::text(server)),
    ]);
    Ok(Reply::Now(Response::new(200, &body)))
}

/// Its phones are asked to read their settings again.
pub(super) fn sync(asked: &mut Asked<'_>, id: &str) -> Result<Reply, Problem> {
    own_house(asked)?;
    let question = Question::Sync(find(asked, id)?.it.id);
    Ok(ask(question, |answer| match answer {
        Answer::Synced(Some((phones, took))) => {
            let count = |it: usize| Json::Int(i64::try_from(it).unwrap_or(i64::MAX));
            let body = Json::object([("phones", count(phones)), ("took", count(took))]);
            Response::new(200, &body)
        }
        Answer::Synced(None) => Problem::not_found().response(),
        _ => unexpected(),
    }))
}

/// The name in JSON of a field of the directory.
pub(super) fn json_name(inner: &str) -> &str {
    FIELDS.iter().find(|it| it.inner == inner).map_or(inner, |it| it.name)
}

/// A field that may be written.
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Its name in the directory.
    inner: &'static str,
    take: Take,
    pub(super) doc: &'static str,
}

/// How a field is read.
enum Take {
    Text(fn(&mut Fields) -> &mut Option<String>),
    /// A text that null takes away.
    Optional(fn(&mut Fields) -> &mut Option<String>),
    /// The same without showing it again; null, or these words, have one made.
    Password(fn(&mut Fields) -> &mut Option<String>),
    Bool(fn(&mut Fields) -> &mut Option<bool>),
    Int(fn(&mut Fields) -> &mut Option<i64>),
}

/// Stands for a password that is to be made.
const AUTO: &str = "auto-generated";

pub(super) const FIELDS: &[Field] = &[
    Field {
        name: "extension",
        inner: "number",
        take: Take::Text(|it| &mut it.number),
        doc: "Its number: what people dial and phones log in with. It must be sent.",
    },
    Field {
        name: "name",
        inner: "name",
        take: Take::Text(|it| &mut it.name),
        doc: "What people call it; else the number.",
    },
    Field {
        name: "description",
        inner: "detail",
        take: Take::Optional(|it| &mut it.detail),
        doc: "What else is to be said of it.",
    },
    Field {
        name: "password",
        inner: "password",
        take: Take::Password(|it| &mut it.password),
        doc: "Made when it is null, `auto-generated` or not sent; only `/config` shows it.",
    },
    Field {
        name: "enabled",
        inner: "enabled",
        take: Take::Bool(|it| &mut it.enabled),
        doc: "Whether its phones may log in and call; true.",
    },
    Field {
        name: "type",
        inner: "kind",
        take: Take::Text(|it| &mut it.kind),
        doc: "`standard` (unless it is said), `line`, `short_term` or `webrtc`.",
    },
    Field {
        name: "caller_id_name",
        inner: "caller_id_name",
        take: Take::Optional(|it| &mut it.caller_id_name),
        doc: "The name that others see; else its own.",
    },
    Field {
        name: "caller_id_number",
        inner: "caller_id_number",
        take: Take::Optional(|it| &mut it.caller_id_number),
        doc: "The number that others see; else its own.",
    },
    Field {
        name: "max_contacts",
        inner: "max_contacts",
        take: Take::Int(|it| &mut it.max_contacts),
        doc: "How many phones may register.",
    },
    Field {
        name: "do_not_disturb",
        inner: "dnd",
        take: Take::Bool(|it| &mut it.dnd),
        doc: "Whether it is never rung; false.",
    },
    Field {
        name: "forward_all",
        inner: "forward_all",
        take: Take::Optional(|it| &mut it.forward_all),
        doc: "Where its calls go, always.",
    },
    Field {
        name: "forward_busy",
        inner: "forward_busy",
        take: Take::Optional(|it| &mut it.forward_busy),
        doc: "Where they go when it is busy.",
    },
    Field {
        name: "forward_no_answer",
        inner: "forward_no_answer",
        take: Take::Optional(|it| &mut it.forward_no_answer),
        doc: "Where they go when nobody answers.",
    },
    Field {
        name: "forward_not_registered",
        inner: "forward_not_registered",
        take: Take::Optional(|it| &mut it.forward_not_registered),
        doc: "Where they go when it has no phones.",
    },
    Field {
        name: "messages_new",
        inner: "messages_new",
        take: Take::Int(|it| &mut it.messages_new),
        doc: "New messages in the mailbox, which its message lamp shows.",
    },
    Field {
        name: "messages_old",
        inner: "messages_old",
        take: Take::Int(|it| &mut it.messages_old),
        doc: "Old messages in the mailbox.",
    },
];
/// What was sent, and what of it is wrong already.
fn read(sent: Vec<(String, Json)>) -> (Fields, Vec<FieldProblem>) {
    let mut taken = Fields::default();
    let mut wrong = Vec::new();
    for (name, value) in sent {
        let Some(field) = FIELDS.iter().find(|it| it.name == name) else {
            wrong.push(fields::unknown(&name, FIELDS.iter().map(|it| it.name)));
            continue;
        };
        if let Err(want) = field.take.read(&mut taken, &value) {
            let is_secret = matches!(field.take, Take::Password(_));
            let shown = (!is_secret).then(|| value.to_string().chars().take(64).collect());
            wrong.push(FieldProblem::new(field.name, shown, want));
        }
    }
    (taken, wrong)
}

impl Field {
    /// What may be written, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self.take {
            Take::Text(_) => "text",
            Take::Optional(_) | Take::Password(_) => "text or null",
            Take::Bool(_) => "true or false",
            Take::Int(_) => "number",
        }
    }
}

impl Take {
    fn read(&self, fields: &mut Fields, value: &Json) -> Result<(), &'static str> {
        match (self, value) {
            (Self::Text(at) | Self::Optional(at), Json::Text(it)) => {
                *at(fields) = Some(it.clone());
            }
            // Many write numbers of extensions as numbers.
            (Self::Text(at) | Self::Optional(at), Json::Int(it)) => {
                *at(fields) = Some(it.to_string());
            }
            (Self::Optional(at), Json::Null) => *at(fields) = Some(String::new()),
            (Self::Password(_), Json::Null) => {}
            (Self::Password(_), Json::Text(it)) if it == AUTO => {}
            (Self::Password(at), Json::Text(it)) => *at(fields) = Some(it.clone()),
            (Self::Bool(at), Json::Bool(it)) => *at(fields) = Some(*it),
            (Self::Int(at), Json::Int(it)) => *at(fields) = Some(*it),
            (Self::Text(_) | Self::Password(_), _) => return Err("a text is wanted"),
            (Self::Optional(_), _) => return Err("a text or null is wanted"),
            (Self::Bool(_), _) => return Err("true or false is wanted"),
            (Self::Int(_), _) => return Err("a whole number is wanted"),
        }
        Ok(())
    }
}

/// What was parsed, or everything that is wrong.
fn told<T>(parsed: Result<T, Vec<FieldError>>, mut wrong: Vec<FieldProblem>) -> Result<T, Problem> {
    match parsed {
        Ok(it) if wrong.is_empty() => Ok(it),
        Ok(_) => Err(Problem::invalid(wrong)),
        Err(more) => {
            for it in more {
                let name = json_name(it.field);
                // One that could not be read at all is not missing on top of that.
                if !wrong.iter().any(|it| it.field == name) {
                    wrong.push(FieldProblem::of(it, name));
                }
            }
            Err(Problem::invalid(wrong))
        }
    }
}

fn write(
    asked: &mut Asked<'_>,
    before: &Extension,
    fields: Fields,
    wrong: Vec<FieldProblem>,
) -> Result<Reply, Problem> {
    let change = told(ChangeExtension::parse(fields, &before.number), wrong)?;
    let row = asked.store.change_extension(asked.grant.tenant, before.id, change, asked.now)?;
    let response = Response::new(200, &Json::Object(shape(&row))).tagged(row.updated);
    Ok(changed(Delta::Extension(row.it), response))
}

/// The answer leaves when the switch has taken the change over.
fn changed(delta: Delta, response: Response) -> Reply {
    Reply::Then {
        deltas: vec![delta],
        question: Question::Settled,
        finish: Finish::new(move |_| response),
    }
}

/// The extension of an id or uuid, unless it is deleted.
fn find(asked: &Asked<'_>, id: &str) -> Result<Row<Extension>, Problem> {
    let (read, tenant) = (asked.store.read(), asked.grant.tenant);
    let row = match (id.parse(), Uuid::parse(id)) {
        (Ok(id), _) => read.extension(tenant, ExtensionId(id))?,
        (_, Some(uuid)) => read.extension_by_uuid(tenant, uuid)?,
        _ => None,
    };
    row.filter(|it| it.deleted.is_none()).ok_or_else(Problem::not_found)
}

fn shape(row: &Row<Extension>) -> Vec<(String, Json)> {
    let it = &row.it;
    let forward = |to: &Option<_>| Json::maybe(to.as_ref(), Json::text);
    let detail = Some(&it.detail).filter(|it| !it.is_empty());
    let fields = [
        ("id", Json::Int(it.id.0)),
        ("uuid", Json::text(it.uuid)),
        ("extension", Json::text(&it.number)),
        ("name", Json::text(&it.name)),
        ("description", Json::maybe(detail, Json::text)),
        ("enabled", Json::Bool(it.enabled)),
        ("type", Json::text(it.kind.word())),
        ("caller_id_name", Json::maybe(it.caller_id.name.as_ref(), Json::text)),
        ("caller_id_number", Json::maybe(it.caller_id.number.as_ref(), Json::text)),
        ("max_contacts", Json::count(it.max_contacts)),
        ("do_not_disturb", Json::Bool(it.dnd)),
        ("forward_all", forward(&it.forwards.all)),
        ("forward_busy", forward(&it.forwards.busy)),
        ("forward_no_answer", forward(&it.forwards.no_answer)),
        ("forward_not_registered", forward(&it.forwards.not_registered)),
        ("messages_new", Json::count(it.waiting.new)),
        ("messages_old", Json::count(it.waiting.old)),
        ("created_at", moment(row.created)),
        ("updated_at", moment(row.updated)),
    ];
    fields.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()
}

/// The host of a Host header, without its port (RFC 3986 §3.2.2).
fn host_of(header: &str) -> &str {
    match header.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host,
        _ => header,
    }
}
