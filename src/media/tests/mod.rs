//! Stories of the plane. Stream `n` has the port 10000 + 2n and the peer 192.0.2.n:4000.

mod player;
mod relay;
mod report;
mod silence;
mod source;
mod storm;

use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::audio::Tone;
use crate::base::{CallId, Mono, OpId, Rng, StreamId};
use crate::rtp::{Header, Rtp};
use crate::sdp::{Agreed, Codec, Direction};

/// A plane, its time, and what came out of it so far.
struct Studio {
    plane: Plane,
    now: Mono,
    /// What left, and when in milliseconds.
    left: Vec<(u64, Packet)>,
    events: Vec<Event>,
}

impl Studio {
    fn new() -> Self {
        let plane = Plane::new(Rng::from_seed(1));
        Self { plane, now: Mono::from_millis(1000), left: Vec::new(), events: Vec::new() }
    }

    /// With streams 1 to `count` that all speak `codec`.
    fn with(count: u64, codec: &Codec) -> Self {
        let mut studio = Self::new();
        for stream in 1..=count {
            studio.open(stream);
            studio.tell(Command::Agree {
                stream: StreamId(stream),
                agreed: agreed(stream, codec),
                signalling: peer(stream).ip(),
            });
        }
        studio
    }

    /// With streams 1 and 2 joined.
    fn joined(codec: &Codec) -> Self {
        let mut studio = Self::with(2, codec);
        studio.tell(Command::Join { a: StreamId(1), b: StreamId(2) });
        studio
    }

    fn open(&mut self, stream: u64) {
        self.tell(Command::Open(Open {
            stream: StreamId(stream),
            call: CallId(1),
            port: port(stream),
            ssrc: 0x1000 + stream as u32,
            seq: 65_534,
            timestamp: u32::MAX - 100,
            cname: format!("{stream}@moonswitch"),
            silence: None,
        }));
    }

    fn tell(&mut self, command: Command) {
        let mut out = Out::default();
        self.plane.handle(self.now, command, &mut out);
        self.keep(out);
    }

    fn play(&mut self, stream: u64, op: u64, tone: &str) {
        let source = Source::Tone(Tone::named(tone).unwrap());
        self.tell(Command::Play { stream: StreamId(stream), op: OpId(op), source });
    }

    fn agree(&mut self, stream: u64, change: impl FnOnce(&mut Agreed)) {
        self.agree_with(stream, peer(stream).ip(), change);
    }

    fn agree_with(&mut self, stream: u64, signalling: IpAddr, change: impl FnOnce(&mut Agreed)) {
        let mut agreed = agreed(stream, &Codec::Pcmu);
        change(&mut agreed);
        self.tell(Command::Agree { stream: StreamId(stream), agreed, signalling });
    }

    /// Lets time pass; everything happens when it is due.
    fn wait(&mut self, ms: u64) {
        let until = Mono::from_millis(self.now.as_millis() + ms);
        while let Some(due) = self.plane.poll_timeout().filter(|it| *it <= until) {
            self.now = self.now.max(due);
            self.wake();
        }
        self.now = until;
    }

    fn wake(&mut self) {
        let mut out = Out::default();
        self.plane.handle_timeout(self.now, &mut out);
        self.keep(out);
    }

    /// A datagram comes to a stream's port.
    fn receive(&mut self, stream: u64, from: SocketAddr, bytes: &mut [u8]) -> Option<Relayed> {
        let mut out = Out::default();
        let relayed = self.plane.receive(self.now, port(stream), from, bytes, &mut out);
        assert!(out.packets.is_empty());
        self.keep(out);
        relayed
    }

    /// The peer of a stream sends a packet: what of it leaves, and where to.
    fn hear(&mut self, stream: u64, header: Header) -> Option<(Relayed, Header)> {
        self.hear_from(stream, peer(stream), header)
    }

    fn hear_from(
        &mut self,
        stream: u64,
        from: SocketAddr,
        header: Header,
    ) -> Option<(Relayed, Header)> {
        let mut bytes = Vec::new();
        header.write(&[0xff; 160], &mut bytes);
        let relayed = self.receive(stream, from, &mut bytes)?;
        let packet = Rtp::parse(&bytes[..relayed.len]).unwrap();
        assert_eq!(packet.payload, [0xff; 160]);
        Some((relayed, packet.header))
    }

    /// RTP that left since last asked, with its time.
    fn sent(&mut self) -> Vec<(u64, Packet, Header)> {
        let packets = self.left.extract_if(.., |it| it.1.port % 2 == 0);
        packets
            .map(|(at, packet)| {
                let header = Rtp::parse(&packet.bytes).unwrap().header;
                (at, packet, header)
            })
            .collect()
    }

