//! What is played, when, and for how long.

use super::*;
use std::sync::Arc;

use crate::audio::{dominant, g711, opus};

fn played(stream: u64, op: u64) -> Event {
    Event::Played { stream: StreamId(stream), op: OpId(op) }
}

fn times(sent: &[(u64, Packet, Header)]) -> Vec<u64> {
    sent.iter().map(|it| it.0 - 1000).collect()
}

/// What an ear hears in packets of a codec.
fn decode(codec: &Codec, packets: &[Vec<u8>]) -> Vec<i16> {
    let mut samples = Vec::new();
    let mut decoder = opus::Decoder::new().unwrap();
    for packet in packets {
        let payload = Rtp::parse(packet).unwrap().payload;
        match codec {
            Codec::Pcmu => samples.extend(payload.iter().map(|it| g711::from_ulaw(*it))),
            Codec::Pcma => samples.extend(payload.iter().map(|it| g711::from_alaw(*it))),
            Codec::Opus => decoder.decode(payload, &mut samples).unwrap(),
            Codec::Other(_) => panic!("nobody here can decode {codec:?}"),
        }
    }
    samples
}

#[test]
fn one_packet_leaves_every_twenty_milliseconds() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.play(1, 1, "440");
    studio.wait(999);
    assert_eq!(studio.events, []);
    studio.wait(1);
    assert_eq!(studio.events, [played(1, 1)]);
    let sent = studio.sent();
    assert_eq!(times(&sent), (0..50).map(|it| it * 20).collect::<Vec<_>>());
    for (n, (_, packet, header)) in sent.iter().enumerate() {
        assert_eq!((packet.port, packet.to, packet.bytes.len()), (port(1), peer(1), 172));
        assert_eq!(header.marker, n == 0);
        assert_eq!(header.seq, 65_534_u16.wrapping_add(n as u16));
        assert_eq!(header.timestamp, (u32::MAX - 100).wrapping_add(n as u32 * 160));
        assert_eq!((header.payload_type, header.ssrc), (0, 0x1001));
    }
}

#[test]
fn frames_are_as_long_as_the_peer_wants() {
    for (codec, ptime_ms, frame_ms) in &[
        (Codec::Pcma, 30, 30),
        (Codec::Pcma, 0, 20),
        (Codec::Pcma, 255, 20),
        (Codec::Opus, 60, 60),
        (Codec::Opus, 30, 20),
    ] {
        let mut studio = Studio::with(1, codec);
        studio.agree(1, |it| *it = Agreed { ptime_ms: *ptime_ms, ..agreed(1, codec) });
        studio.play(1, 1, "440");
        studio.wait(1100);
        let sent = studio.sent();
        assert_eq!(sent.len() as u64, 1000_u64.div_ceil(*frame_ms), "{codec:?} {ptime_ms}");
        let ticks = if *codec == Codec::Opus { 48 } else { 8 } * *frame_ms as u32;
        assert_eq!(sent[1].2.timestamp, sent[0].2.timestamp.wrapping_add(ticks));
        assert_eq!(studio.events, [played(1, 1)]);
    }
}

#[test]
fn late_ticks_do_not_shift_the_schedule() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.play(1, 1, "440");
    studio.wake();
    // 59 ms late: what was missed leaves now, what follows is in time.
    studio.now = Mono::from_millis(1079);
    studio.wake();
    studio.wait(20);
    assert_eq!(times(&studio.sent()), [0, 79, 79, 79, 80]);
}

#[test]
fn a_long_stall_makes_no_burst() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.play(1, 1, "440");
    studio.wake();
    studio.now = Mono::from_millis(6000);
    studio.wake();
    studio.wait(20);
    let sent = studio.sent();
    assert_eq!(times(&sent), [0, 5000, 5020]);
    // The sequence has no gap, the timestamps tell of the time that passed.
    assert_eq!(sent[1].2.seq, sent[0].2.seq.wrapping_add(1));
    assert_eq!(sent[1].2.timestamp, sent[0].2.timestamp.wrapping_add(5000 * 8));
    assert!(sent[1].2.marker && !sent[2].2.marker);
}

#[test]
fn a_player_is_heard_instead_of_the_partner() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let before = studio.hear(1, frame(0)).unwrap().1;
    studio.wait(20);
    studio.play(2, 1, "beep");
    for n in 1..=15 {
        assert_eq!(studio.hear(1, frame(n)), None);
        assert!(studio.hear(2, frame(n)).is_some());
        studio.wait(20);
    }
    let sent = studio.sent();
    assert_eq!((sent.len(), sent[0].2.seq), (15, before.seq.wrapping_add(1)));
    assert_eq!(sent[0].2.timestamp, before.timestamp.wrapping_add(160));
    let after = studio.hear(1, frame(16)).unwrap().1;
    assert_eq!(after.seq, before.seq.wrapping_add(16));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(16 * 160));
    assert_eq!(studio.close(1).received, 17);
    assert_eq!(studio.close(2).sent, 17);
}

