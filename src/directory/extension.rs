//! An extension, and how one is asked for or changed.
//!
//! What people send comes as [`Fields`] and becomes a [`NewExtension`] or a [`ChangeExtension`],
//! which cannot be wrong. Who sent several wrong fields is told of all of them at once.

use std::fmt;

use super::{DomainId, ExtensionId, Number, TEXT_MAX, TenantId, Uuid, is_plain, password};

/// The most phones that one extension may have.
pub const CONTACTS_MAX: u8 = 10;

/// The most messages that a mailbox is said to hold.
const MESSAGES_MAX: u32 = 9_999;

/// A person or desk of the house, with the password that its phones register with.
#[derive(Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its name in numbers, never used again.
    pub id: ExtensionId,
    /// Its name everywhere.
    pub uuid: Uuid,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where its address ends.
    pub domain: DomainId,
    /// What others dial, and the user part of its SIP address.
    pub number: Number,
    /// What displays show.
    pub name: String,
    /// What people note about it.
    pub detail: String,
    /// What its phones prove.
    pub password: String,
    /// Whether it may register and be called; if not, it is as if it were not there.
    pub enabled: bool,
    /// What it is for.
    pub kind: Kind,
    /// What others see when it calls out.
    pub caller_id: CallerId,
    /// How many phones it may have at once.
    pub max_contacts: u8,
    /// Whether it wants to be left alone.
    pub dnd: bool,
    /// Where its calls go instead.
    pub forwards: Forwards,
    /// What lies in its mailbox, as whoever keeps it has told.
    pub waiting: Waiting,
}

/// What lies in a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages that nobody has heard.
    pub new: u32,
    /// Messages that somebody has kept.
    pub old: u32,
}

/// What an extension is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A person's phones.
    #[default]
    Standard,
    /// Something that has a line: a fax, a door.
    Line,
    /// For some days.
    ShortTerm,
    /// A browser.
    Webrtc,
}

/// What others see when an extension calls out; nothing here means its own number and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerId {
    /// The name.
    pub name: Option<String>,
    /// The number.
    pub number: Option<Number>,
}

/// Where calls of an extension go instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwards {
    /// At once.
    pub all: Option<Number>,
    /// When it is busy.
    pub busy: Option<Number>,
    /// When nobody answers.
    pub no_answer: Option<Number>,
    /// When no phone is registered.
    pub not_registered: Option<Number>,
}

/// What people send of an extension. What is missing keeps its value or gets the usual one; an
/// empty text takes an optional value away.
#[derive(Clone, Default)]
#[expect(missing_docs, reason = "each is the raw form of the field of `Extension`")]
pub struct Fields {
    pub number: Option<String>,
    pub name: Option<String>,
    pub detail: Option<String>,
    pub password: Option<String>,
    pub enabled: Option<bool>,
    pub kind: Option<String>,
    pub caller_id_name: Option<String>,
    pub caller_id_number: Option<String>,
    pub max_contacts: Option<i64>,
    pub dnd: Option<bool>,
    pub forward_all: Option<String>,
    pub forward_busy: Option<String>,
    pub forward_no_answer: Option<String>,
    pub forward_not_registered: Option<String>,
    pub messages_new: Option<i64>,
    pub messages_old: Option<i64>,
}

/// A field is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Which, by its name in [`Fields`].
    pub field: &'static str,
    /// What was sent, shortened; nothing for a password.
    pub value_shown: String,
    /// What is wrong with it, for people.
    pub why: String,
}

/// An extension that somebody asks for.
#[derive(Clone)]
pub struct NewExtension {
    number: Number,
    name: String,
    password: Option<String>,
    rest: ChangeExtension,
}

/// What is to become different about an extension.
#[derive(Clone, Default)]
pub struct ChangeExtension {
    number: Option<Number>,
    name: Option<String>,
    detail: Option<String>,
    password: Option<String>,
    enabled: Option<bool>,
    kind: Option<Kind>,
    caller_id_name: Option<Option<String>>,
    caller_id_number: Option<Option<Number>>,
    max_contacts: Option<u8>,
    dnd: Option<bool>,
    forward_all: Option<Option<Number>>,
    forward_busy: Option<Option<Number>>,
    forward_no_answer: Option<Option<Number>>,
    forward_not_registered: Option<Option<Number>>,
    messages_new: Option<u32>,
    messages_old: Option<u32>,
}

impl Extension {
    /// An extension of the first tenant with nothing special about it.
    pub fn new(id: ExtensionId, number: Number, name: String, password: String) -> Self {
        Self {
            id,
            uuid: Uuid::NIL,
            tenant: TenantId::FIRST,
            domain: DomainId::FIRST,
            number,
            name,
            detail: String::new(),
            password,
            enabled: true,
            kind: Kind::default(),
            caller_id: CallerId::default(),
            max_contacts: CONTACTS_MAX,
            dnd: false,
            forwards: Forwards::default(),
            waiting: Waiting::default(),
        }
    }
}

