//! Dialogs, RFC 3261 §12: who talks to whom, along which route, with which sequence numbers.
//!
//! A dialog here is data with rules; it neither sends nor waits.

use crate::sip::Flow;
use crate::sip::message::{Contacts, Fault, Message, Method, Name, NameAddr, Scheme, Uri, Writer};

/// The peer relationship of one leg.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Where its messages go and come from.
    pub flow: Flow,
    call_id: String,
    local: Side,
    remote: Side,
    remote_target: String,
    routes: Vec<String>,
    scheme: Scheme,
    local_seq: u32,
    remote_seq: Option<u32>,
    origin: Origin,
}

/// Whose INVITE opened a dialog: who owns its Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Ours,
    Theirs,
}

/// One end: what stands in From or To, and its tag.
#[derive(Clone, Debug)]
struct Side {
    /// The header value without a tag.
    address: String,
    tag: String,
}

/// How a request of the peer stands to those before it (§12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is the next one.
    Next,
    /// It is older than one that we have seen.
    Late,
}

impl Dialog {
    /// The dialog that an INVITE of a peer opens when we answer it with `tag` (§12.1.1).
    ///
    /// # Errors
    /// When the INVITE names no Contact to reach the peer by.
    pub fn incoming(invite: &Message, flow: Flow, tag: String) -> Result<Self, Fault> {
        let from = invite.from()?;
        let remote_target = target(invite)?;
        let routes: Vec<_> =
            invite.routes(Name::RecordRoute).into_iter().map(str::to_owned).collect();
        let nearest = match routes.first().map(|it| NameAddr::parse(it.as_bytes())) {
            Some(route) => route.map_or("", |it| it.uri),
            None => &remote_target,
        };
        let wanted = [invite.request_uri().unwrap_or_default(), nearest];
        let is_sips = wanted.into_iter().any(|it| scheme_of(it) == Scheme::Sips);
        Ok(Self {
            flow,
            call_id: invite.call_id().unwrap_or_default().to_owned(),
            local: Side { address: untagged(invite, Name::To), tag },
            remote: Side {
                address: untagged(invite, Name::From),
                tag: from.tag().unwrap_or_default().to_owned(),
            },
            scheme: if is_sips { Scheme::Sips } else { Scheme::Sip },
            remote_target,
            routes,
            local_seq: 0,
            remote_seq: Some(invite.cseq()?.number),
            origin: Origin::Theirs,
        })
    }

    /// The dialog that an INVITE of ours will open once a response brings the peer's tag.
    /// Until then its peer is reached by `uri`.
    pub fn outgoing(
        flow: Flow,
        call_id: String,
        uri: &str,
        from: String,
        tag: String,
        to: String,
    ) -> Self {
        Self {
            flow,
            call_id,
            local: Side { address: from, tag },
            remote: Side { address: to, tag: String::new() },
            scheme: scheme_of(uri),
            remote_target: uri.to_owned(),
            routes: Vec::new(),
            local_seq: 0,
            remote_seq: None,
            origin: Origin::Ours,
        }
    }

    /// The same, read from the INVITE that we sent. Of a later INVITE (§14.1) it is the dialog as that
    /// one went along it.
    ///
    /// # Errors
    /// When it is no INVITE of ours.
    pub fn of_invite(invite: &Message, flow: Flow) -> Result<Self, Fault> {
        let tag = invite.from()?.tag().unwrap_or_default().to_owned();
        Ok(Self {
            flow,
            call_id: invite.call_id().unwrap_or_default().to_owned(),
            local: Side { address: untagged(invite, Name::From), tag },
            remote: Side {
                address: untagged(invite, Name::To),
                tag: invite.to()?.tag().unwrap_or_default().to_owned(),
            },
            scheme: invite.request_uri().map_or(Scheme::Other, scheme_of),
            remote_target: invite.request_uri().unwrap_or_default().to_owned(),
            routes: invite.routes(Name::Route).into_iter().map(str::to_owned).collect(),
            local_seq: invite.cseq()?.number,
            remote_seq: None,
            origin: Origin::Ours,
        })
    }

    /// The dialog as this response to our INVITE makes it (§12.1.2). A response without Contact
    /// leaves the peer where we called it.
    pub fn confirmed_by(mut self, response: &Message) -> Self {
        let tag = response.to().ok().and_then(|it| it.tag()).unwrap_or_default();
        self.remote.tag = tag.to_owned();
        self.refresh(response);
        self.routes =
            response.routes(Name::RecordRoute).into_iter().rev().map(str::to_owned).collect();
        self
    }

    /// What finds this dialog when a request of the peer comes.
    pub fn key(&self) -> (String, String) {
        (self.call_id.clone(), self.local.tag.clone())
    }

    /// Whether the Call-ID is ours (§14.1).
    pub fn owns_call_id(&self) -> bool {
        self.origin == Origin::Ours
    }

    /// SIPS when our Contact in it is to be a SIPS address: an INVITE asked for one by its
    /// Request-URI, or a peer's by its topmost Record-Route or its Contact (§8.1.1.8, §12.1.1).
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The tag of ours.
    pub fn local_tag(&self) -> &str {
        &self.local.tag
    }

    /// The peer's tag; empty until it is known.
    pub fn remote_tag(&self) -> &str {
        &self.remote.tag
    }

