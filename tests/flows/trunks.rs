//! Trunks: we register with carriers, and see whether they are there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use moonswitch::call::{Answer, Input, Question, TrunkSeen};
use moonswitch::directory::{Delta, TenantId, Terms, Trunk, TrunkId, Uuid};
use moonswitch::sim::{Carrier, Config, Manner, World};
use moonswitch::sip::enrol::Standing;
use moonswitch::sip::message::{Method, Name};
use moonswitch::sip::resolve::{self, Kind, Record};

use crate::world::{house, secs};

const HOST: &str = "carrier.test";
const TRUNK: TrunkId = TrunkId(1);

#[test]
fn a_trunk_registers_stays_registered_and_leaves() {
    let mut world = with_trunk(1, asking(), |it| it.expires = 60);
    assert!(standing(&mut world) == Some(Standing::Registered), "{}", world.trace.text());
    // Challenged once; the refreshes carry their credentials already.
    world.run_for(secs(300));
    let asked = world.carrier(0).count(Method::Register);
    assert!((7..=9).contains(&asked), "{asked} in five minutes\n{}", world.trace.text());
    assert_eq!(standing(&mut world), Some(Standing::Registered));
    world.tell(Input::Directory(Delta::TrunkGone(TRUNK)));
    world.run_for(secs(2));
    assert!(world.carrier(0).registered.is_empty(), "{}", world.trace.text());
    assert_eq!(seen(&mut world), None);
}

#[test]
fn a_carrier_that_finds_us_too_brief_gets_its_time() {
    let mut world = with_trunk(2, Manner { expires_min: 900, ..asking() }, |it| it.expires = 60);
    assert_eq!(standing(&mut world), Some(Standing::Registered), "{}", world.trace.text());
    let last = world.carrier(0).heard.iter().rfind(|it| it.method() == Method::Register);
    assert_eq!(last.and_then(|it| it.expires()), Some(900));
}

#[test]
fn a_wrong_password_is_refused_and_not_tried_at_speed() {
    let manner = Manner { asks: Some((HOST.into(), "another".into())), ..Manner::default() };
    let mut world = with_trunk(3, manner, |_| {});
    assert_eq!(standing(&mut world), Some(Standing::Refused), "{}", world.trace.text());
    world.run_for(secs(120));
    assert_eq!(world.carrier(0).count(Method::Register), 2);
}

#[test]
fn another_realm_learns_no_digest() {
    let manner = Manner { asks: Some(("evil.test".into(), "secret".into())), ..Manner::default() };
    let mut world = with_trunk(4, manner, |_| {});
    assert_eq!(standing(&mut world), Some(Standing::Refused));
    let told = |it: &moonswitch::sip::message::Message| it.first(Name::Authorization).is_some();
    assert!(!world.carrier(0).heard.iter().any(told), "{}", world.trace.text());
}

#[test]
fn a_silent_carrier_is_passed_by_within_four_seconds() {
    let mut world = house(Config::clear(5));
    let silent = world.open_carrier(Carrier::new(at(1), Manner { silent: true, ..asking() }));
    let other = world.open_carrier(Carrier::new(at(2), asking()));
    name(&mut world, &[1, 2]);
    provision(&mut world, |it| it.ping = 0);
    world.run_for(Duration::from_millis(4_900));
    assert!(world.carrier(silent).count(Method::Register) > 0);
    assert_eq!(world.carrier(other).registered.len(), 1, "{}", world.trace.text());
    assert_eq!(standing(&mut world), Some(Standing::Registered));
}

#[test]
fn who_is_not_there_is_seen_and_comes_back() {
    let mut world = with_trunk(6, Manner { silent: true, ..asking() }, |it| it.ping = 10);
    world.run_for(secs(40));
    let it = seen(&mut world).expect("it is at work");
    assert_eq!(it.health.reachable, Some(false));
    assert_eq!(it.registration.map(|it| it.standing), Some(Standing::Unreachable));
    world.carrier(0).manner.silent = false;
    world.run_for(secs(60));
    let it = seen(&mut world).expect("it is at work");
    assert_eq!((it.health.reachable, it.health.status), (Some(true), Some(200)));
    assert_eq!(it.registration.map(|it| it.standing), Some(Standing::Registered));
}

