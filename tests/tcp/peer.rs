//! A phone that is ours in every byte, over each transport.

#[path = "../tls/anyone.rs"]
pub(crate) mod anyone;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::pbx::{EXTENSIONS, Pbx};
use crate::sip::{Message, sdp, with_body};

/// How long it waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// One peer on one flow.
pub(crate) struct Peer {
    line: Line,
    here: SocketAddr,
    there: SocketAddr,
    /// What has come and was not looked at.
    read: Vec<u8>,
}

enum Line {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Udp(UdpSocket),
}

/// Over what a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Tls,
}

impl Over {
    pub(crate) const BOTH: [Self; 2] = [Self::Tcp, Self::Tls];

    /// Where a PBX is reached so.
    pub(crate) fn at(self, pbx: &Pbx) -> SocketAddr {
        match self {
            Self::Tcp => pbx.sip(),
            Self::Tls => pbx.sip_tls(),
        }
    }

    /// A peer of it.
    pub(crate) fn to(self, pbx: &Pbx) -> Peer {
        self.to_address(self.at(pbx))
    }

    pub(crate) fn to_address(self, there: SocketAddr) -> Peer {
        match self {
            Self::Tcp => Peer::over_tcp(there),
            Self::Tls => Peer::over_tls(there, anyone::config(), "pbx.test").unwrap(),
        }
    }

    /// The word in Via.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The parameter of URIs.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }
}

impl Peer {
    pub(crate) fn over_tcp(there: SocketAddr) -> Self {
        let stream = connect(there);
        let here = stream.local_addr().unwrap();
        Self { line: Line::Tcp(stream), here, there, read: Vec::new() }
    }

