//! Whom a stream believes, and where it sends to.

use super::*;

fn other_port(stream: u64, port: u16) -> SocketAddr {
    (peer(stream).ip(), port).into()
}

/// Streams 1 and 2 joined; the peer of the first is behind a NAT and describes an address of its
/// own network, its signalling comes from 192.0.2.1.
fn behind_nat() -> Studio {
    let mut studio = Studio::with(2, &Codec::Pcmu);
    inside(&mut studio, peer(1).ip());
    studio.tell(Command::Join { a: StreamId(1), b: StreamId(2) });
    studio
}

fn inside(studio: &mut Studio, signalling: IpAddr) {
    studio.agree_with(1, signalling, |it| {
        it.remote = ([192, 168, 1, 2], 4000).into();
        it.remote_rtcp = ([192, 168, 1, 2], 4001).into();
    });
}

/// Where stream 1 sends what the peer of stream 2 says.
fn fed(studio: &mut Studio, n: u16) -> SocketAddr {
    studio.hear(2, frame(n)).unwrap().0.to
}

#[test]
fn strangers_are_neither_heard_nor_fed() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    for n in 0..100 {
        assert_eq!(studio.hear_from(1, ([192, 0, 2, 99], 4000).into(), frame(n)), None);
        studio.wait(100);
    }
    assert_eq!(fed(&mut studio, 0), peer(1));
    let stats = studio.close(1);
    assert_eq!((stats.received, stats.refused, stats.sent), (0, 100, 1));
}

#[test]
fn a_peer_behind_a_nat_is_answered_where_it_sends_from() {
    let mut studio = behind_nat();
    assert_eq!(fed(&mut studio, 0), "192.168.1.2:4000".parse().unwrap());
    let real = other_port(1, 61_000);
    assert!(studio.hear_from(1, real, frame(0)).is_some());
    assert_eq!(fed(&mut studio, 1), real);
    // A refresh of the same agreement does not lose it, and neither does a hold without address.
    inside(&mut studio, peer(1).ip());
    assert_eq!(fed(&mut studio, 2), real);
    studio.agree(1, |it| {
        it.remote = ([0, 0, 0, 0], 4000).into();
        (it.direction, it.peer) = (Direction::RecvOnly, Direction::SendOnly);
    });
    assert_eq!(studio.hear(2, frame(3)), None);
    assert!(studio.hear_from(1, real, frame(1)).is_some());
    inside(&mut studio, peer(1).ip());
    assert_eq!(fed(&mut studio, 4), real);
    // Another address does.
    studio.agree(1, |it| it.remote.set_port(4242));
    assert_eq!(fed(&mut studio, 5), other_port(1, 4242));
}

#[test]
fn a_peer_that_comes_from_another_network_is_found_with_its_signalling() {
    let mut studio = behind_nat();
    assert!(studio.hear_from(1, other_port(1, 61_000), frame(0)).is_some());
    let abroad: SocketAddr = ([198, 51, 100, 7], 33_000).into();
    assert_eq!(studio.hear_from(1, abroad, frame(1)), None);
    inside(&mut studio, abroad.ip());
    assert!(studio.hear_from(1, abroad, frame(2)).is_some());
    assert_eq!(fed(&mut studio, 0), abroad);
    assert_eq!(studio.hear_from(1, other_port(1, 61_000), frame(3)), None);
}

#[test]
fn a_neighbour_must_be_alone_before_it_counts_as_the_peer() {
    let mut studio = Studio::joined(&Codec::Pcmu);
    let neighbour = other_port(1, 61_000);
    for n in 0..10 {
        assert_eq!(studio.hear_from(1, neighbour, frame(n)), None);
        // A second one who tries does not make the first begin anew.
        assert_eq!(studio.hear_from(1, other_port(1, 62_000), frame(n)), None);
        studio.wait(50);
    }
    let stray = Header { ssrc: 5, ..frame(1) };
    {
        // Had the peer come meanwhile, it would be the peer.
        assert!(studio.hear_from(1, neighbour, frame(10)).is_some());
        assert_eq!(fed(&mut studio, 0), neighbour);
        assert!(studio.hear(1, stray).is_some());
        assert_eq!(fed(&mut studio, 1), peer(1));
    }
    assert_eq!(studio.hear_from(1, neighbour, Header { ssrc: 6, ..frame(2) }), None);
}

#[test]
fn the_described_host_goes_before_that_of_the_signalling() {
    let mut studio = behind_nat();
    assert!(studio.hear_from(1, other_port(1, 61_000), frame(0)).is_some());
    studio.wait(100);
    let described: SocketAddr = ([192, 168, 1, 2], 4444).into();
    assert!(studio.hear_from(1, described, Header { ssrc: 5, ..frame(9) }).is_some());
    assert_eq!(fed(&mut studio, 0), described);
    assert_eq!(studio.hear_from(1, other_port(1, 61_000), frame(800)), None);
}

