//! Trunks: we register with carriers, see whether they are there, call through them and are called.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use moonswitch::call::event::What;
use moonswitch::call::{Answer, Input, Question, TrunkSeen};
use moonswitch::directory::{
    Delta, Number, Prefix, TenantId, Terms, Trunk, TrunkId, TrunkKind, Uuid,
};
use moonswitch::lua::{self, Files, Limits, LuaPlan};
use moonswitch::sim::phone::{Behaviour, Ending, Letter};
use moonswitch::sim::{Carrier, Config, Manner, World};
use moonswitch::sip::enrol::Standing;
use moonswitch::sip::message::{Message, Method, Name};
use moonswitch::sip::resolve::{self, Kind, Record};

use crate::world::{ANN, assert_nothing_left, call, ending, house, secs};

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
    let told = |it: &Message| it.first(Name::Authorization).is_some();
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

#[test]
fn a_call_out_is_challenged_answered_and_hung_up() {
    let mut world = with_phone(20, &[asking()], |it| {
        it.caller_id = Number::parse("+4930100");
        it.trusted = true;
    });
    world.dial(ANN, "+44207");
    world.run_for(secs(3));
    let invites = asked(&world, 0, Method::Invite);
    assert_eq!(invites.len(), 2, "{}", world.trace.text());
    let last = invites[1];
    assert_eq!(last.request_uri(), Some("sip:+44207@carrier.test"));
    let from = last.text(Name::From).unwrap_or_default();
    assert!(from.contains("<sip:+4930100@carrier.test>"), "{from}");
    assert_eq!(last.text(Name::PAssertedIdentity), Some("<sip:+4930100@carrier.test>"));
    assert!(last.first(Name::Authorization).is_some());
    assert_eq!(call(&world, ANN).ending(), None, "{}", world.trace.text());
    world.hang_up(ANN);
    world.run_for(secs(1));
    assert_eq!(asked(&world, 0, Method::Bye).len(), 1);
    leave(&mut world);
}

#[test]
fn a_foreign_realm_ends_the_call_without_a_digest() {
    let manner = Manner { asks: Some(("evil.test".into(), "secret".into())), ..Manner::default() };
    let mut world = with_phone(21, &[manner], |_| {});
    world.dial(ANN, "+44207");
    world.run_for(secs(3));
    let told = |it: &&Message| it.first(Name::Authorization).is_some();
    assert!(!asked(&world, 0, Method::Invite).iter().any(told));
    assert_eq!(ending(&world, ANN), Ending::Refused(403), "{}", world.trace.text());
    leave(&mut world);
}

#[test]
fn a_silent_carrier_costs_a_caller_less_than_four_seconds() {
    let silent = Manner { silent: true, ..asking() };
    let mut world = with_phone(22, &[silent, asking()], |it| it.ping = 0);
    world.dial(ANN, "+44207");
    world.run_for(Duration::from_millis(3_900));
    assert!(!asked(&world, 1, Method::Invite).is_empty(), "{}", world.trace.text());
    assert_eq!(call(&world, ANN).ending(), None);
    assert!(world.facts.iter().any(|it| matches!(it.what, What::Bridged { .. })));
    world.hang_up(ANN);
    leave(&mut world);
}

#[test]
fn a_carrier_that_says_when_to_come_again_is_left_alone_until_then() {
    let busy = Manner { refuses: Some((503, Some(60))), ..asking() };
    let mut world = with_phone(23, &[busy, asking()], |_| {});
    for _ in 0..3 {
        world.dial(ANN, "+44207");
        world.run_for(secs(2));
        world.hang_up(ANN);
        world.run_for(secs(1));
    }
    assert_eq!(asked(&world, 0, Method::Invite).len(), 1, "{}", world.trace.text());
    assert_eq!(asked(&world, 1, Method::Bye).len(), 3);
    world.run_for(secs(60));
    world.dial(ANN, "+44207");
    world.run_for(secs(2));
    assert_eq!(asked(&world, 0, Method::Invite).len(), 2);
    world.hang_up(ANN);
    leave(&mut world);
}

#[test]
fn three_failures_open_the_circuit_for_half_a_minute() {
    let broken = Manner { refuses: Some((500, None)), ..asking() };
    let mut world = with_phone(24, &[broken], |_| {});
    let mut dial = |seconds| {
        world.dial(ANN, "+44207");
        world.run_for(secs(seconds));
        asked(&world, 0, Method::Invite).len()
    };
    assert_eq!([1, 1, 1, 1, 29, 1].map(&mut dial), [1, 2, 3, 3, 3, 4]);
    leave(&mut world);
}

#[test]
fn a_refusal_is_final() {
    let busy = Manner { refuses: Some((486, None)), ..asking() };
    let mut world = with_phone(25, &[busy, asking()], |_| {});
    world.dial(ANN, "+44207");
    world.run_for(secs(3));
    assert_eq!(ending(&world, ANN), Ending::Refused(486), "{}", world.trace.text());
    assert!(asked(&world, 1, Method::Invite).is_empty());
    leave(&mut world);
}

#[test]
fn one_extension_has_two_calls_through_trunks() {
    let script = r#"pbx.internal("9", function(call)
        local leg, cause, all = call:dial({ "+441", "trunk:carrier/+442", "+443" })
        for _, it in ipairs(all) do pbx.log.info(it.target .. " " .. it.cause) end
        call:reject(cause)
    end)"#;
    let busy = Manner { refuses: Some((486, None)), ..asking() };
    let mut world = with_script(26, &[busy], script, |_| {});
    world.dial(ANN, "9");
    world.run_for(secs(3));
    assert_eq!(asked(&world, 0, Method::Invite).len(), 2, "{}", world.trace.text());
    let said = |text: &str| {
        world.facts.iter().any(|it| matches!(&it.what, What::Said { text: own, .. } if own == text))
    };
    assert!(said("+443 limit") && said("trunk:carrier/+442 busy"), "{}", world.trace.text());
    leave(&mut world);
}

