//! Scripts change and fail while people talk: no call is lost, each keeps what it began with, and
//! a caller seldom hears of a script's error.

use std::collections::BTreeMap;

use moonswitch::base::CallId;
use moonswitch::call::event::What;
use moonswitch::call::plan::{Files, Generation};
use moonswitch::call::{Input, Scripts, Source};
use moonswitch::lua::{self, Limits, LuaPlan};
use moonswitch::sim::phone::{Behaviour, Ending, Reply};
use moonswitch::sim::{Config, World};

use crate::world::{ANN, ann_dials, assert_nothing_left, connected, ending, move_in, secs};

#[test]
fn fifty_edits_ten_of_them_broken_lose_no_call() {
    let mut world = start(Config::clear(50), &version(0));
    let ann = Behaviour { hang_up_after: Some(secs(5)), ..Behaviour::default() };
    move_in(&mut world, ann, Behaviour::default());
    // What each generation writes into the log.
    let mut says = BTreeMap::from([(files(&version(0)).generation(), "version 0".to_owned())]);
    let mut dialled = 0;
    for edit in 1..=50 {
        let text = match edit % 5 {
            0 => broken(edit),
            _ => version(edit),
        };
        let files = files(&text);
        says.insert(files.generation(), format!("version {edit}"));
        let dials_first = edit % 2 == 0;
        if dials_first {
            world.dial(ANN, "1002");
        }
        world.tell(Input::Scripts(Scripts { source: Source::Watch, files: Ok(files) }));
        if !dials_first {
            world.dial(ANN, "1002");
        }
        dialled += 1;
        world.run_for(secs(2));
    }
    world.run_for(secs(30));

    // What the log tells: which generation was current when, and who ran on which.
    let (mut current, mut loaded, mut refused) = (None, 0, 0);
    let mut began: BTreeMap<CallId, Generation> = BTreeMap::new();
    let mut said = 0;
    for fact in &world.facts {
        match (&fact.what, fact.call) {
            (What::ScriptsLoaded { generation, .. }, None) => {
                current = Some(*generation);
                loaded += 1;
            }
            (What::ScriptsRefused { generation, problems, .. }, None) => {
                assert_ne!(*generation, current);
                assert_eq!(problems[0].at.file, "main.lua", "{problems:?}");
                refused += 1;
            }
            (What::Began { generation, .. }, Some(call)) => {
                assert_eq!(Some(*generation), current, "{call}");
                began.insert(call, *generation);
            }
            (What::Said { text, .. }, Some(call)) => {
                assert_eq!(*text, says[&began[&call]], "{call}");
                said += 1;
            }
            (What::ScriptFailed(error), _) => panic!("{error:?}"),
            _ => {}
        }
    }
    assert_eq!((loaded, refused), (41, 10));
    assert_eq!((began.len(), said), (dialled, dialled));
    let generations: std::collections::BTreeSet<_> = began.values().collect();
    assert!(generations.len() >= 40, "{}", generations.len());
    for call in world.phone(ANN).calls() {
        assert_eq!(call.ending(), Some(Ending::HungUp), "{call:?}");
        assert!(call.confirmed && call.ear.packets > 200, "{:?}", call.ear);
    }
    assert_nothing_left(&mut world);
}

#[test]
fn a_handler_that_fails_before_anything_happened_falls_back_to_the_layer_below() {
    let main = "pbx.internal('1002', function(call) call:sleep(1) error('oops') end)";
    let mut world = start(Config::clear(1), main);
    let ann = Behaviour { hang_up_after: Some(secs(5)), ..Behaviour::default() };
    move_in(&mut world, ann, Behaviour::default());
    ann_dials(&mut world, "1002");
    assert!(connected(&world), "{}", world.trace.text());
    assert_eq!(ending(&world, ANN), Ending::HungUp);
    let to = world.facts.iter().find_map(|it| match &it.what {
        What::FellBack { to } => Some(to.file.clone()),
        _ => None,
    });
    assert_eq!(to.as_deref(), Some("moonswitch/main.lua"));
    assert_nothing_left(&mut world);
}

