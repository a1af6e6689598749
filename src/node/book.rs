//! The book: what happened, on its way from the switch to the keeper, in groups, so that the keeper
//! is woken once for many things and writes them in one transaction.
//!
//! What may be lost to a power cut or a kill: facts of the last [`FACTS_WAIT`] and of the write under
//! way, together less than 200 ms, and phones of [`PHONES_WAIT`]. An answer hurries: it is handed
//! over before or with what happens next in its call, and groups are written in their order. So
//! whatever is known of a call that was answered, it is known that it was.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use crate::base::{CallId, Mono, Now, Wall};
use crate::call::event::What;
use crate::call::{Fact, KeptText};
use crate::directory::{ExtensionId, TenantId};
use crate::sip::registrar::Kept;
use crate::sip::subscribe;
use crate::store::{Change, Registration, StoredText, Subscription, TextChange};

use super::flows;
use super::keeper::{Job, Keeper};

/// How long a fact may wait to be written, and how many make a group.
const FACTS_WAIT: Duration = Duration::from_millis(100);
pub(super) const FACTS_GROUP: usize = 256;
/// How long a phone may wait to be written, and how many make a group.
const PHONES_WAIT: Duration = Duration::from_millis(500);
const PHONES_GROUP: usize = 1024;
/// When what the keeper did not take is offered again.
const OFFER_AGAIN: Duration = Duration::from_millis(20);
/// Facts that may wait anywhere; with more there are no new calls.
pub(super) const BEHIND: usize = 10_000;
/// With more than this what calls do is not written any more.
const WAITING_MAX: usize = 200_000;

/// What happened and is not handed over yet.
#[derive(Debug)]
pub(super) struct Book {
    keeper: Keeper,
    facts: Vec<Fact>,
    facts_due: Option<Mono>,
    phones: Vec<Change>,
    phones_due: Option<Mono>,
    /// Texts, whose senders wait: they are handed over at once.
    texts: Vec<TextChange>,
    texts_due: Option<Mono>,
    /// Calls of which an answer is among the facts, noted in this turn and in earlier ones.
    answered_now: Vec<CallId>,
    answered: BTreeSet<CallId>,
    lost: u64,
}

impl Book {
    /// An empty book, whose groups go to this keeper.
    pub(super) fn new(keeper: Keeper) -> Self {
        Self {
            keeper,
            facts: Vec::new(),
            facts_due: None,
            phones: Vec::new(),
            phones_due: None,
            texts: Vec::new(),
            texts_due: None,
            answered_now: Vec::new(),
            answered: BTreeSet::new(),
            lost: 0,
        }
    }

