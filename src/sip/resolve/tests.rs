//! Look-ups in a DNS of a few lines, told by what is asked and what comes of it.

use super::*;

const ALL: &[Protocol] = &[Protocol::Udp, Protocol::Tcp, Protocol::Tls];

/// A DNS that knows these lines, and how a look-up in it ends.
struct Zone {
    resolver: Resolver,
    lines: Vec<(Kind, String, Answer)>,
    asked: Vec<String>,
    now: Mono,
    next: u64,
}

impl Zone {
    fn new(text: &str) -> Self {
        Self::with(text, ALL, true, false)
    }

    fn with(text: &str, protocols: &'static [Protocol], v4: bool, v6: bool) -> Self {
        let reach = Reach { v4, v6, protocols };
        let resolver = Resolver::new(Rng::from_seed(1), reach);
        let mut it = Self { resolver, lines: vec![], asked: vec![], now: Mono::ZERO, next: 0 };
        text.lines().map(str::trim).filter(|it| !it.is_empty()).for_each(|line| it.line(line));
        it
    }

    /// `carrier.test SRV 1 0 5060 a.carrier.test`, or `… SRV broken`.
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, rest) = (words[0], &words[2..]);
        let kind = [Kind::A, Kind::Aaaa, Kind::Srv, Kind::Naptr];
        let kind = kind.into_iter().find(|it| it.word() == words[1]).unwrap();
        let host = |it: &str| it.trim_end_matches('.').to_owned();
        let record = match (kind, rest) {
            (_, ["broken"]) => return self.lines.push((kind, name.into(), Answer::Broken)),
            (_, ["silent"]) => return self.lines.push((kind, name.into(), Answer::Silent)),
            (Kind::A | Kind::Aaaa, [ip]) => Record::Address(ip.parse().unwrap()),
            (Kind::Srv, [priority, weight, port, at]) => Record::Srv {
                priority: priority.parse().unwrap(),
                weight: weight.parse().unwrap(),
                port: port.parse().unwrap(),
                host: host(at),
            },
            (Kind::Naptr, [order, preference, flags, service, at]) => Record::Naptr {
                order: order.parse().unwrap(),
                preference: preference.parse().unwrap(),
                flags: (*flags).into(),
                service: (*service).into(),
                replacement: host(at),
            },
            _ => panic!("{line}"),
        };
        let same = self.lines.iter_mut().find(|it| it.0 == kind && it.1 == name);
        match same {
            Some((_, _, Answer::Records(records, _))) => records.push(record),
            _ => {
                let answer = Answer::Records(vec![record], Duration::from_secs(60));
                self.lines.push((kind, name.into(), answer));
            }
        }
    }

    fn find(&mut self, uri: &str) -> String {
        let uri = crate::sip::message::Uri::parse(uri).unwrap();
        let Some(target) = Target::of(&uri) else { return "no target".into() };
        self.next += 1;
        let mut out = Vec::new();
        self.resolver.handle(self.now, Input::Find(LookupId(self.next), target), &mut out);
        self.settle(out)
    }

    /// Answers every question until the look-up ends; silence costs time.
    fn settle(&mut self, mut out: Vec<Output>) -> String {
        for _ in 0..100 {
            let mut later = Vec::new();
            for it in out {
                match it {
                    Output::Question(question) => {
                        self.asked.push(question.to_string());
                        let known = self
                            .lines
                            .iter()
                            .find(|it| it.0 == question.kind && it.1 == question.name)
                            .map(|it| it.2.clone());
                        let answer = known.unwrap_or(Answer::Nothing(Duration::from_secs(60)));
                        if answer != Answer::Silent {
                            let input = Input::Answer(question, answer);
                            self.resolver.handle(self.now, input, &mut later);
                        }
                    }
                    Output::Found(_, all) => {
                        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                        return all.join(", ");
                    }
                    Output::Lost(_, why) => return format!("{why:?}"),
                }
            }
            if later.is_empty() {
                let Some(at) = self.resolver.poll_timeout() else { break };
                self.now = at;
                self.resolver.handle_timeout(at, &mut later);
            }
            out = later;
        }
        "never".into()
    }

    #[track_caller]
    fn check(&mut self, uri: &str, ends: &str, asked: &[&str]) {
        self.asked.clear();
        assert_eq!(self.find(uri), ends, "{uri}");
        assert_eq!(self.asked, asked, "{uri}");
    }
}

