//! What a house of some thousands costs: memory for a phone and a call, the time to be ready, and
//! the time until a new extension has registered.

use std::io::{self, Error, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::callee::Ending;
use crate::calls::{Hold, Phones, Plan};
use crate::pbx::{KEY, Pbx};
use crate::register;
use crate::report::Figure;
use crate::sip::Account;

/// Extensions and phones of the large house.
const HOUSE: usize = 10_000;
/// Calls of which the memory is measured: those that stand, and those that have ended.
const STANDING: usize = 1_000;
const ENDED: usize = 1_000;
const ENDED_RATE: u32 = 100;
/// How long a transaction is remembered (64*T1, RFC 3261 §17.1.1.2), and some more.
const REMEMBERED: Duration = Duration::from_millis(33_000);
/// New extensions that are asked for one after the other.
const WRITES: usize = 100;
/// The trace of calls is a ring of a fixed size: left out, so that calls are measured and not it.
const NO_TRACE: (&str, &str) = ("MOONSWITCH_TRACE_BYTES", "0");

/// A house of ten thousand: memory for each phone, and how soon it is ready again.
pub(crate) fn large() -> io::Result<Vec<Figure>> {
    let accounts = Account::many(100_001, HOUSE);
    let pbx = Pbx::start(&accounts, &[NO_TRACE])?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    // The first ones make what is made once.
    let warm = register::run(pbx.sip, &socket, &accounts[..200], 1000, 200)?;
    thread::sleep(Duration::from_secs(1));
    let before = pbx.memory()?;
    let rest = &accounts[200..];
    let done = register::run(pbx.sip, &socket, rest, 2000, rest.len())?;
    thread::sleep(Duration::from_secs(1));
    let each = (pbx.memory()? - before) / rest.len() as i64;
    let failures = [warm.failures, done.failures].concat();
    let memory = Figure { units: rest.len(), ..Figure::plain("memory: a registration", kib(each)) };
    let note = "budget 2 KiB".to_owned();
    let directory = pbx.stop()?;
    let since = Instant::now();
    let pbx = Pbx::start_in(directory, &[])?;
    let ready = since.elapsed();
    let value = format!("{} ms", ready.as_millis());
    let writes = writes(&pbx)?;
    pbx.stop().and_then(std::fs::remove_dir_all)?;
    let ready = Figure { units: HOUSE, ..Figure::plain("ready, with extensions", value) };
    Ok(vec![
        memory.with(failures, note),
        ready.with(Vec::new(), "and as many registrations; budget 500 ms".to_owned()),
        writes,
    ])
}

/// Extensions are made over REST; each registers as soon as the answer is there.
fn writes(pbx: &Pbx) -> io::Result<Figure> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut http = TcpStream::connect(&pbx.http)?;
    http.set_nodelay(true)?;
    let mut spans = Vec::new();
    for it in Account::many(900_001, WRITES) {
        let since = Instant::now();
        let Account { number, password } = &it;
        let body = format!(r#"{{"extension":"{number}","password":"{password}"}}"#);
        let status = post(&mut http, "/api/v1/sip/extensions", &body)?;
        if status != 201 {
            return Err(Error::other(format!("POST of an extension: {status}")));
        }
        let done = register::run(pbx.sip, &socket, std::slice::from_ref(&it), 1000, 1)?;
        if !done.failures.is_empty() {
            return Ok(Figure::failed("POST + first REGISTER", done.failures));
        }
        spans.push(since.elapsed());
    }
    spans.sort_unstable();
    let value = format!("{:.2} ms p50", spans[spans.len() / 2].as_secs_f64() * 1e3);
    let note = format!(
        "p99 {:.2} ms, the generator's naps included; budget 10 ms",
        spans[spans.len() * 99 / 100].as_secs_f64() * 1e3
    );
    let figure = Figure { units: WRITES, ..Figure::plain("POST + first REGISTER", value) };
    Ok(figure.with(Vec::new(), note))
}

fn post(stream: &mut TcpStream, path: &str, body: &str) -> io::Result<u16> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|it| {
                let (name, value) = it.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
                return Ok(status.unwrap_or(0));
            }
        }
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(Error::other("HTTP was closed"));
        }
        answer.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
}

/// Memory of calls: while they stand, when they have ended, and when they are forgotten.
pub(crate) fn calls() -> io::Result<Vec<Figure>> {
    let (callers, callees) = (Account::many(1_001, STANDING), Account::many(50_001, STANDING));
    let pbx = Pbx::start(&[callers.as_slice(), &callees].concat(), &[NO_TRACE])?;
    // Nobody talks, so nobody needs to hear.
    let mut phones = Phones::new(pbx.sip, callers, callees, |_| (9, 9), |_| Ending::Caller)?;
    let there = register::run(pbx.sip, phones.callee_socket(), phones.callees(), 500, STANDING)?;
    let mut failures = there.failures;
    let brief = |units, rate| Plan {
        units,
        rate,
        crowd: STANDING,
        hold: Hold::For(Duration::from_millis(50)),
    };
    failures.extend(phones.call(brief(50, 50))?.failures);
    let mut wave = || -> io::Result<i64> {
        let before = pbx.memory()?;
        failures.extend(phones.call(brief(ENDED, ENDED_RATE))?.failures);
        Ok((pbx.memory()? - before) / ENDED as i64)
    };
    let ended = wave()?;
    thread::sleep(REMEMBERED);
    let again = wave()?;
    let before = pbx.memory()?;
    let stand = Plan { hold: Hold::UntilToldOtherwise, ..brief(STANDING, 200) };
    failures.extend(phones.call(stand)?.failures);
    let lasting = (pbx.memory()? - before) / STANDING as i64;
    failures.extend(phones.hang_up()?.failures);
    pbx.stop().and_then(std::fs::remove_dir_all)?;
    let row = |what: &str, bytes: i64, note: &str| {
        let figure = Figure { units: ENDED, ..Figure::plain(what, kib(bytes)) };
        figure.with(Vec::new(), note.to_owned())
    };
    Ok(vec![
        row("memory: a call while it lasts", lasting, "")
            .with(failures, "budget 60 KiB".to_owned()),
        row("memory: an ended call", ended, "until 64*T1; budget 4 KiB"),
        row("memory: a forgotten call", again, "growth in as many calls more; budget nothing"),
    ])
}

fn kib(bytes: i64) -> String {
    format!("{:.2} KiB", bytes as f64 / 1024.0)
}
