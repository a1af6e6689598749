//! The first line of defence, seen from outside: what strangers learn, what reaches others through
//! us, and how long guessing takes.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use moonswitch::sim::net::Fate;
use moonswitch::sim::phone::{Behaviour, Letter, Registered};
use moonswitch::sim::{Config, World};

use crate::world::{BOB, house, move_in, secs};

/// Methods that mean something to us, and some that do not.
const METHODS: [&str; 14] = [
    "REGISTER",
    "INVITE",
    "OPTIONS",
    "SUBSCRIBE",
    "MESSAGE",
    "BYE",
    "CANCEL",
    "ACK",
    "PRACK",
    "UPDATE",
    "INFO",
    "NOTIFY",
    "REFER",
    "PUBLISH",
];

#[test]
fn a_stranger_cannot_tell_who_is_known_here() {
    for method in METHODS {
        // The same seed, so nonces and tags are the same too, and only the number differs.
        let known = answers(method, "1001");
        let unknown = answers(method, "7777");
        assert_eq!(known, unknown, "{method}");
        assert_eq!(known.is_empty(), method == "ACK", "{method}: {known:?}");
    }
}

#[test]
fn what_reaches_others_through_us_is_at_most_twice_what_a_stranger_sent() {
    let mut world = house(Config { traced: false, ..Config::clear(1) });
    let server = server(&mut world);
    let mut wire = Wire::tap(&mut world);
    let mut tried = 0;
    let mut answered = 0;
    for (nth, request) in requests().into_iter().enumerate() {
        // Each from an address of its own: their limits are not what is tried here.
        let victim = SocketAddr::from(([11, 0, (nth >> 8) as u8, nth as u8], 5060));
        let bytes = Bytes::from(request);
        let sent = bytes.len();
        world.forge(Letter { from: victim, to: server, bytes: bytes.clone() });
        world.run_for(secs(40));
        let back: usize =
            wire.take().iter().filter(|it| it.to == victim).map(|it| it.bytes.len()).sum();
        assert!(back <= 2 * sent, "{back} bytes for {sent}:\n{}", String::from_utf8_lossy(&bytes));
        tried += 1;
        answered += usize::from(back > 0);
    }
    assert!(tried > 100 && answered * 2 > tried, "{answered} of {tried} answered");
}

#[test]
fn a_hundred_guesses_take_long_and_the_true_phone_registers_meanwhile() {
    let mut world = house(Config { traced: false, ..Config::clear(1) });
    let bob = Behaviour { expires: secs(60), ..Behaviour::default() };
    move_in(&mut world, Behaviour::default(), bob);
    let home = world.phone(BOB).identity.address;
    let mut wire = Wire::tap(&mut world);
    // From somewhere else, and from behind the NAT of the true phone.
    for guesser in [SocketAddr::from(([11, 0, 0, 1], 5060)), SocketAddr::new(home.ip(), 7000)] {
        let (began, mut looked_at) = (world.now(), 0);
        while world.now() - began < secs(10) {
            guess(&mut world, &mut wire, guesser);
            looked_at += wire.take().iter().filter(|it| is_status(it, guesser, 403)).count();
            world.register(BOB);
            world.run_for(Duration::from_millis(200));
            let own = wire.take();
            assert!(own.iter().any(|it| is_status(it, home, 200)), "{own:?}");
            assert_eq!(world.phone(BOB).registered, Registered::Yes);
        }
        assert!((5..=12).contains(&looked_at), "{looked_at} guesses in 10 s from {guesser}");
    }
}

/// What a stranger hears who asks for this number, or guesses its password: with the number taken out.
fn answers(method: &str, number: &str) -> Vec<String> {
    let mut world = house(Config { traced: false, ..Config::clear(7) });
    world.provision("1001", "secret");
    let server = server(&mut world);
    let mut wire = Wire::tap(&mut world);
    let from = SocketAddr::from(([11, 0, 0, 1], 5060));
    let mut heard = Vec::new();
    let mut nonce = "0".repeat(64);
    for credentials in [false, true, true] {
        let bytes = request(method, number, credentials.then_some(&nonce));
        world.forge(Letter { from, to: server, bytes: bytes.into() });
        world.run_for(secs(40));
        for it in wire.take() {
            let text = String::from_utf8_lossy(&it.bytes).into_owned();
            if let Some((_, rest)) = text.split_once("nonce=\"") {
                nonce = rest.split('"').next().unwrap().to_owned();
            }
            heard.push(text.replace(number, "NUMBER"));
        }
    }
    heard
}

