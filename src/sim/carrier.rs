//! Carriers and the names by which they are found. A carrier is somebody with an address who answers
//! requests as it is told to; it shares the parser with the engine and nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use md5::{Digest, Md5};

use crate::base::Mono;
use crate::sip::message::{Message, Method, Name, Writer};
use crate::sip::resolve::{Answer, Question};

use super::phone::Letter;

/// What name servers know, and how long they take.
#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<Question, Answer>,
    /// How long each answer takes.
    pub delay: Duration,
    under_way: VecDeque<(Mono, Question)>,
}

/// Somebody whom trunks lead to.
#[derive(Debug)]
pub struct Carrier {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it behaves.
    pub manner: Manner,
    /// Requests that have come, the oldest first: retransmissions too.
    pub heard: Vec<Message>,
    letters: VecDeque<(Mono, Letter)>,
    /// Contacts that are registered.
    pub registered: Vec<String>,
}

/// How a carrier behaves.
#[derive(Clone, Debug)]
pub struct Manner {
    /// It says nothing at all.
    pub silent: bool,
    /// It refuses everything but OPTIONS and what ends calls with this status, and Retry-After in seconds.
    pub refuses: Option<(u16, Option<u32>)>,
    /// The password that it asks for, with its realm.
    pub asks: Option<(String, String)>,
    /// The shortest registration that it takes.
    pub expires_min: u32,
    /// How long its answers take.
    pub delay: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        Self { silent: false, refuses: None, asks: None, expires_min: 60, delay: Duration::ZERO }
    }
}

impl Names {
    /// From now on a question has this answer. What is not known is not there.
    pub fn know(&mut self, question: Question, answer: Answer) {
        self.known.insert(question, answer);
    }

    pub(super) fn ask(&mut self, now: Mono, question: Question) {
        self.under_way.push_back((now + self.delay, question));
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.under_way.front().map(|it| it.0)
    }

    pub(super) fn answer(&mut self) -> Option<(Question, Answer)> {
        let (_, question) = self.under_way.pop_front()?;
        let answer = self.known.get(&question).cloned();
        Some((question, answer.unwrap_or(Answer::Nothing(Duration::from_secs(60)))))
    }
}

impl Carrier {
    /// A carrier that listens there.
    pub fn new(address: SocketAddr, manner: Manner) -> Self {
        let (heard, letters, registered) = (Vec::new(), VecDeque::new(), Vec::new());
        Self { address, manner, heard, letters, registered }
    }

    /// How often it was asked for this.
    pub fn count(&self, method: Method) -> usize {
        self.heard.iter().filter(|it| it.is_request() && it.method() == method).count()
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.letters.front().map(|it| it.0)
    }

    pub(super) fn send(&mut self) -> Option<Letter> {
        self.letters.pop_front().map(|it| it.1)
    }

    pub(super) fn receive(&mut self, now: Mono, letter: &Letter) {
        let Ok(request) = Message::parse(letter.bytes.clone()) else { return };
        if !request.is_request() || self.manner.silent {
            self.heard.push(request);
            return;
        }
        let (status, more) = self.decide(&request);
        let mut reply = Writer::reply(&request, status, letter.from, Some("carrier"));
        for (name, value) in more {
            reply = reply.raw(name, value.as_bytes());
        }
        let bytes = match (request.method(), status) {
            (Method::Invite, 200) => {
                let contact = format!("<sip:{}>", self.address);
                let sdp = describe(self.address);
                reply.header(Name::Contact, contact).finish_with("application/sdp", sdp.as_bytes())
            }
            _ => reply.finish(),
        };
        let is_answered = request.method() != Method::Ack;
        self.heard.push(request);
        if is_answered {
            let letter = Letter { from: self.address, to: letter.from, bytes };
            self.letters.push_back((now + self.manner.delay, letter));
        }
    }

    /// The status of an answer, and its headers.
    fn decide(&mut self, request: &Message) -> (u16, Vec<(&'static str, String)>) {
        if matches!(request.method(), Method::Options | Method::Bye | Method::Cancel) {
            return (200, Vec::new());
        }
        if let Some((status, retry_after)) = self.manner.refuses {
            let wait = retry_after.map(|it| ("Retry-After", it.to_string()));
            return (status, wait.into_iter().collect());
        }
        if let Some((realm, password)) = &self.manner.asks
            && !is_right(request, realm, password)
        {
            let nonce = self.heard.len();
            let ask = format!("Digest realm=\"{realm}\", nonce=\"n{nonce}\", qop=\"auth\"");
            return (401, vec![("WWW-Authenticate", ask)]);
        }
        match request.method() {
            Method::Invite => return (200, Vec::new()),
            Method::Register => {}
            _ => return (405, Vec::new()),
        }
        let expires = request.expires().unwrap_or(0);
        let contact = request.text(Name::Contact).unwrap_or_default().to_owned();
        if expires > 0 && expires < self.manner.expires_min {
            return (423, vec![("Min-Expires", self.manner.expires_min.to_string())]);
        }
        self.registered.retain(|it| *it != contact);
        if expires == 0 {
            return (200, Vec::new());
        }
        let bound = format!("{contact};expires={expires}");
        self.registered.push(contact);
        (200, vec![("Contact", bound)])
    }
}

/// What a carrier answers an offer with: G.711, and nobody speaks.
fn describe(address: SocketAddr) -> String {
    let ip = address.ip();
    format!(
        "v=0\r\no=carrier 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )
}

/// RFC 7616 §3.4.1 with MD5, as the tests' phones do it: from the text of the header.
fn is_right(request: &Message, realm: &str, password: &str) -> bool {
    let Some(header) = request.text(Name::Authorization) else { return false };
    let get = |name: &str| {
        let (_, rest) = header.split_once(&format!("{name}="))?;
        Some(rest.split(',').next()?.trim().trim_matches('"'))
    };
    let hex = |text: String| -> String {
        Md5::digest(text).iter().map(|it| format!("{it:02x}")).collect()
    };
    let value = |name| get(name).unwrap_or_default();
    let user = header.split_once("username=\"").and_then(|it| it.1.split('"').next());
    let a1 = hex(format!("{}:{realm}:{password}", user.unwrap_or_default()));
    let a2 = hex(format!("{}:{}", request.method_token(), value("uri")));
    let middle = [value(" nonce"), value("nc"), value("cnonce"), "auth"].join(":");
    value("response") == hex(format!("{a1}:{middle}:{a2}"))
}
