//! Phones speak to a switch in plain text, on a clock of ours; its plan rings whoever is dialled.
//! Ann is 1001 at 10.0.0.2, Bob is 1002 and has as many phones as a story needs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::event::What;
use super::plan::{End, Generation, NoRoute, State, View};
use super::*;
use crate::base::{CallId, Cause, Mono, Now, OpId, Rng, StreamId};
use crate::directory::{Extension, ExtensionId, Number};
use crate::media::{Command, Stats};
use crate::sdp::Codec;
use crate::sip::Transport;

#[test]
fn nobody_registers_a_phone_for_somebody_else() {
    let mut it = House::new();
    let stolen = register("1002", ANN);
    assert_eq!(it.asks(ANN, "1001", &stolen), ["SIP/2.0 403 Forbidden"]);
    assert_eq!(it.switch.census().bindings, 0);
    assert_eq!(it.asks(ANN, "1001", &register("1001", ANN)), ["SIP/2.0 200 OK"]);
    assert_eq!(it.switch.census().bindings, 1);
}

#[test]
fn nobody_calls_in_the_name_of_somebody_else() {
    let mut it = House::with_phones(&[BOB]);
    let forged = invite(70, OFFER).replace("From: <sip:1001@", "From: <sip:1002@");
    assert_eq!(it.asks(ANN, "1001", &forged), ["SIP/2.0 403 Forbidden"]);
    assert_eq!(it.switch.census().calls, 0);
}

#[test]
fn every_call_takes_one_hop_and_the_last_one_is_refused() {
    let mut it = House::with_phones(&[BOB]);
    assert_eq!(it.asks(ANN, "1001", &invite(0, OFFER)), ["SIP/2.0 483 Too Many Hops"]);
    it.asks(ANN, "1001", &invite(5, OFFER));
    assert_eq!(line(&it.last(BOB), "Max-Forwards"), "Max-Forwards: 4");
}

#[test]
fn the_first_of_two_phones_gets_the_call_and_the_other_hears_that_it_was_taken() {
    let mut it = House::with_phones(&[BOB, CELL]);
    it.asks(ANN, "1001", &invite(70, OFFER));
    let (desk, cell) = (it.last(BOB), it.last(CELL));
    it.hears(BOB, &answer(&desk, "180 Ringing", ""));
    it.hears(CELL, &answer(&cell, "180 Ringing", ""));
    it.hears(CELL, &answer(&cell, "200 OK", "0"));
    assert!(it.last(ANN).starts_with("SIP/2.0 200 OK"));
    let cancel = it.last(BOB);
    assert!(cancel.starts_with("CANCEL "), "{cancel}");
    assert!(cancel.contains("Reason: SIP;cause=200;text=\"Call completed elsewhere\""));
    assert!(it.last(CELL).starts_with("ACK "));
    assert_eq!(it.joined, [(0, 2)], "the caller's stream and that of the second phone");
    assert_eq!(it.closed, [1], "the stream of the first phone");
}

#[test]
fn of_several_refusals_the_most_telling_one_is_told_whoever_was_first() {
    for [first, second] in [["603 Decline", "486 Busy Here"], ["486 Busy Here", "603 Decline"]] {
        let mut it = House::with_phones(&[BOB, CELL]);
        it.asks(ANN, "1001", &invite(70, OFFER));
        let (desk, cell) = (it.last(BOB), it.last(CELL));
        it.hears(BOB, &answer(&desk, first, ""));
        assert!(it.last(ANN).starts_with("SIP/2.0 100"), "one phone still rings");
        it.hears(CELL, &answer(&cell, second, ""));
        assert!(it.last(ANN).starts_with("SIP/2.0 486"), "{}", it.last(ANN));
    }
}

