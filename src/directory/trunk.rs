//! A trunk: a way to a carrier and back, and what was agreed with it.
//!
//! What people send comes as [`TrunkFields`] and becomes a [`TrunkOrder`], which cannot be wrong,
//! also where fields depend on each other. Who sent several wrong fields is told of all of them.

mod address;
mod words;

use std::fmt;

use super::extension::{FieldError, error, number, text_of};
use super::{Number, TenantId, TrunkId, Uuid};

pub use address::Prefix;
pub use words::{CallerFormat, DidSource, IdentityHeader, InboundAuth, TrunkKind, TrunkTransport};

/// The most calls that one trunk can be given.
const CHANNELS_MAX: i64 = 10_000;
const CALLS_PER_SECOND_MAX: i64 = 1_000;
/// RFC 3261 §10.3 lets a registrar refuse less than an hour; carriers behind NAT want less.
const EXPIRES: std::ops::RangeInclusive<i64> = 30..=86_400;
/// 0 does not ask at all.
const PING_MIN: i64 = 5;
const PING_MAX: i64 = 3_600;
const PRIORITY_MAX: i64 = 1_000;
const LIST_MAX: usize = 64;
const NAME_MAX: usize = 32;

/// A way to a carrier.
#[derive(Clone, PartialEq, Eq)]
pub struct Trunk {
    /// Its name in numbers, never used again.
    pub id: TrunkId,
    /// Its name everywhere.
    pub uuid: Uuid,
    /// Whose it is.
    pub tenant: TenantId,
    /// What was agreed.
    pub terms: Terms,
    /// What proves who we are to the carrier, or the carrier to us; empty when nothing does.
    pub password: String,
}

/// What was agreed with a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What scripts call it: `trunk:NAME`.
    pub name: String,
    /// What people note about it.
    pub detail: String,
    /// Whether calls go through it.
    pub enabled: bool,
    /// Whether we register.
    pub kind: TrunkKind,
    /// The carrier's domain or address.
    pub host: String,
    /// Its port; without one DNS says (RFC 3263).
    pub port: Option<u16>,
    /// What carries the messages; without a word DNS says.
    pub transport: Option<TrunkTransport>,
    /// Where requests go instead of to the host: `host` or `host:port`.
    pub proxy: Option<String>,
    /// Who we are to the carrier.
    pub username: Option<String>,
    /// Who asks for the password, if it is not the host.
    pub realm: Option<String>,
    /// The host in our From and address-of-record, if it is not the host.
    pub from_domain: Option<String>,
    /// For how many seconds we register.
    pub expires: u32,
    /// Whether all numbers register at once (RFC 6140).
    pub bulk: bool,
    /// Where the carrier calls from, beside the addresses of its host.
    pub addresses: Vec<Prefix>,
    /// How a call that claims to be the carrier's proves it.
    pub inbound_auth: InboundAuth,
    /// Where the called number stands.
    pub did_source: DidSource,
    /// The number that our calls show, unless the extension has one of its own.
    pub caller_id: Option<Number>,
    /// Where our number stands.
    pub identity: IdentityHeader,
    /// How numbers are written towards the carrier.
    pub format: CallerFormat,
    /// The country that national numbers belong to: `49`.
    pub country: Option<String>,
    /// What stands before national numbers: `0`.
    pub national_prefix: String,
    /// What stands before international numbers: `00`.
    pub international_prefix: String,
    /// Calls at a time.
    pub channels: u32,
    /// New calls in a second.
    pub calls_per_second: u32,
    /// Codecs by name, the preferred first; none means all.
    pub codecs: Vec<String>,
    /// How often we ask whether it is there, in seconds; 0 never.
    pub ping: u32,
    /// Whether it is believed who calls, and told who calls although they want to stay unknown.
    pub trusted: bool,
    /// The lowest is tried first when nobody names a trunk.
    pub priority: u32,
}

/// What people send of a trunk. What is missing keeps its value or gets the usual one; an empty text
/// takes an optional value away.
#[derive(Clone, Default)]
#[expect(missing_docs, reason = "each is the raw form of the field of `Terms`")]
pub struct TrunkFields {
    pub name: Option<String>,
    pub detail: Option<String>,
    pub enabled: Option<bool>,
    pub kind: Option<String>,
    pub host: Option<String>,
    /// 0 takes it away.
    pub port: Option<i64>,
    pub transport: Option<String>,
    pub proxy: Option<String>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub realm: Option<String>,
    pub from_domain: Option<String>,
    pub expires: Option<i64>,
    pub bulk: Option<bool>,
    pub addresses: Option<Vec<String>>,
    pub inbound_auth: Option<String>,
    pub did_source: Option<String>,
    pub caller_id: Option<String>,
    pub identity: Option<String>,
    pub format: Option<String>,
    pub country: Option<String>,
    pub national_prefix: Option<String>,
    pub international_prefix: Option<String>,
    pub channels: Option<i64>,
    pub calls_per_second: Option<i64>,
    pub codecs: Option<Vec<String>>,
    pub ping: Option<i64>,
    pub trusted: Option<bool>,
    pub priority: Option<i64>,
}

