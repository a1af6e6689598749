//! Lists, limits, and each way to be answered with a 400.

use super::super::name::ALL;
use super::super::{CSeq, Fault, MAX_HEADERS, MAX_MESSAGE, MAX_VALUES, Name, NameAddr, ParseError};
use super::{OPTIONS, checked, framed, message, options_and, options_with};

#[test]
fn each_name_is_found_by_its_own_word_in_any_case() {
    for &name in ALL {
        assert_eq!(Name::of(name.word().as_bytes()), name);
        assert_eq!(Name::of(name.word().to_ascii_uppercase().as_bytes()), name);
    }
    assert_eq!(Name::of(b"Vi\xe1"), Name::Other);
    assert_eq!(Name::of("x".repeat(300).as_bytes()), Name::Other);
}

#[test]
fn commas_in_quotes_and_brackets_do_not_cut() {
    let request =
        message(&options_and("Route: \"a,\\\"b\" <sip:x,y@z>;p=\"<,\" , ,<sip:q>\nroute:<sip:r>"));
    let routes = request.routes(Name::Route);
    assert_eq!(routes, ["\"a,\\\"b\" <sip:x,y@z>;p=\"<,\"", "<sip:q>", "<sip:r>"]);
    assert_eq!(request.values(Name::Route).count(), 2);
}

#[test]
fn a_sound_request_has_no_fault() {
    assert_eq!(checked(OPTIONS), Ok(()));
}

#[test]
fn each_fault_has_its_words() {
    let faults = [
        (options_with("Call-ID:"), "Missing Call-ID"),
        (options_and("i: other"), "Multiple Call-ID"),
        (options_with("Call-ID: a b"), "Malformed Call-ID"),
        (OPTIONS.replace("From", "Form"), "Missing From"),
        (OPTIONS.replace("To: ", "Too: "), "Missing To"),
        (OPTIONS.replace("Via", "Viola"), "Missing Via"),
        (options_with("Via: ,,"), "Missing Via"),
        (options_with("CSeq: 2147483648 OPTIONS"), "Malformed CSeq"),
        (options_with("CSeq: 1OPTIONS"), "Malformed CSeq"),
        (options_with("CSeq: 1 OPTIONS x"), "Malformed CSeq"),
        (options_with("CSeq: 1 options"), "CSeq Method Mismatch"),
        (options_with("Max-Forwards: -1"), "Malformed Max-Forwards"),
        (options_with("To: <sip:a@b> junk"), "Malformed To"),
        (options_with("To: <sip:a@b>;tag="), "Malformed To"),
        (options_with("From: <sip:a@b>;tag=1, <sip:c@d>;tag=2"), "Malformed From"),
        (options_with("From: <sip:a@b>;x=\"1\" y;tag=2"), "Malformed From"),
        (options_with("From: <sip:a@b"), "Malformed From"),
        (options_with("Via: SIP/2.0/UDP"), "Malformed Via"),
        (options_with("Via: SIP/2.0/UDP a b"), "Malformed Via"),
        (options_with("Via: SIP/2.0/UDP 192.0.2.1:99999"), "Malformed Via"),
        (options_and("l: 0\nContent-Length: 1"), "Conflicting Content-Length"),
        (options_and("l: -1"), "Malformed Content-Length"),
        (options_and("l: 18446744073709551617"), "Body Shorter Than Content-Length"),
        (options_and(&format!("Route: {}", "<sip:a>,".repeat(MAX_VALUES + 1))), "Too Many Route"),
        (options_and("Subject: a\rVia: b"), "Stray Control Character"),
        (options_and("Subject: a\0b"), "Stray Control Character"),
        (OPTIONS.replace("SIP/2.0\n", "SIP/2.0 \n"), "Malformed Request Line"),
        (OPTIONS.replace("OPTIONS", "OPT(IONS"), "Malformed Request Line"),
        (OPTIONS.replace("SIP/2.0\n", "SIP/3.0\n"), "Version Not Supported"),
        (OPTIONS.replace("OPTIONS sip:desk@pbx.example", "OPTIONS desk"), "Malformed Request-URI"),
        (OPTIONS.replace("desk@", &"d".repeat(3_000)), "Request-URI Too Long"),
    ];
    for (text, words) in faults {
        assert_eq!(checked(&text).unwrap_err().to_string(), words, "{text}");
    }
    assert_eq!((Fault::Version.status(), Fault::RequestUriTooLong.status()), (505, 414));
    assert_eq!(Fault::Missing(Name::To).status(), 400);
}