#[test]
fn a_later_offer_keeps_the_codec_that_both_legs_speak_and_raises_the_version() {
    let mut it = House::with_phones(&[BOB]);
    let ok = it.talk("8");
    assert!(ok.contains("RTP/AVP 8\r\n"), "the caller speaks what the callee chose: {ok}");
    it.hears(ANN, &later("INVITE", 2, &ok, OFFER));
    let again = it.last(ANN);
    assert!(again.starts_with("SIP/2.0 200") && again.contains("RTP/AVP 8\r\n"), "{again}");
    assert_eq!(version(&again), version(&ok), "the same description again (RFC 3264 §8)");
    assert_eq!(it.agreed.last(), Some(&(0, Codec::Pcma)));
    assert_eq!(line(&again, "Contact"), line(&ok, "Contact"));
    it.hears(ANN, &later("ACK", 2, &ok, ""));
    it.hears(ANN, &later("INVITE", 3, &ok, &format!("{OFFER}a=sendonly\r\n")));
    let held = it.last(ANN);
    assert!(held.starts_with("SIP/2.0 200") && held.contains("a=recvonly\r\n"), "{held}");
    assert_eq!(version(&held), version(&ok) + 1);
}

#[test]
fn a_later_offer_without_the_partners_codec_is_answered_with_what_came_of_it() {
    let mut it = House::with_phones(&[BOB]);
    let ok = it.talk("8");
    it.hears(ANN, &later("INVITE", 2, &ok, &OFFER.replace("0 8", "0")));
    let asked = it.last(BOB);
    assert!(asked.starts_with("INVITE ") && asked.contains("RTP/AVP 0 "), "{asked}");
    assert!(it.last(ANN).starts_with("SIP/2.0 100"), "she waits for Bob");
    it.hears(BOB, &answer(&asked, "200 OK", "0"));
    let again = it.last(ANN);
    assert!(again.starts_with("SIP/2.0 200") && again.contains("RTP/AVP 0\r\n"), "{again}");
    assert_eq!(version(&again), version(&ok) + 1);
    assert_eq!(it.agreed[it.agreed.len() - 2..], [(1, Codec::Pcmu), (0, Codec::Pcmu)]);
    // The same the other way, and the version that Bob sees rises with each description.
    it.hears(ANN, &later("ACK", 2, &ok, ""));
    it.hears(ANN, &later("INVITE", 3, &ok, &OFFER.replace("0 8", "8")));
    assert_eq!(version(&it.last(BOB)), version(&asked) + 1);
}

#[test]
fn a_later_offer_that_the_partner_refuses_is_refused_and_all_stays() {
    let mut it = House::with_phones(&[BOB]);
    let ok = it.talk("8");
    let agreed = it.agreed.clone();
    it.hears(ANN, &later("INVITE", 2, &ok, &OFFER.replace("0 8", "0")));
    let asked = it.last(BOB);
    it.hears(BOB, &answer(&asked, "488 Not Acceptable Here", ""));
    assert!(it.last(ANN).starts_with("SIP/2.0 488"));
    assert_eq!((it.agreed.len(), it.switch.census().calls), (agreed.len(), 1));
    it.hears(ANN, &later("ACK", 2, &ok, ""));
    it.hears(ANN, &later("BYE", 3, &ok, ""));
    assert!(it.last(BOB).starts_with("BYE "));
}

#[test]
fn a_later_offer_that_is_withdrawn_is_taken_back_from_the_partner() {
    let mut it = House::with_phones(&[BOB]);
    let ok = it.talk("8");
    let offer = later("INVITE", 2, &ok, &OFFER.replace("0 8", "0"));
    it.hears(ANN, &offer);
    let asked = it.last(BOB);
    let cancel = later("CANCEL", 2, &ok, "").replace("z9hG4bKCANCEL2", "z9hG4bKINVITE2");
    it.hears(ANN, &cancel);
    assert!(it.last(ANN).starts_with("SIP/2.0 487"));
    it.hears(BOB, &answer(&asked, "200 OK", "0"));
    let back = it.last(BOB);
    assert!(back.starts_with("INVITE ") && back.contains("RTP/AVP 8 "), "{back}");
    it.hears(BOB, &answer(&back, "200 OK", "8"));
    assert_eq!(it.agreed.last(), Some(&(1, Codec::Pcma)));
}

