//! The REST API through the binary: what is written is durable, and SIP sees it at once. Times are
//! printed, never judged: machines differ.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "rest/bounds.rs"]
mod bounds;
#[path = "rest/client.rs"]
mod client;
#[path = "rest/disk.rs"]
mod disk;
#[path = "rest/kill.rs"]
mod kill;
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
#[path = "rest/texts.rs"]
mod texts;
#[path = "rest/trunks.rs"]
mod trunks;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::fs;
use std::time::Duration;

use moonswitch::base::{Rng, Wall};
use moonswitch::directory::{DomainId, ExtensionId, Fields, NewExtension, TenantId};
use moonswitch::store::{Change, First, Key, Registration, Store};

use client::Client;
use pbx::Pbx;
use peer::Peer;
use scratch::Scratch;
use wait::{timed, wait_for};

const ADMIN: &str = "a-key-that-people-chose";
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
    for path in ["/api/v1/scripts", "/api/v1/calls/last/trace", "/api/v1/nothing"] {
        assert_eq!(stranger.ask("GET", path, "").status, 401, "{path}");
    }
    let mut client = Client::of(&pbx);
    let wrong = client.ask("POST", LIST, r#"{"extension":"a b","naem":"x","password":"no"}"#);
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.body.matches(r#""field":"#).count(), 3, "{}", wrong.body);
    assert_eq!(client.ask("POST", LIST, &"x".repeat(65_537)).status, 413);
    let mut client = Client::of(&pbx);
    assert_eq!(client.ask("HEAD", LIST, "").body, "");
    assert_eq!(client.ask("TRACE", LIST, "").header("allow"), "GET, HEAD, POST, OPTIONS");
}

#[test]
fn people_may_choose_the_administrators_key_but_not_a_weak_one() {
    let scratch = Scratch::new("admin");
    let weak = pbx::run_with(scratch.path(), &[("MOONSWITCH_ADMIN_KEY", "short")]);
    assert_eq!(weak.status.code(), Some(3));
    assert!(!String::from_utf8_lossy(&weak.stderr).contains("short"));
    let mut scratch = Scratch::new("chosen");
    for key in [ADMIN, "another-key-that-people-chose"] {
        let pbx = Pbx::start_told(scratch, &[("MOONSWITCH_ADMIN_KEY", key)]);
        assert!(!pbx.data().join("admin.key").exists());
        assert_eq!(Client::with_key(&pbx, key).ask("GET", LIST, "").status, 200);
        let is_first = key == ADMIN;
        let first = Client::with_key(&pbx, ADMIN).ask("GET", LIST, "").status;
        assert_eq!(first, if is_first { 200 } else { 401 }, "the newest one alone opens");
        scratch = pbx.into_scratch();
    }
}

#[test]
fn a_house_of_ten_thousand_is_soon_ready() {
    const HOUSE: i64 = 10_000;
    let scratch = Scratch::new("large");
    fs::write(scratch.file("secret.key"), [7; 32]).unwrap();
    let (file, key) = (scratch.file("moonswitch.db"), Key::new([7; 32]));
    let mut store = Store::open(&file, key, Rng::from_seed(1)).unwrap();
    let (now, later) = (Wall(1_700_000_000_000_000), Wall(4_000_000_000_000_000));
    store.first_start(First { host: "h", realm: "r", admin_key: Some(ADMIN) }, now).unwrap();
    let new = |id: i64| {
        let number = Some((100_000 + id).to_string());
        NewExtension::parse(Fields { number, ..Fields::default() }).unwrap()
    };
    let all = (0..HOUSE).map(new).collect();
    store.create_extensions(TenantId::FIRST, DomainId::FIRST, all, now).unwrap();
    let phone = |id: i64| {
        Change::Put(Registration {
            tenant: TenantId::FIRST,
            extension: ExtensionId(id),
            contact: format!("sip:{id}@192.0.2.7:5060"),
            flow: "udp 127.0.0.1:5060 192.0.2.7:5060".into(),
            expires: later,
            call_id: format!("call-{id}"),
            cseq: 1,
            instance: None,
        })
    };
    store.write_registrations(&(1..=HOUSE).map(phone).collect::<Vec<_>>(), now).unwrap();
    drop(store);

    let (pbx, span) = timed(|| Pbx::start_in(scratch));
    eprintln!("{HOUSE} extensions and registrations: ready in {span:?}");
    assert_eq!(pbx.health("registrations"), HOUSE as u64);
    let mut client = Client::with_key(&pbx, ADMIN);
    let phones = client.ask("GET", "/api/v1/registrations?page=200&size=50", "");
    assert_eq!(phones.texts("contact").len(), 50);
    let listed = client.ask("GET", LIST, "");
    assert_eq!(listed.header("x-total-count"), HOUSE.to_string());
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
