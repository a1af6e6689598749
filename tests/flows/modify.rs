//! What phones offer within a call is told to the other phone, or refused without harm.

use moonswitch::sdp::{Codec, Direction};
use moonswitch::sim::phone::{Behaviour, Ending, Hold, Later, Offers};
use moonswitch::sim::{Config, World};

use crate::world::{
    ANN, BOB, ann_dials, assert_nothing_left, call, connected, ending, secs, two_phones,
};

#[test]
fn a_hold_in_every_spelling_from_either_side_is_told_to_the_other() {
    for (hold, told) in [
        (Hold::SendOnly, Direction::SendOnly),
        (Hold::Inactive, Direction::Inactive),
        (Hold::Nowhere, Direction::SendOnly),
    ] {
        for (holder, other) in [(ANN, BOB), (BOB, ANN)] {
            let what = format!("{hold:?} by {holder}");
            let mut phones = [brief(20), Behaviour::default()];
            let holding = &mut phones[holder];
            (holding.hold, holding.hold_after) = (hold, Some(secs(5)));
            holding.resume_after = Some(secs(10));
            let mut world = pair(1, phones);
            world.dial(ANN, "1002");
            world.run_for(secs(9));
            assert_eq!(call(&world, other).theirs, Some(told), "{what}\n{}", world.trace.text());
            let before = heard(&world, holder);
            world.run_for(secs(2));
            assert_eq!(heard(&world, holder), before, "{what}: nobody listens");
            world.run_for(secs(4));
            assert_eq!(call(&world, other).theirs, Some(Direction::SendRecv), "{what}");
            assert!(heard(&world, holder) > before + 50, "{what}\n{}", world.trace.text());
            let arrow = format!("10.0.0.1:5060 -> 10.1.0.{holder}:5060 INVITE");
            let asked = world.trace.text().matches(&arrow).count();
            assert_eq!(asked, holder, "{what}: who holds is told nothing, Bob was only rung");
            world.run_for(secs(20));
            assert_eq!(ending(&world, ANN), Ending::HungUp);
            assert_nothing_left(&mut world);
        }
    }
}

#[test]
fn who_is_held_by_both_is_heard_again_when_both_have_ended_it() {
    let holds = |from, to| Behaviour {
        hold_after: Some(secs(from)),
        resume_after: Some(secs(to)),
        ..brief(30)
    };
    let mut world = pair(1, [holds(4, 12), holds(6, 9)]);
    world.dial(ANN, "1002");
    world.run_for(secs(10));
    assert_eq!(call(&world, BOB).theirs, Some(Direction::Inactive), "{}", world.trace.text());
    assert_eq!(call(&world, ANN).theirs, Some(Direction::SendOnly), "Bob holds her too");
    world.run_for(secs(2));
    assert_eq!(call(&world, BOB).theirs, Some(Direction::SendOnly), "Ann still holds him");
    let before = [ANN, BOB].map(|it| heard(&world, it));
    world.run_for(secs(6));
    for (phone, before) in [ANN, BOB].into_iter().zip(before) {
        assert_eq!(call(&world, phone).theirs, Some(Direction::SendRecv), "{phone}");
        assert!(heard(&world, phone) > before + 50, "{phone}\n{}", world.trace.text());
    }
    world.run_for(secs(30));
    assert_nothing_left(&mut world);
}

#[test]
fn two_holds_at_the_same_moment_come_to_the_same_end() {
    for seed in 0..60 {
        let ms = |it: u64| std::time::Duration::from_millis(it);
        let at = |from: u64| Behaviour {
            hold_after: Some(ms(from)),
            resume_after: Some(secs(15)),
            ..brief(40)
        };
        // The 200 and its ACK need 40 ms or so to be with both.
        let mut world = pair(seed, [at(5_000), at(4_970 + seed)]);
        world.dial(ANN, "1002");
        world.run_for(secs(14));
        for phone in [ANN, BOB] {
            let theirs = call(&world, phone).theirs.unwrap();
            assert!(!theirs.receives(), "{seed}: {theirs:?}\n{}", world.trace.text());
        }
        world.run_for(secs(18));
        let before = [ANN, BOB].map(|it| heard(&world, it));
        world.run_for(secs(3));
        for (phone, before) in [ANN, BOB].into_iter().zip(before) {
            assert!(heard(&world, phone) > before + 50, "{seed}\n{}", world.trace.text());
        }
        world.run_for(secs(30));
        assert_nothing_left(&mut world);
    }
}

#[test]
fn another_codec_is_spoken_by_both_or_by_nobody() {
    for (changer, other) in [(ANN, BOB), (BOB, ANN)] {
        for (knows, is_taken) in [(true, true), (false, false)] {
            let what = format!("{changer} changes, the other knows it: {knows}");
            let mut phones = [brief(20), Behaviour::default()];
            phones[changer].codecs = vec![Codec::Pcmu, Codec::Opus];
            phones[changer].recode = Some((secs(5), vec![Codec::Opus]));
            phones[other].codecs = match knows {
                true => vec![Codec::Pcmu, Codec::Opus],
                false => vec![Codec::Pcmu],
            };
            let mut world = pair(1, phones);
            world.dial(ANN, "1002");
            world.run_for(secs(12));
            assert_eq!(call(&world, changer).later, if is_taken { [1, 0, 0] } else { [0, 0, 1] });
            let before = [ANN, BOB].map(|it| heard(&world, it));
            world.run_for(secs(3));
            for (phone, before) in [ANN, BOB].into_iter().zip(before) {
                assert!(heard(&world, phone) > before + 100, "{what}\n{}", world.trace.text());
                assert_eq!(call(&world, phone).ear.unknown, 0, "{what}");
            }
            world.run_for(secs(30));
            assert_nothing_left(&mut world);
        }
    }
}

