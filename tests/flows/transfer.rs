//! Who sends a partner elsewhere is told what comes of it, and who hears whom is judged by ear.

use std::time::Duration;

use moonswitch::base::{Mono, Rng};
use moonswitch::call::Input;
use moonswitch::call::event::What;
use moonswitch::sim::net::Fate;
use moonswitch::sim::phone::{Behaviour, Ending, Leaves, Letter, Phone, Registered, Reply};
use moonswitch::sim::{Config, World};
use moonswitch::sip::defence::Limits;

use crate::world::{ANN, BOB, assert_nothing_left, house, secs};

const CAS: usize = 2;
const DAN: usize = 3;

#[test]
fn either_party_sends_the_other_to_a_third_and_is_told_and_leaves() {
    for (referrer, sent) in [(ANN, BOB), (BOB, ANN)] {
        for held in [false, true] {
            for leaves in [Leaves::WhenTold, Leaves::Never, Leaves::AtOnce] {
                let what = format!("{referrer} sends {sent}, held: {held}, {leaves:?}");
                let mut phones = four();
                phones[referrer].leaves = leaves;
                phones[referrer].hold_after = held.then(|| secs(2));
                let mut world = talking(1, phones);
                world.run_for(secs(2));
                transfer(&mut world, referrer, "1003");
                world.run_for(secs(10));
                let told = told(&world, referrer);
                let all = [(100, false), (180, false), (200, true)];
                let expected = if leaves == Leaves::AtOnce { &all[..told.len()] } else { &all };
                assert_eq!(told, expected, "{what}\n{}", world.trace.text());
                let gone = world.phone(referrer).calls()[0].ending();
                let by_us = (leaves == Leaves::Never).then_some(Ending::HungUpByPeer);
                assert_eq!(gone, Some(by_us.unwrap_or(Ending::HungUp)), "{what}");
                assert_talk(&mut world, &[(sent, CAS)], &what);
                world.hang_up(CAS);
                world.run_for(secs(5));
                assert_eq!(world.phone(sent).calls()[0].ending(), Some(Ending::HungUpByPeer));
                assert_nothing_left(&mut world);
                let went = facts(&world, |it| matches!(it, What::Transferred { .. }));
                let came = facts(&world, |it| matches!(it, What::Joined { .. }));
                let ended = facts(&world, |it| matches!(it, What::Ended { .. }));
                assert_eq!((went, came, ended), (1, 1, 2), "{what}");
            }
        }
    }
}

#[test]
fn who_is_sent_away_hears_ringing_and_is_shown_to_whom_it_calls() {
    let mut phones = four();
    phones[CAS].reply = Reply::Ring;
    let mut world = talking(1, phones);
    transfer(&mut world, BOB, "1003");
    world.run_for(secs(2));
    assert_eq!(world.phone(CAS).calls()[0].peer, "1001", "the caller, not who has sent it");
    let before = world.phone(ANN).calls()[0].ear.packets;
    world.run_for(secs(3));
    let ear = &world.phone(ANN).calls()[0].ear;
    assert!(ear.packets > before + 100, "{ear:?}");
    world.hang_up(ANN);
    assert_nothing_left(&mut world);
}

#[test]
fn who_does_not_want_to_be_told_is_not() {
    let mut world = talking(1, four());
    world.order(BOB, |it, now, out| it.refer(now, "sip:1003@10.0.0.1", true, out));
    world.run_for(secs(10));
    let sent = world.phone(BOB).calls()[0].sent.clone().unwrap();
    assert_eq!((sent.status, sent.told), (Some(202), vec![]));
    assert!(!world.trace.text().contains("NOTIFY"), "{}", world.trace.text());
    assert_talk(&mut world, &[(ANN, CAS)], "silent");
    world.hang_up(ANN);
    assert_nothing_left(&mut world);
}

