//! Thousands of mutants of everything in the table, in one long-lived world: strangers', those of
//! somebody who proves who he is, and those within a call that he has made. Nobody panics, no message
//! costs much, an OPTIONS is answered after each, and in the end nothing is left.
//!
//! `MOONSWITCH_SEEDS=100000` makes a hundred times as many, `MOONSWITCH_SEED=n` those of one seed.

use std::collections::BTreeMap;
use std::time::Duration;

use moonswitch::base::Rng;
use moonswitch::call::event::What;
use moonswitch::call::{Census, Input};

use crate::bench::Bench;
use crate::case::{Case, table};
use crate::dialog::Dialog;
use crate::mutator::mutant;
use crate::targets;

#[test]
fn mutants_of_strangers_make_nothing() {
    let corpus: Vec<Vec<u8>> = rows().into_iter().map(|it| it.bytes).collect();
    let mut bench = Bench::new(1);
    let before = bench.rested();
    let mut answered = 0;
    every_mutant(&mut bench, |bench, rng| {
        let (parent, other) = (pick(rng, &corpus), pick(rng, &corpus));
        let bytes = mutant(rng, parent, other);
        targets::message(&bytes);
        targets::framing(&bytes);
        answered += match rng.below(3) {
            0 => bench.tcp(&bytes, 1 + rng.below(bytes.len() as u64 + 1) as usize).answers.len(),
            _ => bench.udp(&bytes).len(),
        };
        let census = bench.census();
        assert_eq!((census.calls, census.dialogs, census.bindings), (0, 0, 0));
    });
    assert_eq!(bench.calls(), 0);
    assert_eq!(bench.rested(), before);
    // Without this the test could pass by hearing nothing.
    assert!(answered as u64 > 2 * seeds(), "only {answered} answers");
}

#[test]
fn mutants_with_the_right_credentials_leave_nothing() {
    let known = |it: Case| it.known.is_some().then_some(it.bytes);
    let mut corpus: Vec<Vec<u8>> = rows().into_iter().filter_map(known).collect();
    corpus.extend([Dialog::invite("*43"), Dialog::invite("1002")]);
    let mut bench = Bench::new(2);
    let before = bench.rested();
    let mut challenge = bench.challenge();
    let (mut count, mut told) = (0, BTreeMap::new());
    every_mutant(&mut bench, |bench, rng| {
        if count % 50 == 0 {
            challenge = bench.challenge();
        }
        count += 1;
        let (parent, other) = (pick(rng, &corpus), pick(rng, &corpus));
        let parent = fresh(rng, parent);
        let bytes = match rng.below(3) {
            // A description as mutated as it may be, in a message that is whole.
            0 => with_other_body(rng, &parent, other),
            _ => mutant(rng, &parent, other),
        };
        let bytes = challenge.answer(&bytes);
        for it in bench.udp(&bytes) {
            let status = it.status().map_or("a request".to_owned(), |it| it.to_string());
            *told.entry(status).or_insert(0_u64) += 1;
        }
    });
    eprintln!("{told:?}");
    let registered =
        bench.world.facts.iter().filter(|it| matches!(it.what, What::Registered { .. }));
    let (registered, calls) = (registered.count() as u64, bench.calls() as u64);
    eprintln!("{registered} registrations, {calls} calls");
    assert!(registered > seeds() / 10, "only {registered} registrations");
    assert!(calls > seeds() / 2, "only {calls} calls");
    assert_over(&mut bench, before);
}

#[test]
fn mutants_within_a_call_leave_nothing() {
    let corpus: Vec<Vec<u8>> = rows().into_iter().map(|it| it.bytes).collect();
    let mut bench = Bench::new(3);
    let before = bench.rested();
    let mut dialog = None;
    let (mut made, mut renegotiated, mut ended) = (0_u64, 0_u64, 0_u64);
    every_mutant(&mut bench, |bench, rng| {
        if bench.census().calls == 0 {
            dialog = None;
        }
        let live: &mut Dialog = match &mut dialog {
            Some(it) => it,
            None => {
                made += 1;
                let challenge = bench.challenge();
                dialog.insert(Dialog::open(bench, challenge, rng))
            }
        };
        let parent = live.request(rng);
        let other = if rng.hits(500) { live.request(rng) } else { pick(rng, &corpus).to_vec() };
        let bytes = match rng.below(4) {
            0 => with_other_body(rng, &parent, &other),
            1 => parent,
            _ => mutant(rng, &parent, &other),
        };
        let answers = bench.udp(&bytes);
        live.saw(&bytes);
        for it in answers.iter().filter(|it| it.status() == Some(200)) {
            match it.method_token() {
                "INVITE" => renegotiated += 1,
                "BYE" => ended += 1,
                _ => {}
            }
        }
    });
    eprintln!("{made} calls, {renegotiated} renegotiations, {ended} hung up");
    assert!(made > seeds() / 20 && renegotiated > seeds() / 2 && ended > seeds() / 20);
    assert_over(&mut bench, before);
}

