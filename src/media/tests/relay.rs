//! What one peer says and another hears.

use super::*;

/// What leaves of a packet, that is expected to leave.
fn leaves(studio: &mut Studio, stream: u64, header: Header) -> Header {
    studio.hear(stream, header).unwrap_or_else(|| panic!("{header:?} is not relayed")).1
}

#[test]
fn a_packet_leaves_from_the_partners_port_with_the_partners_numbers() {
    let foreign = Codec::other("G722", 8000, 1, 9, "").unwrap();
    for codec in &[Codec::Pcmu, Codec::Pcma, Codec::Opus, foreign] {
        let mut studio = Studio::joined(codec);
        let header = Header { marker: true, payload_type: agreed(1, codec).pt_in, ..frame(0) };
        let (relayed, out) = studio.hear(1, header).unwrap();
        assert_eq!(relayed, Relayed { port: port(2), to: peer(2), len: 172 });
        let expected = Header {
            marker: true,
            payload_type: agreed(2, codec).pt_out,
            seq: 65_534,
            timestamp: u32::MAX - 100,
            ssrc: 0x1002,
        };
        assert_eq!(out, expected);
        assert_eq!((studio.close(1).received, studio.close(2).sent), (1, 1));
    }
}

#[test]
fn gaps_order_and_repeats_stay_across_both_wraps() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let mut heard = Vec::new();
    for n in [0, 1, 4, 3, 3, 5] {
        let out = leaves(&mut studio, 1, frame(n));
        let seq = out.seq.wrapping_sub(65_534);
        let timestamp = out.timestamp.wrapping_sub(u32::MAX - 100);
        heard.push((seq, timestamp / 160));
        studio.wait(20);
    }
    assert_eq!(heard, [(0, 0), (1, 1), (4, 4), (3, 3), (3, 3), (5, 5)]);
    assert_eq!(studio.close(1).lost, 1);
}

#[test]
fn another_partner_goes_on_where_the_one_before_stopped() {
    let mut studio = Studio::with(3, &Codec::Pcmu);
    studio.tell(Command::Join { a: StreamId(1), b: StreamId(2) });
    let before = leaves(&mut studio, 1, frame(0));
    studio.tell(Command::Join { a: StreamId(3), b: StreamId(2) });
    studio.wait(500);
    assert_eq!(studio.hear(1, frame(1)), None);
    let other = Header { seq: 9, timestamp: 4_000_000_000, ssrc: 5, ..frame(0) };
    let after = leaves(&mut studio, 3, other);
    assert_eq!(after.seq, before.seq.wrapping_add(1));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(500 * 8));
    assert_eq!(after.ssrc, before.ssrc);
}

#[test]
fn somebody_who_follows_at_once_is_a_frame_later() {
    let mut studio = Studio::with(3, &Codec::Pcmu);
    studio.tell(Command::Join { a: StreamId(1), b: StreamId(2) });
    let before = leaves(&mut studio, 1, frame(0));
    studio.tell(Command::Join { a: StreamId(3), b: StreamId(2) });
    let after = leaves(&mut studio, 3, frame(900));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(160));
}

#[test]
fn a_peer_that_begins_anew_is_joined_on_without_a_gap() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let before = leaves(&mut studio, 1, frame(0));
    studio.wait(20);
    // Another SSRC at once.
    let anew = Header { ssrc: 78, seq: 100, timestamp: 5, ..frame(0) };
    let after = leaves(&mut studio, 1, anew);
    assert_eq!(after.seq, before.seq.wrapping_add(1));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(160));
    // A packet from before does not come back to life.
    assert_eq!(studio.hear(1, Header { seq: 99, ..anew }), None);
    studio.wait(20);
    // A jump of the sequence with its second packet.
    assert_eq!(studio.hear(1, Header { seq: 30_000, ..anew }), None);
    studio.wait(20);
    let jumped = leaves(&mut studio, 1, Header { seq: 30_001, timestamp: 99, ..anew });
    assert_eq!(jumped.seq, after.seq.wrapping_add(1));
    assert_eq!(jumped.timestamp, after.timestamp.wrapping_add(320));
    assert_eq!(studio.close(1).lost, 0);
}

