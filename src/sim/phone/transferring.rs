//! How a phone sends its partner elsewhere (RFC 3515, RFC 5589), and takes the place of another
//! (RFC 3891).

use bytes::Bytes;

use crate::base::Mono;
use crate::sip::message::{Message, Method, Name};

use super::call::Dialog;
use super::client::Purpose;
use super::{Call, Leaves, Out, Phase, Phone};

/// What became of a partner that was sent elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The final status of the REFER.
    pub status: Option<u16>,
    /// What was told of the new call: each status, and whether it was the last word.
    pub told: Vec<(u16, bool)>,
    /// What the REFER says.
    refer_to: String,
    /// Whether it wants to be told (RFC 4488).
    is_silent: bool,
}

impl Phone {
    /// Sends the partner of its first call that is up to somebody: what Refer-To is to say. With
    /// `is_silent` it does not want to know what comes of it.
    pub fn refer(&mut self, now: Mono, refer_to: &str, is_silent: bool, out: &mut Out) {
        let Some(nth) = self.calls.iter().position(|it| it.phase == Phase::Up) else { return };
        let refer_to = refer_to.to_owned();
        self.calls[nth].sent = Some(Sent { refer_to, is_silent, ..Sent::default() });
        self.request(now, Purpose::Refer(nth), 0, out);
    }

    /// Sends the partner of its first call to a number.
    pub fn transfer(&mut self, now: Mono, number: &str, out: &mut Out) {
        let refer_to = format!("<sip:{number}@{}>", self.identity.server);
        self.refer(now, &refer_to, false, out);
    }

    /// Lets the partners of its first and its last call talk with each other.
    pub fn join(&mut self, now: Mono, out: &mut Out) {
        let Some(last) = self.calls.last() else { return };
        let replaces = last.replaces().replace(';', "%3B").replace('=', "%3D");
        let replaces = replaces.replace('@', "%40");
        let refer_to = format!("<sip:{}@{}?Replaces={replaces}>", last.peer, self.identity.server);
        self.refer(now, &refer_to, false, out);
    }

    /// Takes over a call of another phone: what Replaces is to say.
    pub fn pick_up(&mut self, now: Mono, number: &str, replaces: &str, out: &mut Out) {
        self.replaces = Some(replaces.to_owned());
        self.dial(now, number, out);
    }

    /// A REFER was answered.
    pub(super) fn sent(&mut self, now: Mono, nth: usize, status: u16, out: &mut Out) {
        if let Some(it) = &mut self.calls[nth].sent {
            it.status = Some(status);
        }
        if status < 300 && self.behaviour.leaves == Leaves::AtOnce {
            self.leave(now, nth, out);
        }
    }

    /// It is told what has come of it; the status that the NOTIFY gets.
    pub(super) fn told(&mut self, now: Mono, nth: usize, notify: &Message, out: &mut Out) -> u16 {
        let state = notify.text(Name::SubscriptionState).unwrap_or_default();
        let is_last = state.starts_with("terminated;reason=noresource");
        let is_event = notify.text(Name::Event).is_some_and(|it| it.starts_with("refer"));
        let text = String::from_utf8_lossy(notify.body()).into_owned();
        let status = text.strip_prefix("SIP/2.0 ").and_then(|it| it.get(..3)?.parse().ok());
        let (Some(status), true) = (status, is_event) else { return 489 };
        let Some(sent) = self.calls[nth].sent.as_mut().filter(|it| !it.is_silent) else {
            return 481;
        };
        sent.told.push((status, is_last));
        if status == 200 && self.behaviour.leaves == Leaves::WhenTold {
            self.leave(now, nth, out);
        }
        200
    }

    pub(super) fn write_refer(&mut self, nth: usize, branch: &str) -> Bytes {
        let contact = self.identity.contact();
        let Call { dialog, sent, .. } = &mut self.calls[nth];
        let sent = sent.clone().unwrap_or_default();
        dialog.cseq += 1;
        let (cseq, target) = (dialog.cseq, dialog.target().to_owned());
        let writer = dialog
            .request(&self.identity, Method::Refer, branch, cseq, &target)
            .header(Name::Contact, format_args!("<{contact}>"))
            .header(Name::ReferTo, &sent.refer_to);
        let writer = if sent.is_silent { writer.raw("Refer-Sub", b"false") } else { writer };
        self.authorize(writer, Method::Refer, &target).finish()
    }
}

impl Call {
    /// This call as a Replaces header names it to the other end (RFC 3891 §6.1).
    pub fn replaces(&self) -> String {
        let Dialog { call_id, local_tag, remote_tag, .. } = &self.dialog;
        let theirs = remote_tag.as_ref().or(self.early_tag.as_ref()).map_or("0", String::as_str);
        format!("{call_id};to-tag={theirs};from-tag={local_tag}")
    }
}
