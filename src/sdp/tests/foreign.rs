//! Codecs that we cannot speak travel through us when both ends share them.

use super::*;

/// A phone with wishes of its own.
const CALLER: [&str; 7] = [
    "m=audio 4000 RTP/AVP 9 18 0 97 98 99",
    "a=rtpmap:97 AMR/8000",
    "a=fmtp:97 octet-align=1; mode-set=0,2,4,7",
    "a=rtpmap:98 AMR/8000",
    "a=rtpmap:99 speex/16000",
    "a=fmtp:18 annexb=yes",
    "a=ptime:30",
];

/// The codecs of a list, in words.
fn words(codecs: &[Codec]) -> Vec<String> {
    codecs.iter().map(|it| format!("{}/{}", it.name(), it.clock_rate())).collect()
}

#[test]
fn a_callee_is_offered_what_the_caller_has_our_own_codecs_first() {
    let codecs = phone(&CALLER).codecs();
    let names = ["PCMU/8000", "G722/8000", "G729/8000", "AMR/8000", "AMR/8000", "speex/16000"];
    assert_eq!(words(&codecs), names);
    let ours = offer(&local(40000), &codecs);
    let (_, audio) = ours.text().split_once("t=0 0\r\n").unwrap();
    let expected = "m=audio 40000 RTP/AVP 0 9 18 97 98 99 100 101\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:9 G722/8000\r\n\
        a=rtpmap:18 G729/8000\r\n\
        a=fmtp:18 annexb=yes\r\n\
        a=rtpmap:97 AMR/8000\r\n\
        a=fmtp:97 octet-align=1; mode-set=0,2,4,7\r\n\
        a=rtpmap:98 AMR/8000\r\n\
        a=rtpmap:99 speex/16000\r\n\
        a=rtpmap:100 telephone-event/16000\r\n\
        a=fmtp:100 0-15\r\n\
        a=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\n\
        a=ptime:20\r\na=sendrecv\r\n";
    // Events of 16000 take the first number that is free.
    assert_eq!(audio.replace("96", "100"), expected);
}

#[test]
fn what_the_callee_says_of_the_codec_reaches_the_caller() {
    let caller = phone(&CALLER);
    let ours = offer(&local(40000), &caller.codecs());
    for (answer_of, number, parameters) in [
        (&["m=audio 5000 RTP/AVP 18", "a=fmtp:18 annexb=no"][..], 18, "annexb=no"),
        (
            &["m=audio 5000 RTP/AVP 97", "a=rtpmap:97 AMR/8000", "a=fmtp:97 octet-align=1"],
            97,
            "octet-align=1",
        ),
        (&["m=audio 5000 RTP/AVP 98", "a=rtpmap:98 amr/8000"], 98, ""),
    ] {
        let callee = ours.accept(&phone(answer_of), Direction::SendRecv).unwrap();
        assert_eq!((callee.pt_in, callee.codec.parameters()), (number, parameters));
        let answer = answer(
            &local(40002),
            &caller,
            std::slice::from_ref(&callee.codec),
            Direction::SendRecv,
        )
        .unwrap();
        // The legs relay to each other only what is the same codec.
        assert_eq!(answer.agreed.codec, callee.codec);
        assert_eq!(answer.agreed.pt_in, number);
        let line = format!("a=fmtp:{number} {parameters}\r\n");
        assert_eq!(answer.text.contains(&line), !parameters.is_empty(), "{}", answer.text);
    }
}

