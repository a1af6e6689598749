//! Layers, `require`, problems, generations.

use super::world::{DONE, World, problems, view};
use crate::base::{CallId, Now};
use crate::call::plan::{Plan, Step};
use crate::lua::{Files, Limits, LuaPlan};

#[test]
fn problems_say_file_line_and_what() {
    for (main, want) in [
        ("local x = ", "main.lua:1: unexpected symbol near <eof>"),
        ("\nerror('oops')", "main.lua:2: oops"),
        (
            "pbx.internal('12a', print)",
            "main.lua:1: pbx.internal: bad pattern \"12a\": 'a' has no meaning in a pattern",
        ),
        ("pbx.internal('1', 5)", "main.lua:1: pbx.internal: the handler must be a function, not 5"),
        (
            "pbx.internal('{a}', print)\npbx.internal('{b}', print)",
            "main.lua:2: this route is there already, at main.lua:1: .",
        ),
        (
            "require 'gretting'",
            "main.lua:1: require: there is no script 'gretting' (did you mean 'greeting'?)",
        ),
        (
            "require '../x'",
            "main.lua:1: require: \"../x\" is no name of a script (like \"lib.greeting\")",
        ),
        (
            "require 'a'",
            "b.lua:1: require: 'a' is being loaded: it requires itself, perhaps by way of another file",
        ),
        ("pbx.spawn(print)", "main.lua:1: pbx.spawn: not while loading"),
        (
            "while true do end",
            "main.lua:1: killed: the script computed for too long without waiting (while loading)",
        ),
        ("x = 1", "main.lua:1: assignment to undeclared global 'x' (use local)"),
    ] {
        let files = [
            ("main.lua", main),
            ("greeting.lua", ""),
            ("a.lua", "require 'b'"),
            ("b.lua", "require 'a'"),
        ];
        assert_eq!(problems(&files), [want], "{main}");
    }
    assert_eq!(problems(&[("x.lua", "")]), ["main.lua:0: there is no main.lua"]);
    assert_eq!(
        problems(&[("main.lua", ""), ("../x.lua", "")]),
        ["../x.lua:0: this is no name for a script"]
    );
    assert_eq!(problems(&[("main.lua", "("), ("x.lua", ")")]).len(), 2);
}

#[test]
fn a_file_is_run_once_and_its_value_is_shared() {
    let mut it = World::with(
        Limits::default(),
        &[
            (
                "main.lua",
                "local a, b = require 'lib.x', require 'lib.x'\npbx.internal('1', function() print(a == b, a.n) end)",
            ),
            ("lib/x.lua", "return { n = 5 }"),
        ],
    );
    it.begin(1, "1").unwrap();
    it.run();
    assert_eq!(it.told()[0], "c1 log true 5 at main.lua:2");
}

#[test]
fn the_users_route_beats_the_embedded_one_of_the_same_pattern() {
    let route = |said: &str| format!("pbx.internal('1', function() print('{said}') end)");
    let embedded = vec![(
        "main.lua".to_owned(),
        route("below") + "pbx.internal('2', function() print('two') end)",
    )];
    let user = vec![("main.lua".to_owned(), route("above"))];
    let mut it = World::new("");
    it.plan.load(&Files { embedded, user }).unwrap();
    it.begin(1, "1").unwrap();
    it.begin(2, "2").unwrap();
    it.run();
    let told = it.told().join("|");
    let want =
        "c1 log above at main.lua:1|c1 returned|c2 log two at moonswitch/main.lua:1|c2 returned";
    assert_eq!(told, want);
}

#[test]
fn a_users_file_replaces_the_embedded_one_of_its_name() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let main = "local x = require 'greet' pbx.internal('1', function() print(x) end)";
    let embedded = vec![file("main.lua", main), file("greet.lua", "return 'below'")];
    let mut it = World::new("");
    it.plan.load(&Files { embedded: embedded.clone(), user: Vec::new() }).unwrap();
    it.begin(1, "1").unwrap();
    let user = vec![file("main.lua", ""), file("greet.lua", "return 'above'")];
    it.plan.load(&Files { embedded, user }).unwrap();
    it.begin(2, "1").unwrap();
    it.run();
    let told = it.told();
    assert_eq!(told[0], "c1 log below at moonswitch/main.lua:1");
    assert_eq!(told[2], "c2 log above at moonswitch/main.lua:1");
}

#[test]
fn a_call_keeps_its_generation_and_a_bad_version_changes_nothing() {
    let mut it = World::new("pbx.internal('1', function(call) call:answer() print('old') end)");
    let old = it.plan.generation();
    it.begin(1, "1").unwrap();
    it.run();
    let files =
        |text: &str| Files { embedded: Vec::new(), user: vec![("main.lua".into(), text.into())] };
    assert!(it.plan.load(&files("oops(")).is_err());
    assert_eq!(it.plan.generation(), old);
    let new = it.plan.load(&files("pbx.internal('1', function() print('new') end)")).unwrap();
    assert_ne!(new, old);
    it.begin(2, "1").unwrap();
    it.run();
    it.answer(DONE);
    let told = it.told();
    assert_eq!(told[1], "c2 log new at main.lua:1");
    assert_eq!(told[3], "c1 log old at main.lua:1");
}

