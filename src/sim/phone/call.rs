//! One call as a phone sees it: the dialog (RFC 3261 §12), what is said and what is heard.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::{Mono, Rng};
use crate::sdp::{Codec, Direction};
use crate::sim::ear::{Ear, Expected};
use crate::sim::voice::{FRAME, Voice};
use crate::sip::message::{Contacts, Message, Method, Name, Uri, Writer};

use super::early::Heard;
use super::session::{Session, direction_of, is_same};
use super::{Behaviour, Hold, Identity, Sent};

/// A call of a phone. It stays after its end, to be asked what it was like.
#[derive(Debug)]
pub struct Call {
    /// Who called.
    pub side: Side,
    /// The number at the other end, as the phone saw it.
    pub peer: String,
    /// How far it is.
    pub phase: Phase,
    /// Whether the 200 and its ACK were exchanged.
    pub confirmed: bool,
    /// The final status of the INVITE.
    pub status: Option<u16>,
    /// What was heard.
    pub ear: Ear,
    /// Whether it was heard ringing.
    pub rang: bool,
    pub(super) dialog: Dialog,
    /// What it has acknowledged before the answer.
    pub(super) early: Option<Heard>,
    /// Where our packets seem to come from, and where they reach us.
    pub(super) outside: SocketAddr,
    /// What the other end has described last of itself.
    pub theirs: Option<Direction>,
    /// How often an offer of this phone was taken, put off, and refused.
    pub later: [u32; 3],
    /// What became of the partner, if it was sent elsewhere.
    pub sent: Option<Sent>,
    /// The other end's tag, before its answer.
    pub(super) early_tag: Option<String>,
    /// Whose place it is to take.
    pub(super) replaces: Option<String>,
    /// Our own description and its version.
    pub(super) ours: Session,
    /// What an INVITE of ours on its way offers; nothing when it asks for an offer.
    pub(super) asking: Option<Option<Session>>,
    /// Whether our owner wants to hold the other end.
    pub(super) hold: Option<Hold>,
    /// Whether the other end knows that it is held.
    pub(super) held: Option<Hold>,
    /// What our owner wants to speak from now on.
    pub(super) recode: Option<Vec<Codec>>,
    /// Whether our owner wants the other end's offer.
    pub(super) asks: bool,
    /// Whether it only wants to say that it is there.
    pub(super) is_refreshing: bool,
    pub(super) version: u32,
    /// What its owner is going to do.
    pub(super) plans: Vec<(Mono, Act)>,
    /// Its owner hangs up as soon as that is allowed.
    pub(super) leaves_soon: bool,
    mouth: Option<Mouth>,
}

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// This phone.
    Caller,
    /// The other one.
    Callee,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not answered.
    Ringing,
    /// Given up by the caller, who waits for the end of the INVITE.
    Cancelled,
    /// Answered.
    Up,
    /// This phone has hung up and waits for the answer to its BYE.
    Leaving,
    /// Over.
    Over(Ending),
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// This phone hung up.
    HungUp,
    /// The other end hung up.
    HungUpByPeer,
    /// The callee refused, or the caller gave up and learned of it by 487.
    Refused(u16),
    /// Nothing was heard of the other end for too long.
    Lost,
    /// This phone is gone.
    Vanished,
}

/// What the owner of a phone does when the time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Answer,
    GiveUp,
    HangUp,
    Hold,
    Resume,
    Recode,
    Ask,
    /// It says that it is still there.
    Refresh,
    /// Nobody has said so to it.
    Expire,
    /// An INVITE that was put off is tried again.
    Again,
    /// The router moves its packets to another port.
    Move,
    /// The partner is sent elsewhere.
    Transfer,
    Vanish,
}

/// What a request inside the call needs (RFC 3261 §12).
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: Option<String>,
    local_uri: String,
    remote_uri: String,
    /// The peer's Contact; before it is known, whom the INVITE asks for.
    target: String,
    routes: Vec<String>,
    pub(super) cseq: u32,
    /// The branch and the number of the INVITE.
    pub(super) invite: (String, u32),
}