    /// Over TLS, asking for this name; the handshake is done, or why it is not.
    pub(crate) fn over_tls(
        there: SocketAddr,
        config: Arc<ClientConfig>,
        name: &str,
    ) -> std::io::Result<Self> {
        let stream = connect(there);
        let here = stream.local_addr().unwrap();
        let name = name.to_owned().try_into().unwrap();
        let mut tls = StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Self { line: Line::Tls(Box::new(tls)), here, there, read: Vec::new() })
    }

    /// The connection under its TLS.
    pub(crate) fn session(&self) -> &ClientConnection {
        match &self.line {
            Line::Tls(it) => &it.conn,
            Line::Tcp(_) | Line::Udp(_) => panic!("no TLS here"),
        }
    }

    pub(crate) fn over_udp(there: SocketAddr) -> Self {
        let any = if there.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(there).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let here = socket.local_addr().unwrap();
        Self { line: Line::Udp(socket), here, there, read: Vec::new() }
    }

    /// The same, which does not wait longer than this.
    pub(crate) fn patient_for(self, span: Duration) -> Self {
        match &self.line {
            Line::Tcp(it) => it.set_read_timeout(Some(span)).unwrap(),
            Line::Tls(it) => it.sock.set_read_timeout(Some(span)).unwrap(),
            Line::Udp(it) => it.set_read_timeout(Some(span)).unwrap(),
        }
        self
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        match &mut self.line {
            Line::Tcp(it) => it.write_all(bytes.as_ref()).unwrap(),
            Line::Tls(it) => {
                it.write_all(bytes.as_ref()).unwrap();
                it.flush().unwrap();
            }
            Line::Udp(it) => _ = it.send(bytes.as_ref()).unwrap(),
        }
    }

    /// Says it to somebody who may hang up meanwhile.
    pub(crate) fn say_if_heard(&mut self, text: &str) {
        match &mut self.line {
            Line::Tcp(it) => _ = it.write_all(text.as_bytes()),
            Line::Tls(it) => _ = it.write_all(text.as_bytes()).and_then(|()| it.flush()),
            Line::Udp(it) => _ = it.send(text.as_bytes()),
        }
    }

    /// Nothing more is said.
    pub(crate) fn say_goodbye(&mut self) {
        match &mut self.line {
            Line::Tcp(it) => it.shutdown(Shutdown::Write).unwrap(),
            Line::Tls(it) => {
                it.conn.send_close_notify();
                it.flush().unwrap();
                it.sock.shutdown(Shutdown::Write).unwrap();
            }
            Line::Udp(_) => {}
        }
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> Message {
        loop {
            if let Some(length) = length_of(&self.read) {
                let bytes: Vec<u8> = self.read.drain(..length).collect();
                return Message::read(&bytes).unwrap();
            }
            let length = self.more().unwrap();
            assert!(length > 0, "closed while a message was waited for");
        }
    }

    /// The same, unless nobody is there any more.
    pub(crate) fn try_hear(&mut self) -> Option<Message> {
        loop {
            if let Some(length) = length_of(&self.read) {
                let bytes: Vec<u8> = self.read.drain(..length).collect();
                return Message::read(&bytes);
            }
            self.more().ok().filter(|it| *it > 0)?;
        }
    }

    #[track_caller]
    pub(crate) fn hear_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.more().unwrap() > 0, "closed while bytes were waited for");
        }
        self.read.drain(..count).collect()
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: &str) -> Message {
        self.say(self.signed(request));
        self.hear()
    }

    /// Whether the other side hangs up without another word.
    pub(crate) fn is_closed(&mut self) -> bool {
        let end = self.more();
        let is_reset = |e: &std::io::Error| e.kind() == ErrorKind::ConnectionReset;
        self.read.is_empty() && end.map_or_else(|e| is_reset(&e), |length| length == 0)
    }

    /// The same of somebody who may not listen.
    pub(crate) fn try_ask(&mut self, request: &str) -> Option<Message> {
        let request = self.signed(request);
        self.say_if_heard(&request);
        self.try_hear()
    }

    /// Whether nothing is said to us any more, however rudely.
    pub(crate) fn is_refused(&mut self) -> bool {
        loop {
            match self.more() {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) => return e.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    /// Registers as one of the known extensions.
    #[track_caller]
    pub(crate) fn register(&mut self, which: usize) {
        let (number, password) = EXTENSIONS[which];
        assert_eq!(self.try_register(number, password), Some(200));
    }

    /// Registers with this number and password; returns the status that it comes to.
    #[track_caller]
    pub(crate) fn try_register(&mut self, number: &str, password: &str) -> Option<u16> {
        let (here, there) = (self.here, self.there);
        let transport = self.parameter();
        let contact = format!("Contact: <sip:{number}@{here}{transport}>\r\nExpires: 60\r\n");
        let request = |cseq, more: &str| {
            let to = format!("<sip:{number}@{there}>");
            text("REGISTER", &format!("sip:{there}"), cseq, number, &to, &(contact.clone() + more))
        };
        let call = with_body(request(next(), ""), "");
        let challenge = self.try_ask(&call)?;
        let uri = format!("sip:{there}");
        let proof = challenge.authorize(number, password, "REGISTER", &uri)?;
        self.try_ask(&with_body(request(next(), &proof), ""))?.status()
    }

    /// Calls a number as one of the known extensions, until the call is taken up.
    #[track_caller]
    pub(crate) fn invite(&mut self, which: usize, number: &str) {
        assert_eq!(self.try_invite(which, number).and_then(|it| it.status()), Some(100));
    }

    /// The same: the first answer, unless nobody is there any more.
    pub(crate) fn try_invite(&mut self, which: usize, number: &str) -> Option<Message> {
        let (own, password) = EXTENSIONS[which];
        let (here, there) = (self.here, self.there);
        let uri = format!("sip:{number}@{there}");
        let transport = self.parameter();
        let sdp = match there.is_ipv6() {
            true => sdp(40_000).replace("IP4 127.0.0.1", "IP6 ::1"),
            false => sdp(40_000),
        };
        let request = |cseq, more: &str| {
            let more = format!("Contact: <sip:{own}@{here}{transport}>\r\n{more}");
            with_body(text("INVITE", &uri, cseq, own, &format!("<{uri}>"), &more), &sdp)
        };
        let challenge = self.try_ask(&request(next(), ""))?;
        let proof = challenge.authorize(own, password, "INVITE", &uri)?;
        self.try_ask(&request(next(), &proof))
    }

    /// The next answer that is final or has this status.
    #[track_caller]
    pub(crate) fn hear_final_or(&mut self, wanted: u16) -> Message {
        loop {
            let message = self.hear();
            let status = message.status().unwrap_or(0);
            if status == wanted || status >= 200 {
                return message;
            }
        }
    }

    fn parameter(&self) -> &'static str {
        match self.line {
            Line::Tcp(_) => Over::Tcp.parameter(),
            Line::Tls(_) => Over::Tls.parameter(),
            Line::Udp(_) => "",
        }
    }

    /// The same with a Via of this peer's.
    fn signed(&self, request: &str) -> String {
        let word = match self.line {
            Line::Tcp(_) => Over::Tcp.word(),
            Line::Tls(_) => Over::Tls.word(),
            Line::Udp(_) => "UDP",
        };
        request.replace("SIP/2.0/TCP peer", &format!("SIP/2.0/{word} {}", self.here))
    }

    fn more(&mut self) -> std::io::Result<usize> {
        let mut bytes = [0; 65_535];
        let length = match &mut self.line {
            Line::Tcp(it) => it.read(&mut bytes)?,
            Line::Tls(it) => it.read(&mut bytes)?,
            Line::Udp(it) => it.recv(&mut bytes)?,
        };
        self.read.extend_from_slice(&bytes[..length]);
        Ok(length)
    }
}

fn connect(there: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(there).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A request of a stranger.
pub(crate) fn options(method: &str, cseq: u32) -> String {
    with_body(text(method, "sip:pbx.test", cseq, "probe", "<sip:pbx.test>", ""), "")
}

fn text(method: &str, uri: &str, cseq: u32, from: &str, to: &str, more: &str) -> String {
    let (branch, call) = (next(), next());
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP peer;branch=z9hG4bKtcp{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{from}@pbx.test>;tag={branch}\r\nTo: {to}\r\n\
         Call-ID: tcp-{call}\r\nCSeq: {cseq} {method}\r\n{more}"
    )
}

/// How long the first message of these bytes is, when all of it has come.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let length = Message::read(&bytes[..head])?.header("content-length").parse::<usize>().unwrap();
    (bytes.len() >= head + length).then_some(head + length)
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
