//! Requests that are too large, too slow, twice as long as they say or not HTTP at all. Each is
//! answered or closed in bounded time, and the next one is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::Client;
use crate::pbx::Pbx;
use crate::wait::timed;

const LIST: &str = "/api/v1/sip/extensions";
/// Longer than the server waits for anybody.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn what_is_no_decent_request_is_answered_and_harms_nobody() {
    let pbx = Pbx::start();
    let key = std::fs::read_to_string(pbx.data().join("admin.key")).unwrap();
    let key = key.trim();
    let mut all = vec![
        ("", ""),
        ("GET /health\r\n\r\n", "400"),
        ("GET /health HTTP/9.9\r\n\r\n", "400"),
        ("\0\0\0\0\r\n\r\n", "400"),
        ("GET /hea\rlth HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nHost: x\r\nA\0B: x\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nHost: x\r\nA: x\0y\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nHost: x\r\nA : x\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"),
        (
            "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "400",
        ),
    ];
    let own = |more: &str| {
        format!(
            "POST {LIST} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n{more}"
        )
    };
    let many = format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100));
    let long = format!("GET /health HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "b".repeat(20_000));
    let two_lengths =
        own("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    let deep = "[".repeat(60_000);
    let deep = own(&format!("Content-Length: {}\r\n\r\n{deep}", deep.len()));
    let chunk = own("Transfer-Encoding: chunked\r\n\r\nzz\r\n");
    let other = own("Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}");
    let twice = r#"{"extension":"1","extension":"2"}"#;
    let twice = own(&format!("Content-Length: {}\r\n\r\n{twice}", twice.len()));
    let null = own("Content-Length: 3\r\n\r\n{\0}");
    let line = r#"{"extension":"30\r\n1","name":"a\u0000b"}"#;
    let line = own(&format!("Content-Length: {}\r\n\r\n{line}", line.len()));
    all.extend([
        (many.as_str(), "431"),
        (&long, "431"),
        // The encoding counts and the length does not (RFC 9112 §6.3): `{}` was read.
        (&two_lengths, "422"),
        (&deep, "400"),
        (&chunk, "400"),
        (&other, "415"),
        (&twice, "400"),
        (&null, "400"),
        (&line, "422"),
    ]);
    for (request, wanted) in all {
        let mut stream = TcpStream::connect(pbx.http()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        _ = stream.write_all(request.as_bytes());
        if request.is_empty() {
            _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = String::new();
        _ = stream.read_to_string(&mut answer);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let shown: String = request.chars().skip(100).take(120).collect();
        assert_eq!(status, wanted, "{shown:?}: {answer}");
    }
    assert_eq!(Client::of(&pbx).ask("GET", LIST, "").header("x-total-count"), "2");
    assert!(!pbx.log().contains("a bug"), "{}", pbx.log());
}

#[test]
fn a_huge_body_is_refused_before_it_is_there() {
    let pbx = Pbx::start();
    let before = pbx.memory_kib();
    let key = std::fs::read_to_string(pbx.data().join("admin.key")).unwrap();
    for length in
        ["Content-Length: 104857600\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n6400000\r\n"]
    {
        let mut stream = TcpStream::connect(pbx.http()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head =
            format!("POST {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n", key.trim());
        stream.write_all((head + length).as_bytes()).unwrap();
        let megabyte = vec![b' '; 1 << 20];
        let mut sent = 0;
        while sent < 100 && stream.write_all(&megabyte).is_ok() {
            sent += 1;
        }
        assert!(sent < 100, "all of it was read");
    }
    let after = pbx.memory_kib();
    assert!(after < before + 8192, "{before} KiB before, {after} KiB after");
    assert_eq!(Client::of(&pbx).ask("POST", LIST, &" ".repeat(65_537)).status, 413);
}

#[test]
fn who_is_slow_is_closed_and_keeps_nobody_waiting() {
    let pbx = Pbx::start();
    let key = std::fs::read_to_string(pbx.data().join("admin.key")).unwrap();
    let head =
        format!("POST {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n", key.trim());
    let slow = [
        "GET /hea".to_owned(),
        "GET /health HTTP/1.1\r\nHost: x\r\n".to_owned(),
        head.clone() + "Content-Length: 10\r\n\r\n{",
        head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ];
    let streams: Vec<TcpStream> = slow
        .iter()
        .cycle()
        .take(60)
        .map(|it| {
            let mut stream = TcpStream::connect(pbx.http()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(it.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut client = Client::of(&pbx);
    let (answer, span) = timed(|| client.ask("GET", LIST, ""));
    assert_eq!(answer.status, 200);
    eprintln!("a request beside 60 slow ones: {span:?}");
    let (answers, span) = timed(|| {
        let read = |mut stream: TcpStream| {
            let mut answer = String::new();
            _ = stream.read_to_string(&mut answer);
            answer
        };
        streams.into_iter().map(read).collect::<Vec<String>>()
    });
    assert!(span < Duration::from_secs(20), "{span:?}");
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.starts_with("HTTP/1.1 408"), n % 4 >= 2, "{n}: {answer:?}");
    }
}