#[test]
fn what_comes_to_nothing_is_told_and_the_two_talk_again() {
    for (reply, number, status) in [
        (Reply::Busy, "1003", 486),
        (Reply::Decline, "1003", 603),
        (Reply::Ring, "1003", 480),
        (Reply::Silent, "1003", 480),
        (Reply::Busy, "1999", 404),
        (Reply::Busy, "sip%3Aelse", 404),
    ] {
        for (referrer, sent) in [(ANN, BOB), (BOB, ANN)] {
            let what = format!("{referrer} sends {sent} to {number} ({reply:?})");
            let mut phones = four();
            phones[CAS].reply = reply;
            let mut world = talking(1, phones);
            transfer(&mut world, referrer, number);
            world.run_for(secs(40));
            let told = told(&world, referrer);
            assert_eq!(told.last(), Some(&(status, true)), "{what}\n{}", world.trace.text());
            assert_talk(&mut world, &[(ANN, BOB)], &what);
            // It may be tried again.
            world.behave(CAS, Behaviour::default());
            transfer(&mut world, referrer, "1003");
            world.run_for(secs(10));
            assert_talk(&mut world, &[(sent, CAS)], &what);
            world.hang_up(sent);
            assert_nothing_left(&mut world);
        }
    }
}

#[test]
fn who_has_left_is_rung_when_it_comes_to_nothing() {
    for (referrer, sent) in [(ANN, BOB), (BOB, ANN)] {
        let mut phones = four();
        phones[referrer].leaves = Leaves::AtOnce;
        phones[CAS].reply = Reply::Busy;
        let mut world = talking(1, phones);
        transfer(&mut world, referrer, "1003");
        world.run_for(secs(6));
        let calls = world.phone(referrer).calls();
        assert_eq!(calls.len(), 2, "{}", world.trace.text());
        assert_eq!(calls[0].ending(), Some(Ending::HungUp));
        assert_talk(&mut world, &[(referrer, sent)], "recalled");
        world.hang_up(sent);
        assert_nothing_left(&mut world);
        // And when it does not answer either, that is the end.
        let mut phones = four();
        phones[referrer].leaves = Leaves::AtOnce;
        phones[CAS].reply = Reply::Busy;
        let mut world = talking(2, phones);
        world.behave(
            referrer,
            Behaviour { reply: Reply::Ring, leaves: Leaves::AtOnce, ..Behaviour::default() },
        );
        transfer(&mut world, referrer, "1003");
        world.run_for(secs(45));
        let over = world.phone(sent).calls()[0].ending();
        assert_eq!(over, Some(Ending::HungUpByPeer), "{}", world.trace.text());
        assert_nothing_left(&mut world);
    }
}

#[test]
fn who_is_sent_away_may_hang_up_at_any_time() {
    for (referrer, sent) in [(ANN, BOB), (BOB, ANN)] {
        for ms in (0..4_000).step_by(50) {
            let mut world = talking(ms, four());
            transfer(&mut world, referrer, "1003");
            world.run_for(Duration::from_millis(ms));
            world.hang_up(sent);
            world.run_for(secs(10));
            for phone in [ANN, BOB, CAS] {
                let calls = world.phone(phone).calls();
                let up = calls.iter().filter(|it| it.ending().is_none()).count();
                assert_eq!(up, 0, "{phone} after {ms} ms\n{}", world.trace.text());
            }
            assert_nothing_left(&mut world);
        }
    }
}

#[test]
fn a_machine_answers_like_a_person() {
    for (referrer, sent) in [(ANN, BOB), (BOB, ANN)] {
        let mut world = talking(1, four());
        transfer(&mut world, referrer, "*43");
        world.run_for(secs(5));
        assert_eq!(told(&world, referrer).last(), Some(&(200, true)), "{}", world.trace.text());
        assert_talk(&mut world, &[(sent, sent)], "echo");
        world.hang_up(sent);
        assert_nothing_left(&mut world);
    }
}