const CARRIER: &str = "
    carrier.test         NAPTR 10 10 s SIPS+D2T _sips._tcp.carrier.test.
    carrier.test         NAPTR 20 20 s SIP+D2T  _sip._tcp.carrier.test.
    carrier.test         NAPTR 20 10 s SIP+D2U  _sip._udp.carrier.test.
    carrier.test         NAPTR 1  1  u E2U+sip  x.carrier.test.
    _sip._udp.carrier.test SRV 2 0 5070 b.carrier.test.
    _sip._udp.carrier.test SRV 1 0 5060 a.carrier.test.
    _sip._tcp.carrier.test SRV 1 0 5060 a.carrier.test.
    _sips._tcp.carrier.test SRV 1 0 5061 a.carrier.test.
    a.carrier.test       A 192.0.2.1
    b.carrier.test       A 192.0.2.2
    b.carrier.test       A 192.0.2.3
    carrier.test         A 192.0.2.9
";

#[test]
fn what_is_said_is_not_asked_for() {
    let mut zone = Zone::new(CARRIER);
    zone.check("sip:192.0.2.7", "udp 192.0.2.7:5060", &[]);
    zone.check("sip:192.0.2.7:5080;transport=tcp", "tcp 192.0.2.7:5080", &[]);
    zone.check("sips:192.0.2.7", "tls 192.0.2.7:5061", &[]);
    zone.check("sips:192.0.2.7;transport=tcp", "tls 192.0.2.7:5061", &[]);
    zone.check("sip:x@carrier.test;maddr=192.0.2.8", "udp 192.0.2.8:5060", &[]);
    zone.check("sip:Carrier.Test.:5070", "udp 192.0.2.9:5070", &["A carrier.test"]);
    zone.check(
        "sip:carrier.test;transport=tcp",
        "tcp 192.0.2.1:5060",
        &["SRV _sip._tcp.carrier.test", "A a.carrier.test"],
    );
}

#[test]
fn what_nobody_can_reach_has_no_target() {
    let mut zone = Zone::new(CARRIER);
    for uri in [
        "tel:+4930123456",
        "urn:service:sos",
        "sips:carrier.test;transport=udp",
        "sip:carrier.test;transport=sctp",
        "sip:carrier..test",
        "sip:192.0.2.1:0;maddr=carrier.test",
    ] {
        zone.check(uri, "no target", &[]);
    }
    let long = format!("sip:{}.test", "x".repeat(64));
    zone.check(&long, "no target", &[]);
}

#[test]
fn the_best_service_that_we_have_leads_to_its_servers_in_order() {
    let mut zone = Zone::with(CARRIER, &[Protocol::Udp, Protocol::Tcp], true, false);
    zone.check(
        "sip:carrier.test",
        "udp 192.0.2.1:5060, udp 192.0.2.2:5070, udp 192.0.2.3:5070, tcp 192.0.2.1:5060",
        &[
            "NAPTR carrier.test",
            "SRV _sip._udp.carrier.test",
            "SRV _sip._tcp.carrier.test",
            "A a.carrier.test",
            "A b.carrier.test",
        ],
    );
    // RFC 3403 §4.1: the lowest order that fits is the only one.
    let mut zone = Zone::new(CARRIER);
    assert_eq!(zone.find("sip:carrier.test"), "tls 192.0.2.1:5061");
    // A sips URI is never answered with a way that others can read.
    let mut zone = Zone::new("carrier.test NAPTR 1 1 s SIP+D2U _sip._udp.carrier.test");
    assert_eq!(zone.find("sips:carrier.test"), "Unsupported");
    let mut zone = Zone::with(CARRIER, &[Protocol::Udp], true, false);
    assert_eq!(zone.find("sips:carrier.test"), "Unsupported");
    assert_eq!(zone.find("sip:192.0.2.1;transport=tls"), "Unsupported");
    assert_eq!(zone.find("sip:[2001:db8::1]"), "Unsupported");
}

