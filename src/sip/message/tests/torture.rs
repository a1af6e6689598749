//! The cases of RFC 4475, each named by its section, in messages of our own; and a few of RFC 5118.

use super::super::{Fault, Message, Method, Name, NameAddr, ParseError, Scheme, Uri, Via};
use super::{OPTIONS, checked, framed, message, options_and, options_with};

#[test]
fn s3_1_1_1_white_space_stands_everywhere_it_may() {
    let request = message(
        "\
INVITE sip:desk@pbx.example;unknown SIP/2.0
TO :
 sip:desk@pbx.example ;   tag    = 77n
from   : \"A \\\\\\\"\"       <sip:ann@pbx.example>
  ;
  tag = 88x
MaX-fOrWaRdS: 0068
Call-ID: ws@192.0.2.1
Content-Length   : 4
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390s
s :
v:  SIP  / 2.0  / TCP     host.example   ;
  branch  =   z9hG4bK9  ,
 SIP  /    2.0   / UDP  192.0.2.111   ; branch=
 z9hG4bK3
m:\"Quoted \\\"\\\"\" <sip:ann@pbx.example> ; new =
      value ;
  second ; q = 0.33

v=0
",
    );
    assert_eq!(request.check(), Ok(()));
    assert_eq!(request.to().unwrap().tag(), Some("77n"));
    let from = request.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag()), (Some("A \\\""), Some("88x")));
    assert_eq!(request.max_forwards(), Ok(Some(68)));
    assert_eq!(request.cseq().unwrap().number, 9);
    assert_eq!(request.body(), b"v=0\r");
    assert_eq!(request.others().collect::<Vec<_>>(), [("s", &b""[..])]);
    let vias = request.list(Name::Via).map(|via| Via::parse(via).unwrap());
    let vias: Vec<_> = vias.map(|via| (via.transport, via.host, via.branch().unwrap())).collect();
    let expected = [
        ("UDP", "192.0.2.2", "390s"),
        ("TCP", "host.example", "z9hG4bK9"),
        ("UDP", "192.0.2.111", "z9hG4bK3"),
    ];
    assert_eq!(vias, expected);
    let contact = NameAddr::parse(request.first(Name::Contact).unwrap()).unwrap();
    assert_eq!((contact.params.get("new"), contact.params.get("q")), (Some("value"), Some("0.33")));
}

