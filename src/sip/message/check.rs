//! The strict reading of a framed message: what a 400 is for (RFC 3261 §8.2, §16.3).

use memchr::{memchr_iter, memchr2_iter};

use super::parse::Start;
use super::scan::{is_blank, is_token, trim_end};
use super::{Fault, MAX_URI, MAX_VALUES, Message, Name, Scheme, Uri};

impl Message {
    /// Whether a request or response is sound enough to be worked with. Afterwards `top_via`,
    /// `from`, `to`, `cseq` and `max_forwards` do not fail, and `call_id` is there.
    pub fn check(&self) -> Result<(), Fault> {
        self.check_start_line()?;
        for name in [Name::CallId, Name::CSeq, Name::From, Name::To] {
            let mut values = self.values(name);
            if values.next().is_none_or(<[u8]>::is_empty) {
                return Err(Fault::Missing(name));
            }
            if values.next().is_some() {
                return Err(Fault::Repeated(name));
            }
        }
        self.top_via()?;
        for (name, address) in [(Name::From, self.from()?), (Name::To, self.to()?)] {
            // A tag that is there but says nothing would be none to us and one to others.
            if address.params.has("tag") && address.tag().is_none() {
                return Err(Fault::Malformed(name));
            }
        }
        if self.call_id().is_none_or(|id| id.bytes().any(is_blank)) {
            return Err(Fault::Malformed(Name::CallId));
        }
        if self.cseq()?.token != self.method_token() {
            return Err(Fault::CSeqMethod);
        }
        self.max_forwards()?;
        if self.values(Name::MaxForwards).nth(1).is_some() {
            return Err(Fault::Repeated(Name::MaxForwards));
        }
        self.check_length()?;
        for name in [Name::Via, Name::Route, Name::RecordRoute, Name::Path, Name::Contact] {
            // Commas in quotes count too: it is quick, and nobody has that many.
            let values: usize =
                self.values(name).map(|line| memchr_iter(b',', line).count() + 1).sum();
            if values > MAX_VALUES {
                return Err(Fault::TooMany(name));
            }
        }
        match self.fields.iter().any(|field| has_stray_control(self.at(field.value))) {
            true => Err(Fault::StrayControl),
            false => Ok(()),
        }
    }

    fn check_start_line(&self) -> Result<(), Fault> {
        let Start::Request { token, uri, version, .. } = self.start else {
            return Ok(());
        };
        let version = self.at(version);
        if !trim_end(version).eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(Fault::Version);
        }
        if version.len() != trim_end(version).len() || !is_token(self.at(token)) {
            return Err(Fault::StartLine);
        }
        if uri.len() > MAX_URI {
            return Err(Fault::RequestUriTooLong);
        }
        match Uri::parse(self.str_at(uri)) {
            Ok(Uri { scheme: Scheme::Sip | Scheme::Sips, headers: Some(_), .. }) | Err(_) => {
                Err(Fault::RequestUri)
            }
            Ok(_) => Ok(()),
        }
    }

    /// RFC 3261 §18.3, §20.14.
    fn check_length(&self) -> Result<(), Fault> {
        match self.content_length()? {
            Some(length) if length > self.after.len() as u64 => Err(Fault::BodyTooShort),
            _ => Ok(()),
        }
    }
}

/// RFC 3261 §25.1: a `quoted-pair` may escape NUL, but not CR.
fn has_stray_control(value: &[u8]) -> bool {
    memchr2_iter(b'\r', 0, value).any(|at| {
        let before = at.checked_sub(1).and_then(|before| value.get(before));
        value.get(at) == Some(&b'\r') || before != Some(&b'\\')
    })
}
