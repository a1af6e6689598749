//! The phones that are called: what each does is settled by its number, so that a call's ending is
//! known to both sides without a word between them.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::sent::Sent;
use crate::sip::{Account, Message, sdp, with_body};

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(dead_code, reason = "a benchmark needs one of them, a test all")]
pub(crate) enum Ending {
    /// Answered, and the caller hangs up.
    Caller,
    /// Answered, and the callee hangs up.
    Callee,
    /// The callee is busy.
    Busy,
    /// The callee declines.
    Declined,
    /// The caller gives up as soon as it rings.
    Cancelled,
    /// It rings for a while, then the caller gives up.
    NoAnswer,
    /// The caller gives up while the callee answers.
    Crossing,
    /// Nobody has the dialled number.
    Unknown,
    /// The caller proves nothing.
    Stranger,
}

impl Ending {
    /// Whether the caller may be refused like this; never after an answer.
    pub(crate) fn is_refusal(self, status: u16) -> bool {
        match self {
            Self::Caller | Self::Callee => false,
            Self::Busy => status == 486,
            Self::Declined => status == 603,
            Self::Cancelled | Self::NoAnswer | Self::Crossing => status == 487,
            Self::Unknown => status == 404,
            Self::Stranger => status == 407,
        }
    }

    /// Whether the caller may be answered.
    pub(crate) fn is_answered(self) -> bool {
        matches!(self, Self::Caller | Self::Callee | Self::Crossing)
    }
}

/// All phones that are called, on one socket.
pub(crate) struct Callees {
    pub(crate) socket: UdpSocket,
    pub(crate) accounts: Vec<Account>,
    pbx: SocketAddr,
    here: SocketAddr,
    by_number: HashMap<String, usize>,
    ears: Vec<u16>,
    endings: Vec<Ending>,
    legs: HashMap<String, Leg>,
    /// Datagrams both ways.
    pub(crate) datagrams: usize,
    pub(crate) resent: usize,
}

/// The callee's view of a call.
struct Leg {
    pair: usize,
    invite: Message,
    /// Where the callee is to send its audio.
    audio: Option<SocketAddr>,
    state: State,
    last: Sent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ringing,
    /// Answered; the ACK is missing.
    Answered,
    Talking(Instant),
    /// Refused; the ACK is missing.
    Refused,
    /// Our BYE has left.
    Leaving,
}

impl Callees {
    pub(crate) fn bind(
        pbx: SocketAddr,
        accounts: Vec<Account>,
        ears: Vec<u16>,
        endings: Vec<Ending>,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let by_number = accounts.iter().enumerate().map(|(n, it)| (it.number.clone(), n)).collect();
        let here = socket.local_addr()?;
        let (legs, datagrams, resent) = (HashMap::new(), 0, 0);
        Ok(Self { socket, accounts, pbx, here, by_number, ears, endings, legs, datagrams, resent })
    }

    /// Whether every leg that was answered stands.
    pub(crate) fn are_settled(&self) -> bool {
        self.legs.values().all(|it| matches!(it.state, State::Talking(_)))
    }

    /// Whether nothing is left of the pairs' calls.
    pub(crate) fn are_done_with(&self, pair: usize) -> bool {
        self.legs.values().all(|it| it.pair != pair)
    }

    /// Where the callees are to send their audio, by pair.
    pub(crate) fn audio(&self) -> HashMap<usize, SocketAddr> {
        self.legs.values().filter_map(|it| Some((it.pair, it.audio?))).collect()
    }

    pub(crate) fn forget(&mut self, pair: usize) {
        self.legs.retain(|_, it| it.pair != pair);
    }

