//! A session is renegotiated: holds in every spelling, streams that stop, offers of our own.

use super::*;

const BOTH: [&str; 2] = ["m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000"];

fn first() -> Answer {
    answer(&local(40000), &phone(&BOTH), &[Codec::Pcma], Direction::SendRecv).unwrap()
}

/// What comes of another offer of that phone.
fn again(lines: &[&str]) -> Result<Answer, Refused> {
    let last = first().agreed;
    answer_again(&local(40000), &phone(lines), &[Codec::Pcma], Direction::SendRecv, &last)
}

fn media(text: &str) -> Vec<&str> {
    text.lines().filter(|it| it.starts_with("m=")).collect()
}

#[test]
fn a_hold_is_a_hold_in_every_spelling_and_ends_as_it_came() {
    use Direction::{Inactive, RecvOnly};
    let head = "v=0\r\no=- 1 2 IN IP4 198.51.100.4\r\ns=-\r\n";
    let c = "c=IN IP4 198.51.100.4\r\n";
    let nowhere = "c=IN IP4 0.0.0.0\r\n";
    let audio = "m=audio 4000 RTP/AVP 8\r\n";
    for (text, direction) in [
        (format!("{head}{c}t=0 0\r\n{audio}a=sendonly\r\n"), RecvOnly),
        (format!("{head}{c}t=0 0\r\n{audio}a=inactive\r\n"), Inactive),
        (format!("{head}{c}t=0 0\r\na=sendonly\r\n{audio}"), RecvOnly),
        (format!("{head}{c}a=inactive\r\nt=0 0\r\n{audio}"), Inactive),
        (format!("{head}{nowhere}t=0 0\r\n{audio}"), RecvOnly),
        (format!("{head}{c}t=0 0\r\n{audio}{nowhere}"), RecvOnly),
        (format!("{head}{nowhere}t=0 0\r\n{audio}a=inactive\r\n"), Inactive),
        (format!("{head}{nowhere}t=0 0\r\n{audio}a=sendrecv\r\n"), RecvOnly),
    ] {
        let last = first().agreed;
        let answer = |text: &str| {
            let (offer, codecs) = (read(text), [Codec::Pcma]);
            answer_again(&local(40000), &offer, &codecs, Direction::SendRecv, &last).unwrap()
        };
        let held = answer(&text);
        assert_eq!(held.agreed.direction, direction, "{text}");
        assert!(held.agreed.is_held(), "{text}");
        assert!(held.text.ends_with(&format!("a={}\r\n", direction.word())), "{text}");
        let resumed = answer(&format!("{head}{c}t=0 0\r\n{audio}"));
        assert_eq!(resumed.agreed.direction, Direction::SendRecv);
        assert!(!resumed.agreed.is_held());
    }
}

#[test]
fn a_peer_that_only_wants_to_listen_does_not_hold_us() {
    let agreed = again(&[&BOTH[..], &["a=recvonly"]].concat()).unwrap().agreed;
    assert_eq!((agreed.direction, agreed.is_held()), (Direction::SendOnly, false));
}

#[test]
fn a_stream_that_stops_is_answered_with_port_0_and_may_begin_again() {
    let stopped = again(&["m=audio 0 RTP/AVP 8"]).unwrap();
    assert_eq!(media(&stopped.text), ["m=audio 0 RTP/AVP 8"]);
    assert_eq!(stopped.agreed.direction, Direction::Inactive);
    assert!(stopped.agreed.is_held());
    assert_eq!(stopped.agreed.remote, first().agreed.remote);
    assert_eq!(again(&BOTH).unwrap().agreed, first().agreed);
    let ours = reoffer(&local(40000), &stopped.layout, &[Codec::Pcma], Direction::SendRecv);
    assert_eq!(media(ours.text()), ["m=audio 40000 RTP/AVP 8 101"]);
}

#[test]
fn an_offer_that_repeats_itself_gets_the_same_answer() {
    assert_eq!(again(&BOTH).unwrap().text, first().text);
    assert_eq!(again(&BOTH).unwrap(), first());
}

#[test]
fn a_fax_is_refused_as_one_and_the_audio_stays() {
    let fax = "m=image 4010 udptl t38";
    assert_eq!(again(&[fax, "a=T38FaxVersion:0"]), Err(Refused::Fax));
    assert_eq!(again(&["m=audio 0 RTP/AVP 8", fax]), Err(Refused::Fax));
    let beside = again(&[BOTH[0], BOTH[1], fax]).unwrap();
    assert_eq!(media(&beside.text), ["m=audio 40000 RTP/AVP 8 101", "m=image 0 udptl t38"]);
    assert_eq!(again(&["m=video 4010 RTP/AVP 34"]), Err(Refused::NoAudio));
    assert_eq!(again(&["m=audio 4000 RTP/AVP 0"]), Err(Refused::NoCommonCodec));
}

#[test]
fn our_own_offer_keeps_the_lines_that_the_peer_once_offered() {
    let lines = [
        "m=video 4002 RTP/AVP 34 97",
        "m=audio 4004 RTP/AVP 111 110 0",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:110 telephone-event/48000",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ];
    let codecs = [Codec::Opus];
    let answered = answer(&local(40000), &phone(&lines), &codecs, Direction::SendRecv).unwrap();
    let next = Local { version: 2, ..local(40000) };
    let hold = reoffer(&next, &answered.layout, &codecs, Direction::SendOnly);
    let expected = [
        "m=video 0 RTP/AVP 34",
        "m=audio 40000 RTP/AVP 111 110 101",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ];
    assert_eq!(media(hold.text()), expected);
    assert!(hold.text().contains("\r\na=sendonly\r\n"));
    assert!(hold.text().contains("\r\no=- 7 2 IN IP4 192.0.2.10\r\n"));

    let reply = [
        "m=video 0 RTP/AVP 34",
        "m=audio 4004 RTP/AVP 111 110",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:110 telephone-event/48000",
        "a=recvonly",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ];
    let agreed = hold.accept(&phone(&reply), Direction::SendOnly).unwrap();
    assert_eq!((agreed.direction, agreed.is_held()), (Direction::SendOnly, false));
    assert_eq!((agreed.pt_in, agreed.dtmf), (111, Some((110, 110))));
    // And once more, from our own offer.
    let resume = reoffer(&next, hold.layout(), &codecs, Direction::SendRecv);
    assert_eq!(media(resume.text()), expected);
}

#[test]
fn a_number_keeps_its_meaning_when_the_partner_changes() {
    let lines =
        ["m=audio 4000 RTP/AVP 107 96", "a=rtpmap:107 iLBC/8000", "a=rtpmap:96 G726-32/8000"];
    let offer = phone(&lines);
    let ilbc = offer.codecs().swap_remove(0);
    let answered = answer(&local(40000), &offer, &[ilbc], Direction::SendRecv).unwrap();
    let codecs = [Codec::Opus, Codec::Pcma];
    let ours = reoffer(&local(40000), &answered.layout, &codecs, Direction::SendRecv);
    // 107 was iLBC and cannot be Opus now.
    assert!(!ours.text().contains(":107 "), "{}", ours.text());
    assert_eq!(read(ours.text()).codecs(), codecs);
}