/// One guess with a nonce that was just fetched.
fn guess(world: &mut World, wire: &mut Wire, from: SocketAddr) {
    let to = world.phone(BOB).identity.server;
    wire.take();
    world.forge(Letter { from, to, bytes: request("REGISTER", "1002", None).into() });
    world.run_for(Duration::from_millis(10));
    let challenge = wire.take().into_iter().find(|it| is_status(it, from, 401));
    let Some(challenge) = challenge else { return };
    let text = String::from_utf8_lossy(&challenge.bytes).into_owned();
    let nonce = text.split_once("nonce=\"").unwrap().1.split('"').next().unwrap().to_owned();
    world.forge(Letter { from, to, bytes: request("REGISTER", "1002", Some(&nonce)).into() });
    world.run_for(Duration::from_millis(10));
}

fn is_status(letter: &Letter, to: SocketAddr, status: u16) -> bool {
    letter.to == to && letter.bytes.starts_with(format!("SIP/2.0 {status}").as_bytes())
}

/// A request for a number; with a nonce, its password is guessed.
fn request(method: &str, number: &str, nonce: Option<&String>) -> String {
    let uri =
        if method == "REGISTER" { "sip:10.0.0.1".into() } else { format!("sip:{number}@10.0.0.1") };
    let credentials = nonce.map_or_else(String::new, |nonce| {
        let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
        let guess = "0".repeat(32);
        format!(
            "{name}: Digest username=\"{number}\", realm=\"moonswitch\", nonce=\"{nonce}\", \
             uri=\"{uri}\", response=\"{guess}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"x\"\r\n"
        )
    });
    let tag = if matches!(method, "BYE" | "UPDATE" | "PRACK") { ";tag=x" } else { "" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 11.0.0.1:5060;branch=z9hG4bK{method}{};rport\r\n\
         From: <sip:{number}@10.0.0.1>;tag=t\r\nTo: <sip:{number}@10.0.0.1>{tag}\r\nCall-ID: c\r\n\
         CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:{number}@11.0.0.1>\r\n{credentials}\
         Content-Length: 0\r\n\r\n",
        nonce.map_or("0", |it| &it[..8])
    )
}

/// Everyday requests, the shortest ones, and malformed ones, of all methods.
fn requests() -> Vec<String> {
    let mut all = Vec::new();
    for method in METHODS {
        let usual = request(method, "1001", None);
        let short = format!(
            "{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK{method}\r\nf:<sip:a>;tag=1\r\n\
             t:<sip:a>\r\ni:{method}\r\nCSeq:1 {method}\r\nMax-Forwards:1\r\n\r\n"
        );
        let many =
            |line: &str, count| usual.replace("Contact:", &(line.repeat(count) + "Contact:"));
        all.extend([
            usual.replace("Max-Forwards: 70", "Max-Forwards: 0"),
            usual.replace("Max-Forwards: 70", "Max-Forwards: many"),
            usual.replace("CSeq: 1 ", "CSeq: one "),
            usual.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"),
            usual.replace("Content-Length: 0", "Content-Length: 999"),
            usual.replace(";rport", ";rport;maddr=239.1.1.1;ttl=16"),
            usual.replace("Call-ID: c\r\n", ""),
            usual.replace("From: <", "From: \"<"),
            many("Require: a\r\n", 1),
            many("Require: a,b,c,d,e,f,g,h,i,j\r\n", 10),
            many("Via: SIP/2.0/UDP b;branch=z9hG4bKb\r\n", 20),
            many("Record-Route: <sip:b;lr>\r\n", 20),
            many("Proxy-Require: x\r\n", 1),
            short.replace(":<sip:a>;tag=1", ":a"),
            short,
            usual,
        ]);
    }
    all
}

fn server(world: &mut World) -> SocketAddr {
    let phone = world.add_stranger("9999", "x", Behaviour::default());
    world.phone(phone).identity.server
}

/// What the switch has sent and was not looked at yet.
struct Wire(Rc<RefCell<Vec<Letter>>>);

impl Wire {
    fn tap(world: &mut World) -> Self {
        let letters = Rc::new(RefCell::new(Vec::new()));
        let written = Rc::clone(&letters);
        world.meddle(move |_, letter| {
            written.borrow_mut().push(letter.clone());
            Fate::Fly
        });
        Self(letters)
    }

    fn take(&mut self) -> Vec<Letter> {
        self.0.take()
    }
}
