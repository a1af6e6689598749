//! What holds for all four machines.

use super::script::Machine;
use super::*;
use crate::base::Rng;

#[test]
fn a_machine_is_small() {
    assert!(size_of::<invite_server::InviteServer>() <= 88);
    assert!(size_of::<invite_client::InviteClient>() <= 88);
    assert!(size_of::<client::Client>() <= 88);
    assert!(size_of::<server::Server>() <= 64);
}

#[test]
fn a_timing_of_zero_does_not_spin() {
    let zero = Timing { t1: Duration::ZERO, t2: Duration::ZERO, t4: Duration::ZERO };
    let mut out = Vec::new();
    let mut tx = client::Client::new(zero, false, bytes::Bytes::new(), Mono::ZERO, &mut out);
    while let Some(at) = tx.poll_timeout() {
        tx.handle_timeout(at, &mut out);
    }
    assert!(out.len() <= 66, "{}", out.len());
}

#[test]
fn whatever_happens_in_whatever_order_a_machine_stays_sane() {
    wander::<invite_server::InviteServer>(&["invite", "ack", "reply", "unreachable"]);
    wander::<invite_client::InviteClient>(&["response", "unreachable"]);
    wander::<client::Client>(&["response", "unreachable"]);
    wander::<server::Server>(&["request", "reply", "unreachable"]);
}

/// Feeds random inputs at random times: no failure twice, no output once over, no timer left
/// due, few outputs per input.
fn wander<M: Machine>(verbs: &[&str]) {
    let statuses = [0, 99, 100, 180, 200, 202, 300, 401, 486, 699, 700, u16::MAX];
    for seed in 0..2_000 {
        let mut rng = Rng::from_seed(seed);
        let mut out = Vec::new();
        let mut tx = M::open(rng.hits(300), &mut out);
        let (mut now, mut failures) = (Mono::ZERO, Vec::new());
        for _ in 0..40 {
            let was_over = tx.is_over();
            out.clear();
            now = now + Duration::from_millis(rng.below(9_000));
            if rng.hits(500) {
                tx.handle_timeout(now, &mut out);
                assert!(tx.poll_timeout().is_none_or(|at| at > now), "seed {seed}");
            } else {
                let verb = verbs[rng.below(verbs.len() as u64) as usize];
                let status = statuses[rng.below(statuses.len() as u64) as usize];
                tx.handle(now, M::input(verb, status, bytes::Bytes::new()), &mut out);
            }
            assert!(out.len() <= 2, "seed {seed}: {out:?}");
            for it in out.iter().map(|it| format!("{it:?}")).filter(|it| it.starts_with("Failed")) {
                assert!(!failures.contains(&it), "seed {seed}: {it} again");
                failures.push(it);
            }
            assert!(!was_over || (out.is_empty() && tx.is_over()), "seed {seed}");
        }
    }
}
