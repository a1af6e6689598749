//! The same call through a thousand storms, every kind of call through a thousand more, and each of
//! them told again by its seed.
//!
//! `MOONSWITCH_SEEDS=100000` runs more of them, `MOONSWITCH_SEED=n` one of them with its trace.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use moonswitch::base::Rng;
use moonswitch::sdp::Codec;
use moonswitch::sim::phone::{
    Asks, Behaviour, Early, Ending, Hold, Later, Nat, Offers, Reliable, Reply, Timer,
};
use moonswitch::sim::{Config, World};

use crate::world::{ANN, BOB, ann_dials, connected, secs, two_phones};

#[test]
fn phones_are_connected_in_every_storm_and_nothing_is_left_over() {
    let (connected, seeds) = weather(storm);
    assert!(connected * 100 >= seeds * 99, "{connected} of {seeds} calls connected");
}

#[test]
fn whatever_people_do_in_a_storm_nothing_is_left_over() {
    weather(mess);
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

/// A story, and what was left over at its end.
type Story = fn(Config) -> (World, Vec<String>);

/// What became of some storms.
#[derive(Default)]
struct Tales {
    connected: u64,
    simulated: Duration,
    failures: String,
    /// How calls ended, and which features they used, each with how often.
    counts: BTreeMap<String, u64>,
}

impl Tales {
    /// Counts how every call of both phones ended and what was done within it.
    fn count(&mut self, world: &World) {
        for call in [ANN, BOB].iter().flat_map(|it| world.phone(*it).calls()) {
            let ending = match call.ending() {
                Some(Ending::Refused(status)) => format!("refused {status}"),
                Some(ending) => format!("{ending:?}"),
                None => "never".to_owned(),
            };
            *self.counts.entry(ending).or_default() += 1;
            for (what, count) in ["taken", "put off", "refused"].iter().zip(call.later) {
                *self.counts.entry(format!("later offers {what}")).or_default() += u64::from(count);
            }
        }
    }
}

/// Tells a story in many storms; nothing may ever be left over. Returns how many calls were
/// connected in how many storms.
fn weather(story: Story) -> (u64, u64) {
    if let Some(seed) = number_in("MOONSWITCH_SEED") {
        let (world, left) = story(Config { traced: true, ..Config::storm(seed) });
        eprintln!("{}", world.trace.text());
        assert!(left.is_empty(), "{left:?}");
        return (u64::from(connected(&world)), 1);
    }
    let seeds = number_in("MOONSWITCH_SEEDS").unwrap_or(1_000);
    let (seconds, next) = (stopwatch(), AtomicU64::new(0));
    let [one, other] = thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| go_through(story, &next, seeds)));
        threads.map(|it| it.join().expect("a storm ended in a panic; its seed stands above"))
    });
    let connected = one.connected + other.connected;
    let hours = (one.simulated + other.simulated).as_secs_f64() / 3_600.0;
    let seconds = seconds();
    eprintln!(
        "{connected} of {seeds} calls connected, {hours:.1} simulated hours in {seconds:.1} s"
    );
    let mut counts = one.counts;
    for (what, count) in other.counts {
        *counts.entry(what).or_default() += count;
    }
    eprintln!("{counts:?}");
    let failures = one.failures + &other.failures;
    assert!(failures.is_empty(), "{failures}");
    (connected, seeds)
}

/// Takes seeds from `next` until they are used up.
fn go_through(story: Story, next: &AtomicU64, seeds: u64) -> Tales {
    let mut tales = Tales::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            return tales;
        }
        let _announced = OnPanic(seed);
        let (world, left) = story(Config::storm(seed));
        tales.connected += u64::from(connected(&world));
        tales.count(&world);
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
    let [ann, bob] = if config.seed.is_multiple_of(2) { [first, later] } else { [later, first] };
    let mut world = two_phones(config, ann, bob);
    ann_dials(&mut world, "1002");
    let left = world.settle();
    (world, left)
}