#[test]
fn a_clock_that_jumps_alone_is_set_right() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let before = leaves(&mut studio, 1, frame(0));
    studio.wait(20);
    let jumped = leaves(&mut studio, 1, Header { timestamp: 3_000_000_000, ..frame(1) });
    assert_eq!(jumped.seq, before.seq.wrapping_add(1));
    assert_eq!(jumped.timestamp, before.timestamp.wrapping_add(160));
}

#[test]
fn a_pause_of_the_peer_stays_a_pause() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let before = leaves(&mut studio, 1, frame(0));
    studio.wait(60_000);
    let later = Header { marker: true, timestamp: 700_000 + 480_000, ..frame(1) };
    let after = leaves(&mut studio, 1, later);
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(480_000));
    assert!(after.marker);
}

#[test]
fn digits_go_to_the_partner_with_its_payload_type_or_not_at_all() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let before = leaves(&mut studio, 1, frame(0));
    studio.wait(20);
    // The timestamp of an event is that of its beginning, also when seconds have passed.
    for n in 1..400 {
        let event =
            Header { marker: n == 1, payload_type: 97, timestamp: frame(1).timestamp, ..frame(n) };
        let out = leaves(&mut studio, 1, event);
        assert_eq!((out.payload_type, out.marker), (112, n == 1));
        assert_eq!(out.timestamp, before.timestamp.wrapping_add(160));
        studio.wait(20);
    }
    let after = leaves(&mut studio, 1, frame(400));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(400 * 160));
    studio.agree(2, |it| it.dtmf = None);
    assert_eq!(studio.hear(1, Header { payload_type: 97, ..frame(401) }), None);
    assert_eq!(leaves(&mut studio, 1, frame(402)).seq, after.seq.wrapping_add(2));
    assert_eq!(studio.close(1).refused, 0);
}

#[test]
fn an_echo_comes_back_as_the_peer_wants_to_hear_it() {
    let mut studio = Studio::joined(&Codec::Opus);
    studio.tell(Command::Echo { stream: StreamId(1), on: true });
    let audio = Header { payload_type: 96, ..frame(0) };
    let (relayed, out) = studio.hear(1, audio).unwrap();
    assert_eq!((relayed.port, relayed.to), (port(1), peer(1)));
    assert_eq!((out.ssrc, out.seq, out.payload_type), (0x1001, 65_534, 101));
    assert_eq!(studio.hear(2, audio), None);
    studio.tell(Command::Echo { stream: StreamId(1), on: false });
    studio.wait(20);
    let next = Header { payload_type: 96, ..frame(1) };
    let (relayed, out) = studio.hear(2, next).unwrap();
    assert_eq!((relayed.to, out.seq), (peer(1), 65_535));
    assert_eq!(out.timestamp, (u32::MAX - 100).wrapping_add(960));
}

#[test]
fn directions_hold_on_both_sides() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for speaker in [SendRecv, SendOnly, RecvOnly, Inactive] {
        for listener in [SendRecv, SendOnly, RecvOnly, Inactive] {
            let mut studio = Studio::joined(&Codec::Pcmu);
            studio.agree(1, |it| it.direction = speaker);
            studio.agree(2, |it| it.direction = listener);
            let is_heard =
                matches!(speaker, SendRecv | RecvOnly) && matches!(listener, SendRecv | SendOnly);
            assert_eq!(studio.hear(1, frame(0)).is_some(), is_heard, "{speaker:?} {listener:?}");
            assert_eq!(studio.close(1).received, 1);
        }
    }
}

#[test]
fn a_hold_leaves_no_gap_in_the_sequence() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let before = leaves(&mut studio, 1, frame(0));
    studio.agree(2, |it| it.remote = ([0, 0, 0, 0], 4000).into());
    for n in 1..50 {
        studio.wait(20);
        assert_eq!(studio.hear(1, frame(n)), None);
    }
    studio.agree(2, |_| {});
    studio.wait(20);
    let after = leaves(&mut studio, 1, frame(50));
    assert_eq!(after.seq, before.seq.wrapping_add(1));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(50 * 160));
}

