//! The REST API through the binary: what is written is durable, and SIP sees it at once. Times are
//! printed, never judged: machines differ.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "rest/client.rs"]
mod client;
#[path = "interop/pbx.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod pbx;
#[path = "tcp/peer.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod peer;
#[path = "interop/scratch.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod scratch;
#[path = "../benches/load/sip.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod sip;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use client::Client;
use pbx::Pbx;
use peer::Peer;
use scratch::Scratch;
use wait::{let_pass, timed, wait_for};

const LIST: &str = "/api/v1/sip/extensions";
/// How soon the switch writes behind, with room to spare.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_new_extension_registers_at_once_and_a_deleted_one_never_again() {
    let pbx = Pbx::start_in(Scratch::new("rest"));
    let mut client = Client::of(&pbx);
    let made = client.ask("POST", LIST, r#"{"extension":"2001"}"#);
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, password) = (made.number("id"), made.text("password"));
    let mut phone = Peer::over_udp(pbx.sip());
    assert_eq!(phone.try_register("2001", &password), Some(200));
    let phones = client.ask("GET", "/api/v1/registrations", "");
    assert!(phones.body.contains(r#""extension":"2001""#), "{}", phones.body);

    let renamed = client.ask("PATCH", &format!("{LIST}/{id}"), r#"{"extension":"2002"}"#);
    assert_eq!(renamed.status, 200);
    assert_eq!(phone.try_register("2001", &password), Some(403));
    assert_eq!(phone.try_register("2002", &password), Some(200));
    assert_eq!(client.ask("DELETE", &format!("{LIST}/{id}"), "").status, 204);
    assert_eq!(phone.try_register("2002", &password), Some(403));
    assert_eq!(client.ask("GET", "/api/v1/registrations", "").body, "[]");
    assert_eq!(pbx.health("registrations"), 0);
}

#[test]
fn a_restart_keeps_extensions_and_registrations() {
    let pbx = Pbx::start();
    Peer::over_udp(pbx.sip()).register(0);
    Peer::over_tcp(pbx.sip()).register(1);
    wait_for("the registrations", SOON, || (pbx.health("registrations") == 2).then_some(()));
    let scratch = pbx.into_scratch();
    assert!(scratch.file("extensions.toml").exists());
    fs::write(scratch.file("extensions.toml"), "what is not read any more may be wrong").unwrap();

    let pbx = Pbx::start_in(scratch);
    let mut client = Client::of(&pbx);
    // The connection of the other one is gone.
    let phones = client.ask("GET", "/api/v1/registrations", "");
    assert_eq!(phones.header("x-total-count"), "1");
    assert!(phones.body.contains(r#""extension":"1001""#), "{}", phones.body);
    assert_eq!(client.ask("GET", LIST, "").header("x-total-count"), "2");
}

#[test]
fn a_call_is_seen_hung_up_and_recorded() {
    let pbx = Pbx::start();
    let mut client = Client::of(&pbx);
    let mut phone = Peer::over_tcp(pbx.sip());
    phone.register(0);
    phone.invite(0, "*43");
    assert_eq!(phone.hear_final_or(0).status(), Some(200));
    let calls = client.ask("GET", "/api/v1/calls", "");
    assert!(calls.body.contains(r#""from":"1001","to":"*43","state":"active""#), "{}", calls.body);
    let one = format!("/api/v1/calls/{}", calls.text("id"));
    assert_eq!(client.ask("GET", &one, "").status, 200);
    assert_eq!(client.ask("DELETE", &one, "").status, 204);
    // Hung up when it was not confirmed yet: our BYE comes after its ACK or Timer H.
    assert_eq!(client.ask("GET", &one, "").status, 404);
    let record = wait_for("the record", SOON, || {
        let listed = client.ask("GET", "/api/v1/cdrs", "");
        (listed.body != "[]").then_some(listed)
    });
    for it in [r#""to":"*43""#, r#""ended_by":"house""#, r#""cause":"hangup""#] {
        assert!(record.body.contains(it), "{}", record.body);
    }
    let one = format!("/api/v1/cdrs/{}", record.number("id"));
    assert_eq!(client.ask("GET", &one, "").status, 200);
}

#[test]
fn strangers_and_nonsense_are_turned_away() {
    let pbx = Pbx::start();
    let mut stranger = Client::with_key(&pbx, "ms_wrong");
    assert_eq!(stranger.ask("GET", LIST, "").status, 401);
    assert_eq!(stranger.ask("GET", "/health", "").status, 200);
    let mut client = Client::of(&pbx);
    let wrong = client.ask("POST", LIST, r#"{"extension":"a b","naem":"x","password":"no"}"#);
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.body.matches(r#""field":"#).count(), 3, "{}", wrong.body);
    assert_eq!(client.ask("POST", LIST, &"x".repeat(65_537)).status, 413);
    let mut client = Client::of(&pbx);
    assert_eq!(client.ask("HEAD", LIST, "").body, "");
    assert_eq!(client.ask("TRACE", LIST, "").header("allow"), "GET, HEAD, POST");
}

#[test]
fn people_may_choose_the_administrators_key_but_not_a_weak_one() {
    let scratch = Scratch::new("admin");
    let weak = pbx::run_with(scratch.path(), &[("MOONSWITCH_ADMIN_KEY", "short")]);
    assert_eq!(weak.status.code(), Some(3));
    assert!(!String::from_utf8_lossy(&weak.stderr).contains("short"));
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    const ROUNDS: usize = 4;
    let mut scratch = Scratch::new("kill");
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let pbx = Pbx::start_in(scratch);
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let mut client = Client::of(&pbx);
                std::thread::spawn(move || {
                    let mut made = Vec::new();
                    for n in 0.. {
                        let number = format!("{round}-{writer}-{n}");
                        let body = format!(r#"{{"extension":"{number}"}}"#);
                        match client.try_ask("POST", LIST, &body) {
                            Some(it) if it.status == 201 => made.push(number),
                            _ => break,
                        }
                    }
                    made
                })
            })
            .collect();
        let_pass(Duration::from_millis(150 + 70 * round as u64));
        scratch = pbx.kill();
        writers.into_iter().for_each(|it| acknowledged.extend(it.join().unwrap()));
    }
    let pbx = Pbx::start_in(scratch);
    let mut client = Client::of(&pbx);
    let mut found = BTreeSet::new();
    for page in 1.. {
        let listed = client.ask("GET", &format!("{LIST}?size=1000&page={page}"), "");
        found.extend(listed.texts("extension"));
        if !listed.header("link").contains("rel=\"next\"") {
            break;
        }
    }
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "{lost:?}");
    eprintln!("{} acknowledged writes in {ROUNDS} kills, none lost", acknowledged.len());
    assert!(acknowledged.len() > 20);
}

#[test]
fn what_a_write_costs_until_sip_sees_it() {
    let pbx = Pbx::start();
    let mut client = Client::of(&pbx);
    let mut phone = Peer::over_udp(pbx.sip());
    let mut spans = Vec::new();
    for n in 0..50 {
        let body = format!(r#"{{"extension":"3{n:03}","password":"correct-horse"}}"#);
        let (_, span) = timed(|| {
            assert_eq!(client.ask("POST", LIST, &body).status, 201);
            assert_eq!(phone.try_register(&format!("3{n:03}"), "correct-horse"), Some(200));
        });
        spans.push(span);
    }
    spans.sort_unstable();
    eprintln!("a write and its first registration: p50 {:?}, p98 {:?}", spans[25], spans[48]);
}