/// A trunk as somebody wants it to be.
#[derive(Clone)]
pub struct TrunkOrder {
    /// What was agreed.
    pub terms: Terms,
    /// The password, if it is to be another one.
    pub password: Option<String>,
}

impl Terms {
    /// What is agreed when nothing is said.
    pub fn usual(name: String, host: String) -> Self {
        Self {
            name,
            detail: String::new(),
            enabled: true,
            kind: TrunkKind::default(),
            host,
            port: None,
            transport: None,
            proxy: None,
            username: None,
            realm: None,
            from_domain: None,
            expires: 600,
            bulk: false,
            addresses: Vec::new(),
            inbound_auth: InboundAuth::default(),
            did_source: DidSource::default(),
            caller_id: None,
            identity: IdentityHeader::default(),
            format: CallerFormat::default(),
            country: None,
            national_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
            channels: 30,
            calls_per_second: 10,
            codecs: Vec::new(),
            ping: 30,
            trusted: false,
            priority: 100,
        }
    }
}

impl TrunkOrder {
    /// Reads what people sent. What they did not is as in `before`, or as usual; `has_password` says
    /// whether there is one already.
    ///
    /// # Errors
    /// Every field that is wrong, by itself or beside the others.
    pub fn parse(
        fields: TrunkFields,
        before: Option<&Terms>,
        has_password: bool,
    ) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let nothing = Terms::usual(String::new(), String::new());
        let mut it = before.unwrap_or(&nothing).clone();
        let password = read(fields, &mut it, &mut wrong);
        for (field, value, why) in [
            ("name", &it.name, "a trunk needs a name"),
            ("host", &it.host, "a trunk needs the carrier's domain or address"),
        ] {
            if value.is_empty() && !wrong.iter().any(|it| it.field == field) {
                wrong.push(error(field, "", why));
            }
        }
        let proves = it.kind == TrunkKind::Register || it.inbound_auth == InboundAuth::Digest;
        let will_have = password.as_ref().map_or(has_password, |it| !it.is_empty());
        let needed = [
            ("username", proves && it.username.is_none()),
            ("password", (proves || it.username.is_some()) && !will_have),
        ];
        for (field, missing) in needed {
            if missing && !wrong.iter().any(|it| it.field == field) {
                let why = match it.kind {
                    TrunkKind::Register => "a trunk that registers needs a username and a password",
                    TrunkKind::Peer => "who proves something needs a username and a password",
                };
                wrong.push(error(field, "", why));
            }
        }
        if wrong.is_empty() { Ok(Self { terms: it, password }) } else { Err(wrong) }
    }
}

