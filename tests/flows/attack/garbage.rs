//! Strangers, and one who pretends to be Ann's phone, send garbage while Ann and Bob talk.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use moonswitch::base::Rng;
use moonswitch::call::Census;
use moonswitch::sim::phone::{Behaviour, Letter};
use moonswitch::sim::{Config, World};

use crate::attack::facts::assert_well;
use crate::world::{ANN, BOB, connected, house, move_in, secs};

/// How many datagrams one attack has, one a millisecond.
const COUNT: usize = 20_000;

#[test]
fn random_bytes_change_nothing() {
    attack(1, |rng, _| {
        let mut bytes = vec![0; rng.below(1_500) as usize];
        rng.fill(&mut bytes);
        bytes
    });
}

#[test]
fn mutants_of_real_messages_change_nothing() {
    for seed in 2..5 {
        attack(seed, |rng, wire| {
            let mut bytes = pick(rng, wire).to_vec();
            for _ in 0..=rng.below(6) {
                mutate(rng, &mut bytes);
            }
            bytes
        });
    }
}

#[test]
fn mutants_that_look_new_change_nothing() {
    attack(5, |rng, wire| {
        let text = String::from_utf8_lossy(pick(rng, wire)).into_owned();
        let token = rng.token();
        let mut bytes = text.replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{token}"), 1);
        if rng.hits(500) {
            bytes = bytes.replacen("tag=", &format!("tag={}", rng.token()), 2);
        }
        if rng.hits(300) {
            bytes = bytes.replacen("CSeq: ", "CSeq: 4", 1);
        }
        bytes.into_bytes()
    });
}

#[test]
fn requests_and_responses_that_nearly_belong_to_the_call_change_nothing() {
    attack(6, |rng, wire| {
        let text = String::from_utf8_lossy(pick(rng, wire)).into_owned();
        let of = |name: &str| {
            let line = text.lines().find(|it| it.starts_with(name));
            line.map_or_else(String::new, |it| it.trim().to_owned())
        };
        let (token, other) = (rng.token(), rng.token());
        let method = ["BYE", "INVITE", "ACK", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK"]
            [rng.below(8) as usize];
        let wrong = |it: String| match it.split_once(";tag=") {
            Some((address, _)) => format!("{address};tag={other}"),
            None => it,
        };
        // At least one of the two tags is wrong: who knows both may hang up.
        let [from, to] = match rng.below(3) {
            0 => [wrong(of("From:")), of("To:")],
            1 => [of("From:"), wrong(of("To:"))],
            _ => [wrong(of("From:")), wrong(of("To:"))],
        };
        let start = match rng.below(3) {
            0 => format!(
                "SIP/2.0 {} Whatever",
                [180, 200, 302, 401, 486, 603][rng.below(6) as usize]
            ),
            _ => format!("{method} sip:1001@10.0.0.1 SIP/2.0"),
        };
        let number = rng.below(10);
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 10.1.0.0:5060;rport;branch=z9hG4bK{token}\r\n{from}\r\n{to}\r\n\
             {}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\nContact: <sip:1001@10.1.0.0>\r\n\
             Content-Length: 0\r\n\r\n",
            of("Call-ID:")
        )
        .into_bytes()
    });
}