    /// Whether the request's From tag is the peer's.
    pub fn is_peer(&self, request: &Message) -> bool {
        request.from().ok().and_then(|it| it.tag()).unwrap_or_default() == self.remote.tag
    }

    /// Takes note of a request of the peer (§12.2.2). ACK and CANCEL have no number of their own.
    pub fn note(&mut self, number: u32) -> Order {
        if self.remote_seq.is_some_and(|seen| number <= seen) {
            return Order::Late;
        }
        self.remote_seq = Some(number);
        Order::Next
    }

    /// Takes over the peer's new address from a target refresh (§12.2.2).
    pub fn refresh(&mut self, message: &Message) {
        if let Ok(target) = target(message) {
            self.remote_target = target;
        }
    }

    /// The number of our latest request.
    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// Everything but the flow as text, for those who remember it longer than we live.
    pub fn text(&self) -> String {
        let Self { call_id, local, remote, remote_target, local_seq, .. } = self;
        let remote_seq = self.remote_seq.map(|it| it.to_string()).unwrap_or_default();
        let numbers = [local_seq.to_string(), remote_seq];
        let fixed = [call_id, &local.address, &local.tag, &remote.address, &remote.tag];
        let mut all: Vec<&str> = fixed.into_iter().map(String::as_str).collect();
        all.push(remote_target);
        all.extend(numbers.iter().map(String::as_str));
        all.extend(self.routes.iter().map(String::as_str));
        // No value of a header holds a line end.
        all.join("\n")
    }

    /// The dialog that [`Self::text`] has told.
    pub fn read(text: &str, flow: Flow) -> Option<Self> {
        let mut lines = text.split('\n').map(str::to_owned);
        let call_id = lines.next()?;
        let local = Side { address: lines.next()?, tag: lines.next()? };
        let remote = Side { address: lines.next()?, tag: lines.next()? };
        let remote_target = lines.next()?;
        let local_seq = lines.next()?.parse().ok()?;
        let remote_seq = match lines.next()?.as_str() {
            "" => None,
            number => Some(number.parse().ok()?),
        };
        let routes = lines.collect();
        // Only dialogs of subscriptions are remembered: a peer asked for them.
        let origin = Origin::Theirs;
        let scheme = scheme_of(&remote_target);
        Some(Self {
            flow,
            call_id,
            local,
            remote,
            remote_target,
            routes,
            scheme,
            local_seq,
            remote_seq,
            origin,
        })
    }

    /// Lets our numbers jump, so that none is used twice by somebody who has forgotten the last.
    pub fn leap(&mut self, by: u32) {
        self.local_seq = self.local_seq.saturating_add(by);
    }

    /// Begins our INVITE that opens the dialog.
    pub fn invite(&mut self, uri: &str, via: &str, max_forwards: u32) -> Writer {
        self.local_seq += 1;
        self.fill(Writer::request(Method::Invite, uri), via, max_forwards)
            .header(Name::CSeq, format_args!("{} INVITE", self.local_seq))
    }

    /// Begins a request within the dialog, with the next number (§12.2.1.1).
    pub fn request(&mut self, method: Method, via: &str) -> Writer {
        self.local_seq += 1;
        self.fill(Writer::request(method, &self.remote_target), via, 70)
            .header(Name::CSeq, format_args!("{} {}", self.local_seq, method.word()))
    }

    /// Begins the ACK for a 2xx to our INVITE with this number (§13.2.2.4).
    pub fn ack(&self, number: u32, via: &str) -> Writer {
        self.fill(Writer::request(Method::Ack, &self.remote_target), via, 70)
            .header(Name::CSeq, format_args!("{number} ACK"))
    }

    fn fill(&self, writer: Writer, via: &str, max_forwards: u32) -> Writer {
        let mut it = writer.header(Name::Via, via).header(Name::MaxForwards, max_forwards);
        for route in &self.routes {
            it = it.header(Name::Route, route);
        }
        let Side { address, tag } = &self.local;
        it = it.header(Name::From, format_args!("{address};tag={tag}"));
        let Side { address, tag } = &self.remote;
        it = match tag.as_str() {
            "" => it.header(Name::To, address),
            tag => it.header(Name::To, format_args!("{address};tag={tag}")),
        };
        it.header(Name::CallId, &self.call_id)
    }
}

/// A From or To value with its tag cut off; other parameters are dropped with it, they mean nothing
/// to a dialog.
fn untagged(message: &Message, name: Name) -> String {
    let value = String::from_utf8_lossy(message.first(name).unwrap_or_default()).into_owned();
    let end = match value.rfind('>') {
        Some(close) => close + 1,
        None => value.find(';').unwrap_or(value.len()),
    };
    value[..end].trim().to_owned()
}

fn scheme_of(uri: &str) -> Scheme {
    Uri::parse(uri).map_or(Scheme::Other, |it| it.scheme)
}

/// The address that a Contact names.
fn target(message: &Message) -> Result<String, Fault> {
    match message.contacts()? {
        Contacts::List(it) if !it.is_empty() => Ok(it[0].uri.to_owned()),
        _ => Err(Fault::Missing(Name::Contact)),
    }
}

#[cfg(test)]
mod tests;
