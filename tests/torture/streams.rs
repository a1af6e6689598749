//! Streams that hold more or less than one message.

use moonswitch::sip::message::Message;

use crate::bench::Bench;
use crate::dialog::Dialog;

#[test]
fn fifty_requests_in_one_piece_or_in_many_get_fifty_answers_in_order() {
    let stream: Vec<u8> = (0..50).flat_map(|nth| options(nth, "")).collect();
    let mut bench = Bench::new(4);
    for piece in [stream.len(), 1_000, 7, 1] {
        let it = bench.tcp(&stream, piece);
        let ids: Vec<_> = it.answers.iter().filter_map(Message::call_id).collect();
        let wanted: Vec<_> = (0..50).map(|nth| format!("stream-{nth}")).collect();
        assert_eq!((ids, it.closed), (wanted.iter().map(String::as_str).collect(), false));
        // A stranger may not say so much every second.
        bench.rested();
    }
}

#[test]
fn a_bad_request_between_good_ones_ends_the_stream_only_when_its_end_is_in_doubt() {
    let mut bench = Bench::new(5);
    for (bad, wanted, closed) in [
        ("Max-Forwards: x\r\n", vec![200, 400, 200], false),
        ("Require: nothing\r\n", vec![200, 420, 200], false),
        ("\r\n\r\n", vec![200, 200, 200], false),
        ("l: 7\r\n", vec![200, 400], true),
        ("no colon\r\n", vec![200], true),
    ] {
        let stream = [options(1, ""), options(2, bad), options(3, "")].concat();
        let it = bench.tcp(&stream, 11);
        let statuses: Vec<_> = it.answers.iter().filter_map(Message::status).collect();
        assert_eq!((statuses, it.closed), (wanted, closed), "{bad:?}");
        assert!(bench.is_alive());
    }
}

#[test]
fn no_beginning_of_an_invite_is_one() {
    let mut bench = Bench::new(6);
    let mut challenge = bench.challenge();
    let before = bench.rested();
    let invite = challenge.answer(&Dialog::invite("*43"));
    let head = invite.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    for end in 0..invite.len() {
        let front = invite.get(..end).unwrap();
        assert!(bench.tcp(front, 5).answers.is_empty(), "{end} bytes on a stream");
        let statuses: Vec<_> = bench.udp(front).iter().filter_map(Message::status).collect();
        // From the blank line on it is a request whose body is cut off.
        assert_eq!(statuses, if end < head { vec![] } else { vec![400] }, "{end} bytes");
    }
    assert_eq!((bench.rested(), bench.calls()), (before, 0));
}

#[test]
fn a_connection_that_is_lost_right_behind_its_invite_leaves_nothing() {
    let mut bench = Bench::new(7);
    let before = bench.rested();
    for number in ["*43", "1002", "1999"] {
        let mut challenge = bench.challenge();
        let invite = challenge.answer(&Dialog::invite(number));
        let it = bench.tcp(&invite, 3);
        assert!(!it.closed && !it.answers.is_empty(), "{number}: {it:?}");
        assert!(bench.is_alive());
        assert_eq!(bench.rested(), before, "{number}");
    }
    assert_eq!(bench.calls(), 3);
}

fn options(nth: u32, more: &str) -> Vec<u8> {
    format!(
        "OPTIONS sip:pbx.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.77;branch=z9hG4bKs{nth}\r\n\
         From: <sip:ann@pbx.test>;tag=1\r\nTo: <sip:pbx.test>\r\nCall-ID: stream-{nth}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n{more}\r\n"
    )
    .into_bytes()
}