impl NewExtension {
    /// Reads what people sent.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn parse(fields: Fields) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        if fields.number.is_none() {
            wrong.push(error("number", "", "an extension needs a number"));
        }
        let mut rest = ChangeExtension::read(fields, None, &mut wrong);
        match (rest.number.take(), wrong.is_empty()) {
            (Some(number), true) => Ok(Self {
                name: rest.name.take().unwrap_or_else(|| number.to_string()),
                password: rest.password.take(),
                number,
                rest,
            }),
            _ => Err(wrong),
        }
    }

    /// Whether a password has to be made for it.
    pub fn needs_password(&self) -> bool {
        self.password.is_none()
    }

    /// The extension, once it has its ids; `made` is its password if none was sent.
    pub fn born(
        self,
        (id, uuid): (ExtensionId, Uuid),
        (tenant, domain): (TenantId, DomainId),
        made: String,
    ) -> Extension {
        let password = self.password.unwrap_or(made);
        let mut it = Extension::new(id, self.number, self.name, password);
        it.uuid = uuid;
        it.tenant = tenant;
        it.domain = domain;
        self.rest.apply(&mut it);
        it
    }
}

impl ChangeExtension {
    /// Reads what people sent to change this extension.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn parse(fields: Fields, now: &Number) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let it = Self::read(fields, Some(now), &mut wrong);
        if wrong.is_empty() { Ok(it) } else { Err(wrong) }
    }

    /// Makes the change.
    pub fn apply(self, it: &mut Extension) {
        fn set<T>(at: &mut T, to: Option<T>) {
            if let Some(to) = to {
                *at = to;
            }
        }
        set(&mut it.number, self.number);
        set(&mut it.name, self.name);
        set(&mut it.detail, self.detail);
        set(&mut it.password, self.password);
        set(&mut it.enabled, self.enabled);
        set(&mut it.kind, self.kind);
        set(&mut it.caller_id.name, self.caller_id_name);
        set(&mut it.caller_id.number, self.caller_id_number);
        set(&mut it.max_contacts, self.max_contacts);
        set(&mut it.dnd, self.dnd);
        set(&mut it.forwards.all, self.forward_all);
        set(&mut it.forwards.busy, self.forward_busy);
        set(&mut it.forwards.no_answer, self.forward_no_answer);
        set(&mut it.forwards.not_registered, self.forward_not_registered);
        set(&mut it.waiting.new, self.messages_new);
        set(&mut it.waiting.old, self.messages_old);
    }

    fn read(fields: Fields, now: Option<&Number>, wrong: &mut Vec<FieldError>) -> Self {
        let number = fields.number.and_then(|it| number("number", &it, wrong));
        let password = fields.password.filter(|it| {
            // Also without a number, or with a wrong one, the other rules hold.
            let none = Number(String::new());
            let own = number.as_ref().or(now).unwrap_or(&none);
            let why = password::weakness(it, own);
            wrong.extend(why.as_ref().map(|why| error("password", "", why)));
            why.is_none()
        });
        let mut forward = |field, text: Option<String>| {
            text.map(|it| if it.is_empty() { None } else { self::number(field, &it, wrong) })
        };
        let forward_all = forward("forward_all", fields.forward_all);
        let forward_busy = forward("forward_busy", fields.forward_busy);
        let forward_no_answer = forward("forward_no_answer", fields.forward_no_answer);
        let forward_not_registered =
            forward("forward_not_registered", fields.forward_not_registered);
        let caller_id_number = forward("caller_id_number", fields.caller_id_number);
        let kind = fields.kind.and_then(|it| {
            let kind = Kind::from_word(&it);
            if kind.is_none() {
                let words: Vec<&str> = KINDS.iter().map(|it| it.1).collect();
                wrong.push(error("kind", &it, &format!("a kind is one of {}", words.join(", "))));
            }
            kind
        });
        let max_contacts = fields.max_contacts.and_then(|it| {
            let fits = u8::try_from(it).ok().filter(|it| (1..=CONTACTS_MAX).contains(it));
            if fits.is_none() {
                let why = format!("an extension has 1 to {CONTACTS_MAX} phones");
                wrong.push(error("max_contacts", &it.to_string(), &why));
            }
            fits
        });
        let mut messages = |field, count: Option<i64>| {
            let count = count?;
            let fits = u32::try_from(count).ok().filter(|it| *it <= MESSAGES_MAX);
            if fits.is_none() {
                let why = format!("a mailbox holds 0 to {MESSAGES_MAX} messages");
                wrong.push(error(field, &count.to_string(), &why));
            }
            fits
        };
        let messages_new = messages("messages_new", fields.messages_new);
        let messages_old = messages("messages_old", fields.messages_old);
        let mut plain = |field, text: Option<String>| text.and_then(|it| text_of(field, it, wrong));
        Self {
            name: plain("name", fields.name),
            detail: plain("detail", fields.detail),
            caller_id_name: plain("caller_id_name", fields.caller_id_name)
                .map(|it| Some(it).filter(|it| !it.is_empty())),
            number,
            password,
            enabled: fields.enabled,
            kind,
            caller_id_number,
            max_contacts,
            dnd: fields.dnd,
            forward_all,
            forward_busy,
            forward_no_answer,
            forward_not_registered,
            messages_new,
            messages_old,
        }
    }
}

