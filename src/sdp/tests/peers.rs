//! Calls with phones as they are.

use super::*;

/// In the shape of Linphone: three telephone-events, no `a=sendrecv`, feedback on plain RTP.
const LINPHONE: &str = "v=0\r\n\
    o=anna 811 2044 IN IP4 198.51.100.21\r\n\
    s=Talk\r\n\
    c=IN IP4 198.51.100.21\r\n\
    t=0 0\r\n\
    a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n\
    m=audio 7078 RTP/AVP 96 97 0 8 18 99 100 101\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:97 speex/16000\r\n\
    a=fmtp:97 vbr=on\r\n\
    a=fmtp:18 annexb=yes\r\n\
    a=rtpmap:99 telephone-event/48000\r\n\
    a=rtpmap:100 telephone-event/16000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=rtcp-fb:* trr-int 1000\r\n";

/// In the shape of baresip: everything mapped, its own Opus number, telephone-event at 8000 only.
const BARESIP: &str = "v=0\r\n\
    o=- 3301 8842 IN IP4 198.51.100.22\r\n\
    s=-\r\n\
    c=IN IP4 198.51.100.22\r\n\
    t=0 0\r\n\
    a=tool:baresip 1.0.0\r\n\
    m=audio 10200 RTP/AVP 8 0 98 101\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:98 opus/48000/2\r\n\
    a=fmtp:98 stereo=1;sprop-stereo=1\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=rtcp:10201\r\n\
    a=sendrecv\r\n\
    a=label:1\r\n\
    a=minptime:20\r\n\
    a=ptime:20\r\n";

/// In the shape of a browser: secured, bundled, with a data channel beside the audio.
const BROWSER: &str = "v=0\r\n\
    o=- 8231764412090035187 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0 1\r\n\
    m=audio 51500 UDP/TLS/RTP/SAVPF 111 63 9 0 8 110 126\r\n\
    c=IN IP4 198.51.100.23\r\n\
    a=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:abcd\r\n\
    a=setup:actpass\r\n\
    a=mid:0\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    a=mid:1\r\n";

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcma, Codec::Pcmu];

#[test]
fn our_offer_reads_like_this() {
    let ours = offer(&local(40000), &[Codec::Pcma, Codec::Opus]);
    let expected = "v=0\r\n\
        o=- 7 1 IN IP4 192.0.2.10\r\n\
        s=moonswitch\r\n\
        c=IN IP4 192.0.2.10\r\n\
        t=0 0\r\n\
        m=audio 40000 RTP/AVP 8 107 96 101\r\n\
        a=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:107 opus/48000/2\r\n\
        a=fmtp:107 useinbandfec=1\r\n\
        a=rtpmap:96 telephone-event/48000\r\n\
        a=fmtp:96 0-15\r\n\
        a=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\n\
        a=ptime:20\r\n\
        a=sendrecv\r\n";
    assert_eq!(ours.text(), expected);
}

#[test]
fn our_offer_over_ipv6_says_so() {
    let local = Local { address: "2001:db8::10".parse().unwrap(), ..local(40000) };
    let ours = offer(&local, &[Codec::Pcmu]);
    assert!(ours.text().contains("\r\nc=IN IP6 2001:db8::10\r\n"));
    assert!(ours.text().contains("\r\no=- 7 1 IN IP6 2001:db8::10\r\n"));
}

#[test]
fn linphone_gets_opus_with_the_digits_of_its_clock() {
    let ours = answer(&local(40000), &read(LINPHONE), &ALL, Direction::SendRecv).unwrap();
    let expected = "v=0\r\n\
        o=- 7 1 IN IP4 192.0.2.10\r\n\
        s=moonswitch\r\n\
        c=IN IP4 192.0.2.10\r\n\
        t=0 0\r\n\
        m=audio 40000 RTP/AVP 96 99\r\n\
        a=rtpmap:96 opus/48000/2\r\n\
        a=fmtp:96 useinbandfec=1\r\n\
        a=rtpmap:99 telephone-event/48000\r\n\
        a=fmtp:99 0-15\r\n\
        a=ptime:20\r\n\
        a=sendrecv\r\n";
    assert_eq!(ours.text, expected);
    let agreed = Agreed {
        remote: at("198.51.100.21:7078"),
        remote_rtcp: at("198.51.100.21:7079"),
        direction: Direction::SendRecv,
        peer: Direction::SendRecv,
        codec: Codec::Opus,
        pt_out: 96,
        pt_in: 96,
        dtmf: Some((99, 99)),
        ptime_ms: 20,
    };
    assert_eq!(ours.agreed, agreed);
}

