//! One stream: whom it believes, what it hears, what it says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{Mono, StreamId};
use crate::rtp::dtmf::{self, Digit};
use crate::rtp::{Arrival, Header, Order, Reception, Rtp, rtcp, ticks};
use crate::sdp::{Agreed, Codec, Direction};

use super::line::{Line, Payload};
use super::player::Player;
use super::voice::{Pace, Voice, clock};
use super::{Open, Packet, Relayed, Stats};

/// The media of one leg.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) port: u16,
    pub(super) player: Option<Player>,
    pub(super) digits: dtmf::Reader,
    partner: Option<StreamId>,
    echo: Echo,
    cname: String,
    agreed: Option<Agreed>,
    latch: Option<Latch>,
    line: Line,
    voice: Option<Voice>,
    reception: Reception,
    received: u64,
    refused: u64,
    /// The middle of the peer's last sender report, and when it came.
    last_sr: Option<(u32, Mono)>,
    /// Packets sent when the last report and the one before were made; `None` before any.
    reported: Option<[u64; 2]>,
}

/// Whether the peer hears itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    Off,
    On,
}

/// Where the peer really sends from, which is where it hears (RFC 4961).
#[derive(Clone, Copy, Debug)]
struct Latch {
    at: SocketAddr,
    heard: Mono,
}

/// A packet of the peer that others may hear.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) payload: Payload,
    pub(super) codec: Codec,
    pub(super) digits: [Option<Digit>; 2],
    header: Header,
    arrival: Arrival,
    octets: usize,
}

/// What became of a packet for this stream's peer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// It leaves.
    Leaves(Relayed),
    /// The peer does not hear it, as it should be.
    Unheard,
    /// It is of a codec that the peer did not agree on.
    Foreign,
}

impl Stream {
    pub(super) fn new(open: Open) -> Self {
        let mut stream = Self {
            port: open.port,
            partner: None,
            echo: Echo::Off,
            player: None,
            digits: dtmf::Reader::default(),
            cname: open.cname,
            agreed: None,
            latch: None,
            line: Line::new(open.ssrc, open.seq, open.timestamp),
            voice: None,
            reception: Reception::new(Pace::SILENT.rate),
            received: 0,
            refused: 0,
            last_sr: None,
            reported: None,
        };
        if let Some(agreed) = open.agreed {
            stream.agree(agreed);
        }
        stream
    }

    pub(super) fn is_agreed(&self) -> bool {
        self.agreed.is_some()
    }

    pub(super) fn agree(&mut self, agreed: Agreed) {
        // Where the peer was found stays true while it says the same of itself: a refresh must not
        // lose a phone behind a NAT.
        if self.agreed.as_ref().is_none_or(|it| it.remote != agreed.remote) {
            self.latch = None;
        }
        self.reception.set_rate(clock(agreed.codec));
        self.agreed = Some(agreed);
    }

    /// Whom it is joined with.
    pub(super) fn partner(&self) -> Option<StreamId> {
        self.partner
    }

    /// Whether the peer hears itself instead.
    pub(super) fn echo(&self) -> Echo {
        self.echo
    }

    pub(super) fn set_partner(&mut self, partner: Option<StreamId>) {
        self.partner = partner;
        self.line.cut();
    }

    pub(super) fn set_echo(&mut self, echo: Echo) {
        self.echo = echo;
        self.line.cut();
    }

    /// Something has come that is not worth a look.
    pub(super) fn refuse(&mut self) {
        self.refused += 1;
    }

    /// An RTP packet has come. `None` when nobody may hear it.
    pub(super) fn hear(&mut self, now: Mono, from: SocketAddr, bytes: &[u8]) -> Option<Heard> {
        let Some((packet, payload)) = self.read(now, from, bytes) else {
            self.refused += 1;
            return None;
        };
        let agreed = self.agreed.as_ref()?;
        let (header, codec) = (packet.header, agreed.codec);
        let listens = matches!(agreed.direction, Direction::SendRecv | Direction::RecvOnly);
        self.latch = Some(Latch { at: from, heard: now });
        self.received += 1;
        let arrival = self.reception.accept(&header);
        if payload == Payload::Audio && matches!(arrival.order, Order::Ahead | Order::Late) {
            self.reception.time(now, header.timestamp);
        }
        if !listens || arrival.order == Order::Stray {
            return None;
        }
        let digits = match payload {
            Payload::Audio => [None; 2],
            Payload::Event => {
                self.digits.packet(now, arrival, &header, packet.payload, clock(codec))
            }
        };
        let octets = packet.payload.len();
        Some(Heard { payload, codec, digits, header, arrival, octets })
    }