    /// Reads what has come; whether something has.
    pub(crate) fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let mut any = false;
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            any = true;
            if let Some(message) = Message::read(&buffer[..len]) {
                self.take(&message)?;
            }
        }
        Ok(any)
    }

    /// Sends what is due.
    pub(crate) fn due(&mut self, hold: Option<Duration>) -> io::Result<()> {
        let mut texts = Vec::new();
        for leg in self.legs.values_mut() {
            if let (State::Talking(since), Some(hold)) = (leg.state, hold)
                && self.endings[leg.pair] == Ending::Callee
                && since.elapsed() >= hold
            {
                let bye = leg.bye(self.here);
                texts.push(bye.clone());
                (leg.state, leg.last) = (State::Leaving, Sent::now(bye));
            }
            if let Some(text) = leg.last.again() {
                self.resent += 1;
                texts.push(text);
            }
        }
        texts.iter().try_for_each(|it| self.post(it))
    }

    fn take(&mut self, message: &Message) -> io::Result<()> {
        let method = message.cseq().1;
        if method == "OPTIONS" {
            // What keeps a registration alive is no part of a call.
            let reply = message.reply("200 OK", "callee", "", "");
            return self.socket.send_to(reply.as_bytes(), self.pbx).map(drop);
        }
        self.datagrams += 1;
        let id = message.header("call-id").to_owned();
        if message.status().is_some() {
            if method == "BYE" {
                self.legs.remove(&id);
            }
            return Ok(());
        }
        match method {
            "INVITE" => self.invited(id, message),
            "ACK" => {
                match self.legs.get_mut(&id) {
                    Some(leg) if leg.state == State::Refused => _ = self.legs.remove(&id),
                    Some(leg) if leg.state == State::Answered => {
                        leg.state = State::Talking(Instant::now());
                        leg.last.settle();
                    }
                    _ => {}
                }
                Ok(())
            }
            "CANCEL" => {
                self.post(&message.reply("200 OK", "callee", "", ""))?;
                let Some(leg) = self.legs.get_mut(&id) else { return Ok(()) };
                if leg.state != State::Ringing {
                    return Ok(());
                }
                let text = leg.reply("487 Request Terminated", "", "");
                (leg.state, leg.last) = (State::Refused, Sent::now(text.clone()));
                self.post(&text)
            }
            "BYE" => {
                self.legs.remove(&id);
                self.post(&message.reply("200 OK", "callee", "", ""))
            }
            _ => self.post(&message.reply("200 OK", "callee", "", "")),
        }
    }

    fn invited(&mut self, id: String, message: &Message) -> io::Result<()> {
        let number = message.user();
        let Some(pair) = self.by_number.get(number).copied() else {
            return self.post(&message.reply("404 Not Found", "callee", "", ""));
        };
        if self.legs.contains_key(&id) {
            return Ok(()); // It came again; the answer comes again by itself.
        }
        let contact = format!("Contact: <sip:{number}@{}>\r\n", self.here);
        let (audio, last) = (message.audio(), Sent::never());
        let state = State::Ringing;
        let mut leg = Leg { pair, invite: message.clone(), audio, state, last };
        let ringing = leg.reply("180 Ringing", &contact, "");
        let (state, text) = match self.endings[pair] {
            Ending::Busy => (State::Refused, leg.reply("486 Busy Here", "", "")),
            Ending::Declined => (State::Refused, leg.reply("603 Decline", "", "")),
            it if it.is_answered() => {
                self.post(&ringing)?;
                (State::Answered, leg.reply("200 OK", &contact, &sdp(self.ears[pair])))
            }
            _ => (State::Ringing, ringing),
        };
        self.post(&text)?;
        if state != State::Ringing {
            (leg.state, leg.last) = (state, Sent::now(text));
        }
        self.legs.insert(id, leg);
        Ok(())
    }

    fn post(&mut self, text: &str) -> io::Result<()> {
        self.datagrams += 1;
        self.socket.send_to(text.as_bytes(), self.pbx).map(drop)
    }
}

impl Leg {
    fn reply(&self, status: &str, more: &str, body: &str) -> String {
        self.invite.reply(status, &format!("callee{}", self.pair), more, body)
    }

    /// Our own BYE in the dialog of their INVITE (RFC 3261 §12.2.1.1).
    fn bye(&self, here: SocketAddr) -> String {
        let it = &self.invite;
        let id = it.header("call-id");
        with_body(
            format!(
                "BYE {} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {here};branch=z9hG4bKbye-{id};rport\r\n\
                 Max-Forwards: 70\r\n\
                 From: {};tag=callee{}\r\n\
                 To: {}\r\n\
                 Call-ID: {id}\r\n\
                 CSeq: 1 BYE\r\n",
                it.contact(),
                it.header("to"),
                self.pair,
                it.header("from"),
            ),
            "",
        )
    }
}
