//! Scripts that hang up, fail, loop, wait for ever, dial without end and do several things at once,
//! while callers and callees leave at every moment. Each ends, and the neighbours' call does not
//! suffer.

use std::time::Duration;

use moonswitch::lua::{self, Files, Limits, LuaPlan};
use moonswitch::sdp::Codec;
use moonswitch::sim::phone::{Behaviour, Ending};
use moonswitch::sim::{Config, World};

use crate::attack::facts::{assert_well, broken_facts};
use crate::world::{ANN, BOB, call, move_in, secs};

/// Two who talk meanwhile.
const CAT: usize = 2;
const DAN: usize = 3;

/// A handler that fails before anything came of the call leaves it to the layer that ships, which
/// finds nobody of that number.
const BELOW: Ending = Ending::Refused(404);

/// What the handler does, and how that ends for a caller who waits for 30 seconds.
const SCRIPTS: &[(&str, Ending)] = &[
    ("call:hangup()", Ending::Refused(603)),
    ("call:reject('busy')", Ending::Refused(486)),
    ("call:answer() call:hangup()", Ending::HungUpByPeer),
    ("call:answer() call:reject('busy')", Ending::HungUpByPeer),
    ("", Ending::Refused(480)),
    ("error('oops')", BELOW),
    ("call:answer() call:sleep(1) error('oops')", Ending::HungUpByPeer),
    ("while true do end", BELOW),
    ("call:answer() while true do end", Ending::HungUpByPeer),
    ("while true do call:ringing() end", BELOW),
    ("while true do pcall(call.dial, call, '9999') end", Ending::Refused(500)),
    ("call:sleep('24h')", Ending::Refused(487)),
    ("call:answer() call:sleep('24h')", Ending::HungUp),
    ("call:answer() while true do call:sleep(0.01) end", Ending::HungUp),
    ("while true do call:dial('1002', { timeout = 1 }) end", Ending::Refused(487)),
    ("call:answer() while true do call:dial('1002', { timeout = 1 }) end", Ending::HungUp),
    (
        "while true do call:dial({ '1002', '1002', '1001' }, { timeout = 1 }) end",
        Ending::Refused(487),
    ),
    ("call:dial('1002') call:play('tone:busy')", Ending::HungUp),
    ("call:play('tone:busy', { early = true })", Ending::Refused(487)),
    ("call:play('tone:nonsense')", Ending::HungUpByPeer),
    (
        "pbx.race{ function() call:dial('1002') end, function() call:sleep(1) end } call:echo()",
        Ending::HungUp,
    ),
    (
        "pbx.race{ function() call:dial('1002') end, function() call:sleep(2.006) end } call:echo()",
        Ending::HungUp,
    ),
    (
        "while true do pbx.race{ function() call:dial('1002') end, function() call:sleep(0.3) end } end",
        Ending::Refused(487),
    ),
    (
        "pbx.race{ function() call:play('tone:ringback') end, function() call:sleep(1) end } call:dial('1002')",
        Ending::HungUp,
    ),
    (
        "pbx.all{ function() call:dial('1002') end, function() call:sleep(1) call:answer() end }",
        Ending::HungUp,
    ),
    (
        "pbx.all{ function() call:dial('1002') end, function() call:sleep(3) error('oops') end }",
        Ending::HungUpByPeer,
    ),
    (
        "pbx.all{ function() call:dial('1002') end, function() call:sleep(3) call:hangup() end }",
        Ending::HungUpByPeer,
    ),
    (
        "pbx.spawn(function() call:play('tone:ringback') end) call:sleep(1) call:dial('1002')",
        Ending::HungUpByPeer,
    ),
    (
        "pbx.spawn(function() call:sleep(1) call:hangup() end) call:dial('1002')",
        Ending::Refused(603),
    ),
    ("pbx.spawn(function() while true do call:sleep(0.1) end end) call:echo()", Ending::HungUp),
    ("call:defer(function() call:sleep('1h') end) call:dial('1002')", Ending::HungUp),
    (
        "call:defer(function() while true do pcall(error) end end) call:answer() call:sleep(60)",
        Ending::HungUp,
    ),
    ("call:defer(function() call:sleep(3) error('oops') end) error('first')", BELOW),
    (
        "call:defer(function() pcall(call.dial, call, '1002') end) call:dial('1002', { timeout = 1 })",
        Ending::Refused(480),
    ),
];