    /// Rewrites a packet that `from` has heard, so that it leaves to this peer.
    pub(super) fn relay(
        &mut self,
        now: Mono,
        from: StreamId,
        heard: &Heard,
        bytes: &mut [u8],
    ) -> Said {
        if self.player.is_some() {
            return Said::Unheard;
        }
        let Some((to, agreed)) = self.listener() else {
            self.line.cut();
            return Said::Unheard;
        };
        if agreed.codec != heard.codec {
            self.line.cut();
            return Said::Foreign;
        }
        let payload_type = match (heard.payload, agreed.dtmf) {
            (Payload::Audio, _) => agreed.pt_out,
            (Payload::Event, Some((out, _))) => out,
            (Payload::Event, None) => return Said::Unheard,
        };
        let incoming = Header { payload_type, ..heard.header };
        let pace = Pace::of(agreed);
        let Some(header) =
            self.line.relay(now, from, heard.arrival, &incoming, heard.payload, pace)
        else {
            return Said::Unheard;
        };
        header.rewrite(bytes);
        self.line.count(heard.octets);
        Said::Leaves(Relayed { port: self.port, to, len: bytes.len() })
    }

    /// When a player that begins now says its first frame: behind the last frame of the one
    /// before it.
    pub(super) fn next_frame(&self, now: Mono) -> Mono {
        now.max(self.line.busy())
    }

    /// Says the frames that are due, and when the next one is. `None` when the player has ended.
    /// Where nothing can be sent (no agreement, a direction that forbids it, no address) it plays
    /// in silence and takes its time all the same.
    pub(super) fn play(&mut self, now: Mono, packets: &mut Vec<Packet>) -> Option<Mono> {
        let mut player = self.player.take()?;
        while player.due <= now {
            let pace = self.agreed.as_ref().map_or(Pace::SILENT, Pace::of);
            if player.is_over() {
                return None;
            }
            player.keep_up(now, pace);
            let said = self.say(&player, pace, packets);
            player.advance(pace, said);
        }
        let due = player.due;
        self.player = Some(player);
        Some(due)
    }

    /// RTCP has come. It ends here.
    pub(super) fn control(&mut self, now: Mono, from: SocketAddr, bytes: &[u8]) {
        let known = self.agreed.as_ref().is_some_and(|it| {
            [it.remote.ip(), it.remote_rtcp.ip()].iter().any(|it| is_same(*it, from.ip()))
        });
        let mut packets = rtcp::parse(bytes).peekable();
        if !known || packets.peek().is_none() {
            self.refused += 1;
            return;
        }
        for packet in packets {
            if let rtcp::Packet::Sender { sent, .. } = packet {
                self.last_sr = Some((rtcp::middle(sent.ntp), now));
            }
        }
    }

    /// A report on what was sent and received (RFC 3550 §6.4); `None` where none can go.
    pub(super) fn report(&mut self, now: Mono) -> Option<Packet> {
        self.control_packet(now, |_, _| {})
    }

