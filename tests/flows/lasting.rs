//! Calls that last, calls that nobody keeps alive, and what is said before the answer: session timers
//! (RFC 4028), UPDATE (RFC 3311) and reliable provisional responses (RFC 3262) with phones of all kinds.

use moonswitch::lua::{Files, Limits, LuaPlan};
use moonswitch::sdp::Direction;
use moonswitch::sim::phone::{Asks, Behaviour, Early, Ending, Hold, Reliable, Reply, Timer};
use moonswitch::sim::{Config, World};

use crate::world::{
    ANN, BOB, ann_dials, assert_nothing_left, call, connected, ending, move_in, secs, two_phones,
};

#[test]
fn who_holds_an_echo_and_vanishes_is_given_up() {
    for (session, asks_by, within) in [
        (Timer::Unknown, Asks::Invite, 950),
        (Timer::Unknown, Asks::Update, 950),
        (Timer::Timed(90), Asks::Invite, 80),
        (Timer::Timed(600), Asks::Update, 590),
    ] {
        let ann = Behaviour {
            hold_after: Some(secs(5)),
            vanish_after: Some(secs(10)),
            session,
            asks_by,
            ..Behaviour::default()
        };
        let mut world = traced(1, [ann, Behaviour::default()]);
        ann_dials(&mut world, "*43");
        assert_eq!(ending(&world, ANN), Ending::Vanished);
        world.run_for(secs(within));
        assert_nothing_left(&mut world);
    }
}

#[test]
fn two_who_vanish_while_one_holds_the_other_are_given_up() {
    for (holder, other) in [(ANN, BOB), (BOB, ANN)] {
        for hold in [Hold::SendOnly, Hold::Inactive] {
            let mut phones = [(); 2].map(|()| Behaviour::default());
            (phones[holder].hold, phones[holder].hold_after) = (hold, Some(secs(5)));
            phones[holder].vanish_after = Some(secs(8));
            phones[other].vanish_after = Some(secs(9));
            let mut world = traced(1, phones);
            ann_dials(&mut world, "1002");
            world.run_for(secs(1_000));
            assert_nothing_left(&mut world);
        }
    }
}

#[test]
fn calls_of_all_kinds_of_phones_last_for_an_hour() {
    let sessions = [Timer::Unknown, Timer::Timed(90), Timer::Timed(1_800), Timer::Longer(3_600)];
    for ann in sessions {
        for bob in sessions {
            for asks_by in [Asks::Invite, Asks::Update] {
                let what = format!("{ann:?} {bob:?} {asks_by:?}");
                // Nobody speaks meanwhile: it costs the test less.
                let ann = Behaviour {
                    session: ann,
                    asks_by,
                    hold: Hold::Inactive,
                    hold_after: Some(secs(3)),
                    resume_after: Some(secs(3_600)),
                    hang_up_after: Some(secs(3_610)),
                    ..Behaviour::default()
                };
                let bob = Behaviour { session: bob, ..ann.clone() };
                let bob =
                    Behaviour { hold_after: None, resume_after: None, hang_up_after: None, ..bob };
                let mut world = traced(1, [ann, bob]);
                world.dial(ANN, "1002");
                world.run_for(secs(3_604));
                let before = heard(&world);
                world.run_for(secs(30));
                let text = world.trace.text();
                assert_eq!(ending(&world, ANN), Ending::HungUp, "{what}\n{text}");
                assert_eq!(ending(&world, BOB), Ending::HungUpByPeer, "{what}\n{text}");
                assert!(connected(&world), "{what}");
                let after = heard(&world);
                assert!(after.iter().zip(before).all(|(it, before)| *it > before + 200), "{what}");
                assert_eq!(puzzled(&world), 0, "{what}\n{text}");
                assert_nothing_left(&mut world);
            }
        }
    }
}

#[test]
fn who_promises_to_refresh_and_forgets_is_hung_up() {
    for forgetful in [ANN, BOB] {
        let mut phones = [(); 2].map(|()| Behaviour::default());
        phones[forgetful].session = Timer::Forgets(120);
        let mut world = traced(1, phones);
        ann_dials(&mut world, "1002");
        for phone in [ANN, BOB] {
            assert_eq!(ending(&world, phone), Ending::HungUpByPeer, "{}", world.trace.text());
        }
        let seconds = world.now().as_millis() / 1_000;
        assert!((85..100).contains(&seconds), "120 s less 32, after {seconds}");
        assert_nothing_left(&mut world);
    }
}

#[test]
fn a_hold_by_update_is_told_to_the_other() {
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
            (holding.resume_after, holding.asks_by) = (Some(secs(10)), Asks::Update);
            let mut world = traced(1, phones);
            world.dial(ANN, "1002");
            world.run_for(secs(9));
            assert_eq!(call(&world, other).theirs, Some(told), "{what}\n{}", world.trace.text());
            assert!(world.trace.text().contains("UPDATE"), "{what}");
            world.run_for(secs(6));
            assert_eq!(call(&world, other).theirs, Some(Direction::SendRecv), "{what}");
            world.run_for(secs(20));
            assert_eq!(ending(&world, ANN), Ending::HungUp);
            assert_eq!(puzzled(&world), 0, "{what}\n{}", world.trace.text());
            assert_nothing_left(&mut world);
        }
    }
}

