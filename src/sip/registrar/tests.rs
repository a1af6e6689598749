use bytes::Bytes;

use super::*;
use crate::sip::Transport;

#[test]
fn a_phone_registers_refreshes_and_leaves() {
    let mut it = Registrar::new(Rules::default());
    let first =
        it.register(at(0), ("1001", PHONES), flow(1), &register(1, "<sip:a@x>", 600)).unwrap();
    assert_eq!(first.contacts, ["<sip:a@x>;expires=600"]);
    let again =
        it.register(at(100), ("1001", PHONES), flow(2), &register(2, "<sip:a@x>", 600)).unwrap();
    assert_eq!(again.contacts.len(), 1);
    assert_eq!(it.expiry.next(), Some(at(700)), "a refresh counts from now");
    let bound: Vec<_> = it.bindings("1001").cloned().collect();
    assert_eq!(bound, [Binding { contact: "sip:a@x".into(), flow: flow(2) }], "the newest flow");
    let gone =
        it.register(at(200), ("1001", PHONES), flow(2), &register(3, "<sip:a@x>", 0)).unwrap();
    assert_eq!(gone.changes, [("sip:a@x".to_owned(), Duration::ZERO)]);
    assert!(it.is_empty() && it.poll_timeout().is_none());
}

#[test]
fn a_registration_runs_out() {
    let mut it = Registrar::new(Rules::default());
    it.register(at(0), ("1001", PHONES), flow(1), &register(1, "<sip:a@x>", 60)).unwrap();
    assert_eq!(it.expiry.next(), Some(at(60)));
    assert_eq!(it.expire(at(59)), None);
    assert_eq!(it.expire(at(60)), Some(("1001".into(), "sip:a@x".into())));
    assert_eq!(it.bindings("1001").count(), 0);
}

#[test]
fn one_phone_too_many_takes_the_place_of_the_one_that_rests_longest() {
    let mut it = Registrar::new(Rules::default());
    for n in 0..PHONES {
        let request = register(1 + n as u32, &format!("<sip:a@x{n}>"), 600);
        it.register(at(n as u64), ("1001", PHONES), flow(1), &request).unwrap();
    }
    it.register(at(20), ("1001", PHONES), flow(1), &register(99, "<sip:a@x0>", 600)).unwrap();
    let more = it.register(at(30), ("1001", PHONES), flow(1), &register(100, "<sip:a@y>", 600));
    let changes = [("sip:a@y", 600), ("sip:a@x1", 0)];
    assert_eq!(
        more.unwrap().changes,
        changes.map(|(it, s)| (it.to_owned(), Duration::from_secs(s))),
        "x0 has refreshed, so x1 is the oldest"
    );
    assert_eq!(it.len(), PHONES);
    let fewer = it.register(at(40), ("1001", 2), flow(1), &register(101, "<sip:a@y>", 600));
    assert_eq!(fewer.unwrap().contacts.len(), 2, "its owner allows fewer now");
    let left: Vec<_> = it.bindings("1001").map(|it| it.contact.as_str()).collect();
    assert_eq!(left, ["sip:a@x0", "sip:a@y"]);
}

#[test]
fn more_phones_at_once_than_there_may_be_change_nothing() {
    let mut it = Registrar::new(Rules::default());
    it.register(at(0), ("1001", 2), flow(1), &register(1, "<sip:a@x>", 600)).unwrap();
    let three = "<sip:a@1>, <sip:a@2>, <sip:a@3>";
    let refused = it.register(at(0), ("1001", 2), flow(1), &register(2, three, 600));
    assert_eq!((refused, it.len()), (Err(Refused::TooMany), 1));
    let all = it.register(at(0), ("1001", 2), flow(1), &register(3, "*", 0)).unwrap();
    assert_eq!((all.contacts.len(), all.changes.len()), (0, 1));
}

#[test]
fn a_phone_that_comes_and_goes_takes_no_place_of_another() {
    let mut it = Registrar::new(Rules::default());
    for n in 0..3 * PHONES as u32 {
        let contact = format!("<sip:a@x{n}>");
        it.register(at(0), ("1001", PHONES), flow(1), &register(2 * n, &contact, 600)).unwrap();
        it.register(at(0), ("1001", PHONES), flow(1), &register(2 * n + 1, &contact, 0)).unwrap();
    }
    assert!(it.is_empty() && it.by_aor.is_empty());
}

#[test]
fn a_device_with_a_new_address_replaces_its_old_one() {
    let mut it = Registrar::new(Rules::default());
    let contact = |host| format!("<sip:a@{host}>;+sip.instance=\"<urn:uuid:1>\"");
    it.register(at(0), ("1001", PHONES), flow(1), &register(1, &contact("x"), 600)).unwrap();
    let moved =
        it.register(at(0), ("1001", PHONES), flow(2), &register(2, &contact("y"), 600)).unwrap();
    let changes = [("sip:a@x", 0), ("sip:a@y", 600)];
    assert_eq!(moved.changes, changes.map(|(it, s)| (it.to_owned(), Duration::from_secs(s))));
    let bound: Vec<_> = it.bindings("1001").map(|it| it.contact.as_str()).collect();
    assert_eq!(bound, ["sip:a@y"]);
}