#[test]
fn what_no_phone_should_send_is_refused_and_harms_nobody() {
    for (refer_to, status) in [
        ("<sip:1003@10.0.0.1;method=BYE>", 501),
        ("<http://10.0.0.1/>", 416),
        ("nonsense", 400),
        ("<sip:10.0.0.1>", 400),
        ("<sip:1003@10.0.0.1?Replaces=x>", 400),
    ] {
        let mut world = talking(1, four());
        world.order(ANN, |it, now, out| it.refer(now, refer_to, false, out));
        world.run_for(secs(2));
        let sent = world.phone(ANN).calls()[0].sent.clone().unwrap();
        assert_eq!((sent.status, sent.told), (Some(status), vec![]), "{refer_to}");
        assert_talk(&mut world, &[(ANN, BOB)], refer_to);
        world.hang_up(ANN);
        assert_nothing_left(&mut world);
    }
}

#[test]
fn a_second_transfer_waits_for_the_first_and_strangers_may_not_transfer() {
    let mut world = talking(1, four());
    transfer(&mut world, ANN, "1003");
    world.run_for(secs(1));
    transfer(&mut world, ANN, "1004");
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.phone(ANN).calls()[0].sent.clone().unwrap().status, Some(491));
    world.run_for(secs(10));
    assert_talk(&mut world, &[(BOB, CAS)], "the first");
    let refer = "REFER sip:1002@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.0:5060;branch=z9hG4bKx\r\n\
                 From: <sip:1001@10.0.0.1>;tag=1\r\nTo: <sip:1002@10.0.0.1>\r\nCall-ID: x\r\n\
                 CSeq: 1 REFER\r\nMax-Forwards: 70\r\nContact: <sip:1001@10.1.0.0>\r\n\
                 Refer-To: <sip:1004@10.0.0.1>\r\nContent-Length: 0\r\n\r\n";
    let [from, to] = ["10.1.0.0:5060", "10.0.0.1:5060"].map(|it| it.parse().unwrap());
    world.forge(Letter { from, to, bytes: refer.into() });
    world.run_for(secs(1));
    assert!(world.trace.text().contains("SIP/2.0 403"), "{}", world.trace.text());
    world.hang_up(BOB);
    assert_nothing_left(&mut world);
}

#[test]
fn a_consultation_joins_the_two_whichever_side_the_referrer_is_on() {
    for (referrer, sent) in [(ANN, BOB), (BOB, ANN)] {
        for calls_in in [false, true] {
            let what = format!("{referrer} joins {sent} and 1003, who calls: {calls_in}");
            let mut world = consulting(1, referrer, calls_in);
            world.order(referrer, Phone::join);
            world.run_for(secs(6));
            assert_eq!(told(&world, referrer).last(), Some(&(200, true)), "{what}");
            let calls = world.phone(referrer).calls();
            assert!(calls.iter().all(|it| it.ending().is_some()), "{}", world.trace.text());
            assert_talk(&mut world, &[(sent, CAS)], &what);
            world.hang_up(CAS);
            assert_nothing_left(&mut world);
            assert_eq!(facts(&world, |it| matches!(it, What::Transferred { .. })), 1);
        }
    }
}

#[test]
fn a_consultation_that_still_rings_is_begun_again_for_who_was_sent() {
    for (referrer, sent) in [(ANN, BOB), (BOB, ANN)] {
        let mut phones = four();
        phones[CAS].reply = Reply::Answer { after: secs(5) };
        let mut world = talking(1, phones);
        world.dial(referrer, "1003");
        world.run_for(secs(2));
        world.order(referrer, Phone::join);
        world.run_for(secs(12));
        assert_eq!(told(&world, referrer).last(), Some(&(200, true)), "{}", world.trace.text());
        let calls = world.phone(referrer).calls();
        assert_eq!(calls[1].ending(), Some(Ending::Refused(603)));
        assert_eq!(world.phone(CAS).calls()[0].ending(), Some(Ending::Refused(487)));
        assert_talk(&mut world, &[(sent, CAS)], "rings again");
        for phone in [ANN, BOB, CAS] {
            world.hang_up(phone);
        }
        assert_nothing_left(&mut world);
    }
}