#[test]
fn without_records_of_services_the_name_is_the_host() {
    let mut zone = Zone::with("plain.test A 192.0.2.5", &[Protocol::Udp], true, false);
    let all = ["NAPTR plain.test", "SRV _sip._udp.plain.test", "A plain.test"];
    zone.check("sip:plain.test", "udp 192.0.2.5:5060", &all);
    zone.check("sip:plain.test", "udp 192.0.2.5:5060", &[]);
    let mut zone = Zone::new("six.test AAAA 2001:db8::5");
    assert_eq!(zone.find("sip:six.test"), "Empty");
    let mut zone = Zone::with("six.test AAAA 2001:db8::5", ALL, false, true);
    assert_eq!(zone.find("sip:six.test:5080"), "udp [2001:db8::5]:5080");
}

#[test]
fn a_service_that_is_decidedly_not_offered_is_not_looked_for_elsewhere() {
    let zone = "no.test A 192.0.2.5\n _sip._udp.no.test SRV 0 0 0 .";
    let mut zone = Zone::with(zone, &[Protocol::Udp], true, false);
    assert_eq!(zone.find("sip:no.test"), "Empty");
}

#[test]
fn names_that_nobody_can_ask_for_are_not_asked_for() {
    let zone = format!(
        "_sip._udp.x.test SRV 0 0 5060 aäb.test\n_sip._udp.x.test SRV 0 0 5060 {}.test\n\
         x.test NAPTR 1 1 s SIP+D2U _sip..x.test\n x.test A 192.0.2.5",
        "y".repeat(64)
    );
    let mut zone = Zone::with(&zone, &[Protocol::Udp], true, false);
    let asked = ["NAPTR x.test", "SRV _sip._udp.x.test", "A x.test"];
    zone.check("sip:x.test", "udp 192.0.2.5:5060", &asked);
}

#[test]
fn failures_are_told_apart_and_what_answers_is_used() {
    let mut zone = Zone::new("x.test A broken");
    assert_eq!(zone.find("sip:x.test:5060"), "Broken");
    let mut zone = Zone::new("x.test A silent");
    assert_eq!(zone.find("sip:x.test:5060"), "Silent");
    assert_eq!(zone.now, Mono::ZERO + PATIENCE);
    assert_eq!(zone.find("sip:y.test:5060"), "Empty");
    // A router at home that knows no NAPTR and no SRV.
    let home = "x.test NAPTR broken\n _sip._udp.x.test SRV silent\n x.test A 192.0.2.5";
    let mut zone = Zone::with(home, &[Protocol::Udp], true, false);
    assert_eq!(zone.find("sip:x.test"), "udp 192.0.2.5:5060");
    // One dead server of two.
    let mut zone = Zone::new(CARRIER);
    zone.line("b.carrier.test A silent");
    zone.lines.retain(|it| it.1 != "b.carrier.test");
    zone.line("b.carrier.test A silent");
    assert_eq!(zone.find("sip:carrier.test;transport=udp"), "udp 192.0.2.1:5060");
}

#[test]
fn a_look_up_ends_within_four_seconds_however_silent_dns_is() {
    let silent = "x.test NAPTR silent\n _sip._udp.x.test SRV silent\n x.test A silent";
    let mut zone = Zone::with(silent, &[Protocol::Udp], true, false);
    assert_eq!(zone.find("sip:x.test"), "Silent");
    assert!(zone.now <= Mono::from_millis(4_000), "{:?}", zone.now);
    assert_eq!(zone.resolver.poll_timeout(), None);
}

#[test]
fn an_old_answer_counts_while_dns_is_silent() {
    let mut zone = Zone::with(CARRIER, &[Protocol::Udp], true, false);
    let first = zone.find("sip:carrier.test;transport=udp");
    zone.now = Mono::from_millis(600_000);
    zone.lines.iter_mut().for_each(|it| it.2 = Answer::Silent);
    assert_eq!(zone.find("sip:carrier.test;transport=udp"), first);
}