#[test]
fn two_later_offers_at_once_meet_in_a_codec_of_both_or_one_is_refused() {
    for (theirs, anns, bobs) in [("0", "200", "200"), ("9", "100", "488")] {
        let mut it = House::with_phones(&[BOB]);
        let ok = it.talk("8");
        let ack = it.last(BOB);
        it.hears(ANN, &later("INVITE", 2, &ok, &OFFER.replace("0 8", "0")));
        let asked = it.last(BOB);
        it.hears(BOB, &answer(&asked, "491 Request Pending", ""));
        let said = it.hears(BOB, &from_bob("INVITE", 1, &ack, &OFFER.replace("0 8", theirs)));
        assert!(said[1].starts_with(&format!("SIP/2.0 {bobs}")), "{theirs}: {said:?}");
        assert!(it.last(ANN).starts_with(&format!("SIP/2.0 {anns}")), "{theirs}");
        // Ann still waits, so Bob is asked again.
        assert_eq!(said.get(2).is_some_and(|it| it.starts_with("INVITE ")), theirs == "9");
    }
}

#[test]
fn a_fax_within_a_call_is_refused_and_the_call_goes_on() {
    let mut it = House::with_phones(&[BOB]);
    let ok = it.talk("8");
    let fax = OFFER.replace("m=audio 4000 RTP/AVP 0 8", "m=image 4010 udptl t38");
    it.hears(ANN, &later("INVITE", 2, &ok, &fax));
    assert!(it.last(ANN).starts_with("SIP/2.0 488"));
    assert!(it.last(BOB).starts_with("ACK "), "Bob hears nothing of it");
    it.hears(ANN, &later("ACK", 2, &ok, ""));
    it.hears(ANN, &later("INVITE", 3, &ok, &format!("{OFFER}m=video 4020 RTP/AVP 34\r\n")));
    let beside = it.last(ANN);
    assert!(beside.starts_with("SIP/2.0 200") && beside.contains("m=video 0 "), "{beside}");
}

#[test]
fn who_hides_is_known_to_us_and_to_nobody_else() {
    let mut it = House::with_phones(&[BOB]);
    let hidden = invite(70, OFFER)
        .replace("From: <sip:1001@house>", "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>");
    it.asks(ANN, "1001", &hidden);
    let rung = it.last(BOB);
    assert!(rung.starts_with("INVITE ") && !rung.contains("1001"), "{rung}");
    assert!(rung.contains("From: <sip:anonymous@anonymous.invalid>;tag="), "{rung}");
    it.asks_itself(Question::Calls { skip: 0, take: 1 });
    let Some(Answer::Calls(calls, 1)) = it.answers.pop() else { panic!("{:?}", it.answers) };
    assert_eq!(calls[0].legs[0].party, "1001");
}

#[test]
fn a_port_is_free_again_when_its_stream_is_closed_and_only_once() {
    let mut it = House::with_phones(&[BOB]);
    let ok = it.talk("0");
    let free = |it: &House| it.switch.census().ports_free;
    assert_eq!(free(&it), PORTS - 2);
    it.hears(ANN, &later("BYE", 2, &ok, ""));
    assert_eq!(free(&it), PORTS - 2, "the plane still has them");
    for (count, stream) in [(1, 0), (1, 0), (2, 1), (2, 1)] {
        it.frees(stream);
        assert_eq!(free(&it), PORTS - 2 + count);
    }
}