#[test]
fn s3_1_1_2_tokens_and_users_use_their_whole_alphabet() {
    let method = "!odd-Method019_*+`.%indeed'~";
    let uri = "sip:1_odd.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't)@example.com";
    let text = OPTIONS
        .replace("OPTIONS", method)
        .replacen("sip:desk@pbx.example", uri, 1)
        .replace("To: ", "To: \"BEL:\\\u{7} NUL:\\\0 DEL:\\\u{7f}\" ")
        .replace("From: ", "From: t1~` t2'+_ t3*%!.- ")
        .replace(";tag=a1", ";p''~+*_!.-%=\"\u{440}\";tag=_t~1'+*.-!%`");
    let request = message(&text);
    assert_eq!(request.check(), Ok(()));
    assert_eq!((request.method(), request.method_token()), (Method::Other, method));
    assert_eq!(Uri::parse(uri).unwrap().user, Some("1_odd.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(request.from().unwrap().tag(), Some("_t~1'+*.-!%`"));
    assert_eq!(request.from().unwrap().display.as_deref(), Some("t1~` t2'+_ t3*%!.-"));
}

#[test]
fn s3_1_1_3_escapes_are_resolved_in_users_only_when_asked() {
    let uri = Uri::parse("sip:sips%3Auser%40example.com@example.net").unwrap();
    assert_eq!((uri.user, uri.host), (Some("sips%3Auser%40example.com"), "example.net"));
    assert_eq!(uri.user_decoded().as_deref(), Some("sips:user@example.com"));
}

#[test]
fn s3_1_1_4_an_escaped_nul_is_a_character_of_the_user() {
    let uri = Uri::parse("sip:null-%00-null@example.com").unwrap();
    assert_eq!(uri.user_decoded().as_deref(), Some("null-\0-null"));
}

#[test]
fn s3_1_1_5_a_percent_sign_in_a_method_or_header_name_is_no_escape() {
    let text = OPTIONS.replace("OPTIONS", "RE%47IST%45R").replace("Max-Forwards", "C%6Fntact");
    let request = message(&text);
    assert_eq!((request.check(), request.method()), (Ok(()), Method::Other));
    assert_eq!(request.first(Name::Contact), None);
}

#[test]
fn s3_1_1_6_no_space_is_needed_before_the_bracket() {
    let from = NameAddr::parse(b"caller<sip:caller@example.com>;tag=323").unwrap();
    assert_eq!((from.display.as_deref(), from.uri), (Some("caller"), "sip:caller@example.com"));
}

#[test]
fn s3_1_1_7_long_values_are_values() {
    let long = "long".repeat(250);
    let request = message(&options_and(&format!("{}: {long}", "Name".repeat(30))));
    assert_eq!(request.check(), Ok(()));
    assert_eq!(request.others().next().unwrap().1, long.as_bytes());
}

#[test]
fn s3_1_1_8_a_second_request_in_a_datagram_is_not_seen() {
    let request = message(&format!(
        "{}l: 0\n\n\nINVITE sip:x SIP/2.0\n",
        OPTIONS.trim_end_matches('\n').to_owned() + "\n"
    ));
    assert_eq!((request.check(), request.body()), (Ok(()), &b""[..]));
}

#[test]
fn s3_1_1_9_a_semicolon_may_be_a_part_of_the_user() {
    let uri = Uri::parse("sip:user;par=u%40example.net@example.com").unwrap();
    assert_eq!((uri.user, uri.host), (Some("user;par=u%40example.net"), "example.com"));
    assert!(!uri.params.has("par"));
}

#[test]
fn s3_1_1_10_unknown_transports_pass() {
    let request = message(&options_with("Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKa"));
    assert_eq!((request.check(), request.top_via().unwrap().transport), (Ok(()), "UNKNOWN"));
}

#[test]
fn s3_1_1_11_a_binary_body_is_kept_byte_by_byte() {
    let body = [0u8, 0xff, b'\r', 0x80, b'\n', 7];
    let mut bytes = options_and("Content-Length: 6").replace('\n', "\r\n").into_bytes();
    bytes.extend(body);
    assert_eq!(Message::parse(bytes.into()).unwrap().body(), body);
}

#[test]
fn s3_1_1_12_and_13_a_reason_phrase_is_anything_or_nothing() {
    let tail = OPTIONS.split_once('\n').unwrap().1;
    let reason = |line: &str| {
        let response = message(&format!("{line}\n{tail}"));
        assert_eq!(response.check(), Ok(()));
        String::from_utf8(response.reason().to_vec()).unwrap()
    };
    assert_eq!(reason("SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e}"), "= 2**3 * 5**2 \u{43d}\u{43e}");
    assert_eq!((reason("SIP/2.0 100 "), reason("SIP/2.0 100")), (String::new(), String::new()));
}

#[test]
fn s3_1_2_1_separators_without_values_are_a_fault() {
    let via = checked(&options_with("Via: SIP/2.0/UDP 192.0.2.15;;,;,,"));
    assert_eq!(via, Err(Fault::Malformed(Name::Via)));
    let contact = message(&options_and("Contact: \"Joe\" <sip:joe@example.org>;;;;"));
    assert_eq!(contact.contacts(), Err(Fault::Malformed(Name::Contact)));
}

#[test]
fn s3_1_2_2_and_3_a_wrong_content_length_is_a_fault() {
    assert_eq!(checked(&options_and("Content-Length: 9999")), Err(Fault::BodyTooShort));
    let negative = Err(Fault::Malformed(Name::ContentLength));
    assert_eq!(checked(&options_and("Content-Length: -999")), negative);
}

#[test]
fn s3_1_2_4_and_5_numbers_beyond_32_bits_are_a_fault_or_saturate() {
    let huge = format!("CSeq: {} OPTIONS", "36893488147419103232");
    assert_eq!(checked(&options_with(&huge)), Err(Fault::Malformed(Name::CSeq)));
    let contact =
        NameAddr::parse(b"<sip:user@host129.example.com>;expires=280297596632815").unwrap();
    assert_eq!(contact.params.get("expires"), Some("280297596632815"));
}

#[test]
fn s3_1_2_6_a_quote_must_be_closed() {
    let to = checked(&options_with("To: \"Mr. J. User <sip:j.user@example.com>"));
    assert_eq!(to, Err(Fault::Malformed(Name::To)));
}

#[test]
fn s3_1_2_7_8_and_11_a_request_uri_is_a_bare_uri_without_headers() {
    for uri in ["<sip:a@b>", "sip:a@b; lr", "sip:a@b?Route=%3Csip:c%3E", "sip:a@b;x=\u{1}"] {
        let text = OPTIONS.replacen("sip:desk@pbx.example", uri, 1);
        assert_eq!(checked(&text), Err(Fault::RequestUri), "{uri}");
    }
}

#[test]
fn s3_1_2_9_spaces_around_the_request_uri_are_forgiven() {
    let text =
        OPTIONS.replace("OPTIONS sip:desk@pbx.example SIP", "OPTIONS   sip:desk@pbx.example  SIP");
    let request = message(&text);
    assert_eq!((request.check(), request.request_uri()), (Ok(()), Some("sip:desk@pbx.example")));
}

#[test]
fn s3_1_2_10_spaces_behind_the_version_are_not() {
    assert_eq!(checked(&OPTIONS.replace("SIP/2.0\n", "SIP/2.0  \n")), Err(Fault::StartLine));
}

#[test]
fn s3_1_2_13_a_bare_contact_has_no_headers_in_its_uri() {
    let bare = NameAddr::parse(b"sip:user@example.com?Route=%3Csip:sip.example.com%3E");
    assert_eq!(bare, Err(Fault::Address));
    // §3.3.14 is the same in brackets, and fine.
    let contact =
        NameAddr::parse(b"<sip:user@example.com?Route=%3Csip:sip.example.com%3E>").unwrap();
    assert_eq!(Uri::parse(contact.uri).unwrap().headers, Some("Route=%3Csip:sip.example.com%3E"));
}

#[test]
fn s3_1_2_14_and_15_blanks_in_brackets_and_bare_commas_are_a_fault() {
    let malformed = Err(Fault::Malformed(Name::To));
    assert_eq!(checked(&options_with("To: \"Watson\" < sip:t.watson@example.org >")), malformed);
    assert_eq!(checked(&options_with("To: Watson, Thomas <sip:t.watson@example.org>")), malformed);
}

#[test]
fn s3_1_2_16_another_version_is_answered_with_505() {
    let fault = checked(&OPTIONS.replace("SIP/2.0", "SIP/7.0")).unwrap_err();
    assert_eq!((fault, fault.status()), (Fault::Version, 505));
}

#[test]
fn s3_1_2_17_and_18_cseq_and_start_line_name_the_same_method() {
    assert_eq!(checked(&options_with("CSeq: 8 INVITE")), Err(Fault::CSeqMethod));
    assert_eq!(checked(&OPTIONS.replacen("OPTIONS", "NEWMETHOD", 1)), Err(Fault::CSeqMethod));
}

#[test]
fn s3_1_2_19_a_status_has_three_digits() {
    assert_eq!(framed("SIP/2.0 4294967301 better not\n\n").unwrap_err(), ParseError::StartLine);
}

#[test]
fn s3_2_1_a_branch_may_be_the_cookie_alone() {
    let request = message(&options_with("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"));
    assert_eq!((request.check(), request.top_via().unwrap().branch()), (Ok(()), Some("z9hG4bK")));
}

#[test]
fn s3_3_1_a_request_without_its_headers_says_which_is_missing() {
    assert_eq!(
        checked("INVITE sip:a@b SIP/2.0\nCSeq: 1 INVITE\nVia: SIP/2.0/UDP h\n\n"),
        Err(Fault::Missing(Name::CallId))
    );
}

#[test]
fn s3_3_2_to_4_unknown_schemes_are_sound() {
    for uri in ["nobodyKnowsThisScheme:opaque", "soap.beep://192.0.2.103:3002"] {
        assert_eq!(checked(&OPTIONS.replacen("sip:desk@pbx.example", uri, 1)), Ok(()));
        assert_eq!(Uri::parse(uri).unwrap().scheme, Scheme::Other);
    }
    let to = message(&options_with("To: isbn:2983792873"));
    assert_eq!((to.check(), to.to().unwrap().uri), (Ok(()), "isbn:2983792873"));
}

#[test]
fn s3_3_5_option_tags_are_listed() {
    let request = message(&options_and("Require: nobody, has\nrequire: these"));
    assert!(request.has_option(Name::Require, "has") && request.has_option(Name::Require, "these"));
}

#[test]
fn s3_3_8_and_9_what_stands_once_stands_once() {
    assert_eq!(checked(&options_and("CSeq: 59 OPTIONS")), Err(Fault::Repeated(Name::CSeq)));
    assert_eq!(checked(&options_and("t: <sip:other@example.net>")), Err(Fault::Repeated(Name::To)));
    let lengths = checked(&options_and("Content-Length: 13\nContent-Length: 5"));
    assert_eq!(lengths, Err(Fault::ContentLengthConflict));
}

#[test]
fn s3_3_12_and_13_brackets_tell_whose_parameter_it_is() {
    let bare = NameAddr::parse(b"sip:+19725552222@gw1.example.net;unknown").unwrap();
    assert!(bare.params.has("unknown") && !bare.uri.contains("unknown"));
    let bracketed = NameAddr::parse(b"<sip:+19725552222@gw1.example.net;unknown>").unwrap();
    assert!(
        !bracketed.params.has("unknown")
            && Uri::parse(bracketed.uri).unwrap().params.has("unknown")
    );
}

#[test]
fn s3_4_1_a_request_of_rfc_2543_without_tag_and_branch_is_sound() {
    let text = options_with("Via: SIP/2.0/UDP iftgw.example.com").replace(";tag=a1", "");
    let request = message(&text);
    assert_eq!((request.check(), request.from().unwrap().tag()), (Ok(()), None));
    assert_eq!(request.top_via().unwrap().branch(), None);
}

#[test]
fn rfc_5118_ipv6_addresses_stand_in_brackets() {
    let request =
        message(&options_with("Via: SIP/2.0/UDP [2001:db8::9:1]:6050;received=2001:db8::9:255"));
    assert_eq!((request.check(), request.top_via().unwrap().port), (Ok(()), Some(6050)));
    assert_eq!(request.top_via().unwrap().params.get("received"), Some("2001:db8::9:255"));
    assert_eq!(
        checked(&options_with("Via: SIP/2.0/UDP 2001:db8::9:1")),
        Err(Fault::Malformed(Name::Via))
    );
    assert_eq!(
        checked(&OPTIONS.replace("OPTIONS sip:desk@pbx.example", "OPTIONS sip:2001:db8::10")),
        Err(Fault::RequestUri)
    );
}
