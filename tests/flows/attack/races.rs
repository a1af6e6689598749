//! Things that happen in the same instant, and phones that know all secrets of a call and abuse them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use moonswitch::call::Input;
use moonswitch::lua::{self, Files, Limits, LuaPlan};
use moonswitch::sim::phone::{Behaviour, Ending, Frame, Letter, Reply};
use moonswitch::sim::{Config, World};

use crate::attack::facts::assert_well;
use crate::world::{ANN, BOB, call, house, move_in, secs, two_phones};

#[test]
fn a_dial_that_runs_out_as_it_is_answered_ends_for_all() {
    for half_ms in 0..40 {
        let timeout = 1.995 + 0.0005 * f64::from(half_ms);
        let script = format!(
            "pbx.internal('7000', function(call)
               local leg = call:dial('1002', {{ timeout = {timeout} }})
               if not leg then call:dial('1002', {{ timeout = 1 }}) end
             end)"
        );
        let mut plan = LuaPlan::new(Limits::default());
        let user = vec![("main.lua".to_owned(), script)];
        plan.load(&Files { embedded: lua::embedded(), user }).expect("the script loads");
        let mut world = World::with_switch(Config::clear(half_ms as u64), plan);
        let brief = Behaviour { hang_up_after: Some(secs(1)), ..Behaviour::default() };
        move_in(&mut world, Behaviour::default(), brief);
        world.dial(ANN, "7000");
        world.run_for(secs(8));
        let ending = call(&world, ANN).ending();
        assert!(
            matches!(ending, Some(Ending::HungUpByPeer | Ending::Refused(480))),
            "{timeout}: {ending:?}\n{}",
            world.trace.text()
        );
        assert_well(&mut world, &format!("{timeout} s"));
    }
}

#[test]
fn two_phones_of_one_number_that_answer_at_once_get_one_call_between_them() {
    for storm in [false, true] {
        for seed in 0..100 {
            let base = if storm { Config::storm(seed) } else { Config::clear(seed) };
            let mut world = two_phones(
                Config { traced: true, ..base },
                Behaviour { hang_up_after: Some(secs(5)), ..Behaviour::default() },
                Behaviour::default(),
            );
            let other = world.add_stranger("1002", "secret", Behaviour::default());
            world.register(other);
            world.run_for(secs(20));
            world.dial(ANN, "1002");
            world.run_for(secs(120));
            let talked = [BOB, other].into_iter().filter(|it| {
                let voice = world.phone(ANN).identity.voice;
                world.phone(*it).calls().iter().any(|it| it.heard(voice))
            });
            let talked = talked.count();
            assert!(talked == 1 || storm && talked == 0, "seed {seed}: {talked} talked");
            assert_well(&mut world, &format!("seed {seed}, storm {storm}"));
        }
    }
}

#[test]
fn a_shutdown_ends_every_call_at_whatever_moment() {
    for nth in 0..150 {
        let at = Duration::from_millis(nth * 21);
        let mut world = two_phones(Config::clear(nth), Behaviour::default(), Behaviour::default());
        world.dial(ANN, "1002");
        world.run_for(at);
        world.tell(Input::Shutdown);
        world.run_for(secs(2));
        let ending = call(&world, ANN).ending();
        assert!(ending.is_some(), "{at:?}\n{}", world.trace.text());
        assert_well(&mut world, &format!("shut down after {at:?}"));
    }
}

#[test]
fn a_bye_without_a_tag_while_a_phone_rings_leaves_no_transaction_behind() {
    let (mut world, invite) = ringing(1, Reply::Ring);
    for tag in ["", ";tag=x"] {
        let from = header(&invite, "To") + tag;
        forge(&mut world, BOB, &request("BYE", 1, &from, &header(&invite, "From"), &invite));
    }
    world.run_for(secs(2));
    // The phone is dead from now on: no final response comes.
    world.behave(BOB, Behaviour { reply: Reply::Silent, ..Behaviour::default() });
    world.run_for(secs(90));
    assert_eq!(call(&world, ANN).ending(), Some(Ending::Refused(480)), "{}", world.trace.text());
    world.run_for(secs(70));
    let census = world.census().expect("there is a switch");
    assert_eq!((census.transactions, census.dialogs, census.calls), (0, 0, 0));
}

#[test]
fn answers_of_a_thousand_forks_are_hung_up_in_moderation() {
    let (mut world, invite) = ringing(2, Behaviour::default().reply);
    world.run_for(secs(3));
    let sent = Rc::new(RefCell::new(0));
    let counted = Rc::clone(&sent);
    world.inspect(move |_| *counted.borrow_mut() += 1);
    for nth in 0..1_000 {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=fork{nth}\r\nCall-ID: {}\r\n\
             CSeq: {}\r\nContact: <sip:1002@10.1.0.1>\r\nContent-Length: 0\r\n\r\n",
            header(&invite, "Via"),
            header(&invite, "From"),
            header(&invite, "To"),
            header(&invite, "Call-ID"),
            header(&invite, "CSeq"),
        );
        forge(&mut world, BOB, &text);
    }
    world.run_for(secs(20));
    let sent = *sent.borrow();
    assert!(sent < 1_000, "{sent} messages for a thousand");
    world.hang_up(ANN);
    assert_well(&mut world, "forks");
}

