use std::net::SocketAddr;

use bytes::Bytes;

use super::*;
use crate::base::Rng;
use crate::sip::Transport;
use crate::sip::message::Message;

#[test]
fn a_stranger_has_a_bucket_and_no_more() {
    let mut story = Story::new();
    let read = story.admitted(1_000, |_| "10.0.0.2:5060");
    assert_eq!(read, 100, "the burst");
    story.now = Mono::from_millis(1_000);
    assert_eq!(story.admitted(1_000, |nth| ["10.0.0.2:5060", "10.0.0.2:6000"][nth % 2]), 20);
    assert_eq!(story.admitted(10, |_| "10.0.0.3:5060"), 10, "another one");
    assert_eq!(story.it.turned_away().dropped, 900 + 980);
}

#[test]
fn an_ipv6_network_is_one_stranger() {
    let mut story = Story::new();
    let read = story.admitted(1_000, |nth| ["[2001:db8::1]:5060", "[2001:db8::2]:5060"][nth % 2]);
    assert_eq!(read, 100);
}

#[test]
fn strangers_from_everywhere_share_a_bucket_and_a_known_phone_needs_none_of_it() {
    let mut story = Story::new();
    story.it.proved(story.now, flow("10.0.0.2:5060"));
    let forged: Vec<String> =
        (0..20_000_u32).map(|it| format!("11.{}.{}.1:5060", it >> 8, it & 255)).collect();
    let read = forged.iter().filter(|it| story.it.admits(story.now, flow(it))).count();
    assert_eq!(read, 4_000);
    assert_eq!(story.admitted(50, |_| "10.0.0.2:5060"), 50);
    assert_eq!(story.asked("REGISTER", "10.0.0.2:5060", ""), Entry::Served);
    assert!(story.it.strangers.len() <= STRANGERS_MAX);
}

#[test]
fn a_neighbour_behind_the_same_nat_uses_nothing_of_a_known_phone() {
    let mut story = Story::new();
    story.it.proved(story.now, flow("10.0.0.2:5060"));
    let mut count = [0; 3];
    for _ in 0..4_000 {
        count[story.asked("OPTIONS", "10.0.0.2:6000", "") as usize] += 1;
    }
    assert_eq!(count, [2_000, 500, 1_500], "served, refused, dropped");
    for nth in 0..100 {
        assert_eq!(story.asked("REGISTER", "10.0.0.2:5060", ""), Entry::Served, "{nth}");
    }
}

#[test]
fn a_scanner_gets_no_answer_unless_its_address_is_known() {
    for (agent, entry) in [
        ("friendly-scanner", Entry::Dropped),
        ("Mozilla SIPVicious 0.3", Entry::Dropped),
        ("Linphone/5.1", Entry::Served),
        ("", Entry::Served),
    ] {
        let mut story = Story::new();
        assert_eq!(story.asked("OPTIONS", "10.0.0.3:5060", agent), entry, "{agent}");
        story.it.proved(story.now, flow("10.0.0.3:5060"));
        assert_eq!(story.asked("OPTIONS", "10.0.0.3:5060", agent), Entry::Served, "{agent}");
    }
    let mut story = Story::new();
    story.it.limits.drop_scanners = false;
    assert_eq!(story.asked("OPTIONS", "10.0.0.3:5060", "sipcli/v1.8"), Entry::Served);
}

#[test]
fn an_overload_stops_new_calls_and_strangers_and_nobody_else() {
    let mut story = Story::new();
    story.it.proved(story.now, flow("10.0.0.2:5060"));
    story.it.overload(true);
    assert_eq!(story.asked("REGISTER", "10.0.0.2:5060", ""), Entry::Served);
    assert_eq!(story.asked("INVITE", "10.0.0.2:5060", ""), Entry::Refused);
    assert_eq!(story.asked("REGISTER", "10.0.0.3:5060", ""), Entry::Refused);
    story.it.overload(false);
    assert_eq!(story.asked("INVITE", "10.0.0.2:5060", ""), Entry::Served);
    assert_eq!(story.asked("REGISTER", "10.0.0.3:5060", ""), Entry::Served);
}

#[test]
fn an_account_has_so_many_registrations_and_calls() {
    let mut story = Story::new();
    let now = story.now;
    let registers = (0..100).filter(|_| story.it.may_register(now, "1001")).count();
    let calls = (0..100).filter(|_| story.it.may_call(now, "1001", 3)).count();
    assert_eq!((registers, calls), (50, 50));
    assert!(story.it.may_register(now, "1002") && story.it.may_call(now, "1002", 49));
    assert!(!story.it.may_call(now, "1002", 50), "fifty at once");
    story.now = Mono::from_millis(100);
    assert!(story.it.may_register(story.now, "1001"), "one comes back");
}

#[test]
fn a_source_is_known_for_a_day() {
    let mut story = Story::new();
    story.it.proved(story.now, flow("10.0.0.2:5060"));
    story.now = story.now + KNOWN_FOR;
    assert_eq!(story.admitted(1_000, |_| "10.0.0.2:5060"), 1_000);
    story.now = story.now + Duration::from_secs(1);
    assert_eq!(story.admitted(1_000, |_| "10.0.0.2:5060"), 100);
}

#[test]
fn without_limits_everything_is_served() {
    let mut story = Story::new();
    let limits = &mut story.it.limits;
    (limits.stranger_rate, limits.source_rate, limits.calls) = (0, 0, 0);
    (limits.register_rate, limits.call_rate) = (0, 0);
    assert_eq!(story.admitted(10_000, |_| "10.0.0.2:5060"), 10_000);
    story.it.proved(story.now, flow("10.0.0.2:5060"));
    assert!((0..10_000).all(|_| story.asked("OPTIONS", "10.0.0.2:5061", "") == Entry::Served));
    assert!((0..1_000).all(|it| story.it.may_call(story.now, "1001", it)));
    assert!((0..1_000).all(|_| story.it.may_register(story.now, "1001")));
}

struct Story {
    it: Defence,
    now: Mono,
}

impl Story {
    fn new() -> Self {
        let hash = Keyed::new(&mut Rng::from_seed(1));
        Self { it: Defence::new(hash, Limits::default()), now: Mono::ZERO }
    }

    /// How many of so many messages are read.
    fn admitted(&mut self, count: usize, from: impl Fn(usize) -> &'static str) -> usize {
        (0..count).filter(|nth| self.it.admits(self.now, flow(from(*nth)))).count()
    }

    fn asked(&mut self, method: &str, from: &str, agent: &str) -> Entry {
        let text = format!("{method} sip:pbx SIP/2.0\r\nUser-Agent: {agent}\r\n\r\n");
        let message = Message::parse(Bytes::from(text)).unwrap();
        self.it.asked(self.now, &Request { message, flow: flow(from) })
    }
}

fn flow(remote: &str) -> Flow {
    let local = "10.0.0.1:5060".parse().unwrap();
    Flow { transport: Transport::Udp, local, remote: remote.parse::<SocketAddr>().unwrap() }
}