#[test]
fn without_a_free_port_there_is_no_call() {
    let mut it = House::with_phones(&[BOB]);
    let calls: Vec<String> = (0..PORTS)
        .map(|nth| {
            let call = invite(70, OFFER).replace("Call-ID: a", &format!("Call-ID: {nth}"));
            it.asks(ANN, "1001", &call.replace("z9hG4bKi", &format!("z9hG4bKi{nth}")));
            it.last(ANN)
        })
        .collect();
    assert!(calls.iter().filter(|it| it.starts_with("SIP/2.0 100")).count() == PORTS / 2);
    assert!(calls.iter().skip(PORTS / 2).all(|it| it.starts_with("SIP/2.0 503")), "{calls:?}");
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing_and_a_script_may_only_sleep_then() {
    let mut it = House::with_phones(&[BOB]);
    let again = Op::Dial { targets: vec!["1002".into()], timeout: Duration::from_secs(30) };
    it.switch.plan.parting = vec![again, Op::Sleep(Duration::from_secs(1))];
    it.asks(ANN, "1001", &invite(70, OFFER));
    let ringing = it.last(BOB);
    it.hears(BOB, &answer(&ringing, "180 Ringing", ""));
    let cancel = invite(70, "").replace("INVITE", "CANCEL").replace("z9hG4bK", "z9hG4bKagain");
    let said = it.hears(ANN, &cancel);
    assert_eq!(said, ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    assert!(it.last(BOB).starts_with("CANCEL "));
    assert_eq!((it.streams.len(), it.closed.len()), (2, 2), "nobody is rung again");
    let census = it.switch.census();
    assert_eq!((census.calls, census.legs, census.ops), (1, 0, 1), "it sleeps");
    it.sleeps(Duration::from_secs(2));
    let census = it.switch.census();
    assert_eq!((census.calls, census.ops), (0, 0));
}

#[test]
fn a_phone_of_a_deleted_extension_is_forgotten_and_comes_no_more() {
    let mut it = House::with_phones(&[BOB, CELL]);
    assert!(it.kept.iter().all(|it| it.1.is_some()) && it.kept.len() == 2);
    it.takes(Input::Directory(Delta::ExtensionGone(ExtensionId(2))));
    assert_eq!(it.switch.census().bindings, 0);
    assert!(it.kept[2..].iter().all(|it| it.1.is_none()) && it.kept.len() == 4);
    let again = register("1002", BOB).replace("z9hG4bK", "z9hG4bKlater");
    assert_eq!(it.asks(BOB, "1002", &again), ["SIP/2.0 403 Forbidden"]);
}

#[test]
fn a_phone_that_was_registered_before_the_restart_rings_after_it() {
    let before = House::with_phones(&[BOB]);
    let mut it = House::new();
    it.takes(Input::Restored(before.kept[0].1.clone().unwrap()));
    it.asks(ANN, "1001", &invite(70, OFFER));
    assert!(it.last(BOB).starts_with("INVITE "), "{}", it.last(BOB));
}

#[test]
fn while_facts_wait_to_be_written_there_are_no_new_calls() {
    let mut it = House::with_phones(&[BOB]);
    it.takes(Input::Behind(true));
    assert_eq!(it.asks(ANN, "1001", &invite(70, OFFER)), ["SIP/2.0 503 Service Unavailable"]);
    it.takes(Input::Behind(false));
    it.asks(ANN, "1001", &invite(70, OFFER));
    assert!(it.last(BOB).starts_with("INVITE "));
}

#[test]
fn who_asks_sees_the_call_and_may_hang_it_up_once() {
    let mut it = House::with_phones(&[BOB]);
    it.talk("0");
    it.asks_itself(Question::Calls { skip: 0, take: 10 });
    let Some(Answer::Calls(all, 1)) = it.answers.pop() else { panic!("{:?}", it.answers) };
    let [call] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((call.from.as_str(), call.to.as_str(), call.state), ("1001", "1002", "active"));
    let legs: Vec<_> = call.legs.iter().map(|it| (it.party.as_str(), it.state)).collect();
    assert_eq!(legs, [("1001", "active"), ("1002", "active")]);

    it.asks_itself(Question::HangUp(call.id));
    assert!(it.last(ANN).starts_with("BYE ") && it.last(BOB).starts_with("BYE "));
    it.asks_itself(Question::HangUp(call.id));
    assert_eq!(it.answers.pop(), Some(Answer::Call(None)));
    it.asks_itself(Question::Phones { skip: 0, take: 10 });
    let Some(Answer::Phones(phones, 1)) = it.answers.pop() else { panic!("{:?}", it.answers) };
    assert_eq!(phones[0].number, "1002");
}

#[test]
fn a_phone_that_stops_answering_is_offline_until_it_answers_again() {
    let mut house = House::new();
    let nat = register("1002", BOB).replace(&format!("1002@{BOB}>"), "1002@192.168.1.7>");
    assert_eq!(house.asks(BOB, "1002", &nat), ["SIP/2.0 200 OK"]);
    let is_asked = |house: &mut House| {
        for _ in 0..60 {
            house.sent.remove(BOB);
            house.sleeps(Duration::from_secs(1));
            if house.sent.get(BOB).is_some_and(|it| it.starts_with("OPTIONS sip:1002@192.")) {
                return house.last(BOB);
            }
        }
        panic!("it is not asked");
    };
    let question = is_asked(&mut house);
    house.hears(BOB, &answer(&question, "405 Method Not Allowed", ""));
    (0..4).for_each(|_| _ = is_asked(&mut house));
    assert_eq!(house.switch.census().transactions, 0);
    let refused = house.asks(ANN, "1001", &invite(70, OFFER));
    assert_eq!(refused.last().unwrap(), "SIP/2.0 480 Temporarily Unavailable");
    house.asks_itself(Question::Phones { skip: 0, take: 10 });
    let Some(Answer::Phones(phones, _)) = house.answers.pop() else { panic!("no phones") };
    assert!(!phones[0].reachable && phones[0].round_trip.is_some(), "{phones:?}");

    let question = is_asked(&mut house);
    house.hears(BOB, &answer(&question, "200 OK", ""));
    house.asks_itself(Question::Phones { skip: 0, take: 10 });
    let Some(Answer::Phones(phones, _)) = house.answers.pop() else { panic!("no phones") };
    assert!(phones[0].reachable, "{phones:?}");
}

#[test]
fn a_script_that_writes_without_end_is_cut_short() {
    let mut house = House::with_phones(&[BOB]);
    house.asks(ANN, "1001", &invite(70, OFFER));
    let call = house.switch.plan.ops[&OpId(1)];
    let line = |nth: u32| Step::Log { call, text: nth.to_string(), at: plan::Place::default() };
    let write = |house: &mut House, nth| {
        let mut out = Vec::new();
        house.switch.step(house.now, line(nth), &mut out);
        let said = |it: &Output| match it {
            Output::Fact(Fact { what: What::Said { text, .. }, .. }) => Some(text.clone()),
            _ => None,
        };
        out.iter().find_map(said)
    };
    let written = (0..10_000).filter(|nth| write(&mut house, *nth).is_some()).count();
    assert_eq!(written, 200);
    house.now.mono = house.now.mono + Duration::from_millis(50);
    let next = write(&mut house, 7).expect("one comes back");
    assert_eq!(next, "7 (9800 lines before this one were left out)");
}

#[test]
fn an_account_begins_so_many_calls_and_the_next_one_when_one_is_over() {
    let mut house = House::with_phones(&[BOB]);
    house.switch.gate.began("1001");
    (1..50).for_each(|_| house.switch.gate.began("1001"));
    let refused = house.asks(ANN, "1001", &invite(70, OFFER));
    assert_eq!(refused, ["SIP/2.0 503 Service Unavailable"]);
    assert!(house.last(ANN).contains("Retry-After: 5"));
    assert_eq!(house.switch.census().calls, 0);
    house.switch.gate.ended(CallId(1), "1001");
    let again =
        invite(70, OFFER).replace("Call-ID: a", "Call-ID: b").replace("z9hG4bKi", "z9hG4bKj");
    assert_eq!(house.asks(ANN, "1001", &again)[0], "SIP/2.0 100 Trying");
}

#[test]
fn a_restored_phone_need_not_prove_itself_amid_a_flood() {
    let mut house = House::with_phones(&[BOB]);
    let kept = house.kept.pop().unwrap().1.unwrap();
    let mut house = House::new();
    house.takes(Input::Restored(kept));
    let soon = house.now.mono + Duration::from_secs(1);
    for nth in 0..10_000_u32 {
        let [_, _, high, low] = nth.to_be_bytes();
        let (local, remote) = (([10, 0, 0, 1], 5060).into(), ([11, high, low, 1], 5060).into());
        let flow = Flow { transport: Transport::Udp, local, remote };
        house.switch.gate.defence.admits(soon, flow);
    }
    let newcomer = house.hears("12.0.0.1:5060", &register("1001", "12.0.0.1:5060"));
    assert_eq!(newcomer, Vec::<String>::new(), "strangers have to wait");
    let again = register("1002", BOB).replace("CSeq: 1", "CSeq: 2");
    assert_eq!(house.asks(BOB, "1002", &again), ["SIP/2.0 200 OK"]);
}

const ANN: &str = "10.0.0.2:5060";
const BOB: &str = "10.0.0.3:5060";
const CELL: &str = "10.0.0.4:5060";
const PORTS: usize = 8;
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n\
                     m=audio 4000 RTP/AVP 0 8\r\n";

/// A switch and what has come out of it. Streams are counted from 0 as they are opened.
struct House {
    switch: Switch<Rings>,
    now: Now,
    /// What each peer was sent last.
    sent: BTreeMap<String, String>,
    streams: Vec<(StreamId, u16)>,
    agreed: Vec<(usize, Codec)>,
    joined: Vec<(usize, usize)>,
    closed: Vec<usize>,
    kept: Vec<(String, Option<Kept>)>,
    answers: Vec<Answer>,
}

impl House {
    fn new() -> Self {
        let settings = Settings::new("house");
        let mut it = Self {
            switch: Switch::new(settings, Rng::from_seed(1), Rings::default()),
            now: Now::default(),
            sent: BTreeMap::new(),
            streams: Vec::new(),
            agreed: Vec::new(),
            joined: Vec::new(),
            closed: Vec::new(),
            kept: Vec::new(),
            answers: Vec::new(),
        };
        for (id, number) in [(1, "1001"), (2, "1002")] {
            let number = Number::parse(number).unwrap();
            let extension = Extension::new(ExtensionId(id), number, "X".into(), "secret".into());
            it.takes(Input::Directory(Delta::Extension(extension)));
        }
        let ports = (0..PORTS as u16).map(|it| 20_000 + 2 * it).collect();
        it.takes(Input::Ports { thread: 0, ports });
        it
    }

    /// Bob's phones are at these addresses.
    fn with_phones(addresses: &[&str]) -> Self {
        let mut it = Self::new();
        for address in addresses {
            assert_eq!(it.asks(address, "1002", &register("1002", address)), ["SIP/2.0 200 OK"]);
        }
        it
    }

    /// Ann calls Bob, who chooses this payload type: the 200 that she gets.
    fn talk(&mut self, payload_type: &str) -> String {
        self.asks(ANN, "1001", &invite(70, OFFER));
        let ringing = self.last(BOB);
        self.hears(BOB, &answer(&ringing, "200 OK", payload_type));
        let ok = self.last(ANN);
        self.hears(ANN, &later("ACK", 1, &ok, ""));
        ok
    }

    /// Somebody asks for something, and again with the answer to the challenge: the start lines of
    /// what comes back to the second.
    fn asks(&mut self, from: &str, user: &str, text: &str) -> Vec<String> {
        self.hears(from, text);
        let challenge = self.last(from);
        let Some((_, nonce)) = challenge.split_once("nonce=\"") else {
            return vec![challenge.lines().next().unwrap().to_owned()];
        };
        let nonce = nonce.split('"').next().unwrap();
        let (method, uri) = text.split_once(' ').unwrap();
        let uri = uri.split(' ').next().unwrap();
        let a1 = hex(&format!("{user}:house:secret"));
        let a2 = hex(&format!("{method}:{uri}"));
        let response = hex(&format!("{a1}:{nonce}:00000001:c:auth:{a2}"));
        let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
        let answer = format!(
            "{name}: Digest username=\"{user}\", realm=\"house\", nonce=\"{nonce}\", \
             uri=\"{uri}\", response=\"{response}\", qop=auth, nc=00000001, cnonce=\"c\"\r\nContact:"
        );
        let again = text.replace("z9hG4bK", "z9hG4bKagain").replace("Contact:", &answer);
        self.hears(from, &again)
    }

    /// A datagram comes: the start lines of what goes back to its sender.
    fn hears(&mut self, from: &str, text: &str) -> Vec<String> {
        let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), from.parse().unwrap());
        let flow = Flow { transport: Transport::Udp, local, remote };
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let sent = self.takes(Input::Message { flow, bytes });
        let back = sent.into_iter().filter(|it| it.0 == from);
        back.map(|it| it.1.lines().next().unwrap().to_owned()).collect()
    }

    /// Somebody of the house asks.
    fn asks_itself(&mut self, question: Question) {
        self.takes(Input::Ask { ticket: Ticket(1), question });
    }

    /// The plane closes a stream.
    fn frees(&mut self, stream: usize) {
        let (stream, port) = self.streams[stream];
        self.takes(Input::Media(media::Event::Closed { stream, port, stats: Stats::default() }));
    }

    /// Time passes, and what fell due is done.
    fn sleeps(&mut self, span: Duration) {
        self.now.mono = self.now.mono + span;
        let mut out = Vec::new();
        self.switch.handle_timeout(self.now, &mut out);
        self.carry_out(out);
    }

    fn takes(&mut self, input: Input) -> Vec<(String, String)> {
        self.now.mono = self.now.mono + Duration::from_millis(1);
        let mut out = Vec::new();
        self.switch.handle(self.now, input, &mut out);
        self.carry_out(out)
    }

    fn carry_out(&mut self, out: Vec<Output>) -> Vec<(String, String)> {
        let mut sent = Vec::new();
        for it in out {
            match it {
                Output::Send { flow, bytes } => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    sent.push((flow.remote.to_string(), text));
                }
                Output::Media { command, .. } => self.note(command),
                Output::Phone { contact, kept, .. } => self.kept.push((contact, kept)),
                Output::Told { answer, .. } => self.answers.push(answer),
                Output::Fact(_)
                | Output::Watch { .. }
                | Output::Text { .. }
                | Output::Traced(_)
                | Output::Trusted { .. }
                | Output::Connect(_)
                | Output::Close { .. }
                | Output::Dns(_)
                | Output::Route(_) => {}
            }
        }
        self.sent.extend(sent.iter().cloned());
        sent
    }

    fn note(&mut self, command: Command) {
        let nth = |it: StreamId| self.streams.iter().position(|known| known.0 == it).unwrap();
        match command {
            Command::Open(open) => self.streams.push((open.stream, open.port)),
            Command::Agree { stream, agreed, .. } => self.agreed.push((nth(stream), agreed.codec)),
            Command::Join { a, b } => self.joined.push((nth(a), nth(b))),
            Command::Close { stream } => self.closed.push(nth(stream)),
            _ => {}
        }
    }

    /// The last message that a peer was sent.
    fn last(&self, to: &str) -> String {
        self.sent[to].clone()
    }
}

