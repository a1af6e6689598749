//! Every single message of a call is lost, lost for long, repeated or late.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use moonswitch::base::Mono;
use moonswitch::sim::net::Fate;
use moonswitch::sim::phone::{Behaviour, Ending};
use moonswitch::sim::{Config, World};

use crate::attack::facts::assert_well;
use crate::world::{ANN, BOB, ann_dials, connected, ending, house, move_in, secs};

/// What happens to one message.
#[derive(Clone, Copy, Debug)]
enum Harm {
    LostOnce,
    LostForTwoSeconds,
    Repeated,
    Late,
    VeryLate,
}

#[test]
fn a_call_survives_whatever_happens_to_any_one_of_its_messages() {
    use Harm::{Late, LostForTwoSeconds, LostOnce, Repeated, VeryLate};
    for leaver in [ANN, BOB] {
        let (_, count) = one_call(leaver, usize::MAX, Repeated);
        assert!(count > 20, "{count} messages");
        for nth in 0..count {
            for harm in [LostOnce, LostForTwoSeconds, Repeated, Late, VeryLate] {
                let (mut world, _) = one_call(leaver, nth, harm);
                let what = format!("phone {leaver} leaves, message {nth} {harm:?}");
                assert!(connected(&world), "{what}\n{}", world.trace.text());
                assert!(ending(&world, leaver) == Ending::HungUp, "{what}");
                assert!(ending(&world, ANN + BOB - leaver) == Ending::HungUpByPeer, "{what}");
                assert_well(&mut world, &what);
            }
        }
    }
}

/// A call in which the `nth` message comes to harm, and how many messages it had.
fn one_call(leaver: usize, nth: usize, harm: Harm) -> (World, usize) {
    let stays = Behaviour::default;
    let leaves = || Behaviour { hang_up_after: Some(secs(6)), ..stays() };
    let mut world = house(Config::clear(nth as u64));
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let mut victim: Option<(Bytes, Mono)> = None;
    world.meddle(move |now, letter| {
        let this = counted.replace(counted.get() + 1);
        if let Some((bytes, until)) = &victim {
            return if *bytes == letter.bytes && now < *until { Fate::Lose } else { Fate::Fly };
        }
        if this != nth {
            return Fate::Fly;
        }
        match harm {
            Harm::LostOnce => Fate::Lose,
            Harm::LostForTwoSeconds => {
                victim = Some((letter.bytes.clone(), now + secs(2)));
                Fate::Lose
            }
            Harm::Repeated => Fate::Repeat,
            Harm::Late => Fate::Wait(Duration::from_millis(700)),
            Harm::VeryLate => Fate::Wait(secs(7)),
        }
    });
    let [ann, bob] = if leaver == ANN { [leaves(), stays()] } else { [stays(), leaves()] };
    move_in(&mut world, ann, bob);
    ann_dials(&mut world, "1002");
    world.run_for(secs(10));
    (world, count.get())
}
