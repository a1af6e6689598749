//! What people provision, parsed and consistent. Changes come in as [`Delta`]s and take effect for
//! the next message.
//!
//! The room knows names and numbers, not where they are stored.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Everything provisioned.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    extensions: BTreeMap<Number, Arc<Extension>>,
    prompts: BTreeMap<String, Arc<Prompt>>,
}

/// One change of the directory.
#[derive(Clone, Debug)]
pub enum Delta {
    /// An extension is new or has changed.
    Extension(Extension),
    /// A prompt is new or has changed.
    Prompt(Prompt),
}

/// A person or desk of the house, with the password that its phones register with.
#[derive(Clone, PartialEq, Eq)]
pub struct Extension {
    /// What others dial, and the user part of its SIP address.
    pub number: Number,
    /// What displays show.
    pub name: String,
    /// What its phones prove.
    pub password: String,
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
            Delta::Extension(it) => {
                self.extensions.insert(it.number.clone(), Arc::new(it));
            }
            Delta::Prompt(it) => {
                self.prompts.insert(it.name.clone(), Arc::new(it));
            }
        }
    }

    /// The extension of this number.
    pub fn extension(&self, number: &str) -> Option<&Arc<Extension>> {
        self.extensions.get(number)
    }

    /// The prompt of this name.
    pub fn prompt(&self, name: &str) -> Option<&Arc<Prompt>> {
        self.prompts.get(name)
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

/// Never shows the password.
impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension")
            .field("number", &self.number)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
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

    #[test]
    fn a_password_is_never_shown() {
        let number = Number::parse("1001").unwrap();
        let it = Extension { number, name: "Ann".into(), password: "geheim".into() };
        assert!(!format!("{it:?}").contains("geheim"));
    }
}
