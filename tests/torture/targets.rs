//! What a fuzzer drives: one function for each reader of foreign bytes. A target returns when the
//! bytes were read or refused, and panics when a property of the reader does not hold.

use std::net::SocketAddr;

use bytes::Bytes;
use moonswitch::base::{Mono, Rng};
use moonswitch::sdp::{self, Codec, Direction, Local, Session};
use moonswitch::sip::auth::{Guard, Verdict};
use moonswitch::sip::message::{
    Contacts, Message, Method, Name, NameAddr, Params, ParseError, Uri, Via, Writer,
};
use moonswitch::sip::stream::{Frame, Framer};
use moonswitch::sip::{Flow, Transport};

/// A target.
pub(crate) type Target = fn(&[u8]);

/// Each with the name of its corpus.
pub(crate) const ALL: [(&str, Target); 6] = [
    ("message", message),
    ("uri", uri),
    ("address", address),
    ("sdp", session),
    ("digest", digest),
    ("framing", framing),
];

/// Whatever can be framed can be read to its last parameter; what is sound can be answered, and
/// printed so that it reads the same again.
pub(crate) fn message(bytes: &[u8]) {
    let Ok(it) = Message::parse(Bytes::copy_from_slice(bytes)) else { return };
    touch(&it);
    if it.check().is_err() {
        return;
    }
    let source = SocketAddr::from(([192, 0, 2, 9], 5060));
    let reply = Writer::reply(&it, 480, source, Some("ours")).finish();
    let read = Message::parse(reply.clone()).expect("a reply can be framed");
    assert_eq!(read.check(), Ok(()), "{}", reply.escape_ascii());
    assert_eq!(Writer::reply(&read, 480, source, Some("ours")).finish(), reply);
    assert_eq!(read.cseq(), it.cseq());
    assert_eq!(read.call_id(), it.call_id());
    assert_eq!(read.list(Name::Via).count(), it.list(Name::Via).count());
    printed(&it);
}

/// Parse, print, parse: the same again. A null in a quoted string is the one thing that is not kept.
fn printed(it: &Message) {
    let first = match (it.status(), it.method()) {
        (Some(status), _) => Writer::response(status, ""),
        (None, Method::Other) => return,
        (None, method) => Writer::request(method, it.request_uri().expect("a request has one")),
    };
    let mut writer = first;
    for name in NAMES {
        for value in it.values(name) {
            writer = writer.raw(name.word(), value);
        }
    }
    for (name, value) in it.others() {
        writer = writer.raw(name, value);
    }
    let bytes = writer.finish_with("text/plain", it.body());
    let read = match Message::parse(bytes.clone()) {
        // The printer has added two lines of its own.
        Err(ParseError::TooManyHeaders) => return,
        it => it.expect("what we print can be framed"),
    };
    let text = bytes.escape_ascii();
    assert_eq!(read.check(), Ok(()), "{text}");
    assert_eq!((read.method(), read.status()), (it.method(), it.status()), "{text}");
    assert_eq!(read.request_uri(), it.request_uri(), "{text}");
    assert_eq!(read.body(), it.body(), "{text}");
    let plain = |value: &[u8]| {
        value.iter().map(|it| if *it == 0 { b' ' } else { *it }).collect::<Vec<u8>>()
    };
    for name in NAMES {
        let [was, is] = [it, &read].map(|it| it.values(name).map(plain).collect::<Vec<_>>());
        assert_eq!(is, was, "{name}: {text}");
    }
}

fn touch(it: &Message) {
    for name in NAMES {
        for value in it.list(name) {
            if let Ok(address) = NameAddr::parse(value) {
                let _ =
                    (Uri::parse(address.uri).map(all_of), params(address.params), address.tag());
            }
            let _ =
                Via::parse(value).map(|via| (params(via.params), via.branch(), via.rport_asked()));
        }
        let _ = (it.text(name), it.routes(name).len(), it.has_option(name, "x"));
    }
    if let Ok(Contacts::List(list)) = it.contacts() {
        assert!(list.len() <= it.list(Name::Contact).count());
    }
    let _ = (it.cseq(), it.expires(), it.max_forwards(), it.content_type(), it.content_length());
    let _ = (it.reason(), it.method_token().len(), it.others().count(), it.call_id());
    assert!(it.body().len() <= it.bytes().len());
}

