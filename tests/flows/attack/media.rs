//! Strangers send into the ports of a call: before its answer, while people talk, and after its end.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use moonswitch::base::Rng;
use moonswitch::sdp::Codec;
use moonswitch::sim::phone::{Behaviour, Frame};
use moonswitch::sim::voice::Voice;
use moonswitch::sim::{Config, World};

use crate::attack::facts::assert_well;
use crate::world::{ANN, BOB, call, connected, house, move_in};

/// The voice of nobody in the house.
const MALLORY: Voice = Voice::nth(9);
const PORTS: u16 = 64;

#[test]
fn nobody_hears_a_stranger_and_no_stranger_is_fed() {
    for seed in 0..4 {
        let stays = Behaviour::default();
        let mut world = house(Config { traced: false, ..Config::clear(seed) });
        let heard = Rc::new(RefCell::new(Overheard::default()));
        let overheard = Rc::clone(&heard);
        world.overhear(move |frame| overheard.borrow_mut().note(frame));
        move_in(&mut world, stays.clone(), stays);
        let mut rng = Rng::from_seed(seed);

        world.dial(ANN, "1002");
        bombard(&mut world, &mut rng, &heard, 1_900);
        assert!(!connected(&world));
        bombard(&mut world, &mut rng, &heard, 5_000);
        assert!(connected(&world), "seed {seed}");
        world.hang_up(if seed % 2 == 0 { ANN } else { BOB });
        bombard(&mut world, &mut rng, &heard, 2_000);

        for (who, whom) in [(ANN, BOB), (BOB, ANN)] {
            let ear = &call(&world, who).ear;
            let voice = world.phone(whom).identity.voice;
            assert_eq!(ear.heard(MALLORY), 0, "seed {seed}: {ear:?}");
            assert!((235..=250).contains(&ear.heard(voice)), "seed {seed}: {ear:?}");
            assert_eq!((ear.strange, ear.unknown, ear.sources_changed), (0, 0, 0), "{ear:?}");
            assert_eq!(ear.gap_max, 1, "seed {seed}: {ear:?}");
        }
        assert_eq!(heard.borrow().fed, Vec::<SocketAddr>::new(), "seed {seed}: strangers are fed");
        assert_well(&mut world, &format!("seed {seed}"));
    }
}

/// What the engine says to whom, and who speaks how.
#[derive(Default)]
struct Overheard {
    /// Sources that phones use.
    sources: Vec<u32>,
    /// Strangers that something was sent to.
    fed: Vec<SocketAddr>,
}

impl Overheard {
    fn note(&mut self, frame: &Frame) {
        if let Some(source) = frame.bytes.get(8..12).and_then(|it| it.try_into().ok()) {
            let source = u32::from_be_bytes(source);
            if !self.sources.contains(&source) {
                self.sources.push(source);
            }
        }
        if is_stranger(frame.to) {
            self.fed.push(frame.to);
        }
    }
}

/// For so many milliseconds, packets of strangers reach every port, RTP and RTCP.
fn bombard(world: &mut World, rng: &mut Rng, heard: &Rc<RefCell<Overheard>>, ms: u64) {
    let door = world.phone(ANN).identity.server.ip();
    for _ in 0..ms {
        for _ in 0..4 {
            // The two streams have the first ports; others are tried too.
            let range = if rng.hits(800) { 4 } else { 2 * u64::from(PORTS) };
            let to = SocketAddr::new(door, 20_000 + rng.below(range) as u16);
            let from = SocketAddr::from(([10, 9, 9, rng.below(4) as u8], 4_000));
            let bytes = junk(rng, &heard.borrow().sources);
            world.forge_frame(Frame { from, to, bytes });
        }
        world.run_for(Duration::from_millis(1));
    }
}

/// Speech of Mallory with a right or wrong source and type, RTCP that says goodbye, or noise.
fn junk(rng: &mut Rng, sources: &[u32]) -> Vec<u8> {
    let known = sources.get(rng.below(sources.len() as u64) as usize).copied();
    let source = known.filter(|_| rng.hits(700)).unwrap_or_else(|| rng.bits32());
    match rng.below(4) {
        0 | 1 => {
            let mut packet = vec![0x80, [0, 8, 101, 107][rng.below(4) as usize]];
            packet.extend((rng.bits32() as u16).to_be_bytes());
            packet.extend(rng.bits32().to_be_bytes());
            packet.extend(source.to_be_bytes());
            MALLORY.say(&Codec::Pcmu, 0, &mut packet);
            packet
        }
        2 => {
            // BYE (RFC 3550 §6.6), or a report that is cut off.
            let kind = [200, 201, 202, 203, 204, 205][rng.below(6) as usize];
            let mut packet = vec![0x81, kind, 0, 1];
            packet.extend(source.to_be_bytes());
            packet
        }
        _ => {
            let mut bytes = vec![0; rng.below(300) as usize];
            rng.fill(&mut bytes);
            bytes
        }
    }
}

fn is_stranger(address: SocketAddr) -> bool {
    address.to_string().starts_with("10.9.9.")
}
