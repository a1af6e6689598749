//! Each target with its corpus, and with mutants of it: some thousands in every run of the tests, and
//! for as long as one likes with `make fuzz MINUTES=10`. What fails is kept in the corpus.
//!
//! Coverage is not measured, so the corpus must hold what is worth changing; the table's messages are
//! part of it for the targets that read messages.

use std::any::Any;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use moonswitch::base::Rng;

use crate::bench::cpu;
use crate::case::{data, table};
use crate::mutator::mutant;
use crate::targets::{ALL, Target};

#[test]
fn message() {
    fuzz("message");
}

#[test]
fn uri() {
    fuzz("uri");
}

#[test]
fn address() {
    fuzz("address");
}

#[test]
fn sdp() {
    fuzz("sdp");
}

#[test]
fn digest() {
    fuzz("digest");
}

#[test]
fn framing() {
    fuzz("framing");
}

#[test]
fn every_folder_of_the_corpus_has_its_target() {
    for folder in fs::read_dir(data("corpus")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(ALL.iter().any(|it| it.0 == name), "nothing reads tests/data/corpus/{name}");
    }
}

/// Mutants in every run of the tests, for each target.
const MUTANTS: u64 = 5_000;
/// What no input may take.
const LONGEST: Duration = Duration::from_millis(20);

fn fuzz(name: &str) {
    let target = ALL.iter().find(|it| it.0 == name).expect("a target of this name").1;
    let corpus = corpus(name);
    assert!(corpus.len() >= 10, "{name}: only {} in the corpus", corpus.len());
    let mut slowest = (Duration::ZERO, Vec::new());
    for input in &corpus {
        let (spent, failed) = tried(target, input);
        if let Some(why) = failed {
            panic!("{name}: {why}\n{}", input.escape_ascii());
        }
        slowest = slowest.max((spent, input.clone()));
    }

    let minutes = number_in("MOONSWITCH_FUZZ_MINUTES");
    let limit = minutes.map(|it| Duration::from_secs(60 * it));
    let mut rng = Rng::from_seed(number_in("MOONSWITCH_SEED").unwrap_or(0x5159));
    let (began, mut count, mut failures) = (cpu(), 0_u64, 0);
    while limit.map_or(count < MUTANTS, |it| cpu().saturating_sub(began) < it) {
        let parent = &corpus[rng.below(corpus.len() as u64) as usize];
        let other = &corpus[rng.below(corpus.len() as u64) as usize];
        let input = mutant(&mut rng, parent, other);
        let (spent, failed) = tried(target, &input);
        count += 1;
        if let Some(why) = failed {
            let file = keep(name, &input);
            eprintln!("{name}: {why}; kept as {file}");
            failures += 1;
            assert!(failures < 10, "{name}: that is enough");
        }
        if spent > slowest.0 {
            slowest = (spent, input);
        }
    }
    let seconds = cpu().saturating_sub(began).as_secs_f64();
    eprintln!(
        "{name}: {count} mutants of {} inputs, {:.0} a second, slowest {:?} ({} bytes)",
        corpus.len(),
        count as f64 / seconds,
        slowest.0,
        slowest.1.len()
    );
    assert_eq!(failures, 0, "{name}: kept in tests/data/corpus/{name}");
    // The processor's time counts, and the best of some tries: neither a busy machine nor a page
    // that had to be fetched makes an input slow.
    let again = (0..5).map(|_| tried(target, &slowest.1).0).min().expect("five tries");
    if again.min(slowest.0) >= LONGEST {
        let file = keep(name, &slowest.1);
        panic!("{name}: one input takes {again:?}; kept as {file}");
    }
}

/// Runs a target: how long it took, and why it failed.
fn tried(target: Target, input: &[u8]) -> (Duration, Option<String>) {
    let before = cpu();
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    (cpu().saturating_sub(before), outcome.err().map(|it| words(it.as_ref())))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// The files of a folder: `lines.txt` has an input on each line, in which `{0d 0a}` are bytes; each
/// other file is one.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(data("corpus").join(name))
        .map(|it| it.map(|it| it.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    let mut inputs = Vec::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        match file.file_name().is_some_and(|it| it == "lines.txt") {
            true => inputs.extend(crate::case::lines(&String::from_utf8(bytes).unwrap())),
            false => inputs.push(bytes),
        }
    }
    if name == "message" || name == "framing" {
        inputs.extend(table("torture").into_iter().chain(table("clients")).map(|it| it.bytes));
    }
    if name == "sdp" {
        let bodies = table("clients").into_iter().map(|it| it.bytes);
        inputs.extend(bodies.filter_map(|it| {
            let at = it.windows(4).position(|it| it == b"v=0\r")?;
            Some(it[at..].to_vec())
        }));
    }
    inputs
}

/// Keeps an input; the name of its file.
fn keep(name: &str, input: &[u8]) -> String {
    let mut hash = DefaultHasher::new();
    input.hash(&mut hash);
    let folder = data("corpus").join(name);
    let file = folder.join(format!("{:016x}", hash.finish()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(&file, input).unwrap();
    file.display().to_string()
}

fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