#[test]
fn holds_by_update_and_by_invite_at_the_same_moment_come_to_the_same_end() {
    for seed in 0..60 {
        let at = |ms: u64, asks_by| Behaviour {
            hold_after: Some(std::time::Duration::from_millis(ms)),
            resume_after: Some(secs(15)),
            asks_by,
            ..brief(40)
        };
        let ways = [Asks::Update, Asks::Invite];
        let [one, other] = [ways[seed as usize % 2], ways[seed as usize / 2 % 2]];
        let mut world = traced(seed, [at(5_000, one), at(4_970 + seed, other)]);
        world.dial(ANN, "1002");
        world.run_for(secs(14));
        for phone in [ANN, BOB] {
            let theirs = call(&world, phone).theirs.unwrap();
            assert!(!theirs.receives(), "{seed}: {theirs:?}\n{}", world.trace.text());
        }
        world.run_for(secs(18));
        let before = heard(&world);
        world.run_for(secs(3));
        let after = heard(&world);
        assert!(
            after.iter().zip(before).all(|(it, before)| *it > before + 50),
            "{seed}\n{}",
            world.trace.text()
        );
        world.run_for(secs(30));
        assert_nothing_left(&mut world);
    }
}

#[test]
fn what_is_said_before_the_answer_arrives() {
    let kinds = [Reliable::Unknown, Reliable::Supported, Reliable::Required, Reliable::Deaf];
    for ann in kinds {
        for bob in [Reliable::Unknown, Reliable::Supported] {
            for early in [Early::Rings, Early::Speaks] {
                for config in [Config::clear(1), Config::storm(1)] {
                    let what = format!("{ann:?} {bob:?} {early:?} {}", config.seed);
                    let ann = Behaviour { reliable: ann, ..brief(5) };
                    let bob = Behaviour { reliable: bob, early, ..Behaviour::default() };
                    let mut world = two_phones(Config { traced: true, ..config }, ann, bob);
                    ann_dials(&mut world, "1002");
                    let text = world.trace.text();
                    assert!(connected(&world), "{what}\n{text}");
                    assert_eq!(puzzled(&world), 0, "{what}\n{text}");
                    assert_nothing_left(&mut world);
                }
            }
        }
    }
}

#[test]
fn an_announcement_before_the_answer_is_the_answer_once_it_has_arrived() {
    let script = "pbx.internal('{number}', function(call, m)
      pbx.race{ function() call:play('tone:ringback', { early = true }) end,
                function() call:sleep(1) end }
      call:dial(m.number, { timeout = 60 })
    end)";
    for (reliable, comes) in [
        (Reliable::Unknown, true),
        (Reliable::Supported, true),
        (Reliable::Required, true),
        // It never has, so there can be no 200 (RFC 3262 §3).
        (Reliable::Deaf, false),
    ] {
        let mut plan = LuaPlan::new(Limits::default());
        let user = vec![("main.lua".to_owned(), script.to_owned())];
        plan.load(&Files { embedded: Vec::new(), user }).unwrap();
        let mut world = World::with_switch(Config { traced: true, ..Config::clear(1) }, plan);
        move_in(&mut world, Behaviour { reliable, ..brief(5) }, Behaviour::default());
        ann_dials(&mut world, "1002");
        let text = world.trace.text();
        assert_eq!(connected(&world), comes, "{reliable:?}\n{text}");
        if !comes {
            assert_eq!(ending(&world, ANN), Ending::Refused(500), "{text}");
        }
        assert_nothing_left(&mut world);
    }
}

#[test]
fn a_caller_who_wants_reliability_may_give_up_at_any_moment() {
    for ms in (0..3_000).step_by(50) {
        for reliable in [Reliable::Required, Reliable::Deaf] {
            let after = std::time::Duration::from_millis(ms);
            let ann = Behaviour { reliable, cancel_after: Some(after), ..brief(5) };
            let bob = Behaviour {
                reliable: Reliable::Supported,
                early: Early::Speaks,
                reply: if ms % 100 == 0 { Reply::Ring } else { Behaviour::default().reply },
                ..Behaviour::default()
            };
            let mut world = two_phones(Config::storm(ms), ann, bob);
            ann_dials(&mut world, "1002");
            assert_nothing_left(&mut world);
        }
    }
}

fn traced(seed: u64, [ann, bob]: [Behaviour; 2]) -> World {
    two_phones(Config { traced: true, ..Config::clear(seed) }, ann, bob)
}

fn brief(seconds: u64) -> Behaviour {
    Behaviour { hang_up_after: Some(secs(seconds)), ..Behaviour::default() }
}

fn heard(world: &World) -> [u64; 2] {
    [(ANN, BOB), (BOB, ANN)]
        .map(|(who, whom)| call(world, who).ear.heard(world.phone(whom).identity.voice))
}

fn puzzled(world: &World) -> u64 {
    [ANN, BOB].iter().map(|it| world.phone(*it).puzzled).sum()
}