/// Takes over what was sent; returns the password.
fn read(fields: TrunkFields, it: &mut Terms, wrong: &mut Vec<FieldError>) -> Option<String> {
    fn set<T>(at: &mut T, to: Option<T>) {
        if let Some(to) = to {
            *at = to;
        }
    }
    let mut check = |field, value: Option<String>, fits: fn(&str) -> bool, why: &str| {
        let value = value?;
        if value.is_empty() || fits(&value) {
            return Some(value);
        }
        wrong.push(error(field, &value, why));
        None
    };
    let some = |it: Option<String>| it.map(|it| Some(it).filter(|it| !it.is_empty()));
    let why = "a name consists of lower case letters, digits, - and _, at most 32";
    set(&mut it.name, check("name", fields.name, is_name, why));
    let why = "a domain or an address is wanted, without a port";
    set(&mut it.host, check("host", fields.host, address::is_host, why));
    let why = "a domain or an address is wanted, with or without a port";
    set(&mut it.proxy, some(check("proxy", fields.proxy, address::is_host_and_port, why)));
    let why = "a domain or an address is wanted";
    let from_domain = check("from_domain", fields.from_domain, address::is_host, why);
    set(&mut it.from_domain, some(from_domain));
    let why = "letters, digits and - _ . ! ~ * ' ( ) & = + $ , are wanted, at most 128";
    set(&mut it.username, some(check("username", fields.username, is_user, why)));
    let why = "text without quotes, backslashes and control characters is wanted";
    set(&mut it.realm, some(check("realm", fields.realm, is_realm, why)));
    let why = "1 to 3 digits are wanted, without + and 00";
    set(&mut it.country, some(check("country", fields.country, is_country, why)));
    let why = "at most 4 digits are wanted";
    let prefix = check("national_prefix", fields.national_prefix, is_prefix, why);
    set(&mut it.national_prefix, prefix);
    let prefix = check("international_prefix", fields.international_prefix, is_prefix, why);
    set(&mut it.international_prefix, prefix);

    set(&mut it.enabled, fields.enabled);
    set(&mut it.bulk, fields.bulk);
    set(&mut it.trusted, fields.trusted);
    set(&mut it.kind, words::read("kind", fields.kind, wrong));
    set(&mut it.inbound_auth, words::read("inbound_auth", fields.inbound_auth, wrong));
    set(&mut it.did_source, words::read("did_source", fields.did_source, wrong));
    set(&mut it.identity, words::read("identity", fields.identity, wrong));
    set(&mut it.format, words::read("format", fields.format, wrong));
    match fields.transport {
        Some(word) if word.is_empty() => it.transport = None,
        word => {
            if let Some(way) = words::read("transport", word, wrong) {
                it.transport = Some(way);
            }
        }
    }

    let mut count = |field, value: Option<i64>, range: std::ops::RangeInclusive<i64>| {
        let value = value?;
        if range.contains(&value) {
            return u32::try_from(value).ok();
        }
        let why = format!("a number from {} to {} is wanted", range.start(), range.end());
        wrong.push(error(field, &value.to_string(), &why));
        None
    };
    set(&mut it.expires, count("expires", fields.expires, EXPIRES));
    set(&mut it.channels, count("channels", fields.channels, 1..=CHANNELS_MAX));
    let per_second = count("calls_per_second", fields.calls_per_second, 1..=CALLS_PER_SECOND_MAX);
    set(&mut it.calls_per_second, per_second);
    set(&mut it.priority, count("priority", fields.priority, 1..=PRIORITY_MAX));
    match fields.ping {
        Some(0) => it.ping = 0,
        ping => set(&mut it.ping, count("ping", ping, PING_MIN..=PING_MAX)),
    }
    match fields.port {
        Some(0) => it.port = None,
        port => {
            let port = count("port", port, 1..=65_535).and_then(|it| u16::try_from(it).ok());
            set(&mut it.port, port.map(Some));
        }
    }

    set(&mut it.addresses, list("addresses", fields.addresses, Prefix::parse, wrong));
    let codec = |text: &str| words::is_codec(text).then(|| text.to_ascii_lowercase());
    set(&mut it.codecs, list("codecs", fields.codecs, codec, wrong));
    set(&mut it.detail, fields.detail.and_then(|it| text_of("detail", it, wrong)));
    if let Some(text) = fields.caller_id {
        match text.is_empty() {
            true => it.caller_id = None,
            false => set(&mut it.caller_id, number("caller_id", &text, wrong).map(Some)),
        }
    }
    // It is the carrier's to say how good it has to be; it is ours that it can be sent.
    fields.password.filter(|it| {
        let fits = it.len() <= 128 && !it.chars().any(char::is_control);
        if !fits {
            let why = "a password is at most 128 bytes without control characters";
            wrong.push(error("password", "", why));
        }
        fits
    })
}

fn list<T>(
    field: &'static str,
    texts: Option<Vec<String>>,
    one: impl Fn(&str) -> Option<T>,
    wrong: &mut Vec<FieldError>,
) -> Option<Vec<T>> {
    let texts = texts?;
    if texts.len() > LIST_MAX {
        wrong.push(error(field, "", &format!("at most {LIST_MAX} are taken")));
        return None;
    }
    let mut all = Vec::new();
    for text in &texts {
        match one(text) {
            Some(it) => all.push(it),
            None => {
                let why = match field {
                    "addresses" => "an address or a network is wanted: 192.0.2.1, 192.0.2.0/24",
                    _ => "a codec is one of opus, pcma, pcmu, g722",
                };
                wrong.push(error(field, text, why));
                return None;
            }
        }
    }
    Some(all)
}

/// A name is part of a script's `trunk:NAME/number` and of a path in REST.
fn is_name(text: &str) -> bool {
    let letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_".contains(&it);
    let starts = text.starts_with(|it: char| it.is_ascii_lowercase());
    text.len() <= NAME_MAX && starts && text.bytes().all(letter)
}

/// The user part of a SIP URI without escapes (RFC 3261 §25.1).
fn is_user(text: &str) -> bool {
    let safe = |it: u8| it.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(&it);
    text.len() <= 128 && text.bytes().all(safe)
}

fn is_realm(text: &str) -> bool {
    text.len() <= 128 && !text.chars().any(|it| it.is_control() || matches!(it, '"' | '\\'))
}

fn is_country(text: &str) -> bool {
    text.len() <= 3 && text.bytes().all(|it| it.is_ascii_digit()) && !text.starts_with('0')
}

fn is_prefix(text: &str) -> bool {
    text.len() <= 4 && text.bytes().all(|it| it.is_ascii_digit())
}

/// Never shows the password.
impl fmt::Debug for Trunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trunk")
            .field("id", &self.id)
            .field("name", &self.terms.name)
            .finish_non_exhaustive()
    }
}

/// Never shows the password.
impl fmt::Debug for TrunkOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrunkOrder").field("terms", &self.terms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
