//! The ring and its ladder, fed by hand.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::super::event::{By, Fact, What};
use super::super::plan::{Generation, Place};
use super::super::{Input, Output};
use super::{Depth, Detail, Ring, Traced};
use crate::base::{CallId, Cause, LegId, Mono, Now, Rng, Wall};
use crate::media::Stats;
use crate::sip::{Connection, Flow, Transport};

const MEGABYTE: usize = 1 << 20;

#[test]
fn ten_thousand_calls_stay_within_the_bytes() {
    let bound = 4 * MEGABYTE;
    let mut ring = Ring::new(bound);
    for n in 0..10_000 {
        a_call(&mut ring, n);
        assert!(ring.held() <= bound, "{} after {n} calls", ring.held());
    }
    assert!(ring.held() > bound / 2, "{}", ring.held());
    assert!(ring.find("c0").is_none() && ring.find("call-0").is_none());
    let last = ring.find("last").unwrap();
    assert_eq!(last.call(), CallId(9_999));
    for name in ["c270f", "call-9999", "leg-9999"] {
        assert_eq!(ring.find(name).unwrap().call(), last.call(), "{name}");
    }
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    let mut ring = Ring::new(64 << 10);
    for n in 0..100 {
        a_call(&mut ring, n);
    }
    let (calls, names) = ring.sizes();
    assert!(calls < 20 && names == 2 * calls, "{calls} calls have {names} names");
}

#[test]
fn without_bytes_nothing_is_remembered() {
    let mut ring = Ring::new(0);
    a_call(&mut ring, 1);
    assert!(ring.find("last").is_none());
    assert_eq!(ring.held(), 0);
}

#[test]
fn a_flood_in_one_call_hides_neither_others_nor_the_end() {
    let mut ring = Ring::new(16 * MEGABYTE);
    a_call(&mut ring, 1);
    begin(&mut ring, 2);
    for n in 0..20_000 {
        hear(&mut ring, 5, &message(&format!("INVITE sip:{n}@pbx SIP/2.0"), "call-2", "", "v=0"));
    }
    end(&mut ring, 2, 60_000);
    assert!(ring.held() < 2 * MEGABYTE, "{}", ring.held());
    let flooded = ring.find("c2").unwrap().ladder(Depth::Lines);
    assert!(flooded.contains("ended: hangup"), "no end");
    assert!(flooded.contains("more did not fit"), "nothing said");
    assert!(ring.find("c1").is_some());
}

#[test]
fn strangers_neither_become_calls_nor_push_calls_out() {
    let mut ring = Ring::new(MEGABYTE);
    a_call(&mut ring, 1);
    for n in 0..10_000 {
        let body = "x".repeat(n % 3000);
        hear(&mut ring, 1, &message("INVITE sip:1@pbx SIP/2.0", &format!("spam-{n}"), "", &body));
        hear(&mut ring, 1, &message("REGISTER sip:pbx SIP/2.0", &format!("reg-{n}"), "", ""));
        assert!(ring.held() <= MEGABYTE);
    }
    assert_eq!(ring.find("last").unwrap().call(), CallId(1));
    assert!(ring.find("spam-9999").is_none());
}

#[test]
fn the_challenge_before_a_call_stands_in_its_ladder() {
    let mut ring = Ring::new(MEGABYTE);
    a_call(&mut ring, 7);
    let ladder = ring.find("last").unwrap().ladder(Depth::Lines);
    let lines: Vec<_> = ladder.lines().collect();
    let place = |what: &str| {
        lines.iter().position(|it| it.contains(what)).unwrap_or_else(|| panic!("{what}\n{ladder}"))
    };
    assert!(place("407 Authenticate") < place("began: 1001 calls 1002"), "{ladder}");
    assert!(place("began") < place("main.lua:2 dial 1002 for 30 s"), "{ladder}");
    assert!(place("200 OK (BYE)") > place("ended: hangup"), "{ladder}");
    assert!(ladder.contains("audio of 1001: 150 received, 149 sent, 1 lost"), "{ladder}");
}

#[test]
fn secrets_are_masked_wherever_they_stand() {
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    let credentials = "Proxy-Authorization: Digest username=\"1001\", realm=\"a, response=b\",\r\n \
                       nonce=\"n\", Response = \"proof-1\", uri=\"sip:a\",response=proof-2\r\n\
                       AUTHORIZATION: Basic cHJvb2YtMw==\r\n\
                       Authorization : Digest response=\"proof-4\"\r\n\
                       Authentication-Info: rspauth=\"proof-5\"\r\n";
    let keys = "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:proof6\r\na=ice-pwd:proof7\r\n";
    let bytes = message("INVITE sip:1002@pbx SIP/2.0", "call-1", credentials, keys);
    hear(&mut ring, 1, &bytes);
    let sms = b"MESSAGE sip:1002@pbx SIP/2.0\r\nCall-ID: call-1\r\nCSeq: 3 MESSAGE\r\n\
                Content-Type: text/plain\r\n\r\nproof-8";
    hear(&mut ring, 2, sms);
    let trace = ring.find("last").unwrap();
    for shown in [trace.ladder(Depth::Messages), trace.json()] {
        assert!(!shown.contains("proof") && !shown.contains("cHJv"), "{shown}");
        assert!(shown.contains("username=") && shown.contains("AES_CM_128"), "{shown}");
        assert!(shown.contains("7 bytes of a body are not kept"), "{shown}");
    }
}