#[test]
fn what_cannot_be_framed_is_dropped() {
    let line = "Via: SIP/2.0/UDP h\n";
    let cases = [
        ("", ParseError::Empty),
        ("\n\n\n\n", ParseError::Empty),
        ("\u{1}\0\0\0\n", ParseError::StartLine),
        ("OPTIONS sip:a SIP/2.0", ParseError::Unfinished),
        ("OPTIONS sip:a SIP/2.0\nTo: b\n", ParseError::Unfinished),
        ("OPTIONS sip:a\n\n", ParseError::StartLine),
        ("OPTIONS SIP/2.0\n\n", ParseError::StartLine),
        ("SIP/2.0 99 low\n\n", ParseError::StartLine),
        ("SIP/2.0 700 high\n\n", ParseError::StartLine),
        ("SIP/2.0 2000 long\n\n", ParseError::StartLine),
        ("SIP/7.0 200 OK\n\n", ParseError::StartLine),
        ("OPTIONS sip:a SIP/2.0\nno colon\n\n", ParseError::Header),
        ("OPTIONS sip:a SIP/2.0\n: no name\n\n", ParseError::Header),
        ("OPTIONS sip:a SIP/2.0\n folded: into nothing\n\n", ParseError::Header),
        ("OPTIONS sip:a SIP/2.0\nV\0ia: x\n\n", ParseError::Header),
        ("OPTIONS sip:a SIP/2.0\nVi a: x\n\n", ParseError::Header),
        ("OPTIONS sip:a SIP/2.0\nVi\u{e4}: x\n\n", ParseError::Header),
    ];
    for (text, error) in cases {
        assert_eq!(framed(text).unwrap_err(), error, "{text:?}");
    }
    let headers = |count| format!("OPTIONS sip:a SIP/2.0\n{}\n", line.repeat(count));
    assert!(framed(&headers(MAX_HEADERS)).is_ok());
    assert_eq!(framed(&headers(MAX_HEADERS + 1)).unwrap_err(), ParseError::TooManyHeaders);
    let sized = |size: usize| {
        let head = OPTIONS.replace('\n', "\r\n");
        super::Message::parse((head.clone() + &"b".repeat(size - head.len())).into())
    };
    assert_eq!(sized(MAX_MESSAGE).unwrap().check(), Ok(()));
    assert_eq!(sized(MAX_MESSAGE + 1).unwrap_err(), ParseError::TooLarge);
}

#[test]
fn no_prefix_of_the_headers_is_a_message() {
    let text = OPTIONS.replace('\n', "\r\n");
    for end in 0..text.len() - 1 {
        assert!(super::Message::parse(text[..end].to_owned().into()).is_err(), "{end}");
    }
}

#[test]
fn numbers_saturate_where_nobody_is_hurt() {
    let expires = |value: &str| message(&options_and(&format!("Expires: {value}"))).expires();
    assert_eq!(expires("99999999999999999999999"), Some(u32::MAX));
    assert_eq!((expires("60"), expires("soon"), expires("")), (Some(60), None, None));
    assert_eq!(message(OPTIONS).max_forwards(), Ok(Some(70)));
}

#[test]
fn the_largest_cseq_is_one_below_two_to_the_31() {
    let request = message(&options_with("CSeq: 2147483647 OPTIONS"));
    let CSeq { number, .. } = request.cseq().unwrap();
    assert_eq!(number, 2_147_483_647);
}

#[test]
fn a_quoted_parameter_loses_its_quotes_unless_it_escapes() {
    let address = NameAddr::parse(b"<sip:a@b>;x=\"1;2\";y=\"\\\"\";z;tag=;").unwrap();
    assert_eq!(address.params.get("X"), Some("1;2"));
    assert_eq!(address.params.get("y"), Some("\"\\\"\""));
    assert_eq!((address.params.get("z"), address.params.has("w")), (Some(""), false));
    assert_eq!((address.tag(), address.display), (None, None));
}
