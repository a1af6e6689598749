//! `moonswitch trace` as those see it who ask what happened: a real server, two simulated phones on
//! real sockets, and the command.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "interop/pbx.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod pbx;
#[path = "trace/phones.rs"]
mod phones;
#[path = "interop/scratch.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod scratch;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::cell::RefCell;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use moonswitch::base::{CallId, LegId, Mono, Now, Wall};
use moonswitch::call;
use moonswitch::call::event::{Fact, What};
use moonswitch::call::trace::{Detail, Ring, Traced};
use moonswitch::lua::{self, Files, Limits, LuaPlan};
use moonswitch::sim::phone::Behaviour;
use moonswitch::sim::{Config, World};
use moonswitch::sip::{Flow, Transport};

use pbx::Pbx;
use phones::Phones;
use wait::timed;

#[test]
fn a_call_of_the_running_server_is_shown_from_both_sides() {
    let pbx = Pbx::start();
    check(&pbx, &["last"], 5, "no call is remembered");
    let mut phones = Phones::two(pbx.sip());
    phones.talk(Duration::from_secs(1));

    let ladder = check(&pbx, &["last"], 0, "1001 calls 1002");
    for line in [
        "407 Proxy Authenti… (INVITE)",
        "INVITE sip:1002@127.0.0.1",
        "main.lua:",
        " dial 1002 for 30 s",
        "180 Ringing (INVITE)",
        "200 OK (INVITE)",
        "1001 and 1002 hear each other",
        "audio of 1001: PCMU 127.0.0.1:",
        "BYE sip:1002@127.",
        "ended: hangup",
        "0 lost",
    ] {
        assert!(ladder.contains(line), "{line}\n{ladder}");
    }
    assert!(ladder.matches("200 OK (BYE)").count() == 2, "{ladder}");
    for number in ["1001", "1002"] {
        let audio = format!("audio of {number}: ");
        let counts = ladder.lines().rev().find_map(|it| it.split_once(&audio));
        let received: u32 = counts.unwrap().1.split(' ').next().unwrap().parse().unwrap();
        assert!(received >= 40, "{received} packets in a second\n{ladder}");
    }

    let call = ladder.split([' ', ':']).find(|it| it.starts_with('c') && *it != "call").unwrap();
    assert_eq!(check(&pbx, &[call], 0, ""), ladder);
    let sip_call_id = ladder.split_once("Call-ID ").unwrap().1.lines().next().unwrap();
    assert_eq!(check(&pbx, &[sip_call_id], 0, ""), ladder);
    check(&pbx, &["c0", "--full"], 5, "no call \"c0\" is remembered");

    let full = check(&pbx, &["last", "--full"], 0, "m=audio");
    assert!(full.contains("response=(masked)") && full.contains("CSeq: 2 BYE"), "{full}");
    let json = check(&pbx, &["last", "--json"], 0, "\"kind\":\"audio_ended\"");
    assert!(json.starts_with('{') && json.ends_with("}\n") && json.contains("\"kind\":\"sip\""));
}

#[test]
fn a_server_that_is_told_to_forget_remembers_nothing() {
    let scratch = scratch::Scratch::new("forget");
    std::fs::write(scratch.file("pbx.toml"), "trace-bytes = 0\n").unwrap();
    let file = scratch.file("pbx.toml");
    let pbx = Pbx::start_with("127.0.0.1:0", &["--config", file.to_str().unwrap()]);
    let mut phones = Phones::two(pbx.sip());
    phones.talk(Duration::from_millis(200));
    check(&pbx, &["last"], 5, "no call is remembered");
}

#[test]
fn where_no_server_answers_that_is_said() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = trace(&["last", "--http", &silent.to_string()]);
    assert_eq!(output.status.code(), Some(4));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(&format!("no moonswitch answers at --http {silent}")), "{told}");
    assert_eq!(trace(&["last", "--fool"]).status.code(), Some(2));
    assert_eq!(trace(&["last", "--http", "nowhere"]).status.code(), Some(3));
}

