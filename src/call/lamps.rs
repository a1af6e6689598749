//! Lamps on other people's desks: who may watch whom, and what they are told.
//!
//! What an extension's phones are doing is a view of the facts, like everything else that is told
//! of calls. This file reads them as they are written and never looks at a call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Output;
use super::event::{Fact, What};
use super::plan::Plan;
use super::switch::Switch;
use crate::base::map::Keyed;
use crate::base::{AskId, CallId, LegId, Map, Mono, Now, SubId, Timers};
use crate::directory::Waiting;
use crate::sip::Endpoint;
use crate::sip::endpoint::Request;
use crate::sip::message::{Name, Writer};
use crate::sip::subscribe::lamp::{Lamp, Stage, Talk, Way};
use crate::sip::subscribe::package::{ALLOW_EVENTS, Unserved};
use crate::sip::subscribe::presence::Presence;
use crate::sip::subscribe::summary::Summary;
use crate::sip::subscribe::{self, EXPIRES_MIN, Event, Package, Refused, Topic};

/// The most subscriptions of one extension: a desk phone with all its side cars has fewer keys.
const OWN_MAX: usize = 300;
/// The most subscriptions.
const ALL_MAX: usize = 100_000;
/// Between two phones that are told the state of now after a restart.
const PACE: Duration = Duration::from_millis(2);

/// Who watches whom, and what there is to see.
#[derive(Debug)]
pub(super) struct Lamps {
    watches: Map<SubId, Watch>,
    by_resource: BTreeMap<String, BTreeSet<SubId>>,
    /// How many subscriptions an extension holds.
    held: BTreeMap<String, usize>,
    /// Subscriptions from before we lived, and when their phones are told the state of now.
    resumed: Timers<SubId>,
    parties: Map<LegId, Party>,
    legs: BTreeMap<String, BTreeSet<LegId>>,
    calls: Map<CallId, BTreeSet<LegId>>,
}

#[derive(Debug)]
struct Watch {
    /// A word for those who remember it.
    name: String,
    subscriber: String,
    topic: Topic,
}

/// A leg, as its facts have told it.
#[derive(Debug)]
struct Party {
    /// A leg may go on in another call.
    call: CallId,
    who: String,
    peer: String,
    way: Way,
    stage: Stage,
}

/// A subscription of somebody, for those who remember it longer than we live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWatch {
    /// Whose it is: an extension's number.
    pub subscriber: String,
    /// All about it.
    pub kept: subscribe::Kept,
}

impl Lamps {
    pub(super) fn new(hash: Keyed) -> Self {
        Self {
            watches: hash.map(),
            by_resource: BTreeMap::new(),
            held: BTreeMap::new(),
            resumed: Timers::new(),
            parties: hash.map(),
            legs: BTreeMap::new(),
            calls: hash.map(),
        }
    }

