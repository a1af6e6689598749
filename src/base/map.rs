//! Hash maps keyed from the seeded generator: default hashing would break determinism, a fixed
//! hash would invite flooding.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

use super::Rng;

/// A hash map with a key of its own.
pub type Map<K, V> = HashMap<K, V, Keyed>;
/// A hash set with a key of its own.
pub type Set<K> = HashSet<K, Keyed>;

/// Builds hashers with one secret key.
#[derive(Clone, Copy, Debug)]
pub struct Keyed(u64, u64);

impl Keyed {
    /// A new secret key.
    pub fn new(rng: &mut Rng) -> Self {
        Self(rng.bits(), rng.bits())
    }

    /// An empty map with this key.
    pub fn map<K, V>(self) -> Map<K, V> {
        HashMap::with_hasher(self)
    }

    /// An empty set with this key.
    pub fn set<K>(self) -> Set<K> {
        HashSet::with_hasher(self)
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}