/// Everybody leaves, every registration ends, and the switch holds what it held.
fn assert_over(bench: &mut Bench, before: Census) {
    bench.world.tell(Input::Shutdown);
    bench.world.run_for(Duration::from_secs(3_700));
    assert_eq!(bench.rested(), before);
    let count = |of: fn(&What) -> bool| bench.world.facts.iter().filter(|it| of(&it.what)).count();
    let began = count(|it| matches!(it, What::Began { .. }));
    assert_eq!(count(|it| matches!(it, What::Ended { .. })), began);
}

/// Does something for each mutant of each seed; the engine must be there afterwards, and no message
/// may have cost much.
fn every_mutant(bench: &mut Bench, mut send: impl FnMut(&mut Bench, &mut Rng)) {
    let only = number_in("MOONSWITCH_SEED");
    let memory = memory_kb("VmRSS");
    for seed in only.map_or(0..seeds(), |it| it..it + 1) {
        let _announced = OnPanic(seed);
        let mut rng = Rng::from_seed(seed);
        for _ in 0..MUTANTS {
            send(bench, &mut rng);
            assert!(bench.is_alive(), "an OPTIONS is not answered");
        }
        bench.look_again(LONGEST);
    }
    let grown = memory_kb("VmHWM").saturating_sub(memory);
    let (spent, bytes) = &bench.slowest;
    eprintln!("slowest {spent:?} ({} bytes), {grown} KB at most", bytes.len());
    assert!(grown < GROWTH_KB * (1 + seeds() / 1_000), "{grown} KB");
}

/// Mutants of one seed: 20,000 when there are a thousand seeds.
const MUTANTS: u64 = 20;
/// What no message may take.
const LONGEST: Duration = Duration::from_millis(20);
/// What all of them may take together, in a process in which other tests run too.
const GROWTH_KB: u64 = 128 * 1024;

/// The body replaced by a mutant of itself, and the length put right.
fn with_other_body(rng: &mut Rng, message: &[u8], other: &[u8]) -> Vec<u8> {
    let Some(at) = message.windows(4).position(|it| it == b"\r\n\r\n") else {
        return message.to_vec();
    };
    let (head, body) = message.split_at(at + 4);
    let body = mutant(rng, body, other);
    let head = String::from_utf8_lossy(head);
    let is_length = |it: &&str| {
        let name = it.split(':').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("l") || name.eq_ignore_ascii_case("content-length")
    };
    let lines: Vec<&str> = head.trim_end().lines().filter(|it| !is_length(it)).collect();
    let head = format!("{}\r\nContent-Length: {}\r\n\r\n", lines.join("\r\n"), body.len());
    [head.as_bytes(), &body].concat()
}

/// The same as another request: with a branch, a Call-ID and a tag that were not there yet.
fn fresh(rng: &mut Rng, message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message).into_owned();
    let token = rng.token();
    let text = text.replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{token}"), 1);
    let text = text.replacen("Call-ID: ", &format!("Call-ID: {token}."), 1);
    text.replacen("\r\ni: ", &format!("\r\ni: {token}."), 1).into_bytes()
}

fn rows() -> Vec<Case> {
    [table("torture"), table("clients")].concat()
}

fn pick<'a>(rng: &mut Rng, corpus: &'a [Vec<u8>]) -> &'a [u8] {
    &corpus[rng.below(corpus.len() as u64) as usize]
}

fn seeds() -> u64 {
    number_in("MOONSWITCH_SEED")
        .map_or_else(|| number_in("MOONSWITCH_SEEDS").unwrap_or(1_000), |_| 1)
}

fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What the system says of this process.
fn memory_kb(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|it| it.starts_with(what)).expect("it tells this too");
    line.split_ascii_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number of KB")
}

/// Says which seed it was.
struct OnPanic(u64);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with MOONSWITCH_SEED={}", self.0);
        }
    }
}
