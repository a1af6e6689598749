//! A table of deadlines, at most one per key, in the order in which they fall due.

use std::collections::{BTreeMap, BTreeSet};

use super::Mono;

/// Deadlines by key. Setting a key again moves its deadline.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    due: BTreeSet<(Mono, K)>,
    at: BTreeMap<K, Mono>,
}

impl<K: Copy + Ord> Timers<K> {
    /// No deadlines.
    pub const fn new() -> Self {
        Self { due: BTreeSet::new(), at: BTreeMap::new() }
    }

    /// Sets, moves or (with `None`) clears the deadline of `key`.
    pub fn set(&mut self, key: K, at: Option<Mono>) {
        let before = match at {
            Some(at) => self.at.insert(key, at),
            None => self.at.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, key));
        }
        if let Some(at) = at {
            self.due.insert((at, key));
        }
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Mono> {
        self.due.first().map(|it| it.0)
    }

    /// Takes the first key whose deadline has come.
    pub fn pop(&mut self, now: Mono) -> Option<K> {
        let &(at, key) = self.due.first().filter(|it| it.0 <= now)?;
        self.due.remove(&(at, key));
        self.at.remove(&key);
        Some(key)
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether no deadline is set.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }
}

impl<K: Copy + Ord> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_deadline_fires_once_at_its_new_time() {
        let mut timers = Timers::new();
        timers.set('a', Some(Mono::from_millis(10)));
        timers.set('b', Some(Mono::from_millis(20)));
        timers.set('a', Some(Mono::from_millis(30)));
        assert_eq!(timers.next(), Some(Mono::from_millis(20)));
        assert_eq!(timers.pop(Mono::from_millis(50)), Some('b'));
        assert_eq!(timers.pop(Mono::from_millis(50)), Some('a'));
        assert_eq!(timers.pop(Mono::from_millis(50)), None);
        timers.set('a', Some(Mono::from_millis(60)));
        timers.set('a', None);
        assert!(timers.is_empty());
    }
}
