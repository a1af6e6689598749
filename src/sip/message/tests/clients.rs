//! What everyday phones send.

use std::borrow::Cow;

use super::super::{Contacts, Fault, Method, Name, Scheme, Uri};
use super::message;

/// A softphone that leaves the brackets off its To and asks for `rport`.
const LINPHONE: &str = "\
INVITE sip:1002@pbx.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK.Qx7rT1aZ0;rport
From: \"Ann \\\"the boss\\\" O'Neil\" <sip:1001@pbx.example>;tag=~kq3v
To: sip:1002@pbx.example
CSeq: 20 INVITE
Call-ID: tR4vN8ploW
Max-Forwards: 70
Route: <sip:192.0.2.5:5060;transport=udp;lr>
Supported: replaces, outbound, gruu
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER
Content-Type: application/sdp; charset=utf-8
Content-Length: 7
Contact: <sip:1001@192.0.2.20:5060;gr=urn:uuid:00000000-0000-4000-8000-000000000001>
User-Agent: Linphone-Desktop/5.2

v=0
o=";

#[test]
fn linphone_writes_a_to_without_brackets() {
    let invite = message(LINPHONE);
    assert_eq!(invite.check(), Ok(()));
    assert_eq!((invite.method(), invite.method_token()), (Method::Invite, "INVITE"));
    assert_eq!(invite.request_uri(), Some("sip:1002@pbx.example"));
    let to = invite.to().unwrap();
    assert_eq!((to.display.as_deref(), to.uri, to.tag()), (None, "sip:1002@pbx.example", None));
    let from = invite.from().unwrap();
    assert_eq!(from.display.as_deref(), Some("Ann \"the boss\" O'Neil"));
    assert_eq!(from.tag(), Some("~kq3v"));
    assert_eq!(invite.routes(Name::Route), ["<sip:192.0.2.5:5060;transport=udp;lr>"]);
    assert!(invite.has_option(Name::Supported, "Outbound"));
    assert!(!invite.has_option(Name::Supported, "100rel"));
    assert_eq!(invite.content_type(), Some("application/sdp"));
    assert_eq!(invite.body(), b"v=0\r\no=");
    assert_eq!(invite.text(Name::UserAgent), Some("Linphone-Desktop/5.2"));
}

#[test]
fn the_params_of_a_bare_address_belong_to_the_header() {
    let invite =
        message(&LINPHONE.replace("To: sip:1002@pbx.example", "t: sip:1002@pbx.example;tag=b"));
    let to = invite.to().unwrap();
    assert_eq!((to.uri, to.tag()), ("sip:1002@pbx.example", Some("b")));
}

#[test]
fn jssip_calls_itself_by_a_host_that_does_not_exist() {
    let register = message(
        "\
REGISTER sip:pbx.example SIP/2.0
Via: SIP/2.0/WSS k2m0x9q1.invalid;branch=z9hG4bK7781200
Max-Forwards: 69
To: <sip:web@pbx.example>
From: <sip:web@pbx.example>;tag=s0v1k8
Call-ID: 9t3hq2o7
CSeq: 2 REGISTER
Contact: <sip:x81u@k2m0x9q1.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:1>\";expires=600
Expires: 600
Supported: path,gruu,outbound
Content-Length: 0

",
    );
    assert_eq!(register.check(), Ok(()));
    let via = register.top_via().unwrap();
    assert_eq!((via.transport, via.host, via.port), ("WSS", "k2m0x9q1.invalid", None));
    assert_eq!(via.branch(), Some("z9hG4bK7781200"));
    assert!(!via.rport_asked());
    let Ok(Contacts::List(contacts)) = register.contacts() else { panic!("no list") };
    let [contact] = contacts.as_slice() else { panic!("not one contact") };
    assert_eq!(contact.params.get("+sip.instance"), Some("<urn:uuid:1>"));
    assert_eq!(contact.params.get("+SIP.ICE"), Some(""));
    assert_eq!(contact.params.get("expires"), Some("600"));
    let names: Vec<_> = contact.params.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["+sip.ice", "reg-id", "+sip.instance", "expires"]);
    assert_eq!(Uri::parse(contact.uri).unwrap().params.get("transport"), Some("ws"));
    assert_eq!(register.expires(), Some(600));
    assert!(register.has_option(Name::Supported, "gruu"));
}

#[test]
fn baresip_puts_a_quoted_urn_into_its_contact() {
    let register = message(
        "\
REGISTER sip:pbx.example;transport=udp SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5500;branch=z9hG4bK0f1e;rport
Contact: <sip:ann-0x55@192.0.2.7:5500>;expires=60;+sip.instance=\"<urn:uuid:2,3;4>\", <sip:b@192.0.2.8>
To: <sip:ann@pbx.example>
From: <sip:ann@pbx.example>;tag=3b74
Call-ID: 6314bd
CSeq: 10812 REGISTER
Content-Length: 0

",
    );
    let Ok(Contacts::List(contacts)) = register.contacts() else { panic!("no list") };
    let uris: Vec<_> = contacts.iter().map(|contact| contact.uri).collect();
    assert_eq!(uris, ["sip:ann-0x55@192.0.2.7:5500", "sip:b@192.0.2.8"]);
    assert!(register.top_via().unwrap().rport_asked());
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
    let mut bytes = LINPHONE.replace("Ann ", "J?rg ").replace('\n', "\r\n").into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xf6;
    let invite = super::Message::parse(bytes.into()).unwrap();
    assert_eq!(invite.check(), Ok(()));
    assert!(invite.from().unwrap().display.unwrap().starts_with("J\u{fffd}rg"));
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
