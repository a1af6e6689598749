//! Calls through the switch: our callers on one socket, our callees on another.
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
//!
//! Other endings than this one are settled by the pair that calls (`callee.rs`).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::callee::{Callees, Ending};
use crate::sent::{LIMIT, NAP, Sent};
use crate::sip::{Account, Message, sdp, with_body};

/// How long a phone rings before its caller gives up.
const PATIENCE: Duration = Duration::from_millis(40);

/// How long a call stands.
#[derive(Clone, Copy)]
pub(crate) enum Hold {
    For(Duration),
    UntilToldOtherwise,
}

/// How many calls are made, and how fast.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) units: usize,
    /// Calls a second.
    pub(crate) rate: u32,
    /// With so many under way, no more are begun.
    pub(crate) crowd: usize,
    pub(crate) hold: Hold,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// One line for each call that failed.
    pub(crate) failures: Vec<String>,
    /// How many calls ended with which status.
    pub(crate) endings: BTreeMap<(Ending, u16), usize>,
    /// Datagrams of both phones, both ways.
    pub(crate) datagrams: usize,
    /// Requests and responses sent again.
    pub(crate) resent: usize,
}

/// Where the two legs of a call send their audio.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) caller: SocketAddr,
    pub(crate) callee: SocketAddr,
}

/// All our phones: the callers on one socket, the callees on another.
pub(crate) struct Phones {
    pbx: SocketAddr,
    socket: UdpSocket,
    here: SocketAddr,
    accounts: Vec<Account>,
    callees: Callees,
    /// Where a caller hears, pair by pair.
    ears: Vec<u16>,
    endings: Vec<Ending>,
    /// Numbers Call-IDs, so that no two runs share one.
    runs: usize,
    calls: HashMap<String, Call>,
    done: Done,
}

impl Phones {
    /// The phones of so many pairs; where each hears (caller and callee), and how its calls end.
    pub(crate) fn new(
        pbx: SocketAddr,
        callers: Vec<Account>,
        callees: Vec<Account>,
        ears: impl Fn(usize) -> (u16, u16),
        ending: impl Fn(usize) -> Ending,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let pairs = 0..callers.len();
        let endings: Vec<Ending> = pairs.clone().map(ending).collect();
        let their_ears = pairs.clone().map(|it| ears(it).1).collect();
        Ok(Self {
            pbx,
            here: socket.local_addr()?,
            socket,
            accounts: callers,
            callees: Callees::bind(pbx, callees, their_ears, endings.clone())?,
            ears: pairs.map(|it| ears(it).0).collect(),
            endings,
            runs: 0,
            calls: HashMap::new(),
            done: Done::default(),
        })
    }

    pub(crate) fn callee_socket(&self) -> &UdpSocket {
        &self.callees.socket
    }

    pub(crate) fn callees(&self) -> &[Account] {
        &self.callees.accounts
    }

    /// Makes calls; returns when all are over, or stand.
    pub(crate) fn call(&mut self, plan: Plan) -> io::Result<Done> {
        let Plan { units, rate, crowd, hold } = plan;
        self.runs += 1;
        let began = Instant::now();
        let mut next = 0;
        let is_due = |next| began.elapsed() >= Duration::from_secs(1) * next as u32 / rate;
        while next < units || !self.settled(hold) {
            while next < units && self.calls.len() < crowd && is_due(next) {
                self.invite(next)?;
                next += 1;
            }
            self.turn(hold)?;
        }
        Ok(self.result())
    }

    /// Ends all standing calls.
    pub(crate) fn hang_up(&mut self) -> io::Result<Done> {
        while !self.calls.is_empty() {
            self.turn(Hold::For(Duration::ZERO))?;
        }
        Ok(self.result())
    }

