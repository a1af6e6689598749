//! A second, independent reader looks over our shoulder: rsip reads every message of some calls, and
//! what it accepts must say the same to it as to us. An error in our parser and its twin in our
//! printer would agree with each other; this reader would not.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use moonswitch::sdp::Codec;
use moonswitch::sim::phone::{Asks, Behaviour, Early, Reliable, Reply, Timer};
use moonswitch::sim::{Config, World};

use crate::reader::{FIELDS, ours, theirs};
use crate::world::{ann_dials, assert_nothing_left, house, move_in, secs};

/// What rsip 0.4 is known to refuse or misread of what we and our phones write, as parts of the
/// messages in question. Whatever contains one of them is not compared.
const UNREADABLE: &[&str] = &[];

#[test]
fn another_reader_reads_every_message_as_we_do() {
    let seen = Rc::new(RefCell::new(Seen::default()));
    for (seed, (ann, bob, number)) in (1..).zip(calls()) {
        for config in [Config::clear(seed), Config::storm(seed)] {
            let mut world = house(config);
            watch(&mut world, &seen);
            move_in(&mut world, ann.clone(), bob.clone());
            ann_dials(&mut world, number);
            assert_nothing_left(&mut world);
        }
    }
    let seen = seen.borrow();
    assert_eq!(seen.refused, BTreeSet::new());
    assert!(seen.compared > 200, "{} compared", seen.compared);
    for kind in [
        "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "100", "180", "200", "401", "404", "486",
        "487", "PRACK", "UPDATE", "183",
    ] {
        assert!(seen.kinds.contains(kind), "no {kind} among {:?}", seen.kinds);
    }
}

/// What has gone over the wire so far.
#[derive(Default)]
struct Seen {
    compared: u64,
    kinds: BTreeSet<String>,
    refused: BTreeSet<String>,
}

/// Calls that between them show every message that there is.
fn calls() -> [(Behaviour, Behaviour, &'static str); 7] {
    let plain = Behaviour::default;
    let brief = || Behaviour { hang_up_after: Some(secs(3)), ..plain() };
    let opus = || Behaviour { codecs: vec![Codec::Opus, Codec::Pcma], ..brief() };
    let hasty = Behaviour { cancel_after: Some(secs(3)), ..plain() };
    let able = |it: Behaviour| Behaviour {
        session: Timer::Timed(90),
        asks_by: Asks::Update,
        reliable: Reliable::Required,
        early: Early::Speaks,
        hold_after: Some(secs(1)),
        ..it
    };
    [
        (able(brief()), able(plain()), "1002"),
        (brief(), plain(), "1002"),
        (opus(), opus(), "1002"),
        (plain(), Behaviour { reply: Reply::Busy, ..plain() }, "1002"),
        (hasty, Behaviour { reply: Reply::Ring, ..plain() }, "1002"),
        (brief(), plain(), "*43"),
        (brief(), plain(), "1999"),
    ]
}

fn watch(world: &mut World, seen: &Rc<RefCell<Seen>>) {
    let seen = Rc::clone(seen);
    world.inspect(move |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if UNREADABLE.iter().any(|it| text.contains(it)) {
            return;
        }
        let mut seen = seen.borrow_mut();
        let ours = ours(bytes).unwrap_or_else(|fault| panic!("{fault}: {text}"));
        seen.kinds.insert(ours[0].clone());
        match theirs(bytes) {
            Ok(theirs) => {
                for (field, (ours, theirs)) in FIELDS.iter().zip(ours.iter().zip(&theirs)) {
                    assert_eq!(ours, theirs, "{field}: {text}");
                }
            }
            Err(error) => drop(seen.refused.insert(format!("{error}\n{text}"))),
        }
        seen.compared += 1;
    });
}
