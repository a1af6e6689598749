//! Two phones and the engine as it ships, in quiet weather.

use moonswitch::base::Mono;
use moonswitch::sdp::Codec;
use moonswitch::sim::Config;
use moonswitch::sim::phone::{Behaviour, Ending, Registered, Reply};

use crate::world::{
    ANN, BOB, ann_dials, assert_nothing_left, call, connected, ending, house, secs, two_phones,
};

#[test]
fn two_phones_hear_each_other_until_the_caller_hangs_up() {
    let ann = Behaviour { hang_up_after: Some(secs(10)), ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, Behaviour::default());
    ann_dials(&mut world, "1002");
    assert_eq!(ending(&world, ANN), Ending::HungUp);
    assert_eq!(ending(&world, BOB), Ending::HungUpByPeer);
    assert!(connected(&world), "{}", world.trace.text());
    assert!(call(&world, ANN).rang);
    for phone in [ANN, BOB] {
        let ear = &call(&world, phone).ear;
        assert!((480..=510).contains(&ear.packets), "{ear:?}");
        assert_eq!((ear.strange, ear.unknown, ear.sources_changed), (0, 0, 0), "{ear:?}");
        assert_eq!(ear.gap_max, 1, "{ear:?}");
    }
    assert_nothing_left(&mut world);
}

#[test]
fn two_phones_hear_each_other_until_the_callee_hangs_up() {
    let bob = Behaviour { hang_up_after: Some(secs(10)), ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), Behaviour::default(), bob);
    ann_dials(&mut world, "1002");
    assert_eq!(ending(&world, ANN), Ending::HungUpByPeer);
    assert_eq!(ending(&world, BOB), Ending::HungUp);
    assert!(connected(&world), "{}", world.trace.text());
    assert_nothing_left(&mut world);
}

#[test]
fn two_phones_that_only_share_one_codec_speak_it() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::Opus] {
        let soon = Some(secs(5));
        let codecs = vec![Codec::Opus, Codec::Pcma, Codec::Pcmu];
        let ann = Behaviour { codecs, hang_up_after: soon, ..Behaviour::default() };
        let bob = Behaviour { codecs: vec![codec.clone()], ..Behaviour::default() };
        let mut world = two_phones(Config::clear(1), ann, bob);
        ann_dials(&mut world, "1002");
        assert!(connected(&world), "{codec:?}\n{}", world.trace.text());
        assert_nothing_left(&mut world);
    }
}

#[test]
fn two_phones_that_share_no_codec_are_not_connected() {
    let ann = Behaviour { codecs: vec![Codec::Pcma], ..Behaviour::default() };
    let bob = Behaviour { codecs: vec![Codec::Opus], ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, bob);
    ann_dials(&mut world, "1002");
    assert!(matches!(ending(&world, ANN), Ending::Refused(_)));
    assert_nothing_left(&mut world);
}

#[test]
fn a_callee_who_does_not_want_is_told_as_what_it_is() {
    for (reply, status) in [(Reply::Busy, 486), (Reply::Decline, 603), (Reply::Ring, 480)] {
        let bob = Behaviour { reply, ..Behaviour::default() };
        let mut world = two_phones(Config::clear(1), Behaviour::default(), bob);
        ann_dials(&mut world, "1002");
        assert_eq!(ending(&world, ANN), Ending::Refused(status), "{reply:?}");
        assert_nothing_left(&mut world);
    }
}

#[test]
fn a_phone_that_died_is_given_up() {
    let mut world = two_phones(Config::clear(1), Behaviour::default(), Behaviour::default());
    world.behave(BOB, Behaviour { reply: Reply::Silent, ..Behaviour::default() });
    ann_dials(&mut world, "1002");
    assert!(matches!(ending(&world, ANN), Ending::Refused(_)));
    assert_nothing_left(&mut world);
}

#[test]
fn a_caller_gives_up_and_the_callee_stops_ringing() {
    let ann = Behaviour { cancel_after: Some(secs(5)), ..Behaviour::default() };
    let bob = Behaviour { reply: Reply::Ring, ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, bob);
    ann_dials(&mut world, "1002");
    assert_eq!(ending(&world, ANN), Ending::Refused(487));
    assert_eq!(ending(&world, BOB), Ending::Refused(487));
    assert!(world.now() < Mono::from_millis(8_000), "it rang on until {:?}", world.now());
    assert_nothing_left(&mut world);
}

#[test]
fn a_number_that_nobody_has_is_not_found() {
    let mut world = two_phones(Config::clear(1), Behaviour::default(), Behaviour::default());
    ann_dials(&mut world, "1999");
    assert_eq!(ending(&world, ANN), Ending::Refused(404));
    assert_nothing_left(&mut world);
}

#[test]
fn an_extension_without_a_phone_is_offline() {
    let mut world = two_phones(Config::clear(1), Behaviour::default(), Behaviour::default());
    world.provision("1003", "secret");
    ann_dials(&mut world, "1003");
    assert_eq!(ending(&world, ANN), Ending::Refused(480));
    assert_nothing_left(&mut world);
}

#[test]
fn the_echo_lets_a_caller_hear_itself() {
    let ann = Behaviour { hang_up_after: Some(secs(5)), ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, Behaviour::default());
    ann_dials(&mut world, "*43");
    let own = world.phone(ANN).identity.voice;
    assert!(call(&world, ANN).heard(own), "{}", world.trace.text());
    assert!(call(&world, ANN).ear.heard(own) > 200);
    assert_nothing_left(&mut world);
}

#[test]
fn strangers_neither_register_nor_call() {
    let mut world = house(Config::clear(1));
    world.provision("1001", "secret");
    let bob = world.add("1002", Behaviour::default());
    world.register(bob);
    for (number, password) in [("1001", "guessed"), ("6666", "secret")] {
        let stranger = world.add_stranger(number, password, Behaviour::default());
        world.register(stranger);
        world.dial(stranger, "1002");
        world.run_for(secs(60));
        let phone = world.phone(stranger);
        assert!(matches!(phone.registered, Registered::Refused(401 | 403)), "{number}");
        let ending = phone.calls()[0].ending();
        assert!(matches!(ending, Some(Ending::Refused(401 | 403))), "{number}: {ending:?}");
    }
    assert!(world.phone(bob).calls().is_empty());
    assert_nothing_left(&mut world);
}

#[test]
fn a_registration_is_kept_alive() {
    let short = Behaviour { expires: secs(60), ..Behaviour::default() };
    let ann = Behaviour { hang_up_after: Some(secs(5)), ..Behaviour::default() };
    let mut world = two_phones(Config::clear(1), ann, short);
    world.run_for(secs(3_600));
    ann_dials(&mut world, "1002");
    assert!(connected(&world), "{}", world.trace.text());
    assert_nothing_left(&mut world);
}
