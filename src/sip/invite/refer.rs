//! The peer wants its partner sent elsewhere: REFER within a call (RFC 3515, RFC 5589). What comes of
//! it is told to the peer along the same dialog, one NOTIFY at a time, the latest news first.
//!
//! ```text
//!  REFER /202, Referred, NOTIFY 100 (active)          refer_says(180) /NOTIFY 180 (active)
//!  (none) ------------------------------------> Open -------------------------------------> Open
//!                                                 |  refer_says(200..) /NOTIFY (terminated)
//!                                                 +----------------------------------------> (none)
//! ```

use std::fmt::Write as _;

use super::{Event, Replaces, State};
use crate::base::{LegId, Mono};
use crate::sip::endpoint::{Endpoint, Owner, Request};
use crate::sip::message::{Message, Method, Name, NameAddr, Scheme, Uri, Writer, reason_phrase};

/// Whom a partner is to talk with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// The number.
    pub to: String,
    /// The dialog that it is to take over (RFC 3891), if any.
    pub replaces: Option<Replaces>,
}

/// What the peer of a leg is told of a transfer.
#[derive(Debug, Default)]
pub(super) struct Refer {
    /// How many REFERs it has sent.
    count: u32,
    /// The one that is not over.
    open: Option<Open>,
    /// A NOTIFY is under way.
    is_busy: bool,
}

#[derive(Debug)]
struct Open {
    /// What tells the second REFER of a dialog from the first (RFC 3515 §2.4.6).
    id: Option<u32>,
    /// The peer does not want to be told (RFC 4488).
    is_silent: bool,
    /// What it was told last.
    said: u16,
    /// What it is to be told.
    next: Option<u16>,
}

impl Referral {
    /// Reads a REFER.
    ///
    /// # Errors
    /// With the status that refuses it.
    pub fn of(refer: &Message) -> Result<Self, u16> {
        let mut values = refer.values(Name::ReferTo);
        // RFC 3515 §2.4.1: exactly one.
        let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
        let uri = Uri::parse(address_in(value).ok_or(400_u16)?).map_err(|_| 400_u16)?;
        if uri.scheme == Scheme::Other {
            return Err(416);
        }
        // RFC 3515 §2.4.2: nothing but a call is begun for others.
        if uri.params.get("method").is_some_and(|it| !it.eq_ignore_ascii_case("INVITE")) {
            return Err(501);
        }
        let replaces = match uri.header("Replaces") {
            Some(value) => Some(Replaces::parse(&value).ok_or(400_u16)?),
            None => None,
        };
        let to = uri.user_decoded().filter(|it| it.len() <= NUMBER_MAX).ok_or(400_u16)?;
        Ok(Self { to: to.into_owned(), replaces })
    }
}

impl Refer {
    /// What may leave now: what tells it apart, and the status.
    fn next(&mut self) -> Option<(Option<u32>, u16)> {
        let open = self.open.as_mut().filter(|_| !self.is_busy)?;
        let status = open.next.take()?;
        open.said = status;
        let (id, is_silent) = (open.id, open.is_silent);
        if status >= 200 {
            self.open = None;
        }
        (!is_silent).then_some((id, status))
    }
}

impl Endpoint {
    /// A REFER within a call.
    pub(super) fn referred(&mut self, now: Mono, leg: LegId, request: &Request) {
        let Some(usage) = self.usage(leg) else { return };
        let is_up = matches!(usage.state, State::Up) && usage.left.is_none();
        let referral = match Referral::of(&request.message) {
            _ if !is_up => Err(403),
            // One at a time: the peer would not know which of them it is told of.
            Ok(_) if usage.refer.open.is_some() => Err(491),
            it => it,
        };
        let referral = match referral {
            Ok(it) => it,
            Err(status) => return self.respond(now, request, status, |it| it),
        };
        let id = request.message.cseq().map_or(0, |it| it.number);
        let id = (usage.refer.count > 0).then_some(id);
        let is_silent = is_silent(&request.message);
        usage.refer.count = usage.refer.count.saturating_add(1);
        usage.refer.open = Some(Open { id, is_silent, said: 0, next: None });
        let (flow, scheme) = (usage.dialog.flow, usage.dialog.scheme());
        let contact = self.contact(flow, scheme);
        self.respond(now, request, 202, |it| {
            let it = it.header(Name::Contact, contact);
            if is_silent { it.raw("Refer-Sub", b"false") } else { it }
        });
        self.refer_says(now, leg, 100);
        self.tell(leg, Event::Referred(referral));
    }

    /// Tells the peer of this leg what has come of the transfer that it asked for: the status of the
    /// call that was begun for it. A final one is the last word.
    pub fn refer_says(&mut self, now: Mono, leg: LegId, status: u16) {
        let open = self.usage(leg).and_then(|it| it.refer.open.as_mut());
        let Some(open) = open.filter(|it| it.said != status) else { return };
        open.next = Some(status);
        self.notify_refer(now, leg);
    }