/// People who answer, refuse, give up and hang up at any time, at the same time too, and call each
/// other at once.
fn mess(config: Config) -> (World, Vec<String>) {
    let mut dice = Rng::from_seed(!config.seed);
    let [ann, bob] = [(); 2].map(|()| anybody(&mut dice));
    let mut world = two_phones(config, ann, bob);
    for _ in 0..3 {
        let caller = dice.below(2) as usize;
        let number = ["1001", "1002", "1002", "1001", "*43", "1999"][dice.below(6) as usize];
        world.dial(caller, number);
        world.run_for(some(&mut dice, 15_000));
        if dice.hits(200) {
            world.hang_up(caller);
        }
    }
    world.run_until(secs(300), |it| {
        [ANN, BOB].iter().all(|who| it.phone(*who).calls().iter().all(|it| it.ending().is_some()))
    });
    if [ANN, BOB].iter().any(|who| vanished(&world, *who)) {
        // Whoever held the other is missed when the session was to be refreshed (RFC 4028).
        world.run_for(secs(950));
    }
    let left = world.settle();
    (world, left)
}

fn vanished(world: &World, who: usize) -> bool {
    world.phone(who).calls().iter().any(|it| it.ending() == Some(Ending::Vanished))
}

fn anybody(dice: &mut Rng) -> Behaviour {
    let after = some(dice, 6_000);
    let replies = [Reply::Busy, Reply::Decline, Reply::Ring, Reply::Silent];
    let reply = *replies.get(dice.below(12) as usize).unwrap_or(&Reply::Answer { after });
    let lists = codec_lists();
    let refusals = [488, 491, 500, 481, 408, 603];
    // Whole seconds, so that both sometimes do something at the same moment.
    let sometime = |dice: &mut Rng, per_mille| dice.hits(per_mille).then(|| secs(dice.below(8)));
    let hold_after = sometime(dice, 400);
    let (unknown, timed) = (Timer::Unknown, Timer::Timed(90));
    let sessions =
        [unknown, unknown, timed, Timer::Timed(600), Timer::Forgets(120), Timer::Longer(3_600)];
    let kinds = [Reliable::Unknown, Reliable::Supported, Reliable::Required, Reliable::Deaf];
    Behaviour {
        reply,
        cancel_after: dice.hits(400).then(|| some(dice, 8_000)),
        hang_up_after: Some(secs(dice.below(12))),
        vanish_after: sometime(dice, 50),
        hold_after,
        resume_after: sometime(dice, 400),
        hold: [Hold::SendOnly, Hold::Inactive, Hold::Nowhere][dice.below(3) as usize],
        recode: sometime(dice, 300).map(|it| (it, lists[dice.below(4) as usize].clone())),
        ask_after: sometime(dice, 200),
        offers: if dice.hits(200) { Offers::Late } else { Offers::Early },
        later: match dice.hits(150) {
            true => Later::Refuse(refusals[dice.below(6) as usize]),
            false => Later::Accept,
        },
        codecs: lists[dice.below(4) as usize].clone(),
        expires: secs(20 + dice.below(100)),
        nat: dice.hits(300).then(Nat::default),
        session: sessions[dice.below(6) as usize],
        asks_by: if dice.hits(300) { Asks::Update } else { Asks::Invite },
        reliable: kinds[dice.below(8) as usize % 4],
        early: if dice.hits(300) { Early::Speaks } else { Early::Rings },
        ..Behaviour::default()
    }
}

fn codec_lists() -> [Vec<Codec>; 4] {
    [
        vec![Codec::Opus],
        vec![Codec::Pcma, Codec::Opus],
        vec![Codec::Pcmu, Codec::Pcma],
        vec![Codec::Pcmu, Codec::Opus, Codec::Pcma],
    ]
}

fn some(dice: &mut Rng, ms_max: u64) -> Duration {
    Duration::from_millis(dice.below(ms_max))
}

fn told(seed: u64) -> String {
    storm(Config { traced: true, ..Config::storm(seed) }).0.trace.text().to_owned()
}

/// Counts seconds. How long a test takes is no part of any world.
#[expect(clippy::disallowed_methods, reason = "measures the test, not what is tested")]
fn stopwatch() -> impl Fn() -> f64 {
    let began = Instant::now();
    move || began.elapsed().as_secs_f64()
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
