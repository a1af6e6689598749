use bytes::Bytes;

use super::*;
use crate::sip::Transport;

#[test]
fn both_ends_write_each_others_tags_and_routes() {
    let invite = message(
        "INVITE sip:bob@b SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK1\r\n\
         From: \"Ann\" <sip:ann@a>;x=1;tag=a1\r\nTo: sip:bob@b\r\nCall-ID: c\r\nCSeq: 9 INVITE\r\n\
         Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\nContact: <sip:ann@10.0.0.9>\r\n\r\n",
    );
    let mut it = Dialog::incoming(&invite, flow(), "b1".into()).unwrap();
    let bye = text(it.request(Method::Bye, "SIP/2.0/UDP us;branch=z9hG4bK2").finish());
    assert!(bye.starts_with("BYE sip:ann@10.0.0.9 SIP/2.0\r\n"), "{bye}");
    assert!(bye.contains("From: sip:bob@b;tag=b1\r\n"), "{bye}");
    assert!(bye.contains("To: \"Ann\" <sip:ann@a>;tag=a1\r\n"), "{bye}");
    // §12.1.1: a callee keeps the routes as they came; §12.1.2: a caller turns them round.
    let routes = |it: &str| it.matches("Route: <sip:p").count();
    assert_eq!(routes(&bye), 2);
    assert!(bye.find("<sip:p2").unwrap() < bye.find("<sip:p1").unwrap());

    let answer = message(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP us;branch=z9hG4bK1\r\nFrom: <sip:ann@a>;tag=a1\r\n\
         To: <sip:bob@b>;tag=b1\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
         Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nContact: <sip:bob@10.0.0.8>\r\n\r\n",
    );
    let (from, to) = ("<sip:ann@a>".to_owned(), "<sip:bob@b>".to_owned());
    let dialog = Dialog::outgoing(flow(), "c".into(), "sip:bob@b", from, "a1".into(), to);
    let it = dialog.confirmed_by(&answer);
    let ack = text(it.ack(1, "SIP/2.0/UDP us;branch=z9hG4bK3").finish());
    assert!(ack.starts_with("ACK sip:bob@10.0.0.8 SIP/2.0\r\n"), "{ack}");
    assert!(ack.find("<sip:p1").unwrap() < ack.find("<sip:p2").unwrap(), "{ack}");
    assert!(ack.contains("To: <sip:bob@b>;tag=b1\r\n") && ack.contains("CSeq: 1 ACK\r\n"));
}

#[test]
fn our_numbers_rise_and_the_peers_must() {
    let (from, to) = ("<sip:a@a>".to_owned(), "<sip:b@b>".to_owned());
    let mut it = Dialog::outgoing(flow(), "c".into(), "sip:b@b", from, "t".into(), to);
    for number in 1..4 {
        let text = text(it.request(Method::Bye, "v").finish());
        assert!(text.contains(&format!("CSeq: {number} BYE\r\n")), "{text}");
    }
    assert_eq!(it.note(5), Order::Next, "the first may be any");
    assert_eq!(it.note(5), Order::Late);
    assert_eq!(it.note(4), Order::Late);
    assert_eq!(it.note(7), Order::Next);
}

#[test]
fn an_invite_of_ours_tells_its_dialog() {
    let (from, to) = ("\"A, B\" <sip:a@a>".to_owned(), "<sip:b@b>".to_owned());
    let mut it = Dialog::outgoing(flow(), "c9".into(), "sip:b@1.2.3.4", from, "t".into(), to);
    let invite = it.invite("sip:b@1.2.3.4", "SIP/2.0/UDP us;branch=z9hG4bK1", 69);
    let invite = Message::parse(invite.header(Name::Contact, "<sip:us>").finish()).unwrap();
    let mut same = Dialog::of_invite(&invite, flow()).unwrap();
    assert_eq!(same.key(), it.key());
    let (a, b) = (it.request(Method::Bye, "v").finish(), same.request(Method::Bye, "v").finish());
    assert_eq!(a, b);
}

fn message(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn text(bytes: Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn flow() -> Flow {
    let address = "10.0.0.1:5060".parse().unwrap();
    Flow { transport: Transport::Udp, local: address, remote: address }
}
