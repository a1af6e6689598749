//! A small name server on loopback, and what becomes of questions to it.

use std::sync::Mutex;

use super::*;
use crate::sip::resolve::{Kind, Record};

/// What the server does with a question.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Answers,
    /// Over UDP it says that there is more.
    Cuts,
    Fails,
    Sleeps,
    /// Others answer before it does.
    IsForged,
    DislikesExtensions,
    /// `a.test` is `b.test`, and it says no more.
    Aliases,
}

/// A server, and how it was asked.
struct Server {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<(u16, SocketAddr)>>>,
}

impl Server {
    async fn start(mood: Mood) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = tokio::net::TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let at = udp.local_addr().unwrap();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                let request = &buffer[..length];
                seen.lock().unwrap().push((u16::from_be_bytes([request[0], request[1]]), from));
                for reply in replies(mood, request) {
                    udp.send_to(&reply, from).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let length = stream.read_u16().await.unwrap();
                let mut request = vec![0; length.into()];
                stream.read_exact(&mut request).await.unwrap();
                let reply = reply(&request, 0x8180, [192, 0, 2, 80]);
                stream.write_u16(u16::try_from(reply.len()).unwrap()).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        Self { at, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn replies(mood: Mood, request: &[u8]) -> Vec<Vec<u8>> {
    let extended = request[11] == 1;
    let good = reply(request, 0x8180, [192, 0, 2, 1]);
    match mood {
        Mood::Answers => vec![good],
        Mood::Cuts => vec![reply(request, 0x8380, [192, 0, 2, 2])],
        Mood::Fails => vec![reply(request, 0x8182, [192, 0, 2, 3])],
        Mood::Sleeps => vec![],
        Mood::IsForged => {
            let mut forged = reply(request, 0x8180, [198, 51, 100, 1]);
            forged[0] ^= 0x55;
            let mut other = reply(request, 0x8180, [198, 51, 100, 2]);
            other[13] = b'x';
            vec![vec![0; 3], forged, other, good]
        }
        Mood::DislikesExtensions if extended => vec![reply(request, 0x8181, [192, 0, 2, 4])],
        Mood::DislikesExtensions => vec![good],
        Mood::Aliases if request[13] == b'a' => {
            let mut bytes = question_of(request, 0x8180);
            bytes.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e");
            vec![bytes]
        }
        Mood::Aliases => vec![good],
    }
}

/// The question with the flags of an answer, and one record promised.
fn question_of(request: &[u8], flags: u16) -> Vec<u8> {
    let end = 12 + request[12..].iter().position(|it| *it == 0).unwrap() + 5;
    let mut bytes = request[..end].to_vec();
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
    bytes
}

fn reply(request: &[u8], flags: u16, address: [u8; 4]) -> Vec<u8> {
    let mut bytes = question_of(request, flags);
    bytes.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04");
    bytes.extend(address);
    bytes
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

async fn ask_for(servers: &[SocketAddr]) -> Answer {
    let question = Question { kind: Kind::A, name: "a.test".into() };
    resolve(servers, &question, Rng::from_seed(1)).await
}

fn found(last: u8) -> Answer {
    let one = Record::Address([192, 0, 2, last].into());
    Answer::Records(vec![one], Duration::from_secs(60))
}

#[test]
fn a_server_is_believed_whatever_others_say_before_it() {
    run(async {
        for mood in [Mood::Answers, Mood::IsForged, Mood::DislikesExtensions, Mood::Aliases] {
            let server = Server::start(mood).await;
            assert_eq!(ask_for(&[server.at]).await, found(1), "{mood:?}");
        }
    });
}

#[test]
fn what_is_too_long_comes_over_tcp() {
    run(async {
        let server = Server::start(Mood::Cuts).await;
        assert_eq!(ask_for(&[server.at]).await, found(80));
    });
}

#[test]
fn a_server_that_sleeps_or_fails_is_not_waited_for() {
    run(async {
        for mood in [Mood::Sleeps, Mood::Fails] {
            let (bad, good) = (Server::start(mood).await, Server::start(Mood::Answers).await);
            let patience = crate::sip::resolve::PATIENCE;
            let answer = timeout(patience, ask_for(&[bad.at, good.at])).await;
            assert_eq!(answer, Ok(found(1)), "{mood:?}");
        }
    });
}

#[test]
fn a_server_that_cannot_tell_is_told_apart_from_none() {
    run(async {
        let server = Server::start(Mood::Fails).await;
        assert_eq!(ask_for(&[server.at]).await, Answer::Broken);
        assert_eq!(server.asked(), 2);
        // A port that nobody listens at.
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(ask_for(&[gone]).await, Answer::Silent);
        assert_eq!(ask_for(&[]).await, Answer::Silent);
    });
}

#[test]
fn ports_and_ids_are_never_the_same() {
    run(async {
        let server = Server::start(Mood::Answers).await;
        let mut rng = Rng::from_seed(2);
        for _ in 0..40 {
            let question = Question { kind: Kind::A, name: "a.test".into() };
            resolve(&[server.at], &question, rng.fork()).await;
        }
        let asked = server.asked.lock().unwrap();
        let ids: std::collections::BTreeSet<u16> = asked.iter().map(|it| it.0).collect();
        let ports: std::collections::BTreeSet<u16> = asked.iter().map(|it| it.1.port()).collect();
        assert!(ids.len() >= 39 && ports.len() >= 30, "{ids:?} {ports:?}");
    });
}

#[test]
fn a_question_of_the_switch_comes_back_as_an_input() {
    run(async {
        let server = Server::start(Mood::Answers).await;
        let (dns, mut desk) = new(Rng::from_seed(3));
        desk.files = Files::fixed(vec![server.at]);
        let (switch, mailbox) = crate::node::post::post(8).unwrap();
        dns.ask(Question { kind: Kind::A, name: "a.test".into() });
        drop(dns);
        super::run(desk, switch).await;
        let letter = timeout(SERVER, async {
            loop {
                match mailbox.take() {
                    crate::node::post::Letter::Came(it) => break it,
                    _ => tokio::task::yield_now().await,
                }
            }
        });
        let Ok(Input::Dns(question, answer)) = letter.await else { panic!("no answer") };
        assert_eq!((question.name.as_str(), answer), ("a.test", found(1)));
    });
}