#[test]
fn a_port_that_moves_is_followed_at_once_when_the_stream_goes_on() {
    let mut studio = behind_nat();
    let (before, after) = (other_port(1, 61_000), other_port(1, 62_000));
    for n in 0..5 {
        assert!(studio.hear_from(1, before, frame(n)).is_some());
        studio.wait(20);
    }
    for stranger in [
        Header { ssrc: 78, ..frame(5) },
        Header { seq: frame(4).seq, ..frame(5) },
        frame(0),
        frame(4 + 51),
        frame(40_000),
    ] {
        assert_eq!(studio.hear_from(1, after, stranger), None, "{stranger:?}");
    }
    assert!(studio.hear_from(1, after, frame(7)).is_some());
    assert_eq!(fed(&mut studio, 0), after);
    // What was still on its way from the old port is heard, and moves nothing.
    assert!(studio.hear_from(1, before, frame(6)).is_some());
    assert_eq!(fed(&mut studio, 1), after);
    assert!(studio.hear_from(1, after, frame(8)).is_some());
    assert_eq!(studio.hear_from(1, ([192, 0, 2, 99], 1).into(), frame(9)), None);
}

#[test]
fn a_thief_who_knows_the_sequence_says_one_packet() {
    let mut studio = behind_nat();
    let (real, thief) = (other_port(1, 61_000), other_port(1, 62_000));
    assert!(studio.hear_from(1, real, frame(0)).is_some());
    assert!(studio.hear_from(1, thief, frame(1)).is_some());
    assert!(studio.hear_from(1, real, frame(1)).is_some());
    assert_eq!(fed(&mut studio, 0), real);
    for n in 2..50 {
        assert_eq!(studio.hear_from(1, thief, frame(n)), None);
        studio.wait(20);
        assert!(studio.hear_from(1, real, frame(n)).is_some());
    }
    assert_eq!(fed(&mut studio, 1), real);
}

#[test]
fn a_neighbour_cannot_take_over_a_stream_that_is_alive() {
    let mut studio = behind_nat();
    let (real, neighbour) = (other_port(1, 61_000), other_port(1, 62_000));
    let strange = |n| Header { ssrc: 5, ..frame(n) };
    assert!(studio.hear_from(1, real, frame(0)).is_some());
    studio.wait(2000);
    assert_eq!(studio.hear_from(1, neighbour, strange(1)), None);
    assert_eq!(fed(&mut studio, 0), real);
    // After a silence it may be the same phone behind a NAT that forgot it.
    studio.wait(1);
    assert!(studio.hear_from(1, neighbour, strange(1)).is_some());
    assert_eq!(fed(&mut studio, 1), neighbour);
    // When the old one goes on, it was not.
    assert!(studio.hear_from(1, real, frame(1)).is_some());
    assert_eq!(fed(&mut studio, 2), real);
    // The address that the peer gave is always its own.
    let inside = ([192, 168, 1, 2], 4000).into();
    assert!(studio.hear_from(1, inside, frame(2)).is_some());
    assert_eq!(fed(&mut studio, 3), inside);
}

#[test]
fn rtcp_goes_where_it_comes_from_and_strangers_get_none() {
    let mut studio = behind_nat();
    let mut report = Vec::new();
    crate::rtp::rtcp::Report { ssrc: 9, sent: None, block: None, cname: "peer" }.write(&mut report);
    let control = |studio: &mut Studio, from: SocketAddr| {
        let mut out = Out::default();
        studio.plane.receive(studio.now, port(1) + 1, from, &mut report.clone(), &mut out);
        studio.left.clear();
        studio.wait(7501);
        let left: Vec<_> = studio.left.iter().filter(|it| it.1.port == port(1) + 1).collect();
        left.first().map(|it| it.1.to)
    };
    let inside: SocketAddr = ([192, 168, 1, 2], 4001).into();
    assert_eq!(control(&mut studio, ([192, 0, 2, 99], 4001).into()), Some(inside));
    assert_eq!(control(&mut studio, other_port(1, 61_001)), Some(other_port(1, 61_001)));
    assert_eq!(control(&mut studio, other_port(1, 62_001)), Some(other_port(1, 61_001)));
    assert_eq!(control(&mut studio, inside), Some(inside));
    assert_eq!(studio.close(1).refused, 1);
}

#[test]
fn what_is_no_packet_of_the_agreement_moves_nothing() {
    let mut studio = behind_nat();
    let elsewhere = other_port(1, 61_000);
    assert_eq!(studio.hear_from(1, elsewhere, Header { payload_type: 3, ..frame(0) }), None);
    for junk in [&mut [0; 0][..], &mut [0; 4], &mut [0x80; 11], &mut [0x20; 40]] {
        assert_eq!(studio.receive(1, elsewhere, junk), None);
    }
    // Four bytes of RTCP.
    assert_eq!(studio.receive(1, elsewhere, &mut [0x81, 201, 0, 7]), None);
    assert_eq!(fed(&mut studio, 0), "192.168.1.2:4000".parse().unwrap());
    // RTP on the port of RTCP.
    let mut bytes = Vec::new();
    frame(0).write(&[], &mut bytes);
    let mut out = Out::default();
    let relayed = studio.plane.receive(studio.now, port(1) + 1, elsewhere, &mut bytes, &mut out);
    assert_eq!(relayed, None);
    let stats = studio.close(1);
    assert_eq!((stats.received, stats.refused), (0, 7));
}

#[test]
fn before_an_agreement_packets_are_counted_and_dropped() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.open(2);
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
    let mut studio = Studio::joined(&Codec::Pcmu);
    let mapped = "[::ffff:192.0.2.1]:4000".parse().unwrap();
    assert!(studio.hear_from(1, mapped, frame(0)).is_some());
}