fn params(params: Params<'_>) -> usize {
    params.iter().filter(|it| params.has(it.0) && params.get(it.0).is_some()).count()
}

fn all_of(uri: Uri<'_>) -> (usize, Option<String>) {
    (params(uri.params), uri.user_decoded().map(|it| it.into_owned()))
}

/// A URI equals itself, stands in an address as it is, and its parts make the same URI.
pub(crate) fn uri(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(uri) = Uri::parse(text) else { return };
    let _ = all_of(uri);
    assert_eq!(Uri::parse(text), Ok(uri));
    let address = format!("\"\" <{text}>;tag=1");
    let address = NameAddr::parse(address.as_bytes()).expect("a URI may stand in brackets");
    assert_eq!((address.uri, address.tag()), (text, Some("1")));
    if uri.host.is_empty() {
        return;
    }
    let user = uri.user.map_or(String::new(), |it| format!("{it}@"));
    let port = uri.port.map_or(String::new(), |it| format!(":{it}"));
    let word = &text[..text.find(':').expect("a URI has a scheme")];
    let built = format!("{word}:{user}{}{port}", uri.host);
    let again = Uri::parse(&built).unwrap_or_else(|_| panic!("{built} is no URI"));
    let parts = |it: Uri<'_>| (it.scheme, it.user.map(str::to_owned), it.host.to_owned(), it.port);
    assert_eq!(parts(again), parts(uri), "{built}");
}

/// An address prints as it reads, and a Via names its sender.
pub(crate) fn address(bytes: &[u8]) {
    if let Ok(it) = NameAddr::parse(bytes) {
        let _ = (Uri::parse(it.uri).map(all_of), params(it.params));
        let name = it.display.as_deref().unwrap_or_default();
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        let printed = format!("\"{name}\" <{}>", it.uri);
        let read = NameAddr::parse(printed.as_bytes()).expect("an address that we print");
        assert_eq!((read.display, read.uri), (it.display, it.uri), "{printed}");
    }
    if let Ok(it) = Via::parse(bytes) {
        let _ = (params(it.params), it.branch());
        let printed = format!("SIP/2.0/{} {};x", it.transport, it.sent_by());
        let read = Via::parse(printed.as_bytes()).expect("a Via that we print");
        assert_eq!((read.host, read.port), (it.host, it.port), "{printed}");
    }
}

/// Whatever can be read can be answered line by line, and what we write reads as we meant it.
pub(crate) fn session(bytes: &[u8]) {
    let Ok(it) = Session::parse(bytes) else { return };
    assert_eq!(Session::parse(bytes).as_ref(), Ok(&it));
    let local = |port| Local {
        address: [192, 0, 2, 10].into(),
        port,
        session: 7,
        version: 1,
        ptime_ms: it.packet_ms(),
    };
    let lines =
        |text: &[u8]| text.split(|it| *it == b'\n').filter(|it| it.starts_with(b"m=")).count();
    let codecs = it.codecs();
    for wanted in [&[Codec::Pcma, Codec::Pcmu, Codec::Opus][..], &codecs] {
        let Ok(answer) = sdp::answer(&local(40_000), &it, wanted, Direction::SendRecv) else {
            continue;
        };
        assert_eq!(lines(answer.text.as_bytes()), lines(bytes), "{}", answer.text);
        Session::parse(answer.text.as_bytes()).expect("an answer of ours can be read");
        assert!(answer.agreed.remote.port() > 0, "{:?}", answer.agreed);
    }
    let offer = sdp::offer(&local(40_002), &codecs);
    let read = Session::parse(offer.text().as_bytes()).expect("an offer of ours can be read");
    assert_eq!(read.codecs().len(), codecs.len(), "{}", offer.text());
    // We would agree with ourselves.
    if let Ok(answer) = sdp::answer(&local(40_004), &read, &codecs, Direction::SendRecv) {
        let answer = Session::parse(answer.text.as_bytes()).expect("an answer of ours can be read");
        let agreed = offer.accept(&answer, Direction::SendRecv).expect("we take our own answer");
        assert_eq!(agreed.remote.port(), 40_004);
    }
    let _ = offer.accept(&it, Direction::SendRecv).map(|it| it.is_held());
}

