//! Calls through the switch: our caller on one socket, our callee on another.
//!
//! ```text
//! caller                     switch                     callee
//!   INVITE ──────────────────>│
//!   <──────────── 401 or 407  │
//!   ACK, INVITE with digest ─>│ INVITE ──────────────────>
//!   <──────────────── 180, 200│<──────────────── 180, 200
//!   ACK ─────────────────────>│ ACK ─────────────────────>
//!   …                         │
//!   BYE ─────────────────────>│ BYE ─────────────────────>
//!   <────────────────────  200│<────────────────────  200
//! ```

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::media::{Route, Sockets};
use crate::pbx::Account;
use crate::register::{LIMIT, NAP, RESEND};
use crate::sip::{Message, sdp, with_body};

/// How long a call stands.
#[derive(Clone, Copy)]
pub(crate) enum Hold {
    For(Duration),
    UntilToldOtherwise,
}

/// What came of it.
pub(crate) struct Done {
    /// One line for each call that failed.
    pub(crate) failures: Vec<String>,
    /// Datagrams of both phones, both ways.
    pub(crate) datagrams: usize,
    /// Requests and responses sent again.
    pub(crate) resent: usize,
}

/// All our phones: the callers on one socket, the callees on another.
pub(crate) struct Phones {
    pbx: SocketAddr,
    caller: Side,
    callee: Side,
    /// Where a caller and a callee hear, pair by pair.
    ears: Vec<(u16, u16)>,
    /// Numbers Call-IDs, so that no two runs share one.
    runs: usize,
    calls: HashMap<String, Call>,
    legs: HashMap<String, Leg>,
    done: Done,
}

/// The phones of one socket.
struct Side {
    socket: UdpSocket,
    here: SocketAddr,
    accounts: Vec<Account>,
}

impl Phones {
    pub(crate) fn new(
        pbx: SocketAddr,
        callers: Vec<Account>,
        callees: Vec<Account>,
        media: &Sockets,
    ) -> io::Result<Self> {
        let ear = |it| (media.caller(it).port(), media.callee(it).port());
        Ok(Self {
            pbx,
            ears: (0..callers.len()).map(ear).collect(),
            caller: Side::bind(callers)?,
            callee: Side::bind(callees)?,
            runs: 0,
            calls: HashMap::new(),
            legs: HashMap::new(),
            done: Done::nothing(),
        })
    }

    pub(crate) fn callee_socket(&self) -> &UdpSocket {
        &self.callee.socket
    }

    pub(crate) fn callees(&self) -> &[Account] {
        &self.callee.accounts
    }

    /// Makes `units` calls at `rate`; returns when all are over, or stand.
    pub(crate) fn call(&mut self, units: usize, rate: u32, hold: Hold) -> io::Result<Done> {
        self.runs += 1;
        let began = Instant::now();
        let mut next = 0;
        while next < units || !self.settled(hold) {
            while next < units && began.elapsed() >= Duration::from_secs(1) * next as u32 / rate {
                self.invite(next)?;
                next += 1;
            }
            self.turn(hold)?;
        }
        Ok(std::mem::replace(&mut self.done, Done::nothing()))
    }

    /// Ends all standing calls.
    pub(crate) fn hang_up(&mut self) -> io::Result<Done> {
        while !self.calls.is_empty() {
            self.turn(Hold::For(Duration::ZERO))?;
        }
        Ok(std::mem::replace(&mut self.done, Done::nothing()))
    }

