//! A call of ours with the echo of the engine, and the requests that belong into it.

use std::time::Duration;

use bytes::Bytes;
use moonswitch::base::Rng;
use moonswitch::sip::message::Message;

use crate::bench::{Bench, Challenge};

/// An answered call, from its caller's side.
#[derive(Debug)]
pub(crate) struct Dialog {
    call_id: String,
    our_tag: String,
    their_tag: String,
    /// The highest that the engine may have seen.
    cseq: u32,
}

impl Dialog {
    /// Calls *43, which answers.
    pub(crate) fn open(bench: &mut Bench, mut challenge: Challenge, rng: &mut Rng) -> Self {
        let (call_id, our_tag) = (rng.token(), rng.token());
        let mut it = Self { call_id, our_tag, their_tag: String::new(), cseq: 0 };
        let invite = it.text(rng, "INVITE", "", DESCRIPTIONS[0]);
        let mut answers = bench.udp(&challenge.answer(invite.as_bytes()));
        answers.extend(bench.wait(Duration::from_secs(1)));
        let ok = answers.iter().find(|it| it.status() == Some(200));
        let statuses: Vec<_> = answers.iter().map(Message::status).collect();
        let ok = ok.unwrap_or_else(|| panic!("*43 does not answer: {statuses:?}"));
        it.their_tag = ok.to().unwrap().tag().expect("a 200 has a tag").to_owned();
        let ack = it.text(rng, "ACK", "", "");
        bench.udp(ack.as_bytes());
        it
    }

    /// An INVITE of our own making.
    pub(crate) fn invite(number: &str) -> Vec<u8> {
        let it =
            Self { call_id: "x".into(), our_tag: "y".into(), their_tag: String::new(), cseq: 0 };
        let mut rng = Rng::from_seed(1);
        it.written(&mut rng, "INVITE", number, 1, "", DESCRIPTIONS[0]).into_bytes()
    }

    /// A request within the call.
    pub(crate) fn request(&mut self, rng: &mut Rng) -> Vec<u8> {
        let description = DESCRIPTIONS[rng.below(DESCRIPTIONS.len() as u64) as usize];
        let (method, more, body) = match rng.below(16) {
            0..=5 => ("INVITE", "", description),
            6 => ("INVITE", "", ""),
            7 => ("BYE", "Reason: Q.850;cause=16\r\n", ""),
            8..=9 => ("ACK", "", ""),
            10 => ("CANCEL", "", ""),
            11 => ("INFO", "", "Signal=5\nDuration=100\n"),
            12 => ("OPTIONS", "Accept: application/sdp\r\n", ""),
            13 => ("UPDATE", "", description),
            14 => ("PRACK", "RAck: 1 1 INVITE\r\n", ""),
            _ => ("REFER", "Refer-To: <sip:1002@pbx.test>\r\nReferred-By: sip:a@b\r\n", ""),
        };
        self.text(rng, method, more, body).into_bytes()
    }

    /// Takes note of what the engine was sent, so that the next request is not an old one.
    pub(crate) fn saw(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) else { return };
        // Far beyond everything else it would leave no room for the next one.
        let number = message.cseq().map_or(0, |it| it.number);
        self.cseq = self.cseq.max(number.min((1 << 31) - 1_000_000));
    }

    fn text(&mut self, rng: &mut Rng, method: &str, more: &str, body: &str) -> String {
        if !matches!(method, "ACK" | "CANCEL") {
            self.cseq += 1;
        }
        self.written(rng, method, "*43", self.cseq, more, body)
    }

    fn written(
        &self,
        rng: &mut Rng,
        method: &str,
        number: &str,
        cseq: u32,
        more: &str,
        body: &str,
    ) -> String {
        let Self { call_id, our_tag, their_tag, .. } = self;
        let to = if their_tag.is_empty() { String::new() } else { format!(";tag={their_tag}") };
        let (branch, body) = (rng.token(), body.replace('\n', "\r\n"));
        let kind = match body.as_str() {
            "" => "",
            it if it.starts_with("Signal") => "Content-Type: application/dtmf-relay\r\n",
            _ => "Content-Type: application/sdp\r\n",
        };
        format!(
            "{method} sip:{number}@10.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:1001@pbx.test>;tag={our_tag}\r\n\
             To: <sip:{number}@pbx.test>{to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:1001@192.0.2.77:5060>\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// Descriptions of a phone that talks, holds in two ways, is gone, moves, and wants a fax.
const DESCRIPTIONS: [&str; 7] = [
    "v=0\no=- 1 1 IN IP4 192.0.2.77\ns=-\nc=IN IP4 192.0.2.77\nt=0 0\nm=audio 41000 RTP/AVP 8 0 101\n\
     a=rtpmap:101 telephone-event/8000\n",
    "v=0\no=- 1 2 IN IP4 192.0.2.77\ns=-\nc=IN IP4 192.0.2.77\nt=0 0\nm=audio 41000 RTP/AVP 8\na=sendonly\n",
    "v=0\no=- 1 3 IN IP4 192.0.2.77\ns=-\nc=IN IP4 0.0.0.0\nt=0 0\nm=audio 41000 RTP/AVP 8\n",
    "v=0\no=- 1 4 IN IP4 192.0.2.77\ns=-\nc=IN IP4 192.0.2.77\nt=0 0\nm=audio 41000 RTP/AVP 8 0\na=inactive\n",
    "v=0\no=- 1 5 IN IP4 192.0.2.78\ns=-\nc=IN IP4 192.0.2.78\nt=0 0\nm=audio 42000 RTP/AVP 96 0\n\
     a=rtpmap:96 opus/48000/2\nm=video 42002 RTP/AVP 31\n",
    "v=0\no=- 1 6 IN IP4 192.0.2.77\ns=-\nc=IN IP4 192.0.2.77\nt=0 0\nm=image 42004 udptl t38\na=T38FaxVersion:0\n",
    "v=0\no=- 1 7 IN IP6 2001:db8::7\ns=-\nc=IN IP6 2001:db8::7\nt=0 0\nm=audio 0 RTP/AVP 8\n",
];
