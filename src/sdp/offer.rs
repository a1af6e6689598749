//! The side that offers (RFC 3264 §5, §7).

use super::codec::Payloads;
use super::{Agreed, Codec, Direction, Local, Refused, Session, print};

/// What we offered, until the answer comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    text: String,
    payloads: Payloads,
}

/// Offers one audio stream, both ways, with these codecs in this order of preference.
///
/// A peer's re-offer is answered with [`answer`](super::answer()), which keeps its lines; to
/// offer again where we offered before, raise `version`.
pub fn offer(local: &Local, codecs: &[Codec]) -> Offer {
    let payloads = Payloads::own(codecs);
    let audio = print::audio(local.port, &payloads, Direction::SendRecv);
    Offer { text: print::session(local, (0, 0)) + &audio, payloads }
}

impl Offer {
    /// The description to send.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the answer agreed to: the first of its codecs that we offered. We send with the payload
    /// type of the answer and receive with our own (RFC 3264 §5.1, §6.1), also where they differ.
    ///
    /// # Errors
    /// When the peer declined, or answered something that we cannot use.
    pub fn accept(&self, answer: &Session, local_wants: Direction) -> Result<Agreed, Refused> {
        // Lines correspond by position (RFC 3264 §6); we offered one.
        let line = answer.lines.first().filter(|it| it.is_usable_audio());
        let line = line.ok_or(Refused::NoAudio)?;
        let theirs = line.payloads();
        let shared = theirs
            .codecs
            .iter()
            .find_map(|(pt, codec)| Some((*pt, self.payloads.codec_pt(*codec)?, *codec)));
        let (pt_out, pt_in, codec) = shared.ok_or(Refused::NotOffered)?;
        let (remote, remote_rtcp) = line.remote()?;
        Ok(Agreed {
            remote,
            remote_rtcp,
            direction: local_wants.meeting(line.effective_direction()),
            codec,
            pt_out,
            pt_in,
            dtmf: theirs.events_with(&self.payloads, codec).map(|(out, own, _)| (out, own)),
            ptime_ms: line.packet_ms(codec),
        })
    }
}
