//! The question whether a phone is still there: an OPTIONS (RFC 3261 §11) without a transaction. Its
//! branch names the phone, so nothing is kept here, and whoever wants an answer again asks again.

use super::Endpoint;
use super::message::{Method, Name, Writer};
use super::registrar::Ask;

impl Endpoint {
    /// Asks; returns the branch, which the answer brings back.
    pub fn ask_alive(&mut self, ask: &Ask) -> String {
        let (flow, contact) = (ask.binding.flow, &ask.binding.contact);
        let (call_id, tag) = (self.rng.token(), self.rng.token());
        let branch = format!("{BRANCH}{:x}-{}", ask.id, self.rng.token());
        let (word, address) = (flow.transport.word(), self.address(flow));
        let request = Writer::request(Method::Options, contact)
            .header(Name::Via, format_args!("SIP/2.0/{word} {address};branch={branch};rport"))
            .header(Name::MaxForwards, 70)
            .header(Name::From, format_args!("<sip:{address}>;tag={tag}"))
            .header(Name::To, format_args!("<{contact}>"))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, "1 OPTIONS")
            .finish();
        // A connection that is gone answers nothing.
        self.sends.push((flow, request));
        branch
    }
}

/// The phone that a branch of ours names.
pub(super) fn phone_of(branch: &str) -> Option<u64> {
    let (phone, _) = branch.strip_prefix(BRANCH)?.split_once('-')?;
    u64::from_str_radix(phone, 16).ok()
}

/// What these branches begin with: the cookie of §8.1.1.7 and a word of ours.
const BRANCH: &str = "z9hG4bK-alive-";