    fn close(&mut self, stream: u64) -> Stats {
        self.tell(Command::Close { stream: StreamId(stream) });
        match self.events.last() {
            Some(Event::Closed { stream: id, port: freed, stats }) => {
                assert_eq!((*id, *freed), (StreamId(stream), port(stream)));
                *stats
            }
            other => panic!("{other:?}"),
        }
    }

    fn keep(&mut self, out: Out) {
        let at = self.now.as_millis();
        self.left.extend(out.packets.into_iter().map(|it| (at, it)));
        self.events.extend(out.events);
    }
}

fn port(stream: u64) -> u16 {
    10_000 + 2 * stream as u16
}

fn peer(stream: u64) -> SocketAddr {
    ([192, 0, 2, stream as u8], 4000).into()
}

/// Peers of different streams want different payload types.
fn agreed(stream: u64, codec: &Codec) -> Agreed {
    let dynamic = 100 + (stream % 10) as u8;
    let (pt_out, pt_in) = match codec {
        Codec::Pcmu => (0, 0),
        Codec::Pcma => (8, 8),
        Codec::Opus => (dynamic, 96),
        Codec::Other(_) => (dynamic, 98),
    };
    Agreed {
        remote: peer(stream),
        remote_rtcp: ([192, 0, 2, stream as u8], 4001).into(),
        direction: Direction::SendRecv,
        peer: Direction::SendRecv,
        codec: codec.clone(),
        pt_out,
        pt_in,
        dtmf: Some((dynamic + 10, 97)),
        ptime_ms: 20,
    }
}

/// What a peer sends: frame number `n` of a stream of 20 ms frames.
fn frame(n: u16) -> Header {
    Header {
        marker: false,
        payload_type: 0,
        seq: 5000_u16.wrapping_add(n),
        timestamp: 700_000 + u32::from(n) * 160,
        ssrc: 77,
    }
}

#[test]
fn unknown_streams_and_ports_are_ignored() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    for command in [
        Command::Agree {
            stream: StreamId(9),
            agreed: agreed(9, &Codec::Pcmu),
            signalling: peer(9).ip(),
        },
        Command::Join { a: StreamId(1), b: StreamId(9) },
        Command::Join { a: StreamId(1), b: StreamId(1) },
        Command::Part { stream: StreamId(9) },
        Command::Stop { stream: StreamId(9), op: OpId(1) },
        Command::Stop { stream: StreamId(1), op: OpId(1) },
        Command::Echo { stream: StreamId(9), on: true },
        Command::Close { stream: StreamId(9) },
    ] {
        studio.tell(command);
    }
    studio.play(9, 1, "beep");
    assert_eq!(studio.hear(9, frame(0)), None);
    assert_eq!(studio.hear(1, frame(0)), None);
    assert_eq!((studio.plane.census(), studio.events.len()), (1, 0));
}

#[test]
fn an_open_stream_and_a_port_in_use_are_not_opened_again() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    studio.open(1);
    studio.tell(Command::Open(Open {
        stream: StreamId(2),
        call: CallId(1),
        port: port(1),
        ssrc: 1,
        seq: 1,
        timestamp: 1,
        cname: String::new(),
        silence: None,
    }));
    assert_eq!(studio.plane.census(), 1);
    studio.hear(1, frame(0));
    assert_eq!(studio.close(1).received, 1);
    studio.open(1);
    assert_eq!(studio.plane.census(), 1);
}

#[test]
fn digits_are_told_once_and_a_lost_end_is_found() {
    let mut studio = Studio::with(1, &Codec::Pcmu);
    let press = |studio: &mut Studio, seq, timestamp, code, flags| {
        let header = Header { marker: false, payload_type: 97, seq, timestamp, ssrc: 77 };
        let mut bytes = Vec::new();
        header.write(&[code, flags, 0x03, 0x20], &mut bytes);
        assert_eq!(studio.receive(1, peer(1), &mut bytes), None);
    };
    press(&mut studio, 1, 1000, 5, 0x0a);
    for seq in 2..5 {
        press(&mut studio, seq, 1000, 5, 0x8a);
    }
    press(&mut studio, 5, 3000, 11, 0x0a);
    studio.wait(249);
    let five = Event::Digit { stream: StreamId(1), digit: '5', duration_ms: 100 };
    assert_eq!(studio.events, std::slice::from_ref(&five));
    studio.wait(1);
    let hash = Event::Digit { stream: StreamId(1), digit: '#', duration_ms: 100 };
    assert_eq!(studio.events, [five, hash]);
}
