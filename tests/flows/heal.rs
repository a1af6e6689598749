//! Calls that would go silent elsewhere: phones behind routers, strangers, phones that vanish.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;

use moonswitch::base::Cause;
use moonswitch::call::event::{By, What};
use moonswitch::sdp::Codec;
use moonswitch::sim::phone::{Behaviour, Ending, Frame, Nat};
use moonswitch::sim::{Config, World};

use crate::world::{
    ANN, BOB, ann_dials, assert_nothing_left, call, connected, ending, secs, two_phones,
};

/// How long a phone may say nothing.
const SILENCE: u64 = 30;

#[test]
fn phones_behind_routers_hear_each_other() {
    let nat = Some(Nat::default());
    let ann = Behaviour { nat, hang_up_after: Some(secs(10)), ..Behaviour::default() };
    let bob = Behaviour { nat, ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, bob);
    ann_dials(&mut world, "1002");
    assert!(connected(&world), "{}", world.trace.text());
    for (phone, other) in [(ANN, BOB), (BOB, ANN)] {
        let heard = call(&world, phone).ear.heard(world.phone(other).identity.voice);
        assert!(heard >= 480, "{phone} heard {heard}");
    }
    assert_nothing_left(&mut world);
}

#[test]
fn a_router_that_changes_its_mind_costs_less_than_a_fifth_of_a_second() {
    for who in [ANN, BOB] {
        let nat = Some(Nat { moves_after: Some(secs(5)) });
        let mut phones = [Behaviour::default(), Behaviour::default()];
        phones[ANN].hang_up_after = Some(secs(10));
        phones[who].nat = nat;
        let [ann, bob] = phones;
        let mut world = two_phones(Config::clear(1), ann, bob);
        ann_dials(&mut world, "1002");
        for (phone, other) in [(ANN, BOB), (BOB, ANN)] {
            let heard = call(&world, phone).ear.heard(world.phone(other).identity.voice);
            assert!(heard >= 490, "{phone} heard {heard}");
        }
        assert!(world.phone(who).astray < 10);
        assert_nothing_left(&mut world);
    }
}

#[test]
fn strangers_are_neither_heard_nor_fed_in_a_call() {
    let nat = Some(Nat::default());
    let ann = Behaviour { nat, hang_up_after: Some(secs(10)), ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, Behaviour::default());
    world.dial(ANN, "1002");
    let stranger: SocketAddr = "203.0.113.66:4000".parse().expect("an address");
    world.run_until(secs(20), |it| speaks_to(it, BOB).is_some());
    for seq in 0..500_u16 {
        world.run_for(secs(20) / 1000);
        for target in [ANN, BOB].iter().filter_map(|it| speaks_to(&world, *it)).collect::<Vec<_>>()
        {
            let [high, low] = seq.to_be_bytes();
            let mut packet = vec![0x80, 0, high, low];
            packet.resize(12 + 160, 0x55);
            world.forge_frame(Frame { from: stranger, to: target, bytes: packet });
        }
    }
    world.run_until(secs(60), |it| call(it, ANN).ending().is_some());
    assert!(connected(&world), "{}", world.trace.text());
    for phone in [ANN, BOB] {
        let ear = &call(&world, phone).ear;
        assert_eq!((ear.unknown, ear.strange, ear.sources_changed), (0, 0, 0), "{ear:?}");
    }
    // Before Ann was heard of, Bob's first words went to the address that she believes in.
    assert!(world.astray <= 3, "{} packets went astray", world.astray);
    assert_nothing_left(&mut world);
}

#[test]
fn who_talks_with_a_phone_that_vanished_is_hung_up() {
    for (gone, left) in [(ANN, BOB), (BOB, ANN)] {
        let mut phones = [Behaviour::default(), Behaviour::default()];
        phones[gone].vanish_after = Some(secs(5));
        let [ann, bob] = phones;
        let mut world = two_phones(Config::clear(1), ann, bob);
        world.dial(ANN, "1002");
        assert!(world.run_until(secs(60), |it| is_over(it, gone)));
        let began = world.now();
        assert!(world.run_until(secs(120), |it| is_over(it, left)));
        let waited = world.now().since(began);
        assert!(waited <= secs(SILENCE + 1), "{waited:?}");
        assert_eq!(ending(&world, left), Ending::HungUpByPeer);
        assert!(is_lost(&world), "{}", world.trace.text());
        assert_nothing_left(&mut world);
    }
}