    /// Where the legs of the standing calls send their audio, by pair.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let mut callers: Vec<_> = self.calls.values().collect();
        callers.sort_by_key(|it| it.pair);
        let route = |it: &&Call| {
            let leg = self.legs.values().find(|leg| leg.pair == it.pair)?;
            Some(Route { caller: it.audio?, callee: leg.audio? })
        };
        callers.iter().filter_map(route).collect()
    }

    fn settled(&self, hold: Hold) -> bool {
        match hold {
            Hold::For(_) => self.calls.is_empty(),
            Hold::UntilToldOtherwise => {
                let acked = self.legs.values().all(|it| it.acked);
                acked && self.calls.values().all(|it| matches!(it.state, State::Talking(_)))
            }
        }
    }

    fn invite(&mut self, unit: usize) -> io::Result<()> {
        let pair = unit % self.caller.accounts.len();
        let id = format!("call-{}-{}-{unit}", self.caller.here.port(), self.runs);
        let mut call = Call {
            pair,
            id: id.clone(),
            to: format!("<sip:{}@{}>", self.callee.accounts[pair].number, self.pbx),
            uri: format!("sip:{}@{}", self.callee.accounts[pair].number, self.pbx),
            cseq: 1,
            state: State::Asking,
            audio: None,
            last: Sent::never(),
            ack: String::new(),
        };
        let text = call.request("INVITE", self.pbx, &self.caller, "", &sdp(self.ears[pair].0));
        self.post_from_caller(&text)?;
        call.last = Sent::now(text);
        self.calls.insert(id, call);
        Ok(())
    }

    /// Reads what has come, sends what is due.
    fn turn(&mut self, hold: Hold) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut idle = true;
        while let Ok((len, _)) = self.caller.socket.recv_from(&mut buffer) {
            idle = false;
            let Some(message) = Message::read(&buffer[..len]) else { continue };
            match message.status() {
                Some(status) => self.answered(&message, status)?,
                None => self.asked_caller(&message)?,
            }
        }
        while let Ok((len, _)) = self.callee.socket.recv_from(&mut buffer) {
            idle = false;
            let Some(message) = Message::read(&buffer[..len]) else { continue };
            self.asked_callee(&message)?;
        }
        self.due(hold)?;
        if idle {
            thread::sleep(NAP);
        }
        Ok(())
    }

    /// A response to the caller.
    fn answered(&mut self, message: &Message, status: u16) -> io::Result<()> {
        self.done.datagrams += 1;
        let Some(mut call) = self.calls.remove(message.header("call-id")) else { return Ok(()) };
        let (cseq, method) = message.cseq();
        match (method, status) {
            ("INVITE", 100..=199) => call.last.settle(),
            ("INVITE", 200..=299) => {
                if matches!(call.state, State::Asking) {
                    call.last.settle();
                    call.to = message.header("to").to_owned();
                    call.uri = message.contact();
                    call.audio = message.audio();
                    call.ack = call.request("ACK", self.pbx, &self.caller, "", "");
                    call.state = State::Talking(Instant::now());
                }
                self.post_from_caller(&call.ack)?; // The 200 came again: the ACK was lost.
            }
            ("INVITE", 300..) => {
                let ack = call.refused_ack(cseq, message, &self.caller);
                self.post_from_caller(&ack)?;
                if cseq == call.cseq {
                    let Account { number, password } = &self.caller.accounts[call.pair];
                    let auth = message.authorize(number, password, "INVITE", &call.uri);
                    let Some(auth) = auth.filter(|_| call.cseq == 1) else {
                        return self.fail(&call, message.first());
                    };
                    call.cseq += 1;
                    let body = sdp(self.ears[call.pair].0);
                    let text = call.request("INVITE", self.pbx, &self.caller, &auth, &body);
                    self.post_from_caller(&text)?;
                    call.last = Sent::now(text);
                }
            }
            ("BYE", 200..=299) => {
                call.last.settle();
                call.state = State::Gone(Instant::now());
            }
            ("BYE", 300..) => return self.fail(&call, &format!("BYE: {}", message.first())),
            _ => {}
        }
        self.calls.insert(call.id.clone(), call);
        Ok(())
    }

    /// A request to the caller; none is expected within a call.
    fn asked_caller(&mut self, message: &Message) -> io::Result<()> {
        if message.cseq().1 == "BYE"
            && let Some(call) = self.calls.remove(message.header("call-id"))
        {
            self.fail(&call, "the switch hung up")?;
        }
        self.post_from_caller(&message.reply("200 OK", "caller", "", ""))
    }

    /// Something to the callee.
    fn asked_callee(&mut self, message: &Message) -> io::Result<()> {
        let id = message.header("call-id").to_owned();
        let method = message.cseq().1;
        if method != "OPTIONS" {
            self.done.datagrams += 1; // What keeps a registration alive is no part of a call.
        }
        if message.status().is_some() {
            return Ok(());
        }
        match method {
            "INVITE" => {
                let number = message.user();
                let pair = self.callee.accounts.iter().position(|it| it.number == number);
                let Some(pair) = pair else {
                    return self.post_from_callee(&message.reply(
                        "404 Not Found",
                        "callee",
                        "",
                        "",
                    ));
                };
                let contact = format!("Contact: <sip:{number}@{}>\r\n", self.callee.here);
                let tag = format!("callee{pair}");
                if !self.legs.contains_key(&id) {
                    let ringing = message.reply("180 Ringing", &tag, &contact, "");
                    self.post_from_callee(&ringing)?;
                }
                let ok = message.reply("200 OK", &tag, &contact, &sdp(self.ears[pair].1));
                self.post_from_callee(&ok)?;
                let leg = Leg { pair, audio: message.audio(), acked: false, last: Sent::now(ok) };
                self.legs.entry(id).or_insert(leg);
                Ok(())
            }
            "ACK" => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.acked = true;
                    leg.last.settle();
                }
                Ok(())
            }
            "BYE" => {
                self.legs.remove(&id);
                self.post_from_callee(&message.reply("200 OK", "callee", "", ""))
            }
            "OPTIONS" => {
                let reply = message.reply("200 OK", "callee", "", "");
                self.callee.socket.send_to(reply.as_bytes(), self.pbx).map(drop)
            }
            _ => self.post_from_callee(&message.reply("200 OK", "callee", "", "")),
        }
    }

    fn due(&mut self, hold: Hold) -> io::Result<()> {
        let mut texts = Vec::new();
        let mut late = Vec::new();
        for call in self.calls.values_mut() {
            match (call.state, hold) {
                (State::Talking(since), Hold::For(hold)) if since.elapsed() >= hold => {
                    call.cseq += 1;
                    let bye = call.request("BYE", self.pbx, &self.caller, "", "");
                    texts.push(bye.clone());
                    call.last = Sent::now(bye);
                    call.state = State::Leaving;
                }
                (State::Gone(since), _) => {
                    let callee_gone = self.legs.values().all(|it| it.pair != call.pair);
                    if callee_gone || since.elapsed() > LIMIT {
                        late.push((call.id.clone(), callee_gone));
                    }
                }
                (State::Asking | State::Leaving, _) if call.last.is_late() => {
                    late.push((call.id.clone(), false))
                }
                _ => {}
            }
            if let Some(text) = call.last.again() {
                self.done.resent += 1;
                texts.push(text);
            }
        }
        for text in texts {
            self.post_from_caller(&text)?;
        }
        let again: Vec<_> = self.legs.values_mut().filter_map(|it| it.last.again()).collect();
        for text in again {
            self.done.resent += 1;
            self.post_from_callee(&text)?;
        }
        for (id, in_order) in late {
            match self.calls.remove(&id) {
                Some(call) if !in_order => self.fail(&call, "no answer in time")?,
                _ => {}
            }
        }
        Ok(())
    }

    fn fail(&mut self, call: &Call, why: &str) -> io::Result<()> {
        self.legs.retain(|_, it| it.pair != call.pair);
        self.done.failures.push(format!("{} while {:?}: {why}", call.id, call.state));
        Ok(())
    }

    fn post_from_caller(&mut self, text: &str) -> io::Result<()> {
        self.done.datagrams += 1;
        self.caller.socket.send_to(text.as_bytes(), self.pbx).map(drop)
    }

    fn post_from_callee(&mut self, text: &str) -> io::Result<()> {
        self.done.datagrams += 1;
        self.callee.socket.send_to(text.as_bytes(), self.pbx).map(drop)
    }
}

