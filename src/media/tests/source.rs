//! Whom a stream believes, and where it sends to.

use super::*;

fn other_port(stream: u64, port: u16) -> SocketAddr {
    (peer(stream).ip(), port).into()
}

#[test]
fn strangers_are_neither_heard_nor_fed() {
    let mut studio = Studio::joined(Codec::Pcmu);
    assert_eq!(studio.hear_from(1, ([192, 0, 2, 99], 4000).into(), frame(0)), None);
    assert_eq!(studio.hear(2, frame(0)).map(|it| it.0.to), Some(peer(1)));
    assert_eq!(studio.close(1), Stats { refused: 1, sent: 1, ..Stats::default() });
}

#[test]
fn a_peer_behind_a_nat_is_answered_where_it_sends_from() {
    let mut studio = Studio::joined(Codec::Pcmu);
    assert_eq!(studio.hear(2, frame(0)).map(|it| it.0.to), Some(peer(1)));
    let real = other_port(1, 61_000);
    assert!(studio.hear_from(1, real, frame(0)).is_some());
    assert_eq!(studio.hear(2, frame(1)).map(|it| it.0.to), Some(real));
    // A refresh of the same agreement does not lose it, another address does.
    studio.agree(1, |it| it.ptime_ms = 40);
    assert_eq!(studio.hear(2, frame(2)).map(|it| it.0.to), Some(real));
    studio.agree(1, |it| it.remote.set_port(4242));
    assert_eq!(studio.hear(2, frame(3)).map(|it| it.0.to), Some(other_port(1, 4242)));
}

#[test]
fn a_neighbour_cannot_take_over_a_stream_that_is_alive() {
    let mut studio = Studio::joined(Codec::Pcmu);
    let (real, neighbour) = (other_port(1, 61_000), other_port(1, 62_000));
    assert!(studio.hear_from(1, real, frame(0)).is_some());
    studio.wait(2000);
    assert_eq!(studio.hear_from(1, neighbour, frame(1)), None);
    assert_eq!(studio.hear(2, frame(0)).map(|it| it.0.to), Some(real));
    // After a silence it may be the same phone behind a NAT that forgot it.
    studio.wait(1);
    assert!(studio.hear_from(1, neighbour, frame(1)).is_some());
    assert_eq!(studio.hear(2, frame(1)).map(|it| it.0.to), Some(neighbour));
    // The address that the peer gave is always its own.
    assert!(studio.hear(1, frame(2)).is_some());
    assert_eq!(studio.hear(2, frame(2)).map(|it| it.0.to), Some(peer(1)));
}

#[test]
fn what_is_no_packet_of_the_agreement_moves_nothing() {
    let mut studio = Studio::joined(Codec::Pcmu);
    let elsewhere = other_port(1, 61_000);
    assert_eq!(studio.hear_from(1, elsewhere, Header { payload_type: 3, ..frame(0) }), None);
    for junk in [&mut [0; 0][..], &mut [0; 4], &mut [0x80; 11], &mut [0x20; 40]] {
        assert_eq!(studio.receive(1, elsewhere, junk), None);
    }
    assert_eq!(studio.hear(2, frame(0)).map(|it| it.0.to), Some(peer(1)));
    // RTP on the port of RTCP.
    let mut bytes = Vec::new();
    frame(0).write(&[], &mut bytes);
    let mut out = Out::default();
    let relayed = studio.plane.receive(studio.now, port(1) + 1, peer(1), &mut bytes, &mut out);
    assert_eq!(relayed, None);
    let stats = studio.close(1);
    assert_eq!((stats.received, stats.refused), (0, 6));
}

#[test]
fn before_an_agreement_packets_are_counted_and_dropped() {
    let mut studio = Studio::with(1, Codec::Pcmu);
    studio.open(2, None);
    studio.tell(Command::Join { a: StreamId(1), b: StreamId(2) });
    assert_eq!(studio.hear(2, frame(0)), None);
    assert_eq!(studio.hear(1, frame(0)), None);
    studio.agree(2, |_| {});
    assert!(studio.hear(2, frame(1)).is_some());
    assert!(studio.hear(1, frame(1)).is_some());
    let expected = Stats { received: 1, sent: 1, refused: 1, ..Stats::default() };
    assert_eq!(studio.close(2), expected);
}

#[test]
fn a_dual_stack_socket_knows_its_peers() {
    let mut studio = Studio::joined(Codec::Pcmu);
    let mapped = "[::ffff:192.0.2.1]:4000".parse().unwrap();
    assert!(studio.hear_from(1, mapped, frame(0)).is_some());
}
