//! The store against a process that dies at any moment, and what it costs. Times are printed, never
//! judged: machines differ.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "interop/scratch.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod scratch;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use moonswitch::base::{CallId, Cause, LegId, Rng, Wall};
use moonswitch::call::event::{By, Fact, What};
use moonswitch::call::plan::Generation;
use moonswitch::directory::{
    Delta, Directory, DomainId, ExtensionId, Fields, NewExtension, TenantId,
};
use moonswitch::store::{Change, EndedBy, First, Key, Paging, Registration, Store};

use scratch::Scratch;
use wait::{let_pass, timed};

const TENANT: TenantId = TenantId::FIRST;
/// Tells the test program that it is the process that is to be killed: the file and the round.
const FILE: &str = "MOONSWITCH_STORE_FILE";
const ROUND: &str = "MOONSWITCH_STORE_ROUND";
const ROUNDS: u64 = 20;
const NOW: Wall = Wall(1_700_000_000_000_000);
const LATER: Wall = Wall(1_800_000_000_000_000);

#[test]
fn whatever_was_acknowledged_is_there_after_a_kill_at_any_moment() {
    let scratch = Scratch::new("kill");
    let file = scratch.file("house.db");
    let mut store = open(&file, 0);
    store.first_start(First { host: "pbx", realm: "pbx", admin_key: None }, NOW).unwrap().unwrap();
    create(&mut store, "1");
    drop(store);
    let mut rng = Rng::from_seed(7);
    let mut said = String::new();
    for round in 1..=ROUNDS {
        let span = Duration::from_millis(20 + rng.below(200));
        said.push_str(&run_and_kill(&file, round, span));
        check(&file, round, &said);
    }
    let acknowledged = said.lines().filter(|it| it.starts_with("ack ")).count();
    eprintln!("{acknowledged} acknowledgements in {ROUNDS} rounds, none broken");
    assert!(acknowledged > 100, "hardly anything was tried: {acknowledged}");
}

/// Not a test of its own: what the test above starts and kills.
#[test]
fn the_process_that_is_killed() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let mut store = open(Path::new(&file), round);
    store.close_lost().unwrap();
    say("ack ready");
    let store = Mutex::new(store);
    std::thread::scope(|all| {
        all.spawn(|| provision_without_end(&store, round));
        all.spawn(|| register_without_end(&store, round));
        all.spawn(|| call_without_end(&store, round));
    });
}

#[test]
fn what_a_house_of_ten_thousand_costs() {
    const HOUSE: usize = 10_000;
    const LARGE: usize = 100_000;
    let scratch = Scratch::new("cost");
    let file = scratch.file("house.db");
    let mut store = open(&file, 0);
    store.first_start(First { host: "pbx", realm: "pbx", admin_key: None }, NOW).unwrap().unwrap();
    let create_one_by_one = |store: &mut Store, rows: usize| {
        let one = |n| timed(|| create(store, &format!("{rows}-{n}"))).1;
        let spans: Vec<Duration> = (0..100).map(one).collect();
        let least = spans.iter().min().copied().unwrap_or_default();
        eprintln!("a durable write beside {rows} rows: p50 {:?}, least {least:?}", middle(&spans));
    };
    create_one_by_one(&mut store, 0);
    let (_, span) = timed(|| fill(&mut store, 100..HOUSE));
    eprintln!("{HOUSE} extensions at once: {span:?}");
    let phones: Vec<Change> = (1..=HOUSE as i64)
        .map(|id| phone(ExtensionId(id), &format!("sip:{id}@192.0.2.7:5060")))
        .collect();
    let (_, span) = timed(|| store.write_registrations(&phones, NOW).unwrap());
    eprintln!("{HOUSE} registrations in one group: {span:?}");
    let mut spans = Vec::new();
    for call in 1..=200 {
        spans.push(timed(|| store.append(TENANT, &facts(call)).unwrap()).1);
    }
    eprintln!("the facts and the record of a call, p50: {:?}", middle(&spans));
    drop(store);

    let (store, opened) = timed(|| open(&file, 1));
    let (extensions, loaded) = timed(|| store.read().directory().unwrap());
    let (registered, bound) = timed(|| store.read().registrations(NOW).unwrap());
    assert_eq!((extensions.len(), registered.len()), (HOUSE, HOUSE));
    let mut directory = Directory::default();
    let (_, applied) =
        timed(|| extensions.into_iter().for_each(|it| directory.apply(Delta::Extension(it))));
    let ready = opened + loaded + bound + applied;
    eprintln!(
        "ready in {ready:?}: open {opened:?}, extensions {loaded:?}, registrations {bound:?}, \
         directory {applied:?}"
    );
    let (_, one) = timed(|| {
        (1..=1000).for_each(|id| {
            store.read().extension(TENANT, ExtensionId(id)).unwrap().unwrap();
        });
    });
    eprintln!("an extension by its id: {:?}", one / 1000);
    let (_, page) =
        timed(|| store.read().extensions(TENANT, Paging::Page { page: 50, size: 100 }).unwrap());
    eprintln!("page 50 of 100 with the total: {page:?}");

    let mut store = store;
    fill(&mut store, HOUSE..LARGE);
    create_one_by_one(&mut store, LARGE);
    let (_, span) = timed(|| store.read().directory().unwrap());
    eprintln!("{LARGE} extensions loaded: {span:?}");
}