impl Side {
    fn bind(accounts: Vec<Account>) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        Ok(Self { here: socket.local_addr()?, socket, accounts })
    }
}

impl Done {
    const fn nothing() -> Self {
        Self { failures: Vec::new(), datagrams: 0, resent: 0 }
    }
}

/// The caller's view of a call.
struct Call {
    pair: usize,
    id: String,
    to: String,
    /// Where requests go: the dialled number, then the switch's Contact.
    uri: String,
    cseq: u32,
    state: State,
    /// Where the caller is to send its audio.
    audio: Option<SocketAddr>,
    last: Sent,
    ack: String,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Asking,
    Talking(Instant),
    Leaving,
    /// The caller's BYE is answered; the callee's may be on its way.
    Gone(Instant),
}

impl Call {
    fn request(
        &self,
        method: &str,
        pbx: SocketAddr,
        side: &Side,
        more: &str,
        body: &str,
    ) -> String {
        let number = &side.accounts[self.pair].number;
        let Self { id, to, uri, cseq, .. } = self;
        let here = side.here;
        with_body(
            format!(
                "{method} {uri} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {here};branch=z9hG4bK{id}-{cseq}-{method};rport\r\n\
                 Max-Forwards: 70\r\n\
                 From: <sip:{number}@{pbx}>;tag=from-{id}\r\n\
                 To: {to}\r\n\
                 Call-ID: {id}\r\n\
                 CSeq: {cseq} {method}\r\n\
                 Contact: <sip:{number}@{here}>\r\n{more}"
            ),
            body,
        )
    }

    /// The ACK to a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
    fn refused_ack(&self, cseq: u32, refusal: &Message, side: &Side) -> String {
        let here = side.here;
        with_body(
            format!(
                "ACK {} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {here};branch=z9hG4bK{id}-{cseq}-INVITE;rport\r\n\
                 Max-Forwards: 70\r\n\
                 From: {}\r\n\
                 To: {}\r\n\
                 Call-ID: {id}\r\n\
                 CSeq: {cseq} ACK\r\n",
                self.uri,
                refusal.header("from"),
                refusal.header("to"),
                id = self.id,
            ),
            "",
        )
    }
}

/// The callee's view of a call.
struct Leg {
    pair: usize,
    /// Where the callee is to send its audio.
    audio: Option<SocketAddr>,
    acked: bool,
    last: Sent,
}

/// What is sent again until something comes.
struct Sent {
    text: String,
    at: Instant,
    tries: u32,
    settled: bool,
}

impl Sent {
    fn never() -> Self {
        Self { text: String::new(), at: Instant::now(), tries: 1, settled: true }
    }

    fn now(text: String) -> Self {
        Self { text, at: Instant::now(), tries: 1, settled: false }
    }

    fn settle(&mut self) {
        self.settled = true;
    }

    fn again(&mut self) -> Option<String> {
        if self.settled || self.at.elapsed() <= RESEND * self.tries {
            return None;
        }
        self.tries += 1;
        Some(self.text.clone())
    }

    /// Nothing final has come for too long; a provisional answer alone is no end either.
    fn is_late(&self) -> bool {
        !self.text.is_empty() && self.at.elapsed() > LIMIT
    }
}