#[test]
fn a_number_that_means_something_else_here_is_changed_on_the_way() {
    let lines = ["m=audio 4000 RTP/AVP 107 96 101 120", "a=rtpmap:107 iLBC/8000"];
    let others = ["a=fmtp:107 mode=30", "a=rtpmap:96 speex/8000", "a=rtpmap:120 opus/48000/2"];
    let caller = phone(&[&lines[..], &others[..]].concat());
    let ours = offer(&local(40000), &caller.codecs());
    let seen = read(ours.text());
    assert_eq!(words(&seen.codecs()), ["opus/48000", "iLBC/8000", "speex/8000"]);
    let ilbc = seen.codecs().swap_remove(1);
    assert!(!matches!(ilbc.number(), 96 | 101 | 107), "{ours:?}");
    assert_eq!(ilbc.parameters(), "mode=30");
    let theirs = answer(&local(50000), &seen, &[ilbc], Direction::SendRecv).unwrap();
    let callee = ours.accept(&read(&theirs.text), Direction::SendRecv).unwrap();
    let back = answer(&local(40002), &caller, &[callee.codec], Direction::SendRecv).unwrap();
    assert_eq!((back.agreed.pt_in, back.agreed.codec.name()), (107, "iLBC"));
}

#[test]
fn without_a_callee_the_caller_is_answered_with_a_codec_that_we_speak() {
    let caller = phone(&CALLER);
    let answered = answer(&local(40000), &caller, &caller.codecs(), Direction::SendRecv).unwrap();
    assert_eq!(answered.agreed.codec, Codec::Pcmu);
    let foreign = phone(&["m=audio 4000 RTP/AVP 18"]);
    let answered = answer(&local(40000), &foreign, &foreign.codecs(), Direction::SendRecv).unwrap();
    assert!(answered.agreed.codec.is_foreign());
}

#[test]
fn what_travels_beside_a_codec_or_would_break_a_description_is_not_passed_on() {
    for name in ["CN", "red", "telephone-event", "opus", "pcma", "", "a b", "a/b", "ü"] {
        assert_eq!(Codec::other(name, 16_000, 1, 97, ""), None, "{name}");
    }
    for parameters in ["a\rb=c", "a\nb", "\0", "ü", &"x".repeat(257)] {
        assert_eq!(Codec::other("AMR", 8000, 1, 97, parameters), None, "{parameters:?}");
    }
    assert_eq!(Codec::other("AMR", 0, 1, 97, ""), None);
    assert_eq!(Codec::other("AMR", 4_000_000_000, 1, 97, ""), None);
    assert_eq!(Codec::other("AMR", 8000, 0, 97, ""), None);
    assert_eq!(phone(&["m=audio 4000 RTP/AVP 13 19 72 9", "a=rtpmap:9 G729/8000"]).codecs(), []);
    // Half of the world writes the sampling rate of G.722 where its clock should stand.
    let wide = phone(&["m=audio 4000 RTP/AVP 9", "a=rtpmap:9 G722/16000"]).codecs();
    assert_eq!(words(&wide), ["G722/8000"]);
}

#[test]
fn an_offer_of_sixty_codecs_is_not_passed_on_whole() {
    let numbers: Vec<String> = (35..64).chain(96..127).map(|it| it.to_string()).collect();
    let mut lines = vec![format!("m=audio 4000 RTP/AVP {}", numbers.join(" "))];
    lines.extend(numbers.iter().map(|it| format!("a=rtpmap:{it} X{it}/8000")));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let codecs = phone(&lines).codecs();
    assert_eq!(codecs.len(), 12);
    assert_eq!(read(offer(&local(40000), &codecs).text()).codecs().len(), 12);
}

#[test]
fn the_length_of_packets_is_announced_through() {
    for ms in [10, 20, 30, 40] {
        let wish = format!("a=ptime:{ms}");
        let caller = phone(&["m=audio 4000 RTP/AVP 8", &wish]);
        assert_eq!(caller.packet_ms(), ms);
        let ours = offer(&Local { ptime_ms: caller.packet_ms(), ..local(40000) }, &[Codec::Pcma]);
        assert!(ours.text().contains(&format!("{wish}\r\n")));
        let callee = ours.accept(&phone(&["m=audio 5000 RTP/AVP 8", &wish]), Direction::SendRecv);
        let local = Local { ptime_ms: callee.unwrap().ptime_ms, ..local(40002) };
        let back = answer(&local, &caller, &[Codec::Pcma], Direction::SendRecv).unwrap();
        assert!(back.text.contains(&format!("{wish}\r\n")));
    }
}