    /// When the next phone is to be told something.
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.resumed.next()
    }

    /// Reads a fact; returns whose lamps may have changed.
    fn note(&mut self, fact: &Fact) -> Vec<String> {
        match (&fact.what, fact.call) {
            (What::Registered { extension, .. } | What::Expired { extension, .. }, _) => {
                vec![extension.clone()]
            }
            (What::Began { leg, from, to, .. }, Some(call)) => {
                let (who, peer) = (from.clone(), to.clone());
                let party = Party { call, who, peer, way: Way::Initiator, stage: Stage::Trying };
                self.enter(call, *leg, party)
            }
            (What::Dialled { leg, target }, Some(call)) => {
                let peer = self.caller_of(call).unwrap_or_default();
                let who = target.clone();
                let party = Party { call, who, peer, way: Way::Recipient, stage: Stage::Trying };
                self.enter(call, *leg, party)
            }
            (What::Joined { leg, who, .. }, Some(call)) if self.call_of(*leg) != Some(call) => {
                let peer = self.other_of(call, who).unwrap_or_default();
                let (who, way) = (who.clone(), Way::Recipient);
                self.enter(call, *leg, Party { call, who, peer, way, stage: Stage::Confirmed })
            }
            (What::Ringing { leg }, _) => self.reach(*leg, Stage::Early),
            (What::Answered { leg }, _) => self.reach(*leg, Stage::Confirmed),
            (What::LegEnded { leg, .. }, Some(call)) => self.leave(call, *leg),
            (What::Ended { .. }, Some(call)) => {
                let legs = self.calls.remove(&call).unwrap_or_default();
                legs.into_iter().flat_map(|it| self.leave(call, it)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn enter(&mut self, call: CallId, leg: LegId, party: Party) -> Vec<String> {
        let who = party.who.clone();
        self.forget_leg(leg);
        self.legs.entry(who.clone()).or_default().insert(leg);
        self.calls.entry(call).or_default().insert(leg);
        self.parties.insert(leg, party);
        vec![who]
    }

    fn reach(&mut self, leg: LegId, stage: Stage) -> Vec<String> {
        let Some(it) = self.parties.get_mut(&leg) else { return Vec::new() };
        it.stage = stage;
        vec![it.who.clone()]
    }

    fn leave(&mut self, call: CallId, leg: LegId) -> Vec<String> {
        if let Some(legs) = self.calls.get_mut(&call) {
            legs.remove(&leg);
        }
        if self.call_of(leg) != Some(call) {
            return Vec::new();
        }
        self.forget_leg(leg).into_iter().collect()
    }

    /// Forgets a leg; returns whose it was.
    fn forget_leg(&mut self, leg: LegId) -> Option<String> {
        let it = self.parties.remove(&leg)?;
        if let Some(legs) = self.legs.get_mut(&it.who) {
            legs.remove(&leg);
            if legs.is_empty() {
                self.legs.remove(&it.who);
            }
        }
        Some(it.who)
    }

    /// The call that a leg is in.
    fn call_of(&self, leg: LegId) -> Option<CallId> {
        self.parties.get(&leg).map(|it| it.call)
    }

    /// Somebody else in a call.
    fn other_of(&self, call: CallId, who: &str) -> Option<String> {
        let legs = self.calls.get(&call)?;
        let mut parties = legs.iter().filter_map(|it| self.parties.get(it));
        parties.find(|it| it.call == call && it.who != who).map(|it| it.who.clone())
    }

    fn caller_of(&self, call: CallId) -> Option<String> {
        let legs = self.calls.get(&call)?;
        let mut parties = legs.iter().filter_map(|it| self.parties.get(it));
        parties.find(|it| it.way == Way::Initiator).map(|it| it.who.clone())
    }

    /// The legs of somebody.
    pub(super) fn legs_of(&self, who: &str) -> impl Iterator<Item = LegId> {
        self.legs.get(who).into_iter().flatten().copied()
    }

    fn parties_of<'a>(&'a self, who: &str) -> impl Iterator<Item = (LegId, &'a Party)> {
        let legs = self.legs.get(who).into_iter().flatten();
        legs.filter_map(|leg| self.parties.get(leg).map(|it| (*leg, it)))
    }

    fn watch(&mut self, id: SubId, name: String, subscriber: String, topic: Topic) {
        self.by_resource.entry(topic.resource.clone()).or_default().insert(id);
        *self.held.entry(subscriber.clone()).or_default() += 1;
        self.watches.insert(id, Watch { name, subscriber, topic });
    }

    fn forget(&mut self, id: SubId) -> Option<Watch> {
        let watch = self.watches.remove(&id)?;
        self.resumed.set(id, None);
        if let Some(ids) = self.by_resource.get_mut(&watch.topic.resource) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_resource.remove(&watch.topic.resource);
            }
        }
        if let Some(count) = self.held.get_mut(&watch.subscriber) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&watch.subscriber);
            }
        }
        Some(watch)
    }
}

impl<P: Plan> Switch<P> {
    /// A SUBSCRIBE outside of all dialogs, of this extension.
    pub(super) fn subscribed(&mut self, now: Now, subscriber: String, request: &Request) {
        let Some(resource) = request.message.request_uri().and_then(super::arrive::user_of) else {
            return self.endpoint.respond(now.mono, request, 404, |it| it);
        };
        let topic = match Topic::of(&request.message, resource) {
            Ok(topic) => topic,
            Err(why) => {
                let status = match why {
                    Unserved::BadEvent => 489,
                    Unserved::NotAcceptable => 406,
                };
                let more = |it: Writer| it.header(Name::AllowEvents, ALLOW_EVENTS);
                return self.endpoint.respond(now.mono, request, status, more);
            }
        };
        let held = self.lamps.held.get(&subscriber).copied().unwrap_or_default();
        let is_foreign = topic.package == Package::Summary && topic.resource != subscriber;
        let refusal = match () {
            () if self.directory.extension(&topic.resource).is_none() => Some(404),
            // Whose mailbox it is may know what is in it.
            () if is_foreign => Some(403),
            () if held >= OWN_MAX || self.lamps.watches.len() >= ALL_MAX => Some(503),
            () => None,
        };
        if let Some(status) = refusal {
            return self.endpoint.respond(now.mono, request, status, |it| it);
        }
        let id = SubId(self.next_id());
        match self.endpoint.subscribe(now.mono, id, topic.clone(), request) {
            Ok(name) => self.lamps.watch(id, name, subscriber, topic),
            Err(Refused::Malformed(_)) => self.endpoint.respond(now.mono, request, 400, |it| it),
            Err(Refused::TooBrief) => {
                let more = |it: Writer| it.header(Name::MinExpires, EXPIRES_MIN);
                self.endpoint.respond(now.mono, request, 423, more);
            }
        }
    }

    /// A subscription from before we lived. Its phone is told the state of now, in its turn.
    pub(super) fn watched_before(&mut self, now: Now, it: KeptWatch) {
        let is_known = self.directory.extension(&it.subscriber).is_some();
        if !is_known || self.lamps.watches.len() >= ALL_MAX {
            return;
        }
        let id = SubId(self.next_id());
        if let Some(name) = self.endpoint.resubscribe(now.mono, id, &it.kept) {
            let turn = PACE * u32::try_from(self.lamps.resumed.len()).unwrap_or(u32::MAX);
            self.lamps.resumed.set(id, Some(now.mono + turn));
            self.lamps.watch(id, name, it.subscriber, it.kept.topic);
        }
    }

