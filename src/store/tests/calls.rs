//! Facts of calls, and the records that are made of them.

use std::time::Duration;

use super::*;
use crate::base::{CallId, Cause, LegId};
use crate::call::event::{By, Fact, What};
use crate::call::plan::{Generation, Place};
use crate::store::{Cdr, EndedBy, Entry, FactKind, Side};

const CALL: CallId = CallId(0xabcd);
const ANN: LegId = LegId(1);
const BOB: LegId = LegId(2);
const EVE: LegId = LegId(3);

/// The facts of a call, with the second at which each happened.
fn story(call: CallId, facts: &[(u64, What)]) -> Vec<Fact> {
    let fact = |(s, what): &(u64, What)| Fact { call: Some(call), at: at(*s), what: what.clone() };
    facts.iter().map(fact).collect()
}

fn began() -> What {
    What::Began {
        leg: ANN,
        from: "1001".into(),
        to: "1002".into(),
        sip_call_id: "x@y".into(),
        generation: Generation(0xbeef),
    }
}

fn dialled(leg: LegId) -> What {
    What::Dialled { leg, target: "1002".into() }
}

fn left(leg: LegId, by: By) -> What {
    What::LegEnded { leg, cause: Cause::Hangup, status: None, by }
}

fn ended(by: By, talked: u64) -> What {
    What::Ended { cause: Cause::Hangup, talked: Duration::from_secs(talked), by }
}

fn asked() -> What {
    What::Asked { op: "play", at: Place { file: "a.lua".into(), line: 3 } }
}

fn talk() -> Vec<(u64, What)> {
    vec![
        (0, began()),
        (1, dialled(BOB)),
        (1, dialled(EVE)),
        (2, What::Ringing { leg: BOB }),
        (3, What::Ringing { leg: EVE }),
        (5, What::Answered { leg: BOB }),
        (5, What::Answered { leg: ANN }),
        (5, left(EVE, By::House)),
        (5, What::Bridged { a: ANN, b: BOB }),
    ]
}

fn record(facts: &[(u64, What)]) -> Option<Cdr> {
    let entries: Vec<Entry> = story(CALL, facts).iter().filter_map(Entry::of).collect();
    Cdr::of(&entries)
}

fn check(end: &[(u64, What)], expected: EndedBy) -> Cdr {
    let facts: Vec<_> = talk().into_iter().chain(end.iter().cloned()).collect();
    let cdr = record(&facts).unwrap();
    assert_eq!(cdr.ended_by, expected);
    cdr
}

#[test]
fn a_call_that_lasts_has_no_record_yet() {
    assert_eq!(record(&talk()), None);
    assert_eq!(record(&[]), None);
    assert_eq!(record(&[(0, ended(By::Peer, 0))]), None);
}

#[test]
fn a_record_says_when_and_by_whom() {
    let end = [(9, left(ANN, By::Peer)), (9, left(BOB, By::House)), (9, ended(By::Peer, 4))];
    let cdr = check(&end, EndedBy::Caller);
    assert_eq!((cdr.created, cdr.ringing, cdr.answered), (at(0), Some(at(2)), Some(at(5))));
    assert_eq!((cdr.ended, cdr.talked, cdr.cause), (at(9), Duration::from_secs(4), Cause::Hangup));
    assert_eq!((&*cdr.from, &*cdr.to, cdr.generation), ("1001", "1002", 0xbeef));
    let legs: Vec<_> = cdr.legs.iter().map(|it| (it.leg, it.side, it.ended_by)).collect();
    let expected = [
        (ANN, Side::Caller, EndedBy::Caller),
        (BOB, Side::Callee, EndedBy::Caller),
        (EVE, Side::Callee, EndedBy::House),
    ];
    assert_eq!(legs, expected);
    assert_eq!((cdr.legs[2].ringing, cdr.legs[2].answered), (Some(at(3)), None));
}

#[test]
fn when_a_callee_hangs_up_and_the_script_has_nothing_more_to_ask_the_callee_ended_the_call() {
    let end = [(9, left(BOB, By::Peer)), (9, left(ANN, By::Script)), (9, ended(By::Script, 4))];
    check(&end, EndedBy::Callee);
    let mut goes_on = end.to_vec();
    goes_on.insert(1, (9, asked()));
    check(&goes_on, EndedBy::Script);
    let end = [(9, asked()), (9, left(ANN, By::Script)), (9, ended(By::Script, 4))];
    check(&end, EndedBy::Script);
    let end = [(9, left(ANN, By::House)), (9, ended(By::House, 4))];
    check(&end, EndedBy::House);
}

