//! What we make of single lines.

use super::*;

#[test]
fn payload_types_0_and_8_need_no_rtpmap_and_dynamic_ones_do() {
    let codecs = |lines: &[&str]| phone(lines).codecs();
    assert_eq!(codecs(&["m=audio 4000 RTP/AVP 8 0 96"]), [Codec::Pcma, Codec::Pcmu]);
    assert_eq!(codecs(&["m=audio 4000 RTP/AVP 96", "a=rtpmap:96 OPUS/48000/2"]), [Codec::Opus]);
    assert_eq!(codecs(&["m=audio 4000 RTP/AVP 97", "a=rtpmap:97 pcma/8000/1"]), [Codec::Pcma]);
    assert_eq!(codecs(&["m=audio 4000 RTP/AVP 35", "a=rtpmap:35 pcmu/8000"]), [Codec::Pcmu]);
}

#[test]
fn what_only_looks_like_a_codec_is_none() {
    for (format, mapping) in [
        ("96", "opus/48000"),
        ("96", "opus/16000/2"),
        ("96", "opus/48000/1"),
        ("97", "PCMA/16000"),
        ("97", "PCMU/8000/2"),
        ("0", "PCMA/8000"),
        ("0", "telephone-event/8000"),
        ("72", "opus/48000/2"),
        ("95", "PCMA/8000"),
        ("128", "PCMA/8000"),
        ("300", "PCMA/8000"),
        ("-1", "PCMA/8000"),
        ("+8", "PCMA/8000"),
        ("08", "PCMA/8000"),
        ("96", "PCMA/99999999999"),
        ("96", "/"),
    ] {
        let line = format!("m=audio 4000 RTP/AVP {format}");
        let map = format!("a=rtpmap:{format} {mapping}");
        assert_eq!(phone(&[&line, &map]).codecs(), [], "{line} {map}");
    }
}

#[test]
fn a_repeated_format_and_a_second_mapping_change_nothing() {
    let lines = ["m=audio 4000 RTP/AVP 96 96 8", "a=rtpmap:96 opus/48000/2", "a=rtpmap:96 x/8000"];
    assert_eq!(phone(&lines).codecs(), [Codec::Opus, Codec::Pcma]);
}

#[test]
fn lone_line_feeds_doubled_blanks_and_strange_bytes_are_read() {
    let text = b"\n\nv=0\no=\xff\xfe 1 1 IN IP4 x\ns=\xc3\x28\nnonsense\n=\n\
        c=IN  IP4  198.51.100.4 \nt=0 0\na=\xf0\x9f\nm=audio  4000/2  rtp/avp  8 \n\
        a=ptime: 30 \na=sendonly ";
    let agreed =
        answer(&local(40000), &Session::parse(text).unwrap(), &[Codec::Pcma], Direction::SendRecv);
    let agreed = agreed.unwrap().agreed;
    assert_eq!(agreed.remote, at("198.51.100.4:4000"));
    assert_eq!(agreed.direction, Direction::RecvOnly);
    assert_eq!(agreed.ptime_ms, 30);
}

#[test]
fn a_text_that_is_no_description_is_an_error() {
    let error = |text: &[u8]| Session::parse(text).unwrap_err();
    assert_eq!(error(b""), ParseError::NotVersion0);
    assert_eq!(error(b"v=1\r\n"), ParseError::NotVersion0);
    assert_eq!(error(b"o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n"), ParseError::NotVersion0);
    for media in ["audio", "audio 4000 RTP/AVP", "audio 65536 RTP/AVP 0", "audio x RTP/AVP 0"] {
        let text = format!("v=0\r\nm={media}\r\n");
        assert_eq!(error(text.as_bytes()), ParseError::BadMedia { line: 2 }, "{media}");
    }
    let unprintable = "v=0\r\nm=vid\u{e9}o 1 RTP/AVP 0\r\n";
    assert_eq!(error(unprintable.as_bytes()), ParseError::BadMedia { line: 2 });
    let endless = format!("v=0\r\nm=audio 1 {} 0\r\n", "x".repeat(65));
    assert_eq!(error(endless.as_bytes()), ParseError::BadMedia { line: 2 });
}

#[test]
fn every_size_has_a_limit() {
    let lines = |count| "v=0\r\n".to_owned() + &"m=audio 4000 RTP/AVP 0\r\n".repeat(count);
    assert_eq!(read(&lines(32)).lines.len(), 32);
    assert_eq!(Session::parse(lines(33).as_bytes()), Err(ParseError::TooManyMedia));

    let formats = |count| format!("v=0\r\nm=audio 4000 RTP/AVP{}\r\n", " 0".repeat(count));
    assert_eq!(read(&formats(64)).lines.len(), 1);
    let many = Session::parse(formats(65).as_bytes());
    assert_eq!(many, Err(ParseError::TooManyFormats { line: 2 }));

    let long = |bytes: usize| "v=0\r\ns=".to_owned() + &"x".repeat(bytes - 7);
    assert!(Session::parse(long(65_536).as_bytes()).is_ok());
    assert_eq!(Session::parse(long(65_537).as_bytes()), Err(ParseError::TooLong));
}