#[test]
fn a_dialog_that_is_not_there_or_not_theirs_is_no_place_to_be_sent_to() {
    let mut world = talking(1, four());
    world.dial(CAS, "1004");
    world.run_for(secs(4));
    let theirs = world.phone(CAS).calls()[0].replaces();
    for (replaces, status) in [("none;to-tag=1;from-tag=2", 481), (theirs.as_str(), 403)] {
        let escaped = replaces.replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
        let refer_to = format!("<sip:1004@10.0.0.1?Replaces={escaped}>");
        world.order(ANN, |it, now, out| it.refer(now, &refer_to, false, out));
        world.run_for(secs(3));
        assert_eq!(told(&world, ANN), [(100, false), (status, true)], "{}", world.trace.text());
        assert_talk(&mut world, &[(ANN, BOB), (CAS, DAN)], replaces);
    }
    for phone in [ANN, CAS] {
        world.hang_up(phone);
    }
    assert_nothing_left(&mut world);
}

#[test]
fn a_ringing_call_is_picked_up_by_a_third() {
    for swapped in [false, true] {
        let mut phones = four();
        phones[BOB].reply = Reply::Ring;
        let mut world = office(1, phones);
        world.dial(ANN, "1002");
        world.run_for(secs(3));
        let replaces = seen_from(&world, BOB, swapped);
        world.order(CAS, |it, now, out| it.pick_up(now, "1002", &replaces, out));
        world.run_for(secs(3));
        assert_eq!(world.phone(BOB).calls()[0].ending(), Some(Ending::Refused(487)));
        let elsewhere = "Call completed elsewhere";
        assert_eq!(world.phone(CAS).calls()[0].status, Some(200), "{}", world.trace.text());
        assert_talk(&mut world, &[(ANN, CAS)], elsewhere);
        world.hang_up(if swapped { ANN } else { CAS });
        assert_nothing_left(&mut world);
    }
}

#[test]
fn an_answered_call_is_taken_over_unless_only_a_ringing_one_is_wanted() {
    for (gone, stays) in [(ANN, BOB), (BOB, ANN)] {
        let mut world = talking(1, four());
        let replaces = seen_from(&world, gone, false);
        for (what, status) in [
            (format!("{replaces};early-only"), 486),
            ("no;to-tag=1;from-tag=2".to_owned(), 481),
            ("no;to-tag=1".to_owned(), 400),
        ] {
            world.order(CAS, |it, now, out| it.pick_up(now, "1002", &what, out));
            world.run_for(secs(2));
            let refused = world.phone(CAS).calls().last().unwrap().ending();
            assert_eq!(refused, Some(Ending::Refused(status)), "{}", world.trace.text());
            assert_talk(&mut world, &[(ANN, BOB)], &what);
        }
        world.order(CAS, |it, now, out| it.pick_up(now, "1002", &replaces, out));
        world.run_for(secs(3));
        let over = world.phone(gone).calls()[0].ending();
        assert_eq!(over, Some(Ending::HungUpByPeer), "{}", world.trace.text());
        assert_talk(&mut world, &[(CAS, stays)], "taken over");
        world.hang_up(stays);
        assert_nothing_left(&mut world);
    }
}

#[test]
fn a_transferred_party_is_transferred_on() {
    let mut world = talking(1, four());
    for (referrer, to, pair) in
        [(ANN, "1003", (BOB, CAS)), (BOB, "1004", (CAS, DAN)), (CAS, "1001", (ANN, DAN))]
    {
        transfer(&mut world, referrer, to);
        world.run_for(secs(10));
        assert_talk(&mut world, &[pair], to);
    }
    world.hang_up(DAN);
    assert_nothing_left(&mut world);
}

#[test]
fn a_transfer_counts_against_who_asks_for_it() {
    let mut phones = four();
    phones[CAS].reply = Reply::Ring;
    let mut world = talking(1, phones);
    world.tell(Input::Ports { thread: 0, ports: (0..200).map(|it| 30_000 + 2 * it).collect() });
    for _ in 0..Limits::default().calls {
        world.dial(BOB, "1003");
        world.run_for(Duration::from_millis(300));
    }
    assert!(world.phone(BOB).calls().iter().all(|it| it.ending().is_none()));
    transfer(&mut world, BOB, "1004");
    world.run_for(secs(4));
    assert_eq!(told(&world, BOB), [(100, false), (503, true)], "{}", world.trace.text());
    for phone in [ANN, BOB, CAS] {
        world.hang_up(phone);
    }
    assert_nothing_left(&mut world);
}

