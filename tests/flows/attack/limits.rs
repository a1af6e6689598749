//! Ports run out, and come back; hundreds of calls come at once.

use moonswitch::sim::phone::{Behaviour, Ending, Registered};
use moonswitch::sim::{Config, World};

use crate::attack::facts::{assert_well, broken_facts};
use crate::world::{house, secs};

#[test]
fn who_finds_no_port_hears_503_and_the_next_call_finds_one() {
    // A stream needs a port, and a call between two phones two of them.
    for (ports, number, served) in [
        (2, "*43", 2),
        (3, "*43", 3),
        (2, "callee", 1),
        (3, "callee", 1),
        (4, "callee", 2),
        (1, "callee", 0),
    ] {
        let what = format!("{ports} ports, {number}");
        let mut world = quiet(Config { ports, ..Config::clear(u64::from(ports)) }, 6);
        for round in 0..3 {
            for caller in 0..3 {
                let callee = format!("{}", 2_000 + caller + 3);
                world.dial(caller, if number == "callee" { &callee } else { number });
            }
            world.run_for(secs(20));
            let endings: Vec<_> = (0..3)
                .map(|it| world.phone(it).calls()[round].ending().expect("it is over"))
                .collect();
            let refused = endings.iter().filter(|it| **it == Ending::Refused(503)).count();
            let hung_up = endings
                .iter()
                .filter(|it| matches!(it, Ending::HungUp | Ending::HungUpByPeer))
                .count();
            assert_eq!((hung_up, refused), (served, 3 - served), "{what}: {endings:?}");
            let census = world.census().expect("there is a switch");
            assert_eq!((census.calls, census.ops), (0, 0), "{what}");
            assert_eq!(census.ports_free, usize::from(ports), "{what}");
        }
        assert_well(&mut world, &what);
    }
}

#[test]
fn two_hundred_calls_at_once_all_complete_and_all_ports_come_back() {
    const CALLS: usize = 200;
    for base in [Config::clear(1), Config::storm(1)] {
        let config = Config { ports: 2 * CALLS as u16, traced: false, ..base };
        let mut world = quiet(config, 2 * CALLS);
        for caller in 0..CALLS {
            world.dial(caller, &format!("{}", 2_000 + CALLS + caller));
        }
        let is_over = |it: &World, phone: usize| {
            let calls = it.phone(phone).calls();
            !calls.is_empty() && calls.iter().all(|it| it.ending().is_some())
        };
        world.run_for(secs(60));
        assert!((0..2 * CALLS).all(|it| is_over(&world, it)));
        let talked = (0..CALLS).filter(|caller| {
            let hears = |who: usize, whom: usize| {
                world.phone(who).calls()[0].heard(world.phone(whom).identity.voice)
            };
            hears(*caller, CALLS + caller) && hears(CALLS + caller, *caller)
        });
        let talked = talked.count();
        assert!(talked >= CALLS * 98 / 100, "{talked} of {CALLS} talked");
        assert_well(&mut world, "two hundred calls");
        assert_eq!(broken_facts(&world), Vec::<String>::new());
    }
}

/// So many registered phones, 2000 and on, who hang up after three seconds.
fn quiet(config: Config, phones: usize) -> World {
    let mut world = house(config);
    let behaviour = Behaviour { hang_up_after: Some(secs(3)), ..Behaviour::default() };
    for nth in 0..phones {
        let phone = world.add(&format!("{}", 2_000 + nth), behaviour.clone());
        world.register(phone);
    }
    let registered = world.run_until(secs(120), |it| {
        (0..phones).all(|phone| it.phone(phone).registered == Registered::Yes)
    });
    assert!(registered, "a phone is not registered");
    world
}
