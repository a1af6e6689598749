//! Floods from loopback against the binary: a phone that is known registers through all of them, and
//! what they took comes back. Counts decide; times are printed.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]
#![allow(clippy::print_stdout, reason = "times are for people")]

#[path = "interop/pbx.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod pbx;
#[path = "interop/scratch.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod scratch;
#[path = "../benches/load/sip.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod sip;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pbx::{EXTENSIONS, Pbx};
use sip::{Message, with_body};
use wait::{Watch, let_pass, timed, wait_for};

/// How often a request is sent again, and how many times in all. On a busy machine the system drops
/// datagrams by itself.
const RESEND: Duration = Duration::from_millis(500);
const TRIES: u32 = 30;
/// What the PBX may hold more after all floods than before.
const GROWTH_MAX_KIB: u64 = 48 << 10;

/// One test at a time: they compete for the same two cores and descriptors.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_phone_registers_through_floods_of_all_kinds() {
    let _alone = alone();
    allow_files(4_096);
    let pbx = Pbx::start();
    let at = pbx.sip();
    let mut phone = Phone::new(at, "127.0.0.1:0");
    assert_eq!(phone.register(0, EXTENSIONS[0].1), 200);
    let before = pbx.memory_kib();
    let done = AtomicBool::new(false);
    let mut spans = Vec::new();
    thread::scope(|scope| {
        let steady = scope.spawn(|| {
            let mut spans = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let (status, span) = timed(|| phone.register(0, EXTENSIONS[0].1));
                assert_eq!(status, 200, "after {} registrations", spans.len());
                spans.push(span);
                let_pass(Duration::from_millis(250).saturating_sub(span));
            }
            (spans, phone.resent)
        });
        let idle: Vec<_> = (0..2_000).filter_map(|_| TcpStream::connect(at).ok()).collect();
        let mut slow: Vec<_> = (0..200).filter_map(|_| TcpStream::connect(at).ok()).collect();
        let floods = [
            // From strangers, and from the neighbours of the phone.
            scope.spawn(move || flood(at, "127.0.0.2", "OPTIONS", 10_000, 2_000)),
            scope.spawn(move || flood(at, "127.0.0.1", "OPTIONS", 10_000, 2_000)),
            scope.spawn(move || flood(at, "127.0.0.3", "INVITE", 5_000, 1_000)),
        ];
        for byte in "OPTIONS sip:pbx SIP/2.0\r\n".bytes().cycle().take(50) {
            // The oldest were sent away to let others in.
            slow.iter_mut().for_each(|it| _ = it.write_all(&[byte]));
            let_pass(Duration::from_millis(100));
        }
        floods.into_iter().for_each(|it| it.join().unwrap());
        assert!(idle.len() + slow.len() > 2_000, "they were let in");
        drop((idle, slow));
        done.store(true, Ordering::Relaxed);
        let (mut own, resent) = steady.join().unwrap();
        own.sort_unstable();
        println!(
            "{} registrations through the floods: p50 {:?}, max {:?}, {resent} requests resent",
            own.len(),
            own[own.len() / 2],
            own[own.len() - 1],
        );
        spans = own;
    });
    assert!(spans.len() >= 5, "{} registrations", spans.len());
    // Connections that are closed are noticed in the next turns.
    let grown = wait_for("the memory to come back", Duration::from_secs(20), || {
        let grown = pbx.memory_kib().saturating_sub(before);
        (grown < GROWTH_MAX_KIB).then_some(grown)
    });
    println!("memory: {before} KiB before, grown by {grown} KiB");
    assert_eq!((pbx.health("calls"), pbx.health("registrations")), (0, 1));
    let lines = pbx.log().lines().filter(|it| !it.contains("registered")).count();
    assert!(lines < 200, "{lines} lines of log");
}

