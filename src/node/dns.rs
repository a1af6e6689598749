//! DNS, really asked: the answers to the questions of [`crate::sip::resolve`].
//!
//! It is a stub of our own and not a resolver library: what it takes is four kinds of records, one
//! question at a time; the cache, the order and the patience are the switch's (so that simulated DNS
//! behaves the same), and a library of that size would double the crates that we depend on.
//!
//! Each question comes from a port and with an id that nobody can foresee, and only its server is
//! heard (RFC 5452). The servers of `/etc/resolv.conf` are asked one after the other without waiting
//! for the slow ones to give up; the first that knows counts. What does not fit into a datagram is
//! asked for over TCP.

mod files;
mod wire;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::base::Rng;
use crate::call::Input;
use crate::sip::resolve::{Answer, Question};

use self::files::Files;
use self::wire::Heard;
use super::post::Post;

/// Questions that may wait for us. The switch goes on without the answers of more.
const QUEUE_MAX: usize = 512;
/// Questions that are asked at a time; each takes a socket or a few.
const AT_ONCE_MAX: usize = 64;
/// When the next server is asked beside one that does not answer.
const NEXT: Duration = Duration::from_millis(400);
/// How long a server may take. Late answers serve the next call.
const SERVER: Duration = Duration::from_secs(3);
/// How many aliases are followed from answer to answer.
const ALIASES_MAX: usize = 4;
/// Answers are at most this long, over TCP too.
const LENGTH_MAX: usize = 16 << 10;
/// Datagrams that are no answer, before we give up on the socket.
const STRANGERS_MAX: usize = 64;

/// Where to put questions.
#[derive(Clone, Debug)]
pub(super) struct Dns(mpsc::Sender<Question>);

/// Where questions come out again.
pub(super) struct Desk {
    questions: mpsc::Receiver<Question>,
    files: Files,
    rng: Rng,
}

/// Questions go in at one end and come out at the other.
pub(super) fn new(rng: Rng) -> (Dns, Desk) {
    let (sender, questions) = mpsc::channel(QUEUE_MAX);
    let files = Files::new(PathBuf::from("/etc/resolv.conf"), PathBuf::from("/etc/hosts"));
    (Dns(sender), Desk { questions, files, rng })
}

impl Dns {
    /// Asks. When too many wait, nobody answers; the switch has its own patience.
    pub(super) fn ask(&self, question: Question) {
        if let Err(mpsc::error::TrySendError::Full(question)) = self.0.try_send(question) {
            tracing::warn!("DNS: too many questions; {question} is not asked");
        }
    }
}

/// Answers questions until nobody is left who could ask.
pub(super) async fn run(mut desk: Desk, switch: Post<Input>) {
    let turns = Arc::new(Semaphore::new(AT_ONCE_MAX));
    while let Some(question) = desk.questions.recv().await {
        let tell = |switch: &Post<Input>, question, answer| {
            // A full queue: the switch goes on without it.
            _ = switch.put(Input::Dns(question, answer));
            switch.ring();
        };
        if let Some(answer) = desk.files.answer(&question) {
            tell(&switch, question, answer);
            continue;
        }
        let servers = desk.files.servers().to_vec();
        let (switch, rng) = (switch.clone(), desk.rng.fork());
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        tokio::spawn(async move {
            let answer = resolve(&servers, &question, rng).await;
            tracing::debug!("DNS: {question}: {answer:?}");
            tell(&switch, question, answer);
            drop(turn);
        });
    }
}

/// Asks until it is known what the name is at the end of its aliases.
async fn resolve(servers: &[SocketAddr], question: &Question, mut rng: Rng) -> Answer {
    let mut question = question.clone();
    for _ in 0..=ALIASES_MAX {
        match ask_all(servers, &question, &mut rng).await {
            Heard::Alias(name) => question.name = name,
            Heard::Answer(answer) => return answer,
            Heard::Nothing | Heard::Cut => return Answer::Silent,
        }
    }
    Answer::Broken
}

/// Asks one server after the other; what the first says that knows.
async fn ask_all(servers: &[SocketAddr], question: &Question, rng: &mut Rng) -> Heard {
    // Servers of the last century know no EDNS; those are asked plainly the second time.
    let mut plan: VecDeque<(SocketAddr, bool)> = servers.iter().map(|it| (*it, true)).collect();
    plan.extend(servers.iter().map(|it| (*it, false)));
    let mut asked = JoinSet::new();
    let mut next = Instant::now();
    let mut worst = Heard::Answer(Answer::Silent);
    loop {
        tokio::select! {
            () = sleep_until(next), if !plan.is_empty() => {
                let Some((server, extended)) = plan.pop_front() else { continue };
                let (question, id) = (question.clone(), (rng.bits32() >> 16) as u16);
                let ask = async move { ask(server, id, &question, extended).await };
                asked.spawn(timeout(SERVER, ask));
                next = Instant::now() + NEXT;
            }
            Some(ended) = asked.join_next() => match ended {
                Ok(Ok(Ok(Heard::Answer(Answer::Broken)))) => {
                    worst = Heard::Answer(Answer::Broken);
                    next = Instant::now();
                }
                Ok(Ok(Ok(Heard::Nothing))) => {}
                Ok(Ok(Ok(heard))) => return heard,
                // It took too long, or there is no way to it.
                Ok(Err(_)) => {}
                Ok(Ok(Err(_))) | Err(_) => next = next.min(Instant::now() + NEXT / 4),
            },
            else => return worst,
        }
    }
}

/// Asks one server.
async fn ask(
    server: SocketAddr,
    id: u16,
    question: &Question,
    extended: bool,
) -> io::Result<Heard> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // A connected socket hears its peer alone.
    socket.connect(server).await?;
    let request = wire::question(id, question, extended);
    socket.send(&request).await?;
    let mut buffer = vec![0; LENGTH_MAX];
    for _ in 0..STRANGERS_MAX {
        let length = socket.recv(&mut buffer).await?;
        let bytes = buffer.get(..length).unwrap_or_default();
        match wire::answer(bytes, id, question) {
            Heard::Nothing => {}
            Heard::Cut => return ask_stream(server, id, question, &request).await,
            heard => return Ok(heard),
        }
    }
    Ok(Heard::Nothing)
}

/// Asks over TCP (RFC 1035 §4.2.2).
async fn ask_stream(
    server: SocketAddr,
    id: u16,
    question: &Question,
    request: &[u8],
) -> io::Result<Heard> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(request.len()).unwrap_or_default();
    stream.write_all(&[&length.to_be_bytes()[..], request].concat()).await?;
    let length = usize::from(stream.read_u16().await?);
    let mut bytes = vec![0; length.min(LENGTH_MAX)];
    stream.read_exact(&mut bytes).await?;
    match wire::answer(&bytes, id, question) {
        Heard::Cut => Ok(Heard::Nothing),
        heard => Ok(heard),
    }
}

#[cfg(test)]
mod tests;
