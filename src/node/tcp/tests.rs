//! Real connections on a clock of ours.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::node::post::post;

const OPTIONS: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n";

#[test]
fn a_stranger_that_says_nothing_whole_is_closed() {
    let mut house = House::new();
    let mut silent = house.visitor();
    let mut pinging = house.visitor();
    let mut speaking = house.visitor();
    pinging.write_all(b"\r\n\r\n").unwrap();
    speaking.write_all(OPTIONS).unwrap();
    assert_eq!(house.settle(9_000).len(), 1);
    pinging.write_all(b"\r\n\r\n").unwrap();
    house.settle(29_999);
    assert_eq!(house.streams.links.len(), 3);
    house.settle(30_000);
    assert_eq!(house.streams.links.len(), 1);
    assert!(is_closed(&mut silent));
    let mut pongs = [0; 4];
    pinging.read_exact(&mut pongs).unwrap();
    assert_eq!(&pongs, b"\r\n\r\n");
    assert!(is_closed(&mut pinging));
    // The one that spoke is closed 30 s after its message, and the switch is told.
    let told = house.settle(39_000);
    assert!(matches!(told[..], [Input::Disconnected { .. }]), "{told:?}");
    house.nothing_is_left();
}

#[test]
fn a_message_that_drips_is_not_waited_for_not_even_of_the_trusted() {
    let mut house = House::new();
    let mut peer = house.visitor();
    peer.write_all(OPTIONS).unwrap();
    let flow = flow_of(&house.settle(0)[0]);
    house.streams.trust(flow);
    house.settle(100_000);
    assert_eq!(house.streams.links.len(), 1);
    for second in 100..110 {
        peer.write_all(b"O").unwrap();
        house.settle(second * 1000);
        assert_eq!(house.streams.links.len(), 1);
    }
    house.settle(110_000);
    house.nothing_is_left();
}

#[test]
fn the_oldest_stranger_of_an_address_makes_room_and_a_trusted_one_never() {
    let mut house = House::new();
    let mut friend = house.visitor();
    friend.write_all(OPTIONS).unwrap();
    let flow = flow_of(&house.settle(0)[0]);
    house.streams.trust(flow);
    let mut visitors: Vec<_> = (0..STRANGERS_MAX + 50).map(|_| house.visitor()).collect();
    assert_eq!(house.streams.links.len(), STRANGERS_MAX + 1);
    assert!(house.streams.links.values().any(|it| it.flow == flow));
    assert!(is_closed(&mut visitors[0]) && is_closed(&mut visitors[49]));
    visitors[50].write_all(OPTIONS).unwrap();
    assert_eq!(house.settle(0).len(), 1);
    drop((friend, visitors));
    let told = house.settle(1).len() + house.settle(10).len() + house.settle(20).len();
    assert_eq!(told, 2, "the ends of the two that had spoken");
    house.nothing_is_left();
}

#[test]
fn when_it_is_full_a_stranger_makes_room_and_nobody_comes_when_all_are_trusted() {
    let mut house = House::new();
    house.streams.leave_room(FILES_SPARED + 3);
    let peers: Vec<_> = (0..3).map(|_| house.visitor()).collect();
    let mut stranger = house.visitor();
    assert_eq!(house.streams.links.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
    let flows: Vec<_> = house.streams.links.values().map(|it| it.flow).collect();
    house.streams.trust(flows[0]);
    house.streams.trust(flows[1]);
    let mut next = house.visitor();
    assert!(is_closed(&mut stranger));
    house.streams.trust(house.streams.links.values().last().unwrap().flow);
    assert!(is_closed(&mut house.visitor()));
    next.write_all(OPTIONS).unwrap();
    assert_eq!(house.settle(0).len(), 1);
    drop(peers);
}

#[test]
fn who_does_not_read_is_given_up() {
    let mut house = House::new();
    let mut peer = house.visitor();
    peer.write_all(OPTIONS).unwrap();
    let flow = flow_of(&house.settle(0)[0]);
    let mut said = 0;
    while house.streams.links.values().any(|it| it.due(Mono::ZERO).is_none()) {
        house.streams.send(flow, &[b'x'; 1000]);
        house.streams.flush(Mono::ZERO);
        said += 1000;
        assert!(said < 64 << 20, "what is unsent has no bound");
    }
    assert!(matches!(house.settle(0)[..], [Input::Disconnected { .. }]));
    house.nothing_is_left();
}

#[test]
fn what_is_said_last_arrives_although_more_was_sent_than_read() {
    let mut house = House::new();
    let mut peer = house.visitor();
    let broken = [b"OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n".to_vec(), vec![b'x'; 100_000]].concat();
    peer.write_all(&broken).unwrap();
    let told = house.settle(0);
    let [Input::Message { flow, bytes }] = &told[..] else { panic!("{told:?}") };
    assert!(bytes.ends_with(b"l: -1\r\n\r\n"));
    house.streams.send(*flow, b"SIP/2.0 400 Malformed\r\n\r\n");
    house.streams.flush(Mono::ZERO);
    for ms in 1..100 {
        house.settle(ms);
    }
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "SIP/2.0 400 Malformed\r\n\r\n");
    drop(peer);
    house.settle(3000);
    house.nothing_is_left();
}

#[test]
fn who_begins_tls_here_is_closed_at_once() {
    let mut house = House::new();
    let mut peer = house.visitor();
    peer.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    assert!(house.settle(0).is_empty());
    assert!(is_closed(&mut peer));
    house.nothing_is_left();
}

struct House {
    streams: Streams,
    at: SocketAddr,
}

impl House {
    fn new() -> Self {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = listener.local_addr().unwrap();
        let (_, arrivals) = post(1).unwrap();
        let (wishes, _) = post(1).unwrap();
        let streams = Streams::new(listener, Hall { arrivals, wishes }, 0).unwrap();
        Self { streams, at }
    }

    /// Connects, and is let in.
    fn visitor(&mut self) -> TcpStream {
        let visitor = TcpStream::connect(self.at).unwrap();
        let wait = Some(Duration::from_secs(5));
        visitor.set_read_timeout(wait).unwrap();
        let told = self.settle(0);
        assert!(told.iter().all(|it| matches!(it, Input::Disconnected { .. })), "{told:?}");
        visitor
    }

    /// Serves at this millisecond until nothing is left to do; what the switch is told.
    fn settle(&mut self, ms: u64) -> Vec<Input> {
        let now = Mono::from_millis(ms);
        let mut told = Vec::new();
        // Loopback delivers at once, but a connection is read in pieces.
        for _ in 0..16 {
            self.streams.serve(now, |it| told.push(it));
            self.streams.flush(now);
        }
        told
    }

    fn nothing_is_left(&self) {
        let Streams { links, strangers, sources, timers, unsent, .. } = &self.streams;
        assert!(links.is_empty() && strangers.is_empty() && sources.is_empty());
        assert!(timers.is_empty() && unsent.is_empty());
    }
}

fn flow_of(input: &Input) -> Flow {
    let (Input::Message { flow, .. } | Input::Disconnected { flow }) = input else {
        panic!("{input:?}")
    };
    *flow
}

fn is_closed(peer: &mut TcpStream) -> bool {
    match peer.read(&mut [0; 16]) {
        Ok(length) => length == 0,
        Err(e) => e.kind() == ErrorKind::ConnectionReset,
    }
}