#[test]
fn news_of_a_transfer_come_one_at_a_time_and_the_last_word_last() {
    let mut phones = four();
    phones[CAS].reply = Reply::Busy;
    let mut world = talking(1, phones);
    // The first NOTIFY is lost again and again.
    let mut lost = 0;
    world.meddle(move |_, letter| {
        let is_first = letter.bytes.windows(15).any(|it| it == b"SIP/2.0 100 Try")
            && letter.bytes.starts_with(b"NOTIFY");
        lost += u32::from(is_first);
        if is_first && lost < 4 { Fate::Lose } else { Fate::Fly }
    });
    transfer(&mut world, ANN, "1003");
    world.run_for(secs(10));
    assert_eq!(told(&world, ANN), [(100, false), (486, true)], "{}", world.trace.text());
    assert_talk(&mut world, &[(ANN, BOB)], "after the news");
    world.hang_up(ANN);
    assert_nothing_left(&mut world);
}

#[test]
fn whatever_is_sent_elsewhere_in_a_storm_nothing_is_left_over() {
    let seeds = std::env::var("MOONSWITCH_SEEDS").ok().and_then(|it| it.parse().ok());
    let (mut tried, mut done) = (0, 0);
    for seed in 0..seeds.unwrap_or(200) {
        let mut dice = Rng::from_seed(!seed);
        let phones = [(); 4].map(|()| anybody(&mut dice));
        let mut world = house(Config::storm(seed));
        move_in(&mut world, phones);
        for _ in 0..3 {
            world.dial(dice.below(4) as usize, number(&mut dice));
            world.run_for(some(&mut dice, 9_000));
            let phone = dice.below(4) as usize;
            match dice.below(6) {
                0 => world.order(phone, Phone::join),
                1 => {
                    let replaces = seen_from(&world, dice.below(4) as usize, dice.hits(500));
                    world.order(phone, |it, now, out| it.pick_up(now, "1002", &replaces, out));
                }
                2 => world.hang_up(phone),
                _ => transfer(&mut world, phone, number(&mut dice)),
            }
            world.run_for(some(&mut dice, 9_000));
        }
        for phone in [ANN, BOB, CAS, DAN] {
            for it in world.phone(phone).calls().iter().filter_map(|it| it.sent.as_ref()) {
                tried += 1;
                done += u32::from(it.told.contains(&(200, true)));
            }
        }
        for _ in 0..4 {
            for phone in [ANN, BOB, CAS, DAN] {
                world.hang_up(phone);
            }
            world.run_for(secs(20));
        }
        let left = world.settle();
        assert!(left.is_empty(), "seed {seed}: {left:#?}");
    }
    eprintln!("{done} of {tried} transfers came to an answer");
    assert!(done > tried / 10, "{done} of {tried}");
}

fn anybody(dice: &mut Rng) -> Behaviour {
    let after = some(dice, 4_000);
    let reply = match dice.below(8) {
        0 => Reply::Busy,
        1 => Reply::Ring,
        _ => Reply::Answer { after },
    };
    let leaves = [Leaves::WhenTold, Leaves::AtOnce, Leaves::Never][dice.below(3) as usize];
    Behaviour {
        reply,
        leaves,
        hold_after: dice.hits(300).then(|| some(dice, 6_000)),
        resume_after: dice.hits(300).then(|| some(dice, 9_000)),
        hang_up_after: dice.hits(300).then(|| some(dice, 20_000)),
        transfer: dice.hits(400).then(|| (some(dice, 6_000), number(dice).to_owned())),
        ..Behaviour::default()
    }
}

fn number(dice: &mut Rng) -> &'static str {
    ["1001", "1002", "1003", "1004", "*43", "1999"][dice.below(6) as usize]
}

fn some(dice: &mut Rng, ms_max: u64) -> Duration {
    Duration::from_millis(dice.below(ms_max))
}

