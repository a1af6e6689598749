//! The side that answers (RFC 3264 §6, §8).

use super::codec::Payloads;
use super::layout::Layout;
use super::{Agreed, Codec, Direction, Local, Refused, Session};

/// What we answer, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The description to send.
    pub text: String,
    /// What is agreed once it is sent.
    pub agreed: Agreed,
    /// What [`reoffer`](super::reoffer()) needs to know of it.
    pub layout: Layout,
}

/// Answers an offer with one codec: the first of `codecs` that the offer has.
///
/// Our order decides, not the offerer's (RFC 3264 §6.1 only recommends its order), because the
/// caller puts first what the other leg of the call speaks and so avoids transcoding. The first
/// usable audio line is taken, every other line declined. The offer's payload types hold both ways.
///
/// # Errors
/// When nothing in the offer can be used.
pub fn answer(
    local: &Local,
    offer: &Session,
    codecs: &[Codec],
    wants: Direction,
) -> Result<Answer, Refused> {
    let audio = offer.lines.iter().position(|it| it.is_usable_audio());
    let Some((nth, line)) = audio.and_then(|nth| Some((nth, offer.lines.get(nth)?))) else {
        let fax = offer.lines.iter().any(|it| it.is_fax());
        return Err(if fax { Refused::Fax } else { Refused::NoAudio });
    };
    let theirs = line.payloads();
    let shared = codecs.iter().find_map(|codec| Some((theirs.codec_pt(codec)?, codec)));
    let (pt, codec) = shared.ok_or(Refused::NoCommonCodec)?;
    let events = theirs.events_with(&theirs, codec);
    let (remote, remote_rtcp) = line.remote()?;
    let peer = line.effective_direction();
    let direction = wants.meeting(peer);

    let ours = Payloads {
        codecs: vec![(pt, codec.clone())],
        events: events.map(|(pt, _, clock)| (pt, clock)).into_iter().collect(),
    };
    let layout = Layout::of(&offer.lines, nth, ours);
    let agreed = Agreed {
        remote,
        remote_rtcp,
        direction,
        peer,
        codec: codec.clone(),
        pt_out: pt,
        pt_in: pt,
        dtmf: events.map(|(out, own, _)| (out, own)),
        ptime_ms: line.packet_ms(codec),
    };
    Ok(Answer { text: layout.print(local, offer.time, Some(direction)), agreed, layout })
}

/// Answers an offer within a session in which `last` was agreed on. Other than in a first offer,
/// port 0 stops the stream (RFC 3264 §8.2): that is answered with port 0, and means that nobody
/// sends until the peer or we offer again.
///
/// An offer that repeats the one before gives the same answer byte for byte when `local` is the
/// same; the version must rise only when the text is another.
///
/// # Errors
/// When nothing in the offer can be used; what was agreed on still holds then. [`Refused::Fax`]
/// when the peer wants to turn the call into a fax (T.38).
pub fn answer_again(
    local: &Local,
    offer: &Session,
    codecs: &[Codec],
    wants: Direction,
    last: &Agreed,
) -> Result<Answer, Refused> {
    let answered = answer(local, offer, codecs, wants);
    let stopped = offer.lines.iter().position(|it| it.is_stopped_audio());
    let (Err(Refused::NoAudio), Some(nth)) = (&answered, stopped) else { return answered };
    let theirs = offer.lines.get(nth).map(|it| it.payloads()).unwrap_or_default();
    let events = theirs.events_with(&theirs, &last.codec);
    let ours = Payloads {
        codecs: vec![(last.pt_in, last.codec.clone())],
        events: events.map(|(pt, _, clock)| (pt, clock)).into_iter().collect(),
    };
    let layout = Layout::of(&offer.lines, nth, ours);
    let (direction, peer) = (Direction::Inactive, Direction::Inactive);
    let agreed = Agreed { direction, peer, ..last.clone() };
    Ok(Answer { text: layout.print(local, offer.time, None), agreed, layout })
}