    /// Tells phones from before we lived whose turn has come.
    pub(super) fn tell_resumed(&mut self, now: Now) {
        while let Some(id) = self.lamps.resumed.pop(now.mono) {
            self.endpoint.stir(id);
        }
    }

    /// Reads the facts of this turn: lamps change by them.
    pub(super) fn light(&mut self, facts: &[Output]) {
        let facts = facts.iter().filter_map(|it| match it {
            Output::Fact(fact) => Some(fact),
            _ => None,
        });
        for fact in facts {
            for who in self.lamps.note(fact) {
                stir(&self.lamps, &mut self.endpoint, &who);
            }
        }
    }

    /// Something else than its calls has changed of an extension.
    pub(super) fn lamps_of(&mut self, who: &str) {
        stir(&self.lamps, &mut self.endpoint, who);
    }

    /// An extension is gone: nobody can watch it any more, and it watches nobody (RFC 6665 §4.1.3).
    pub(super) fn end_watches(&mut self, who: &str) {
        let watches = self.lamps.watches.iter();
        let mut over: Vec<(SubId, &'static str)> = watches
            .filter_map(|(id, it)| match () {
                () if it.topic.resource == who => Some((*id, "noresource")),
                () if it.subscriber == who => Some((*id, "rejected")),
                () => None,
            })
            .collect();
        over.sort_unstable();
        for (id, reason) in over {
            self.endpoint.unsubscribe(id, reason);
        }
    }

    pub(super) fn subscription_event(
        &mut self,
        now: Now,
        id: SubId,
        event: Event,
        out: &mut Vec<Output>,
    ) {
        match event {
            Event::Due { version } => {
                let Some(watch) = self.lamps.watches.get(&id) else { return };
                let text = self.describe(&watch.topic, version);
                let ask = AskId(self.next_id());
                self.endpoint.notify(now.mono, id, ask, &text);
            }
            Event::Moved => {
                let Some(watch) = self.lamps.watches.get(&id) else { return };
                let Some(subscriber) = self.directory.extension(&watch.subscriber) else { return };
                let (tenant, extension) = (subscriber.tenant, subscriber.id);
                let kept = self.endpoint.subscription(now.mono, id);
                out.push(Output::Watch { tenant, extension, name: watch.name.clone(), kept });
            }
            Event::Over => {
                let Some(watch) = self.lamps.forget(id) else { return };
                let Some(subscriber) = self.directory.extension(&watch.subscriber) else { return };
                let (tenant, extension) = (subscriber.tenant, subscriber.id);
                out.push(Output::Watch { tenant, extension, name: watch.name, kept: None });
            }
        }
    }

    /// The state of now, as a document.
    fn describe(&self, topic: &Topic, version: u32) -> String {
        let who = topic.resource.as_str();
        match topic.package {
            Package::Dialog => {
                let talks = self.lamps.parties_of(who);
                let talks = talks.map(|(leg, it)| self.talk(leg, it, &topic.entity)).collect();
                Lamp { entity: topic.entity.clone(), talks }.text(version)
            }
            Package::Presence => self.presence(who).text(&topic.entity),
            Package::Summary => {
                let waiting = self.directory.extension(who).map(|it| it.waiting);
                let Waiting { new, old } = waiting.unwrap_or_default();
                Summary { new, old }.text(&topic.entity)
            }
        }
    }

    fn talk(&self, leg: LegId, party: &Party, entity: &str) -> Talk {
        let host = entity.split_once('@').map_or("localhost", |it| it.1);
        Talk {
            id: leg.to_string(),
            dialog: self.endpoint.dialog_of(leg),
            way: party.way,
            stage: party.stage,
            peer: format!("sip:{}@{host}", party.peer),
            peer_name: self.directory.extension(&party.peer).map(|it| it.name.clone()),
        }
    }

    fn presence(&self, who: &str) -> Presence {
        let stage = self.lamps.parties_of(who).map(|it| it.1.stage);
        let furthest = stage.max_by_key(|it| match it {
            Stage::Trying => 0,
            Stage::Early => 1,
            Stage::Confirmed => 2,
        });
        let is_registered = self.registrar.bindings(who).next().is_some();
        let is_quiet = self.directory.extension(who).is_some_and(|it| it.dnd);
        match furthest {
            _ if !is_registered => Presence::Unregistered,
            Some(Stage::Confirmed) => Presence::Talking,
            Some(Stage::Trying | Stage::Early) => Presence::Ringing,
            None if is_quiet => Presence::DoNotDisturb,
            None => Presence::Idle,
        }
    }
}

/// There is news of this extension for who watches it.
fn stir(lamps: &Lamps, endpoint: &mut Endpoint, who: &str) {
    for id in lamps.by_resource.get(who).into_iter().flatten() {
        endpoint.stir(*id);
    }
}
