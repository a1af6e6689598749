//! Printing: requests, responses, and replies to a request.

use std::fmt::{self, Display, Write as _};
use std::net::SocketAddr;

use bytes::Bytes;
use memchr::memchr3;

use super::scan::{cut, is_blank, is_token, split};
use super::{Message, Method, Name, NameAddr, Via, reason_phrase};

/// Writes one message, header by header.
///
/// CR, LF and NUL in anything it is given become spaces, so that no value can add a header of its
/// own. Content-Length is its own business: one that is given is left out.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

/// Room for an everyday message without growing.
const USUAL_SIZE: usize = 1_024;

impl Writer {
    /// Begins a request. What no URI can hold is escaped in it. `Method::Other` has no name to print.
    pub fn request(method: Method, uri: &str) -> Self {
        debug_assert_ne!(method, Method::Other, "only methods that we know are sent");
        let mut out = Vec::with_capacity(USUAL_SIZE);
        out.extend(method.word().as_bytes());
        out.push(b' ');
        for &byte in uri.as_bytes() {
            if is_blank(byte) {
                out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            } else {
                out.push(byte);
            }
        }
        out.extend(b" SIP/2.0\r\n");
        Self(out)
    }

    /// Begins a response. There are no codes outside of 100 to 699.
    pub fn response(status: u16, reason: &str) -> Self {
        let mut writer = Self(Vec::with_capacity(USUAL_SIZE));
        writer.print(format_args!("SIP/2.0 {} {reason}", status.clamp(100, 699)));
        writer.end_line();
        writer
    }

    /// Begins the response to a request (RFC 3261 §8.2.6): all Vias, the topmost with what `source`
    /// tells (§18.2.1, RFC 3581 §4), From, To, Call-ID and CSeq as they came. A To without a tag
    /// gets `to_tag`, except in a 100.
    pub fn reply(request: &Message, status: u16, source: SocketAddr, to_tag: Option<&str>) -> Self {
        Self::reply_with(request, status, reason_phrase(status), source, to_tag)
    }

    /// [`Writer::reply`] with a reason phrase of one's own.
    pub fn reply_with(
        request: &Message,
        status: u16,
        reason: &str,
        source: SocketAddr,
        to_tag: Option<&str>,
    ) -> Self {
        let mut writer = Self::response(status, reason);
        writer.vias(request, source);
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            let Some(value) = request.first(name) else { continue };
            writer.begin_line(name.word());
            match to_tag.filter(|_| name == Name::To && status > 100 && lacks_tag(value)) {
                Some(tag) => {
                    writer.clean(value.strip_suffix(b";").unwrap_or(value));
                    writer.print(format_args!(";tag={tag}"));
                }
                None => writer.clean(value),
            }
            writer.end_line();
        }
        writer
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: Name, value: impl Display) -> Self {
        if !matches!(name, Name::Other | Name::ContentLength) {
            self.begin_line(name.word());
            self.print(format_args!("{value}"));
            self.end_line();
        }
        self
    }

    /// Adds a header of any name; one whose name is no token is left out.
    #[must_use]
    pub fn raw(mut self, name: &str, value: &[u8]) -> Self {
        if is_token(name.as_bytes()) && Name::of(name.as_bytes()) != Name::ContentLength {
            self.begin_line(name);
            self.clean(value);
            self.end_line();
        }
        self
    }

    /// Ends a message without a body.
    pub fn finish(mut self) -> Bytes {
        self.0.extend(b"Content-Length: 0\r\n\r\n");
        self.0.into()
    }

    /// Ends a message with a body.
    pub fn finish_with(self, content_type: &str, body: &[u8]) -> Bytes {
        let mut writer = self.header(Name::ContentType, content_type);
        writer.print(format_args!("Content-Length: {}", body.len()));
        writer.end_line();
        writer.end_line();
        writer.0.extend(body);
        writer.0.into()
    }

    /// The Vias line by line as they came: a reply has no more lines than its request.
    fn vias(&mut self, request: &Message, source: SocketAddr) {
        let mut is_top = true;
        for line in request.values(Name::Via) {
            let mut values = split(line, b',').filter(|it| !it.is_empty()).peekable();
            if values.peek().is_none() {
                continue;
            }
            self.begin_line(Name::Via.word());
            for (nth, via) in values.enumerate() {
                if nth > 0 {
                    self.0.extend(b", ");
                }
                match Via::parse(via) {
                    Ok(parsed) if is_top => self.via_with_source(via, &parsed, source),
                    _ => self.clean(via),
                }
                is_top = false;
            }
            self.end_line();
        }
    }

    /// A Via as written, except that `received` and `rport` tell the truth about its sender.
    fn via_with_source(&mut self, written: &[u8], via: &Via<'_>, source: SocketAddr) {
        self.clean(cut(written, b';').0);
        for piece in via.params.pieces() {
            let name = cut(piece, b'=').0.trim_ascii_end();
            if !name.eq_ignore_ascii_case(b"received") && !name.eq_ignore_ascii_case(b"rport") {
                self.0.push(b';');
                self.clean(piece);
            }
        }
        // A dual-stack socket shows IPv4 peers in IPv6 clothes, which are not theirs.
        let address = source.ip().to_canonical();
        let host = via.host.trim_start_matches('[').trim_end_matches(']');
        if via.rport_asked() || host.parse() != Ok(address) {
            self.print(format_args!(";received={address}"));
        }
        if via.rport_asked() {
            self.print(format_args!(";rport={}", source.port()));
        }
    }

    fn begin_line(&mut self, name: &str) {
        self.0.extend(name.as_bytes());
        self.0.extend(b": ");
    }

    fn end_line(&mut self) {
        self.0.extend(b"\r\n");
    }

    fn print(&mut self, value: fmt::Arguments<'_>) {
        // A Display that fails has said what it had to say; writing to memory itself cannot fail.
        let _ = self.write_fmt(value);
    }

    fn clean(&mut self, value: &[u8]) {
        let start = self.0.len();
        self.0.extend_from_slice(value);
        if memchr3(b'\r', b'\n', 0, value).is_some() {
            for byte in self.0.iter_mut().skip(start) {
                if matches!(byte, b'\r' | b'\n' | 0) {
                    *byte = b' ';
                }
            }
        }
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.clean(text.as_bytes());
        Ok(())
    }
}

/// Whether this is a To that a tag can be added to.
fn lacks_tag(to: &[u8]) -> bool {
    NameAddr::parse(to).is_ok_and(|to| !to.params.has("tag"))
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
