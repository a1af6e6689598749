//! Lamps on Cora's desk: what phones are told of each other.

use moonswitch::call::Input;
use moonswitch::directory::{Delta, Extension, ExtensionId, Number, Waiting};
use moonswitch::sim::net::Fate;
use moonswitch::sim::phone::{Behaviour, Registered, Watch};
use moonswitch::sim::{Config, World};

use crate::world::{ANN, BOB, assert_nothing_left, secs, shipped, two_phones};

/// The phone that watches.
const CORA: usize = 2;

/// Ann, Bob and Cora (1003), who watches Bob.
fn office(config: Config, bob: Behaviour, package: &str) -> World {
    let ann = Behaviour { hang_up_after: Some(secs(5)), ..Behaviour::default() };
    let mut world = two_phones(config, ann, bob);
    assert_eq!(world.add("1003", Behaviour::default()), CORA);
    world.register(CORA);
    world.run_until(secs(60), |it| it.phone(CORA).registered == Registered::Yes);
    world.watch(CORA, "1002", package);
    world.run_until(secs(60), |it| it.phone(CORA).watches().iter().any(|it| !it.notes.is_empty()));
    world
}

fn watch(world: &World) -> &Watch {
    world.phone(CORA).watches().last().expect("Cora watches")
}

/// What the lamp showed, each state once.
fn states(world: &World) -> Vec<&'static str> {
    let mut seen = Vec::new();
    for note in &watch(world).notes {
        let words = ["trying", "early", "confirmed"];
        let state =
            words.into_iter().find(|it| note.body.contains(&format!("<state>{it}</state>")));
        let state = state.unwrap_or("idle");
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    seen
}

#[test]
fn a_lamp_follows_a_call_and_goes_out() {
    let mut world = office(Config::clear(1), Behaviour::default(), "dialog");
    assert_eq!(states(&world), ["idle"], "{}", world.trace.text());
    world.dial(ANN, "1002");
    world.run_for(secs(30));
    let states = states(&world);
    assert!(states == ["idle", "trying", "early", "confirmed", "idle"], "{states:?}");
    let early = watch(&world).notes.iter().find(|it| it.body.contains("<state>early</state>"));
    let body = &early.expect("it rang").body;
    for part in ["direction=\"recipient\"", "call-id=\"", "display=\"Phone 1001\"", "sip:1001@"] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
    world.unwatch(CORA);
    world.run_for(secs(2));
    assert!(watch(&world).is_over());
    assert_eq!(world.census().map(|it| it.subscriptions), Some(0));
    assert_nothing_left(&mut world);
}