#[test]
fn an_echo_of_nobody_ends() {
    let ann = Behaviour { vanish_after: Some(secs(5)), ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, Behaviour::default());
    ann_dials(&mut world, "*43");
    world.run_for(secs(SILENCE + 1));
    assert!(is_lost(&world));
    assert_nothing_left(&mut world);
}

#[test]
fn a_hold_may_be_silent_for_as_long_as_it_wants() {
    for who in [ANN, BOB] {
        let mut phones = [Behaviour::default(), Behaviour::default()];
        phones[ANN].hang_up_after = Some(secs(220));
        phones[who].hold_after = Some(secs(5));
        phones[who].resume_after = Some(secs(205));
        let [ann, bob] = phones;
        let mut world = two_phones(Config::clear(1), ann, bob);
        ann_dials(&mut world, "1002");
        assert_eq!(ending(&world, ANN), Ending::HungUp, "{}", world.trace.text());
        for (phone, other) in [(ANN, BOB), (BOB, ANN)] {
            let heard = call(&world, phone).ear.heard(world.phone(other).identity.voice);
            assert!((900..1100).contains(&heard), "{phone} heard {heard}");
        }
        assert!(!is_lost(&world));
        assert_nothing_left(&mut world);
    }
}

#[test]
fn a_hold_and_its_end_are_new_versions_of_our_description() {
    let ann = Behaviour {
        hold_after: Some(secs(5)),
        resume_after: Some(secs(10)),
        hang_up_after: Some(secs(15)),
        ..Behaviour::default()
    };
    let mut world = two_phones(Config::clear(1), ann, Behaviour::default());
    let said = Rc::new(RefCell::new(BTreeSet::new()));
    let ear = Rc::clone(&said);
    world.inspect(move |message| {
        let text = String::from_utf8_lossy(message).into_owned();
        let origin = text.lines().find(|it| it.starts_with("o=- ") && it.ends_with(" 10.0.0.1"));
        ear.borrow_mut().extend(origin.map(str::to_owned));
    });
    ann_dials(&mut world, "1002");
    let mut versions: Vec<String> = Vec::new();
    versions.extend(said.borrow().iter().filter_map(|it| Some(it.split(' ').nth(2)?.to_owned())));
    versions.sort_unstable();
    // Both legs have three: Bob is told.
    assert_eq!(versions, ["1", "1", "2", "2", "3", "3"]);
    assert_nothing_left(&mut world);
}

#[test]
fn phones_that_share_a_codec_nobody_here_knows_talk_in_it() {
    let wide = |number| Codec::other("speex", 16_000, 1, number, "").expect("a codec");
    let ann = Behaviour {
        codecs: vec![Codec::Opus, wide(97)],
        hang_up_after: Some(secs(5)),
        ..Behaviour::default()
    };
    let bob = Behaviour { codecs: vec![Codec::Pcma, wide(120)], ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, bob);
    ann_dials(&mut world, "1002");
    assert!(connected(&world), "{}", world.trace.text());
    assert_nothing_left(&mut world);
}

fn speaks_to(world: &World, phone: usize) -> Option<SocketAddr> {
    world.phone(phone).calls().last()?.speaks_to()
}

fn is_over(world: &World, phone: usize) -> bool {
    world.phone(phone).calls().last().is_some_and(|it| it.ending().is_some())
}

/// Whether a leg ended because nothing was heard of it.
fn is_lost(world: &World) -> bool {
    let lost = |it: &What| matches!(it, What::LegEnded { cause: Cause::Lost, by: By::House, .. });
    world.facts.iter().any(|it| lost(&it.what))
}
