//! Routes, operations and their outcomes, option checks.

use std::time::Duration;

use super::world::{DONE, World};
use crate::base::Cause;
use crate::call::plan::{Outcome, Refusal, Talk};

#[test]
fn a_handler_runs_from_operation_to_operation() {
    let mut it = World::handler("call:answer() call:play('welcome') call:echo()");
    assert_eq!(it.told(), ["c1 Answer at main.lua:2"]);
    it.answer(DONE);
    assert_eq!(it.told(), ["c1 Play { sound: [Prompt(\"welcome\")], early: false } at main.lua:2"]);
    it.answer(Outcome::Played(true));
    it.answer(DONE);
    assert_eq!(it.told(), ["c1 Echo at main.lua:2", "c1 returned"]);
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 over"]);
}

#[test]
fn the_shipped_plan_echoes_and_rings() {
    let mut it = World::with(crate::lua::Limits::default(), &[("main.lua", "")]);
    let files = crate::lua::Files { embedded: crate::lua::embedded(), user: Vec::new() };
    it.plan.load(&files).unwrap();
    it.begin(1, "*43").unwrap();
    it.begin(2, "1002").unwrap();
    it.run();
    it.answer(DONE);
    it.answer(Outcome::Unanswered { cause: Cause::NotFound, targets: Vec::new() });
    let told = it.told().join("\n");
    assert!(told.contains("c1 Echo at moonswitch/main.lua:6"), "{told}");
    assert!(told.contains("c2 Dial { targets: [\"1002\"], timeout: 30s }"), "{told}");
    assert!(told.contains("c2 Reject(NotFound)"), "{told}");
}

