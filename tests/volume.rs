//! Thousands of short calls of all endings through the binary: all complete, nothing is left over,
//! and memory is bounded by what was promised for each. `MOONSWITCH_CALLS` says how many.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]
#![allow(clippy::disallowed_methods, reason = "its phones live in real time")]

#[path = "../benches/load/callee.rs"]
#[allow(dead_code, reason = "each program uses its part of the phones")]
mod callee;
#[path = "../benches/load/calls.rs"]
#[allow(dead_code, reason = "each program uses its part of the phones")]
mod calls;
#[path = "interop/pbx.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod pbx;
#[path = "../benches/load/register.rs"]
mod register;
#[path = "interop/scratch.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod scratch;
#[path = "../benches/load/sent.rs"]
mod sent;
#[path = "../benches/load/sip.rs"]
#[allow(dead_code, reason = "each program uses its part of the phones")]
mod sip;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use moonswitch::directory::TenantId;
use moonswitch::store::{Cdr, EndedBy, Key, Paging, Reader};

use callee::Ending;
use calls::{Done, Hold, Phones, Plan};
use pbx::{Pbx, UNLIMITED};
use scratch::Scratch;
use sip::Account;
use wait::{let_pass, timed, wait_for};

/// Pairs of phones; each pair always ends its calls in the same way.
const PAIRS: usize = 50;
/// Calls under way at once: a fifth of what the audio ports of a test suffice for, since those of an
/// ended call are free only when its media thread says so.
const CROWD: usize = 6;
const CALLS: usize = 20_000;
/// How long a transaction is remembered (64*T1, RFC 3261 §17.1.1.2).
const REMEMBERED: Duration = Duration::from_secs(32);
/// What an ended call may hold so long, and what a process may have grown by beside it: queues,
/// caches, threads' heaps, each with a bound of its own.
const ENDED_KIB: u64 = 4;
const BESIDE_KIB: u64 = 24 << 10;

#[test]
fn thousands_of_calls_of_all_endings_leave_nothing_behind() {
    let units = std::env::var("MOONSWITCH_CALLS").map_or(CALLS, |it| it.parse().unwrap());
    let pbx = start();
    let mut phones = phones(&pbx);
    let first = call(&mut phones, 200);
    assert_eq!(first.failures, Vec::<String>::new());
    let (memory, files) = (pbx.memory_kib(), descriptors(&pbx));
    let (done, span) = timed(|| call(&mut phones, units));
    let rate = units as f64 / span.as_secs_f64();
    let held = pbx.memory_kib().saturating_sub(memory);
    eprintln!("{units} calls in {span:.1?} ({rate:.0}/s), {} resent", done.resent);
    eprintln!("memory grew by {held} KiB while they came and went");
    for ((ending, status), count) in &done.endings {
        eprintln!("    {ending:?} {status}: {count}");
    }
    assert_eq!(done.failures, Vec::<String>::new());
    assert_eq!(done.endings.values().sum::<usize>(), units);
    // Only those of the last 64*T1 are remembered.
    let remembered = (REMEMBERED.as_secs_f64() * rate).min(units as f64) as u64;
    assert!(held < remembered * ENDED_KIB + BESIDE_KIB, "{held} KiB of {remembered} calls");
    nothing_is_left(&pbx, files);

    let scratch = pbx.into_scratch();
    assert_eq!(records(&scratch), expected([&first, &done]));
}

#[test]
fn who_was_answered_is_known_after_a_kill() {
    const STANDING: usize = 5;
    /// The longest that a fact may wait (`node/keeper.rs`), with the disk's time for it.
    const WRITTEN: Duration = Duration::from_millis(200);
    let pbx = start();
    let mut phones = phones(&pbx);
    for round in 1..=4 {
        // Calls that end while others of the same group begin.
        assert_eq!(call(&mut phones, 20 * round).failures, Vec::<String>::new());
    }
    let hold = Hold::UntilToldOtherwise;
    let plan = Plan { units: STANDING, rate: 1000, crowd: CROWD, hold };
    let stand = phones.call(plan).unwrap();
    assert_eq!(stand.failures, Vec::<String>::new());
    let_pass(WRITTEN);
    let scratch = pbx.kill();
    let pbx = Pbx::start_in(scratch); // It closes what was cut off.
    let scratch = pbx.into_scratch();
    let cut_off = |it: &Cdr| it.ended_by == EndedBy::House && it.answered.is_some();
    let all = all_records(&scratch);
    assert_eq!(all.iter().filter(|it| cut_off(it)).count(), STANDING);
}