#[test]
fn a_phone_that_says_a_thousand_times_that_it_rings_is_noted_once() {
    let (mut world, invite) = ringing(3, Reply::Ring);
    let before = world.facts.len();
    for nth in 0..1_000 {
        let text = format!(
            "SIP/2.0 18{} Ringing\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=r\r\nCall-ID: {}\r\n\
             CSeq: {}\r\nContent-Length: 0\r\n\r\n",
            nth % 4,
            header(&invite, "Via"),
            header(&invite, "From"),
            header(&invite, "To"),
            header(&invite, "Call-ID"),
            header(&invite, "CSeq"),
        );
        forge(&mut world, BOB, &text);
    }
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.facts.len(), before);
    world.hang_up(ANN);
    assert_well(&mut world, "rings");
}

#[test]
fn renegotiations_without_sense_or_acknowledgement_harm_nobody() {
    let bodies = [
        ("", true),
        ("v=0\r\n", true),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n", true),
        // This one has a sense: Bob wants no audio any more (RFC 3264 §8.2).
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=audio 0 RTP/AVP 0\r\n", false),
    ];
    for (nth, (body, goes_on)) in bodies.into_iter().enumerate() {
        let (mut world, invite) = ringing(nth as u64, Behaviour::default().reply);
        world.run_for(secs(4));
        // Bob's phone asks for nonsense inside the call, again and again.
        let tag = answer_tag(&world);
        let (from, to) = (header(&invite, "To") + &format!(";tag={tag}"), header(&invite, "From"));
        for number in 1..200 {
            let text = request("INVITE", number, &from, &to, &invite);
            let text = text.replace(
                "Content-Length: 0\r\n\r\n",
                &format!(
                    "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
            );
            forge(&mut world, BOB, &text);
            world.run_for(Duration::from_millis(50));
        }
        world.run_for(secs(1));
        assert_eq!(call(&world, ANN).ending(), None, "{body}\n{}", world.trace.text());
        let ear = &call(&world, ANN).ear;
        assert_eq!(ear.packets > 600, goes_on, "{body}: {ear:?}");
        world.hang_up(ANN);
        assert_well(&mut world, body);
    }
}

#[test]
fn a_phone_that_says_it_is_us_does_not_send_packets_round_for_ever() {
    let door = SocketAddr::from(([10, 0, 0, 1], 20_000));
    let mut world = house(Config::clear(1));
    let written: Rc<RefCell<Vec<String>>> = Rc::default();
    let writer = Rc::clone(&written);
    world.inspect(move |it| writer.borrow_mut().push(String::from_utf8_lossy(it).into_owned()));
    move_in(&mut world, Behaviour::default(), Behaviour::default());
    world.dial(ANN, "*43");
    world.run_for(secs(1));
    let ok = |it: &&String| it.starts_with("SIP/2.0 200 OK") && it.contains("m=audio");
    let ok = written.borrow().iter().find(ok).cloned().expect("Ann was answered");
    let body = "v=0\r\no=- 1 9 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
                m=audio 20000 RTP/AVP 0\r\n";
    let text = request("INVITE", 10, &header(&ok, "From"), &header(&ok, "To"), &ok).replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
    );
    forge(&mut world, ANN, &text);
    world.run_for(secs(1));
    let sent = Rc::new(RefCell::new(0));
    let counted = Rc::clone(&sent);
    world.overhear(move |it| *counted.borrow_mut() += u32::from(it.to == door && it.from == door));
    let mut packet = vec![0x80, 0];
    packet.resize(172, 1);
    world.forge_frame(Frame { from: door, to: door, bytes: packet });
    world.run_for(secs(1));
    assert_eq!(*sent.borrow(), 0, "packets go round");
    // Ann's own BYE would have a number that is used up.
    world.tell(Input::Shutdown);
    assert_well(&mut world, "loop");
}

/// Ann calls Bob, whose phone rings; with the INVITE that he got.
fn ringing(seed: u64, reply: Reply) -> (World, String) {
    let mut world = house(Config::clear(seed));
    let written: Rc<RefCell<Vec<String>>> = Rc::default();
    let writer = Rc::clone(&written);
    world.inspect(move |it| writer.borrow_mut().push(String::from_utf8_lossy(it).into_owned()));
    move_in(&mut world, Behaviour::default(), Behaviour { reply, ..Behaviour::default() });
    world.dial(ANN, "1002");
    world.run_for(secs(1));
    let invite =
        written.borrow().iter().find(|it| it.starts_with("INVITE sip:1002@10.1.")).cloned();
    (world, invite.expect("Bob got an INVITE"))
}

/// The tag with which Bob's phone answered.
fn answer_tag(world: &World) -> String {
    let text = format!("{:?}", call(world, BOB));
    let tag = text.split_once("local_tag: \"").and_then(|it| it.1.split_once('"'));
    tag.expect("a call has a tag").0.to_owned()
}

fn header(message: &str, name: &str) -> String {
    let value = message.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {message}")).trim().to_owned()
}

/// A request of Bob's phone inside the call that this INVITE began.
fn request(method: &str, number: u32, from: &str, to: &str, invite: &str) -> String {
    format!(
        "{method} sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.1:5060;branch=z9hG4bK{method}{number}{}\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:1002@10.1.0.1>\r\nContent-Length: 0\r\n\r\n",
        from.len(),
        header(invite, "Call-ID")
    )
}

fn forge(world: &mut World, phone: usize, text: &str) {
    let (from, to) = (world.phone(phone).identity.address, world.phone(ANN).identity.server);
    world.forge(Letter { from, to, bytes: Bytes::copy_from_slice(text.as_bytes()) });
}