#[test]
fn the_same_texts_are_the_same_generation() {
    let load = |user: &[(&str, &str)]| {
        let user = user.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        LuaPlan::new(Limits::default()).load(&Files { embedded: Vec::new(), user }).unwrap()
    };
    assert_eq!(load(&[("main.lua", ""), ("a.lua", "")]), load(&[("a.lua", ""), ("main.lua", "")]));
    assert_ne!(load(&[("main.lua", "")]), load(&[("main.lua", " ")]));
}

#[test]
fn a_plan_without_scripts_takes_no_call() {
    let mut plan = LuaPlan::new(Limits::default());
    assert!(plan.begin(Now::default(), CallId(1), view("1")).is_err());
    assert_eq!(plan.generation().0, 0);
}

#[test]
fn loading_takes_turns_with_calls_and_a_later_set_takes_the_place_of_an_earlier_one() {
    let mut it =
        World::new("pbx.internal('1', function(call) while true do call:sleep(1) end end)");
    let old = it.plan.generation();
    let files =
        |text: &str| Files { embedded: Vec::new(), user: vec![("main.lua".into(), text.into())] };
    it.plan.begin_load(files("while true do end"));
    it.begin(1, "1").unwrap();
    let steps: Vec<_> = (0..10).filter_map(|_| it.plan.run(it.now)).collect();
    assert!(steps.iter().any(|it| matches!(it, Step::Do { .. })), "the call waits for the scripts");
    assert!(matches!(steps.last(), Some(Step::Loading)));
    assert_eq!(it.plan.generation(), old);
    let long = files("for i = 1, 1e5 do end pbx.internal('2', print)");
    it.plan.begin_load(long.clone());
    it.run();
    let told = it.told();
    let loaded = format!("loaded {}", long.generation());
    assert_eq!(told, [loaded]);
    assert!(it.begin(2, "1").is_err());
    it.begin(3, "2").unwrap();
}

#[test]
fn going_back_to_texts_that_a_call_still_runs_on_goes_back_to_their_state() {
    let main = "local n = 0 pbx.internal('1', function(call) n = n + 1 print(n) call:sleep(1) end)";
    let files =
        |text: &str| Files { embedded: Vec::new(), user: vec![("main.lua".into(), text.into())] };
    let mut it = World::new(main);
    it.begin(1, "1").unwrap();
    it.run();
    it.plan.begin_load(files(""));
    it.run();
    it.plan.begin_load(files(main));
    it.run();
    it.begin(2, "1").unwrap();
    it.run();
    assert!(it.told().contains(&"c2 log 2 at main.lua:1".to_owned()));
}

#[test]
fn a_load_that_fails_says_so_and_leaves_the_last_good_one() {
    let mut it = World::new("");
    let old = it.plan.generation();
    for text in ["oops(", "error('oops')", "while true do end"] {
        let user = vec![("main.lua".to_owned(), text.to_owned())];
        it.plan.begin_load(Files { embedded: Vec::new(), user });
        it.run();
        let told = it.told();
        assert!(told[0].contains(": main.lua:1: ") && told[0].starts_with("refused "), "{told:?}");
        assert_eq!(it.plan.generation(), old);
    }
    it.plan.begin_load(Files { embedded: Vec::new(), user: vec![("x.lua".into(), String::new())] });
    it.run();
    assert!(it.told()[0].ends_with("main.lua:0: there is no main.lua"));
}

#[test]
fn the_layer_below_takes_a_failed_call_once_and_keeps_what_it_deferred() {
    let file = |text: &str| vec![("main.lua".to_owned(), text.to_owned())];
    let embedded = file("pbx.internal('{n}', function(call, m) print(m.n) error('below') end)");
    let user = file(
        "pbx.internal('1', function(call) call:defer(function() print('bye') end) error('above') end)",
    );
    let mut it = World::new("");
    it.plan.load(&Files { embedded, user }).unwrap();
    it.begin(1, "1").unwrap();
    it.run();
    assert_eq!(it.told(), ["c1 failed at main.lua:1: above"]);
    assert_eq!(it.plan.begin_below(CallId(1)).unwrap().to_string(), "moonswitch/main.lua:1");
    it.run();
    let below = "moonswitch/main.lua:1";
    assert_eq!(it.told(), [format!("c1 log 1 at {below}"), format!("c1 failed at {below}: below")]);
    assert!(it.plan.begin_below(CallId(1)).is_err());
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 log bye at main.lua:1", "c1 over"]);
    assert!(it.plan.begin_below(CallId(1)).is_err());
}

#[test]
fn what_would_fail_later_loads_and_is_told() {
    let main = "pbx.internal('1', function(call)\n  call:paly('x')\nend)\n";
    let files = Files { embedded: Vec::new(), user: vec![("main.lua".into(), main.into())] };
    let mut plan = LuaPlan::new(Limits::default());
    for _ in 0..2 {
        // Also when the same texts come again.
        plan.begin_load(files.clone());
        let loaded = loop {
            match plan.run(Now::default()) {
                Some(Step::Loading) => {}
                Some(Step::Loaded { result: Ok(slips), .. }) => break slips,
                other => panic!("{other:?}"),
            }
        };
        let told: Vec<String> = loaded.iter().map(ToString::to_string).collect();
        let want = "main.lua:2: unknown method 'paly' of call (did you mean 'play'?)";
        assert_eq!(told, [want]);
    }
}
