//! The keeper: the one thread that owns the [`Store`]. It writes facts and phones in groups, and
//! answers requests that provision or ask, each when it is durable.
//!
//! The switch never waits for it: what the queue does not take stays in the switch's [`Book`], and
//! when too much waits there are no new calls until it is written. The keeper waits for the switch
//! when the switch's queue is full; so of the two only one ever waits.
//!
//! [`Book`]: super::book::Book

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::Mono;
use crate::call::{Answer, Fact, Input, Question, Ticket};
use crate::directory::TenantId;
use crate::rest::{Api, Finish, Reply, Request, Response, Sight};
use crate::store::{Change, Store, TextChange};

use super::book::{BEHIND, FACTS_GROUP};
use super::clock::Clock;
use super::post::Post;

/// Jobs that may wait for the keeper.
const JOBS_MAX: usize = 1024;
/// Jobs that are taken before something is written.
const BATCH: usize = 64;
/// After a write that failed the next one comes no sooner than this.
const AGAIN: Duration = Duration::from_millis(500);
/// How long the last facts may take to be written when we end.
const CLOSING: Duration = Duration::from_millis(500);

/// The way to the keeper for those who ask.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    pub(super) jobs: SyncSender<Job>,
    /// Facts that are noted and not written.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) counter: Arc<Counter>,
}

/// Where answers of the switch are waited for.
#[derive(Debug, Default)]
pub(super) struct Counter {
    next: AtomicU64,
    open: Mutex<BTreeMap<Ticket, oneshot::Sender<Answer>>>,
}

/// What the keeper's thread works with.
pub(super) struct Desk {
    /// The time.
    pub(super) clock: Clock,
    /// The file.
    pub(super) store: Store,
    /// What requests come to.
    pub(super) api: Api,
    /// Who carries out what was provisioned.
    pub(super) switch: Post<Input>,
    jobs: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    counter: Arc<Counter>,
    facts: Vec<Fact>,
    phones: Vec<Change>,
    texts: Vec<TextChange>,
    facts_due: Option<Mono>,
    phones_due: Option<Mono>,
    texts_due: Option<Mono>,
}

/// What a request has come to.
#[derive(Debug)]
pub(super) enum Served {
    /// An answer.
    Now(Response),
    /// An answer when the switch has given one.
    Then(oneshot::Receiver<Answer>, Finish),
    /// Something to look up.
    Look(Sight),
}

/// What the keeper is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// To write facts, all of them in one transaction.
    Facts(Vec<Fact>),
    /// To write which phones there are.
    Phones(Vec<Change>),
    /// To write which texts wait, and to tell the switch when that is durable.
    Texts(Vec<TextChange>),
    /// To answer a request.
    Request(Box<Request>, oneshot::Sender<Served>),
    /// To write everything and say so.
    Close(SyncSender<()>),
}

/// A keeper, and the desk that its thread is to work at.
pub(super) fn new(clock: Clock, store: Store, api: Api, switch: Post<Input>) -> (Keeper, Desk) {
    let (sender, jobs) = sync_channel(JOBS_MAX);
    let waiting = Arc::new(AtomicUsize::new(0));
    let counter = Arc::new(Counter::default());
    let keeper =
        Keeper { jobs: sender, waiting: Arc::clone(&waiting), counter: Arc::clone(&counter) };
    let desk = Desk {
        clock,
        store,
        api,
        switch,
        jobs,
        waiting,
        counter,
        facts: Vec::new(),
        phones: Vec::new(),
        texts: Vec::new(),
        facts_due: None,
        phones_due: None,
        texts_due: None,
    };
    (keeper, desk)
}

/// Runs until nobody is left who could ask, or until it is closed.
pub(super) fn run(mut desk: Desk) -> io::Result<()> {
    let mut closed = None;
    while closed.is_none() {
        let due = [desk.facts_due, desk.phones_due, desk.texts_due].into_iter().flatten().min();
        let first = match due {
            None => desk.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => desk.jobs.recv_timeout(at - desk.clock.mono()),
        };
        if matches!(first, Err(RecvTimeoutError::Disconnected)) {
            break;
        }
        // What waits already shares the next write.
        let more = std::iter::from_fn(|| desk.jobs.try_recv().ok()).take(BATCH);
        for job in first.into_iter().chain(more.collect::<Vec<_>>()) {
            match job {
                Job::Close(done) => closed = Some(done),
                job => desk.take(job),
            }
        }
        let now = desk.clock.mono();
        if desk.facts_due.is_some_and(|at| at <= now) {
            desk.write_facts();
        }
        if desk.phones_due.is_some_and(|at| at <= now) {
            desk.write_phones();
        }
        if desk.texts_due.is_some_and(|at| at <= now) {
            desk.write_texts();
        }
    }
    while !desk.facts.is_empty() && desk.write_facts() {}
    desk.write_phones();
    desk.write_texts();
    _ = closed.map(|it| it.try_send(()));
    Ok(())
}

