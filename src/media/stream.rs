//! One stream: whom it believes, what it hears, what it says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{Mono, StreamId};
use crate::rtp::dtmf::{self, Digit};
use crate::rtp::{Arrival, Header, Order, Reception, Rtp, rtcp, ticks};
use crate::sdp::{Agreed, Codec};

use super::line::{Line, Payload};
use super::player::Player;
use super::source::Source;
use super::voice::{Pace, Voice};
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
    /// Where its packets come from; there as soon as something is agreed.
    source: Option<Source>,
    /// How long it may be silent.
    silence: Option<Duration>,
    /// When it last gave a sign of life, or had to begin to.
    lived: Mono,
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

/// A packet of the peer that others may hear.
#[derive(Clone, Debug)]
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
    pub(super) fn new(now: Mono, open: Open) -> Self {
        Self {
            port: open.port,
            partner: None,
            echo: Echo::Off,
            player: None,
            digits: dtmf::Reader::default(),
            cname: open.cname,
            agreed: None,
            source: None,
            silence: open.silence,
            lived: now,
            line: Line::new(open.ssrc, open.seq, open.timestamp),
            voice: None,
            reception: Reception::new(Pace::SILENT.rate),
            received: 0,
            refused: 0,
            last_sr: None,
            reported: None,
        }
    }

    pub(super) fn is_agreed(&self) -> bool {
        self.agreed.is_some()
    }

    /// From now on this holds, with a peer whose signalling comes from there.
    pub(super) fn agree(&mut self, now: Mono, agreed: Agreed, signalling: IpAddr) {
        let (to, rtcp) = (agreed.remote, agreed.remote_rtcp);
        match &mut self.source {
            Some(source) => source.describe(to, rtcp, signalling),
            None => self.source = Some(Source::new(to, rtcp, signalling)),
        }
        self.reception.set_rate(agreed.codec.clock_rate());
        self.agreed = Some(agreed);
        self.lived = now;
    }

    /// When its silence will have lasted for too long. A peer that holds us or that we do not want
    /// to hear has a right to be silent.
    pub(super) fn silent_at(&self) -> Option<Mono> {
        let agreed = self.agreed.as_ref()?;
        let is_expected = agreed.direction.receives() && !agreed.is_held();
        Some(self.lived + self.silence.filter(|_| is_expected)?)
    }

    /// Its silence was told; it counts anew.
    pub(super) fn begin_silence(&mut self, now: Mono) {
        self.lived = now;
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
        let (header, codec) = (packet.header, agreed.codec.clone());
        let listens = agreed.direction.receives();
        self.lived = now;
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
                let rate = codec.clock_rate();
                self.digits.packet(now, arrival, &header, packet.payload, rate)
            }
            Payload::Noise => return None,
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
            (Payload::Event, None) | (Payload::Noise, _) => return Said::Unheard,
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

    /// RTCP has come. It ends here. Who reports is alive, even if it has nothing to say.
    pub(super) fn control(&mut self, now: Mono, from: SocketAddr, bytes: &[u8]) {
        let mut packets = rtcp::parse(bytes).peekable();
        let believed = packets.peek().is_some()
            && self.source.as_mut().is_some_and(|it| it.believes_control(now, from));
        if !believed {
            self.refused += 1;
            return;
        }
        self.lived = now;
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

    /// A packet from a believable source with a payload type that we asked for. Comfort noise
    /// (RFC 3389) is sent unasked by some, instead of silence.
    fn read<'a>(
        &mut self,
        now: Mono,
        from: SocketAddr,
        bytes: &'a [u8],
    ) -> Option<(Rtp<'a>, Payload)> {
        let (agreed, source) = (self.agreed.as_ref()?, self.source.as_mut()?);
        let packet = Rtp::parse(bytes)?;
        let payload = match packet.header.payload_type {
            it if it == agreed.pt_in => Payload::Audio,
            it if agreed.dtmf.is_some_and(|dtmf| dtmf.1 == it) => Payload::Event,
            COMFORT_NOISE => Payload::Noise,
            _ => return None,
        };
        source.believes(now, from, &packet.header).then_some((packet, payload))
    }

    /// Where the peer hears, when it may hear anything.
    fn listener(&self) -> Option<(SocketAddr, &Agreed)> {
        let (agreed, source) = (self.agreed.as_ref()?, self.source.as_ref()?);
        let speaks = agreed.direction.sends() && can_be_reached(agreed.remote);
        speaks.then(|| (source.place(), agreed))
    }

    /// Says one frame of a player. Whether it could be said.
    fn say(&mut self, player: &Player, pace: Pace, packets: &mut Vec<Packet>) -> bool {
        let Some((to, agreed)) = self.listener() else {
            self.line.cut();
            return false;
        };
        let (codec, payload_type) = (agreed.codec.clone(), agreed.pt_out);
        let voice = match &mut self.voice {
            Some(voice) if *voice.codec() == codec => voice,
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
        let to = self.source.as_ref()?.control_place();
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
            timestamp: self.line.clock(now, agreed.codec.clock_rate()),
            packets: packets as u32,
            octets: self.line.octets() as u32,
        });
        self.reported = Some([packets, last]);
        let report = rtcp::Report { ssrc: self.line.ssrc(), sent, block, cname: &self.cname };
        let mut bytes = Vec::new();
        report.write(&mut bytes);
        more(&report, &mut bytes);
        Some(Packet { port: self.port.wrapping_add(1), to, bytes })
    }
}

/// An unspecified address is old-style hold (RFC 3264 §8.4), port 0 a stream that was refused.
fn can_be_reached(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_unspecified() && address.port() != 0
}

/// Its payload type, which is fixed (RFC 3551 §6).
const COMFORT_NOISE: u8 = 13;
