//! What a phone says and hears before the answer, and how it is made to arrive (RFC 3262).

use bytes::Bytes;

use crate::base::Mono;
use crate::sip::message::{Message, Method, Name, Writer};

use super::call::Dialog;
use super::client::Purpose;
use super::session::Session;
use super::{Early, Out, Phone, Reliable};

/// What a caller has acknowledged of the answers before the answer.
#[derive(Debug)]
pub(super) struct Heard {
    number: u32,
    dialog: Dialog,
    /// What the other end has described of itself.
    pub(super) answer: Option<Session>,
}

impl Phone {
    /// A provisional response has come.
    pub(super) fn hear_of(
        &mut self,
        now: Mono,
        purpose: Purpose,
        response: &Message,
        out: &mut Out,
    ) {
        let Purpose::Invite(nth) = purpose else { return };
        self.calls[nth].rang |= response.status() == Some(180);
        if response.has_option(Name::Require, "100rel") && self.is_next(nth, response) {
            self.request(now, Purpose::Prack(nth), 0, out);
        }
        if self.calls[nth].phase == super::Phase::Cancelled {
            self.cancel(now, nth, out);
        }
    }

    /// Whether a reliable response is the next one; then it is taken note of.
    fn is_next(&mut self, nth: usize, response: &Message) -> bool {
        let number = response.text(Name::RSeq).and_then(|it| it.trim().parse().ok());
        let Some(number) = number else {
            self.puzzled += 1;
            return false;
        };
        if matches!(self.behaviour.reliable, Reliable::Unknown | Reliable::Deaf) {
            // A phone that has not said that it can is not asked.
            self.puzzled += u64::from(self.behaviour.reliable == Reliable::Unknown);
            return false;
        }
        let call = &mut self.calls[nth];
        let before = call.early.take();
        if before.as_ref().is_some_and(|it| it.number + 1 != number) {
            call.early = before;
            return false;
        }
        let mut dialog = call.dialog.clone();
        dialog.confirm(response);
        let answer = before.and_then(|it| it.answer).or_else(|| Session::read(response.body()));
        call.early = Some(Heard { number, dialog, answer });
        true
    }

    pub(super) fn write_prack(&mut self, nth: usize, branch: &str) -> Option<Bytes> {
        let call = &mut self.calls[nth];
        let heard = call.early.as_ref()?;
        call.dialog.cseq += 1;
        let (cseq, target) = (call.dialog.cseq, heard.dialog.target());
        let rack = format!("{} {} INVITE", heard.number, call.dialog.invite.1);
        let writer = heard.dialog.request(&self.identity, Method::Prack, branch, cseq, target);
        Some(writer.header(Name::RAck, rack).finish())
    }

    /// Rings, so that the caller hears of it, or hears itself already.
    pub(super) fn ring(&mut self, now: Mono, this: usize, nth: usize, out: &mut Out) {
        let call = &self.calls[nth];
        let speaks = self.behaviour.early == Early::Speaks;
        let body = speaks.then(|| call.ours.print(call.version));
        let (status, body) = (if speaks { 183 } else { 180 }, body.as_deref());
        let can = self.behaviour.reliable != Reliable::Unknown;
        let invite = &self.served[this].request;
        if !can || !invite.has_option(Name::Supported, "100rel") || invite.body().is_empty() {
            return self.say(now, this, status, body, out);
        }
        let number = 1 + self.rng.below(1 << 30) as u32;
        let reliable = |it: Writer| it.header(Name::Require, "100rel").header(Name::RSeq, number);
        self.say_more(now, this, status, body, reliable, out);
        self.served[this].wait_for_prack(now, number, speaks);
    }

    /// A PRACK has come.
    pub(super) fn take_prack(
        &mut self,
        now: Mono,
        this: usize,
        nth: usize,
        prack: &Message,
        out: &mut Out,
    ) {
        let rack = prack.text(Name::RAck).unwrap_or_default().to_owned();
        let of = self.served.iter_mut().find(|it| {
            let cseq = it.request.cseq().map_or(0, |it| it.number);
            let expected = it.reliable.map(|it| format!("{} {cseq} INVITE", it.0));
            it.call == Some(nth) && expected.as_ref() == Some(&rack)
        });
        let status = match of {
            Some(it) => {
                it.pracked();
                200
            }
            None => 481,
        };
        self.puzzled += u64::from(status == 481);
        self.say(now, this, status, None, out);
    }
}

impl Reliable {
    /// What stands in an INVITE of its own.
    pub(super) fn ask(self, writer: Writer) -> Writer {
        match self {
            Self::Unknown => writer,
            Self::Supported => writer.header(Name::Supported, "100rel"),
            Self::Required | Self::Deaf => writer.header(Name::Require, "100rel"),
        }
    }
}