#[test]
fn a_carrier_calls_a_number_and_nobody_else_does() {
    let script = r#"pbx.inbound("+4930{rest}", function(call, m)
        pbx.log.info(call.from.number .. " " .. call.to.number .. " " .. call.direction)
        call:reject("busy")
    end)"#;
    let mut world = with_script(27, &[asking()], script, |it| {
        it.country = Some("49".into());
        it.addresses.extend(Prefix::parse("198.51.100.0/24"));
    });
    let mut status = |host: [u8; 4], to: &str, more: &str| {
        let from = SocketAddr::new(host.into(), 5060);
        ring(&mut world, from, to, more)
    };
    // By the address that DNS has told, and by one of the list.
    assert_eq!(status([192, 0, 2, 1], "030123", ""), Some(486));
    assert_eq!(status([198, 51, 100, 7], "+4930123", ""), Some(486));
    assert_eq!(status([198, 51, 100, 7], "+44207", ""), Some(404), "no route");
    // The routes of the house are none for outsiders.
    assert_eq!(status([198, 51, 100, 7], "1001", ""), Some(404));
    assert_eq!(status([198, 51, 101, 7], "030123", ""), Some(407), "a stranger");
    // This carrier is not trusted: whom it asserts does not count.
    let pai = "P-Asserted-Identity: <sip:+49999@carrier.test>\r\n";
    assert_eq!(status([192, 0, 2, 1], "030123", pai), Some(486));
    let said: Vec<&str> = world
        .facts
        .iter()
        .filter_map(|it| if let What::Said { text, .. } = &it.what { Some(&**text) } else { None })
        .collect();
    assert_eq!(said, ["+44207 +4930123 inbound"; 3], "{}", world.trace.text());
    leave(&mut world);
}

#[test]
fn calls_through_carriers_end_in_any_weather() {
    for seed in 0..100 {
        let mut config = Config::storm(seed);
        config.traced = true;
        let mut world = house(config);
        let manners = [
            Manner { silent: seed % 3 == 0, ..asking() },
            Manner { refuses: (seed % 4 == 0).then_some((503, Some(10))), ..asking() },
        ];
        people(&mut world, &manners, |_| {});
        world.names.delay = Duration::from_millis(seed * 40);
        for pause in 0..4 {
            world.dial(ANN, "+44207");
            world.run_for(Duration::from_millis(400 + pause * 1_500 + seed * 20));
            world.hang_up(ANN);
        }
        world.tell(Input::Directory(Delta::TrunkGone(TRUNK)));
        let left = world.settle();
        assert!(left.is_empty(), "seed {seed}: {left:?}\n{}", world.trace.text());
    }
}

/// A house with a phone and a trunk to these carriers, a few seconds later.
fn with_phone(seed: u64, manners: &[Manner], terms: impl FnOnce(&mut Terms)) -> World {
    let mut world = house(Config::clear(seed));
    people(&mut world, manners, terms);
    world
}

/// The same with a script of its own.
fn with_script(
    seed: u64,
    manners: &[Manner],
    script: &str,
    terms: impl FnOnce(&mut Terms),
) -> World {
    let mut plan = LuaPlan::new(Limits::default());
    let user = vec![("main.lua".to_owned(), script.to_owned())];
    plan.load(&Files { embedded: lua::embedded(), user }).expect("it loads");
    let mut world = World::with_switch(Config::clear(seed), plan);
    people(&mut world, manners, terms);
    world
}

fn people(world: &mut World, manners: &[Manner], terms: impl FnOnce(&mut Terms)) {
    let ann = world.add("1001", Behaviour::default());
    world.register(ann);
    for (host, manner) in (1..).zip(manners) {
        world.open_carrier(Carrier::new(at(host), manner.clone()));
    }
    let hosts: Vec<u8> = (1..).take(manners.len()).collect();
    name(world, &hosts);
    provision(world, |it| {
        it.kind = TrunkKind::Peer;
        terms(it);
    });
    world.run_for(secs(10));
}

/// What a carrier was asked.
fn asked(world: &World, carrier: usize, method: Method) -> Vec<&Message> {
    let heard = &world.carriers()[carrier].heard;
    heard.iter().filter(|it| it.is_request() && it.method() == method).collect()
}

/// Somebody calls from an address; the final status.
fn ring(world: &mut World, from: SocketAddr, to: &str, more: &str) -> Option<u16> {
    let manner = Manner { silent: true, ..Manner::default() };
    let caller = world.open_carrier(Carrier::new(from, manner));
    let text = format!(
        "INVITE sip:{to}@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{caller}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+44207@carrier.test>;tag=t{caller}\r\n\
         To: <sip:{to}@10.0.0.1>\r\nCall-ID: {caller}@carrier\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{from}>\r\n{more}Content-Length: 0\r\n\r\n"
    );
    let bytes = text.into_bytes().into();
    world.forge(Letter { from, to: "10.0.0.1:5060".parse().expect("it is one"), bytes });
    world.run_for(secs(1));
    let all = world.carriers().iter().filter(|it| it.address == from);
    let mut statuses = all.flat_map(|it| &it.heard).filter_map(|it| {
        let is_its = it.call_id() == Some(&format!("{caller}@carrier"));
        it.status().filter(|status| is_its && *status >= 200)
    });
    statuses.next()
}

fn leave(world: &mut World) {
    world.tell(Input::Directory(Delta::TrunkGone(TRUNK)));
    assert_nothing_left(world);
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
