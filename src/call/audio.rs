//! A leg's stream and its session descriptions: opened, agreed on, renegotiated.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Output;
use super::event::{By, What};
use super::leg::{Audio, Leg, Wish};
use super::plan::{Plan, State};
use super::ports::Ports;
use super::switch::{Held, Switch, tell};
use super::trace::{Detail, Traced};
use crate::base::{CallId, Cause, LegId, Now, StreamId};
use crate::media::{Command, Open};
use crate::sdp::{self, Agreed, Codec, Direction, Local, Offer, Session};
use crate::sip::{Endpoint, Flow};

impl<P: Plan> Switch<P> {
    /// Answers the caller, with what this callee agreed on if there is one; true when the caller is
    /// answered. Otherwise the call has been refused.
    pub(super) fn answer_caller(
        &mut self,
        now: Now,
        id: CallId,
        callee: Option<&Agreed>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        match call.state {
            State::Answered => {
                self.transfer_done(now, id);
                return true;
            }
            State::Ended => return false,
            State::Ringing | State::Early => {}
        }
        let Some(text) = self.agree_with_caller(now, id, callee, out) else { return false };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let leg = call.caller.id;
        call.be_answered(now);
        self.endpoint.accept(now.mono, leg, &text);
        self.plan.advance(id, State::Answered);
        tell(out, now, Some(id), What::Answered { leg });
        true
    }

    /// Lets the caller hear us before the answer (183); true when it does.
    pub(super) fn early_media(&mut self, now: Now, id: CallId, out: &mut Vec<Output>) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        match call.state {
            State::Early | State::Answered => return true,
            State::Ended => return false,
            State::Ringing => {}
        }
        // RFC 3261 §13.2.1: who wants our offer gets it in the 200, and hears nothing before.
        let text = match call.caller.offered.is_some() {
            true => match self.agree_with_caller(now, id, None, out) {
                Some(text) => Some(text),
                None => return false,
            },
            false => None,
        };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let leg = call.caller.id;
        call.state = State::Early;
        self.endpoint.ring(now.mono, leg, 183, text.as_deref());
        self.plan.advance(id, State::Early);
        true
    }

    /// Opens the caller's stream, if it is not open yet; false when no port is free. All calls of a
    /// party, who calls or one of those that are rung, live on one media thread if they can: then
    /// their other parties can be joined.
    pub(super) fn open_caller(
        &mut self,
        id: CallId,
        rung: &[String],
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        if call.caller.audio.is_some() {
            return true;
        }
        let leg = call.caller.id;
        let near = std::iter::once(&call.caller.who).chain(rung).find_map(|it| self.near(it));
        let audio = near.and_then(|it| self.open_on(id, leg, it, out));
        let audio = audio.or_else(|| self.open_audio(id, leg, out));
        let is_open = audio.is_some();
        if let Some(call) = self.calls.get_mut(&id) {
            call.caller.audio = audio;
        }
        is_open
    }

    /// The media thread of a call that somebody is in.
    fn near(&self, who: &str) -> Option<u8> {
        let mut legs = self.lamps.legs_of(who);
        legs.find_map(|leg| {
            let call = self.calls.get(self.legs.get(&leg)?)?;
            call.leg(leg)?.audio.as_ref().map(|it| it.thread)
        })
    }

    /// Opens a stream for a leg of this call: all streams of a call live on one media thread.
    pub(super) fn open_audio(
        &mut self,
        id: CallId,
        leg: LegId,
        out: &mut Vec<Output>,
    ) -> Option<Audio> {
        let own = self.calls.get(&id)?.caller.audio.as_ref().map(|it| it.thread);
        let thread = own.or_else(|| self.ports.thread())?;
        self.open_on(id, leg, thread, out)
    }

    fn open_on(
        &mut self,
        id: CallId,
        leg: LegId,
        thread: u8,
        out: &mut Vec<Output>,
    ) -> Option<Audio> {
        let port = self.ports.take(thread)?;
        let stream = StreamId(self.next_id());
        self.streams.insert(stream, Held { thread, call: id, leg });
        let open = Open {
            stream,
            call: id,
            port,
            ssrc: self.rng.bits32(),
            seq: (self.rng.bits32() >> 16) as u16,
            timestamp: self.rng.bits32(),
            // RFC 7022 §4.2: random for each session.
            cname: self.rng.token(),
            silence: Some(SILENCE),
        };
        out.push(Output::Media { thread, command: Command::Open(open) });
        // The o= line's numbers must fit a decimal of 64 bits with a sign (RFC 8866 §5.2).
        let session = self.rng.bits() >> 2;
        let (will, told) = (Direction::SendRecv, Direction::SendRecv);
        let (version, ptime_ms) = (1, PTIME_MS);
        let (agreed, layout, said, tried) = (None, None, None, None);
        Some(Audio {
            stream,
            thread,
            port,
            session,
            version,
            ptime_ms,
            agreed,
            layout,
            said,
            will,
            told,
            tried,
        })
    }

    /// Answers the caller's offer, once; says the same again when asked again. When that cannot be,
    /// the call is refused.
    fn agree_with_caller(
        &mut self,
        now: Now,
        id: CallId,
        callee: Option<&Agreed>,
        out: &mut Vec<Output>,
    ) -> Option<String> {
        if !self.open_caller(id, &[], out) {
            self.refuse_call(now, id, Cause::Limit, 503, By::House, out);
            return None;
        }
        let caller = &mut self.calls.get_mut(&id)?.caller;
        let audio = caller.audio.as_mut()?;
        let signalling = caller.flow.remote.ip();
        if let Some(text) = audio.said.clone() {
            // Who had early media need not have spoken: its silence counts from now.
            audio.remind(signalling, out);
            return Some(text);
        }
        audio.ptime_ms = callee.map_or(PTIME_MS, |it| it.ptime_ms);
        let local = audio.local(&self.endpoint, caller.flow);
        let Some(offer) = caller.offered.as_ref() else {
            // RFC 3261 §13.2.1: its INVITE had no offer, so ours stands in the 200.
            // A choice of its own that is not the callee's is brought to the callee afterwards.
            let own = callee.map(|it| it.codec.clone());
            let others = OURS.into_iter().filter(|it| own.as_ref() != Some(it));
            let codecs: Vec<Codec> = own.iter().cloned().chain(others).collect();
            let offer = sdp::offer(&local, &codecs);
            let text = offer.text().to_owned();
            caller.begin_offer(offer, Wish { direction: Direction::SendRecv, codecs });
            return Some(text);
        };
        let codecs = callee.map_or_else(|| offer.codecs(), |it| vec![it.codec.clone()]);
        let wants = callee.map_or(Direction::SendRecv, |it| it.peer);
        let answer = sdp::answer(&local, offer, &codecs, wants).ok();
        let ports = &self.ports;
        let Some(answer) = answer.filter(|it| !is_ours(ports, &local, &it.agreed)) else {
            self.refuse_call(now, id, Cause::Failed, 488, By::House, out);
            return None;
        };
        audio.said = Some(answer.text.clone());
        (audio.told, audio.will) = (wants, answer.agreed.peer);
        audio.layout = Some(answer.layout);
        caller.offered = None;
        let local = SocketAddr::new(local.address, local.port);
        audio.agree((id, caller.id), answer.agreed, local, signalling, out);
        Some(answer.text)
    }
}