/// What speaks.
#[derive(Debug)]
struct Mouth {
    to: SocketAddr,
    codec: Codec,
    payload_type: u8,
    expected: Expected,
    speaks: bool,
    source: u32,
    seq: u16,
    timestamp: u32,
    count: u32,
    next_at: Mono,
}

impl Call {
    /// A call that this phone makes.
    pub(super) fn outgoing(who: &Identity, number: &str, ours: Session, rng: &mut Rng) -> Self {
        let host = who.server;
        let dialog = Dialog {
            call_id: format!("{}@{}", rng.token(), who.address.ip()),
            local_tag: rng.token(),
            remote_tag: None,
            local_uri: format!("sip:{}@{host}", who.number),
            remote_uri: format!("sip:{number}@{host}"),
            target: format!("sip:{number}@{host}"),
            routes: Vec::new(),
            cseq: 0,
            invite: (String::new(), 0),
        };
        Self::new(Side::Caller, number.to_owned(), dialog, ours)
    }

    /// A call that somebody makes to this phone; `None` if its INVITE cannot open a dialog.
    pub(super) fn incoming(invite: &Message, ours: Session, rng: &mut Rng) -> Option<Self> {
        let (from, to) = (invite.from().ok()?, invite.to().ok()?);
        let dialog = Dialog {
            call_id: invite.call_id()?.to_owned(),
            local_tag: rng.token(),
            remote_tag: from.tag().map(str::to_owned),
            local_uri: to.uri.to_owned(),
            remote_uri: from.uri.to_owned(),
            target: contact(invite)?,
            routes: invite.routes(Name::RecordRoute).into_iter().map(str::to_owned).collect(),
            cseq: 0,
            invite: (String::new(), 0),
        };
        let peer = Uri::parse(from.uri).ok()?.user.unwrap_or("").to_owned();
        Some(Self::new(Side::Callee, peer, dialog, ours))
    }

    fn new(side: Side, peer: String, dialog: Dialog, ours: Session) -> Self {
        Self {
            side,
            peer,
            phase: Phase::Ringing,
            confirmed: false,
            status: None,
            ear: Ear::default(),
            rang: false,
            dialog,
            outside: ours.at,
            theirs: None,
            later: [0; 3],
            sent: None,
            early_tag: None,
            replaces: None,
            asking: None,
            hold: None,
            held: None,
            recode: None,
            asks: false,
            is_refreshing: false,
            early: None,
            ours,
            version: 1,
            plans: Vec::new(),
            leaves_soon: false,
            mouth: None,
        }
    }

    /// Whether it was answered, confirmed, and this voice was heard.
    pub fn heard(&self, voice: Voice) -> bool {
        self.confirmed && self.ear.heard(voice) > 0
    }

    /// How it ended, if it did.
    pub fn ending(&self) -> Option<Ending> {
        match self.phase {
            Phase::Over(ending) => Some(ending),
            _ => None,
        }
    }

    /// Where it sends what is said, while it is up.
    pub fn speaks_to(&self) -> Option<SocketAddr> {
        self.mouth.as_ref().map(|it| it.to)
    }

    /// It is connected: its owner makes plans.
    pub(super) fn connected(&mut self, now: Mono, behaviour: &Behaviour) {
        self.confirmed = true;
        let soon = self.leaves_soon.then_some(Duration::ZERO);
        let plans = [
            (soon.or(behaviour.hang_up_after), Act::HangUp),
            (behaviour.hold_after, Act::Hold),
            (behaviour.resume_after, Act::Resume),
            (behaviour.recode.as_ref().map(|it| it.0), Act::Recode),
            (behaviour.ask_after, Act::Ask),
            (behaviour.nat.and_then(|it| it.moves_after), Act::Move),
            (behaviour.vanish_after, Act::Vanish),
            (behaviour.transfer.as_ref().map(|it| it.0), Act::Transfer),
        ];
        let plans = plans.into_iter().filter_map(|(after, act)| Some((now + after?, act)));
        self.plans.retain(|it| matches!(it.1, Act::Refresh | Act::Expire));
        self.plans.extend(plans);
    }

