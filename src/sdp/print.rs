//! Our own descriptions, from types to text (RFC 8866 §5).

use std::net::IpAddr;

use super::codec::Payloads;
use super::line::Line;
use super::{Codec, Direction, Local};

/// What stands before the first `m=` line. The time of an answer is the offer's (RFC 3264 §6).
pub(super) fn session(local: &Local, (start, stop): (u64, u64)) -> String {
    let Local { address, session, version, .. } = local;
    let family = match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    format!(
        "v=0\r\n\
         o=- {session} {version} IN {family} {address}\r\n\
         s=moonswitch\r\n\
         c=IN {family} {address}\r\n\
         t={start} {stop}\r\n"
    )
}

/// Our audio line, with all its attributes.
pub(super) fn audio(local: &Local, payloads: &Payloads, direction: Direction) -> String {
    let codecs = payloads.codecs.iter().map(|it| it.0);
    let events = payloads.events.iter().map(|it| it.0);

    let mut text = format!("m=audio {} RTP/AVP", local.port);
    for pt in codecs.chain(events) {
        text += &format!(" {pt}");
    }
    text += "\r\n";
    for (pt, codec) in &payloads.codecs {
        text += &codec_attributes(*pt, codec);
    }
    for (pt, clock) in &payloads.events {
        // Events 0 to 15: the sixteen keys (RFC 4733 §3.2).
        text += &format!("a=rtpmap:{pt} telephone-event/{clock}\r\na=fmtp:{pt} 0-15\r\n");
    }
    text += &format!("a=ptime:{}\r\na={}\r\n", local.ptime_ms, direction.word());
    text
}

/// A line that we decline: port 0, and one format because there must be one (RFC 3264 §6).
pub(super) fn declined(line: &Line) -> String {
    let format = line.formats.first().map_or("0", |it| &it.word);
    format!("m={} 0 {} {format}\r\n", line.kind, line.proto)
}

fn codec_attributes(pt: u8, codec: &Codec) -> String {
    let (name, clock) = (codec.name(), codec.clock_rate());
    let mut text = format!("a=rtpmap:{pt} {name}/{clock}");
    if codec.channels() > 1 {
        text += &format!("/{}", codec.channels());
    }
    text += "\r\n";
    if !codec.parameters().is_empty() {
        text += &format!("a=fmtp:{pt} {}\r\n", codec.parameters());
    }
    text
}
