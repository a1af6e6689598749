//! The engine as it ships in a simulated world, and a stranger who sends it one message after the
//! other, over UDP and TCP, and reads what comes back.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use moonswitch::call::event::What;
use moonswitch::call::{Census, Input};
use moonswitch::lua::{self, Files, Limits, LuaPlan};
use moonswitch::sim::{Config, World};
use moonswitch::sip::message::{Message, Method, Name};
use moonswitch::sip::stream::{Frame, Framer};
use moonswitch::sip::{Connection, Flow, Transport};
use nix::time::{ClockId, clock_gettime};

/// The engine, and somebody who sends.
pub(crate) struct Bench {
    pub(crate) world: World,
    /// What the switch has sent.
    sent: Rc<RefCell<Vec<Bytes>>>,
    connections: u64,
    asked: u64,
    /// The most processor time that one message took, and which it was.
    pub(crate) slowest: (Duration, Vec<u8>),
}

/// What came back on a stream.
#[derive(Debug)]
pub(crate) struct Streamed {
    pub(crate) answers: Vec<Message>,
    /// Whether the stream was given up.
    pub(crate) closed: bool,
}

impl Bench {
    /// 1001 (who is us) and 1002 are provisioned, and nobody is registered.
    pub(crate) fn new(seed: u64) -> Self {
        let mut plan = LuaPlan::new(Limits::default());
        let files = Files { embedded: lua::embedded(), user: Vec::new() };
        plan.load(&files).expect("the scripts that ship load");
        let config = Config { traced: false, ports: 2_000, ..Config::clear(seed) };
        let mut world = World::with_switch(config, plan);
        world.provision(USER, PASSWORD);
        world.provision("1002", PASSWORD);
        let sent = Rc::new(RefCell::new(Vec::new()));
        let written = Rc::clone(&sent);
        world.inspect(move |bytes| written.borrow_mut().push(Bytes::copy_from_slice(bytes)));
        let slowest = (Duration::ZERO, Vec::new());
        Self { world, sent, connections: 0, asked: 0, slowest }
    }

    /// Sends a datagram; what comes back within a moment.
    pub(crate) fn udp(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.sent.borrow_mut().clear();
        let flow = Flow { transport: Transport::Udp, local: door(), remote: home() };
        self.tell(Input::Message { flow, bytes: Bytes::copy_from_slice(bytes) }, bytes);
        self.world.run_for(MOMENT);
        self.received()
    }

    /// Lets time pass; what comes meanwhile.
    pub(crate) fn wait(&mut self, span: Duration) -> Vec<Message> {
        self.world.run_for(span);
        self.received()
    }

    /// Whether the slowest message so far is slow when it comes again: the best of some tries, in the
    /// processor's time, so that neither a busy machine nor a page that had to be fetched counts.
    pub(crate) fn look_again(&mut self, limit: Duration) {
        let (first, bytes) = self.slowest.clone();
        if first < limit {
            return;
        }
        let mut best = first;
        for _ in 0..5 {
            self.slowest = (Duration::ZERO, Vec::new());
            self.udp(&bytes);
            best = best.min(self.slowest.0);
        }
        assert!(best < limit, "{best:?} for {}", bytes.escape_ascii());
        self.slowest = (best, bytes);
    }

    /// Opens a connection, sends a stream in pieces of this size and closes it again.
    pub(crate) fn tcp(&mut self, stream: &[u8], piece: usize) -> Streamed {
        self.sent.borrow_mut().clear();
        self.connections += 1;
        let transport = Transport::Tcp(Connection(self.connections));
        let flow = Flow { transport, local: door(), remote: home() };
        let (mut framer, mut frames, mut closed) = (Framer::default(), Vec::new(), false);
        for piece in stream.chunks(piece) {
            framer.receive(piece, |it| frames.push(it));
        }
        for frame in frames {
            match frame {
                Frame::Message(bytes) => {
                    let of = bytes.to_vec();
                    self.tell(Input::Message { flow, bytes }, &of);
                }
                Frame::Ping => {}
                // As `node` does it: the head that broke is answered, and that is the end.
                Frame::Broken { head, .. } => {
                    closed = true;
                    if let Some(bytes) = head {
                        self.tell(Input::Message { flow, bytes }, stream);
                    }
                }
            }
        }
        self.world.run_for(MOMENT);
        let answers = self.received();
        self.world.tell(Input::Disconnected { flow });
        Streamed { answers, closed }
    }

