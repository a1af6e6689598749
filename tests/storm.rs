//! The same call through a thousand storms, and every one of them told again by its seed.
//!
//! `MOONSWITCH_SEEDS=100000` runs more of them, `MOONSWITCH_SEED=n` one of them with its trace.

mod world;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use moonswitch::sim::phone::Behaviour;
use moonswitch::sim::{Config, World};

use world::{ann_dials, connected, secs, two_phones};

#[test]
fn phones_are_connected_in_every_storm_and_nothing_is_left_over() {
    if let Some(seed) = number_in("MOONSWITCH_SEED") {
        return replay(seed);
    }
    let seeds = number_in("MOONSWITCH_SEEDS").unwrap_or(1_000);
    let began = stopwatch();
    let next = AtomicU64::new(0);
    let tales = thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| weather_storms(&next, seeds)));
        threads.map(|it| it.join().expect("a storm ended in a panic; its seed stands above"))
    });
    let [one, other] = tales;
    let connected = one.connected + other.connected;
    let hours = (one.simulated + other.simulated).as_secs_f64() / 3_600.0;
    let seconds = began.elapsed().as_secs_f64();
    eprintln!(
        "{connected} of {seeds} calls connected, {hours:.1} simulated hours in {seconds:.1} s"
    );
    let failures = one.failures + &other.failures;
    assert!(failures.is_empty(), "{failures}");
    assert!(connected * 100 >= seeds * 99, "{connected} of {seeds} calls connected");
}

#[test]
fn the_same_seed_tells_the_same_story_byte_for_byte() {
    let first = told(7);
    assert!(first.contains("INVITE"));
    for _ in 0..100 {
        assert!(told(7) == first, "seed 7 told another story");
    }
    assert!(told(8) != first);
}

/// What became of some storms.
#[derive(Default)]
struct Tales {
    connected: u64,
    simulated: Duration,
    failures: String,
}

/// Takes seeds from `next` until they are used up.
fn weather_storms(next: &AtomicU64, seeds: u64) -> Tales {
    let mut tales = Tales::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            return tales;
        }
        let _announced = OnPanic(seed);
        let (world, left) = storm(Config::storm(seed));
        tales.connected += u64::from(connected(&world));
        tales.simulated += Duration::from_nanos(world.now().as_nanos());
        if !left.is_empty() {
            writeln!(tales.failures, "MOONSWITCH_SEED={seed}: {left:?}").expect("strings take all");
        }
    }
}

/// One call: Ann calls Bob, they talk, and one of them hangs up.
fn storm(config: Config) -> (World, Vec<String>) {
    let first = Behaviour { hang_up_after: Some(secs(8)), ..Behaviour::default() };
    let later = Behaviour { hang_up_after: Some(secs(30)), ..Behaviour::default() };
    let [ann, bob] = if config.seed % 2 == 0 { [first, later] } else { [later, first] };
    let mut world = two_phones(config, ann, bob);
    ann_dials(&mut world, "1002");
    let left = world.settle();
    (world, left)
}

fn replay(seed: u64) {
    let (world, left) = storm(Config { traced: true, ..Config::storm(seed) });
    eprintln!("{}", world.trace.text());
    assert!(left.is_empty(), "{left:?}");
    assert!(connected(&world), "not connected");
}

fn told(seed: u64) -> String {
    storm(Config { traced: true, ..Config::storm(seed) }).0.trace.text().to_owned()
}

/// How long a test takes is no part of any world.
#[expect(clippy::disallowed_methods, reason = "measures the test, not what is tested")]
fn stopwatch() -> Instant {
    Instant::now()
}

fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Says which seed it was, should its storm end in a panic.
struct OnPanic(u64);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("replay with MOONSWITCH_SEED={}", self.0);
        }
    }
}
