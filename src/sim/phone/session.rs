//! Session descriptions as a phone reads and writes them: the few lines that it needs.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::sdp::Codec;

/// One audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Where its owner wants to hear.
    pub(super) at: SocketAddr,
    /// The codecs by payload type, the best first.
    pub(super) formats: Vec<(u8, Codec)>,
    /// Whether its owner wants to hear at all.
    pub(super) listens: bool,
}

impl Session {
    /// What a phone offers.
    pub(super) fn offer(at: SocketAddr, codecs: &[Codec]) -> Self {
        let formats = codecs.iter().map(|it| (it.number(), it.clone())).collect();
        Self { at, formats, listens: true }
    }

    /// What a phone answers: the first of the offered codecs that it knows, under the same number.
    pub(super) fn answer(&self, at: SocketAddr, codecs: &[Codec]) -> Option<Self> {
        let knows = |it: &&(u8, Codec)| codecs.iter().any(|own| is_same(own, &it.1));
        let agreed = self.formats.iter().find(knows)?;
        Some(Self { at, formats: vec![agreed.clone()], listens: true })
    }

    /// Reads the first audio stream of a description.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let text = str::from_utf8(body).ok()?;
        let (mut address, mut port, mut listens) = (None, None, true);
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
            } else if matches!(line.trim(), "a=sendonly" | "a=inactive") {
                listens = false;
            }
        }
        let formats = kinds.into_iter().filter_map(|it| Some((it.0, it.1?))).collect();
        Some(Self { at: SocketAddr::new(address?, port?), formats, listens })
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
        let direction = if self.listens { "sendrecv" } else { "sendonly" };
        add(format_args!("\r\na=ptime:20\r\na={direction}\r\n"));
        text
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
        let answer = offer.answer(here, &[Codec::Pcmu, Codec::Pcma]).unwrap();
        assert_eq!(answer.formats, [(8, Codec::Pcma)]);
        assert_eq!(offer.answer(here, &[Codec::Pcmu]), None);
        let hold = Session { listens: false, ..answer };
        assert_eq!(Session::read(hold.print(2).as_bytes()), Some(hold));
    }
}
