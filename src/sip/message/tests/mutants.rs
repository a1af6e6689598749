//! Twenty thousand broken messages: none of them may break us.

use std::net::SocketAddr;

use super::super::{Message, Name, NameAddr, Params, Uri, Via, Writer};
use crate::base::Rng;

const SEED: u64 = 0x5159_0001;
const MUTANTS: usize = 20_000;

const PARENTS: [&str; 5] = [
    "INVITE sip:b%20ob;x@[2001:db8::1]:5060;transport=tcp SIP/2.0\r\nVia: SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport, \
     SIP/2.0/TCP i\r\nFrom: \"A \\\" B\" <sip:a@b;c>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x@y\r\nCSeq: 1 INVITE\r\n\
     Contact: <sip:a@b>;+sip.instance=\"<urn:x>\"\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    "\r\nREGISTER sip:pbx SIP/2.0\nv : SIP / 2.0 / WSS x.invalid\n ;branch=z9hG4bK2\nf: sip:a@b;tag=2\nt:\n sip:a@b\ni: 2\n\
     CSeq: 0002\n REGISTER\nm: *\nExpires: 4294967296\nl: 0\n\n",
    "SIP/2.0 183 Session \u{e4} Progress\r\nVia: SIP/2.0/UDP [::1];received=::1;rport=9\r\nRecord-Route: <sip:p;lr>,<sip:q;lr>\r\n\
     From: x <tel:+49>;tag=3\r\nTo: y<urn:a:b>;tag=4\r\nCall-ID: 3\r\nCSeq: 2147483647 PRACK\r\nRSeq: 1\r\n\r\n",
    "NOTIFY sip:a SIP/2.0\r\nMax-Forwards: 0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a>;tag=\"q\"\r\nTo: <sip:a>;tag=5;\r\n\
     Call-ID: 4\r\nCSeq: 1 NOTIFY\r\nRoute: \"\" <sip:r;lr>\r\nX: \r\nEvent: refer;id=1\r\n\r\nbody",
    "ACK tel:+1;phone-context=x SIP/2.0\r\nv:SIP/2.0/UDP 1.2.3.4:1\r\nf:a<sip:%00@b>\r\nt:<sips:c@d:1>\r\ni:5\r\nCSeq:1 ACK\r\n\r\n",
];

#[test]
fn no_mutant_panics_and_every_reply_reads_back_the_same() {
    let mut rng = Rng::from_seed(SEED);
    let (mut framed, mut sound) = (0, 0);
    for round in 0..MUTANTS {
        let parent = PARENTS[round % PARENTS.len()].as_bytes().to_vec();
        let mutant = mutated(parent, &mut rng);
        let Ok(message) = Message::parse(mutant.clone().into()) else { continue };
        framed += 1;
        sound += usize::from(message.check().is_ok());
        touch_everything(&message);
        let seen = String::from_utf8_lossy(&mutant);
        replies_stably(&message)
            .unwrap_or_else(|why| panic!("seed {SEED:#x}, round {round}: {why}\n{seen}"));
    }
    // Without these two the test could pass by refusing everything.
    assert!(framed > MUTANTS / 3, "only {framed} could be framed");
    assert!(sound > MUTANTS / 10, "only {sound} were sound");
}

fn mutated(mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    const SPICE: &[u8] = b"\r\n\0 \t:;,<>\"\\@=%?[]/*\x7f\xff9zV";
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        let to = (at + rng.below(12) as usize).min(bytes.len());
        let spice = SPICE[rng.below(SPICE.len() as u64) as usize];
        match rng.below(6) {
            0 => bytes.truncate(at.max(1)),
            1 => drop(bytes.drain(at..to)),
            2 => bytes.insert(at, spice),
            3 => bytes.extend_from_within(at..to),
            4 => drop(bytes.splice(at..at, vec![spice; rng.below(40) as usize])),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = spice),
        }
    }
    bytes
}

fn touch_everything(message: &Message) {
    let uri = |text: &str| {
        if let Ok(uri) = Uri::parse(text) {
            let _ = (uri.user_decoded(), uri.params.iter().count());
        }
    };
    let params = |params: Params<'_>| {
        params.iter().map(|(name, _)| usize::from(params.has(name))).sum::<usize>()
    };
    uri(message.request_uri().unwrap_or_default());
    for name in super::super::name::ALL {
        for value in message.list(*name) {
            let _ =
                NameAddr::parse(value).map(|address| (uri(address.uri), params(address.params)));
            let _ = Via::parse(value).map(|via| (via.branch().is_some(), params(via.params)));
        }
        let _ = (message.text(*name), message.routes(*name), message.has_option(*name, "x"));
    }
    let _ = (
        message.contacts(),
        message.cseq(),
        message.expires(),
        message.max_forwards(),
        message.content_type(),
    );
    let _ = (
        message.reason(),
        message.body(),
        message.method(),
        message.method_token(),
        message.others().count(),
    );
}

/// A reply to whatever we could frame can be framed. If the request was sound, so is the reply; it
/// says what the request said, and a reply built from the reply is the same again.
fn replies_stably(message: &Message) -> Result<(), String> {
    let source = SocketAddr::from(([192, 0, 2, 9], 5060));
    let bytes = Writer::reply(message, 480, source, Some("ours")).finish();
    let reply = Message::parse(bytes.clone()).map_err(|error| error.to_string())?;
    if message.check().is_err() {
        return Ok(());
    }
    reply.check().map_err(|fault| fault.to_string())?;
    let again = Writer::reply(&reply, 480, source, Some("ours")).finish();
    if again != bytes {
        return Err(format!("{}\nbecame\n{}", bytes.escape_ascii(), again.escape_ascii()));
    }
    if (reply.call_id(), reply.cseq()) != (message.call_id(), message.cseq()) {
        return Err("another Call-ID or CSeq".into());
    }
    if reply.list(Name::Via).count() != message.list(Name::Via).count() {
        return Err("another number of Vias".into());
    }
    Ok(())
}