/// Nobody is known by what he makes up, and the same answer gets the same verdict.
pub(crate) fn digest(bytes: &[u8]) {
    let address = SocketAddr::from(([192, 0, 2, 9], 5060));
    let flow = Flow { transport: Transport::Udp, local: address, remote: address };
    let verdicts = [(); 2].map(|()| {
        let mut guard = Guard::new(&mut Rng::from_seed(1), "moonswitch");
        let _ = guard.challenge(Mono::ZERO, flow, false);
        let values = bytes.split(|it| *it == b'\n');
        guard.check(Mono::ZERO, flow, "REGISTER", "sip:pbx.test", values, |_| Some("secret"))
    });
    assert_eq!(verdicts[0], verdicts[1]);
    assert!(!matches!(verdicts[0], Verdict::Known(_)), "{verdicts:?}");
}

/// How a stream is cut makes no difference, and what is cut out is a message to its last byte.
pub(crate) fn framing(bytes: &[u8]) {
    let whole = frames(bytes, |_| usize::MAX);
    assert_eq!(frames(bytes, |_| 1), whole);
    // Cuts that depend on the bytes themselves.
    let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or(1));
    assert_eq!(frames(bytes, |at| 1 + byte(at) % 23), whole);
    let mut told = 0;
    for (nth, frame) in whole.iter().enumerate() {
        match frame {
            Frame::Message(it) => {
                let message = Message::parse(it.clone()).expect("what is cut out can be framed");
                let length = message.content_length().expect("a length without doubt");
                assert_eq!(length, Some(message.body().len() as u64));
                assert!(it.ends_with(message.body()));
                told += it.len();
            }
            Frame::Ping => told += 4,
            Frame::Broken { .. } => assert_eq!(nth + 1, whole.len(), "nothing follows the end"),
        }
    }
    assert!(told <= bytes.len());
}

fn frames(bytes: &[u8], size: impl Fn(usize) -> usize) -> Vec<Frame> {
    let (mut framer, mut all, mut at) = (Framer::default(), Vec::new(), 0);
    while at < bytes.len() {
        let end = at.saturating_add(size(at)).min(bytes.len());
        framer.receive(&bytes[at..end], |it| all.push(it));
        assert!(framer.held() <= bytes.len());
        at = end;
    }
    all
}

/// Every header that we have a name for, but Content-Length, which is the printer's own.
const NAMES: [Name; 40] = [
    Name::Via,
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::Contact,
    Name::Route,
    Name::RecordRoute,
    Name::MaxForwards,
    Name::Expires,
    Name::MinExpires,
    Name::Authorization,
    Name::ProxyAuthorization,
    Name::WwwAuthenticate,
    Name::ProxyAuthenticate,
    Name::Allow,
    Name::Supported,
    Name::Require,
    Name::ProxyRequire,
    Name::Unsupported,
    Name::UserAgent,
    Name::Server,
    Name::Reason,
    Name::RetryAfter,
    Name::Event,
    Name::AllowEvents,
    Name::Accept,
    Name::SubscriptionState,
    Name::ReferTo,
    Name::ReferredBy,
    Name::Replaces,
    Name::SessionExpires,
    Name::MinSe,
    Name::RSeq,
    Name::RAck,
    Name::PAssertedIdentity,
    Name::Privacy,
    Name::Date,
    Name::Warning,
    Name::Path,
];
