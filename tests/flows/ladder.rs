//! What `moonswitch trace` would show of a simulated call, letter for letter.

use moonswitch::call::trace::Depth;
use moonswitch::lua::{Files, Limits, LuaPlan};
use moonswitch::sim::phone::Behaviour;
use moonswitch::sim::{Config, World};

use crate::world::{ann_dials, move_in, secs};

const SCRIPT: &str = "\
pbx.internal(\"{number}\", function(call, m)
  pbx.log.info(\"ringing \" .. m.number)
  call:dial(m.number, { timeout = 30 })
end)
";

#[test]
fn a_call_reads_as_a_ladder() {
    let ladder = a_call().ring.find("last").unwrap().ladder(Depth::Lines);
    // Above the columns stand names that chance has made.
    let (_, columns) = ladder.split_once("\n\n").unwrap();
    let wanted = include_str!("ladder.txt");
    assert!(columns == wanted, "if this is right, it belongs into ladder.txt:\n{columns}");
}

#[test]
fn the_same_seed_draws_the_same_ladder_in_full() {
    let full = || a_call().ring.find("last").unwrap().ladder(Depth::Messages);
    let ladder = full();
    assert_eq!(ladder, full());
    assert!(ladder.contains("response=(masked)"), "{ladder}");
    for line in ["m=audio", "Proxy-Authenticate: Digest", "CSeq: 2 BYE"] {
        assert!(ladder.contains(line), "{line}\n{ladder}");
    }
}

fn a_call() -> World {
    let mut plan = LuaPlan::new(Limits::default());
    // Alone, so that the generation in the ladder is that of this script.
    let user = vec![("main.lua".to_owned(), SCRIPT.to_owned())];
    plan.load(&Files { embedded: Vec::new(), user }).unwrap();
    let mut world = World::with_switch(Config::clear(1), plan);
    let ann = Behaviour { hang_up_after: Some(secs(3)), ..Behaviour::default() };
    move_in(&mut world, ann, Behaviour::default());
    ann_dials(&mut world, "1002");
    world.settle();
    world
}