    /// A last report with a goodbye (§6.6). Who never said anything does not say goodbye (§6.3.7).
    pub(super) fn bye(&mut self, now: Mono) -> Option<Packet> {
        if self.line.packets() == 0 && self.reported.is_none() {
            return None;
        }
        self.control_packet(now, |report, out| report.write_bye(out))
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            received: self.received,
            sent: self.line.packets(),
            lost: self.reception.lost(),
            jitter_us: self.reception.jitter_us(),
            refused: self.refused,
        }
    }

    /// A packet from a believable source with a payload type that we asked for.
    fn read<'a>(&self, now: Mono, from: SocketAddr, bytes: &'a [u8]) -> Option<(Rtp<'a>, Payload)> {
        let agreed = self.agreed.as_ref().filter(|it| self.believes(now, it.remote, from))?;
        let packet = Rtp::parse(bytes)?;
        match packet.header.payload_type {
            it if it == agreed.pt_in => Some((packet, Payload::Audio)),
            it if agreed.dtmf.is_some_and(|dtmf| dtmf.1 == it) => Some((packet, Payload::Event)),
            _ => None,
        }
    }

    /// Whether the peer may send from there: from the address that it gave, or from another port
    /// of the same host. Once found, only a silence lets it move to a third.
    fn believes(&self, now: Mono, remote: SocketAddr, from: SocketAddr) -> bool {
        can_be_reached(remote)
            && is_same(remote.ip(), from.ip())
            && (remote.port() == from.port()
                || self
                    .latch
                    .is_none_or(|latch| latch.at == from || now.since(latch.heard) > LATCH_HOLDS))
    }

    /// Where the peer hears, when it may hear anything.
    fn listener(&self) -> Option<(SocketAddr, &Agreed)> {
        let agreed = self.agreed.as_ref()?;
        let speaks = matches!(agreed.direction, Direction::SendRecv | Direction::SendOnly);
        let to = self.latch.map_or(agreed.remote, |it| it.at);
        (speaks && can_be_reached(agreed.remote)).then_some((to, agreed))
    }

    /// Says one frame of a player. Whether it could be said.
    fn say(&mut self, player: &Player, pace: Pace, packets: &mut Vec<Packet>) -> bool {
        let Some((to, agreed)) = self.listener() else {
            self.line.cut();
            return false;
        };
        let (codec, payload_type) = (agreed.codec, agreed.pt_out);
        let voice = match &mut self.voice {
            Some(voice) if voice.codec() == codec => voice,
            voice => voice.insert(Voice::new(codec)),
        };
        if player.running.is_none_or(|it| it.rate != pace.rate) {
            voice.begin(&player.source);
        }
        let Some(payload) = voice.say(&player.source, player.at_ms, pace.frame_ms) else {
            return false;
        };
        let header = self.line.own(player.due, payload_type, player.running, pace);
        self.line.count(payload.len());
        let mut bytes = Vec::new();
        header.write(payload, &mut bytes);
        packets.push(Packet { port: self.port, to, bytes });
        true
    }

    fn control_packet(
        &mut self,
        now: Mono,
        more: impl FnOnce(&rtcp::Report<'_>, &mut Vec<u8>),
    ) -> Option<Packet> {
        let agreed = self.agreed.as_ref().filter(|it| can_be_reached(it.remote_rtcp))?;
        let mut block = self.reception.report();
        if let (Some(block), Some((middle, at))) = (&mut block, self.last_sr) {
            block.last_sr = middle;
            block.since_sr = ticks(now.since(at).as_nanos() as u64, 1 << 16) as u32;
        }
        // A sender is who has sent since the report before the last (§6.4).
        let packets = self.line.packets();
        let [last, before] = self.reported.unwrap_or_default();
        let sent = (packets > before).then(|| rtcp::Sent {
            ntp: rtcp::ntp(now),
            timestamp: self.line.clock(now, clock(agreed.codec)),
            packets: packets as u32,
            octets: self.line.octets() as u32,
        });
        self.reported = Some([packets, last]);
        let report = rtcp::Report { ssrc: self.line.ssrc(), sent, block, cname: &self.cname };
        let mut bytes = Vec::new();
        report.write(&mut bytes);
        more(&report, &mut bytes);
        Some(Packet { port: self.port.wrapping_add(1), to: agreed.remote_rtcp, bytes })
    }
}

/// An unspecified address is old-style hold (RFC 3264 §8.4), port 0 a stream that was refused.
fn can_be_reached(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_unspecified() && address.port() != 0
}

/// A dual-stack socket sees IPv4 peers as mapped addresses.
fn is_same(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical() == b.to_canonical()
}

/// A stream that is alive has packets far more often. Long enough that a neighbour behind the same
/// NAT cannot take it over, short enough that a phone whose NAT forgot it is heard again.
const LATCH_HOLDS: Duration = Duration::from_secs(2);
