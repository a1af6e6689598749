//! How a phone writes instant messages, and what it does with those that come (RFC 3428).

use bytes::Bytes;

use crate::base::Mono;
use crate::sip::message::{Message, Method, Name};

use super::client::Purpose;
use super::{Out, Phone};

/// A text that a phone has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// To whom.
    pub number: String,
    /// Its Content-Type; empty for none.
    pub kind: String,
    /// What it says.
    pub body: Vec<u8>,
    /// How it was answered.
    pub status: Option<u16>,
    call_id: String,
    tag: String,
    cseq: u32,
}

/// A text that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When it came.
    pub at: Mono,
    /// The user part of its From.
    pub from: String,
    /// Its Request-URI.
    pub uri: String,
    /// Its Content-Type.
    pub kind: String,
    /// When it was sent, as it says.
    pub date: String,
    /// What it says.
    pub body: Vec<u8>,
}

impl Phone {
    /// Sends a text; it is the last of [`Phone::written`] from now on.
    pub fn text(&mut self, now: Mono, number: &str, kind: &str, body: &[u8], out: &mut Out) {
        let (call_id, tag) = (self.rng.token(), self.rng.token());
        let (number, kind, body) = (number.to_owned(), kind.to_owned(), body.to_vec());
        self.sent.push(Written { number, kind, body, status: None, call_id, tag, cseq: 0 });
        self.request(now, Purpose::Text(self.sent.len() - 1), 0, out);
    }

    /// The texts that it has sent, the oldest first.
    pub fn written(&self) -> &[Written] {
        &self.sent
    }

    /// The texts that it has taken, the oldest first.
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// A text has come; the status it gets.
    pub(super) fn take_text(&mut self, now: Mono, message: &Message) -> u16 {
        let status = self.behaviour.texts;
        // RFC 3428 §4: it makes no dialog.
        if message.first(Name::Contact).is_some() {
            self.puzzled += 1;
        }
        if status < 300 {
            let from = message.from().map_or("", |it| it.uri);
            let from = from.trim_start_matches("sip:").split('@').next().unwrap_or_default();
            self.heard.push(Heard {
                at: now,
                from: from.to_owned(),
                uri: message.request_uri().unwrap_or_default().to_owned(),
                kind: message.text(Name::ContentType).unwrap_or_default().to_owned(),
                date: message.text(Name::Date).unwrap_or_default().to_owned(),
                body: message.body().to_vec(),
            });
        }
        status
    }

    pub(super) fn write_text(&mut self, nth: usize, branch: &str) -> Bytes {
        let (own, server) = (self.identity.number.clone(), self.identity.server);
        self.sent[nth].cseq += 1;
        let Written { number, kind, body, call_id, tag, cseq, .. } = self.sent[nth].clone();
        let uri = format!("sip:{number}@{server}");
        let writer = self
            .identity
            .request(Method::Message, &uri, branch)
            .header(Name::From, format_args!("<sip:{own}@{server}>;tag={tag}"))
            .header(Name::To, format_args!("<{uri}>"))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, format_args!("{cseq} MESSAGE"));
        let writer = self.authorize(writer, Method::Message, &uri);
        if kind.is_empty() { writer.finish() } else { writer.finish_with(&kind, &body) }
    }
}