    /// Where the legs of the standing calls send their audio, by pair.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let callees = self.callees.audio();
        let mut callers: Vec<_> = self.calls.values().collect();
        callers.sort_by_key(|it| it.pair);
        let route = |it: &&Call| Some(Route { caller: it.audio?, callee: *callees.get(&it.pair)? });
        callers.iter().filter_map(route).collect()
    }

    fn result(&mut self) -> Done {
        let mut done = std::mem::take(&mut self.done);
        done.datagrams += std::mem::take(&mut self.callees.datagrams);
        done.resent += std::mem::take(&mut self.callees.resent);
        done
    }

    fn settled(&self, hold: Hold) -> bool {
        match hold {
            Hold::For(_) => self.calls.is_empty(),
            Hold::UntilToldOtherwise => {
                let talk = |it: &Call| matches!(it.state, State::Talking(_));
                self.callees.are_settled() && self.calls.values().all(talk)
            }
        }
    }

    fn invite(&mut self, unit: usize) -> io::Result<()> {
        let pair = unit % self.accounts.len();
        let ending = self.endings[pair];
        let id = format!("call-{}-{}-{unit}", self.here.port(), self.runs);
        let number = match ending {
            Ending::Unknown => "99999",
            _ => &self.callees.accounts[pair].number,
        };
        let mut call = Call {
            pair,
            ending,
            id: id.clone(),
            number: self.accounts[pair].number.clone(),
            to: format!("<sip:{number}@{}>", self.pbx),
            uri: format!("sip:{number}@{}", self.pbx),
            cseq: 1,
            state: State::Asking,
            audio: None,
            last: Sent::never(),
            cancel: Sent::never(),
            ack: String::new(),
        };
        let text = self.request(&call, "INVITE", "", &sdp(self.ears[pair]));
        self.post(&text)?;
        call.last = Sent::now(text);
        self.calls.insert(id, call);
        Ok(())
    }

    /// Reads what has come, sends what is due.
    fn turn(&mut self, hold: Hold) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut idle = true;
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            idle = false;
            let Some(message) = Message::read(&buffer[..len]) else { continue };
            match message.status() {
                Some(status) => self.answered(&message, status)?,
                None => self.asked(&message)?,
            }
        }
        idle &= !self.callees.read()?;
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
            ("INVITE", 100..=199) => {
                call.last.settle();
                if status > 100 && matches!(call.state, State::Asking) {
                    call.state = State::Ringing(Instant::now());
                    if matches!(call.ending, Ending::Cancelled | Ending::Crossing) {
                        self.give_up(&mut call)?;
                    }
                }
            }
            ("INVITE", 200..=299) => {
                if call.ack.is_empty() {
                    if !call.ending.is_answered() {
                        return self.fail(&call, "answered");
                    }
                    call.last.settle();
                    call.cancel.settle();
                    call.to = message.header("to").to_owned();
                    call.uri = message.contact();
                    call.audio = message.audio();
                    call.ack = self.request(&call, "ACK", "", "");
                    call.state = State::Talking(Instant::now());
                    self.count(&call, status);
                }
                self.post(&call.ack)?; // The 200 came again: the ACK was lost.
            }
            ("INVITE", 300..) => {
                let ack = self.of_invite(&call, "ACK", cseq, message.header("to"));
                self.post(&ack)?;
                if cseq == call.cseq && !self.refused(&mut call, message, status)? {
                    return self.fail(&call, message.first());
                }
            }
            ("CANCEL", _) => call.cancel.settle(),
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

    /// Whether this refusal is as it should be; a challenge is answered once.
    fn refused(&mut self, call: &mut Call, message: &Message, status: u16) -> io::Result<bool> {
        let Account { number, password } = &self.accounts[call.pair];
        // A wrong password would be slowed, and its call with it.
        let is_known = call.ending != Ending::Stranger;
        let auth = message.authorize(number, password, "INVITE", &call.uri);
        if let Some(auth) = auth.filter(|_| is_known && call.cseq == 1) {
            call.cseq += 1;
            let text = self.request(call, "INVITE", &auth, &sdp(self.ears[call.pair]));
            self.post(&text)?;
            call.last = Sent::now(text);
            return Ok(true);
        }
        if matches!(call.state, State::Gone(_)) {
            return Ok(true); // It came again: the ACK was lost.
        }
        call.last.settle();
        call.state = State::Gone(Instant::now());
        self.count(call, status);
        Ok(call.ending.is_refusal(status))
    }

    /// A request to the caller: the callee has hung up.
    fn asked(&mut self, message: &Message) -> io::Result<()> {
        self.done.datagrams += 1;
        if message.cseq().1 == "BYE"
            && let Some(call) = self.calls.get_mut(message.header("call-id"))
        {
            call.state = State::Gone(Instant::now());
            if call.ending != Ending::Callee
                && let Some(call) = self.calls.remove(message.header("call-id"))
            {
                self.fail(&call, "the switch hung up")?;
            }
        }
        self.post(&message.reply("200 OK", "caller", "", ""))
    }

    fn give_up(&mut self, call: &mut Call) -> io::Result<()> {
        let text = self.of_invite(call, "CANCEL", call.cseq, &call.to);
        call.state = State::GivingUp;
        call.cancel = Sent::now(text.clone());
        // RFC 3261 §9.1: from now on the INVITE waits for its end, which CANCEL brings.
        self.post(&text)
    }

    fn due(&mut self, hold: Hold) -> io::Result<()> {
        let hold = match hold {
            Hold::For(it) => Some(it),
            Hold::UntilToldOtherwise => None,
        };
        self.callees.due(hold)?;
        let due = self.calls.values().filter(|it| it.wants(hold)).map(|it| it.id.clone());
        for id in due.collect::<Vec<_>>() {
            let Some(mut call) = self.calls.remove(&id) else { continue };
            match call.state {
                State::Talking(_) if call.is_long_enough(hold) => {
                    call.cseq += 1;
                    let bye = self.request(&call, "BYE", "", "");
                    self.post(&bye)?;
                    (call.state, call.last) = (State::Leaving, Sent::now(bye));
                }
                State::Ringing(_) if call.has_rung_enough() => self.give_up(&mut call)?,
                State::Gone(_) if self.callees.are_done_with(call.pair) => continue,
                State::Gone(since) if since.elapsed() > LIMIT => {
                    self.fail(&call, "the callee's leg stays")?;
                    continue;
                }
                State::Asking | State::Ringing(_) | State::GivingUp | State::Leaving
                    if call.last.is_late() =>
                {
                    self.fail(&call, "no answer in time")?;
                    continue;
                }
                _ => {}
            }
            for text in call.last.again().into_iter().chain(call.cancel.again()) {
                self.done.resent += 1;
                self.post(&text)?;
            }
            self.calls.insert(call.id.clone(), call);
        }
        Ok(())
    }

    fn count(&mut self, call: &Call, status: u16) {
        *self.done.endings.entry((call.ending, status)).or_default() += 1;
    }

    fn fail(&mut self, call: &Call, why: &str) -> io::Result<()> {
        self.callees.forget(call.pair);
        let Call { id, ending, state, .. } = call;
        self.done.failures.push(format!("{id} ({ending:?}) while {state:?}: {why}"));
        Ok(())
    }

    fn post(&mut self, text: &str) -> io::Result<()> {
        self.done.datagrams += 1;
        self.socket.send_to(text.as_bytes(), self.pbx).map(drop)
    }

    fn request(&self, call: &Call, method: &str, more: &str, body: &str) -> String {
        let Call { id, to, uri, cseq, number, .. } = call;
        let (here, pbx) = (self.here, self.pbx);
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

    /// ACK to a refusal and CANCEL belong to the INVITE's transaction (RFC 3261 §17.1.1.3, §9.1).
    fn of_invite(&self, call: &Call, method: &str, cseq: u32, to: &str) -> String {
        let Call { id, uri, number, .. } = call;
        let (here, pbx) = (self.here, self.pbx);
        with_body(
            format!(
                "{method} {uri} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {here};branch=z9hG4bK{id}-{cseq}-INVITE;rport\r\n\
                 Max-Forwards: 70\r\n\
                 From: <sip:{number}@{pbx}>;tag=from-{id}\r\n\
                 To: {to}\r\n\
                 Call-ID: {id}\r\n\
                 CSeq: {cseq} {method}\r\n"
            ),
            "",
        )
    }
}

