//! The side that answers (RFC 3264 §6).

use std::ptr;

use super::codec::Payloads;
use super::{Agreed, Codec, Direction, Local, Refused, Session, print};

/// What we answer, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The description to send.
    pub text: String,
    /// What is agreed once it is sent.
    pub agreed: Agreed,
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
    let audio = offer.audio().ok_or(Refused::NoAudio)?;
    let theirs = audio.payloads();
    let shared = codecs.iter().find_map(|codec| Some((theirs.codec_pt(*codec)?, *codec)));
    let (pt, codec) = shared.ok_or(Refused::NoCommonCodec)?;
    let events = theirs.events_with(&theirs, codec);
    let (remote, remote_rtcp) = audio.remote()?;
    let direction = wants.meeting(audio.effective_direction());

    let ours = Payloads {
        codecs: vec![(pt, codec)],
        events: events.map(|(pt, _, clock)| (pt, clock)).into_iter().collect(),
    };
    let mut text = print::session(local, offer.time);
    for line in &offer.lines {
        // As many lines as the offer, in its order (RFC 3264 §6).
        text += &if ptr::eq(line, audio) {
            print::audio(local.port, &ours, direction)
        } else {
            print::declined(line)
        };
    }

    let agreed = Agreed {
        remote,
        remote_rtcp,
        direction,
        codec,
        pt_out: pt,
        pt_in: pt,
        dtmf: events.map(|(out, own, _)| (out, own)),
        ptime_ms: audio.packet_ms(codec),
    };
    Ok(Answer { text, agreed })
}
