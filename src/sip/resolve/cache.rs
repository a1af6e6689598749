//! What DNS has said, for as long as it is true, and a while longer for when DNS is silent.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, Question, RECORDS_MAX};
use crate::base::Mono;

/// How many answers are kept; the one that grows old first makes room.
const ENTRIES_MAX: usize = 1024;
/// An answer is true for this long at least, else a crowd of calls would ask for each of them.
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(86_400);
/// "There is none" is believed no longer than this (RFC 2308 §5 advises hours; people mend zones).
const NOTHING_MAX: Duration = Duration::from_secs(300);
/// A server that fails is asked again after this (RFC 2308 §7: at most five minutes).
const FAILURE: Duration = Duration::from_secs(5);
/// While DNS fails, addresses count for this long beyond their time (RFC 8767 §4).
const STALE: Duration = Duration::from_secs(3_600);

/// Answers by question.
#[derive(Debug)]
pub(super) struct Cache(BTreeMap<Question, Entry>);

#[derive(Debug)]
struct Entry {
    answer: Answer,
    /// When DNS is to be asked again.
    until: Mono,
    /// Until when records count if DNS then fails.
    stale_until: Mono,
}

impl Cache {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The answer that counts now.
    pub(super) fn get(&self, now: Mono, question: &Question) -> Option<&Answer> {
        self.0.get(question).filter(|it| now < it.until).map(|it| &it.answer)
    }

    /// Keeps an answer. Returns the one that counts, which is an older one when DNS fails.
    pub(super) fn learn(&mut self, now: Mono, question: &Question, answer: Answer) -> Answer {
        let (answer, ttl, stale) = match answer {
            Answer::Records(mut records, ttl) => {
                records.truncate(RECORDS_MAX);
                let ttl = ttl.clamp(TTL_MIN, TTL_MAX);
                (Answer::Records(records, ttl), ttl, STALE)
            }
            Answer::Nothing(ttl) => {
                let ttl = ttl.clamp(TTL_MIN, NOTHING_MAX);
                (Answer::Nothing(ttl), ttl, Duration::ZERO)
            }
            failure @ (Answer::Broken | Answer::Silent) => {
                if let Some(entry) = self.0.get_mut(question)
                    && matches!(entry.answer, Answer::Records(..))
                    && now < entry.stale_until
                {
                    entry.until = entry.until.max(now + FAILURE);
                    return entry.answer.clone();
                }
                (failure, FAILURE, Duration::ZERO)
            }
        };
        if self.0.len() >= ENTRIES_MAX && !self.0.contains_key(question) {
            self.make_room();
        }
        let until = now + ttl;
        let entry = Entry { answer: answer.clone(), until, stale_until: until + stale };
        self.0.insert(question.clone(), entry);
        answer
    }

    fn make_room(&mut self) {
        let oldest = self.0.iter().min_by_key(|it| it.1.until).map(|it| it.0.clone());
        if let Some(question) = oldest {
            self.0.remove(&question);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Record};
    use super::*;

    fn question(n: usize) -> Question {
        Question { kind: Kind::A, name: format!("h{n}.test") }
    }

    fn records(ttl: u64) -> Answer {
        let one = Record::Address([192, 0, 2, 1].into());
        Answer::Records(vec![one], Duration::from_secs(ttl))
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1_000)
    }

    #[test]
    fn an_answer_counts_for_its_time() {
        let mut cache = Cache::new();
        cache.learn(at(0), &question(1), records(30));
        assert_eq!(cache.get(at(29), &question(1)), Some(&records(30)));
        assert_eq!(cache.get(at(30), &question(1)), None);
        cache.learn(at(0), &question(2), Answer::Nothing(Duration::from_secs(86_400)));
        assert!(cache.get(at(299), &question(2)).is_some());
        assert!(cache.get(at(300), &question(2)).is_none());
    }

    #[test]
    fn while_dns_fails_what_was_true_is_still_believed_for_an_hour() {
        let mut cache = Cache::new();
        cache.learn(at(0), &question(1), records(30));
        assert_eq!(cache.learn(at(60), &question(1), Answer::Silent), records(30));
        assert_eq!(cache.get(at(64), &question(1)), Some(&records(30)));
        assert_eq!(cache.learn(at(3_000), &question(1), Answer::Broken), records(30));
        assert_eq!(cache.learn(at(3_631), &question(1), Answer::Silent), Answer::Silent);
        // That there is none is not a failure: the zone has changed.
        cache.learn(at(4_000), &question(1), records(30));
        let none = Answer::Nothing(Duration::from_secs(10));
        assert_eq!(cache.learn(at(4_001), &question(1), none.clone()), none);
    }

    #[test]
    fn its_size_is_bounded() {
        let mut cache = Cache::new();
        for n in 0..ENTRIES_MAX + 100 {
            cache.learn(Mono::from_millis(n as u64), &question(n), records(60));
        }
        assert_eq!(cache.0.len(), ENTRIES_MAX);
        assert!(cache.get(at(2), &question(0)).is_none());
        let many = vec![Record::Address([192, 0, 2, 1].into()); 1_000];
        let Answer::Records(kept, _) =
            cache.learn(at(2), &question(1), Answer::Records(many, TTL_MIN))
        else {
            panic!("records stay records")
        };
        assert_eq!(kept.len(), RECORDS_MAX);
    }
}
