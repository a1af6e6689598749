//! The world that several tests share: the engine as it ships, and phones of two people.

use std::time::Duration;

use moonswitch::lua::{self, Files, Limits, LuaPlan};
use moonswitch::sim::phone::{Behaviour, Call, Ending, Registered};
use moonswitch::sim::{Config, World};

/// The phone that calls, and the one that is called.
pub(crate) const ANN: usize = 0;
pub(crate) const BOB: usize = 1;

/// The engine with the scripts that ship, and nobody there.
pub(crate) fn house(config: Config) -> World {
    World::with_switch(config, shipped())
}

/// The dial plan that ships.
pub(crate) fn shipped() -> LuaPlan {
    let mut plan = LuaPlan::new(Limits::default());
    let files = Files { embedded: lua::embedded(), user: Vec::new() };
    plan.load(&files).expect("the scripts that ship load");
    plan
}

/// Ann (1001) and Bob (1002), registered.
pub(crate) fn two_phones(config: Config, ann: Behaviour, bob: Behaviour) -> World {
    let mut world = house(config);
    move_in(&mut world, ann, bob);
    world
}

/// Ann (1001) and Bob (1002) come into a world and register.
pub(crate) fn move_in(world: &mut World, ann: Behaviour, bob: Behaviour) {
    for (number, behaviour) in [("1001", ann), ("1002", bob)] {
        let phone = world.add(number, behaviour);
        world.register(phone);
    }
    let registered = world.run_until(secs(120), |it| {
        [ANN, BOB].iter().all(|phone| it.phone(*phone).registered == Registered::Yes)
    });
    assert!(registered, "a phone is not registered\n{}", world.trace.text());
}

/// Ann dials, and everything happens that comes of it.
pub(crate) fn ann_dials(world: &mut World, number: &str) {
    world.dial(ANN, number);
    world.run_until(secs(300), |it| [ANN, BOB].iter().all(|phone| is_idle(it, *phone)));
}

/// The only call of a phone.
pub(crate) fn call(world: &World, phone: usize) -> &Call {
    let [call] = world.phone(phone).calls() else {
        panic!("one call, not {:?}\n{}", world.phone(phone).calls(), world.trace.text())
    };
    call
}

/// Whether two phones were connected: both had the 200 and its ACK, and each heard the other.
pub(crate) fn connected(world: &World) -> bool {
    let hears = |who: usize, whom: usize| {
        let voice = world.phone(whom).identity.voice;
        world.phone(who).calls().iter().any(|it| it.heard(voice))
    };
    hears(ANN, BOB) && hears(BOB, ANN)
}

/// Nothing may be left when everything has come to rest.
pub(crate) fn assert_nothing_left(world: &mut World) {
    let left = world.settle();
    assert!(left.is_empty(), "{left:#?}\n{}", world.trace.text());
}

pub(crate) fn ending(world: &World, phone: usize) -> Ending {
    call(world, phone).ending().expect("the call is over")
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn is_idle(world: &World, phone: usize) -> bool {
    world.phone(phone).calls().iter().all(|it| it.ending().is_some())
}
