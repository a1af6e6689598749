//! Hangups at every moment of a call: by the caller, by the callee, by both at once.

use std::time::Duration;

use moonswitch::sim::phone::{Behaviour, Ending};
use moonswitch::sim::{Config, World};

use crate::attack::facts::assert_well;
use crate::world::{ANN, BOB, secs, two_phones};

/// Who leaves.
const LEAVERS: [&[usize]; 4] = [&[ANN], &[BOB], &[ANN, BOB], &[BOB, ANN]];

#[test]
fn a_call_ends_for_all_whenever_somebody_leaves() {
    // Every 50 ms, and every half millisecond where messages cross: dialling, and the answer.
    let coarse = (0..120).map(|it| it * 50_000);
    let fine = (0..60).map(|it| it * 500);
    let answer = (0..80).map(|it| 1_990_000 + it * 500);
    for at in coarse.chain(fine).chain(answer).map(Duration::from_micros) {
        for leavers in LEAVERS {
            let what = format!("{leavers:?} leave after {at:?}");
            let mut world = abandoned(Config::clear(at.as_micros() as u64), at, leavers);
            let is_rung = !world.phone(BOB).calls().is_empty();
            world.run_for(secs(2));
            // Nobody leaves a call that has not reached him.
            if is_rung || leavers.contains(&ANN) {
                for call in [ANN, BOB].iter().flat_map(|it| world.phone(*it).calls()) {
                    let ending = call.ending();
                    let is_over = ending.is_some_and(|it| it != Ending::Lost);
                    assert!(is_over, "{what}: {ending:?}\n{}", world.trace.text());
                }
                let census = world.census().expect("there is a switch");
                assert_eq!((census.calls, census.ports_free), (0, census.ports), "{what}");
            }
            assert_well(&mut world, &what);
        }
    }
}

#[test]
fn a_call_ends_for_all_in_a_storm_too() {
    for nth in 0..120 {
        for (kind, leavers) in LEAVERS.into_iter().enumerate() {
            let at = Duration::from_millis(nth * 50);
            let seed = nth * 10 + kind as u64;
            let mut world = abandoned(Config { traced: true, ..Config::storm(seed) }, at, leavers);
            world.run_for(secs(240));
            assert_well(&mut world, &format!("seed {seed}: {leavers:?} leave after {at:?}"));
        }
    }
}

/// Ann calls Bob; so much later, somebody leaves.
fn abandoned(config: Config, at: Duration, leavers: &[usize]) -> World {
    let patient = Behaviour { hang_up_after: Some(secs(20)), ..Behaviour::default() };
    let mut world = two_phones(config, patient.clone(), patient);
    world.dial(ANN, "1002");
    world.run_for(at);
    leavers.iter().for_each(|it| world.hang_up(*it));
    world
}
