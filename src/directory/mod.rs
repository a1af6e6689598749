//! What people provision, parsed and consistent. Changes come in as [`Delta`]s and take effect for
//! the next message.
//!
//! The room knows names and numbers, not where they are stored.

mod extension;
mod id;
pub mod password;
mod trunk;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use extension::{
    CONTACTS_MAX, CallerId, ChangeExtension, Extension, FieldError, Fields, Forwards, Kind,
    NewExtension, Waiting,
};
pub use id::{DomainId, ExtensionId, TenantId, TrunkId, Uuid};
pub use trunk::{
    CallerFormat, DidSource, IdentityHeader, InboundAuth, Prefix, Terms, Trunk, TrunkFields,
    TrunkKind, TrunkOrder, TrunkTransport,
};

/// The longest name, note and password, in characters.
const TEXT_MAX: usize = 128;

/// Everything provisioned.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    extensions: BTreeMap<DomainId, BTreeMap<Number, Arc<Extension>>>,
    /// Where each extension stands, so that one that is renamed or deleted is found.
    places: BTreeMap<ExtensionId, (DomainId, Number)>,
    trunks: BTreeMap<TrunkId, Arc<Trunk>>,
    prompts: BTreeMap<String, Arc<Prompt>>,
}

/// One change of the directory. It costs what it changes, however much is provisioned.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "changes are few, and each is moved once or twice")]
pub enum Delta {
    /// An extension is new or has changed, perhaps its number too.
    Extension(Extension),
    /// An extension is deleted.
    ExtensionGone(ExtensionId),
    /// A trunk is new or has changed.
    Trunk(Box<Trunk>),
    /// A trunk is deleted.
    TrunkGone(TrunkId),
    /// A prompt is new or has changed.
    Prompt(Prompt),
}

/// An extension's number: a token that is safe in a URI, a header and a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(String);

/// A decoded prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What scripts call it.
    pub name: String,
    /// Samples a second: 8,000, 16,000 or 48,000.
    pub rate: u32,
    /// Mono samples.
    pub samples: Arc<[i16]>,
}

impl Directory {
    /// Takes a change over.
    pub fn apply(&mut self, delta: Delta) {
        match delta {
            Delta::Extension(it) => self.put(it),
            Delta::ExtensionGone(id) => self.remove(id),
            Delta::Trunk(it) => _ = self.trunks.insert(it.id, Arc::new(*it)),
            Delta::TrunkGone(id) => _ = self.trunks.remove(&id),
            Delta::Prompt(it) => {
                self.prompts.insert(it.name.clone(), Arc::new(it));
            }
        }
    }

    /// The extension of this number in the first domain, if it is enabled.
    pub fn extension(&self, number: &str) -> Option<&Arc<Extension>> {
        self.extension_in(DomainId::FIRST, number)
    }

    /// The extension of this number in a domain, if it is enabled.
    pub fn extension_in(&self, domain: DomainId, number: &str) -> Option<&Arc<Extension>> {
        self.extensions.get(&domain)?.get(number).filter(|it| it.enabled)
    }

    /// The extension of this id, enabled or not.
    pub fn extension_of(&self, id: ExtensionId) -> Option<&Arc<Extension>> {
        let (domain, number) = self.places.get(&id)?;
        self.extensions.get(domain)?.get(number)
    }

    /// The trunks of the house, also those that are not enabled, the oldest first.
    pub fn trunks(&self) -> impl Iterator<Item = &Arc<Trunk>> {
        self.trunks.values()
    }

    /// The trunk of this id, enabled or not.
    pub fn trunk(&self, id: TrunkId) -> Option<&Arc<Trunk>> {
        self.trunks.get(&id)
    }

    /// The prompt of this name.
    pub fn prompt(&self, name: &str) -> Option<&Arc<Prompt>> {
        self.prompts.get(name)
    }

    /// The newest extension has a number, whoever had it before.
    fn put(&mut self, it: Extension) {
        self.remove(it.id);
        self.places.insert(it.id, (it.domain, it.number.clone()));
        let all = self.extensions.entry(it.domain).or_default();
        if let Some(before) = all.insert(it.number.clone(), Arc::new(it)) {
            self.places.remove(&before.id);
        }
    }

    fn remove(&mut self, id: ExtensionId) {
        if let Some((domain, number)) = self.places.remove(&id)
            && let Some(all) = self.extensions.get_mut(&domain)
        {
            all.remove(&number);
        }
    }
}

impl Number {
    /// The longest number there may be.
    pub const LEN_MAX: usize = 64;

    /// Reads a number: letters, digits and `+ - . _ * #`, at most 64 of them.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::LEN_MAX;
        let safe = |it: u8| it.is_ascii_alphanumeric() || b"+-._*#".contains(&it);
        (fits && text.bytes().all(safe)).then(|| Self(text.to_owned()))
    }

    /// As people write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Number {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Short, and nothing in it that a terminal or a header would take for more than text.
fn is_plain(text: &str) -> bool {
    text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_safe_token() {
        assert!(Number::parse("1001").is_some());
        assert!(Number::parse("*43").is_some());
        for bad in ["", "10 01", "a@b", "a\r\nb", "../x", "ü"] {
            assert_eq!(Number::parse(bad), None, "{bad:?}");
        }
    }

    fn extension(id: i64, number: &str) -> Extension {
        let number = Number::parse(number).unwrap();
        Extension::new(ExtensionId(id), number, "Ann".into(), "secret".into())
    }

    #[test]
    fn a_renamed_extension_is_found_at_its_new_number_only() {
        let mut all = Directory::default();
        all.apply(Delta::Extension(extension(1, "1001")));
        all.apply(Delta::Extension(extension(1, "1002")));
        assert!(all.extension("1001").is_none());
        assert!(all.extension("1002").is_some());
        all.apply(Delta::ExtensionGone(ExtensionId(1)));
        assert!(all.extension("1002").is_none());
    }

    #[test]
    fn a_number_belongs_to_who_had_it_last() {
        let mut all = Directory::default();
        all.apply(Delta::Extension(extension(1, "1001")));
        all.apply(Delta::Extension(extension(2, "1001")));
        all.apply(Delta::ExtensionGone(ExtensionId(1)));
        assert_eq!(all.extension("1001").unwrap().id, ExtensionId(2));
    }

    #[test]
    fn a_disabled_extension_is_as_if_it_were_not_there() {
        let mut all = Directory::default();
        all.apply(Delta::Extension(Extension { enabled: false, ..extension(1, "1001") }));
        assert!(all.extension("1001").is_none());
        all.apply(Delta::Extension(extension(1, "1001")));
        assert!(all.extension("1001").is_some());
    }

    #[test]
    fn two_domains_may_have_the_same_number() {
        let mut all = Directory::default();
        let other = DomainId(2);
        all.apply(Delta::Extension(extension(1, "1001")));
        all.apply(Delta::Extension(Extension { domain: other, ..extension(2, "1001") }));
        assert_eq!(all.extension("1001").unwrap().id, ExtensionId(1));
        assert_eq!(all.extension_in(other, "1001").unwrap().id, ExtensionId(2));
    }
}