#[test]
fn dial_returns_the_leg_or_the_cause_and_each_refusal() {
    let body = "local leg, cause, rows = call:dial({ '1002', '1003' }, { timeout = '1.5s' })
        if leg then print(leg.by, leg.duration, leg.ended_by)
        else print(leg, cause, #rows, rows[2].target, rows[2].cause, rows[2].status) end";
    let mut it = World::handler(body);
    let talk =
        Talk { by: "1003".into(), duration: Duration::from_millis(2500), ended_by_caller: true };
    it.answer(Outcome::Talked(talk));
    assert_eq!(it.told()[1], "c1 log 1003 2.5 caller at main.lua:3");
    let mut it = World::handler(body);
    let row = |target: &str, cause: Cause| Refusal {
        target: target.into(),
        cause,
        status: cause.status(),
    };
    let targets = vec![row("1002", Cause::Offline), row("1003", Cause::Busy)];
    it.answer(Outcome::Unanswered { cause: Cause::Busy, targets });
    assert_eq!(it.told()[1], "c1 log nil busy 2 1003 busy 486 at main.lua:4");
}

#[test]
fn a_wrong_argument_names_the_scripts_own_line_and_the_nearest_name() {
    for (body, want) in [
        (
            "call:dial('1', { timout = 5 })",
            "call:dial: unknown option 'timout' (did you mean 'timeout'?)",
        ),
        ("call:dial('1', { music = 'x' })", "call:dial: unknown option 'music'"),
        ("call:dial(42)", "call:dial: a target must be a text or a list of texts, not 42"),
        ("call:dial({})", "call:dial: between 1 and 32 targets are needed, not 0"),
        ("call:dial('')", "call:dial: an empty target"),
        ("call:play('x', { early = 1 })", "call:play: option 'early' must be true or false, not 1"),
        ("call:play('x', 5)", "call:play: the options must be a table, not 5"),
        ("call:reject 'bussy'", "call:reject: unknown cause \"bussy\" (did you mean 'busy'?)"),
        (
            "call:sleep('20x')",
            "call:sleep: the time must be seconds or a text like \"20s\", \"5m\", \"1.5s\", not \"20x\"",
        ),
        (
            "call:sleep(-1)",
            "call:sleep: the time must be seconds or a text like \"20s\", \"5m\", \"1.5s\", not -1",
        ),
        (
            "call:sleep(0/0)",
            "call:sleep: the time must be seconds or a text like \"20s\", \"5m\", \"1.5s\", not NaN",
        ),
        ("call:sleep('25h')", "call:sleep: the time is longer than a day"),
        ("call.answer()", "call:answer needs the call: write it with a colon"),
        ("call:dail('1')", "unknown field 'dail' of call (did you mean 'dial'?)"),
        ("call.extention = 1", "unknown field 'extention' of call (did you mean 'extension'?)"),
        ("call.id = 1", "call.id cannot be changed"),
        ("print(call.from.nmae)", "unknown field 'nmae' of call.from (did you mean 'name'?)"),
        ("call.from.number = '1'", "call.from cannot be changed (in 'number')"),
        ("pbx.rase{}", "unknown field 'rase' of pbx (did you mean 'race'?)"),
        ("pbx.internal('2', print)", "pbx.internal: routes are made while loading, not in a call"),
    ] {
        let mut it = World::handler(&format!("local ok = true\n{body}\nlocal last"));
        assert_eq!(it.told(), [format!("c1 failed at main.lua:3: {want}")], "{body}");
    }
}

#[test]
fn an_error_in_a_tail_call_names_the_handler() {
    let mut it = World::handler("return call:dial(42)");
    assert!(it.told()[0].starts_with("c1 failed at main.lua:1: call:dial"));
}

#[test]
fn durations_sounds_and_causes_are_read_as_written() {
    let mut it = World::handler(
        "call:sleep(2) call:sleep('20s') call:sleep('5m') call:sleep('1h') call:sleep(0.25)
        call:play({ 'hello', 'tone:busy' }, { early = true })
        call:reject() call:hangup('busy')",
    );
    for _ in 0..8 {
        it.answer(DONE);
    }
    assert_eq!(
        it.told(),
        [
            "c1 Sleep(2s) at main.lua:2",
            "c1 Sleep(20s) at main.lua:2",
            "c1 Sleep(300s) at main.lua:2",
            "c1 Sleep(3600s) at main.lua:2",
            "c1 Sleep(250ms) at main.lua:2",
            "c1 Play { sound: [Prompt(\"hello\"), Tone(\"busy\")], early: true } at main.lua:3",
            "c1 Reject(Declined) at main.lua:4",
            "c1 Hangup(Busy) at main.lua:4",
            "c1 returned"
        ]
    );
}

#[test]
fn a_call_shows_who_calls() {
    let mut it = World::handler(
        "call.tags.x = 1
        print(call.id, call.direction, call.from.number, call.from.name, call.from.anonymous, call.to.number,
          call.extension, call.state, #call.version, call.headers['X-Tag'], call.headers.none, call.tags.x)",
    );
    assert_eq!(
        it.told()[0],
        "c1 log c1 internal 1001 Ann false 1 1001 ringing 8 blue nil 1 at main.lua:3"
    );
}

#[test]
fn captures_reach_the_handler_and_the_most_literal_route_wins() {
    let mut it = World::new(
        "pbx.internal('*8{ext}', function(_, m) print('pickup', m.ext) end)
        pbx.internal('{any}', function(_, m) print('any', m.any) end)
        pbx.internal('10{x:XX}', function(_, m) print('ten', m.x) end)",
    );
    for (call, to) in [(1, "*81001"), (2, "1055"), (3, "10555")] {
        it.begin(call, to).unwrap();
        it.run();
    }
    assert_eq!(
        it.told().join("|"),
        "c1 log pickup 1001 at main.lua:1|c1 returned|c2 log ten 55 at main.lua:3|c2 returned|\
         c3 log any 10555 at main.lua:2|c3 returned"
    );
    assert!(it.begin(4, "").is_err());
}

#[test]
fn a_misused_operation_is_an_error_at_its_line() {
    let mut it =
        World::handler("call:answer()\nlocal ok, e = pcall(call.play, call, 'x')\nprint(ok, e)");
    it.answer(DONE);
    it.answer(Outcome::Misused("no such prompt".into()));
    assert_eq!(it.told()[2], "c1 log false main.lua:3: no such prompt at main.lua:4");
}

#[test]
fn nobody_works_on_the_call_of_another_flow() {
    let mut it = World::new(
        "local first
        pbx.internal('1', function(call)
          if not first then first = call call:sleep(9) end
          print(pcall(first.answer, first))
          print(pcall(first.defer, first, print))
          print(pcall(function() return first.state end))
        end)",
    );
    for call in [1, 2] {
        it.begin(call, "1").unwrap();
        it.run();
    }
    let told = it.told();
    let refused = told.iter().filter(|it| it.contains("this is the call of another flow"));
    assert_eq!(refused.count(), 3, "{told:?}");
    assert_eq!(it.pending.len(), 1, "the first call still sleeps, and nothing else was asked");
}
