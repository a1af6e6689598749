//! What must hold of every world that has come to rest, whatever happened in it.

use std::collections::BTreeMap;

use moonswitch::base::{CallId, LegId};
use moonswitch::call::event::What;
use moonswitch::sim::World;

use crate::world::{ANN, BOB};

/// Lets a world come to rest and tells everything that is wrong with it then.
pub(crate) fn wrongs(world: &mut World) -> Vec<String> {
    let mut wrongs = world.settle();
    wrongs.extend(broken_facts(world));
    for phone in [ANN, BOB] {
        let phone = world.phone(phone);
        if phone.calls().iter().any(|it| it.ending().is_none()) {
            wrongs.push(format!("{} is still in a call", phone.identity.number));
        }
    }
    wrongs
}

/// Nothing may be wrong with a world at rest.
#[track_caller]
pub(crate) fn assert_well(world: &mut World, what: &str) {
    let wrongs = wrongs(world);
    assert!(wrongs.is_empty(), "{what}: {wrongs:#?}\n{}", world.trace.text());
}

/// A call begins once and ends once, last of all; each of its legs ends once, after all else that
/// is told of it.
pub(crate) fn broken_facts(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    let mut calls: BTreeMap<CallId, Vec<&What>> = BTreeMap::new();
    for fact in &world.facts {
        if let Some(call) = fact.call {
            calls.entry(call).or_default().push(&fact.what);
        }
    }
    for (call, whats) in calls {
        let began = whats.iter().filter(|it| matches!(it, What::Began { .. })).count();
        let ended = whats.iter().filter(|it| matches!(it, What::Ended { .. })).count();
        if !matches!(whats.first(), Some(What::Began { .. })) || (began, ended) != (1, 1) {
            broken.push(format!("{call} began {began} times and ended {ended} times"));
        }
        let mut legs: BTreeMap<LegId, bool> = BTreeMap::new();
        let mut is_over = false;
        let rings = |it: &&&What| matches!(it, What::Ringing { .. } | What::Answered { .. });
        for what in whats.iter().filter(rings) {
            if whats.iter().filter(|it| *it == what).count() > 1 {
                broken.push(format!("{call}: {what:?} more than once"));
            }
        }
        for what in whats {
            let (leg, ends) = match what {
                What::Began { leg, .. } | What::Dialled { leg, .. } => {
                    if legs.insert(*leg, false).is_some() {
                        broken.push(format!("{call}: leg {leg:?} comes twice"));
                    }
                    continue;
                }
                What::Ringing { leg } | What::Answered { leg } => (leg, false),
                What::Bridged { b, .. } => (b, false),
                What::LegEnded { leg, .. } => (leg, true),
                What::Ended { .. } => {
                    is_over = true;
                    continue;
                }
                _ => continue,
            };
            match legs.insert(*leg, ends) {
                Some(false) if !is_over => {}
                before => broken.push(format!("{call}: {what:?} after {before:?} ({is_over})")),
            }
        }
        for (leg, _) in legs.iter().filter(|it| !it.1) {
            broken.push(format!("{call}: leg {leg:?} never ended"));
        }
    }
    broken
}
