//! Session descriptions as a phone reads and writes them: the few lines that it needs.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::sdp::{Codec, Direction};

use super::Hold;

/// One audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Where its owner wants to hear.
    pub(super) at: SocketAddr,
    /// The codecs by payload type, the best first.
    pub(super) formats: Vec<(u8, Codec)>,
    /// What its owner wants.
    pub(super) direction: Direction,
}

impl Session {
    /// What a phone offers.
    pub(super) fn offer(at: SocketAddr, codecs: &[Codec]) -> Self {
        let formats = codecs.iter().map(|it| (it.number(), it.clone())).collect();
        Self { at, formats, direction: Direction::SendRecv }
    }

    /// What a phone answers: the first of the offered codecs that it knows, under the same number, and
    /// what is left of its direction (RFC 3264 §6.1).
    pub(super) fn answer(
        &self,
        at: SocketAddr,
        codecs: &[Codec],
        hold: Option<Hold>,
    ) -> Option<Self> {
        let knows = |it: &&(u8, Codec)| codecs.iter().any(|own| is_same(own, &it.1));
        let agreed = self.formats.iter().find(knows)?;
        let own = direction_of(hold);
        let theirs = self.direction;
        let direction =
            Direction::of(own.sends() && theirs.receives(), own.receives() && theirs.sends());
        Some(Self { at, formats: vec![agreed.clone()], direction })
    }

    /// What is agreed on with the author of another: its formats that this one has too.
    pub(super) fn shared(&self, theirs: Self) -> Self {
        let known = |it: &(u8, Codec)| self.formats.iter().any(|own| is_same(&own.1, &it.1));
        let formats = theirs.formats.into_iter().filter(known).collect();
        Self { formats, ..theirs }
    }

    /// Whether its owner wants to hear anything.
    pub(super) fn listens(&self) -> bool {
        self.direction.receives() && !self.at.ip().is_unspecified()
    }

    /// Reads the first audio stream of a description.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let text = str::from_utf8(body).ok()?;
        let (mut address, mut port, mut direction) = (None, None, Direction::SendRecv);
        let mut kinds: Vec<(u8, Option<Codec>)> = Vec::new();
        for line in text.lines() {
            if let Some(it) = line.strip_prefix("c=IN IP4 ") {
                address = it.trim().parse().ok();
            } else if let Some(it) = line.strip_prefix("m=audio ") {
                let mut words = it.split_whitespace();
                port = words.next()?.parse().ok();
                kinds = words.skip(1).filter_map(|it| it.parse().ok()).map(well_known).collect();
            } else if let Some(it) = line.strip_prefix("a=rtpmap:") {
                let (number, name) = it.split_once(' ')?;
                let number: u8 = number.parse().ok()?;
                for kind in kinds.iter_mut().filter(|it| it.0 == number) {
                    kind.1 = named(number, name.trim());
                }
            } else {
                direction = match line.trim() {
                    "a=sendonly" => Direction::SendOnly,
                    "a=recvonly" => Direction::RecvOnly,
                    "a=inactive" => Direction::Inactive,
                    _ => direction,
                };
            }
        }
        let formats = kinds.into_iter().filter_map(|it| Some((it.0, it.1?))).collect();
        Some(Self { at: SocketAddr::new(address?, port?), formats, direction })
    }

    /// Prints it; `version` grows whenever it changes.
    pub(super) fn print(&self, version: u32) -> String {
        let (ip, port) = (self.at.ip(), self.at.port());
        let mut text = format!(
            "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP"
        );
        let mut add = |it: std::fmt::Arguments<'_>| {
            text.write_fmt(it).expect("strings take every line");
        };
        self.formats.iter().for_each(|it| add(format_args!(" {}", it.0)));
        self.formats
            .iter()
            .for_each(|it| add(format_args!("\r\na=rtpmap:{} {}", it.0, name(&it.1))));
        let direction = match self.direction {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        };
        add(format_args!("\r\na=ptime:20\r\na={direction}\r\n"));
        text
    }
}

/// What a phone that holds wants of itself.
pub(super) fn direction_of(hold: Option<Hold>) -> Direction {
    match hold {
        None => Direction::SendRecv,
        Some(Hold::SendOnly | Hold::Nowhere) => Direction::SendOnly,
        Some(Hold::Inactive) => Direction::Inactive,
    }
}

/// Whether two mean the same, under whatever number.
pub(super) fn is_same(a: &Codec, b: &Codec) -> bool {
    name(a).eq_ignore_ascii_case(&name(b))
}

fn name(codec: &Codec) -> String {
    match codec {
        Codec::Pcmu => "PCMU/8000".to_owned(),
        Codec::Pcma => "PCMA/8000".to_owned(),
        Codec::Opus => "opus/48000/2".to_owned(),
        Codec::Other(_) => format!("{}/{}", codec.name(), codec.clock_rate()),
    }
}

fn well_known(number: u8) -> (u8, Option<Codec>) {
    (number, [Codec::Pcmu, Codec::Pcma].into_iter().find(|it| it.number() == number))
}

fn named(number: u8, text: &str) -> Option<Codec> {
    let known = [Codec::Pcmu, Codec::Pcma, Codec::Opus];
    known.into_iter().find(|it| name(it).eq_ignore_ascii_case(text)).or_else(|| {
        let (name, clock) = text.split_once('/')?;
        Codec::other(name, clock.parse().ok()?, 1, number, "")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints_and_answers_it() {
        let here = "10.0.0.2:4000".parse().unwrap();
        let offer = Session::offer(here, &[Codec::Opus, Codec::Pcma]);
        assert_eq!(Session::read(offer.print(1).as_bytes()), Some(offer.clone()));
        let answer = offer.answer(here, &[Codec::Pcmu, Codec::Pcma], None).unwrap();
        assert_eq!(answer.formats, [(8, Codec::Pcma)]);
        assert_eq!(offer.answer(here, &[Codec::Pcmu], None), None);
        let hold = Session { direction: Direction::SendOnly, ..answer };
        let held = hold.answer(here, &[Codec::Pcma], None).unwrap();
        assert_eq!(held.direction, Direction::RecvOnly);
        let both = hold.answer(here, &[Codec::Pcma], Some(Hold::SendOnly)).unwrap();
        assert_eq!(both.direction, Direction::Inactive);
        assert_eq!(Session::read(hold.print(2).as_bytes()), Some(hold));
    }
}