#[test]
fn a_peer_cannot_write_to_the_terminal() {
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    let evil = "INVITE sip:a\u{1b}[2J\u{202e}b@pbx SIP/2.0";
    hear(&mut ring, 1, &message(evil, "call-1", "X-Odd: \u{7}\u{9b}\u{2066}\r\n", ""));
    let said = What::Said { text: "\u{1b}]0;owned".into(), at: place() };
    fact(&mut ring, 1, 1, said);
    for shown in [Depth::Lines, Depth::Messages].map(|it| ring.find("last").unwrap().ladder(it)) {
        let odd = shown
            .chars()
            .find(|it| (it.is_control() && *it != '\n') || matches!(it, '\u{202e}' | '\u{2066}'));
        assert_eq!(odd, None, "{shown}");
    }
}

#[test]
fn what_is_sent_again_is_said_to_be() {
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    let invite = message("INVITE sip:1002@pbx SIP/2.0", "call-1", "", "");
    hear(&mut ring, 0, &invite);
    hear(&mut ring, 500, &invite);
    let ladder = ring.find("last").unwrap().ladder(Depth::Lines);
    assert_eq!(ladder.matches("INVITE sip:1002@pbx").count(), 2, "{ladder}");
    assert_eq!(ladder.matches("INVITE sip:1002@pbx again").count(), 1, "{ladder}");
}

#[test]
fn a_body_is_kept_when_it_describes_a_session() {
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    let mut bytes = b"\r\n\r\n".to_vec();
    bytes.extend(message("INVITE sip:1002@pbx SIP/2.0", "call-1", "", "v=0\r\ns=here\r\n"));
    bytes.extend(b"behind the end");
    hear(&mut ring, 0, &bytes);
    let shown = ring.find("last").unwrap().ladder(Depth::Messages);
    assert!(shown.contains("INVITE sip:1002@pbx") && shown.contains("s=here"), "{shown}");
    assert!(!shown.contains("behind the end"), "{shown}");
}

#[test]
fn a_message_from_elsewhere_is_said_to_be() {
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    let bytes = Bytes::from(message("INVITE sip:1002@pbx SIP/2.0", "call-1", "", ""));
    hear(&mut ring, 0, &bytes);
    let elsewhere = Flow { remote: SocketAddr::from(([203, 0, 113, 9], 6060)), ..flow() };
    ring.heard(now(1), &Input::Message { flow: elsewhere, bytes });
    let ladder = ring.find("last").unwrap().ladder(Depth::Lines);
    assert_eq!(ladder.matches("that peer: 203.0.113.9:6060").count(), 1, "{ladder}");
}

#[test]
fn a_message_of_a_stream_is_written_down_like_a_datagram() {
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    let bytes = Bytes::from(message("INVITE sip:1002@pbx SIP/2.0", "call-1", "", ""));
    let flow = Flow { transport: Transport::Tcp(Connection(7)), ..flow() };
    ring.heard(now(0), &Input::Message { flow, bytes: bytes.clone() });
    ring.done(now(1), &Output::Send { flow, bytes });
    let ladder = ring.find("last").unwrap().ladder(Depth::Lines);
    assert_eq!(ladder.matches("INVITE sip:1002@pbx").count(), 2, "{ladder}");
}

#[test]
fn who_ended_a_leg_and_which_layer_took_it_is_told() {
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    fact(&mut ring, 1, 1, What::FellBack { to: place() });
    let (leg, cause, status) = (LegId(2), Cause::Busy, Some(486));
    fact(&mut ring, 1, 2, What::LegEnded { leg, cause, status, by: By::Script });
    let ladder = ring.find("last").unwrap().ladder(Depth::Lines);
    for line in ["goes on below, at main.lua:2", "busy (486), by the script"] {
        assert!(ladder.contains(line), "{line}\n{ladder}");
    }
}

#[test]
fn a_script_that_dials_for_ever_stays_within_its_call() {
    let mut ring = Ring::new(16 * MEGABYTE);
    begin(&mut ring, 1);
    for n in 0..20_000 {
        let (leg, sip_call_id) = (LegId(10 + n), format!("fork-{n}"));
        detail(&mut ring, 1, n, Detail::Named { leg, sip_call_id });
        fact(&mut ring, 1, n, What::Dialled { leg, target: "1003".into() });
    }
    assert!(ring.held() < 2 * MEGABYTE, "{}", ring.held());
    assert!(ring.find("last").unwrap().ladder(Depth::Lines).contains("more did not fit"));
}

