//! Names of provisioned rows: a small number for people, and a UUID for those who ask for one.

use std::fmt;

use crate::base::{Rng, Wall};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// Who owns rows; nobody sees the rows of another.
    TenantId,
    /// A host that SIP addresses end in.
    DomainId,
    /// An extension.
    ExtensionId,
    /// A trunk.
    TrunkId,
}

impl TenantId {
    /// The tenant that a house begins with.
    pub const FIRST: Self = Self(1);
}

impl DomainId {
    /// The domain that a house begins with.
    pub const FIRST: Self = Self(1);
}

/// 128 bits that name a row everywhere (RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Names nothing (RFC 9562 §5.9).
    pub const NIL: Self = Self([0; 16]);

    /// A new one: 48 bits of milliseconds, then chance (RFC 9562 §5.7, version 7).
    pub fn new(now: Wall, rng: &mut Rng) -> Self {
        let mut it = [0; 16];
        rng.fill(&mut it);
        let millis = (now.0 / 1000).to_be_bytes();
        it[..6].copy_from_slice(&millis[2..]);
        it[6] = it[6] & 0x0f | 0x70;
        it[8] = it[8] & 0x3f | 0x80;
        Self(it)
    }

    /// Reads 32 hexadecimal digits, with hyphens where they belong or without any.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let hyphens = [8, 13, 18, 23];
        let digits: Vec<u8> = match bytes.len() {
            32 => bytes.to_vec(),
            36 if hyphens.iter().all(|it| bytes[*it] == b'-') => {
                let rest = bytes.iter().enumerate().filter(|it| !hyphens.contains(&it.0));
                rest.map(|it| *it.1).collect()
            }
            _ => return None,
        };
        let mut it = [0; 16];
        for (at, pair) in digits.chunks_exact(2).enumerate() {
            let digit = |it: u8| char::from(it).to_digit(16);
            it[at] = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
        }
        Some(Self(it))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_of_version_7_and_sorts_by_its_time() {
        let mut rng = Rng::from_seed(1);
        let early = Uuid::new(Wall(1_700_000_000_000_000), &mut rng);
        let late = Uuid::new(Wall(1_700_000_000_001_000), &mut rng);
        assert!(early < late);
        let text = early.to_string();
        assert_eq!((text.len(), &text[14..15]), (36, "7"));
        assert!("89ab".contains(&text[19..20]), "{text}");
    }

    #[test]
    fn a_uuid_is_read_as_it_is_written_and_nothing_else_is() {
        let it = Uuid::new(Wall(7), &mut Rng::from_seed(2));
        assert_eq!(Uuid::parse(&it.to_string()), Some(it));
        assert_eq!(Uuid::parse(&it.to_string().replace('-', "").to_uppercase()), Some(it));
        for bad in ["", "0190", "ü0000000-0000-7000-8000-00000000000", &"-".repeat(36)] {
            assert_eq!(Uuid::parse(bad), None, "{bad:?}");
        }
    }
}
