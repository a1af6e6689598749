//! The serving process is killed, again and again, while it is provisioned, phones register and call.
//! What it has acknowledged is there when it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use moonswitch::base::Rng;

use crate::client::Client;
use crate::pbx::{Pbx, UNLIMITED};
use crate::peer::Peer;
use crate::wait::{Watch, let_pass, timed};

const LIST: &str = "/api/v1/sip/extensions";
const PASSWORD: &str = "correct-horse";
const ROUNDS: u64 = 50;
/// Every so many rounds the process lives long enough for phones to be written.
const LONG: u64 = 10;
/// How far back registrations, and answered calls, may be after a kill. The first is what we
/// promise; the second is the time of one write.
const PHONES_BACK: Duration = Duration::from_secs(1);
const CALLS_BACK: Duration = Duration::from_millis(200);
/// Nobody tells over UDP that nobody is there: who is not answered so long goes home.
const PATIENCE: Duration = Duration::from_millis(500);
/// Calls of one life: they are never hung up, and hold ports.
const CALLS_MAX: usize = 8;

/// What was asked for and answered.
#[derive(Default)]
struct Said {
    made: BTreeMap<String, State>,
    /// Phones of this life: whose, and when it was acknowledged.
    phones: Vec<(String, Duration)>,
    calls: Vec<(String, Duration)>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    There,
    /// Nobody said whether it was deleted.
    Leaving,
    Gone,
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let rounds = std::env::var("MOONSWITCH_KILLS").map_or(ROUNDS, |it| it.parse().unwrap());
    let mut rng = Rng::from_seed(11);
    let mut said = Said::default();
    let mut pbx = Pbx::start_unlimited();
    let mut starts = Vec::new();
    let (mut calls, mut phones) = (0, 0);
    for round in 1..=rounds {
        let span = match round % LONG {
            0 => Duration::from_millis(1_500 + rng.below(300)),
            _ => Duration::from_millis(40 + rng.below(300)),
        };
        let shared = Mutex::new(said);
        let watch = Watch::start();
        let (client, sip) = (Client::of(&pbx), pbx.sip());
        let killed = std::thread::scope(|all| {
            all.spawn(|| provision(client, sip, round, &shared, &watch));
            all.spawn(|| call(sip, &shared, &watch));
            let_pass(span);
            let killed = watch.passed();
            pbx.signal("KILL");
            killed
        });
        said = shared.into_inner().unwrap();
        let scratch = pbx.kill();
        if round % LONG == 0 {
            check_integrity(&scratch.file("moonswitch.db"));
        }
        let start;
        (pbx, start) = timed(|| Pbx::start_told(scratch, &UNLIMITED));
        starts.push(start);
        let (of_phones, of_calls) = check(&pbx, &said, killed, round);
        phones += of_phones;
        calls += of_calls;
        said.phones.clear();
        said.calls.clear();
    }
    starts.sort_unstable();
    let (middle, worst) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    let gone = said.made.values().filter(|it| **it == State::Gone).count();
    eprintln!(
        "{rounds} kills: {} extensions made and {gone} deleted, {calls} answered calls and {phones} \
         registrations old enough, none lost; from start to ready {middle:?}, at most {worst:?}",
        said.made.len(),
    );
    assert!(said.made.len() as u64 > rounds && calls as u64 > rounds / 2 && phones > 0);
}

/// Makes extensions, registers their phones and deletes some of them, until nobody answers.
fn provision(mut client: Client, sip: SocketAddr, round: u64, said: &Mutex<Said>, watch: &Watch) {
    let mut phone = Peer::over_udp(sip).patient_for(PATIENCE);
    for n in 0.. {
        let number = format!("{round}-{n}");
        let body = format!(r#"{{"extension":"{number}","password":"{PASSWORD}"}}"#);
        let Some(made) = client.try_ask("POST", LIST, &body) else { return };
        assert_eq!(made.status, 201, "{}", made.body);
        said.lock().unwrap().made.insert(number.clone(), State::There);
        if n % 4 == 3 {
            said.lock().unwrap().made.insert(number.clone(), State::Leaving);
            let one = format!("{LIST}/{}", made.number("id"));
            let Some(gone) = client.try_ask("DELETE", &one, "") else { return };
            assert_eq!(gone.status, 204, "{}", gone.body);
            said.lock().unwrap().made.insert(number, State::Gone);
        } else {
            let Some(status) = phone.try_register(&number, PASSWORD) else { return };
            assert_eq!(status, 200);
            said.lock().unwrap().phones.push((number, watch.passed()));
        }
    }
}

/// Calls the echo, until nobody answers.
fn call(sip: SocketAddr, said: &Mutex<Said>, watch: &Watch) {
    for _ in 0..CALLS_MAX {
        let mut phone = Peer::over_udp(sip).patient_for(PATIENCE);
        let Some(mut answer) = phone.try_invite(0, "*43") else { return };
        while answer.status().is_some_and(|it| it < 200) {
            let Some(next) = phone.try_hear() else { return };
            answer = next;
        }
        assert_eq!(answer.status(), Some(200));
        said.lock().unwrap().calls.push((answer.header("call-id").to_owned(), watch.passed()));
    }
}

/// How many registrations and calls there were to look for.
fn check(pbx: &Pbx, said: &Said, killed: Duration, round: u64) -> (usize, usize) {
    let mut client = Client::of(pbx);
    let there = all(&mut client, LIST, "extension");
    for (number, state) in &said.made {
        match state {
            State::There => assert!(there.contains(number), "round {round}: {number} is lost"),
            State::Gone => assert!(!there.contains(number), "round {round}: {number} is back"),
            State::Leaving => {}
        }
    }
    let old_enough = |all: &[(String, Duration)], back: Duration| -> Vec<String> {
        all.iter().filter(|it| it.1 + back <= killed).map(|it| it.0.clone()).collect()
    };
    let phones = old_enough(&said.phones, PHONES_BACK);
    let registered = all(&mut client, "/api/v1/registrations", "extension");
    for number in &phones {
        assert!(registered.contains(number), "round {round}: the phone of {number} is lost");
    }
    let calls = old_enough(&said.calls, CALLS_BACK);
    let records = client.ask("GET", "/api/v1/cdrs?limit=100", "").body;
    for call in &calls {
        let record = records.split(r#"{"id":"#).find(|it| it.contains(call.as_str()));
        let record = record.unwrap_or_else(|| panic!("round {round}: the call {call} is lost"));
        assert!(!record.contains(r#""answered_at":null,"ended_at""#), "round {round}: {record}");
    }
    (phones.len(), calls.len())
}

/// The texts of a field in all pages of a list.
fn all(client: &mut Client, list: &str, field: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for page in 1.. {
        let listed = client.ask("GET", &format!("{list}?size=1000&page={page}"), "");
        found.extend(listed.texts(field));
        if !listed.header("link").contains("rel=\"next\"") {
            break;
        }
    }
    found
}

fn check_integrity(file: &std::path::Path) {
    let db = rusqlite::Connection::open(file).unwrap();
    let told: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(told, "ok");
}