impl Keeper {
    /// Asks for a request to be answered; nothing when the keeper has too much to do.
    pub(super) async fn serve(&self, request: Request) -> Option<Served> {
        let (reply, served) = oneshot::channel();
        self.jobs.try_send(Job::Request(Box::new(request), reply)).ok()?;
        served.await.ok()
    }

    /// Where the switch's answers go.
    pub(super) fn counter(&self) -> Arc<Counter> {
        Arc::clone(&self.counter)
    }

    /// Has everything written that was handed over. When the disk does not take it, so be it.
    pub(super) fn close(&self) {
        let (done, written) = sync_channel(1);
        if self.jobs.try_send(Job::Close(done)).is_ok() {
            _ = written.recv_timeout(CLOSING);
        }
    }
}

impl Counter {
    /// A new ticket and its answer.
    fn open(&self) -> (Ticket, oneshot::Receiver<Answer>) {
        let ticket = Ticket(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Who does not wait any more is forgotten; the others are as many as HTTP connections.
        open.retain(|_, it| !it.is_closed());
        open.insert(ticket, sender);
        (ticket, receiver)
    }

    /// Brings an answer to whoever waits for it.
    pub(super) fn bring(&self, ticket: Ticket, answer: Answer) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(it) = open.remove(&ticket) {
            _ = it.send(answer);
        }
    }
}

impl Desk {
    fn take(&mut self, job: Job) {
        let now = self.clock.mono();
        match job {
            Job::Facts(facts) => {
                self.facts.extend(facts);
                // A group that could not be written has its time; new facts do not hurry it.
                self.facts_due.get_or_insert(now);
            }
            Job::Phones(phones) => {
                self.phones.extend(phones);
                self.phones_due.get_or_insert(now);
            }
            Job::Texts(texts) => {
                self.texts.extend(texts);
                self.texts_due.get_or_insert(now);
            }
            Job::Request(request, reply) => {
                let served = self.serve(&request);
                _ = reply.send(served);
            }
            Job::Close(_) => {}
        }
    }

    fn serve(&mut self, request: &Request) -> Served {
        match self.api.answer(&mut self.store, request, self.clock.now()) {
            Reply::Now(response) => {
                if let Some(trouble) = &response.trouble {
                    tracing::error!("{request:?}: {trouble}");
                }
                Served::Now(response)
            }
            Reply::Look(sight) => Served::Look(sight),
            Reply::Then { deltas, question, finish } => {
                // In the order of their writes: of two changes of one extension the later wins.
                for delta in deltas {
                    self.switch.put_patiently(Input::Directory(delta));
                }
                Served::Then(self.ask(question), finish)
            }
        }
    }

    fn ask(&self, question: Question) -> oneshot::Receiver<Answer> {
        let (ticket, answer) = self.counter.open();
        self.switch.put_patiently(Input::Ask { ticket, question });
        self.switch.ring();
        answer
    }

    /// Whether it could be done.
    fn write_facts(&mut self) -> bool {
        self.facts_due = None;
        let group = self.facts.len().min(FACTS_GROUP * 4);
        let (now, later) = self.facts.split_at(group);
        match self.store.append(TenantId::FIRST, now) {
            Ok(()) => {
                self.facts_due = (!later.is_empty()).then(|| self.clock.mono());
                self.facts.drain(..group);
                self.waiting.fetch_sub(group, Ordering::Relaxed);
                true
            }
            Err(e) => {
                tracing::error!("{} facts wait: {e}", self.facts.len());
                self.facts_due = Some(self.clock.mono() + AGAIN);
                false
            }
        }
    }

    fn write_phones(&mut self) {
        self.phones_due = None;
        match self.store.write_registrations(&self.phones, self.clock.now().wall) {
            Ok(()) => self.phones.clear(),
            Err(e) => {
                tracing::error!("{} registrations wait: {e}", self.phones.len());
                // Phones register again and again; the newest are the ones that matter.
                let too_many = self.phones.len().saturating_sub(BEHIND);
                self.phones.drain(..too_many);
                self.phones_due = Some(self.clock.mono() + AGAIN);
            }
        }
    }

    /// All that came since the last time share a transaction. What is new and cannot be written is
    /// refused, for its sender waits; what is over is tried again.
    fn write_texts(&mut self) {
        self.texts_due = None;
        if self.texts.is_empty() {
            return;
        }
        let kept = self.store.write_texts(&self.texts).unwrap_or_else(|e| {
            tracing::error!("{} texts cannot be written: {e}", self.texts.len());
            self.texts_due = Some(self.clock.mono() + AGAIN);
            Vec::new()
        });
        let failed = self.texts_due.is_some();
        let kept: BTreeSet<u64> = kept.into_iter().collect();
        for change in &self.texts {
            let TextChange::Put(it) = change else { continue };
            let input = Input::TextKept { id: it.id, kept: kept.contains(&it.id) };
            self.switch.put_patiently(input);
        }
        self.switch.ring();
        self.texts.retain(|it| failed && matches!(it, TextChange::Gone { .. }));
        self.texts_due = self.texts_due.filter(|_| !self.texts.is_empty());
    }
}
