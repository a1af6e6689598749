//! Stories of a stream, and the same stories cut everywhere.

use super::*;
use crate::base::Rng;

const SEED: u64 = 0x5159_0018;

/// Five messages as phones write them: plain, compact, folded, with a body that looks like a
/// request, with lone line feeds.
const STREAM: [&str; 5] = [
    "OPTIONS sip:pbx.test SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n",
    "MESSAGE sip:pbx.test SIP/2.0\r\ni: 2\r\nl:4\r\n\r\n\r\n\r\n",
    "SIP/2.0 200 OK\r\nSubject: a\r\n folded\r\n \r\n line\r\nContent-Length:\r\n 5\r\n\r\nv=0\r\n",
    "MESSAGE sip:a SIP/2.0\r\nCONTENT-LENGTH : 55\r\n\r\n\
     BYE sip:pbx.test SIP/2.0\r\nl: 0\r\n\r\nBYE sip:b SIP/2.0\r\n\r\n",
    "ACK sip:pbx.test SIP/2.0\nl: 0\nContent-Length: 0\n\n",
];

#[test]
fn every_cut_of_five_messages_gives_the_same_five() {
    let stream = STREAM.concat().into_bytes();
    for cut in 0..=stream.len() {
        let (front, back) = stream.split_at(cut);
        assert_eq!(frames([front, back]), messages(&STREAM), "cut at {cut}");
    }
    assert_eq!(frames(stream.chunks(1)), messages(&STREAM));
}

#[test]
fn two_crlfs_between_messages_are_a_ping_however_they_come() {
    let stream = ["\r\n", STREAM[0], "\r\n\r\n", "\r\n", STREAM[1], "\n\r\r\n\r\n"].concat();
    let mut want = messages(&STREAM[..2]);
    want.insert(1, Frame::Ping);
    want.push(Frame::Ping);
    assert_eq!(frames([stream.as_bytes()]), want);
    assert_eq!(frames(stream.as_bytes().chunks(1)), want);
}

#[test]
fn a_connection_that_rests_holds_nothing() {
    let mut framer = Framer::default();
    framer.receive(STREAM.concat().as_bytes(), |_| {});
    framer.receive(b"\r\n\r\n\r\n", |_| {});
    assert!(!framer.is_inside());
    assert_eq!(framer.buffer.capacity(), 0);
    framer.receive(b"B", |_| {});
    assert!(framer.is_inside());
}

#[test]
fn a_length_that_leaves_doubt_breaks_the_stream() {
    let missing = Fault::Missing(Name::ContentLength);
    let malformed = Fault::Malformed(Name::ContentLength);
    for (header, why) in [
        ("X: 1", Broken::Length(missing)),
        ("l: -1", Broken::Length(malformed)),
        ("l: +1", Broken::Length(malformed)),
        ("l:", Broken::Length(malformed)),
        ("l: 5, 5", Broken::Length(malformed)),
        ("l: 0x5", Broken::Length(malformed)),
        ("l: 5\r\nContent-Length: 6", Broken::Length(Fault::ContentLengthConflict)),
        ("l: 65536", Broken::TooLong),
        ("l: 2147483648", Broken::TooLong),
        ("l: 18446744073709551616", Broken::TooLong),
    ] {
        let head = format!("OPTIONS sip:pbx.test SIP/2.0\r\n{header}\r\n\r\n");
        let stream = head.clone() + STREAM[0];
        let broken = Frame::Broken { why, head: Some(head.into()) };
        assert_eq!(frames([stream.as_bytes()]), [broken], "{header}");
    }
}

#[test]
fn what_is_no_header_part_breaks_the_stream_and_is_not_shown() {
    for (text, why) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ParseError::StartLine),
        ("OPTIONS sip:a SIP/2.0\r\nno colon\r\nl: 0\r\n\r\n", ParseError::Header),
        ("OPTIONS sip:a SIP/2.0\r\nl: 0\r\nl 0: 1\r\n\r\n", ParseError::Header),
    ] {
        let stream = text.to_owned() + STREAM[0];
        let broken = Frame::Broken { why: Broken::Unreadable(why), head: None };
        assert_eq!(frames([stream.as_bytes()]), [broken], "{text}");
    }
}