#[test]
fn the_numbers_of_states_rise_and_none_comes_twice() {
    let mut world = office(Config::clear(2), Behaviour::default(), "dialog");
    for _ in 0..3 {
        world.dial(ANN, "1002");
        world.run_for(secs(30));
    }
    let version = |body: &str| -> u32 {
        let rest = body.split_once("dialog-info\" version=\"").expect("it has a version").1;
        rest.split('"').next().and_then(|it| it.parse().ok()).expect("a number")
    };
    let versions: Vec<u32> = watch(&world).notes.iter().map(|it| version(&it.body)).collect();
    assert!(versions.len() >= 10 && versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    world.unwatch(CORA);
    assert_nothing_left(&mut world);
}

#[test]
fn a_lamp_in_a_storm_shows_the_truth_in_the_end() {
    for seed in 0..40 {
        let mut world = office(Config::storm(seed), Behaviour::default(), "dialog");
        world.dial(ANN, "1002");
        world.run_for(secs(200));
        assert_eq!(states(&world).last(), Some(&"idle"), "seed {seed}\n{}", world.trace.text());
        world.unwatch(CORA);
        assert_nothing_left(&mut world);
        assert_eq!(world.census().map(|it| it.subscriptions), Some(0), "seed {seed}");
    }
}

#[test]
fn presence_tells_unregistered_from_idle() {
    let mut world = office(Config::clear(3), Behaviour::default(), "presence");
    assert!(watch(&world).last().contains("<note>Available</note>"), "{}", watch(&world).last());
    world.dial(ANN, "1002");
    world.run_until(secs(10), |it| watch(it).last().contains("on-the-phone"));
    assert!(watch(&world).last().contains("on-the-phone"), "{}", watch(&world).last());
    world.run_for(secs(20));
    assert!(watch(&world).last().contains("<note>Available</note>"));
    world.vanish(BOB);
    world.run_for(secs(4000));
    assert!(watch(&world).last().contains("<basic>closed</basic>"), "{}", watch(&world).last());
    world.unwatch(CORA);
    assert_nothing_left(&mut world);
}

#[test]
fn a_message_lamp_is_its_owners_and_follows_the_mailbox() {
    let mut world = office(Config::clear(4), Behaviour::default(), "message-summary");
    assert_eq!(watch(&world).status, Some(403), "Bob's mailbox is not Cora's to watch");
    world.watch(CORA, "1003", "message-summary");
    world.run_for(secs(2));
    assert!(watch(&world).last().contains("Messages-Waiting: no"), "{}", watch(&world).last());
    let number = Number::parse("1003").expect("a number");
    let cora = Extension::new(ExtensionId(3), number, "Cora".into(), "secret".into());
    let cora = Extension { waiting: Waiting { new: 2, old: 5 }, ..cora };
    world.tell(Input::Directory(Delta::Extension(cora)));
    world.run_for(secs(2));
    assert!(watch(&world).last().contains("Messages-Waiting: yes"));
    assert!(watch(&world).last().contains("Voice-Message: 2/5 (0/0)"), "{}", watch(&world).last());
    world.unwatch(CORA);
    assert_nothing_left(&mut world);
}

#[test]
fn what_cannot_be_watched_is_refused_by_its_status() {
    let mut world = office(Config::clear(5), Behaviour::default(), "dialog");
    for (number, package, status) in
        [("1002", "weather", 489), ("4711", "dialog", 404), ("1002", "message-summary", 403)]
    {
        world.watch(CORA, number, package);
        world.run_for(secs(2));
        assert_eq!(watch(&world).status, Some(status), "{number} {package}");
    }
    let stranger = world.add_stranger("1001", "wrong", Behaviour::default());
    world.watch(stranger, "1002", "dialog");
    world.run_for(secs(2));
    assert_eq!(world.phone(stranger).watches()[0].status, Some(403));
}

#[test]
fn a_watcher_that_vanished_is_forgotten() {
    let mut world = office(Config::clear(6), Behaviour::default(), "dialog");
    world.vanish(CORA);
    world.dial(ANN, "1002");
    world.run_for(secs(60));
    assert_eq!(world.census().map(|it| it.subscriptions), Some(0), "its NOTIFY was not answered");
    assert_nothing_left(&mut world);
}

#[test]
fn a_watch_is_refreshed_and_lasts() {
    let mut world = office(Config::clear(7), Behaviour::default(), "dialog");
    world.run_for(secs(3 * 3600));
    assert_eq!(world.census().map(|it| it.subscriptions), Some(1));
    assert!(!watch(&world).is_over());
    world.unwatch(CORA);
    world.run_for(secs(2));
    assert_eq!(world.census().map(|it| it.subscriptions), Some(0));
    assert_nothing_left(&mut world);
}

#[test]
fn a_deleted_extension_is_not_watched_any_more() {
    let mut world = office(Config::clear(8), Behaviour::default(), "dialog");
    world.tell(Input::Directory(Delta::ExtensionGone(ExtensionId(2))));
    world.run_for(secs(2));
    let last = watch(&world).notes.last().expect("it was told");
    assert_eq!(last.state, "terminated;reason=noresource");
    assert_eq!(world.census().map(|it| it.subscriptions), Some(0));
}

#[test]
fn lamps_go_on_after_a_restart_with_higher_numbers() {
    for seed in 0..20 {
        let mut world = office(Config::clear(seed), Behaviour::default(), "dialog");
        world.dial(ANN, "1002");
        world.run_until(secs(20), |it| it.phone(BOB).calls().iter().any(|it| it.confirmed));
        world.run_for(secs(1));
        assert_eq!(states(&world).last(), Some(&"confirmed"));
        let before = watch(&world).notes.len();
        world.restart(shipped());
        world.run_for(secs(2));
        let notes = &watch(&world).notes;
        assert!(notes.len() > before, "seed {seed}: the lamp was not told\n{}", world.trace.text());
        assert_eq!(states(&world).last(), Some(&"idle"), "the call is gone");
        assert!(notes.is_sorted_by(|a, b| a.cseq < b.cseq), "{notes:?}");
        world.hang_up(ANN);
        world.hang_up(BOB);
        world.run_for(secs(60));
        world.dial(ANN, "1002");
        world.run_for(secs(2));
        assert_eq!(states(&world).last(), Some(&"early"), "{}", world.trace.text());
        world.run_for(secs(30));
        world.unwatch(CORA);
        world.run_for(secs(2));
        assert!(watch(&world).is_over());
        assert_nothing_left(&mut world);
    }
}

#[test]
fn a_slow_phone_gets_the_latest_state_and_no_queue_of_old_ones() {
    let mut world = office(Config::clear(9), Behaviour::default(), "dialog");
    let told = watch(&world).notes.len();
    let deaf_until = world.now() + secs(25);
    world.meddle(move |now, letter| {
        let is_answer = letter.bytes.starts_with(b"SIP/2.0 200");
        let of_notify = letter.bytes.windows(7).any(|it| it == b" NOTIFY");
        if is_answer && of_notify && now < deaf_until { Fate::Lose } else { Fate::Fly }
    });
    for _ in 0..2 {
        world.dial(ANN, "1002");
        world.run_for(secs(12));
    }
    assert_eq!(watch(&world).notes.len(), told + 1, "only the first was under way");
    world.run_for(secs(10));
    assert_eq!(watch(&world).notes.len(), told + 2, "and then the state of now");
    assert_eq!(states(&world).last(), Some(&"idle"));
    world.unwatch(CORA);
    assert_nothing_left(&mut world);
}
