//! Hangup, cleanup, errors and kills.

use super::world::{DONE, World};
use crate::base::{CallId, Cause};
use crate::call::plan::{End, Plan, Step};
use crate::lua::Limits;

#[test]
fn a_hangup_goes_through_every_pcall_and_no_loop_survives_it() {
    let mut it = World::handler(
        "while true do
          pcall(function() xpcall(function() call:play('x') end, function() print('handler') end) print('no') end)
          print('again')
        end",
    );
    it.told();
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 hung up", "c1 over"]);
}

#[test]
fn a_flow_that_computes_is_reached_by_the_hangup_too() {
    let mut it = World::new(
        "pbx.internal('1', function(call) while true do pcall(function() for i = 1, 1e9 do end end) end end)",
    );
    it.begin(1, "1").unwrap();
    for _ in 0..3 {
        assert!(matches!(it.plan.run(it.now), Some(Step::Sliced { .. })));
    }
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 hung up", "c1 over"]);
}

#[test]
fn cleanups_run_last_in_first_out_after_the_handler_and_may_sleep() {
    let mut it = World::handler(
        "call:defer(function() print('first') end)
        call:defer(function() call:sleep(1) print('second') end)
        local x <close> = setmetatable({}, { __close = function(_, e) call:sleep(2) print('closed', e) end })
        call:play('x')",
    );
    it.told();
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 Sleep(2s) at main.lua:4"]);
    it.answer(DONE);
    assert_eq!(
        it.told(),
        [
            "c1 log closed the call is over at main.lua:4",
            "c1 hung up",
            "c1 Sleep(1s) at main.lua:3"
        ]
    );
    it.answer(DONE);
    assert_eq!(it.told(), ["c1 log second at main.lua:3", "c1 log first at main.lua:2", "c1 over"]);
}

#[test]
fn defers_run_after_a_normal_return_but_only_when_the_call_is_over() {
    let mut it = World::handler("call:defer(function() print('cleanup') end)");
    assert_eq!(it.told(), ["c1 returned"]);
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 log cleanup at main.lua:2", "c1 over"]);
}

#[test]
fn an_operation_of_the_call_makes_no_sense_in_a_cleanup() {
    let mut it = World::handler(
        "call:defer(function() print('last') end)
        call:defer(function() pcall(call.play, call, 'x') print('no') end)
        local x <close> = setmetatable({}, { __close = function() pcall(call.answer, call) print('no') end })
        call:play('x')",
    );
    it.told();
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 hung up", "c1 log last at main.lua:2", "c1 over"]);
}

#[test]
fn a_cleanup_that_waits_too_long_is_ended_after_five_seconds() {
    let mut it = World::handler(
        "call:defer(function() print('next') pcall(call.sleep, call, 1) print('no') end)
        call:defer(function() call:sleep('1h') print('no') end)",
    );
    it.hang_up(1);
    it.told();
    it.wait(4999);
    assert_eq!(it.told(), Vec::<String>::new());
    it.wait(1);
    let told = it.told();
    assert_eq!(told[0], "c1 log killed: the cleanup took too long at main.lua:3");
    assert!(told.contains(&"c1 log next at main.lua:2".to_owned()), "{told:?}");
    assert!(!told.join("").contains("log no"), "{told:?}");
    assert_eq!(told.last().unwrap(), "c1 over");
    assert_eq!(it.plan.poll_timeout(), None);
}