/// Prints what it costs, and fails only when that is absurd: machines differ.
#[test]
fn following_a_call_costs_little() {
    const CALLS: u64 = 2_000;
    let (messages, facts) = one_call();
    let (caller, callee) = (call_id(&messages[0]), call_id(messages.last().unwrap()));
    assert_ne!(caller, callee);
    let calls: Vec<Vec<call::Output>> =
        (0..CALLS).map(|n| outputs(n, &messages, &facts, (&caller, &callee))).collect();
    let mut ring = Ring::new(16 << 20);
    let ((), span) = timed(|| {
        for output in calls.iter().flatten() {
            ring.done(now(), output);
        }
    });
    assert!(ring.find("last").is_some() && ring.held() <= 16 << 20);
    let per_call = span.as_secs_f64() * 1e6 / CALLS as f64;
    _ = writeln!(
        std::io::stderr(),
        "a call of {} messages is followed in {per_call:.1} us",
        messages.len()
    );
    assert!(per_call < 1_000.0, "{per_call} us");
}

#[track_caller]
fn check(pbx: &Pbx, words: &[&str], code: i32, told: &str) -> String {
    let http = pbx.http().to_string();
    let data = pbx.data().to_str().unwrap();
    let output = trace(&[words, &["--http", &http, "--data", data]].concat());
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(told), "{told}\n{text}");
    text
}

fn trace(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_moonswitch")).arg("trace").args(words).output().unwrap()
}

/// The messages and facts of a simulated call.
fn one_call() -> (Vec<Vec<u8>>, Vec<Fact>) {
    let mut plan = LuaPlan::new(Limits::default());
    plan.load(&Files { embedded: lua::embedded(), user: Vec::new() }).unwrap();
    let mut world = World::with_switch(Config::clear(1), plan);
    let ann = world.add("1001", Behaviour::default());
    let bob = world.add("1002", Behaviour::default());
    for phone in [ann, bob] {
        world.register(phone);
    }
    world.run_for(Duration::from_secs(1));
    let messages = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&messages);
    world.inspect(move |bytes| heard.borrow_mut().push(bytes.to_vec()));
    world.facts.clear();
    world.dial(ann, "1002");
    world.run_for(Duration::from_secs(5));
    world.hang_up(ann);
    world.run_for(Duration::from_secs(1));
    let facts = std::mem::take(&mut world.facts);
    (messages.take(), facts)
}

/// One more call like that one: with Call-IDs of its own.
fn outputs(
    n: u64,
    messages: &[Vec<u8>],
    facts: &[Fact],
    (caller, callee): (&str, &str),
) -> Vec<call::Output> {
    let own = |text: &str| text.replace(caller, &format!("a{n}")).replace(callee, &format!("b{n}"));
    let here = "192.0.2.1:5060".parse().unwrap();
    let flow = Flow { transport: Transport::Udp, local: here, remote: here };
    let mut all = Vec::new();
    for (nth, message) in messages.iter().enumerate() {
        let bytes = Bytes::from(own(str::from_utf8(message).unwrap()));
        all.push(call::Output::Send { flow, bytes });
        // The call begins with the second INVITE.
        let from = if nth == 3 { 0 } else { facts.len() };
        for fact in &facts[from..] {
            let mut fact = Fact { call: Some(CallId(n)), ..fact.clone() };
            if let What::Began { sip_call_id, .. } = &mut fact.what {
                *sip_call_id = own(sip_call_id);
            }
            if let What::Dialled { leg, .. } = &fact.what {
                let detail = Detail::Named { leg: LegId(leg.0), sip_call_id: format!("b{n}") };
                all.push(call::Output::Traced(Traced { call: CallId(n), detail }));
            }
            all.push(call::Output::Fact(fact));
        }
    }
    all
}

fn call_id(message: &[u8]) -> String {
    let text = str::from_utf8(message).unwrap();
    text.lines().find_map(|it| it.strip_prefix("Call-ID: ")).unwrap().to_owned()
}

fn now() -> Now {
    Now { mono: Mono::ZERO, wall: Wall(0) }
}
