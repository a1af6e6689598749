//! Damaged descriptions: no panic, no growth, and whatever we answer can be read.

use super::*;
use crate::base::Rng;

const MUTANTS: u32 = 20_000;

const WHOLE: [&str; 3] = [
    "v=0\r\no=- 1 1 IN IP4 198.51.100.4\r\ns=-\r\nc=IN IP4 198.51.100.4\r\nt=0 0\r\n\
     m=audio 4000 RTP/AVP 96 0 8 99 101\r\na=rtpmap:96 opus/48000/2\r\n\
     a=rtpmap:99 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\n\
     a=ptime:20\r\na=sendonly\r\na=rtcp:4009 IN IP4 198.51.100.5\r\n",
    "v=0\r\no=x 1 1 IN IP6 2001:db8::4\r\ns=-\r\na=inactive\r\nc=IN IP6 2001:db8::4\r\nt=1 2\r\n\
     m=video 0 RTP/AVP 31\r\nm=audio 65535/2 RTP/AVP 0\r\na=maxptime:60\r\na=fmtp:0 x=1\r\n\
     m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nc=IN IP4 0.0.0.0\nt=0 0\nm=audio 4000 RTP/AVP 8 97\n\
     a=rtpmap:8 PCMA/8000/1\na=rtpmap:97 PCMU/8000\na=recvonly\n",
];

/// Pieces that hurt readers.
const BARBS: [&[u8]; 12] = [
    b"\r",
    b"\n",
    b"=",
    b":",
    b"/",
    b" ",
    b"\0",
    b"\xff\xfe",
    b"99999999999999999999",
    b"-1",
    b"m=audio 4 RTP/AVP 0\r\n",
    b"c=IN IP4 ::1\r\n",
];

#[test]
fn damaged_descriptions_do_no_damage() {
    let mut rng = Rng::from_seed(8866);
    let ours = offer(&local(40000), &[Codec::Opus, Codec::Pcma, Codec::Pcmu]);
    let (mut readable, mut answered, mut accepted) = (0, 0, 0);
    for number in 0..MUTANTS {
        let mutant = mutant(&mut rng);
        let Ok(session) = Session::parse(&mutant) else { continue };
        readable += 1;
        assert!(session.codecs().len() <= 15);
        if let Ok(agreed) = ours.accept(&session, Direction::SendRecv) {
            accepted += 1;
            check(&agreed);
        }
        let codecs = [Codec::Pcmu, Codec::Opus, Codec::Pcma];
        if let Ok(answer) = answer(&local(40000), &session, &codecs, Direction::SendRecv) {
            answered += 1;
            check(&answer.agreed);
            let again = Session::parse(answer.text.as_bytes()).unwrap();
            assert_eq!(again.lines.len(), session.lines.len(), "mutant {number}");
            assert_eq!(again.codecs(), [answer.agreed.codec], "mutant {number}");
            assert!(answer.text.len() < mutant.len() + 400, "mutant {number}");
        }
    }
    // The damage is neither trivial nor total.
    for count in [readable, answered, accepted] {
        assert!((MUTANTS / 10..MUTANTS).contains(&count), "{readable} {answered} {accepted}");
    }
}

/// What the media plane relies on.
fn check(agreed: &Agreed) {
    assert!(agreed.pt_out < 128 && agreed.pt_in < 128);
    assert!((10..=60).contains(&agreed.ptime_ms) && agreed.ptime_ms.is_multiple_of(10));
    assert!(agreed.remote.port() != 0 && agreed.remote_rtcp.port() != 0);
    assert!(!agreed.remote.ip().is_multicast() && !agreed.remote_rtcp.ip().is_multicast());
    assert!(!agreed.remote.ip().is_unspecified() || !agreed.direction.sends());
    if let Some((out, own)) = agreed.dtmf {
        assert!(out != agreed.pt_out && own != agreed.pt_in);
    }
}

/// A description with one to six wounds.
fn mutant(rng: &mut Rng) -> Vec<u8> {
    let pick = |rng: &mut Rng, below: usize| rng.below(below as u64) as usize;
    let mut text = WHOLE[pick(rng, WHOLE.len())].as_bytes().to_vec();
    for _ in 0..=rng.below(6) {
        let at = pick(rng, text.len() + 1);
        let to = (at + pick(rng, 24)).min(text.len());
        match rng.below(5) {
            0 if at < text.len() => text[at] ^= 1 << rng.below(8),
            1 => drop(text.drain(at..to)),
            2 => drop(text.splice(at..at, BARBS[pick(rng, BARBS.len())].iter().copied())),
            3 => {
                let other = WHOLE[pick(rng, WHOLE.len())].as_bytes();
                let from = pick(rng, other.len());
                drop(text.splice(at..to, other[from..].iter().copied().take(40)));
            }
            _ => {
                let piece = text[at..to].to_vec();
                drop(text.splice(at..at, piece.repeat(1 + pick(rng, 40))));
            }
        }
    }
    text
}
