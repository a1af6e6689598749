//! A peer that is gone is noticed; one that has a right to be silent is left in peace.

use super::*;
use std::time::Duration;

const SILENT: Event = Event::Silent { stream: StreamId(1) };

/// A studio whose stream 1 may be silent for five seconds.
fn patient() -> Studio {
    let mut studio = Studio::new();
    studio.tell(Command::Open(Open {
        stream: StreamId(1),
        call: CallId(1),
        port: port(1),
        ssrc: 1,
        seq: 1,
        timestamp: 1,
        cname: String::new(),
        silence: Some(Duration::from_secs(5)),
    }));
    studio
}

#[test]
fn a_peer_that_never_speaks_is_told_once_in_each_span() {
    let mut studio = patient();
    studio.wait(60_000);
    assert_eq!(studio.events, [], "nothing was agreed on");
    studio.agree(1, |_| {});
    studio.wait(4999);
    assert_eq!(studio.events, []);
    studio.wait(1);
    assert_eq!(studio.events, [SILENT]);
    studio.wait(5000);
    assert_eq!(studio.events, [SILENT, SILENT]);
    studio.close(1);
    assert_eq!(studio.plane.poll_timeout(), None);
}

#[test]
fn every_sign_of_life_counts() {
    let mut studio = patient();
    studio.agree(1, |_| {});
    let mut n = 0;
    let mut life = |studio: &mut Studio, payload_type| {
        studio.wait(4000);
        n += 1;
        studio.hear(1, Header { payload_type, ..frame(n) });
    };
    // Sound (a codec that leaves silence out still says a word now and then), comfort noise, digits.
    for payload_type in [0, 13, 97, 0] {
        life(&mut studio, payload_type);
    }
    studio.wait(4000);
    let report = rtcp_of(9);
    studio.receive(1, ([192, 0, 2, 1], 4001).into(), &mut report.clone());
    studio.wait(4999);
    assert_eq!(studio.events.iter().filter(|it| **it == SILENT).count(), 0);
    studio.wait(1);
    assert_eq!(studio.events.last(), Some(&SILENT));
}

#[test]
fn a_stranger_and_junk_are_no_life() {
    let mut studio = patient();
    studio.agree(1, |_| {});
    studio.wait(4000);
    studio.hear_from(1, ([192, 0, 2, 99], 4000).into(), frame(0));
    studio.receive(1, ([192, 0, 2, 99], 4001).into(), &mut rtcp_of(9));
    studio.hear(1, Header { payload_type: 3, ..frame(1) });
    studio.receive(1, peer(1), &mut [0; 20]);
    studio.wait(1000);
    assert_eq!(studio.events, [SILENT]);
}

#[test]
fn who_holds_or_is_held_may_be_silent() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (direction, peer) in
        [(RecvOnly, SendOnly), (Inactive, Inactive), (SendOnly, RecvOnly), (Inactive, SendRecv)]
    {
        let mut studio = patient();
        studio.agree(1, |_| {});
        studio.wait(4000);
        studio.agree(1, |it| (it.direction, it.peer) = (direction, peer));
        studio.wait(60_000);
        assert_eq!(studio.events, [], "{direction:?} {peer:?}");
        // And from the end of the hold on it is expected again.
        studio.agree(1, |_| {});
        studio.wait(4999);
        assert_eq!(studio.events, []);
        studio.wait(1);
        assert_eq!(studio.events, [SILENT]);
    }
}

#[test]
fn comfort_noise_goes_no_further_and_is_no_loss() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    assert!(studio.hear(1, frame(0)).is_some());
    assert_eq!(studio.hear(1, Header { payload_type: 13, ..frame(1) }), None);
    assert!(studio.hear(1, frame(2)).is_some());
    let stats = studio.close(1);
    assert_eq!((stats.received, stats.lost, stats.refused), (3, 0, 0));
}

fn rtcp_of(ssrc: u32) -> Vec<u8> {
    let report = crate::rtp::rtcp::Report { ssrc, sent: None, block: None, cname: "peer" };
    let mut bytes = Vec::new();
    report.write(&mut bytes);
    bytes
}