/// Rings whoever is dialled, and refuses with the reason when nobody answers.
#[derive(Debug, Default)]
struct Rings {
    /// What it asks for when the call is over; without a sleep among it, nothing is left at once.
    parting: Vec<Op>,
    steps: VecDeque<Step>,
    ops: BTreeMap<OpId, CallId>,
}

impl Rings {
    fn ask(&mut self, call: CallId, op: Op) {
        let id = OpId(self.ops.len() as u64 + 1);
        self.ops.insert(id, call);
        self.steps.push_back(Step::Do { call, id, op, at: plan::Place::default() });
    }
}

impl Plan for Rings {
    fn begin_load(&mut self, _: plan::Files) {}

    fn begin_below(&mut self, _: CallId) -> Result<plan::Place, NoRoute> {
        Err(NoRoute)
    }

    fn begin(&mut self, _: Now, call: CallId, view: View) -> Result<(), NoRoute> {
        let timeout = Duration::from_secs(30);
        self.ask(call, Op::Dial { targets: vec![view.to], timeout });
        Ok(())
    }

    fn advance(&mut self, _: CallId, _: State) {}

    fn resume(&mut self, _: Now, op: OpId, outcome: Outcome) {
        let call = self.ops[&op];
        match outcome {
            Outcome::Unanswered { cause, .. } => self.ask(call, Op::Reject(cause)),
            Outcome::Done => self.steps.push_back(Step::Over { call }),
            _ => self.steps.push_back(Step::Handled { call, end: End::Returned }),
        }
    }

