//! Instant messages (RFC 3428): to people who are there, and to people who are not.

use moonswitch::call::event::What;
use moonswitch::call::{Answer, Input, Question, Ticket};
use moonswitch::directory::{Delta, ExtensionId};
use moonswitch::sim::net::Fate;
use moonswitch::sim::phone::{Behaviour, Registered, Reply};
use moonswitch::sim::{Config, Disk, World};

use crate::world::{ANN, BOB, assert_nothing_left, secs, shipped, two_phones};

const PLAIN: &str = "text/plain;charset=UTF-8";

fn office(seed: u64) -> World {
    two_phones(Config::clear(seed), Behaviour::default(), Behaviour::default())
}

/// How Ann's texts were answered.
fn answers(world: &World) -> Vec<Option<u16>> {
    world.phone(ANN).written().iter().map(|it| it.status).collect()
}

/// What a phone has been told.
fn heard(world: &World, phone: usize) -> Vec<String> {
    let heard = world.phone(phone).heard();
    heard.iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect()
}

fn send(world: &mut World, texts: &[&str]) {
    for text in texts {
        world.text(ANN, "1002", PLAIN, text.as_bytes());
        world.run_for(secs(1));
    }
}

fn waiting(world: &World) -> usize {
    world.census().map_or(0, |it| it.texts)
}

#[test]
fn a_text_comes_as_it_was_written_and_its_sender_knows() {
    let mut world = office(1);
    let body = "Grüß dich, <b>\"Bob\"</b>\r\n\0".as_bytes();
    world.text(ANN, "1002", PLAIN, body);
    world.run_for(secs(2));
    assert_eq!(answers(&world), [Some(200)]);
    let [it] = world.phone(BOB).heard() else { panic!("one text\n{}", world.trace.text()) };
    assert_eq!((it.from.as_str(), it.kind.as_str(), &*it.body), ("1001", PLAIN, body));
    assert_eq!(it.uri, world.phone(BOB).identity.contact());
    assert!(it.date.starts_with("Tue, 01 Jan 2030 00:00:"), "{}", it.date);
    assert_eq!(world.phone(BOB).puzzled, 0);
    assert_nothing_left(&mut world);
    assert_eq!(waiting(&world), 0);
}

#[test]
fn texts_in_a_storm_come_each_exactly_once() {
    for seed in 0..40 {
        let world = Config::storm(seed);
        let mut world = two_phones(world, Behaviour::default(), Behaviour::default());
        for nth in 0..5 {
            world.text(ANN, "1002", PLAIN, format!("{nth}").as_bytes());
            world.run_for(secs(20));
        }
        // Who was missed hears the rest after the next registration.
        world.run_for(secs(700));
        let mut all = heard(&world, BOB);
        all.sort();
        let accepted = answers(&world).iter().filter(|it| it.is_some_and(|it| it < 300)).count();
        assert!(all.len() >= accepted, "seed {seed}: {all:?} of {accepted}");
        all.dedup();
        assert_eq!(all, ["0", "1", "2", "3", "4"], "seed {seed}");
        assert_nothing_left(&mut world);
    }
}

#[test]
fn what_was_sent_to_somebody_absent_comes_in_order_once_after_a_restart() {
    let mut world = office(2);
    let cora = world.add("1003", Behaviour::default());
    for text in ["one", "two", "three"] {
        world.text(ANN, "1003", PLAIN, text.as_bytes());
        world.run_for(secs(1));
    }
    assert_eq!(answers(&world), [Some(202); 3]);
    assert_eq!(waiting(&world), 3);
    world.restart(shipped());
    assert_eq!(waiting(&world), 3);
    world.run_for(secs(60));
    world.register(cora);
    world.run_for(secs(5));
    assert_eq!(heard(&world, cora), ["one", "two", "three"], "{}", world.trace.text());
    let sent_at = &world.phone(cora).heard()[0].date;
    assert!(sent_at.starts_with("Tue, 01 Jan 2030 00:00:0"), "it says when it was sent: {sent_at}");
    // And not again, neither at the next registration nor in the next life.
    world.restart(shipped());
    assert_eq!(waiting(&world), 0);
    world.register(cora);
    world.run_for(secs(5));
    assert_eq!(heard(&world, cora).len(), 3);
    assert_nothing_left(&mut world);
}

#[test]
fn a_phone_that_is_silent_gets_its_texts_when_it_registers_again() {
    let mut world = office(3);
    world.behave(BOB, Behaviour { reply: Reply::Silent, ..Behaviour::default() });
    send(&mut world, &["one"]);
    world.run_for(secs(6));
    assert_eq!(answers(&world), [None], "Bob may still answer");
    world.run_for(secs(3));
    assert_eq!(answers(&world), [Some(202)], "Ann does not wait for ever");
    send(&mut world, &["two"]);
    assert_eq!(answers(&world)[1], Some(202), "nobody overtakes");
    world.behave(BOB, Behaviour::default());
    world.run_for(secs(600));
    assert_eq!(heard(&world, BOB), ["one", "two"], "{}", world.trace.text());
    assert_eq!(waiting(&world), 0);
    assert_nothing_left(&mut world);
}