#[test]
fn whatever_comes_can_be_shown() {
    let mut rng = Rng::from_seed(7);
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    let credentials = "Authorization: Digest response=\"secret\"\r\n";
    let whole = message("INVITE sip:1002@pbx SIP/2.0", "call-1", credentials, "v=0\r\n");
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..=rng.below(6) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.bits32() as u8;
        }
        hear(&mut ring, 1, &bytes);
    }
    let trace = ring.find("last").unwrap();
    assert!(trace.ladder(Depth::Messages).lines().count() > 1_000);
    assert!(trace.json().ends_with("}\n"));
}

#[test]
fn json_is_escaped() {
    let mut ring = Ring::new(MEGABYTE);
    begin(&mut ring, 1);
    fact(&mut ring, 1, 1, What::Said { text: "a \"b\" \\ \u{1}\n".into(), at: place() });
    let json = ring.find("last").unwrap().json();
    assert!(json.contains(r#"says a \"b\" \\ \u0001\n"#), "{json}");
    assert!(json.contains(r#""sip_call_id":"call-1""#), "{json}");
}

/// A call of 1001 to 1002 with everything that belongs to one.
fn a_call(ring: &mut Ring, n: u64) {
    let (caller, callee) = (format!("call-{n}"), format!("leg-{n}"));
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
               m=audio 20000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";
    let invite = message("INVITE sip:1002@pbx SIP/2.0", &caller, "", sdp);
    hear(ring, 0, &invite);
    say(ring, 1, &message("SIP/2.0 407 Authenticate", &caller, "", ""));
    hear(ring, 2, &message("ACK sip:1002@pbx SIP/2.0", &caller, "", ""));
    hear(ring, 3, &invite);
    begin(ring, n);
    let asked = Detail::Asked { what: "dial 1002 for 30 s".into(), at: place() };
    detail(ring, n, 4, asked);
    let leg = LegId(2 * n + 1);
    detail(ring, n, 4, Detail::Named { leg, sip_call_id: callee.clone() });
    fact(ring, n, 4, What::Dialled { leg, target: "1002".into() });
    say(ring, 4, &message("INVITE sip:1002@phone SIP/2.0", &callee, "", sdp));
    hear(ring, 900, &message("SIP/2.0 200 OK", &callee, "", sdp));
    fact(ring, n, 900, What::Answered { leg });
    say(ring, 901, &message("SIP/2.0 200 OK", &caller, "", sdp));
    end(ring, n, 4_000);
    let bye = "SIP/2.0 200 OK\r\nCall-ID: CALL\r\nCSeq: 2 BYE\r\n\r\n".replace("CALL", &callee);
    hear(ring, 4_010, bye.as_bytes());
}

fn begin(ring: &mut Ring, n: u64) {
    let began = What::Began {
        leg: LegId(2 * n),
        from: "1001".into(),
        to: "1002".into(),
        sip_call_id: format!("call-{n}"),
        generation: Generation(1),
    };
    fact(ring, n, 3, began);
}

fn end(ring: &mut Ring, n: u64, ms: u64) {
    let ended =
        What::Ended { cause: Cause::Hangup, talked: Duration::from_millis(3_100), by: By::Peer };
    fact(ring, n, ms, ended);
    let stats = Stats { received: 150, sent: 149, lost: 1, jitter_us: 1_250, refused: 0 };
    detail(ring, n, ms + 1, Detail::Closed { leg: LegId(2 * n), stats });
}

fn message(start: &str, call_id: &str, headers: &str, sdp: &str) -> Vec<u8> {
    let method = start.split(' ').next().filter(|it| *it != "SIP/2.0").unwrap_or("INVITE");
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKabcdefgh;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1001@pbx>;tag=one\r\nTo: <sip:1002@pbx>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n{headers}Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

fn hear(ring: &mut Ring, ms: u64, bytes: &[u8]) {
    ring.heard(now(ms), &Input::Message { flow: flow(), bytes: Bytes::copy_from_slice(bytes) });
}

fn say(ring: &mut Ring, ms: u64, bytes: &[u8]) {
    ring.done(now(ms), &Output::Send { flow: flow(), bytes: Bytes::copy_from_slice(bytes) });
}

fn fact(ring: &mut Ring, call: u64, ms: u64, what: What) {
    ring.done(now(ms), &Output::Fact(Fact { call: Some(CallId(call)), at: now(ms).wall, what }));
}

fn detail(ring: &mut Ring, call: u64, ms: u64, detail: Detail) {
    ring.done(now(ms), &Output::Traced(Traced { call: CallId(call), detail }));
}

fn place() -> Place {
    Place { file: "main.lua".into(), line: 2 }
}

fn flow() -> Flow {
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    Flow { transport: Transport::Udp, local, remote: SocketAddr::from(([192, 0, 2, 7], 5060)) }
}

fn now(ms: u64) -> Now {
    Now { mono: Mono::from_millis(ms), wall: Wall(1_893_456_000_000_000 + ms * 1_000) }
}
