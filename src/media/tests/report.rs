//! RTCP: what we report, and what we make of the reports of others.

use super::*;
use crate::rtp::rtcp::{self, Block};

/// The reports that left since last asked.
fn reports(studio: &mut Studio) -> Vec<(u64, Packet)> {
    studio.left.extract_if(.., |it| it.1.port % 2 == 1).collect()
}

#[test]
fn reports_leave_every_five_seconds_more_or_less() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.wait(120_000);
    let reports = reports(&mut studio);
    let at: Vec<u64> = reports.iter().map(|it| it.0).collect();
    assert!((1250..=3750).contains(&(at[0] - 1000)));
    assert!(at.windows(2).all(|it| (2500..=7500).contains(&(it[1] - it[0]))));
    assert!((20..30).contains(&at.len()));
    for (_, packet) in &reports {
        assert_eq!((packet.port, packet.to), (port(1) + 1, agreed(1, &Codec::Pcmu).remote_rtcp));
    }
}

#[test]
fn a_report_says_what_was_sent_and_received() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    let mut sr = Vec::new();
    let sent = rtcp::Sent { ntp: 0x0001_2222_3333_0000, timestamp: 1, packets: 2, octets: 3 };
    rtcp::Report { ssrc: 77, sent: Some(sent), block: None, cname: "phone" }.write(&mut sr);
    assert_eq!(studio.receive(1, peer(1), &mut sr), None);
    for n in [0, 1, 3] {
        studio.hear(1, frame(n));
    }
    studio.play(1, 1, "beep");
    studio.wait(300);
    while studio.left.iter().all(|it| it.1.port % 2 == 0) {
        studio.wait(1);
    }
    let (at, packet) = reports(&mut studio).remove(0);
    let mut read = rtcp::parse(&packet.bytes);
    let Some(rtcp::Packet::Sender { ssrc, sent, blocks }) = read.next() else { panic!() };
    assert_eq!((ssrc, sent.packets, sent.octets), (0x1001, 15, 15 * 160));
    let passed = (at - 1000) as u32 * 8;
    assert!(sent.timestamp.wrapping_sub((u32::MAX - 100).wrapping_add(passed)) < 8);
    assert_eq!(sent.ntp >> 32, at / 1000);
    let since_sr = ((at - 1000) * 65_536 / 1000) as u32;
    let block = blocks.last().unwrap();
    assert!(block.since_sr.abs_diff(since_sr) < 66);
    let expected = Block {
        ssrc: 77,
        fraction_lost: 64,
        lost: 1,
        highest_seq: 5003,
        jitter: block.jitter,
        last_sr: 0x2222_3333,
        since_sr: block.since_sr,
    };
    assert_eq!(block, expected);
    let name = rtcp::Packet::Description { ssrc: 0x1001, cname: Some(b"1@moonswitch") };
    assert_eq!(read.next(), Some(name));
    assert_eq!(read.next(), None);
}

#[test]
fn who_only_listens_reports_as_a_receiver() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.play(1, 1, "beep");
    studio.wait(30_000);
    let kinds: Vec<u8> = reports(&mut studio).iter().map(|it| it.1.bytes[1]).collect();
    // Who has sent is a sender until the second report behind it.
    assert_eq!(kinds[..2], [200, 200]);
    assert!(kinds[2..].iter().all(|it| *it == 201));
}

#[test]
fn a_stream_that_spoke_says_goodbye() {
    let mut studio = Studio::with(2, &Codec::Pcmu);
    studio.play(1, 1, "beep");
    studio.wait(100);
    studio.close(1);
    let (_, packet) = reports(&mut studio).remove(0);
    let last = rtcp::parse(&packet.bytes).last();
    assert_eq!(last, Some(rtcp::Packet::Bye { ssrc: 0x1001 }));
    // Who never said anything does not.
    studio.close(2);
    assert_eq!(reports(&mut studio), []);
    assert_eq!((studio.plane.census(), studio.plane.poll_timeout()), (0, None));
}

#[test]
fn reports_of_others_end_here() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let mut rr = Vec::new();
    rtcp::Report { ssrc: 77, sent: None, block: None, cname: "phone" }.write(&mut rr);
    for to in [port(1), port(1) + 1] {
        let mut out = Out::default();
        let relayed = studio.plane.receive(studio.now, to, peer(1), &mut rr, &mut out);
        assert_eq!((relayed, out), (None, Out::default()));
    }
    // Strangers' and broken ones are counted.
    studio.receive(1, ([192, 0, 2, 99], 4001).into(), &mut rr);
    studio.receive(1, peer(1), &mut [0x80, 200, 0, 0]);
    assert_eq!(studio.close(1), Stats { refused: 2, ..Stats::default() });
}

#[test]
fn nobody_reports_to_an_address_that_is_none() {
    let mut studio = Studio::new();
    studio.open(1);
    studio.wait(20_000);
    studio.agree(1, |it| it.remote_rtcp = ([0, 0, 0, 0], 4001).into());
    studio.wait(20_000);
    assert_eq!(studio.left, []);
    studio.agree(1, |_| {});
    studio.wait(10_000);
    assert!(!studio.left.is_empty());
}