#[test]
fn a_text_goes_to_every_phone_and_the_first_that_takes_it_is_enough() {
    let mut world = office(4);
    let cell =
        world.add_stranger("1002", "secret", Behaviour { texts: 503, ..Behaviour::default() });
    world.register(cell);
    world.run_until(secs(9), |it| it.phone(cell).registered == Registered::Yes);
    send(&mut world, &["one"]);
    assert_eq!(answers(&world), [Some(200)]);
    world.behave(cell, Behaviour::default());
    send(&mut world, &["two"]);
    assert_eq!((heard(&world, BOB).len(), heard(&world, cell).len()), (2, 1));
    world.run_for(secs(40));
    assert_eq!(waiting(&world), 0);
    assert_nothing_left(&mut world);
}

#[test]
fn what_a_phone_refuses_is_refused_and_what_it_cannot_take_now_waits() {
    for (says, answer, left) in [(415, 415, 0), (405, 405, 0), (603, 603, 0), (486, 202, 1)] {
        let mut world = office(5);
        world.behave(BOB, Behaviour { texts: says, ..Behaviour::default() });
        send(&mut world, &["one"]);
        assert_eq!((answers(&world)[0], waiting(&world)), (Some(answer), left), "{says}");
        assert_nothing_left(&mut world);
    }
}

#[test]
fn what_is_no_text_is_refused_by_its_status() {
    let mut world = office(6);
    let full = vec![b'x'; 8192];
    let cases: [(&str, &str, &[u8], u16); 5] = [
        ("1002", PLAIN, &full, 200),
        ("1002", PLAIN, &[full.as_slice(), b"x"].concat(), 413),
        ("1002", "", b"", 415),
        ("4711", PLAIN, b"hello", 404),
        ("1001", PLAIN, b"a note to myself", 200),
    ];
    for (nth, (number, kind, body, status)) in cases.into_iter().enumerate() {
        world.text(ANN, number, kind, body);
        world.run_for(secs(2));
        assert_eq!(answers(&world)[nth], Some(status), "{number} {kind} {}", body.len());
    }
    let stranger = world.add_stranger("1001", "wrong", Behaviour::default());
    world.text(stranger, "1002", PLAIN, b"buy now");
    world.run_for(secs(2));
    assert_eq!(world.phone(stranger).written()[0].status, Some(403));
    assert_eq!(heard(&world, BOB).len(), 1);
    assert_nothing_left(&mut world);
}

#[test]
fn an_extension_keeps_a_hundred_texts_and_no_more() {
    let mut world = office(7);
    world.provision("1003", "secret");
    for nth in 0..101 {
        world.text(ANN, "1003", PLAIN, format!("{nth}").as_bytes());
        world.run_for(secs(1));
    }
    let answers = answers(&world);
    assert!(answers[..100].iter().all(|it| *it == Some(202)), "{answers:?}");
    assert_eq!(answers[100], Some(480));
    world.text(ANN, "1002", PLAIN, b"and the others are not concerned");
    world.run_for(secs(1));
    assert_eq!(heard(&world, BOB).len(), 1);
    // Who is deleted leaves nothing behind.
    world.tell(Input::Directory(Delta::ExtensionGone(ExtensionId(3))));
    assert_eq!(waiting(&world), 0);
    assert_nothing_left(&mut world);
}

#[test]
fn who_writes_too_fast_is_told_to_wait() {
    let mut world = office(8);
    for nth in 0..60 {
        world.text(ANN, "1002", PLAIN, format!("{nth}").as_bytes());
        world.run_for(secs(0));
    }
    world.run_for(secs(2));
    let answers = answers(&world);
    let refused = answers.iter().filter(|it| **it == Some(503)).count();
    assert!((20..40).contains(&refused), "{answers:?}");
    assert_nothing_left(&mut world);
}