fn provision_without_end(store: &Mutex<Store>, round: u64) {
    let mut rng = Rng::from_seed(round);
    let mut mine = Vec::new();
    for n in 0.. {
        let number = format!("{round}-{n}");
        let id = create(&mut store.lock().unwrap(), &number);
        say(&format!("ack create {id} {number}"));
        mine.push(id);
        if rng.hits(400) {
            let id = mine.swap_remove(rng.below(mine.len() as u64) as usize);
            say(&format!("try delete {id}"));
            store.lock().unwrap().delete_extension(TENANT, id, NOW).unwrap();
            say(&format!("ack delete {id}"));
        }
    }
}

fn register_without_end(store: &Mutex<Store>, round: u64) {
    for n in 0.. {
        let contact = format!("sip:{round}-{n}");
        let changes = [phone(ExtensionId(1), &contact)];
        store.lock().unwrap().write_registrations(&changes, NOW).unwrap();
        say(&format!("ack phone {contact}"));
    }
}

fn call_without_end(store: &Mutex<Store>, round: u64) {
    for n in 0.. {
        let call = round << 32 | n;
        let facts = facts(call);
        let (begin, end) = facts.split_at(2);
        store.lock().unwrap().append(TENANT, begin).unwrap();
        say(&format!("ack begin {call}"));
        store.lock().unwrap().append(TENANT, end).unwrap();
        say(&format!("ack end {call}"));
    }
}

/// What the process said before it was killed, without a line that it could not finish.
fn run_and_kill(file: &Path, round: u64, span: Duration) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(FILE, file)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        out.read_to_string(&mut said).unwrap();
        said
    });
    let_pass(span);
    child.kill().unwrap();
    child.wait().unwrap();
    let said = reader.join().unwrap();
    let finished = said.rfind('\n').map_or(0, |it| it + 1);
    said[..finished].to_owned()
}

fn check(file: &Path, round: u64, said: &str) {
    let mut store = open(file, 1000 + round);
    store.close_lost().unwrap();
    let there: BTreeSet<i64> =
        store.read().directory().unwrap().into_iter().map(|it| it.id.0).collect();
    let phones = store.read().registrations(NOW).unwrap();
    let phones: BTreeSet<&str> = phones.iter().map(|it| it.contact.as_str()).collect();
    let tried: BTreeSet<&str> =
        said.lines().filter_map(|it| it.strip_prefix("try delete ")).collect();
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let listed = store.read().cdrs(TENANT, Paging::After { id: after, limit: 1000 }).unwrap();
        records.extend(listed.rows.into_iter().map(|it| it.1));
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    let whole: BTreeSet<u64> =
        records.iter().filter(|it| it.ended_by == EndedBy::Caller).map(|it| it.call.0).collect();
    let known: BTreeSet<u64> = records.iter().map(|it| it.call.0).collect();
    assert_eq!(known.len(), records.len(), "round {round}: a call has two records");
    for line in said.lines().filter_map(|it| it.strip_prefix("ack ")) {
        let words: Vec<&str> = line.split(' ').collect();
        let holds = match words[..] {
            ["create", id, _] => there.contains(&id.parse().unwrap()) || tried.contains(id),
            ["delete", id] => !there.contains(&id.parse().unwrap()),
            ["phone", contact] => phones.contains(contact),
            ["begin", call] => known.contains(&call.parse().unwrap()),
            ["end", call] => whole.contains(&call.parse().unwrap()),
            _ => line == "ready",
        };
        assert!(holds, "round {round}: {line:?} was acknowledged and does not hold");
    }
}

fn open(file: &Path, seed: u64) -> Store {
    Store::open(file, Key::new([7; 32]), Rng::from_seed(seed)).unwrap()
}

fn create(store: &mut Store, number: &str) -> ExtensionId {
    let fields = Fields { number: Some(number.into()), ..Fields::default() };
    let new = NewExtension::parse(fields).unwrap();
    store.create_extension(TENANT, DomainId::FIRST, new, NOW).unwrap().it.id
}

/// Extensions with these numbers, all at once.
fn fill(store: &mut Store, numbers: std::ops::Range<usize>) {
    let fields = numbers.map(|it| Fields { number: Some(it.to_string()), ..Fields::default() });
    let all = fields.map(|it| NewExtension::parse(it).unwrap()).collect();
    store.create_extensions(TENANT, DomainId::FIRST, all, NOW).unwrap();
}

fn phone(extension: ExtensionId, contact: &str) -> Change {
    Change::Put(Registration {
        tenant: TENANT,
        extension,
        contact: contact.into(),
        flow: "UDP 192.0.2.7:5060 -> 192.0.2.1:5060".into(),
        expires: LATER,
        call_id: "c6e1a3b0".into(),
        cseq: 1,
        instance: None,
    })
}

/// A call from its beginning to its end.
fn facts(call: u64) -> Vec<Fact> {
    let (ann, bob) = (LegId(1), LegId(2));
    let began = What::Began {
        leg: ann,
        from: "1001".into(),
        to: "1002".into(),
        sip_call_id: "c6e1a3b0@192.0.2.7".into(),
        generation: Generation(1),
    };
    let left = |leg, by| What::LegEnded { leg, cause: Cause::Hangup, status: None, by };
    let all = [
        began,
        What::Dialled { leg: bob, target: "1002".into() },
        What::Ringing { leg: bob },
        What::Answered { leg: bob },
        What::Answered { leg: ann },
        What::Bridged { a: ann, b: bob },
        left(ann, By::Peer),
        left(bob, By::House),
        What::Ended { cause: Cause::Hangup, talked: Duration::from_secs(1), by: By::Peer },
    ];
    all.into_iter().map(|what| Fact { call: Some(CallId(call)), at: NOW, what }).collect()
}

fn middle(spans: &[Duration]) -> Duration {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[expect(clippy::print_stdout, reason = "its parent listens")]
fn say(line: &str) {
    println!("{line}");
}