    fn hang_up(&mut self, _: Now, call: CallId, _: Cause) {
        let parting = std::mem::take(&mut self.parting);
        if parting.is_empty() {
            self.steps.push_back(Step::Over { call });
        }
        parting.into_iter().for_each(|it| self.ask(call, it));
    }

    fn run(&mut self, _: Now) -> Option<Step> {
        self.steps.pop_front()
    }

    fn is_runnable(&self) -> bool {
        !self.steps.is_empty()
    }

    fn poll_timeout(&self) -> Option<Mono> {
        None
    }

    fn handle_timeout(&mut self, _: Now) {}

    fn generation(&self) -> Generation {
        Generation(0)
    }
}

fn register(number: &str, address: &str) -> String {
    format!(
        "REGISTER sip:house SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKr{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{number}@house>;tag=r\r\nTo: <sip:{number}@house>\r\n\
         Call-ID: {address}\r\nCSeq: 1 REGISTER\r\nContact: <sip:{number}@{address}>\r\n\r\n"
    )
}

fn invite(hops: u32, offer: &str) -> String {
    format!(
        "INVITE sip:1002@house SIP/2.0\r\nVia: SIP/2.0/UDP {ANN};branch=z9hG4bKi\r\n\
         Max-Forwards: {hops}\r\nFrom: <sip:1001@house>;tag=ann\r\nTo: <sip:1002@house>\r\n\
         Call-ID: a\r\nCSeq: 1 INVITE\r\nContact: <sip:1001@{ANN}>\r\n\
         Content-Type: application/sdp\r\n\r\n{offer}"
    )
}

