//! Registrations told as they go: what is sent, what the carrier answers, what comes of it.

use super::super::auth::Guard;
use super::*;
use crate::sip::{Flow, Transport};

/// A house, and the carrier that it registers with.
struct House {
    enrol: Enrol,
    guard: Guard,
    now: Mono,
    out: Vec<Output>,
    local: SocketAddr,
    sent: Vec<String>,
}

/// What the carrier answers.
#[derive(Clone, Copy)]
enum Says {
    /// 200 once the digest is right, with these headers.
    Checks(&'static str),
    /// This status with these headers.
    Status(u16, &'static str),
    /// A challenge for this realm.
    Asks(&'static str),
    Nothing,
}

fn account() -> Account {
    Account { username: "4930".into(), password: "geheim".into(), realms: vec!["c.test".into()] }
}

impl House {
    fn new() -> Self {
        Self::with(false, true)
    }

    fn with(bulk: bool, rewrite: bool) -> Self {
        let config = Config {
            registrar: "sip:c.test".into(),
            aor: "sip:4930@c.test".into(),
            user: "4930".into(),
            expires: 600,
            account: Some(account()),
            bulk,
            rewrite,
        };
        let mut rng = Rng::from_seed(1);
        let guard = Guard::new(&mut rng, "c.test");
        let mut out = Vec::new();
        let enrol = Enrol::new(now(Mono::ZERO), config, rng, &mut out);
        let local = "192.0.2.10:5060".parse().unwrap();
        Self { enrol, guard, now: Mono::ZERO, out, local, sent: Vec::new() }
    }

    /// Lets the carrier answer what was sent, one after the other; returns how it stands.
    fn hears(&mut self, says: &[Says]) -> Standing {
        for it in says {
            let sends = std::mem::take(&mut self.out).into_iter();
            let sent = sends.filter_map(|it| match it {
                Output::Send(it) => Some(it),
                Output::Changed => None,
            });
            let sent: Vec<Register> = sent.collect();
            let [register] = sent.as_slice() else { panic!("{} requests", sent.len()) };
            let via = "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKx;rport";
            let bytes = self.enrol.write(register, via, self.local, "");
            let request = Message::parse(bytes).unwrap();
            request.check().unwrap();
            self.sent.push(String::from_utf8_lossy(request.bytes()).into_owned());
            let source = "203.0.113.7:40000".parse().unwrap();
            let reply = |status: u16, more: &str| {
                let mut writer = Writer::reply(&request, status, source, Some("t"));
                for line in more.split('|').filter(|it| !it.is_empty()) {
                    let (name, value) = line.split_once(": ").unwrap();
                    writer = writer.raw(name, value.as_bytes());
                }
                Message::parse(writer.finish()).unwrap()
            };
            let answer = match *it {
                Says::Nothing => None,
                Says::Status(status, more) => Some(reply(status, more)),
                Says::Asks(realm) => {
                    let challenge = format!(
                        "WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"{}\"",
                        self.sent.len()
                    );
                    Some(reply(401, &challenge))
                }
                Says::Checks(more) => {
                    let values = request.values(Name::Authorization);
                    let check = self.guard.check(
                        self.now,
                        flow(),
                        "REGISTER",
                        "sip:c.test",
                        values,
                        |_| Some("geheim"),
                    );
                    Some(match check {
                        super::super::auth::Verdict::Known(_) => reply(200, more),
                        it => {
                            assert!(!matches!(it, super::super::auth::Verdict::Wrong));
                            let challenge = self.guard.challenge(self.now, flow(), false);
                            reply(401, &format!("WWW-Authenticate: {challenge}"))
                        }
                    })
                }
            };
            let input = answer.as_ref().map_or(Input::Failed, Input::Response);
            self.enrol.handle(now(self.now), input, &mut self.out);
        }
        self.enrol.state().standing
    }

    /// Seconds until it does something.
    fn waits(&self) -> u64 {
        self.enrol.poll_timeout().unwrap().since(self.now).as_secs()
    }

    fn wait(&mut self) {
        self.now = self.enrol.poll_timeout().unwrap();
        self.enrol.handle_timeout(now(self.now), &mut self.out);
    }

    fn asks(&self) -> bool {
        self.out.iter().any(|it| matches!(it, Output::Send(_)))
    }
}

fn flow() -> Flow {
    let address = "203.0.113.7:40000".parse().unwrap();
    Flow { transport: Transport::Udp, local: address, remote: address }
}

fn now(mono: Mono) -> Now {
    Now { mono, wall: Wall(mono.as_nanos() / 1_000) }
}

const FINE: Says = Says::Checks("Contact: <sip:4930@203.0.113.7:40000>;expires=600");

#[test]
fn it_proves_who_it_is_and_comes_back_before_its_time_is_over() {
    let mut house = House::new();
    assert_eq!(house.hears(&[FINE, FINE]), Standing::Registered);
    assert!((420..=510).contains(&house.waits()), "{}", house.waits());
    assert!(house.sent[1].contains("CSeq: 2 REGISTER"));
    house.wait();
    // The nonce is still good: one request is enough.
    assert_eq!(house.hears(&[FINE]), Standing::Registered);
    assert!(house.sent[2].contains("nc=00000002"), "{}", house.sent[2]);
    let call_id = |it: &str| it.lines().find(|it| it.starts_with("Call-ID")).unwrap().to_owned();
    assert_eq!(call_id(&house.sent[0]), call_id(&house.sent[2]));
}

#[test]
fn the_contact_is_where_the_carrier_sees_us() {
    let mut house = House::new();
    house.hears(&[FINE, FINE]);
    assert!(house.sent[0].contains("Contact: <sip:4930@192.0.2.10:5060>"));
    assert!(house.sent[1].contains("Contact: <sip:4930@203.0.113.7:40000>"));
    assert!(!house.asks());
    // Without a challenge it is learned from the 200, and the wrong one is taken back, once.
    let mut house = House::new();
    let plain = Says::Status(200, "Expires: 600");
    house.hears(&[plain, plain]);
    assert!(!house.asks());
    assert!(house.sent[1].contains("Contact: <sip:4930@203.0.113.7:40000>"));
    assert!(house.sent[1].contains("Contact: <sip:4930@192.0.2.10:5060>;expires=0"));
    let mut house = House::with(false, false);
    house.hears(&[plain]);
    assert!(!house.asks());
}

#[test]
fn how_long_it_lasts_is_for_the_carrier_to_say() {
    for (more, least, most) in [
        ("Contact: <sip:x@y>;expires=10, <sip:4930@z>;expires=100|Expires: 5000", 70, 85),
        ("Contact: <sip:4930@z>|Expires: 200", 140, 170),
        ("", 420, 510),
        ("Expires: 0", 1, 1),
        ("Expires: 4294967295", 60_000, 86_400),
    ] {
        let mut house = House::with(false, false);
        assert_eq!(house.hears(&[Says::Status(200, more)]), Standing::Registered);
        assert!((least..=most).contains(&house.waits()), "{more}: {}", house.waits());
        // However brief it is, we do not run in circles.
        house.wait();
        assert!(house.asks() || house.waits() >= 3, "{more}");
    }
}

#[test]
fn a_time_that_is_too_brief_is_made_longer_and_not_for_ever() {
    let mut house = House::with(false, false);
    let brief = Says::Status(423, "Min-Expires: 1800");
    assert_eq!(house.hears(&[brief, Says::Status(200, "")]), Standing::Registered);
    assert!(house.sent[1].contains("\r\nExpires: 1800\r\n"));
    for bad in ["", "Min-Expires: 1", "Min-Expires: x", "Min-Expires: 4000000000"] {
        let mut house = House::with(false, false);
        assert_eq!(house.hears(&[Says::Status(423, bad)]), Standing::Refused);
    }
    let mut house = House::with(false, false);
    let more = ["Min-Expires: 700", "Min-Expires: 800", "Min-Expires: 900", "Min-Expires: 1000"];
    let all = more.map(|it| Says::Status(423, it));
    assert_eq!(house.hears(&all), Standing::Refused);
}

#[test]
fn a_carrier_that_cannot_is_asked_again_later_and_later() {
    for says in [Says::Nothing, Says::Status(500, ""), Says::Status(408, "")] {
        let mut house = House::new();
        let mut waits = Vec::new();
        for _ in 0..10 {
            assert_eq!(house.hears(&[says]), Standing::Unreachable);
            waits.push(house.waits());
            house.wait();
        }
        assert!((2..=5).contains(&waits[0]), "{waits:?}");
        assert!((5..=10).contains(&waits[1]) && (10..=20).contains(&waits[2]), "{waits:?}");
        assert!(waits[9] >= 150 && waits.iter().all(|it| *it <= 300), "{waits:?}");
        assert_eq!(house.hears(&[FINE, FINE]), Standing::Registered);
        house.wait();
        house.hears(&[says]);
        assert!(house.waits() <= 5, "the failures of yesterday are forgotten");
    }
}

#[test]
fn a_busy_carrier_says_when() {
    let mut house = House::new();
    house.hears(&[Says::Status(503, "Retry-After: 120 (upgrade);duration=60")]);
    assert_eq!(house.waits(), 120);
    house.wait();
    house.hears(&[Says::Status(503, "Retry-After: 99999999999999999999")]);
    assert_eq!(house.waits(), RETRY_AFTER_MAX);
}

#[test]
fn who_refuses_us_is_not_asked_at_speed() {
    let refusals = [
        &[Says::Status(403, "")][..],
        &[Says::Status(404, "")],
        &[Says::Status(603, "")],
        &[Says::Status(302, "Contact: <sip:elsewhere.test>")],
        // A wrong password, with and without a new nonce.
        &[Says::Asks("c.test"), Says::Asks("c.test")],
        // A password for somebody else.
        &[Says::Asks("evil.test")],
        &[Says::Status(401, "")],
    ];
    for says in refusals {
        let mut house = House::new();
        assert_eq!(house.hears(says), Standing::Refused);
        assert!(house.waits() >= 150, "{}", house.waits());
        assert!(!house.asks());
        for _ in 0..5 {
            house.wait();
            assert_eq!(house.hears(says), Standing::Refused);
        }
        assert!((1_800..=3_600).contains(&house.waits()), "{}", house.waits());
    }
    let mut house = House::new();
    house.hears(&[Says::Asks("evil.test")]);
    house.wait();
    house.hears(&[Says::Asks("evil.test")]);
    assert!(house.sent.iter().all(|it| !it.contains("Authorization")));
}

#[test]
fn what_was_granted_lasts_while_the_carrier_is_silent_and_ends_in_time() {
    let mut house = House::new();
    house.hears(&[FINE, FINE]);
    let until = Mono::ZERO + Duration::from_secs(600);
    while house.now < until {
        house.wait();
        if house.asks() {
            let standing = house.hears(&[Says::Nothing]);
            assert_eq!(standing == Standing::Registered, house.now < until, "{:?}", house.now);
        }
    }
    assert_eq!(house.enrol.state().standing, Standing::Unreachable);
    assert_eq!(house.enrol.state().status, None);
}

#[test]
fn who_leaves_says_so() {
    let mut house = House::new();
    house.hears(&[FINE, FINE]);
    house.enrol.handle(now(house.now), Input::Stop, &mut house.out);
    assert_eq!(house.hears(&[FINE]), Standing::Left);
    assert!(house.sent[2].contains("\r\nExpires: 0\r\n"));
    assert!(house.enrol.is_over());
    assert_eq!(house.enrol.poll_timeout(), None);
    // With a nonce that has grown old; without an answer.
    for last in [&[Says::Asks("c.test"), Says::Status(200, "")][..], &[Says::Nothing]] {
        let mut house = House::new();
        house.hears(&[FINE, FINE]);
        house.enrol.handle(now(house.now), Input::Stop, &mut house.out);
        assert_eq!(house.hears(last), Standing::Left);
    }
    // Who never got in need not say goodbye.
    let mut house = House::new();
    house.hears(&[Says::Nothing]);
    house.out.clear();
    house.enrol.handle(now(house.now), Input::Stop, &mut house.out);
    assert!(!house.asks() && house.enrol.is_over());
}

#[test]
fn all_numbers_at_once_are_asked_for_as_rfc_6140_says() {
    let mut house = House::with(true, false);
    house.hears(&[Says::Status(200, "Contact: <sip:192.0.2.10:5060;bnc>;expires=100")]);
    assert!((70..=85).contains(&house.waits()));
    for line in ["Contact: <sip:192.0.2.10:5060;bnc>", "Require: gin", "Proxy-Require: gin"] {
        assert!(house.sent[0].contains(&format!("\r\n{line}\r\n")), "{}", house.sent[0]);
    }
}

#[test]
fn an_answer_to_something_else_changes_nothing() {
    let mut house = House::new();
    let sent = std::mem::take(&mut house.out);
    let [Output::Send(register)] = sent.as_slice() else { panic!() };
    let via = "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKx;rport";
    let bytes = house.enrol.write(register, via, house.local, "");
    let text = String::from_utf8_lossy(&bytes).replace("CSeq: 1 ", "CSeq: 9 ");
    let request = Message::parse(Bytes::from(text)).unwrap();
    let reply = Writer::reply(&request, 200, house.local, Some("t")).finish();
    let reply = Message::parse(reply).unwrap();
    house.enrol.handle(now(Mono::ZERO), Input::Response(&reply), &mut house.out);
    assert_eq!(house.out, []);
    assert_eq!(house.enrol.state().standing, Standing::Trying);
}