    /// Whether the switch still answers an honest OPTIONS.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.asked += 1;
        let nth = self.asked;
        let text = format!(
            "OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKalive{nth};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:ann@pbx.test>;tag=a{nth}\r\nTo: <sip:pbx.test>\r\n\
             Call-ID: alive-{nth}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        let answers = self.udp(text.as_bytes());
        let id = format!("alive-{nth}");
        answers.iter().any(|it| it.status() == Some(200) && it.call_id() == Some(&id))
    }

    /// Everything that may end on its own has ended; what is held then.
    pub(crate) fn rested(&mut self) -> Census {
        self.world.run_for(Duration::from_secs(70));
        self.census()
    }

    pub(crate) fn census(&self) -> Census {
        self.world.census().expect("there is a switch")
    }

    /// How many calls there ever were.
    pub(crate) fn calls(&self) -> usize {
        self.world.facts.iter().filter(|it| matches!(it.what, What::Began { .. })).count()
    }

    /// A nonce that the switch has just made.
    pub(crate) fn challenge(&mut self) -> Challenge {
        self.asked += 1;
        let nth = self.asked;
        let text = format!(
            "REGISTER sip:pbx.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKask{nth}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:1001@pbx.test>;tag=1\r\nTo: <sip:1001@pbx.test>\r\n\
             Call-ID: ask-{nth}\r\nCSeq: 1 REGISTER\r\nContact: <sip:1001@192.0.2.77:5060>\r\n\
             Expires: 600\r\nUser-Agent: large enough to be answered\r\nContent-Length: 0\r\n\r\n"
        );
        let answers = self.udp(text.as_bytes());
        Challenge::read(&answers).unwrap_or_else(|| panic!("no challenge in {answers:?}"))
    }

    fn received(&self) -> Vec<Message> {
        let parse = |it: Bytes| Message::parse(it).expect("the switch writes messages");
        self.sent.take().into_iter().map(parse).collect()
    }

    /// Tells the switch and notes what it costs, in time of this thread: a machine that is busy with
    /// something else does not count.
    fn tell(&mut self, input: Input, of: &[u8]) {
        let before = cpu();
        self.world.tell(input);
        let spent = cpu().saturating_sub(before);
        if spent > self.slowest.0 {
            self.slowest = (spent, of.to_vec());
        }
    }
}

/// What the switch asked for.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    realm: String,
    nonce: String,
    used: u32,
}

impl Challenge {
    /// The one in a 401 or 407.
    pub(crate) fn read(answers: &[Message]) -> Option<Self> {
        let line = answers.iter().find_map(|it| {
            it.text(Name::WwwAuthenticate).or_else(|| it.text(Name::ProxyAuthenticate))
        })?;
        let value = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        Some(Self { realm: value("realm")?, nonce: value("nonce")?, used: 0 })
    }

    /// The same request with the right credentials of 1001; as it is when it cannot be read.
    pub(crate) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let Ok(message) = Message::parse(Bytes::copy_from_slice(request)) else {
            return request.to_vec();
        };
        let line = self.header(message.method(), message.method_token(), message.request_uri());
        let lead = request.iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
        let end = request.iter().skip(lead).position(|it| *it == b'\n').map_or(0, |it| it + 1);
        let (first, rest) = request.split_at(lead + end);
        [first, line.as_bytes(), rest].concat()
    }

    fn header(&mut self, method: Method, word: &str, uri: Option<&str>) -> String {
        self.used += 1;
        let Self { realm, nonce, used } = self;
        let uri = uri.unwrap_or_default();
        let name = if method == Method::Register { "Authorization" } else { "Proxy-Authorization" };
        let a1 = md5(&format!("{USER}:{realm}:{PASSWORD}"));
        let a2 = md5(&format!("{word}:{uri}"));
        let response = md5(&format!("{a1}:{nonce}:{used:08x}:c:auth:{a2}"));
        let quoted = uri.replace('\\', "\\\\").replace('"', "\\\"");
        format!(
            "{name}: Digest username=\"{USER}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{quoted}\", \
             response=\"{response}\", algorithm=MD5, qop=auth, nc={used:08x}, cnonce=\"c\"\r\n"
        )
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().fold(String::new(), |mut all, it| {
        write!(all, "{it:02x}").expect("strings take all");
        all
    })
}

/// Processor time of this thread.
pub(crate) fn cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock"))
}

/// Where the switch is.
fn door() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5060))
}

/// Where we are.
fn home() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 77], 5060))
}

/// Who we are when we say so.
pub(crate) const USER: &str = "1001";
const PASSWORD: &str = "secret";
/// Enough for an answer, and not more messages a second than a stranger may send.
const MOMENT: Duration = Duration::from_millis(60);