#[test]
fn every_script_ends_as_it_should_and_the_neighbours_do_not_suffer() {
    let mut odd = Vec::new();
    for (script, wanted) in SCRIPTS {
        let mut world = run(script, 30_000, &[ANN]);
        world.run_for(secs(10));
        let ending = world.phone(ANN).calls()[0].ending();
        if ending != Some(*wanted) {
            odd.push(format!("{script}: {ending:?}, not {wanted:?}"));
        }
        check(&mut world, script);
    }
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn nothing_is_left_of_any_script_whenever_somebody_leaves() {
    for (script, _) in SCRIPTS {
        for nth in 0..14 {
            for leavers in [&[ANN][..], &[BOB], &[BOB, ANN]] {
                let mut world = run(script, nth * 311, leavers);
                world.run_for(secs(4));
                world.hang_up(ANN);
                world.hang_up(BOB);
                world.run_for(secs(8));
                check(&mut world, &format!("{script}, {leavers:?} after {} ms", nth * 311));
            }
        }
    }
}

#[test]
fn a_script_that_answers_while_it_dials_connects_who_share_a_codec() {
    let script =
        "pbx.all{ function() call:dial('1002') end, function() call:sleep(1) call:answer() end }";
    let mut world = neighbourhood(script, 1);
    let bob = Behaviour { codecs: vec![Codec::Pcma], ..Behaviour::default() };
    world.behave(BOB, bob);
    world.dial(ANN, "7000");
    world.run_for(secs(6));
    let [ann, bob] = [ANN, BOB].map(|it| world.phone(it).identity.voice);
    let hears = call(&world, ANN).heard(bob) && call(&world, BOB).heard(ann);
    // Bob knows only what Ann was not answered with: better not connected than deaf.
    let is_refused = call(&world, BOB).ending().is_some();
    assert!(hears || is_refused, "{}", world.trace.text());
    world.hang_up(ANN);
    check(&mut world, script);
}

/// Cat and Dan talk, Ann calls the script, and so much later some leave.
fn run(script: &str, ms: u64, leavers: &[usize]) -> World {
    let mut world = neighbourhood(script, ms);
    world.dial(ANN, "7000");
    world.run_for(Duration::from_millis(ms));
    leavers.iter().for_each(|it| world.hang_up(*it));
    world
}

/// Four phones, of which two talk.
fn neighbourhood(script: &str, seed: u64) -> World {
    let main = format!("pbx.internal('7000', function(call)\n{script}\nend)");
    let user = vec![("main.lua".to_owned(), main)];
    let mut plan = LuaPlan::new(Limits::default());
    plan.load(&Files { embedded: lua::embedded(), user }).expect("the script loads");
    let mut world = World::with_switch(Config::clear(seed), plan);
    move_in(&mut world, Behaviour::default(), Behaviour::default());
    for number in ["1003", "1004"] {
        let phone = world.add(number, Behaviour::default());
        world.register(phone);
    }
    world.run_for(secs(1));
    world.dial(CAT, "1004");
    world.run_for(secs(4));
    world
}

/// Cat and Dan have heard each other all the time; then they leave, and nothing is left.
fn check(world: &mut World, what: &str) {
    for (who, whom) in [(CAT, DAN), (DAN, CAT)] {
        let it = call(world, who);
        let voice = world.phone(whom).identity.voice;
        assert!(it.ending().is_none() && it.ear.heard(voice) > 250, "{what}: {:?}", it.ear);
        assert_eq!((it.ear.gap_max, it.ear.strange, it.ear.unknown), (1, 0, 0), "{what}");
    }
    world.hang_up(CAT);
    assert_well(world, what);
    assert_eq!(broken_facts(world), Vec::<String>::new(), "{what}");
}