#[test]
fn lamps_and_texts_learn_that_a_phone_is_out_of_reach_and_back() {
    let mut world = office(9);
    let dora = world.add("1003", Behaviour::default());
    // Only phones behind NAT are asked whether they are there.
    world.hide(dora);
    world.register(dora);
    world.run_for(secs(2));
    world.watch(ANN, "1003", "presence");
    world.run_for(secs(60));
    let last = |world: &World| world.phone(ANN).watches()[0].last().to_owned();
    let told = |world: &World, wanted: bool| {
        let is =
            |it: &What| matches!(it, What::Reachable { reachable, .. } if *reachable == wanted);
        world.facts.iter().filter(|it| is(&it.what)).count()
    };
    assert!(last(&world).contains("<note>Available</note>"), "{}", last(&world));
    world.behave(dora, Behaviour { reply: Reply::Silent, ..Behaviour::default() });
    world.run_for(secs(60));
    assert!(last(&world).contains("<basic>closed</basic>"), "{}", last(&world));
    assert_eq!((told(&world, false), told(&world, true)), (1, 0));
    world.text(ANN, "1003", PLAIN, b"one");
    world.run_for(secs(1));
    assert_eq!(answers(&world), [Some(202)], "nobody is there, and nobody waits to find out");
    world.behave(dora, Behaviour::default());
    world.run_for(secs(60));
    assert!(last(&world).contains("<note>Available</note>"), "{}", last(&world));
    assert_eq!((told(&world, false), told(&world, true)), (1, 1));
    assert_eq!(heard(&world, dora), ["one"]);
    world.unwatch(ANN);
    // It would be asked for ever.
    world.vanish(dora);
    assert_nothing_left(&mut world);
}

#[test]
fn who_comes_back_before_the_first_try_is_over_need_not_register_twice() {
    let mut world = office(13);
    world.behave(BOB, Behaviour { reply: Reply::Silent, ..Behaviour::default() });
    world.text(ANN, "1002", PLAIN, b"one");
    world.run_for(secs(20));
    assert_eq!((answers(&world)[0], heard(&world, BOB).len()), (Some(202), 0));
    // Another phone: what was sent to the first is not for it.
    let cell = world.add_stranger("1002", "secret", Behaviour::default());
    world.register(cell);
    world.run_for(secs(20));
    assert_eq!((heard(&world, cell).len(), waiting(&world)), (1, 0));
    assert_nothing_left(&mut world);
}

#[test]
fn a_text_whose_answers_are_lost_is_heard_once() {
    let mut world = office(10);
    let deaf_until = world.now() + secs(20);
    world.meddle(move |now, letter| {
        let is_answer = letter.bytes.starts_with(b"SIP/2.0 200");
        let of_text = letter.bytes.windows(8).any(|it| it == b" MESSAGE");
        if is_answer && of_text && now < deaf_until { Fate::Lose } else { Fate::Fly }
    });
    send(&mut world, &["one"]);
    world.run_for(secs(60));
    assert_eq!(answers(&world), [Some(202)], "written down meanwhile");
    assert_eq!((heard(&world, BOB).len(), waiting(&world)), (1, 0));
    world.register(BOB);
    world.run_for(secs(5));
    assert_eq!(heard(&world, BOB).len(), 1);
    assert_nothing_left(&mut world);
}

#[test]
fn phones_read_their_settings_again_and_whoever_asked_learns_how_many() {
    let mut world = office(11);
    for behaviour in
        [Behaviour::default(), Behaviour { reply: Reply::Silent, ..Behaviour::default() }]
    {
        let phone = world.add_stranger("1002", "secret", Behaviour::default());
        world.register(phone);
        world.run_until(secs(9), |it| it.phone(phone).registered == Registered::Yes);
        world.behave(phone, behaviour);
    }
    let mut ask = |id| {
        let question = Question::Sync(ExtensionId(id));
        world.tell(Input::Ask { ticket: Ticket(7), question });
        world.run_for(secs(3));
        world.answers.pop()
    };
    assert_eq!(ask(2), Some(Answer::Synced(Some((3, 2)))), "one of them is silent");
    assert_eq!(ask(9), Some(Answer::Synced(None)));
    assert_eq!(ask(1), Some(Answer::Synced(Some((1, 1)))));
    assert_eq!((world.phone(BOB).synced, world.phone(ANN).synced), (1, 1));
    assert_nothing_left(&mut world);
}

#[test]
fn nobody_is_told_that_a_text_waits_before_it_is_durable() {
    let mut world = office(12);
    world.provision("1003", "secret");
    world.disk = Disk::Stuck;
    world.text(ANN, "1003", PLAIN, b"one");
    world.run_for(secs(10));
    assert_eq!((answers(&world)[0], waiting(&world)), (None, 1));
    world.disk = Disk::Full;
    world.text(ANN, "1003", PLAIN, b"two");
    world.run_for(secs(1));
    assert_eq!((answers(&world)[1], waiting(&world)), (Some(500), 1));
    world.disk = Disk::Works;
    world.text(ANN, "1003", PLAIN, b"three");
    world.run_for(secs(1));
    world.restart(shipped());
    assert_eq!(waiting(&world), 1, "only the third was written down");
    let cora = world.add_stranger("1003", "secret", Behaviour::default());
    world.register(cora);
    world.run_for(secs(5));
    // The first comes of itself: Ann was told nothing, and still asks.
    assert_eq!(heard(&world, cora), ["three", "one"]);
    assert_nothing_left(&mut world);
}
