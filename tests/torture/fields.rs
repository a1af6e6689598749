//! The fields of a message that a row of the table may name, as text.

use moonswitch::sip::message::{Contacts, Message, Name, NameAddr, Params, Uri, Via};

/// What stands there; `none` if nothing does, `fault …` if it cannot be read.
pub(crate) fn field(message: &Message, field: &str) -> String {
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let joined = |it: Vec<String>| it.join(" | ");
    if let Some((header, of)) = field.split_once('.') {
        return part(message, header, of);
    }
    match field {
        "method" => message.method_token().to_owned(),
        "uri" => or_none(message.request_uri()),
        "user" | "host" | "port" | "scheme" => of_uri(message.request_uri(), field),
        "status" => or_none(message.status()),
        "reason" => text(message.reason()),
        "call-id" => or_none(message.call_id()),
        "cseq" => message.cseq().map_or_else(fault, |it| it.number.to_string()),
        "max-forwards" => message.max_forwards().map_or_else(fault, or_none),
        "expires" => or_none(message.expires()),
        "length" => message.content_length().map_or_else(fault, or_none),
        "type" => or_none(message.content_type()),
        "via" => joined(message.list(Name::Via).map(via).collect()),
        "route" => joined(message.list(Name::Route).map(text).collect()),
        "require" => joined(message.list(Name::Require).map(text).collect()),
        "contact" => match message.contacts() {
            Ok(Contacts::List(list)) => or_none(list.first().map(|it| it.uri)),
            Ok(Contacts::Star) => "*".to_owned(),
            Err(it) => fault(it),
        },
        "contacts" => match message.contacts() {
            Ok(Contacts::List(list)) => joined(list.iter().map(|it| it.uri.to_owned()).collect()),
            other => format!("{other:?}"),
        },
        "body" => text(message.body()),
        _ => panic!("no field '{field}'"),
    }
}

/// A part of a header: `from.tag`, `to.user`, `contact.expires`, `other.X-Name`.
fn part(message: &Message, header: &str, of: &str) -> String {
    let address = match header {
        "from" => message.from(),
        "to" => message.to(),
        "contact" => NameAddr::parse(message.list(Name::Contact).next().unwrap_or_default()),
        "via" if of == "count" => return message.list(Name::Via).count().to_string(),
        "via" => return message.top_via().map_or_else(fault, |it| param(it.params, of)),
        "uri" => {
            let uri = message.request_uri().map(Uri::parse);
            return uri.map_or_else(String::new, |it| param(it.unwrap().params, of));
        }
        "other" => {
            let found = message.others().find(|it| it.0 == of);
            return or_none(found.map(|it| String::from_utf8_lossy(it.1)));
        }
        _ => panic!("no header '{header}'"),
    };
    let address = match address {
        Ok(it) => it,
        Err(it) => return fault(it),
    };
    match of {
        "display" => or_none(address.display),
        "uri" => address.uri.to_owned(),
        "user" => of_uri(Some(address.uri), of),
        _ => param(address.params, of),
    }
}

fn of_uri(uri: Option<&str>, of: &str) -> String {
    let uri = match Uri::parse(uri.unwrap_or_default()) {
        Ok(it) => it,
        Err(it) => return fault(it),
    };
    match of {
        "user" => or_none(uri.user_decoded().map(|it| it.into_owned())),
        "host" => uri.host.to_owned(),
        "port" => or_none(uri.port),
        _ => format!("{:?}", uri.scheme),
    }
}

/// Transport, host and port, branch.
fn via(value: &[u8]) -> String {
    Via::parse(value).map_or_else(fault, |it| {
        let port = or_none(it.port);
        format!("{} {} {port} {}", it.transport, it.host, or_none(it.branch()))
    })
}

fn param(params: Params<'_>, name: &str) -> String {
    or_none(params.get(name))
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |it| it.to_string())
}

fn fault(it: moonswitch::sip::message::Fault) -> String {
    format!("fault {it}")
}