#[test]
fn a_header_part_may_fill_its_room_and_no_more() {
    let with = |size: usize| {
        let frame = "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n";
        let mut text = frame.to_owned();
        while text.len() + 2 < size {
            let more = (size - text.len() - 2).min(4000);
            // A line too short to be a header is made part of the one before it.
            let more =
                if (1..5).contains(&(size - text.len() - 2 - more)) { more - 5 } else { more };
            text += &format!("X:{}\r\n", "y".repeat(more - 4));
        }
        text + "\r\n"
    };
    let full = with(HEAD_MAX);
    assert_eq!(full.len(), HEAD_MAX);
    let message = [Frame::Message(full.clone().into())];
    assert_eq!(frames([full.as_bytes()]), message);
    assert_eq!(frames(full.as_bytes().chunks(1)), message);

    let more = with(HEAD_MAX + 1);
    let broken = [Frame::Broken { why: Broken::HeadTooLong, head: None }];
    assert_eq!(frames([more.as_bytes()]), broken);
    assert_eq!(frames(more.as_bytes().chunks(7)), broken);
    assert_eq!(frames([vec![b'x'; 10 << 20].as_slice()]), broken);
}

#[test]
fn the_longest_message_is_taken_whole() {
    let head = |length: usize| format!("OPTIONS sip:a SIP/2.0\r\nl: {length}\r\n\r\n");
    let room = MAX_MESSAGE - head(65_000).len();
    let longest = head(room) + &"\n".repeat(room);
    assert_eq!(frames(longest.as_bytes().chunks(1000)), [Frame::Message(longest.clone().into())]);
    let broken = Frame::Broken { why: Broken::TooLong, head: Some(head(room + 1).into()) };
    assert_eq!(frames([head(room + 1).as_bytes()]), [broken]);
}

#[test]
fn twenty_thousand_mutants_are_framed_the_same_however_they_are_cut() {
    let mut rng = Rng::from_seed(SEED);
    let (mut told, mut broken) = (0, 0);
    for round in 0..20_000 {
        let stream = mutant(&mut rng);
        let whole = frames([stream.as_slice()]);
        let mut framer = Framer::default();
        let (mut cut, mut rest) = (Vec::new(), stream.as_slice());
        while !rest.is_empty() {
            let (front, back) = rest.split_at(1 + rng.below(rest.len() as u64) as usize);
            framer.receive(front, |it| cut.push(it));
            assert!(framer.held() <= MAX_MESSAGE && framer.held() <= stream.len());
            rest = back;
        }
        assert_eq!(cut, whole, "seed {SEED:#x}, round {round}");
        for frame in &whole {
            match frame {
                Frame::Message(it) => {
                    // The reader of messages sees the same end as we do.
                    let message = Message::parse(it.clone()).unwrap();
                    assert_eq!(message.content_length(), Ok(Some(message.body().len() as u64)));
                    assert!(it.ends_with(message.body()));
                    told += 1;
                }
                Frame::Broken { .. } => broken += 1,
                Frame::Ping => {}
            }
        }
    }
    // Without these two the test could pass by taking or refusing everything.
    assert!(told > 20_000, "only {told} messages");
    assert!(broken > 2_000, "only {broken} broken");
}

fn mutant(rng: &mut Rng) -> Vec<u8> {
    const SPICE: &[u8] = b"\r\n\0 \t:;,-0159l\xff";
    let mut bytes = STREAM.concat().into_bytes();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() as u64) as usize;
        let to = (at + rng.below(12) as usize).min(bytes.len());
        let spice = SPICE[rng.below(SPICE.len() as u64) as usize];
        match rng.below(5) {
            0 => drop(bytes.drain(at..to)),
            1 => bytes.insert(at, spice),
            2 => bytes.extend_from_within(at..to),
            3 => drop(bytes.splice(at..at, vec![spice; rng.below(40) as usize])),
            _ => bytes[at] = spice,
        }
    }
    bytes
}

fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut framer = Framer::default();
    let mut all = Vec::new();
    for piece in pieces {
        framer.receive(piece, |it| all.push(it));
    }
    all
}

fn messages(texts: &[&'static str]) -> Vec<Frame> {
    texts.iter().map(|it| Frame::Message(Bytes::from_static(it.as_bytes()))).collect()
}
