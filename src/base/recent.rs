//! A map that remembers what was used lately and has an end: what has rested longest goes first.

use std::hash::Hash;

use super::Map;
use super::map::Keyed;

/// At most `max` entries, in two halves. What is used moves to the young half; when that is full it
/// becomes the old one, and what was in the old one has not been used for a long time and goes. So
/// nothing is sorted, and strangers who invent keys pay for it with their own entries.
#[derive(Clone, Debug)]
pub struct Recent<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
    hash: Keyed,
    half: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// An empty map for at most `max` entries, and for two at least.
    pub fn new(hash: Keyed, max: usize) -> Self {
        Self { young: hash.map(), old: hash.map(), hash, half: (max / 2).max(1) }
    }

    /// The entry of this key, which is used by that.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// The entry of this key, made if there is none.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) {
            let kept = self.old.remove(&key);
            self.make_room();
            return self.young.entry(key).or_insert_with(|| kept.unwrap_or_else(make));
        }
        self.young.entry(key).or_insert_with(make)
    }

    /// Puts an entry in, in the place of one with the same key.
    pub fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if !self.young.contains_key(&key) {
            self.make_room();
        }
        self.young.insert(key, value);
    }

    /// Whether there is an entry; this does not use it.
    pub fn contains(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn make_room(&mut self) {
        if self.young.len() >= self.half {
            self.old = std::mem::replace(&mut self.young, self.hash.map());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    #[test]
    fn what_is_used_stays_however_many_come_and_the_number_is_bounded() {
        let mut it = Recent::new(Keyed::new(&mut Rng::from_seed(1)), 100);
        it.insert(0, "first");
        for key in 1..10_000 {
            it.insert(key, "stranger");
            assert!(it.len() <= 100, "{} after {key}", it.len());
            assert_eq!(it.get(&0).copied(), Some("first"), "{key}");
        }
        assert!(!it.contains(&1) && it.contains(&9_999));
    }

    #[test]
    fn an_entry_is_made_once_and_taken_out_once() {
        let mut it = Recent::new(Keyed::new(&mut Rng::from_seed(1)), 4);
        *it.entry('a', || 1) += 1;
        it.insert('b', 0);
        it.insert('c', 0);
        assert_eq!(*it.entry('a', || 7), 2, "it was in the old half");
        assert_eq!((it.remove(&'a'), it.remove(&'a'), it.len()), (Some(2), None, 2));
    }
}