#[test]
fn the_section_wins_over_the_session() {
    let text = "v=0\r\nc=IN IP4 198.51.100.4\r\na=inactive\r\nt=0 0\r\n\
        m=audio 0 RTP/AVP 8\r\nc=IN IP4 198.51.100.5\r\n\
        m=audio 4000 RTP/AVP 8\r\nc=IN IP6 2001:db8::4\r\na=recvonly\r\n";
    let agreed = answer(&local(40000), &read(text), &[Codec::Pcma], Direction::SendRecv).unwrap();
    assert_eq!(agreed.agreed.remote, at("[2001:db8::4]:4000"));
    assert_eq!(agreed.agreed.direction, Direction::SendOnly);
}

#[test]
fn only_one_hosts_address_is_an_address() {
    for c in [
        "c=IN IP4 phone.example.com",
        "c=IN IP4 224.2.1.1/127",
        "c=IN IP6 ff15::101",
        "c=IN IP4 255.255.255.255",
        "c=IN IP4",
        "c=",
    ] {
        assert_eq!(agree(&["m=audio 4000 RTP/AVP 8", c]), Err(Refused::Address), "{c}");
    }
    let nowhere = read("v=0\r\nm=audio 4000 RTP/AVP 8\r\n");
    let refused = answer(&local(40000), &nowhere, &[Codec::Pcma], Direction::SendRecv);
    assert_eq!(refused.unwrap_err(), Refused::Address);

    let mapped = agree(&["m=audio 4000 RTP/AVP 8", "c=IN IP6 ::ffff:198.51.100.9"]).unwrap();
    assert_eq!(mapped.remote, at("198.51.100.9:4000"));
}

#[test]
fn rtcp_goes_where_the_peer_says() {
    let rtcp = |attribute| agree(&["m=audio 4000 RTP/AVP 8", attribute]).unwrap().remote_rtcp;
    assert_eq!(rtcp("a=x"), at("198.51.100.4:4001"));
    assert_eq!(rtcp("a=rtcp:4321"), at("198.51.100.4:4321"));
    assert_eq!(rtcp("a=rtcp:4321 IN IP4 198.51.100.5"), at("198.51.100.5:4321"));
    assert_eq!(rtcp("a=rtcp:4321 IN IP4 rtcp.example.com"), at("198.51.100.4:4321"));
    assert_eq!(rtcp("a=rtcp:4321 IN IP6 2001:db8::5"), at("198.51.100.4:4321"));
    assert_eq!(rtcp("a=rtcp:4321 IN IP4 224.0.0.1"), at("198.51.100.4:4321"));
    assert_eq!(rtcp("a=rtcp:0"), at("198.51.100.4:4001"));
    assert_eq!(rtcp("a=rtcp:65536"), at("198.51.100.4:4001"));
    let last = agree(&["m=audio 65535 RTP/AVP 8"]).unwrap();
    assert_eq!(last.remote_rtcp, at("198.51.100.4:65535"));
}

#[test]
fn packets_are_as_long_as_the_peer_wishes_if_we_can_make_them() {
    let ms = |codec, attributes: &[&str]| {
        let lines = ["m=audio 4000 RTP/AVP 8 107", "a=rtpmap:107 opus/48000/2"];
        let offer = phone(&[&lines, attributes].concat());
        answer(&local(40000), &offer, &[codec], Direction::SendRecv).unwrap().agreed.ptime_ms
    };
    for (attributes, g711, opus) in [
        (&[][..], 20, 20),
        (&["a=ptime:10"], 10, 10),
        (&["a=ptime:30"], 30, 20),
        (&["a=ptime:60"], 60, 60),
        (&["a=ptime:25"], 20, 20),
        (&["a=ptime:20.5"], 20, 20),
        (&["a=ptime:70"], 20, 20),
        (&["a=ptime:0"], 20, 20),
        (&["a=ptime:no"], 20, 20),
        (&["a=maxptime:150"], 20, 20),
        (&["a=maxptime:10"], 10, 10),
        (&["a=ptime:60", "a=maxptime:50"], 50, 40),
        (&["a=maxptime:5"], 10, 10),
    ] {
        assert_eq!(ms(Codec::Pcma, attributes), g711, "{attributes:?}");
        assert_eq!(ms(Codec::Opus, attributes), opus, "{attributes:?}");
    }
}