/// How a lamp would name the first call of a phone to others, or its own phone to us.
fn seen_from(world: &World, phone: usize, swapped: bool) -> String {
    let Some(it) = world.phone(phone).calls().first() else {
        return "x;to-tag=1;from-tag=2".to_owned();
    };
    let own = it.replaces();
    match swapped {
        true => own
            .replace("to-tag", "x-tag")
            .replace("from-tag", "to-tag")
            .replace("x-tag", "from-tag"),
        false => own,
    }
}

fn four() -> [Behaviour; 4] {
    [(); 4].map(|()| Behaviour::default())
}

/// Four phones, 1001 to 1004.
fn office(seed: u64, phones: [Behaviour; 4]) -> World {
    let mut world = house(Config::clear(seed));
    move_in(&mut world, phones);
    world
}

fn move_in(world: &mut World, phones: [Behaviour; 4]) {
    for (nth, behaviour) in phones.into_iter().enumerate() {
        let phone = world.add(&format!("100{}", nth + 1), behaviour);
        world.register(phone);
    }
    let all = |it: &World| (0..4).all(|nth| it.phone(nth).registered == Registered::Yes);
    assert!(world.run_until(secs(120), all), "a phone is not registered");
}

/// Ann has called Bob, and they talk.
fn talking(seed: u64, phones: [Behaviour; 4]) -> World {
    let mut world = office(seed, phones);
    world.dial(ANN, "1002");
    world.run_for(secs(4));
    world
}

/// Ann and Bob talk, and one of them has held the other and talks with Cas.
fn consulting(seed: u64, referrer: usize, calls_in: bool) -> World {
    let mut phones = four();
    phones[referrer].hold_after = Some(secs(2));
    let mut world = office(seed, phones);
    // Another media thread, which has more to offer.
    world.tell(Input::Ports { thread: 1, ports: (0..80).map(|it| 30_000 + 2 * it).collect() });
    world.dial(ANN, "1002");
    world.run_for(secs(2));
    world.tell(Input::Ports { thread: 2, ports: (0..99).map(|it| 40_000 + 2 * it).collect() });
    world.run_for(secs(4));
    world.behave(referrer, Behaviour::default());
    match calls_in {
        true => world.dial(CAS, ["1001", "1002"][referrer]),
        false => world.dial(referrer, "1003"),
    }
    world.run_for(secs(4));
    assert_talk(&mut world, &[(referrer, CAS)], "consultation");
    world
}

fn transfer(world: &mut World, phone: usize, number: &str) {
    world.order(phone, |it: &mut Phone, now: Mono, out| it.transfer(now, number, out));
}

fn told(world: &World, phone: usize) -> Vec<(u16, bool)> {
    let calls = world.phone(phone).calls().iter();
    let sent = calls.filter_map(|it| it.sent.as_ref()).next_back();
    sent.map(|it| it.told.clone()).unwrap_or_default()
}

fn facts(world: &World, wanted: fn(&What) -> bool) -> usize {
    world.facts.iter().filter(|it| wanted(&it.what)).count()
}

/// These hear each other, and nobody hears anybody else.
fn assert_talk(world: &mut World, pairs: &[(usize, usize)], what: &str) {
    // What is under way arrives.
    world.run_for(secs(1));
    let heard = |world: &World| {
        let ears = |listener: usize, speaker: usize| {
            let voice = world.phone(speaker).identity.voice;
            let calls = world.phone(listener).calls().iter();
            calls.map(|it| it.ear.heard(voice)).sum::<u64>()
        };
        [ANN, BOB, CAS, DAN].map(|a| [ANN, BOB, CAS, DAN].map(|b| ears(a, b)))
    };
    let before = heard(world);
    world.run_for(secs(3));
    let after = heard(world);
    for a in [ANN, BOB, CAS, DAN] {
        for b in [ANN, BOB, CAS, DAN] {
            let more = after[a][b] - before[a][b];
            let talks = pairs.contains(&(a, b)) || pairs.contains(&(b, a));
            let is_right = if talks { more > 100 } else { more == 0 };
            assert!(is_right, "{what}: {a} hears {b}: {more}\n{}", world.trace.text());
        }
    }
}