#[test]
fn our_order_of_codecs_decides_over_the_offerers() {
    let chosen = |codecs: &[Codec]| {
        let ours = answer(&local(40000), &read(LINPHONE), codecs, Direction::SendRecv).unwrap();
        (ours.agreed.codec, ours.agreed.dtmf)
    };
    assert_eq!(chosen(&[Codec::Pcma, Codec::Opus]), (Codec::Pcma, Some((101, 101))));
    assert_eq!(chosen(&[Codec::Pcmu]), (Codec::Pcmu, Some((101, 101))));
    let codecs = read(LINPHONE).codecs();
    assert_eq!(codecs[..3], [Codec::Opus, Codec::Pcmu, Codec::Pcma]);
    assert_eq!([codecs[3].name(), codecs[4].name()], ["speex", "G729"]);
}

#[test]
fn baresip_talks_opus_with_digits_of_8000_for_want_of_better() {
    let ours = answer(&local(40000), &read(BARESIP), &ALL, Direction::SendRecv).unwrap();
    assert_eq!((ours.agreed.codec, ours.agreed.pt_out), (Codec::Opus, 98));
    assert_eq!(ours.agreed.dtmf, Some((101, 101)));
    assert!(ours.text.contains("a=rtpmap:101 telephone-event/8000\r\n"));
}

#[test]
fn an_answer_with_other_payload_types_is_sent_what_it_asked_for() {
    let ours = offer(&local(40000), &ALL);
    let agreed = ours.accept(
        &phone(&[
            "m=audio 10200 RTP/AVP 109 110",
            "a=rtpmap:109 opus/48000/2",
            "a=rtpmap:110 telephone-event/48000",
            "a=ptime:40",
        ]),
        Direction::SendRecv,
    );
    let agreed = agreed.unwrap();
    assert_eq!((agreed.pt_out, agreed.pt_in), (109, 107));
    assert_eq!(agreed.dtmf, Some((110, 96)));
    assert_eq!(agreed.ptime_ms, 40);
}

#[test]
fn an_answer_with_several_codecs_means_its_first_that_we_offered() {
    let ours = offer(&local(40000), &[Codec::Pcma, Codec::Pcmu]);
    let lines = ["m=audio 10200 RTP/AVP 98 18 0 8", "a=rtpmap:98 opus/48000/2"];
    let agreed = ours.accept(&phone(&lines), Direction::SendRecv).unwrap();
    assert_eq!((agreed.codec, agreed.dtmf), (Codec::Pcmu, None));
}

#[test]
fn an_answer_that_we_cannot_use_is_refused() {
    let ours = offer(&local(40000), &[Codec::Pcma]);
    let refused = |lines: &[&str]| ours.accept(&phone(lines), Direction::SendRecv).unwrap_err();
    assert_eq!(refused(&["m=audio 4000 RTP/AVP 0 101"]), Refused::NotOffered);
    assert_eq!(refused(&["m=audio 4000 RTP/AVP 18"]), Refused::NotOffered);
    assert_eq!(refused(&["m=audio 0 RTP/AVP 8"]), Refused::NoAudio);
    assert_eq!(refused(&["m=audio 4000 RTP/SAVP 8"]), Refused::NoAudio);
    assert_eq!(refused(&["m=video 4000 RTP/AVP 8", "m=audio 4000 RTP/AVP 8"]), Refused::NoAudio);
    assert_eq!(refused(&[]), Refused::NoAudio);
    assert_eq!(refused(&["m=audio 4000 RTP/AVP 8", "c=IN IP4 pbx.example"]), Refused::Address);
}