/// Whether a peer says that it hears at a port of ours: a packet that went there would come back
/// and go there again, for ever.
pub(super) fn is_ours(ports: &Ports, local: &Local, agreed: &Agreed) -> bool {
    let Agreed { remote, .. } = agreed;
    (remote.ip() == local.address || remote.ip().is_loopback()) && ports.owns(remote.port())
}

impl Leg {
    /// The codecs that a partner of this leg may use, in this leg's order.
    pub(super) fn codecs(&self) -> Vec<Codec> {
        let agreed = self.audio.as_ref().and_then(|it| it.agreed.as_ref());
        match (agreed, &self.offered) {
            (Some(agreed), _) => vec![agreed.codec.clone()],
            (None, Some(offered)) => offered.codecs(),
            // It wants our offer, and may take any of it.
            (None, None) => OURS.to_vec(),
        }
    }

    /// An offer of ours is about to leave.
    pub(super) fn begin_offer(&mut self, offer: Offer, wish: Wish) {
        if let Some(audio) = &mut self.audio {
            audio.said = Some(offer.text().to_owned());
            audio.tried = Some(wish);
        }
        self.offer = Some(offer);
    }

    /// Milliseconds of audio per packet that this leg's peer would like to receive.
    pub(super) fn packet_ms(&self) -> u8 {
        let agreed = self.audio.as_ref().and_then(|it| it.agreed.as_ref());
        let offered = || self.offered.as_ref().map(Session::packet_ms);
        agreed.map(|it| it.ptime_ms).or_else(offered).unwrap_or(PTIME_MS)
    }
}

impl Audio {
    /// An (other) agreement holds: the plane is told, and so is who follows the call.
    pub(super) fn agree(
        &mut self,
        (call, leg): (CallId, LegId),
        agreed: Agreed,
        local: SocketAddr,
        signalling: IpAddr,
        out: &mut Vec<Output>,
    ) {
        let detail = Detail::Agreed {
            leg,
            codec: agreed.codec.clone(),
            local,
            remote: agreed.remote,
            direction: agreed.direction,
        };
        self.agreed = Some(agreed);
        self.remind(signalling, out);
        out.push(Output::Traced(Traced { call, detail }));
    }

    /// The plane is told what holds.
    fn remind(&self, signalling: IpAddr, out: &mut Vec<Output>) {
        let Some(agreed) = self.agreed.clone() else { return };
        let command = Command::Agree { stream: self.stream, agreed, signalling };
        out.push(Output::Media { thread: self.thread, command });
    }

    /// What we say of ourselves towards the peer of this flow.
    pub(super) fn local(&self, endpoint: &Endpoint, flow: Flow) -> Local {
        Local {
            address: endpoint.address(flow).ip(),
            port: self.port,
            session: self.session,
            version: self.version,
            ptime_ms: self.ptime_ms,
        }
    }
}

/// What we offer to who wants our offer: what every phone has first.
const OURS: [Codec; 3] = [Codec::Pcma, Codec::Pcmu, Codec::Opus];
/// What everybody can do (RFC 3551 §4.2).
const PTIME_MS: u8 = 20;
/// For how long a peer may say nothing before it counts as gone.
const SILENCE: Duration = Duration::from_secs(30);