#[test]
fn what_is_kept_of_a_phone_makes_the_same_phone_again() {
    let mut before = Registrar::new(Rules::default());
    let contact = "<sip:a@x>;+sip.instance=\"<urn:uuid:1>\"";
    before.register(at(0), ("1001", PHONES), flow(1), &register(7, contact, 600)).unwrap();
    let kept = before.kept(at(100), "1001", "sip:a@x").unwrap();
    assert_eq!(kept.left, Duration::from_secs(500));
    let mut it = Registrar::new(Rules::default());
    it.restore(at(5), kept.clone());
    assert_eq!(it.kept(at(5), "1001", "sip:a@x"), Some(kept));
    assert_eq!(it.expiry.next(), Some(at(505)));
    let late = it.register(at(6), ("1001", PHONES), flow(1), &register(7, "<sip:a@x>", 600));
    assert_eq!(late, Err(Refused::OutOfOrder), "its sequence goes on");
    assert_eq!(it.all(at(6), 0, 10).count(), 1);
    assert_eq!(it.forget("1001"), ["sip:a@x"]);
    assert!(it.is_empty() && it.poll_timeout().is_none());
}

#[test]
fn what_comes_late_or_asks_too_little_changes_nothing() {
    let mut it = Registrar::new(Rules::default());
    it.register(at(0), ("1001", PHONES), flow(1), &register(5, "<sip:a@x>", 600)).unwrap();
    let late = it.register(at(0), ("1001", PHONES), flow(1), &register(4, "<sip:a@x>", 0));
    assert_eq!(late, Err(Refused::OutOfOrder));
    let same = it.register(at(0), ("1001", PHONES), flow(1), &register(5, "<sip:a@x>", 0));
    assert_eq!(same, Err(Refused::OutOfOrder), "the number must rise");
    let brief = it.register(at(0), ("1001", PHONES), flow(1), &register(6, "<sip:b@x>", 5));
    assert_eq!(brief, Err(Refused::TooBrief));
    let star = it.register(at(0), ("1001", PHONES), flow(1), &register(7, "*", 60));
    assert!(matches!(star, Err(Refused::Malformed(_))));
    let bare = String::from_utf8(register(8, "*", 0).bytes().to_vec()).unwrap();
    let bare = message(&bare.replace("Expires: 0\r\n", ""));
    let bare = it.register(at(0), ("1001", PHONES), flow(1), &bare);
    assert!(matches!(bare, Err(Refused::Malformed(_))), "a star alone removes nothing");
    assert_eq!(it.len(), 1);
}

#[test]
fn a_long_wish_is_cut_and_a_question_changes_nothing() {
    let mut it = Registrar::new(Rules::default());
    let long =
        it.register(at(0), ("1001", PHONES), flow(1), &register(1, "<sip:a@x>", 999_999)).unwrap();
    assert_eq!(long.contacts, ["<sip:a@x>;expires=3600"]);
    let question = register(2, "<sip:a@x>", 1).bytes().clone();
    let question = String::from_utf8(question.to_vec()).unwrap();
    let question: String = question
        .lines()
        .filter(|it| !it.starts_with("Contact"))
        .map(|it| format!("{it}\r\n"))
        .collect();
    let asked = it.register(at(10), ("1001", PHONES), flow(1), &message(&question)).unwrap();
    assert_eq!((asked.contacts.len(), asked.changes.len()), (1, 0));
}

#[test]
fn a_phone_that_stays_where_it_was_is_no_news() {
    let mut it = Registrar::new(Rules::default());
    let mut news = |n, port, contact, expires| {
        let done = it
            .register(at(0), ("1001", PHONES), flow(port), &register(n, contact, expires))
            .unwrap();
        (done.changes.len(), done.refreshed)
    };
    let stays = |secs| vec![("sip:a@x".to_owned(), Duration::from_secs(secs))];
    assert_eq!(news(1, 1, "<sip:a@x>", 600), (1, vec![]), "it comes");
    assert_eq!(news(2, 1, "<sip:a@x>", 300), (0, stays(300)), "it stays");
    assert_eq!(news(3, 2, "<sip:a@x>", 300), (1, vec![]), "its address behind NAT has changed");
    assert_eq!(news(4, 2, "<sip:a@x>", 300), (0, stays(300)), "it stays there");
    assert_eq!(news(5, 2, "<sip:a@x>", 0), (1, vec![]), "it leaves");
    assert_eq!(news(6, 2, "<sip:a@x>", 60), (1, vec![]), "it comes back");
}

/// The phones that the extension may have.
const PHONES: usize = 10;

fn register(number: u32, contact: &str, expires: u32) -> Message {
    message(&format!(
        "REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK{number}\r\n\
         From: <sip:1001@pbx>;tag=t\r\nTo: <sip:1001@pbx>\r\nCall-ID: r\r\n\
         CSeq: {number} REGISTER\r\nContact: {contact}\r\nExpires: {expires}\r\n\r\n"
    ))
}

fn message(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn at(secs: u64) -> Mono {
    Mono::from_millis(secs * 1000)
}

fn flow(n: u16) -> Flow {
    let local = "10.0.0.1:5060".parse().unwrap();
    Flow { transport: Transport::Udp, local, remote: ([10, 0, 0, 2], 5000 + n).into() }
}
