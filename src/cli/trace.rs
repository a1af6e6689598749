//! `moonswitch trace`: asks the running server what happened in a call. A small HTTP client of our
//! own: one question, one bounded answer, no patience with silence.

use std::env;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::node::LOCAL_KEY;

/// How long a server may take to accept, and to say the next word.
const CONNECT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(10);
/// The variable that holds an access key.
const KEY: &str = "MOONSWITCH_KEY";
const KEY_MAX: usize = 512;
/// The longest answer: a call's share of the ring, whole messages, drawn.
const ANSWER_MAX: u64 = 64 << 20;

/// Which call, and how it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    call: String,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    Messages,
    Json,
}

/// Why there is nothing to show.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody answers, or not in HTTP.
    NoServer {
        /// Where we asked.
        at: SocketAddr,
        /// What happened.
        error: io::Error,
    },
    /// The server does not remember such a call.
    NoCall {
        /// What it was called.
        name: String,
    },
    /// We have no access key that the server takes.
    NoKey {
        /// Where we looked.
        data: PathBuf,
    },
    /// The server has said no, in this line.
    Refused(String),
}

impl Wanted {
    /// Takes its own words from a command line; what remains are flags of settings.
    pub(super) fn parse(words: &[String]) -> (Self, Vec<String>) {
        let mut wanted = Self { call: "last".to_owned(), form: Form::Lines };
        let mut flags = Vec::new();
        let mut words = words;
        if let Some((call, rest)) = words.split_first().filter(|it| !it.0.starts_with('-')) {
            wanted.call = call.clone();
            words = rest;
        }
        for word in words {
            match word.as_str() {
                "--full" => wanted.form = Form::Messages,
                "--json" => wanted.form = Form::Json,
                _ => flags.push(word.clone()),
            }
        }
        (wanted, flags)
    }
}

/// Asks the server that listens at `http` and has this data directory, if it is at hand.
pub(super) fn fetch(http: SocketAddr, data: &Path, wanted: &Wanted) -> Result<String, Failure> {
    let at = SocketAddr::new(reachable(http.ip()), http.port());
    let (status, body) =
        ask(at, &key(data), wanted).map_err(|error| Failure::NoServer { at, error })?;
    match status {
        200 => Ok(body),
        401 => Err(Failure::NoKey { data: data.to_owned() }),
        404 => Err(Failure::NoCall { name: wanted.call.clone() }),
        _ => {
            Err(Failure::Refused(format!("{status}: {}", body.lines().next().unwrap_or_default())))
        }
    }
}

/// The access key to ask with: one that people chose, else the one that the server has left for
/// those who may read its data directory. A file that others may have written there goes no
/// further than a header does.
fn key(data: &Path) -> String {
    let kept = || fs::read_to_string(data.join(LOCAL_KEY)).unwrap_or_default();
    let key = env::var(KEY).unwrap_or_else(|_| kept());
    key.trim().chars().filter(char::is_ascii_graphic).take(KEY_MAX).collect()
}

/// A server that listens everywhere listens here, too.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(it) if it.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(it) if it.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        it => it,
    }
}

fn ask(at: SocketAddr, key: &str, wanted: &Wanted) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&at, CONNECT)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    // HTTP/1.0, so that the answer ends with the connection and comes in one piece.
    let (query, accept) = match wanted.form {
        Form::Lines => ("", "text/plain"),
        Form::Messages => ("?full", "text/plain"),
        Form::Json => ("", "application/json"),
    };
    let request = format!(
        "GET /api/v1/calls/{}/trace{query} HTTP/1.0\r\nHost: {at}\r\n\
         Authorization: Bearer {key}\r\nAccept: {accept}\r\n\r\n",
        encoded(&wanted.call)
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    read(&answer).ok_or_else(|| io::Error::other("what answers there does not speak HTTP"))
}

/// Status and body of an answer.
fn read(answer: &[u8]) -> Option<(u16, String)> {
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n")?;
    let (head, body) = (answer.get(..end)?, answer.get(end + 4..)?);
    let line = str::from_utf8(head).ok()?.lines().next()?;
    let (version, rest) = line.split_once(' ')?;
    let status = rest.split(' ').next()?.parse().ok()?;
    version.starts_with("HTTP/1.").then(|| (status, String::from_utf8_lossy(body).into_owned()))
}

/// A piece of a path (RFC 3986 §3.3): everything that is not plain gets its percent.
fn encoded(piece: &str) -> String {
    let mut out = String::new();
    for byte in piece.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer { at, error } => {
                write!(f, "no moonswitch answers at --http {at}: {error}")
            }
            Self::NoKey { data } => write!(
                f,
                "the server wants an access key: say its --data directory (no {LOCAL_KEY} of its \
                 own is in {}), or set {KEY}",
                data.display()
            ),
            Self::NoCall { name } if name == "last" => f.write_str("no call is remembered"),
            Self::NoCall { name } => write!(f, "no call {name:?} is remembered"),
            Self::Refused(why) => write!(f, "the server refuses: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_words_are_taken_and_settings_remain() {
        let words = ["c1f", "--full", "--http", "127.0.0.1:8088"].map(str::to_owned);
        let (wanted, flags) = Wanted::parse(&words);
        assert_eq!(wanted, Wanted { call: "c1f".into(), form: Form::Messages });
        assert_eq!(flags, ["--http", "127.0.0.1:8088"]);
        assert_eq!(Wanted::parse(&[]).0.call, "last");
    }

    #[test]
    fn an_answer_is_http_or_nothing() {
        assert_eq!(read(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello"), Some((200, "hello".into())));
        for bad in
            ["", "hello", "HTTP/1.1 200 OK\r\n", "SIP/2.0 200 OK\r\n\r\n", "HTTP/1.1\r\n\r\n"]
        {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_call_id_does_not_leave_its_piece_of_the_path() {
        assert_eq!(encoded("a/../b?c@d e"), "a%2F..%2Fb%3Fc%40d%20e");
    }
}
