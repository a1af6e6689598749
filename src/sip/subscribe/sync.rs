//! "Read your settings again": NOTIFY with `Event: check-sync`, as desk phones of all makers take it.
//! Nobody has subscribed to it; it stands outside of all dialogs and its subscription is over with it.

use crate::base::{AskId, Mono};
use crate::sip::ask::Stamp;
use crate::sip::endpoint::Endpoint;
use crate::sip::message::{Method, Name, Scheme, Writer};
use crate::sip::registrar::Binding;

/// With what a phone that knows the parameter does not restart when nothing has changed.
const EVENT: &str = "check-sync;reboot=false";

impl Endpoint {
    /// Asks a phone of this number to read its settings again; what comes of it is told as
    /// [`crate::sip::endpoint::Event::Answered`].
    pub fn check_sync(&mut self, now: Mono, ask: AskId, phone: &Binding, number: &str) {
        let Binding { contact: uri, flow } = phone;
        let (host, flow) = (self.host(*flow), *flow);
        let contact = self.contact(flow, Scheme::Sip);
        let address = format!("<sip:{number}@{host}>");
        self.ask(now, ask, flow, Method::Notify, |Stamp { via, call_id, tag }| {
            Writer::request(Method::Notify, uri)
                .header(Name::Via, via)
                .header(Name::MaxForwards, 70)
                .header(Name::From, format_args!("{address};tag={tag}"))
                .header(Name::To, &address)
                .header(Name::CallId, call_id)
                .header(Name::CSeq, "1 NOTIFY")
                .header(Name::Contact, contact)
                .header(Name::Event, EVENT)
                // RFC 6665 §4.1.3: it says that nothing follows.
                .header(Name::SubscriptionState, "terminated;reason=timeout")
                .finish()
        });
    }
}