    /// Takes a fact down. Those without a call are for the log alone.
    pub(super) fn note(&mut self, now: Mono, fact: Fact) {
        let Some(call) = fact.call else { return };
        if self.keeper.waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            self.lost += 1;
            if self.lost.is_power_of_two() {
                tracing::error!("{} facts are lost: they cannot be written", self.lost);
            }
            return;
        }
        self.keeper.waiting.fetch_add(1, Ordering::Relaxed);
        let is_next = self.answered.contains(&call);
        if let What::Answered { .. } = fact.what {
            self.answered_now.push(call);
        }
        self.facts.push(fact);
        let is_due = is_next || self.facts.len() >= FACTS_GROUP;
        let due = if is_due { now } else { now + FACTS_WAIT };
        self.facts_due = Some(self.facts_due.map_or(due, |it| it.min(due)));
    }

    /// Takes down that a phone has come, stayed or gone.
    pub(super) fn phone(
        &mut self,
        now: Now,
        (tenant, extension): (TenantId, ExtensionId),
        contact: String,
        kept: Option<Kept>,
    ) {
        if self.phones.len() >= WAITING_MAX {
            return;
        }
        let gone = Change::Gone { tenant, extension, contact: contact.clone() };
        let change = kept.and_then(|it| {
            let left = u64::try_from(it.left.as_micros()).unwrap_or_default();
            Some(Change::Put(Registration {
                tenant,
                extension,
                contact,
                flow: flows::print(it.binding.flow)?,
                expires: Wall(now.wall.0.saturating_add(left)),
                call_id: it.call_id,
                cseq: it.cseq,
                instance: it.instance,
            }))
        });
        self.keep(now.mono, change.unwrap_or(gone));
    }

    /// Takes down that somebody watches, goes on watching or has stopped.
    pub(super) fn watch(
        &mut self,
        now: Now,
        (tenant, extension): (TenantId, ExtensionId),
        name: String,
        kept: Option<subscribe::Kept>,
    ) {
        if self.phones.len() >= WAITING_MAX {
            return;
        }
        let gone = Change::WatchGone { tenant, name: name.clone() };
        let change = kept.and_then(|it| {
            let left = u64::try_from(it.left.as_micros()).unwrap_or_default();
            Some(Change::Watch(Subscription {
                name,
                tenant,
                extension,
                package: it.topic.package.word().to_owned(),
                resource: it.topic.resource,
                entity: it.topic.entity,
                event_id: it.topic.id,
                dialog: it.dialog,
                flow: flows::print(it.flow)?,
                version: it.version,
                expires: Wall(now.wall.0.saturating_add(left)),
            }))
        });
        self.keep(now.mono, change.unwrap_or(gone));
    }

    /// Takes down that a text is to wait, or does not any more. The switch bounds how many there are.
    pub(super) fn text(
        &mut self,
        now: Mono,
        (tenant, extension): (TenantId, ExtensionId),
        id: u64,
        kept: Option<KeptText>,
    ) {
        self.texts.push(match kept {
            Some(it) => TextChange::Put(StoredText {
                id,
                tenant,
                extension,
                from: it.from,
                from_name: it.from_name,
                at: it.at,
                kind: it.kind,
                body: it.body.to_vec(),
            }),
            None => TextChange::Gone { tenant, id },
        });
        self.texts_due.get_or_insert(now);
    }

    fn keep(&mut self, now: Mono, change: Change) {
        self.phones.push(change);
        let is_due = self.phones.len() >= PHONES_GROUP;
        let due = if is_due { now } else { now + PHONES_WAIT };
        self.phones_due = Some(self.phones_due.map_or(due, |it| it.min(due)));
    }

    /// A turn is over: hands over the groups whose time has come, as far as the keeper takes them,
    /// and says when it wants to be asked again.
    pub(super) fn hand_over(&mut self, now: Mono) -> Option<Mono> {
        if self.facts_due.is_some_and(|at| at <= now) {
            let job = Job::Facts(std::mem::take(&mut self.facts));
            match self.keeper.jobs.try_send(job) {
                Err(TrySendError::Full(Job::Facts(facts))) => {
                    self.facts = facts;
                    self.facts_due = Some(now + OFFER_AGAIN);
                }
                _ => {
                    self.facts_due = None;
                    self.answered_now.clear();
                    self.answered.clear();
                }
            }
        }
        if self.phones_due.is_some_and(|at| at <= now) {
            let job = Job::Phones(std::mem::take(&mut self.phones));
            self.phones_due = None;
            if let Err(TrySendError::Full(Job::Phones(phones))) = self.keeper.jobs.try_send(job) {
                self.phones = phones;
                self.phones_due = Some(now + OFFER_AGAIN);
            }
        }
        if self.texts_due.is_some_and(|at| at <= now) {
            let job = Job::Texts(std::mem::take(&mut self.texts));
            self.texts_due = None;
            if let Err(TrySendError::Full(Job::Texts(texts))) = self.keeper.jobs.try_send(job) {
                self.texts = texts;
                self.texts_due = Some(now + OFFER_AGAIN);
            }
        }
        self.answered.extend(self.answered_now.drain(..));
        [self.facts_due, self.phones_due, self.texts_due].into_iter().flatten().min()
    }

    /// Nothing more will be noted: hands over what there is, whatever its time.
    pub(super) fn close(&mut self, now: Mono) {
        self.facts_due = self.facts_due.map(|_| now);
        self.phones_due = self.phones_due.map(|_| now);
        self.texts_due = self.texts_due.map(|_| now);
        self.hand_over(now);
    }

    /// Whether so much waits to be written that there should be no new calls.
    pub(super) fn is_behind(&self) -> bool {
        self.keeper.waiting.load(Ordering::Relaxed) > BEHIND
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::base::LegId;

    const ANSWERED: What = What::Answered { leg: LegId(1) };
    const RINGING: What = What::Ringing { leg: LegId(1) };

    struct Case {
        book: Book,
        jobs: Receiver<Job>,
    }

    impl Case {
        fn new() -> Self {
            Self::with_room(8)
        }

        fn with_room(jobs: usize) -> Self {
            let (sender, jobs) = sync_channel(jobs);
            let waiting = Arc::new(AtomicUsize::new(0));
            let keeper = Keeper { jobs: sender, waiting, counter: Arc::default() };
            Self { book: Book::new(keeper), jobs }
        }

        /// A turn in which these things happen; how many facts are handed over with it.
        fn turn(&mut self, at_ms: u64, what: &[(u64, What)]) -> usize {
            let now = Mono::from_millis(at_ms);
            for (call, what) in what {
                let (call, at) = (Some(CallId(*call)), Wall(0));
                self.book.note(now, Fact { call, at, what: what.clone() });
            }
            self.book.hand_over(now);
            self.handed()
        }

        fn handed(&self) -> usize {
            let count = |job| if let Job::Facts(facts) = job { facts.len() } else { 0 };
            self.jobs.try_iter().map(count).sum()
        }
    }

    #[test]
    fn facts_of_many_calls_share_a_group_and_none_waits_longer_than_its_first() {
        let mut case = Case::new();
        assert_eq!(case.turn(0, &[(1, RINGING)]), 0);
        assert_eq!(case.turn(60, &[(2, RINGING), (3, ANSWERED)]), 0);
        assert_eq!(case.book.hand_over(Mono::from_millis(60)), Some(Mono::from_millis(100)));
        assert_eq!(case.turn(99, &[]), 0);
        assert_eq!(case.turn(100, &[]), 3);
        assert_eq!(case.book.hand_over(Mono::from_millis(100)), None);
    }

    #[test]
    fn an_answer_is_on_its_way_before_what_happens_next_in_its_call() {
        let mut case = Case::new();
        let bridged = What::Bridged { a: LegId(1), b: LegId(2) };
        // What comes of the answer in the same turn is no next event; neither is another call's.
        assert_eq!(case.turn(0, &[(1, ANSWERED), (1, bridged)]), 0);
        assert_eq!(case.turn(5, &[(2, RINGING)]), 0);
        assert_eq!(case.turn(6, &[(1, RINGING)]), 4);
        // It is known now: nothing hurries any more.
        assert_eq!(case.turn(7, &[(1, RINGING)]), 0);
    }

    #[test]
    fn a_full_group_does_not_wait() {
        let mut case = Case::new();
        let many = vec![(1, RINGING); FACTS_GROUP];
        assert_eq!(case.turn(0, &many[1..]), 0);
        assert_eq!(case.turn(0, &many[..1]), FACTS_GROUP);
    }

    #[test]
    fn what_the_keeper_has_no_room_for_is_offered_again_in_its_order() {
        let mut case = Case::with_room(1);
        case.book.note(Mono::ZERO, Fact { call: Some(CallId(1)), at: Wall(1), what: ANSWERED });
        case.book.hand_over(Mono::from_millis(100));
        for call in [2, 3] {
            let fact = Fact { call: Some(CallId(call)), at: Wall(call), what: RINGING };
            case.book.note(Mono::from_millis(101), fact);
        }
        let again = case.book.hand_over(Mono::from_millis(201));
        assert_eq!(again, Some(Mono::from_millis(201) + OFFER_AGAIN));
        assert_eq!(case.handed(), 1);
        assert_eq!(case.turn(221, &[(4, RINGING)]), 3);
    }

    #[test]
    fn at_the_end_everything_is_handed_over_whatever_its_time() {
        let mut case = Case::new();
        assert_eq!(case.turn(0, &[(1, RINGING)]), 0);
        case.book.close(Mono::from_millis(1));
        assert_eq!(case.handed(), 1);
    }
}