    /// The next plan whose time has come.
    pub(super) fn next_act(&mut self, now: Mono) -> Option<Act> {
        let due = self.plans.iter().position(|it| it.0 <= now)?;
        Some(self.plans.remove(due).1)
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending().is_some()
    }

    pub(super) fn end(&mut self, ending: Ending) {
        self.hush();
        self.plans.clear();
        self.phase = Phase::Over(ending);
    }

    /// What the peer described holds from now on; it sends under the number that we gave the codec.
    pub(super) fn speak(&mut self, now: Mono, theirs: &Session, rng: &mut Rng) {
        self.theirs = Some(theirs.direction);
        let Some((payload_type, codec)) = theirs.formats.first().cloned() else { return };
        let ours = self.ours.formats.iter().find(|it| is_same(&it.1, &codec));
        let Some(&(heard_as, _)) = ours else { return };
        let expected = Expected { from: theirs.at, codec: codec.clone(), payload_type: heard_as };
        let mouth = self.mouth.get_or_insert_with(|| Mouth {
            to: theirs.at,
            codec: codec.clone(),
            payload_type,
            expected: expected.clone(),
            speaks: true,
            source: rng.bits32(),
            seq: rng.bits32() as u16,
            timestamp: rng.bits32(),
            count: 0,
            next_at: now,
        });
        let speaks = self.hold.is_none() && theirs.listens();
        if speaks && !mouth.speaks {
            // What was not said meanwhile is not said afterwards.
            mouth.next_at = mouth.next_at.max(now);
        }
        mouth.speaks = speaks;
        (mouth.to, mouth.codec, mouth.payload_type) = (theirs.at, codec, payload_type);
        mouth.expected = expected;
    }

    /// The other end is put on hold, or taken back.
    pub(super) fn hold(&mut self, hold: Option<Hold>) {
        self.hold = hold;
        if let Some(mouth) = self.mouth.as_mut().filter(|_| hold.is_some()) {
            mouth.speaks = false;
        }
    }

    /// What its owner wants to offer: a description, or nothing but a question.
    pub(super) fn offer(&self) -> Option<Session> {
        if self.asks {
            return None;
        }
        let at = match self.hold {
            Some(Hold::Nowhere) => SocketAddr::from(([0, 0, 0, 0], self.ours.at.port())),
            _ => self.ours.at,
        };
        let direction = match self.hold {
            Some(Hold::Nowhere) => Direction::SendRecv,
            hold => direction_of(hold),
        };
        let formats = match &self.recode {
            Some(codecs) => Session::offer(at, codecs).formats,
            None => self.ours.formats.clone(),
        };
        Some(Session { at, formats, direction })
    }

    /// What it has asked for was granted.
    pub(super) fn granted(&mut self, asked: Option<Session>) {
        if let Some(asked) = asked {
            self.ours.formats = asked.formats;
            self.recode = None;
        }
        (self.asks, self.is_refreshing) = (false, false);
        self.later[0] += 1;
    }

    /// It was refused, and nothing has changed.
    pub(super) fn refused(&mut self) {
        (self.hold, self.recode, self.asks) = (self.held, None, false);
        self.is_refreshing = false;
        self.later[2] += 1;
    }

    /// Nothing is said any more; what is still under way is not listened to.
    pub(super) fn hush(&mut self) {
        self.mouth = None;
    }

    /// A packet has come.
    pub(super) fn hear(&mut self, from: SocketAddr, packet: &[u8]) {
        if let Some(mouth) = &self.mouth {
            self.ear.hear(&mouth.expected, from, packet);
        }
    }

