//! A second, independent reader looks over our shoulder: rsip reads every message of some calls, and
//! what it accepts must say the same to it as to us. An error in our parser and its twin in our
//! printer would agree with each other; this reader would not.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use moonswitch::sdp::Codec;
use moonswitch::sim::phone::{Behaviour, Reply};
use moonswitch::sim::{Config, World};
use moonswitch::sip::message::{Contacts, Message, Name};
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};
use rsip::{Header, SipMessage};

use crate::world::{ann_dials, assert_nothing_left, house, move_in, secs};

/// What rsip 0.4 is known to refuse or misread of what we and our phones write, as parts of the
/// messages in question. Whatever contains one of them is not compared.
const UNREADABLE: &[&str] = &[];

#[test]
fn another_reader_reads_every_message_as_we_do() {
    let seen = Rc::new(RefCell::new(Seen::default()));
    for (seed, (ann, bob, number)) in (1..).zip(calls()) {
        for config in [Config::clear(seed), Config::storm(seed)] {
            let mut world = house(config);
            watch(&mut world, &seen);
            move_in(&mut world, ann.clone(), bob.clone());
            ann_dials(&mut world, number);
            assert_nothing_left(&mut world);
        }
    }
    let seen = seen.borrow();
    assert_eq!(seen.refused, BTreeSet::new());
    assert!(seen.compared > 200, "{} compared", seen.compared);
    for kind in [
        "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "100", "180", "200", "401", "404", "486",
        "487",
    ] {
        assert!(seen.kinds.contains(kind), "no {kind} among {:?}", seen.kinds);
    }
}

/// What has gone over the wire so far.
#[derive(Default)]
struct Seen {
    compared: u64,
    kinds: BTreeSet<String>,
    refused: BTreeSet<String>,
}

/// Calls that between them show every message that there is.
fn calls() -> [(Behaviour, Behaviour, &'static str); 6] {
    let plain = Behaviour::default;
    let brief = || Behaviour { hang_up_after: Some(secs(3)), ..plain() };
    let opus = || Behaviour { codecs: vec![Codec::Opus, Codec::Pcma], ..brief() };
    let hasty = Behaviour { cancel_after: Some(secs(3)), ..plain() };
    [
        (brief(), plain(), "1002"),
        (opus(), opus(), "1002"),
        (plain(), Behaviour { reply: Reply::Busy, ..plain() }, "1002"),
        (hasty, Behaviour { reply: Reply::Ring, ..plain() }, "1002"),
        (brief(), plain(), "*43"),
        (brief(), plain(), "1999"),
    ]
}

fn watch(world: &mut World, seen: &Rc<RefCell<Seen>>) {
    let seen = Rc::clone(seen);
    world.inspect(move |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if UNREADABLE.iter().any(|it| text.contains(it)) {
            return;
        }
        let mut seen = seen.borrow_mut();
        let ours = ours(bytes);
        seen.kinds.insert(ours[0].clone());
        match theirs(bytes) {
            Ok(theirs) => assert_eq!(ours, theirs, "{text}"),
            Err(error) => drop(seen.refused.insert(format!("{error}\n{text}"))),
        }
        seen.compared += 1;
    });
}

/// Method or status, Request-URI, Call-ID, CSeq, tags, branch, Contact, Content-Length, body: as we
/// read them.
fn ours(bytes: &[u8]) -> [String; 11] {
    let it = Message::parse(Bytes::copy_from_slice(bytes)).expect("we read what is on the wire");
    assert_eq!(it.check(), Ok(()), "{}", String::from_utf8_lossy(bytes));
    let or_none = |it: Option<&str>| it.unwrap_or("none").to_owned();
    let contact = match it.contacts().expect("contacts are in order") {
        Contacts::List(list) => or_none(list.first().map(|it| it.uri)),
        Contacts::Star => "*".to_owned(),
    };
    let cseq = it.cseq().expect("there is a CSeq");
    [
        it.status().map_or_else(|| it.method_token().to_owned(), |it| it.to_string()),
        or_none(it.request_uri()),
        or_none(it.call_id()),
        cseq.number.to_string(),
        cseq.method.to_string(),
        or_none(it.from().expect("there is a From").tag()),
        or_none(it.to().expect("there is a To").tag()),
        or_none(it.top_via().expect("there is a Via").branch()),
        contact,
        or_none(it.text(Name::ContentLength)),
        String::from_utf8_lossy(it.body()).into_owned(),
    ]
}

/// The same, as rsip reads them.
fn theirs(bytes: &[u8]) -> Result<[String; 11], rsip::Error> {
    let it = SipMessage::try_from(bytes)?;
    let (first, uri) = match &it {
        SipMessage::Request(it) => (it.method.to_string(), it.uri.to_string()),
        SipMessage::Response(it) => {
            (u16::from(it.status_code.clone()).to_string(), "none".to_owned())
        }
    };
    let or_none = |it: Option<String>| it.unwrap_or_else(|| "none".to_owned());
    let contact = it.contact_header().ok().map(|it| it.clone().typed()).transpose()?;
    let length = it.headers().iter().find_map(|it| match it {
        Header::ContentLength(it) => Some(it.value().to_owned()),
        _ => None,
    });
    let (cseq, via) = (it.cseq_header()?, it.via_header()?.clone().typed()?);
    let (from, to) = (it.from_header()?.clone().typed()?, it.to_header()?.clone().typed()?);
    Ok([
        first,
        uri,
        it.call_id_header()?.value().to_owned(),
        cseq.seq()?.to_string(),
        cseq.method()?.to_string(),
        or_none(from.tag().map(|it| it.value().to_owned())),
        or_none(to.tag().map(|it| it.value().to_owned())),
        or_none(via.branch().map(|it| it.value().to_owned())),
        or_none(contact.map(|it| it.uri.to_string())),
        or_none(length),
        String::from_utf8_lossy(it.body()).into_owned(),
    ])
}