#[test]
fn a_handler_that_is_killed_falls_back_too() {
    let main = "pbx.internal('1002', function(call) while true do end end)";
    let mut world = start(Config::clear(1), main);
    let ann = Behaviour { hang_up_after: Some(secs(5)), ..Behaviour::default() };
    move_in(&mut world, ann, Behaviour::default());
    ann_dials(&mut world, "1002");
    assert!(connected(&world), "{}", world.trace.text());
    assert_nothing_left(&mut world);
}

#[test]
fn a_handler_that_fails_after_it_has_dialled_is_the_end_of_the_call() {
    let main =
        "pbx.internal('1002', function(call) call:dial('1002', { timeout = 2 }) error('oops') end)";
    let mut world = start(Config::clear(1), main);
    let bob = Behaviour { reply: Reply::Ring, ..Behaviour::default() };
    move_in(&mut world, Behaviour::default(), bob);
    ann_dials(&mut world, "1002");
    assert_eq!(ending(&world, ANN), Ending::Refused(500));
    assert_eq!(count(&world, |it| matches!(it, What::FellBack { .. })), 0);
    assert_nothing_left(&mut world);
}

#[test]
fn when_the_layer_below_fails_as_well_the_call_ends() {
    let route = "pbx.internal('1002', function(call) error('oops') end)";
    let file = || vec![("main.lua".to_owned(), route.to_owned())];
    for (embedded, failures) in [(file(), 2), (Vec::new(), 1)] {
        let mut world = World::with_switch(Config::clear(1), LuaPlan::new(Limits::default()));
        let files = Ok(Files { embedded, user: file() });
        world.tell(Input::Scripts(Scripts { source: Source::Start, files }));
        move_in(&mut world, Behaviour::default(), Behaviour::default());
        ann_dials(&mut world, "1002");
        assert_eq!(ending(&world, ANN), Ending::Refused(500));
        assert_eq!(count(&world, |it| matches!(it, What::ScriptFailed(_))), failures);
        assert_nothing_left(&mut world);
    }
}

#[test]
fn an_answered_caller_hears_that_a_script_has_failed_and_is_hung_up() {
    // What the handler has spawned has no say any more.
    let main = "pbx.internal('7', function(call)
        call:answer()
        pbx.spawn(function() while true do pcall(call.play, call, 'tone:440') call:sleep(0.5) end end)
        call:sleep(1)
        error('oops')
    end)";
    let mut world = start(Config::clear(1), main);
    move_in(&mut world, Behaviour::default(), Behaviour::default());
    ann_dials(&mut world, "7");
    assert_eq!(ending(&world, ANN), Ending::HungUpByPeer);
    let talked = world.facts.iter().find_map(|it| match it.what {
        What::Ended { talked, .. } => Some(talked),
        _ => None,
    });
    assert_eq!(talked, Some(secs(4)), "a second of the script and three of the tone");
    let packets = world.phone(ANN).calls()[0].ear.packets;
    assert!(packets > 170, "{packets} packets are no four seconds of tone");
    assert_nothing_left(&mut world);
}

/// A world whose scripts come in as they do in real life, and nobody there.
fn start(config: Config, main: &str) -> World {
    let mut world = World::with_switch(config, LuaPlan::new(Limits::default()));
    let files = Ok(files(main));
    world.tell(Input::Scripts(Scripts { source: Source::Start, files }));
    world
}

/// What ships, and this above it.
fn files(main: &str) -> Files {
    let user = vec![("main.lua".to_owned(), main.to_owned())];
    Files { embedded: lua::embedded(), user }
}

/// A route that tells its version when its call is over.
fn version(edit: u32) -> String {
    format!(
        "pbx.internal('1002', function(call)
            call:defer(function() print('version {edit}') end)
            call:dial('1002', {{ timeout = 20 }})
        end)"
    )
}

fn broken(edit: u32) -> String {
    let good = version(edit);
    let bad = [
        "pbx.internal('1', function(",
        "pbx.internal('1', 5)",
        "local x = nil + 1",
        "require 'gone'",
        "while true do end",
        "pbx.internal('1002', print)",
        "call:dial('1')",
        "error{ code = 5 }",
        "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
        "pbx.spawn(function() end)",
    ];
    format!("{good}\n{}", bad[(edit / 5) as usize % bad.len()])
}

fn count(world: &World, wanted: impl Fn(&What) -> bool) -> usize {
    world.facts.iter().filter(|it| wanted(&it.what)).count()
}
