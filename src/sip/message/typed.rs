//! One small typed accessor per header.

use super::scan::{cut, number, trim};
use super::{CSeq, Contacts, Fault, Message, Name, NameAddr, Via};

impl Message {
    /// The topmost Via: who sent this to us.
    pub fn top_via(&self) -> Result<Via<'_>, Fault> {
        Via::parse(self.list(Name::Via).next().ok_or(Fault::Missing(Name::Via))?)
    }

    /// From: who asks.
    pub fn from(&self) -> Result<NameAddr<'_>, Fault> {
        self.address(Name::From)
    }

    /// To: who is asked.
    pub fn to(&self) -> Result<NameAddr<'_>, Fault> {
        self.address(Name::To)
    }

    /// All Contacts; an empty list if there is no such header.
    pub fn contacts(&self) -> Result<Contacts<'_>, Fault> {
        let mut values = self.list(Name::Contact).peekable();
        let malformed = Fault::Malformed(Name::Contact);
        if values.peek().is_none() && self.first(Name::Contact).is_some() {
            return Err(malformed);
        }
        if values.next_if(|value| *value == b"*").is_some() {
            return if values.next().is_none() { Ok(Contacts::Star) } else { Err(malformed) };
        }
        let contacts: Result<_, _> = values.map(NameAddr::parse).collect();
        contacts.map(Contacts::List).map_err(|_| malformed)
    }

    /// CSeq: number and method.
    pub fn cseq(&self) -> Result<CSeq<'_>, Fault> {
        CSeq::parse(self.first(Name::CSeq).ok_or(Fault::Missing(Name::CSeq))?)
    }

    /// Call-ID, unless it is empty or not UTF-8.
    pub fn call_id(&self) -> Option<&str> {
        self.text(Name::CallId).filter(|id| !id.is_empty())
    }

    /// Max-Forwards (RFC 3261 §20.22). Values above 255 are seen, and taken.
    pub fn max_forwards(&self) -> Result<Option<u32>, Fault> {
        let Some(value) = self.first(Name::MaxForwards) else {
            return Ok(None);
        };
        let hops = number(value).and_then(|hops| u32::try_from(hops).ok());
        hops.map(Some).ok_or(Fault::Malformed(Name::MaxForwards))
    }

    /// Expires in seconds, saturating; `None` if absent or unreadable.
    pub fn expires(&self) -> Option<u32> {
        let seconds = number(self.first(Name::Expires)?)?;
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Content-Length; `None` if absent (RFC 3261 §20.14). Saying the same twice is no conflict.
    pub fn content_length(&self) -> Result<Option<u64>, Fault> {
        let mut first = None;
        for value in self.values(Name::ContentLength) {
            let length = number(value).ok_or(Fault::Malformed(Name::ContentLength))?;
            if *first.get_or_insert(length) != length {
                return Err(Fault::ContentLengthConflict);
            }
        }
        Ok(first)
    }

    /// The values of Route or Record-Route in their order, as written.
    pub fn routes(&self, name: Name) -> Vec<&str> {
        self.list(name).filter_map(|route| str::from_utf8(route).ok()).collect()
    }

    /// Whether Supported, Require … list an option tag.
    pub fn has_option(&self, name: Name, tag: &str) -> bool {
        self.list(name).any(|found| found.eq_ignore_ascii_case(tag.as_bytes()))
    }

    /// The media type of the body without its parameters: `application/sdp`.
    pub fn content_type(&self) -> Option<&str> {
        let (kind, _) = cut(self.first(Name::ContentType)?, b';');
        str::from_utf8(trim(kind)).ok().filter(|kind| !kind.is_empty())
    }

    fn address(&self, name: Name) -> Result<NameAddr<'_>, Fault> {
        let value = self.first(name).ok_or(Fault::Missing(name))?;
        NameAddr::parse(value).map_err(|_| Fault::Malformed(name))
    }
}