#[test]
fn a_question_is_asked_once_for_all_who_wait_and_a_late_answer_serves_the_next() {
    let reach = Reach { v4: true, v6: false, protocols: ALL };
    let mut resolver = Resolver::new(Rng::from_seed(1), reach);
    let target = Target::new("x.test", Some(5060), None).unwrap();
    let mut out = Vec::new();
    for id in 1..=3 {
        resolver.handle(Mono::ZERO, Input::Find(LookupId(id), target.clone()), &mut out);
    }
    let question = Question { kind: Kind::A, name: "x.test".into() };
    assert_eq!(out, [Output::Question(question.clone())]);
    out.clear();
    resolver.handle(Mono::ZERO, Input::Forget(LookupId(2)), &mut out);
    resolver.handle_timeout(Mono::ZERO + PATIENCE, &mut out);
    let lost = |id| Output::Lost(LookupId(id), Why::Silent);
    assert_eq!(out, [lost(1), lost(3)]);
    out.clear();
    let late = Mono::from_millis(2_000);
    let one = Record::Address([192, 0, 2, 1].into());
    let answer = Answer::Records(vec![one], Duration::from_secs(60));
    resolver.handle(late, Input::Answer(question, answer), &mut out);
    assert_eq!(out, []);
    resolver.handle(late, Input::Find(LookupId(4), target), &mut out);
    assert!(matches!(out.as_slice(), [Output::Found(LookupId(4), _)]), "{out:?}");
}

#[test]
fn servers_of_one_priority_are_tried_as_often_as_they_weigh() {
    let server =
        |weight, host: &str| Record::Srv { priority: 1, weight, port: 5060, host: host.to_owned() };
    let records = [server(75, "a"), server(25, "b"), server(0, "c")];
    let mut rng = Rng::from_seed(7);
    let mut first = BTreeMap::new();
    for _ in 0..10_000 {
        let order = order::of_servers(&records, &mut rng);
        assert_eq!(order.len(), 3);
        *first.entry(order[0].0.to_owned()).or_insert(0) += 1;
    }
    assert!((7_200..7_700).contains(&first["a"]), "{first:?}");
    assert!((2_200..2_700).contains(&first["b"]), "{first:?}");
    assert!((20..250).contains(&first["c"]), "{first:?}");
}

#[test]
fn a_zone_without_end_costs_a_bounded_look_up() {
    let mut zone = Zone::with("", &[Protocol::Udp], true, false);
    for n in 0..500 {
        zone.line(&format!("_sip._udp.big.test SRV {} 1 5060 h{n}.test", n % 3));
        for ip in 0..200 {
            zone.line(&format!("h{n}.test A 10.{}.{}.{ip}", n / 250, n % 250));
        }
    }
    let found = zone.find("sip:big.test");
    assert_eq!(found.split(", ").count(), DESTINATIONS_MAX);
    assert!(zone.asked.len() <= 2 + HOSTS_MAX, "{:?}", zone.asked);
    let mut resolver =
        Resolver::new(Rng::from_seed(1), Reach { v4: true, v6: true, protocols: &[Protocol::Udp] });
    let mut out = Vec::new();
    for id in 0..1_000 {
        let target = Target::new(&format!("h{id}.test"), None, None).unwrap();
        resolver.handle(Mono::ZERO, Input::Find(LookupId(id), target), &mut out);
    }
    let busy = out.iter().filter(|it| matches!(it, Output::Lost(_, Why::Busy))).count();
    assert_eq!(busy, 1_000 - LOOKUPS_MAX);
}

#[test]
fn the_same_seed_finds_the_same_order() {
    let lines: String =
        (0..6).map(|n| format!("_sip._udp.x.test SRV 1 1 50{n}0 h.test\n")).collect();
    let story = |seed| {
        let mut zone = Zone::with(&lines, &[Protocol::Udp], true, false);
        zone.line("h.test A 192.0.2.1");
        zone.resolver.rng = Rng::from_seed(seed);
        (0..5).map(|_| zone.find("sip:x.test")).collect::<Vec<_>>()
    };
    assert_eq!(story(3), story(3));
    assert_ne!(story(3), story(4));
}
