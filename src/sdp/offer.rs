//! The side that offers (RFC 3264 §5, §7, §8).

use super::codec::Payloads;
use super::layout::Layout;
use super::{Agreed, Codec, Direction, Local, Refused, Session};

/// What we offered, until the answer comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    text: String,
    layout: Layout,
}

/// Offers one audio stream, both ways, with these codecs in this order of preference.
///
/// This begins; [`reoffer`] offers again where something was agreed on before.
pub fn offer(local: &Local, codecs: &[Codec]) -> Offer {
    let layout = Layout::alone(Payloads::own(codecs, &Payloads::default()));
    Offer { text: layout.print(local, (0, 0), Some(Direction::SendRecv)), layout }
}

/// Offers again, whoever offered before (RFC 3264 §8): the lines of the last exchange in their
/// order, those that nobody wanted still declined, and every codec under the number that it had.
///
/// `local` has a version of its own when the text differs from what we said before.
pub fn reoffer(local: &Local, last: &Layout, codecs: &[Codec], direction: Direction) -> Offer {
    let layout = last.with(Payloads::own(codecs, last.payloads()));
    Offer { text: layout.print(local, (0, 0), Some(direction)), layout }
}

impl Offer {
    /// The description to send.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What [`reoffer`] needs to know of it, once it was answered.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the answer agreed to: the first of its codecs that we offered. We send with the payload
    /// type of the answer and receive with our own (RFC 3264 §5.1, §6.1), also where they differ.
    ///
    /// # Errors
    /// When the peer declined, or answered something that we cannot use.
    pub fn accept(&self, answer: &Session, local_wants: Direction) -> Result<Agreed, Refused> {
        // Lines correspond by position (RFC 3264 §6).
        let line = answer.lines.get(self.layout.audio()).filter(|it| it.is_usable_audio());
        let line = line.ok_or(Refused::NoAudio)?;
        let theirs = line.payloads();
        let ours = self.layout.payloads();
        let shared = theirs.codecs.iter().find_map(|(pt, codec)| {
            let (own, offered) = ours.answered_by(*pt, codec)?;
            Some((*pt, own, offered.described_by(codec)))
        });
        let (pt_out, pt_in, codec) = shared.ok_or(Refused::NotOffered)?;
        let (remote, remote_rtcp) = line.remote()?;
        let peer = line.effective_direction();
        Ok(Agreed {
            remote,
            remote_rtcp,
            direction: local_wants.meeting(peer),
            peer,
            pt_out,
            pt_in,
            dtmf: theirs.events_with(ours, &codec).map(|(out, own, _)| (out, own)),
            ptime_ms: line.packet_ms(&codec),
            codec,
        })
    }
}
