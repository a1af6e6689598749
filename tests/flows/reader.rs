//! The second, independent reader of SIP messages: rsip, beside ours, field by field.

use bytes::Bytes;
use moonswitch::sip::message::{Contacts, Fault, Message, Name};
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};
use rsip::{Header, SipMessage};

/// What is compared, in order.
pub(crate) const FIELDS: [&str; 11] = [
    "start", "uri", "call-id", "cseq", "method", "from-tag", "to-tag", "branch", "contact",
    "length", "body",
];

/// The fields as we read them. What is given must be a message that can be framed.
pub(crate) fn ours(bytes: &[u8]) -> Result<[String; 11], Fault> {
    let it = Message::parse(Bytes::copy_from_slice(bytes)).expect("this can be framed");
    it.check()?;
    let or_none = |it: Option<&str>| it.unwrap_or("none").to_owned();
    let contact = match it.contacts()? {
        Contacts::List(list) => or_none(list.first().map(|it| it.uri)),
        Contacts::Star => "*".to_owned(),
    };
    let cseq = it.cseq()?;
    Ok([
        it.status().map_or_else(|| it.method_token().to_owned(), |it| it.to_string()),
        or_none(it.request_uri()),
        or_none(it.call_id()),
        cseq.number.to_string(),
        cseq.token.to_owned(),
        or_none(it.from()?.tag()),
        or_none(it.to()?.tag()),
        or_none(it.top_via()?.branch()),
        contact,
        or_none(it.text(Name::ContentLength)),
        String::from_utf8_lossy(it.body()).into_owned(),
    ])
}

/// The same, as rsip reads them.
pub(crate) fn theirs(bytes: &[u8]) -> Result<[String; 11], rsip::Error> {
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
        // It has no name for the compact form.
        Header::Other(name, value) if name.eq_ignore_ascii_case("l") => Some(value.to_owned()),
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