#[test]
fn an_offer_that_we_cannot_use_is_refused() {
    assert_eq!(agree(&[]), Err(Refused::NoAudio));
    assert_eq!(agree(&["m=video 4000 RTP/AVP 8"]), Err(Refused::NoAudio));
    assert_eq!(agree(&["m=audio 0 RTP/AVP 8"]), Err(Refused::NoAudio));
    assert_eq!(agree(&["m=audio 4000 RTP/SAVP 8"]), Err(Refused::NoAudio));
    assert_eq!(agree(&["m=audio 4000 RTP/AVP 9 18 101"]), Err(Refused::NoCommonCodec));
    let browser = answer(&local(40000), &read(BROWSER), &ALL, Direction::SendRecv);
    assert_eq!(browser.unwrap_err(), Refused::NoAudio);
    assert_eq!(read(BROWSER).codecs(), []);
}

#[test]
fn every_line_but_the_first_usable_audio_is_declined_in_its_place() {
    let lines = [
        "m=audio 4000 RTP/SAVP 8",
        "m=video 4002 RTP/AVP 34 97",
        "m=audio 4004 RTP/AVP 8",
        "m=audio 4006 RTP/AVP 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ];
    let ours = answer(&local(40000), &phone(&lines), &ALL, Direction::SendRecv).unwrap();
    let media: Vec<_> = ours.text.lines().filter(|it| it.starts_with("m=")).collect();
    let expected = [
        "m=audio 0 RTP/SAVP 8",
        "m=video 0 RTP/AVP 34",
        "m=audio 40000 RTP/AVP 8",
        "m=audio 0 RTP/AVP 0",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ];
    assert_eq!(media, expected);
    assert_eq!(ours.agreed.remote, at("198.51.100.4:4004"));
}

#[test]
fn the_answer_repeats_the_time_of_the_offer() {
    let text = "v=0\r\nc=IN IP4 198.51.100.4\r\nt=3724394400 0\r\nm=audio 4000 RTP/AVP 8\r\n";
    let ours = answer(&local(40000), &read(text), &ALL, Direction::SendRecv).unwrap();
    assert!(ours.text.contains("\r\nt=3724394400 0\r\n"));
}

#[test]
fn directions_answer_each_other() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (theirs, wants, ours) in [
        (SendRecv, SendRecv, SendRecv),
        (SendRecv, SendOnly, SendOnly),
        (SendRecv, RecvOnly, RecvOnly),
        (SendRecv, Inactive, Inactive),
        (SendOnly, SendRecv, RecvOnly),
        (SendOnly, SendOnly, Inactive),
        (SendOnly, RecvOnly, RecvOnly),
        (RecvOnly, SendRecv, SendOnly),
        (RecvOnly, RecvOnly, Inactive),
        (Inactive, SendRecv, Inactive),
    ] {
        let attribute = format!("a={}", theirs.word());
        let peer = phone(&["m=audio 4000 RTP/AVP 8", &attribute]);
        let answered = answer(&local(40000), &peer, &ALL, wants).unwrap();
        assert_eq!(answered.agreed.direction, ours, "answering {theirs:?}, wanting {wants:?}");
        assert!(answered.text.contains(&format!("a={}\r\n", ours.word())));
        let accepted = offer(&local(40000), &ALL).accept(&peer, wants).unwrap();
        assert_eq!(accepted.direction, ours, "accepting {theirs:?}, wanting {wants:?}");
    }
}

#[test]
fn nothing_is_sent_to_a_phone_that_holds_the_old_way() {
    let hold = ["m=audio 4000 RTP/AVP 8", "c=IN IP4 0.0.0.0", "a=rtcp:4001 IN IP4 198.51.100.4"];
    let agreed = agree(&hold).unwrap();
    assert_eq!(agreed.direction, Direction::RecvOnly);
    assert!(agreed.remote.ip().is_unspecified() && agreed.remote_rtcp.ip().is_unspecified());

    let both = [hold.as_slice(), &["a=recvonly"]].concat();
    assert_eq!(agree(&both).unwrap().direction, Direction::Inactive);
    let v6 = agree(&["m=audio 4000 RTP/AVP 8", "c=IN IP6 ::"]).unwrap();
    assert_eq!(v6.direction, Direction::RecvOnly);
}

#[test]
fn two_equal_descriptions_are_a_repetition_and_another_version_is_not() {
    assert_eq!(read(BARESIP), read(BARESIP));
    assert_ne!(read(BARESIP), read(&BARESIP.replace(" 8842 ", " 8843 ")));
}