#[test]
fn a_cleanup_that_computes_for_ever_gets_one_budget() {
    let mut it = World::handler(
        "call:defer(function() print('no') end) call:defer(function() while true do pcall(error) end end)",
    );
    it.hang_up(1);
    let told = it.told();
    assert!(told[1].starts_with("c1 log error in a deferred function: killed"), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn an_error_in_a_closer_does_not_hide_the_hangup() {
    let mut it = World::handler(
        "while true do
          pcall(function()
            local x <close> = setmetatable({}, { __close = function() error('mine') end })
            call:sleep(1)
          end)
          print('survived')
        end",
    );
    it.told();
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 hung up", "c1 over"]);
}

#[test]
fn a_hangup_before_the_first_slice_runs_nothing() {
    let mut it = World::new("pbx.internal('1', function(call) print('no') end)");
    it.begin(1, "1").unwrap();
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 hung up", "c1 over"]);
}

#[test]
fn errors_name_their_line_and_keep_their_tables() {
    for (body, want) in [
        (
            "local x\nreturn x.y",
            "c1 failed at main.lua:3: attempt to index a nil value (local 'x')",
        ),
        ("error('oops')", "c1 failed at main.lua:2: oops"),
        (
            "error{ code = 486, why = 'busy' }",
            "c1 failed at main.lua:2: { code = 486, why = \"busy\" }",
        ),
        ("error()", "c1 failed at main.lua:2: nil"),
        (
            "string.rep()",
            "c1 failed at main.lua:2: bad argument #1 to 'rep' (string expected, got nil)",
        ),
        ("foo()", "c1 failed at main.lua:2: undeclared global 'foo'"),
        ("x = 1", "c1 failed at main.lua:2: assignment to undeclared global 'x' (use local)"),
        ("('x'):find('[')", "c1 failed at main.lua:2: malformed pattern (missing ']')"),
        (
            "table.concat({ {} })",
            "c1 failed at main.lua:2: table.concat: item 1 is a table, not a string",
        ),
    ] {
        let mut it = World::handler(body);
        let told = it.told();
        assert!(told[0].starts_with(want), "{body}: {told:?}");
    }
}

#[test]
fn a_traceback_holds_script_lines_only() {
    let mut it = World::new(
        "local function deep()\n  error('oops')\nend\npbx.internal('1', function(call)\n  pcall(print)\n  deep()\n  print()\nend)",
    );
    it.begin(1, "1").unwrap();
    let mut ends = Vec::new();
    while let Some(step) = it.plan.run(it.now) {
        ends.extend(if let Step::Handled { end: End::Failed(it), .. } = step {
            Some(it)
        } else {
            None
        });
    }
    assert_eq!(ends[0].traceback, ["main.lua:2", "main.lua:6"]);
}

#[test]
fn what_pcall_returns_is_text_with_its_place() {
    let mut it = World::handler(
        "print(pcall(error, { code = 1 }))
        local ok, e = pcall(function() call:dial(1) end) print(type(e), e)
        local ok, e = pcall(function() ('x'):rep(1e9) end) print(e)
        print(xpcall(function() error('a', 0) end, function(e) return e .. 'b' end))
        print(select('#', pcall(function() return nil, nil end)))",
    );
    assert_eq!(
        it.told(),
        [
            "c1 log false table at main.lua:2",
            "c1 log string main.lua:3: call:dial: a target must be a text or a list of texts, not 1 at main.lua:3",
            "c1 log main.lua:4: string.rep: the result is too long at main.lua:4",
            "c1 log false ab at main.lua:5",
            "c1 log 3 at main.lua:6",
            "c1 returned"
        ]
    );
}

#[test]
fn an_unknown_operation_or_call_is_ignored() {
    let mut it = World::handler("call:answer()");
    it.plan.hang_up(it.now, CallId(9), Cause::Hangup);
    it.plan.resume(it.now, crate::base::OpId(99), DONE);
    it.hang_up(1);
    it.hang_up(1);
    assert_eq!(it.told().last().unwrap(), "c1 over");
    assert!(!it.plan.is_runnable());
}

#[test]
fn a_call_that_holds_too_much_is_killed_long_before_the_state_is_full() {
    let limits = Limits { memory_per_call: 2 << 20, ..Limits::default() };
    let main = "pbx.internal('1', function(call)
        local t = {}
        for i = 1, 8 do t[i] = ('x'):rep(1000000) .. i end
        call:sleep(1)
    end)";
    let mut it = World::with(limits, &[("main.lua", main)]);
    it.begin(1, "1").unwrap();
    it.run();
    assert!(it.told()[0].starts_with("c1 killed at main.lua:"));
}