#[test]
fn a_refused_call_keeps_its_status() {
    let busy = |leg, by| What::LegEnded { leg, cause: Cause::Busy, status: Some(486), by };
    let cdr = record(&[
        (0, began()),
        (1, dialled(BOB)),
        (2, busy(BOB, By::Peer)),
        (2, busy(ANN, By::Script)),
        (2, What::Ended { cause: Cause::Busy, talked: Duration::ZERO, by: By::Script }),
    ]);
    let cdr = cdr.unwrap();
    assert_eq!((cdr.cause, cdr.sip_status, cdr.answered), (Cause::Busy, Some(486), None));
    assert_eq!((cdr.legs[1].sip_status, cdr.legs[1].ended_by), (Some(486), EndedBy::Callee));
}

#[test]
fn facts_come_back_and_the_record_is_there_when_the_call_is_over() {
    let (file, mut store) = File::house("facts");
    let reader = file.reader();
    let end = [(9, left(BOB, By::Peer)), (9, asked()), (9, ended(By::Script, 4))];
    let (begin, end) = (story(CALL, &talk()), story(CALL, &end));
    store.append(TENANT, &begin).unwrap();
    assert!(reader.cdrs(TENANT, ALL).unwrap().rows.is_empty());
    store.append(TENANT, &end).unwrap();
    let kept = reader.facts(TENANT, CALL).unwrap();
    let told: Vec<Entry> = begin.iter().chain(&end).filter_map(Entry::of).collect();
    assert_eq!(kept, told);
    let listed = reader.cdrs(TENANT, ALL).unwrap().rows;
    assert_eq!(listed.len(), 1);
    assert_eq!(Some(&listed[0].1), Cdr::of(&told).as_ref());
    assert_eq!(reader.cdr(TENANT, listed[0].0).unwrap(), Cdr::of(&told));
    // What a script says afterwards is kept too, and makes no second record.
    let late = What::Said { text: "bye".into(), at: Place::default() };
    store.append(TENANT, &story(CALL, &[(10, late), (10, ended(By::Script, 4))])).unwrap();
    assert_eq!(reader.cdrs(TENANT, ALL).unwrap().rows.len(), 1);
}

#[test]
fn registrations_are_no_facts_of_a_call() {
    let (_file, mut store) = File::house("no-call");
    let what = What::Expired { extension: "1001".into(), contact: "sip:a".into() };
    store.append(TENANT, &[Fact { call: None, at: at(1), what }]).unwrap();
    let count = "SELECT count(*) FROM fact";
    assert_eq!(store.read().db.query_row(count, [], |it| it.get(0)), Ok(0));
}

#[test]
fn a_call_that_was_cut_off_is_closed_at_the_next_start() {
    let (file, mut store) = File::house("cut-off");
    store.append(TENANT, &story(CALL, &talk())).unwrap();
    let other = CallId(u64::MAX);
    store.append(TENANT, &story(other, &[(20, began())])).unwrap();
    drop(store);
    let mut store = file.open(2);
    assert_eq!(store.close_lost(), Ok(2));
    assert_eq!(store.close_lost(), Ok(0));
    let listed = store.read().cdrs(TENANT, ALL).unwrap().rows;
    let seen: Vec<_> = listed.iter().map(|(_, it)| (it.call, it.ended, it.ended_by)).collect();
    // The newest first, each ended with the last that was heard of it.
    assert_eq!(seen, [(other, at(20), EndedBy::House), (CALL, at(5), EndedBy::House)]);
    assert!(listed.iter().all(|(_, it)| it.cause == Cause::Failed));
}

#[test]
fn a_call_id_that_comes_again_years_later_is_another_call() {
    let (_file, mut store) = File::house("again");
    let brief = story(CALL, &[(0, began()), (1, ended(By::Peer, 0))]);
    let later = story(CALL, &[(900, began()), (901, ended(By::Peer, 0))]);
    store.append(TENANT, &brief).unwrap();
    store.append(TENANT, &later).unwrap();
    let listed = store.read().cdrs(TENANT, ALL).unwrap().rows;
    assert_eq!((listed[0].1.created, listed[1].1.created), (at(900), at(0)));
}

#[test]
fn what_a_script_says_is_kept_up_to_a_bound() {
    let said = What::Said { text: "ä".repeat(100_000), at: Place::default() };
    let entry = Entry::of(&Fact { call: Some(CALL), at: at(0), what: said }).unwrap();
    assert_eq!(entry.kind, FactKind::Said);
    assert_eq!(entry.note.unwrap().chars().count(), 2000);
}