#[test]
fn a_player_that_is_stopped_or_replaced_has_played() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.play(1, 1, "dial");
    studio.wait(30);
    studio.play(1, 2, "dial");
    assert_eq!(studio.events, [played(1, 1)]);
    studio.wait(30);
    studio.tell(Command::Stop { stream: StreamId(1), op: OpId(1) });
    assert_eq!(studio.events.len(), 1);
    studio.tell(Command::Stop { stream: StreamId(1), op: OpId(2) });
    assert_eq!(studio.events, [played(1, 1), played(1, 2)]);
    studio.wait(100);
    // The second began behind the last frame of the first, without a gap.
    assert_eq!(times(&studio.sent()), [0, 20, 40, 60]);
    studio.play(1, 3, "dial");
    studio.close(1);
    assert_eq!(studio.events[2], played(1, 3));
}

#[test]
fn where_nothing_can_be_sent_it_plays_in_silence_and_in_time() {
    let mut studio = Studio::new();
    studio.open(1);
    studio.play(1, 1, "440");
    studio.wait(490);
    assert_eq!(studio.sent(), []);
    // From the middle on there is somebody to hear it.
    studio.agree(1, |_| {});
    studio.wait(509);
    assert_eq!(studio.events, []);
    studio.wait(1);
    assert_eq!(studio.events, [played(1, 1)]);
    let sent = studio.sent();
    assert_eq!((sent.len(), sent[0].2.marker), (25, true));
    studio.agree(1, |it| it.direction = Direction::RecvOnly);
    studio.play(1, 2, "beep");
    studio.wait(300);
    assert_eq!(studio.events[1..], [played(1, 2)]);
    assert_eq!(studio.sent(), []);
}

#[test]
fn another_codec_in_the_middle_goes_on_in_the_tune() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.play(1, 1, "440");
    studio.wait(490);
    studio.agree(1, |it| *it = agreed(1, &Codec::Opus));
    studio.wait(510);
    let sent = studio.sent();
    assert_eq!((sent.len(), &studio.events), (50, &vec![played(1, 1)]));
    assert_eq!((sent[24].2.payload_type, sent[25].2.payload_type), (0, 101));
    let packets: Vec<_> = sent[25..].iter().map(|it| it.1.bytes.clone()).collect();
    let heard = decode(&Codec::Opus, &packets);
    assert_eq!(dominant(&heard, 48_000, &[350, 440, 620]), Some(440));
}

#[test]
fn samples_of_every_known_rate_sound_alike() {
    for codec in &[Codec::Pcmu, Codec::Opus] {
        for rate in [8000, 16_000, 48_000] {
            let mut samples = vec![0; rate as usize / 2 + 1];
            Tone::named("620").unwrap().fill(rate, 0, &mut samples);
            let source = Source::Samples { rate, samples: Arc::from(samples) };
            let mut studio = Studio::with(1, codec);
            studio.tell(Command::Play { stream: StreamId(1), op: OpId(1), source });
            studio.wait(520);
            assert_eq!(studio.events, [played(1, 1)]);
            let packets: Vec<_> = studio.sent().into_iter().map(|it| it.1.bytes).collect();
            assert_eq!(packets.len(), 26);
            let heard = decode(codec, &packets);
            let clock = if *codec == Codec::Opus { 48_000 } else { 8000 };
            assert_eq!(dominant(&heard, clock, &[440, 620, 1000]), Some(620));
        }
    }
}

#[test]
fn nothing_to_play_is_played_at_once_and_odd_rates_are_silent() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    for (op, rate, len) in [(1, 8000, 0), (2, 0, 100)] {
        let source = Source::Samples { rate, samples: vec![5; len].into() };
        studio.tell(Command::Play { stream: StreamId(1), op: OpId(op), source });
        studio.wait(0);
    }
    assert_eq!(studio.events, [played(1, 1), played(1, 2)]);
    for (op, rate) in [(3, 44_100), (4, u32::MAX), (5, 1)] {
        let source = Source::Samples { rate, samples: vec![9000; 10].into() };
        studio.tell(Command::Play { stream: StreamId(1), op: OpId(op), source });
        studio.wait(10_020);
        assert_eq!(studio.events.last(), Some(&played(1, op)));
        let packet = &studio.sent()[0].1.bytes;
        assert!(packet[12..].iter().all(|it| *it == 0xff));
    }
}

#[test]
fn a_tone_is_heard_through_two_planes_in_every_codec() {
    for codec in &[Codec::Pcmu, Codec::Pcma, Codec::Opus] {
        // Stream 1 of the far plane plays to stream 1 of the near one, which is joined with 2.
        let (mut far, mut near) = (Studio::with(1, codec), Studio::joined(codec));
        far.agree(1, |it| *it = Agreed { pt_out: agreed(1, codec).pt_in, ..agreed(1, codec) });
        far.play(1, 1, "440");
        let mut heard = Vec::new();
        for _ in 0..50 {
            far.wait(20);
            near.wait(20);
            for (_, mut packet, _) in far.sent() {
                let relayed = near.receive(1, peer(1), &mut packet.bytes).unwrap();
                assert_eq!(relayed.to, peer(2));
                heard.push(packet.bytes);
            }
        }
        let samples = decode(codec, &heard);
        let clock = if *codec == Codec::Opus { 48_000 } else { 8000 };
        assert_eq!(samples.len(), clock as usize);
        assert_eq!(dominant(&samples, clock, &[350, 440, 480, 620]), Some(440), "{codec:?}");
    }
}
