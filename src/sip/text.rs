//! An instant message on its way to a phone, RFC 3428: a request of ours outside of all dialogs.

use super::Flow;
use super::ask::Stamp;
use super::endpoint::Endpoint;
use super::invite::quoted;
use super::message::{Method, Name, Writer};
use crate::base::{AskId, Mono, Wall};

/// What is sent, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// The Request-URI: the address that the phone registered.
    pub uri: &'a str,
    /// Along which flow.
    pub flow: Flow,
    /// The sender's number.
    pub from: &'a str,
    /// What the sender calls itself.
    pub from_name: Option<&'a str>,
    /// The number that it was sent to.
    pub to: &'a str,
    /// When it was sent; a phone that was away shows this and not when it came (§4, Date).
    pub at: Wall,
    /// Its Content-Type.
    pub kind: &'a str,
    /// What it says.
    pub body: &'a [u8],
}

impl Endpoint {
    /// Sends a MESSAGE. It has no Contact (RFC 3428 §4); what comes of it is told as
    /// [`super::endpoint::Event::Answered`].
    pub fn text(&mut self, now: Mono, ask: AskId, it: Text<'_>) {
        let host = self.host(it.flow);
        let from = format!("<sip:{}@{host}>", it.from);
        let from = it.from_name.map_or(from.clone(), |name| format!("{} {from}", quoted(name)));
        self.ask(now, ask, it.flow, Method::Message, |Stamp { via, call_id, tag }| {
            Writer::request(Method::Message, it.uri)
                .header(Name::Via, via)
                .header(Name::MaxForwards, 70)
                .header(Name::From, format_args!("{from};tag={tag}"))
                .header(Name::To, format_args!("<sip:{}@{host}>", it.to))
                .header(Name::CallId, call_id)
                .header(Name::CSeq, "1 MESSAGE")
                .header(Name::Date, it.at.date())
                .finish_with(it.kind, it.body)
        });
    }
}