fn start() -> Pbx {
    let scratch = Scratch::new("volume");
    let file = scratch.file("extensions.toml");
    let all = [Account::many(1001, PAIRS), Account::many(5001, PAIRS)].concat();
    fs::write(&file, sip::extensions(&all)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    // The trace is a ring: a small one is full at once and grows no more.
    let told = [("MOONSWITCH_TRACE_BYTES", "1000000"), ("MOONSWITCH_LOG", "warn")];
    Pbx::start_told(scratch, &told.into_iter().chain(UNLIMITED).collect::<Vec<_>>())
}

fn phones(pbx: &Pbx) -> Phones {
    let (callers, callees) = (Account::many(1001, PAIRS), Account::many(5001, PAIRS));
    // Nobody talks, so nobody needs to hear.
    let phones = Phones::new(pbx.sip(), callers, callees, |_| (9, 9), ending).unwrap();
    let there =
        register::run(pbx.sip(), phones.callee_socket(), phones.callees(), 200, PAIRS).unwrap();
    assert_eq!(there.failures, Vec::<String>::new());
    phones
}

/// Few strangers, who prove nothing and are no call; of the others about as many.
fn ending(pair: usize) -> Ending {
    const ENDINGS: [Ending; 8] = [
        Ending::Caller,
        Ending::Callee,
        Ending::Busy,
        Ending::Declined,
        Ending::Cancelled,
        Ending::NoAnswer,
        Ending::Crossing,
        Ending::Unknown,
    ];
    match pair {
        0..5 => Ending::Caller,
        49 => Ending::Stranger,
        _ => ENDINGS[pair % ENDINGS.len()],
    }
}

fn call(phones: &mut Phones, units: usize) -> Done {
    let hold = Hold::For(Duration::from_millis(5));
    phones.call(Plan { units, rate: 100_000, crowd: CROWD, hold }).unwrap()
}

/// Calls, and what they had open.
fn nothing_is_left(pbx: &Pbx, files: usize) {
    let limit = Duration::from_secs(10);
    wait_for("the end of all calls", limit, || (pbx.health("calls") == 0).then_some(()));
    wait_for("closed files", limit, || (descriptors(pbx) <= files + 2).then_some(()));
    assert_eq!(pbx.health("registrations"), PAIRS as u64);
}

fn descriptors(pbx: &Pbx) -> usize {
    fs::read_dir(format!("/proc/{}/fd", pbx.id())).unwrap().count()
}

/// How many records tell of an answer, and how many of none.
fn records(scratch: &Scratch) -> BTreeMap<bool, usize> {
    let mut counts = BTreeMap::new();
    for it in all_records(scratch) {
        *counts.entry(it.answered.is_some()).or_default() += 1;
    }
    counts
}

fn all_records(scratch: &Scratch) -> Vec<Cdr> {
    let key = fs::read(scratch.file("secret.key")).unwrap().try_into().unwrap();
    let reader = Reader::open(&scratch.file("moonswitch.db"), Key::new(key)).unwrap();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let paging = Paging::After { id: after, limit: 1000 };
        let listed = reader.cdrs(TenantId::FIRST, paging).unwrap();
        all.extend(listed.rows.into_iter().map(|it| it.1));
        after = listed.next;
        if after.is_none() {
            return all;
        }
    }
}

/// What the callers say of it: strangers have no call.
fn expected<'a>(runs: impl IntoIterator<Item = &'a Done>) -> BTreeMap<bool, usize> {
    let mut counts = BTreeMap::new();
    for ((ending, status), count) in runs.into_iter().flat_map(|it| &it.endings) {
        if *ending != Ending::Stranger {
            *counts.entry((200..300).contains(status)).or_default() += count;
        }
    }
    counts
}