#[test]
fn who_comes_back_leaves_no_gap_for_the_time_away() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let mut last = leaves(&mut studio, 1, frame(0));
    let again = Command::Join { a: StreamId(2), b: StreamId(1) };
    let absences: [(Command, Command); 2] = [
        (Command::Part { stream: StreamId(2) }, again.clone()),
        (
            Command::Echo { stream: StreamId(2), on: true },
            Command::Echo { stream: StreamId(2), on: false },
        ),
    ];
    for (n, (leave, come)) in (1..).zip(absences) {
        studio.tell(leave);
        for missed in 1..20 {
            studio.wait(20);
            assert_eq!(studio.hear(1, frame(n * 20 - 20 + missed)), None);
        }
        studio.tell(come);
        studio.wait(20);
        let after = leaves(&mut studio, 1, frame(n * 20));
        assert_eq!(after.seq, last.seq.wrapping_add(1));
        assert_eq!(after.timestamp, last.timestamp.wrapping_add(20 * 160));
        last = after;
    }
    // To be joined with whom one is joined with changes nothing: a loss stays a loss.
    studio.tell(again);
    assert_eq!(leaves(&mut studio, 1, frame(42)).seq, last.seq.wrapping_add(2));
}

#[test]
fn legs_of_different_codecs_do_not_hear_each_other() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    studio.agree(2, |it| *it = agreed(2, &Codec::Pcma));
    assert_eq!(studio.hear(1, frame(0)), None);
    assert_eq!((studio.close(1).refused, studio.close(2).sent), (1, 0));
}

#[test]
fn former_partners_are_left_alone() {
    let mut studio = Studio::with(4, &Codec::Pcmu);
    studio.tell(Command::Join { a: StreamId(1), b: StreamId(2) });
    studio.tell(Command::Join { a: StreamId(3), b: StreamId(4) });
    studio.tell(Command::Join { a: StreamId(2), b: StreamId(3) });
    assert_eq!(studio.hear(1, frame(0)), None);
    assert_eq!(studio.hear(4, frame(0)), None);
    assert_eq!(studio.hear(2, frame(0)).map(|it| it.0.to), Some(peer(3)));
    assert_eq!(studio.hear(3, frame(0)).map(|it| it.0.to), Some(peer(2)));
    studio.tell(Command::Part { stream: StreamId(3) });
    assert_eq!(studio.hear(2, frame(1)), None);
    studio.tell(Command::Join { a: StreamId(1), b: StreamId(2) });
    studio.close(2);
    assert_eq!(studio.hear(1, frame(1)), None);
}

#[test]
fn packets_of_any_length_pass_as_they_are() {
    for (mine, theirs) in [(10, 40), (40, 10), (30, 20), (20, 30), (60, 10)] {
        let mut studio = Studio::joined(&Codec::Pcmu);
        studio.agree(1, |it| it.ptime_ms = mine);
        studio.agree(2, |it| it.ptime_ms = theirs);
        for (from, ms) in [(1, theirs), (2, mine)] {
            let samples = usize::from(ms) * 8;
            let mut expected = None;
            for n in 0..5_u16 {
                let timestamp = 9000 + u32::from(n) * samples as u32;
                let mut bytes = Vec::new();
                Header { timestamp, ..frame(n) }.write(&vec![0xff; samples], &mut bytes);
                let left = studio.receive(from, peer(from), &mut bytes).unwrap();
                assert_eq!(left.len, Header::LEN + samples);
                let header = Rtp::parse(&bytes).unwrap().header;
                let at = (header.seq, header.timestamp);
                assert_eq!(at, expected.unwrap_or(at), "{mine} {theirs}");
                let next = header.timestamp.wrapping_add(samples as u32);
                expected = Some((header.seq.wrapping_add(1), next));
                studio.wait(u64::from(ms));
            }
        }
    }
}

#[test]
fn a_codec_that_nobody_here_knows_passes_and_a_tone_to_it_is_silence() {
    let speex = Codec::other("speex", 16_000, 1, 97, "").unwrap();
    let mut studio = Studio::joined(&speex);
    let payload_type = agreed(1, &speex).pt_in;
    let first = leaves(&mut studio, 1, Header { payload_type, ..frame(0) });
    studio.play(2, 1, "beep");
    studio.wait(1000);
    assert!(matches!(studio.events.last(), Some(Event::Played { .. })));
    assert_eq!(studio.sent(), []);
    // Whoever begins anew goes on with the time that has passed, on the codec's own clock.
    let anew = Header { payload_type, ssrc: 78, ..frame(0) };
    let second = leaves(&mut studio, 1, anew);
    assert_eq!(second.timestamp, first.timestamp.wrapping_add(16_000));
}