#[test]
fn who_wants_our_offer_gets_it_in_the_answer() {
    for codecs in [vec![Codec::Pcma], vec![Codec::Opus, Codec::Pcmu]] {
        let ann = Behaviour { offers: Offers::Late, codecs: codecs.clone(), ..brief(10) };
        let bob = Behaviour { codecs: vec![Codec::Pcmu, Codec::Pcma], ..Behaviour::default() };
        let mut world = pair(1, [ann, bob]);
        ann_dials(&mut world, "1002");
        assert!(connected(&world), "{codecs:?}\n{}", world.trace.text());
        assert_nothing_left(&mut world);
    }
    let ann = Behaviour { offers: Offers::Late, ..brief(5) };
    let mut world = pair(1, [ann, Behaviour::default()]);
    ann_dials(&mut world, "*43");
    let own = world.phone(ANN).identity.voice;
    assert!(call(&world, ANN).heard(own), "{}", world.trace.text());
    assert_nothing_left(&mut world);
}

#[test]
fn who_takes_nothing_of_our_offer_is_hung_up() {
    let ann = Behaviour { offers: Offers::Late, codecs: vec![Codec::Opus], ..Behaviour::default() };
    let bob = Behaviour { codecs: vec![Codec::Pcmu], ..Behaviour::default() };
    let mut world = pair(1, [ann, bob]);
    ann_dials(&mut world, "1002");
    for phone in [ANN, BOB] {
        assert_eq!(ending(&world, phone), Ending::HungUpByPeer, "{}", world.trace.text());
    }
    assert_nothing_left(&mut world);
}

#[test]
fn who_asks_for_our_offer_within_a_call_gets_what_holds() {
    for asker in [ANN, BOB] {
        let mut phones = [brief(20), Behaviour::default()];
        phones[asker].ask_after = Some(secs(5));
        let mut world = pair(1, phones);
        world.dial(ANN, "1002");
        world.run_for(secs(10));
        assert_eq!(call(&world, asker).later, [1, 0, 0], "{}", world.trace.text());
        let before = [ANN, BOB].map(|it| heard(&world, it));
        world.run_for(secs(3));
        for (phone, before) in [ANN, BOB].into_iter().zip(before) {
            assert!(heard(&world, phone) > before + 100, "{}", world.trace.text());
        }
        world.run_for(secs(30));
        assert_nothing_left(&mut world);
    }
}

#[test]
fn who_refuses_to_be_held_keeps_the_call_and_who_has_forgotten_it_does_not() {
    for (status, goes_on) in [(488, true), (405, true), (500, true), (481, false), (408, false)] {
        for (holder, other) in [(ANN, BOB), (BOB, ANN)] {
            let mut phones = [brief(30), Behaviour::default()];
            phones[holder].hold_after = Some(secs(5));
            phones[holder].resume_after = Some(secs(10));
            phones[other].later = Later::Refuse(status);
            let mut world = pair(1, phones);
            world.dial(ANN, "1002");
            world.run_for(secs(15));
            let is_up = call(&world, holder).ending().is_none();
            assert_eq!(is_up, goes_on, "{status} by {other}\n{}", world.trace.text());
            world.run_for(secs(60));
            assert_nothing_left(&mut world);
        }
    }
}

#[test]
fn a_peer_that_always_has_one_of_its_own_under_way_is_asked_a_few_times() {
    let ann = Behaviour { hold_after: Some(secs(5)), ..brief(90) };
    let bob = Behaviour { later: Later::Refuse(491), ..Behaviour::default() };
    let mut world = pair(1, [ann, bob]);
    world.dial(ANN, "1002");
    world.run_for(secs(80));
    let asked = world.trace.text().matches("10.1.0.1:5060 INVITE").count();
    assert!((3..=12).contains(&asked), "{asked}\n{}", world.trace.text());
    world.run_for(secs(60));
    assert_eq!(ending(&world, ANN), Ending::HungUp);
    assert_nothing_left(&mut world);
}

#[test]
fn whoever_hangs_up_while_descriptions_change_nothing_is_left() {
    for ms in (0..3_000).step_by(15) {
        let leaves = std::time::Duration::from_millis(4_000 + ms);
        let who = (ms as usize / 15) % 2;
        let mut phones = [Behaviour::default(), Behaviour::default()];
        phones[who].hang_up_after = Some(leaves);
        phones[ANN].codecs = vec![Codec::Pcmu, Codec::Opus];
        phones[ANN].recode = Some((secs(5), vec![Codec::Opus]));
        phones[BOB].codecs = vec![Codec::Pcmu, Codec::Opus];
        phones[BOB].hold_after = Some(secs(5));
        phones[BOB].resume_after = Some(secs(6));
        let mut world = pair(ms, phones);
        ann_dials(&mut world, "1002");
        assert_nothing_left(&mut world);
    }
}

fn pair(seed: u64, [ann, bob]: [Behaviour; 2]) -> World {
    two_phones(Config::clear(seed), ann, bob)
}

fn brief(seconds: u64) -> Behaviour {
    Behaviour { hang_up_after: Some(secs(seconds)), ..Behaviour::default() }
}

/// How many packets of the other one a phone has heard.
fn heard(world: &World, phone: usize) -> u64 {
    let other = world.phone(ANN + BOB - phone).identity.voice;
    call(world, phone).ear.heard(other)
}
