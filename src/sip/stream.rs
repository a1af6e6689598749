//! Cutting a stream into messages: RFC 3261 §18.3, and the keep-alive of RFC 5626 §3.5.1.
//!
//! A [`Framer`] belongs to one connection. It is given bytes as they come, in pieces of any size,
//! and says what stands in them; how the bytes were cut makes no difference. It holds one
//! unfinished message at most, looks at each byte once, and trusts nobody: where one message ends
//! must be beyond doubt, or a peer could hide a second request in what others take for a body.
//!
//! So the stream is broken, and stays so, when a header part cannot be parsed or is too long, when
//! Content-Length is missing (§20.14 wants it on streams), unreadable, contradicts itself, or
//! promises more than we take. A message that is cut out well but means nonsense breaks nothing.
//!
//! It does not know sockets, clocks or what a message means.
//!
//! ```
//! use moonswitch::sip::stream::{Frame, Framer};
//!
//! let mut framer = Framer::default();
//! let mut frames = Vec::new();
//! framer.receive(b"\r\n\r\nOPTIONS sip:pbx.example SIP/2.0\r\nl: 2", |it| frames.push(it));
//! framer.receive(b"\r\n\r\nhiBYE", |it| frames.push(it));
//! let message = b"OPTIONS sip:pbx.example SIP/2.0\r\nl: 2\r\n\r\nhi";
//! assert_eq!(frames, [Frame::Ping, Frame::Message(message[..].into())]);
//! assert!(framer.is_inside());
//! ```

use std::fmt;

use bytes::Bytes;
use memchr::memchr;

use super::message::{Fault, MAX_MESSAGE, Message, Name, ParseError};

/// The longest header part, start line and blank line included.
pub const HEAD_MAX: usize = 16 * 1024;

/// Finds the messages in a stream.
#[derive(Debug, Default)]
pub struct Framer {
    state: State,
    /// What has come of the message that is not complete yet.
    buffer: Vec<u8>,
}

/// What stands in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message: exactly its bytes.
    Message(Bytes),
    /// A keep-alive, which is answered by [`PONG`].
    Ping,
    /// The stream cannot be read any further; all that follows is ignored.
    Broken {
        /// Why.
        why: Broken,
        /// The header part in which it broke, when it is one: somebody may be told.
        head: Option<Bytes>,
    },
}

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// No blank line within [`HEAD_MAX`] bytes.
    HeadTooLong,
    /// Something that is no header part of a message.
    Unreadable(ParseError),
    /// Content-Length is missing, unreadable, or there are two that differ.
    Length(Fault),
    /// Longer than [`MAX_MESSAGE`] by its own account.
    TooLong,
}

/// The answer to [`Frame::Ping`] (RFC 5626 §4.4.1).
pub const PONG: &[u8] = b"\r\n";

/// Where in the stream we are.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Between two messages; this much of a ping has come.
    Between { ping: usize },
    /// In a header part, in a line that begins here in the buffer.
    Head { line: usize },
    /// In a body; the message ends when the buffer is this long.
    Body { end: usize },
    /// Broken.
    Broken,
}

impl Framer {
    /// Takes what has come next in the stream and tells what is complete now.
    pub fn receive(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let (taken, frame) = match self.state {
                State::Between { ping } => self.between(ping, bytes),
                State::Head { line } => self.head(line, bytes),
                State::Body { end } => self.body(end, bytes),
                State::Broken => return,
            };
            bytes = bytes.get(taken..).unwrap_or_default();
            if let Some(frame) = frame {
                tell(frame);
            }
        }
    }

    /// Whether a message has begun that is not complete.
    pub fn is_inside(&self) -> bool {
        matches!(self.state, State::Head { .. } | State::Body { .. })
    }

    /// How many bytes are held; never more than [`MAX_MESSAGE`].
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// RFC 3261 §7.5: line ends in front of a start line mean nothing. Two CRLFs are a ping.
    fn between(&mut self, ping: usize, bytes: &[u8]) -> (usize, Option<Frame>) {
        let Some(&byte) = bytes.first().filter(|it| matches!(it, b'\r' | b'\n')) else {
            self.state = State::Head { line: 0 };
            return (0, None);
        };
        let ping = match PING.get(ping) {
            Some(next) if *next == byte => ping + 1,
            _ => usize::from(PING.first() == Some(&byte)),
        };
        if ping == PING.len() {
            self.state = State::Between { ping: 0 };
            return (1, Some(Frame::Ping));
        }
        self.state = State::Between { ping };
        (1, None)
    }

    /// Looks for the blank line, as [`Message::parse`] will: lines end with LF, with or without CR.
    fn head(&mut self, line: usize, bytes: &[u8]) -> (usize, Option<Frame>) {
        let room = HEAD_MAX.saturating_sub(self.buffer.len());
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let Some(end) = memchr(b'\n', bytes) else {
            self.buffer.extend_from_slice(bytes);
            let frame = (bytes.len() == room).then(|| self.broken(Broken::HeadTooLong, None));
            return (bytes.len(), frame);
        };
        let taken = end + 1;
        self.buffer.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        let is_blank = matches!(self.buffer.get(line..), Some(b"\n" | b"\r\n"));
        self.state = State::Head { line: self.buffer.len() };
        let frame = match is_blank {
            true => self.head_ended(),
            false if taken == room => Some(self.broken(Broken::HeadTooLong, None)),
            false => None,
        };
        (taken, frame)
    }

    fn head_ended(&mut self) -> Option<Frame> {
        let head = Bytes::copy_from_slice(&self.buffer);
        let length = match Message::parse(head.clone()) {
            Ok(it) => it.content_length(),
            Err(why) => return Some(self.broken(Broken::Unreadable(why), None)),
        };
        let why = match length {
            Ok(Some(length)) if length <= (MAX_MESSAGE - head.len()) as u64 => {
                let end = head.len() + length as usize;
                self.state = State::Body { end };
                return self.body(end, &[]).1;
            }
            Ok(Some(_)) => Broken::TooLong,
            Ok(None) => Broken::Length(Fault::Missing(Name::ContentLength)),
            Err(fault) => Broken::Length(fault),
        };
        Some(self.broken(why, Some(head)))
    }

    fn body(&mut self, end: usize, bytes: &[u8]) -> (usize, Option<Frame>) {
        let taken = bytes.len().min(end.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.buffer.len() < end {
            return (taken, None);
        }
        self.state = State::Between { ping: 0 };
        (taken, Some(Frame::Message(std::mem::take(&mut self.buffer).into())))
    }

    fn broken(&mut self, why: Broken, head: Option<Bytes>) -> Frame {
        self.state = State::Broken;
        self.buffer = Vec::new();
        Frame::Broken { why, head }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Between { ping: 0 }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLong => write!(f, "more than {HEAD_MAX} bytes without a blank line"),
            Self::Unreadable(it) => it.fmt(f),
            Self::Length(it) => it.fmt(f),
            Self::TooLong => write!(f, "more than {MAX_MESSAGE} bytes promised"),
        }
    }
}

const PING: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests;