#[test]
fn dns_that_does_not_answer_makes_a_trunk_unreachable_and_nothing_else() {
    let mut world = house(Config::clear(7));
    world.names.delay = secs(20);
    provision(&mut world, |_| {});
    world.run_for(secs(6));
    assert_eq!(standing(&mut world), Some(Standing::Unreachable), "{}", world.trace.text());
}

#[test]
fn a_changed_password_is_used_at_once_and_a_shutdown_is_told() {
    let manner = Manner { asks: Some((HOST.into(), "right".into())), ..Manner::default() };
    let mut world = with_trunk(8, manner, |_| {});
    assert_eq!(standing(&mut world), Some(Standing::Refused));
    world.tell(Input::Directory(Delta::Trunk(Box::new(trunk("right", |_| {})))));
    world.run_for(secs(2));
    assert_eq!(standing(&mut world), Some(Standing::Registered));
    world.tell(Input::Shutdown);
    assert!(world.census().is_some_and(|it| it.leaving == 1));
    world.run_for(secs(1));
    assert!(world.carrier(0).registered.is_empty());
    assert!(world.census().is_some_and(|it| it.leaving == 0), "{}", world.trace.text());
}

#[test]
fn carriers_are_registered_with_in_any_weather() {
    for seed in 0..100 {
        let mut world = house(Config::storm(seed));
        world.open_carrier(Carrier::new(at(1), asking()));
        name(&mut world, &[1]);
        world.names.delay = Duration::from_millis(seed * 11);
        provision(&mut world, |it| it.expires = 60);
        let registered = world.run_until(secs(400), |it| !it.carriers()[0].registered.is_empty());
        assert!(registered, "seed {seed}");
        world.tell(Input::Directory(Delta::TrunkGone(TRUNK)));
        let left = world.settle();
        assert!(left.is_empty(), "seed {seed}: {left:?}");
        assert!(world.census().is_some_and(|it| it.leaving == 0), "seed {seed}");
    }
}

/// A house with a trunk to one carrier, a few seconds later.
fn with_trunk(seed: u64, manner: Manner, terms: impl FnOnce(&mut Terms)) -> World {
    let mut world = house(Config::clear(seed));
    world.open_carrier(Carrier::new(at(1), manner));
    name(&mut world, &[1]);
    provision(&mut world, terms);
    world.run_for(secs(3));
    world
}

fn provision(world: &mut World, terms: impl FnOnce(&mut Terms)) {
    world.tell(Input::Directory(Delta::Trunk(Box::new(trunk("secret", terms)))));
}

fn trunk(password: &str, terms: impl FnOnce(&mut Terms)) -> Trunk {
    let mut it = Terms::usual("carrier".into(), HOST.into());
    it.username = Some("4930123".into());
    terms(&mut it);
    let uuid = Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057").expect("it is one");
    Trunk { id: TRUNK, uuid, tenant: TenantId::FIRST, terms: it, password: password.into() }
}

/// The carrier's name leads to these, in this order.
fn name(world: &mut World, hosts: &[u8]) {
    let srv = resolve::Question { kind: Kind::Srv, name: format!("_sip._udp.{HOST}") };
    let servers = hosts.iter().map(|host| Record::Srv {
        priority: u16::from(*host),
        weight: 0,
        port: 5060,
        host: format!("s{host}.{HOST}"),
    });
    let day = secs(86_400);
    world.names.know(srv, resolve::Answer::Records(servers.collect(), day));
    for host in hosts {
        let question = resolve::Question { kind: Kind::A, name: format!("s{host}.{HOST}") };
        let address = Record::Address(at(*host).ip());
        world.names.know(question, resolve::Answer::Records(vec![address], day));
    }
}

fn at(host: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::from([192, 0, 2, host]), 5060)
}

fn asking() -> Manner {
    Manner { asks: Some((HOST.into(), "secret".into())), ..Manner::default() }
}

fn standing(world: &mut World) -> Option<Standing> {
    seen(world)?.registration.map(|it| it.standing)
}

fn seen(world: &mut World) -> Option<TrunkSeen> {
    let question = Question::Trunk(TRUNK);
    match world.ask(question) {
        Answer::Trunk(it) => it,
        it => panic!("{it:?}"),
    }
}
