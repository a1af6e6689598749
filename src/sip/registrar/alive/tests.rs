use bytes::Bytes;

use super::*;
use crate::sip::Transport;
use crate::sip::message::Message;
use crate::sip::registrar::Rules;

#[test]
fn a_phone_behind_nat_is_asked_and_its_answers_are_timed() {
    let mut story = Story::new(1);
    let asked = story.next_ask();
    assert!(asked <= secs(25), "{asked:?}");
    story.now = story.now + Duration::from_millis(40);
    story.answer();
    assert_eq!(story.pulse().round_trip, Some(Duration::from_millis(40)));
    let pause = story.next_ask() - asked;
    assert!((Duration::from_secs(20)..=Duration::from_secs(26)).contains(&pause), "{pause:?}");
}

#[test]
fn a_phone_that_stops_answering_is_not_rung_until_it_answers_again() {
    let mut story = Story::new(1);
    story.next_ask();
    story.answer();
    for missed in 0..3 {
        story.next_ask();
        assert_eq!(story.it.bindings("1001").count(), 1, "{missed} missed");
    }
    let lost = story.now;
    let late = story.next_ask();
    assert_eq!(story.it.bindings("1001").count(), 0);
    assert!(late - lost <= Duration::from_secs(30), "it is asked on");
    story.answer();
    assert_eq!(story.it.bindings("1001").count(), 1);
}

#[test]
fn an_unreachable_phone_that_registers_is_rung_at_once() {
    let mut story = Story::new(1);
    story.next_ask();
    story.answer();
    (0..4).for_each(|_| _ = story.next_ask());
    assert_eq!(story.it.bindings("1001").count(), 0);
    story.register(0);
    assert_eq!(story.it.bindings("1001").count(), 1);
}

#[test]
fn who_never_answers_such_questions_is_rung_all_the_same() {
    let mut story = Story::new(1);
    (0..20).for_each(|_| _ = story.next_ask());
    assert_eq!((story.it.bindings("1001").count(), story.pulse().round_trip), (1, None));
}

#[test]
fn nobody_answers_for_a_phone() {
    let mut story = Story::new(1);
    story.next_ask();
    let (ask, branch) = story.asked.clone().unwrap();
    let elsewhere = flow(9);
    story.it.alive(story.now, elsewhere, ask.id, &branch);
    story.it.alive(story.now, ask.binding.flow, ask.id, "another");
    story.it.alive(story.now, ask.binding.flow, ask.id + 1, &branch);
    assert_eq!(story.pulse().round_trip, None);
}

#[test]
fn a_phone_at_the_address_that_it_names_is_left_alone() {
    let mut it = Registrar::new(Rules::default());
    for (contact, asked) in [
        ("sip:1001@10.0.0.2:5001", false),
        ("sip:1001@10.0.0.2", true),
        ("sip:1001@192.168.1.2:5001", true),
        ("sip:1001@phone.local:5001", true),
    ] {
        let binding = Binding { contact: contact.into(), flow: flow(1) };
        assert_eq!(is_behind_nat(&binding), asked, "{contact}");
    }
    let silent = Rules { keep_alive: Duration::ZERO, ..Rules::default() };
    it.rules = silent;
    let request = request(1, 0);
    it.register(Mono::ZERO, ("1001", 10), flow(1), &request).unwrap();
    assert_eq!((it.asks.next(), it.poll_alive(secs(3_000))), (None, None), "it is switched off");
}

#[test]
fn ten_thousand_phones_are_asked_at_a_steady_pace() {
    let mut story = Story::new(10_000);
    let mut seconds = [0; 25];
    for tick in 0..250 {
        story.now = Mono::from_millis(tick * 100);
        while let Some(ask) = story.it.poll_alive(story.now) {
            seconds[tick as usize / 10] += 1;
            story.it.asked(story.now, ask.id, "x".into());
            story.it.alive(story.now, ask.binding.flow, ask.id, "x");
        }
    }
    let least = seconds.iter().min().copied().unwrap_or_default();
    let most = seconds.iter().max().copied().unwrap_or_default();
    assert!((300..=600).contains(&least) && most <= 1_000, "{seconds:?}");
}

#[test]
fn a_phone_that_is_gone_is_not_asked() {
    let mut story = Story::new(1);
    story.it.forget("1001");
    assert_eq!((story.it.asks.next(), story.it.poll_alive(secs(100))), (None, None));
}

/// A registrar with phones of 1001 and others, and what the first of them was asked.
struct Story {
    it: Registrar,
    now: Mono,
    asked: Option<(Ask, String)>,
}

impl Story {
    fn new(phones: u16) -> Self {
        let it = Registrar::new(Rules { keep_alive: Duration::from_secs(25), ..Rules::default() });
        let mut story = Self { it, now: Mono::ZERO, asked: None };
        (0..phones).for_each(|nth| story.register(nth));
        story
    }

    fn register(&mut self, nth: u16) {
        let aor = (1001 + u32::from(nth)).to_string();
        let number = 1 + self.now.as_millis() as u32;
        self.it.register(self.now, (&aor, 10), flow(nth), &request(number, nth)).unwrap();
    }

    /// Waits for the next question.
    fn next_ask(&mut self) -> Mono {
        for _ in 0..20 {
            self.now = self.it.asks.next().expect("it is asked for ever");
            if let Some(ask) = self.it.poll_alive(self.now) {
                let branch = format!("branch-{:?}", self.now);
                self.it.asked(self.now, ask.id, branch.clone());
                self.asked = Some((ask, branch));
                return self.now;
            }
        }
        panic!("nobody is asked");
    }

    fn answer(&mut self) {
        let (ask, branch) = self.asked.take().expect("it was asked");
        self.it.alive(self.now, ask.binding.flow, ask.id, &branch);
    }

    fn pulse(&self) -> &Pulse {
        self.it.all(self.now, 0, 1).next().expect("it is registered").1
    }
}

fn request(number: u32, nth: u16) -> Message {
    let text = format!(
        "REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK{number}\r\n\
         From: <sip:1001@pbx>;tag=t\r\nTo: <sip:1001@pbx>\r\nCall-ID: r\r\n\
         CSeq: {number} REGISTER\r\nContact: <sip:phone{nth}@192.168.1.2>\r\nExpires: 3600\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

fn secs(secs: u64) -> Mono {
    Mono::from_millis(secs * 1_000)
}

fn flow(nth: u16) -> Flow {
    let local = "10.0.0.1:5060".parse().unwrap();
    Flow { transport: Transport::Udp, local, remote: ([10, 0, 0, 2], 5_000 + nth).into() }
}
