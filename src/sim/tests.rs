//! Phones that talk to each other without a switch: the phone's own test.

use std::time::Duration;

use crate::sdp::Codec;

use super::net::Weather;
use super::phone::{Behaviour, Ending, Reply};
use super::{Config, World};

#[test]
fn two_phones_talk_and_the_caller_hangs_up() {
    let caller = Behaviour { hang_up_after: after(10), ..Behaviour::default() };
    let world = meet(Config::clear(1), caller, Behaviour::default());
    assert_eq!(endings(&world), [Ending::HungUp, Ending::HungUpByPeer]);
    assert_both_heard(&world);
    let ear = &world.phone(0).calls()[0].ear;
    assert_eq!((ear.strange, ear.unknown, ear.gap_max, ear.sources_changed), (0, 0, 1, 0));
}

#[test]
fn two_phones_talk_and_the_callee_hangs_up() {
    let callee = Behaviour { hang_up_after: after(10), ..Behaviour::default() };
    let world = meet(Config::clear(1), Behaviour::default(), callee);
    assert_eq!(endings(&world), [Ending::HungUpByPeer, Ending::HungUp]);
    assert_both_heard(&world);
}

#[test]
fn a_codec_that_only_has_a_number_here_is_heard_too() {
    let caller = Behaviour { codecs: vec![Codec::Pcma, Codec::Opus], ..ends_soon() };
    let callee = Behaviour { codecs: vec![Codec::Opus], ..Behaviour::default() };
    assert_both_heard(&meet(Config::clear(1), caller, callee));
}

#[test]
fn a_callee_may_be_busy_decline_or_know_none_of_the_codecs() {
    let odd = vec![Codec::Opus];
    for (reply, codecs, status) in
        [(Reply::Busy, vec![], 486), (Reply::Decline, vec![], 603), (Reply::Ring, odd, 488)]
    {
        let codecs = if codecs.is_empty() { Behaviour::default().codecs } else { codecs };
        let callee = Behaviour { reply, codecs, ..Behaviour::default() };
        let world = meet(Config::clear(1), ends_soon(), callee);
        assert_eq!(world.phone(0).calls()[0].ending(), Some(Ending::Refused(status)));
    }
}

#[test]
fn a_caller_gives_up_and_the_callee_stops_ringing() {
    let caller = Behaviour { cancel_after: after(5), ..Behaviour::default() };
    let callee = Behaviour { reply: Reply::Ring, ..Behaviour::default() };
    let world = meet(Config::clear(1), caller, callee);
    assert_eq!(endings(&world), [Ending::Refused(487), Ending::Refused(487)]);
}

#[test]
fn nobody_waits_for_a_dead_phone_for_ever() {
    let callee = Behaviour { reply: Reply::Silent, ..Behaviour::default() };
    let world = meet(Config::clear(1), Behaviour::default(), callee);
    assert_eq!(world.phone(0).calls()[0].ending(), Some(Ending::Lost));
}

#[test]
fn phones_meet_and_part_in_every_storm() {
    let mut connected = 0;
    for seed in 0..200 {
        let callee = Behaviour { hang_up_after: after(8), ..Behaviour::default() };
        let world = meet(Config::storm(seed), ends_soon(), callee);
        let heard = |who: usize, whom: usize| {
            world.phone(who).calls().iter().any(|it| it.heard(world.phone(whom).identity.voice))
        };
        connected += u32::from(heard(0, 1) && heard(1, 0));
    }
    assert!(connected >= 198, "{connected} of 200");
}

#[test]
fn a_dead_network_is_noticed() {
    let dead = Weather { loss: 1000, ..Weather::CLEAR };
    let config = Config { letters: dead, ..Config::clear(1) };
    let world = meet(config, ends_soon(), Behaviour::default());
    assert_eq!(world.phone(0).calls()[0].ending(), Some(Ending::Lost));
}

#[test]
fn the_same_seed_tells_the_same_story_byte_for_byte() {
    let tell = |seed| {
        let config = Config { traced: true, ..Config::storm(seed) };
        meet(config, ends_soon(), Behaviour::default()).trace.text().to_owned()
    };
    assert_eq!(tell(5), tell(5));
    assert_ne!(tell(5), tell(6));
}

/// Phone 0 calls phone 1; when it is over, nothing may be left.
fn meet(config: Config, caller: Behaviour, callee: Behaviour) -> World {
    let mut world = World::without_switch(config);
    let ann = world.add("1001", caller);
    let bob = world.add("1002", callee);
    world.point(ann, bob);
    world.dial(ann, "1002");
    world.run_until(Duration::from_secs(60), |it| {
        it.phone(ann).unfinished() + it.phone(bob).unfinished() == 0
    });
    let left = world.settle();
    assert!(left.is_empty(), "seed {}: {left:?}\n{}", config.seed, world.trace.text());
    world
}

fn assert_both_heard(world: &World) {
    for (who, whom) in [(0, 1), (1, 0)] {
        let voice = world.phone(whom).identity.voice;
        assert!(world.phone(who).calls()[0].heard(voice), "{who}: {:?}", world.phone(who).calls());
    }
}

fn endings(world: &World) -> [Ending; 2] {
    [0, 1].map(|it| world.phone(it).calls()[0].ending().expect("it is over"))
}

fn ends_soon() -> Behaviour {
    Behaviour { hang_up_after: after(10), ..Behaviour::default() }
}

fn after(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}