/// A request of Ann's within the call that this 200 answered.
fn later(method: &str, number: u32, ok: &str, body: &str) -> String {
    let to = line(ok, "To");
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:10.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP {ANN};branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@house>;tag=ann\r\n{to}\r\nCall-ID: a\r\nCSeq: {number} {method}\r\n\
         Contact: <sip:1001@{ANN}>\r\n{kind}\r\n{body}"
    )
}

/// A request of Bob's within the call in which he got this ACK.
fn from_bob(method: &str, number: u32, ack: &str, body: &str) -> String {
    let [to, from] = [line(ack, "From"), line(ack, "To")];
    let (from, to) = (from.replace("To:", "From:"), to.replace("From:", "To:"));
    let call_id = line(ack, "Call-ID");
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:10.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP {BOB};branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
         {from}\r\n{to}\r\n{call_id}\r\nCSeq: {number} {method}\r\n\
         Contact: <sip:1002@{BOB}>\r\n{kind}\r\n{body}"
    )
}

/// What a phone of Bob's says to our INVITE; with a payload type, its answer has that one.
fn answer(invite: &str, status: &str, payload_type: &str) -> String {
    let [via, from, to, call_id, cseq] =
        ["Via", "From", "To", "Call-ID", "CSeq"].map(|it| line(invite, it));
    let body = match payload_type {
        "" => String::new(),
        _ => OFFER.replace("0 8", payload_type),
    };
    let to = if to.contains(";tag=") { to } else { to + ";tag=bob" };
    format!(
        "SIP/2.0 {status}\r\n{via}\r\n{from}\r\n{to}\r\n{call_id}\r\n{cseq}\r\n\
         Contact: <sip:1002@{BOB}>\r\nContent-Type: application/sdp\r\n\r\n{body}"
    )
}

fn line(message: &str, name: &str) -> String {
    let start = format!("{name}: ");
    message.lines().find(|it| it.starts_with(&start)).unwrap().to_owned()
}

/// The version in the `o=` line.
fn version(message: &str) -> u64 {
    let origin = message.lines().find(|it| it.starts_with("o=")).unwrap();
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|it| format!("{it:02x}")).collect()
}