#[test]
fn without_descriptors_phones_are_served_and_afterwards_everybody_is() {
    let _alone = alone();
    allow_files(4_096);
    let pbx = Pbx::start_with_few_files(256);
    let mut phone = Phone::new(pbx.sip(), "127.0.0.1:0");
    assert_eq!(phone.register(0, EXTENSIONS[0].1), 200);
    let mut crowd: Vec<_> = (0..600).filter_map(|_| TcpStream::connect(pbx.sip()).ok()).collect();
    crowd.extend((0..100).filter_map(|_| TcpStream::connect(pbx.http()).ok()));
    for _ in 0..3 {
        assert_eq!(phone.register(0, EXTENSIONS[0].1), 200);
        crowd.iter_mut().for_each(|it| _ = it.write_all(b"O"));
    }
    drop(crowd);
    wait_for("an answer over HTTP", Duration::from_secs(20), || {
        let mut stream = TcpStream::connect(pbx.http()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: pbx\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
    assert_eq!(phone.register(1, EXTENSIONS[1].1), 200);
    assert_eq!(pbx.health("registrations"), 2);
}

#[test]
fn known_and_unknown_users_are_refused_alike() {
    let _alone = alone();
    let pbx = Pbx::start_with("127.0.0.1:0", &["--stranger-rate", "0"]);
    let mut spans = [Vec::new(), Vec::new()];
    let mut sizes = [0, 0];
    for pair in 0..60 {
        for (kind, number) in ["1001", "7777"].into_iter().enumerate() {
            // From many addresses, or the guesser would be slowed.
            let mut guesser = Phone::new(pbx.sip(), &format!("127.0.1.{}:0", 1 + pair / 4));
            let challenge = guesser.ask(&guesser.request(number, ""));
            let uri = format!("sip:{}", pbx.sip());
            let guess = challenge.authorize(number, "a guess", "REGISTER", &uri).unwrap();
            let request = guesser.request(number, &guess);
            let (answer, span) = timed(|| guesser.ask(&request));
            assert_eq!(answer.status(), Some(403), "{number}");
            sizes[kind] += answer.reply("x", "", "", "").len();
            spans[kind].push(span);
        }
    }
    let median = |mut it: Vec<Duration>| {
        it.sort_unstable();
        it[it.len() / 2]
    };
    let [known, unknown] = spans.map(median);
    println!(
        "a wrong password is refused in {known:?}, an unknown user in {unknown:?} (median of 60)"
    );
    // Ports and counters in them have as many digits on either side, or one more.
    assert!(sizes[0].abs_diff(sizes[1]) <= 4 * 60, "{sizes:?}");
}

#[test]
fn a_phone_behind_nat_is_asked_whether_it_is_there() {
    let pbx = Pbx::start_with("127.0.0.1:0", &["--keep-alive", "5"]);
    let mut phone = Phone::new(pbx.sip(), "127.0.0.1:0");
    phone.contact = Some("192.168.77.1:5060".to_owned());
    assert_eq!(phone.register(0, EXTENSIONS[0].1), 200);
    for _ in 0..2 {
        let question = phone.hear(Duration::from_secs(20)).expect("a question");
        assert_eq!(question.first(), "OPTIONS sip:1001@192.168.77.1:5060 SIP/2.0");
        phone.socket.send(question.reply("200 OK", "phone", "", "").as_bytes()).unwrap();
    }
}

/// A phone over UDP that sends again what is not answered.
struct Phone {
    socket: UdpSocket,
    there: SocketAddr,
    /// What it calls itself, if not by its own address.
    contact: Option<String>,
    resent: u32,
}

impl Phone {
    fn new(there: SocketAddr, here: &str) -> Self {
        let socket = UdpSocket::bind(here).unwrap();
        socket.connect(there).unwrap();
        Self { socket, there, contact: None, resent: 0 }
    }

    /// Registers as one of the known extensions; the status that it comes to.
    fn register(&mut self, which: usize, password: &str) -> u16 {
        let number = EXTENSIONS[which].0;
        let challenge = self.ask(&self.request(number, ""));
        let uri = format!("sip:{}", self.there);
        let Some(proof) = challenge.authorize(number, password, "REGISTER", &uri) else {
            return challenge.status().unwrap();
        };
        self.ask(&self.request(number, &proof)).status().unwrap()
    }

    fn request(&self, number: &str, proof: &str) -> String {
        let here = self.socket.local_addr().unwrap();
        let contact = self.contact.clone().unwrap_or_else(|| here.to_string());
        let (there, nth) = (self.there, next());
        with_body(
            format!(
                "REGISTER sip:{there} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKp{nth};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{number}@{there}>;tag=p{nth}\r\n\
                 To: <sip:{number}@{there}>\r\nCall-ID: phone-{here}\r\nCSeq: {nth} REGISTER\r\n\
                 Contact: <sip:{number}@{contact}>\r\nExpires: 600\r\n{proof}"
            ),
            "",
        )
    }

    /// The answer to a request, which is sent again until it comes.
    #[track_caller]
    fn ask(&mut self, request: &str) -> Message {
        let wanted = Message::read(request.as_bytes()).unwrap().cseq().0;
        for _ in 0..TRIES {
            self.socket.send(request.as_bytes()).unwrap();
            let watch = Watch::start();
            while let Some(left) = RESEND.checked_sub(watch.passed()).filter(|it| !it.is_zero()) {
                let answer = self.hear(left);
                if let Some(it) = answer.filter(|it| it.status().is_some() && it.cseq().0 == wanted)
                {
                    return it;
                }
            }
            self.resent += 1;
        }
        panic!("no answer to {request}");
    }

    fn hear(&mut self, limit: Duration) -> Option<Message> {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = [0; 4_096];
        match self.socket.recv(&mut bytes) {
            Ok(length) => Message::read(&bytes[..length]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(e) => panic!("{e}"),
        }
    }
}

/// Sends so many requests of a stranger, so many a second, and listens to nothing.
fn flood(to: SocketAddr, from: &str, method: &str, count: u32, rate: u32) {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    let here = socket.local_addr().unwrap();
    let watch = Watch::start();
    for nth in 0..count {
        let due = Duration::from_secs(1) * nth / rate;
        if due > watch.passed() + Duration::from_millis(2) {
            let_pass(Duration::from_millis(5));
        }
        let request = with_body(
            format!(
                "{method} sip:1002@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKf{nth};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{nth}@{to}>;tag=f{nth}\r\nTo: <sip:1002@{to}>\r\n\
                 Call-ID: {nth}@{here}\r\nCSeq: 1 {method}\r\nContact: <sip:{nth}@{here}>\r\n"
            ),
            if method == "INVITE" { "v=0\r\n" } else { "" },
        );
        // The system may have no room for it, or tell of an earlier one that nobody took.
        _ = socket.send_to(request.as_bytes(), to);
    }
}

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Lets this process open so many files, if it may.
fn allow_files(count: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < count {
        setrlimit(Resource::RLIMIT_NOFILE, count.min(hard), hard).unwrap();
    }
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
