//! The event packages that we serve (RFC 6665 §5), and what an Event header asks for.

use crate::sip::message::{Message, Name};

/// All of them, as Allow-Events says it.
pub const ALLOW_EVENTS: &str = "dialog, presence, message-summary";

/// What one can be told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Package {
    /// Who is on the phone (RFC 4235).
    Dialog,
    /// Whether somebody can be reached (RFC 3856).
    Presence,
    /// How many messages wait (RFC 3842).
    Summary,
}

/// What a subscription is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The kind of news.
    pub package: Package,
    /// Of whom: an extension's number.
    pub resource: String,
    /// The address that the subscriber knows it by.
    pub entity: String,
    /// What the subscriber calls it (RFC 6665 §8.2.1).
    pub id: Option<String>,
}

/// Why a SUBSCRIBE asks for nothing that we have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// No package of that name: 489.
    BadEvent,
    /// Its documents have another type than the subscriber reads: 406.
    NotAcceptable,
}

impl Package {
    const ALL: [Self; 3] = [Self::Dialog, Self::Presence, Self::Summary];

    /// Its name in Event.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dialog => "dialog",
            Self::Presence => "presence",
            Self::Summary => "message-summary",
        }
    }

    /// The package of that name.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word().eq_ignore_ascii_case(word))
    }

    /// The type of its documents.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Dialog => "application/dialog-info+xml",
            Self::Presence => "application/pidf+xml",
            Self::Summary => "application/simple-message-summary",
        }
    }
}

impl Topic {
    /// What a SUBSCRIBE asks to be told about this resource.
    ///
    /// # Errors
    /// When we have nothing like it.
    pub fn of(subscribe: &Message, resource: String) -> Result<Self, Unserved> {
        let value = subscribe.text(Name::Event).unwrap_or_default();
        let mut pieces = value.split(';').map(str::trim);
        let package = pieces.next().and_then(Package::of).ok_or(Unserved::BadEvent)?;
        let id = pieces.find_map(|it| it.strip_prefix("id=")).map(|it| it.trim().to_owned());
        // RFC 6665 §3.1.3: no Accept means the package's own type.
        let mut accepts = subscribe.list(Name::Accept).peekable();
        let is_fit = accepts.peek().is_none() || accepts.any(|it| fits(it, package.content_type()));
        if !is_fit {
            return Err(Unserved::NotAcceptable);
        }
        let to = subscribe.to().map(|it| it.uri).unwrap_or_default();
        let entity = to.split([';', '?']).next().unwrap_or_default().to_owned();
        Ok(Self { package, resource, entity, id })
    }

    /// As a NOTIFY says it.
    pub fn header(&self) -> String {
        match &self.id {
            Some(id) => format!("{};id={id}", self.package.word()),
            None => self.package.word().to_owned(),
        }
    }
}

/// Whether a value of Accept means this type (RFC 3261 §20.1).
fn fits(range: &[u8], kind: &str) -> bool {
    let range = String::from_utf8_lossy(range);
    let range = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    range == kind || range == "*/*" || range == "application/*"
}
