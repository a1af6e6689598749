//! What is printed can be read, and says nothing it was not asked to.

use std::net::SocketAddr;

use super::super::{Message, Method, Name, Writer, reason_phrase};
use super::{OPTIONS, message, options_with};

#[test]
fn a_request_is_printed_in_the_order_given() {
    let bytes = Writer::request(Method::Invite, "sip:bob@pbx.example")
        .header(Name::MaxForwards, 70)
        .raw("X-Story", "gr\u{fc}n".as_bytes())
        .finish_with("application/sdp", b"v=0\r\n");
    let text = "INVITE sip:bob@pbx.example SIP/2.0\r\nMax-Forwards: 70\r\nX-Story: gr\u{fc}n\r\n\
        Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    assert_eq!(str::from_utf8(&bytes), Ok(text));
}

#[test]
fn no_value_can_add_a_line() {
    let evil = "a\r\nVia: evil\0\n\n";
    let bytes = Writer::request(Method::Info, "sip:a SIP/2.0\r\nx: y\u{7f}")
        .header(Name::Reason, evil)
        .raw("X-Note", evil.as_bytes())
        .raw("Evil: name\r\nVia", b"x")
        .raw("l", b"7")
        .header(Name::ContentLength, 7)
        .finish_with(evil, b"body");
    let read = Message::parse(bytes).unwrap();
    assert_eq!(read.request_uri(), Some("sip:a%20SIP/2.0%0D%0Ax:%20y%7F"));
    assert_eq!(read.text(Name::Reason), Some("a  Via: evil"));
    assert_eq!(read.others().collect::<Vec<_>>(), [("X-Note", &b"a  Via: evil"[..])]);
    assert_eq!(read.list(Name::Via).count(), 0);
    assert_eq!(read.values(Name::ContentLength).collect::<Vec<_>>(), [b"4"]);
    assert_eq!(read.body(), b"body");
    let response = Message::parse(Writer::response(1, evil).finish()).unwrap();
    assert_eq!((response.status(), response.reason()), (Some(100), &b"a  Via: evil"[..]));
}

/// The answer to an OPTIONS from 198.51.100.7:1024.
fn reply(text: &str, status: u16, tag: Option<&str>) -> Message {
    let source = SocketAddr::from(([198, 51, 100, 7], 1024));
    let bytes = Writer::reply(&message(text), status, source, tag).finish();
    Message::parse(bytes).unwrap()
}

#[test]
fn a_reply_takes_over_what_identifies_the_request() {
    let response = reply(OPTIONS, 404, Some("t9"));
    assert_eq!(response.check(), Ok(()));
    assert_eq!((response.status(), response.reason()), (Some(404), &b"Not Found"[..]));
    assert_eq!(response.from().unwrap().tag(), Some("a1"));
    assert_eq!(response.to().unwrap().tag(), Some("t9"));
    assert_eq!(response.call_id(), Some("opt-1@192.0.2.1"));
    assert_eq!(response.method(), Method::Options);
}

#[test]
fn a_tag_is_added_only_where_there_is_none_and_not_to_a_100() {
    let to = |line: &str, status| {
        let response = reply(&options_with(line), status, Some("t9"));
        response.text(Name::To).unwrap().to_owned()
    };
    assert_eq!(to("To: sip:desk@pbx.example", 200), "sip:desk@pbx.example;tag=t9");
    assert_eq!(to("To: <sip:desk@pbx.example>;tag=x", 200), "<sip:desk@pbx.example>;tag=x");
    assert_eq!(to("To: <sip:desk@pbx.example>", 100), "<sip:desk@pbx.example>");
    assert_eq!(to("To: <sip:desk@pbx.example>;", 200), "<sip:desk@pbx.example>;tag=t9");
    assert_eq!(to("To: <sip:unfinished", 400), "<sip:unfinished");
}

#[test]
fn the_top_via_learns_where_the_request_came_from() {
    let via =
        |line: &str| reply(&options_with(line), 200, None).text(Name::Via).unwrap().to_owned();
    assert_eq!(
        via("Via: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1;x=\"a;b\""),
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;x=\"a;b\";received=198.51.100.7;rport=1024"
    );
    assert_eq!(
        via("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=1.2.3.4"),
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=198.51.100.7"
    );
    let same = "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1";
    assert_eq!(via(&format!("Via: {same}")), same);
    assert_eq!(
        via(&format!("Via: {same};RPORT")),
        format!("{same};received=198.51.100.7;rport=1024")
    );
}

#[test]
fn the_vias_below_stay_as_they_are() {
    let response = reply(
        &options_with("Via: SIP/2.0/UDP a;branch=1 , SIP/2.0/TCP b;rport\nv: SIP/2.0/TLS c"),
        200,
        None,
    );
    let vias: Vec<_> = response.list(Name::Via).collect();
    assert_eq!(
        vias,
        [
            &b"SIP/2.0/UDP a;branch=1;received=198.51.100.7"[..],
            b"SIP/2.0/TCP b;rport",
            b"SIP/2.0/TLS c"
        ]
    );
}

#[test]
fn an_ipv4_peer_of_a_dual_stack_socket_is_told_its_own_address() {
    let source = "[::ffff:192.0.2.1]:9".parse().unwrap();
    let bytes = Writer::reply_with(&message(OPTIONS), 200, "Fine", source, None).finish();
    let response = Message::parse(bytes).unwrap();
    assert_eq!(response.top_via().unwrap().params.get("received"), None);
    assert_eq!(response.reason(), b"Fine");
}

#[test]
fn every_status_has_a_phrase() {
    assert_eq!(
        (reason_phrase(486), reason_phrase(299), reason_phrase(499)),
        ("Busy Here", "Success", "Request Failure")
    );
    assert!((100..700).all(|status| !reason_phrase(status).is_empty()));
}