#[test]
fn a_flood_of_strangers_leaves_nothing() {
    attack(7, |rng, wire| {
        let sdp = wire.iter().find_map(|it| {
            let text = String::from_utf8_lossy(it).into_owned();
            text.split_once("\r\n\r\n").map(|it| it.1.to_owned()).filter(|it| !it.is_empty())
        });
        let (method, body) = match rng.below(4) {
            0 => ("REGISTER", String::new()),
            1 => ("OPTIONS", String::new()),
            _ => ("INVITE", sdp.unwrap_or_default()),
        };
        let (token, user) = (rng.token(), rng.below(10_000));
        let credentials = match rng.below(3) {
            0 => format!(
                "Proxy-Authorization: Digest username=\"1001\", realm=\"moonswitch\", nonce=\"{token}\", \
                 uri=\"sip:1002@10.0.0.1\", response=\"{token}{token}\", algorithm=MD5, qop=auth, \
                 nc=00000001, cnonce=\"x\"\r\n"
            ),
            _ => String::new(),
        };
        format!(
            "{method} sip:1002@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.9.9:5060;branch=z9hG4bK{token}\r\n\
             From: <sip:{user}@10.0.0.1>;tag={token}\r\nTo: <sip:1002@10.0.0.1>\r\nCall-ID: {token}\r\n\
             CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:{user}@10.9.9.9>\r\n{credentials}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    });
}

/// Ann and Bob talk while the garbage comes, from everywhere. Afterwards they still hear each other,
/// the switch holds what it held before, and the call ends as if nothing had been.
fn attack(seed: u64, mut garbage: impl FnMut(&mut Rng, &[Bytes]) -> Vec<u8>) {
    let mut world = house(Config { traced: false, ..Config::clear(seed) });
    let wire = Rc::new(RefCell::new(Vec::new()));
    let written = Rc::clone(&wire);
    world.inspect(move |bytes| written.borrow_mut().push(Bytes::copy_from_slice(bytes)));
    move_in(&mut world, Behaviour::default(), Behaviour::default());
    world.dial(ANN, "1002");
    world.run_for(secs(5));
    assert!(connected(&world));
    // What the call itself wrote; our answers to garbage are not taken up again.
    let wire = wire.take();
    let (before, facts) = (held(&world), world.facts.len());

    let mut rng = Rng::from_seed(seed);
    let to = world.phone(ANN).identity.server;
    let heard_before = heard(&world);
    for _ in 0..COUNT {
        let phone = [ANN, BOB][rng.below(2) as usize];
        let stranger = SocketAddr::from(([10, 9, rng.below(256) as u8, 9], 5060));
        let from = if rng.hits(500) { world.phone(phone).identity.address } else { stranger };
        let bytes = Bytes::from(garbage(&mut rng, &wire));
        world.forge(Letter { from, to, bytes });
        world.run_for(Duration::from_millis(1));
    }
    let rose: Vec<u64> = heard(&world).iter().zip(heard_before).map(|it| it.0 - it.1).collect();
    assert!(rose.iter().all(|it| (995..=1_005).contains(it)), "seed {seed}: {rose:?} in 20 s");
    world.run_for(secs(70));
    let after = held(&world);
    assert_eq!((after.transactions, after.dialogs), (0, 2), "seed {seed}");
    assert_eq!(
        Census { transactions: 0, ..after },
        Census { transactions: 0, ..before },
        "seed {seed}"
    );
    assert_eq!(world.facts.len(), facts, "seed {seed}: {:?}", world.facts.last());

    world.hang_up(BOB);
    world.run_for(secs(2));
    assert_well(&mut world, &format!("seed {seed}"));
}

/// How many packets of the other each phone has heard.
fn heard(world: &World) -> [u64; 2] {
    [(ANN, BOB), (BOB, ANN)].map(|(who, whom)| {
        let voice = world.phone(whom).identity.voice;
        world.phone(who).calls()[0].ear.heard(voice)
    })
}

fn held(world: &World) -> Census {
    world.census().expect("there is a switch")
}

fn pick<'a>(rng: &mut Rng, wire: &'a [Bytes]) -> &'a Bytes {
    &wire[rng.below(wire.len() as u64) as usize]
}

/// Changes, cuts, doubles or inserts something.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len() as u64) as usize;
    match rng.below(6) {
        0 => bytes[at] = rng.below(256) as u8,
        1 => bytes.truncate(at),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, b"\r\n;,:<>\"@= \0"[rng.below(12) as usize]),
        4 => {
            let end = bytes.len().min(at + rng.below(80) as usize);
            let piece = bytes[at..end].to_vec();
            let to = rng.below(bytes.len() as u64) as usize;
            bytes.splice(to..to, piece);
        }
        _ => {
            // A number becomes another one.
            if let Some(digit) = bytes[at..].iter_mut().find(|it| it.is_ascii_digit()) {
                *digit = b'0' + rng.below(10) as u8;
            }
        }
    }
}
