//! Addresses, Vias, responses and URIs as phones write them. Their whole messages stand in
//! `tests/data`.

use std::borrow::Cow;

use super::super::{Contacts, Fault, Method, Name, Scheme, Uri};
use super::message;

#[test]
fn the_params_of_a_bare_address_belong_to_the_header() {
    let request = message(&super::options_with("To: sip:1002@pbx.example;tag=b"));
    let to = request.to().unwrap();
    assert_eq!((to.uri, to.tag()), ("sip:1002@pbx.example", Some("b")));
}

#[test]
fn compact_names_folds_bare_line_feeds_and_blanks_before_a_colon_are_read() {
    let text = "\n\nOPTIONS sip:pbx.example SIP/2.0\n\
        v : SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1,\n\tSIP / 2.0 / TCP  [2001:db8::1] : 5061 ;rport\n\
        f\t: Ann\n <sip:ann@pbx.example>\n ;tag=1\nT: sip:pbx.example\ni: 1\ncSeQ: 007  OPTIONS\n\
        l:0\nX-Odd: a\n  b\n\n";
    let request = super::Message::parse(text.into()).unwrap();
    assert_eq!(request.check(), Ok(()));
    assert_eq!(request.from().unwrap().display, Some(Cow::Borrowed("Ann")));
    assert_eq!(request.from().unwrap().tag(), Some("1"));
    assert_eq!(request.cseq().unwrap().number, 7);
    let vias: Vec<_> =
        request.list(Name::Via).map(|via| super::super::Via::parse(via).unwrap()).collect();
    assert_eq!(
        (vias[1].transport, vias[1].host, vias[1].port),
        ("TCP", "[2001:db8::1]", Some(5061))
    );
    assert_eq!(vias[0].sent_by(), "192.0.2.1");
    assert_eq!(request.others().collect::<Vec<_>>(), [("X-Odd", &b"a   b"[..])]);
    assert!(request.bytes().starts_with(b"OPTIONS"));
}

#[test]
fn an_old_phone_writes_its_name_in_latin_1() {
    let from = super::options_with("From: \"J?rg\" <sip:ann@pbx.example>;tag=1");
    let mut bytes = from.replace('\n', "\r\n").into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xf6;
    let request = super::Message::parse(bytes.into()).unwrap();
    assert_eq!(request.check(), Ok(()));
    assert!(request.from().unwrap().display.unwrap().starts_with("J\u{fffd}rg"));
}

#[test]
fn star_takes_all_contacts_away_but_only_alone() {
    let with = |line| super::options_and(line);
    assert_eq!(message(&with("Contact: *")).contacts(), Ok(Contacts::Star));
    assert_eq!(message(super::OPTIONS).contacts(), Ok(Contacts::List(Vec::new())));
    let malformed = Err(Fault::Malformed(Name::Contact));
    for line in
        ["m: *, <sip:a@b>", "m: *\nm: *", "m: <sip:a@b>, *", "m: ,,", "m:", "m: <<<<", "m: a@b"]
    {
        assert_eq!(message(&with(line)).contacts(), malformed, "{line}");
    }
}

#[test]
fn a_response_has_the_method_of_its_cseq() {
    let ok = message(
        "SIP/2.0 200 All is  well\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\n\
         To: <sip:c@d>;tag=2\nCall-ID: 1\nCSeq: 4 BYE\n\n",
    );
    assert_eq!(ok.check(), Ok(()));
    assert!(!ok.is_request());
    assert_eq!((ok.status(), ok.reason()), (Some(200), &b"All is  well"[..]));
    assert_eq!((ok.method(), ok.method_token(), ok.request_uri()), (Method::Bye, "BYE", None));
}

#[test]
fn uris_come_apart() {
    let uri = Uri::parse("SIP:bob.smith%23x:secret@Example.com:5070;transport=tcp;lr?Subject=hi")
        .unwrap();
    assert_eq!(
        (uri.scheme, uri.user, uri.host, uri.port),
        (Scheme::Sip, Some("bob.smith%23x"), "Example.com", Some(5070))
    );
    assert_eq!(uri.user_decoded().as_deref(), Some("bob.smith#x"));
    assert_eq!((uri.params.get("transport"), uri.params.get("lr")), (Some("tcp"), Some("")));
    assert_eq!(uri.headers, Some("Subject=hi"));
    let uri = Uri::parse("sips:[2001:db8::9:1]:5061").unwrap();
    assert_eq!(
        (uri.scheme, uri.user, uri.host, uri.port),
        (Scheme::Sips, None, "[2001:db8::9:1]", Some(5061))
    );
    let uri = Uri::parse("tel:+49-30-1234;phone-context=example.com").unwrap();
    assert_eq!((uri.scheme, uri.user, uri.host), (Scheme::Tel, Some("+49-30-1234"), ""));
    assert_eq!(uri.params.get("phone-context"), Some("example.com"));
    assert_eq!(Uri::parse("urn:service:sos").unwrap().scheme, Scheme::Other);
    assert_eq!(Uri::parse("sip:100%@h").unwrap().user_decoded().as_deref(), Some("100%"));
}

#[test]
fn what_is_no_uri_is_refused() {
    let long = format!("sip:{}@example.com", "a".repeat(super::super::MAX_URI));
    for text in [
        "",
        "sip",
        "sip:",
        ":x",
        "1sip:a@b",
        "sip:a@",
        "sip:a b@c",
        "sip:a@b:",
        "sip:a@b:65536",
        "sip:a@b:+1",
        "sip:a@[::1",
        "sip:a@[zz]",
        "sip:a@::1",
        "sip:a@b@c",
        "<sip:a@b>",
        "sip:a@b\r\n",
        "tel:",
        "tel:;x",
        &long,
    ] {
        assert_eq!(Uri::parse(text), Err(Fault::Uri), "{text}");
    }
}