    /// The next packet, when it is time for one, and where it goes.
    pub(super) fn say(&mut self, now: Mono, voice: Voice) -> Option<(SocketAddr, Vec<u8>)> {
        let mouth = self.mouth.as_mut().filter(|it| it.speaks && it.next_at <= now)?;
        let mut packet = Vec::with_capacity(12 + FRAME);
        packet.extend([0x80, mouth.payload_type]);
        packet.extend(mouth.seq.to_be_bytes());
        packet.extend(mouth.timestamp.to_be_bytes());
        packet.extend(mouth.source.to_be_bytes());
        voice.say(&mouth.codec, mouth.count, &mut packet);
        mouth.seq = mouth.seq.wrapping_add(1);
        mouth.timestamp = mouth.timestamp.wrapping_add(clock(&mouth.codec) / 50);
        mouth.count = mouth.count.wrapping_add(1);
        mouth.next_at = mouth.next_at + Duration::from_millis(20);
        Some((mouth.to, packet))
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let word = self.mouth.as_ref().filter(|it| it.speaks).map(|it| it.next_at);
        self.plans.iter().map(|it| it.0).chain(word).min()
    }
}

impl Dialog {
    /// Whether a message of the peer belongs to this call.
    pub(super) fn is(&self, message: &Message) -> bool {
        let tag = |it: Option<&str>| it.map(str::to_owned);
        message.call_id() == Some(&self.call_id)
            && message.to().is_ok_and(|it| tag(it.tag()).as_ref() == Some(&self.local_tag))
            && message.from().is_ok_and(|it| tag(it.tag()) == self.remote_tag)
    }

    /// The answer to our INVITE makes the dialog (RFC 3261 §12.1.2).
    pub(super) fn confirm(&mut self, response: &Message) {
        self.remote_tag = response.to().ok().and_then(|it| it.tag()).map(str::to_owned);
        self.target = contact(response).unwrap_or_else(|| self.target.clone());
        let routes = response.routes(Name::RecordRoute).into_iter().rev();
        self.routes = routes.map(str::to_owned).collect();
    }

    /// The peer told a new Contact (RFC 3261 §12.2.2).
    pub(super) fn retarget(&mut self, request: &Message) {
        self.target = contact(request).unwrap_or_else(|| self.target.clone());
    }

    /// Where requests go, as their Request-URI.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Where requests go, as an address.
    pub(super) fn hop(&self) -> Option<SocketAddr> {
        let uri = self.routes.first().map_or(&*self.target, |it| it.trim_matches(['<', '>']));
        let uri = Uri::parse(uri).ok()?;
        Some(SocketAddr::new(uri.host.parse().ok()?, uri.port.unwrap_or(5060)))
    }

    /// Begins a request of this call.
    pub(super) fn request(
        &self,
        who: &Identity,
        method: Method,
        branch: &str,
        cseq: u32,
        target: &str,
    ) -> Writer {
        let Self { local_uri, local_tag, remote_uri, .. } = self;
        let from = format_args!("<{local_uri}>;tag={local_tag}");
        let writer = who.request(method, target, branch).header(Name::From, from);
        let writer = match &self.remote_tag {
            Some(tag) => writer.header(Name::To, format_args!("<{remote_uri}>;tag={tag}")),
            None => writer.header(Name::To, format_args!("<{remote_uri}>")),
        };
        let writer = self.routes.iter().fold(writer, |it, route| it.header(Name::Route, route));
        writer
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format_args!("{cseq} {method}"))
    }
}

fn contact(message: &Message) -> Option<String> {
    match message.contacts().ok()? {
        Contacts::List(list) => Some(list.first()?.uri.to_owned()),
        Contacts::Star => None,
    }
}

/// The RTP clock of a codec (RFC 3551 §6, RFC 7587 §4.1).
fn clock(codec: &Codec) -> u32 {
    match codec {
        Codec::Pcmu | Codec::Pcma => 8_000,
        Codec::Opus => 48_000,
        Codec::Other(_) => codec.clock_rate(),
    }
}