/// The caller's view of a call.
struct Call {
    pair: usize,
    ending: Ending,
    id: String,
    number: String,
    to: String,
    /// Where requests go: the dialled number, then the switch's Contact.
    uri: String,
    cseq: u32,
    state: State,
    /// Where the caller is to send its audio.
    audio: Option<SocketAddr>,
    last: Sent,
    cancel: Sent,
    ack: String,
}

impl Call {
    /// Whether time has something to do with it.
    fn wants(&self, hold: Option<Duration>) -> bool {
        let is_late = !matches!(self.state, State::Talking(_)) && self.last.is_late();
        matches!(self.state, State::Gone(_))
            || self.is_long_enough(hold)
            || self.has_rung_enough()
            || is_late
            || self.last.is_due()
            || self.cancel.is_due()
    }

    fn is_long_enough(&self, hold: Option<Duration>) -> bool {
        let State::Talking(since) = self.state else { return false };
        match self.ending {
            Ending::Crossing => true,
            Ending::Caller => hold.is_some_and(|it| since.elapsed() >= it),
            _ => false,
        }
    }

    fn has_rung_enough(&self) -> bool {
        let State::Ringing(since) = self.state else { return false };
        self.ending == Ending::NoAnswer && since.elapsed() >= PATIENCE
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Asking,
    Ringing(Instant),
    /// The CANCEL has left.
    GivingUp,
    Talking(Instant),
    Leaving,
    /// Over for the caller; the callee may still be told.
    Gone(Instant),
}