    /// What came of such a NOTIFY.
    pub(in crate::sip) fn refer_noted(&mut self, now: Mono, leg: LegId, status: u16) {
        if status < 200 {
            return;
        }
        let Some(usage) = self.usage(leg) else { return };
        usage.refer.is_busy = false;
        // RFC 6665 §4.2.2: nobody listens; the transfer goes on, and so does the call.
        if let Some(open) = usage.refer.open.as_mut().filter(|_| status >= 300) {
            open.is_silent = true;
        }
        self.notify_refer(now, leg);
    }

    fn notify_refer(&mut self, now: Mono, leg: LegId) {
        let Some(usage) = self.usage(leg) else { return };
        let Some((id, status)) = usage.refer.next() else { return };
        let (flow, scheme) = (usage.dialog.flow, usage.dialog.scheme());
        let contact = self.contact(flow, scheme);
        let (branch, via) = self.via(flow);
        let Some(usage) = self.usage(leg) else { return };
        usage.refer.is_busy = true;
        let mut event = "refer".to_owned();
        if let Some(id) = id {
            // Writing to memory cannot fail.
            let _ = write!(event, ";id={id}");
        }
        let state = if status < 200 { ACTIVE } else { "terminated;reason=noresource" };
        let notify = usage
            .dialog
            .request(Method::Notify, &via)
            .header(Name::Contact, contact)
            .header(Name::Event, event)
            .header(Name::SubscriptionState, state);
        let text = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status));
        let bytes = finish(notify, &text);
        self.open_client(now, flow, Owner::Refer(leg), &branch, Method::Notify, bytes);
    }
}

/// RFC 3515 §2.4.5: the beginning of a SIP message, as RFC 3420 has it.
fn finish(notify: Writer, text: &str) -> bytes::Bytes {
    notify.finish_with("message/sipfrag;version=2.0", text.as_bytes())
}

/// The address in a Refer-To. Some leave the brackets out, even around headers of the URI.
fn address_in(value: &[u8]) -> Option<&str> {
    let value = value.trim_ascii();
    if let Ok(it) = NameAddr::parse(value) {
        return Some(it.uri);
    }
    str::from_utf8(value).ok().filter(|it| it.contains('?'))
}

/// RFC 4488 §4: whether the peer wants no news.
fn is_silent(refer: &Message) -> bool {
    let value = refer.others().find(|it| it.0.eq_ignore_ascii_case("Refer-Sub"));
    value.is_some_and(|it| {
        let it = it.1.split(|it| *it == b';').next().unwrap_or_default();
        it.trim_ascii().eq_ignore_ascii_case(b"false")
    })
}

/// For as long as any phone rings.
const ACTIVE: &str = "active;expires=180";
/// The longest number that anybody may be sent to.
const NUMBER_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_real_phones_is_read_and_nothing_else() {
        let long = format!("<sip:{}@h>", "1".repeat(129));
        for (refer_to, expected) in [
            ("<sip:1003@pbx.test>", Ok(("1003", None))),
            ("sip:1003@pbx.test", Ok(("1003", None))),
            ("\"Carol\" <sip:1003@pbx.test;method=INVITE>;x=y", Ok(("1003", None))),
            ("<tel:+491234>", Ok(("+491234", None))),
            (
                "<sip:1003@pbx.test?Replaces=ab%40c%3bto-tag%3d1%3Bfrom-tag%3D2>",
                Ok(("1003", Some("ab@c"))),
            ),
            ("sip:1003@pbx.test?Replaces=ab%3Bto-tag%3D1%3Bfrom-tag%3D2", Ok(("1003", Some("ab")))),
            ("<sip:1003@pbx.test?Replaces=ab>", Err(400)),
            ("<sip:1003@pbx.test;method=BYE>", Err(501)),
            ("<http://pbx.test>", Err(416)),
            ("<sip:pbx.test>", Err(400)),
            (long.as_str(), Err(400)),
            ("garbage", Err(400)),
            ("<sip:1003@pbx.test>\r\nRefer-To: <sip:1004@pbx.test>", Err(400)),
        ] {
            let refer = format!(
                "REFER sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bK1\r\n\
                 Refer-To: {refer_to}\r\n\r\n"
            );
            let refer = Message::parse(refer.into()).unwrap();
            let read = Referral::of(&refer);
            let read = read
                .as_ref()
                .map_err(|it| *it)
                .map(|it| (it.to.as_str(), it.replaces.as_ref().map(|it| it.call_id.as_str())));
            assert_eq!(read, expected, "{refer_to}");
        }
    }
}