impl Kind {
    /// Its word.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|it| it.0 == self).map_or("standard", |it| it.1)
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        KINDS.iter().find(|it| it.1 == word).map(|it| it.0)
    }
}

/// Never shows the password.
impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension")
            .field("id", &self.id)
            .field("number", &self.number)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Never shows the password.
impl fmt::Debug for NewExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewExtension").field("number", &self.number).finish_non_exhaustive()
    }
}

const KINDS: &[(Kind, &str)] = &[
    (Kind::Standard, "standard"),
    (Kind::Line, "line"),
    (Kind::ShortTerm, "short_term"),
    (Kind::Webrtc, "webrtc"),
];

pub(super) fn number(
    field: &'static str,
    text: &str,
    wrong: &mut Vec<FieldError>,
) -> Option<Number> {
    let it = Number::parse(text);
    if it.is_none() {
        let why = "a number consists of letters, digits and + - . _ * #, at most 64";
        wrong.push(error(field, text, why));
    }
    it
}

pub(super) fn text_of(
    field: &'static str,
    text: String,
    wrong: &mut Vec<FieldError>,
) -> Option<String> {
    if is_plain(&text) {
        return Some(text);
    }
    let why = format!("at most {TEXT_MAX} characters without control characters");
    wrong.push(error(field, &text, &why));
    None
}

pub(super) fn error(field: &'static str, value: &str, why: &str) -> FieldError {
    let value_shown = value.chars().take(64).flat_map(char::escape_debug).collect();
    FieldError { field, value_shown, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(number: &str) -> Fields {
        Fields { number: Some(number.into()), ..Fields::default() }
    }

    #[test]
    fn who_sends_several_wrong_fields_is_told_of_all_of_them() {
        let wrong = NewExtension::parse(Fields {
            name: Some("Ann\r\n".into()),
            password: Some("geheim".into()),
            kind: Some("webcam".into()),
            max_contacts: Some(300),
            forward_busy: Some("10 02".into()),
            ..fields("1001")
        })
        .unwrap_err();
        let mut names: Vec<&str> = wrong.iter().map(|it| it.field).collect();
        names.sort_unstable();
        assert_eq!(names, ["forward_busy", "kind", "max_contacts", "name", "password"]);
        assert!(!format!("{wrong:?}").contains("geheim"));
        assert!(NewExtension::parse(Fields::default()).is_err());
    }

    #[test]
    fn what_is_not_sent_gets_the_usual_value() {
        let new = NewExtension::parse(fields("1001")).unwrap();
        assert!(new.needs_password());
        let it = new.born(
            (ExtensionId(7), Uuid::NIL),
            (TenantId::FIRST, DomainId::FIRST),
            "made".into(),
        );
        let usual = Extension::new(it.id, it.number.clone(), "1001".to_owned(), "made".to_owned());
        assert_eq!(it, usual);
    }

    #[test]
    fn an_empty_text_takes_a_forward_away_and_a_missing_one_keeps_it() {
        let number = Number::parse("1001").unwrap();
        let mut it = Extension::new(ExtensionId(1), number.clone(), "Ann".into(), "x".into());
        it.forwards.all = Number::parse("1002");
        it.forwards.busy = Number::parse("1003");
        let change = Fields { forward_all: Some(String::new()), ..Fields::default() };
        ChangeExtension::parse(change, &number).unwrap().apply(&mut it);
        assert_eq!(it.forwards.all, None);
        assert_eq!(it.forwards.busy, Number::parse("1003"));
    }

    #[test]
    fn a_password_that_is_the_number_is_weak_also_in_a_change() {
        let number = Number::parse("20012002").unwrap();
        let change = Fields { password: Some("20012002".into()), ..Fields::default() };
        assert!(ChangeExtension::parse(change, &number).is_err());
    }

    #[test]
    fn a_password_is_never_shown() {
        let number = Number::parse("1001").unwrap();
        let it = Extension::new(ExtensionId(1), number, "Ann".into(), "geheim".into());
        assert!(!format!("{it:?}").contains("geheim"));
    }
}
