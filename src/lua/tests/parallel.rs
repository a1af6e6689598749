//! `all`, `race`, `spawn`.

use super::world::{DONE, World};
use crate::base::OpId;
use crate::call::plan::Outcome;

#[test]
fn all_waits_for_every_function_and_keeps_the_order() {
    let mut it = World::handler(
        "local r = pbx.all{ function() call:sleep(2) return 'a' end, function() call:sleep(1) return 'b' end }
        print(r[1], r[2], #r, #pbx.all{})",
    );
    it.answer_op(OpId(2), DONE);
    it.answer_op(OpId(1), DONE);
    assert_eq!(
        it.told(),
        [
            "c1 Sleep(2s) at main.lua:2",
            "c1 Sleep(1s) at main.lua:2",
            "c1 log a b 2 0 at main.lua:3",
            "c1 returned"
        ]
    );
}

#[test]
fn the_losers_of_a_race_are_ended_at_once() {
    let mut it = World::handler(
        "local r = pbx.race{
          function() call:sleep(1) return 'slept', 2 end,
          function()
            local x <close> = setmetatable({}, { __close = function() print('closed') call:sleep(1) print('no') end })
            while true do pcall(call.play, call, 'x') end
          end,
        }
        print(r)",
    );
    it.told();
    it.answer_op(OpId(1), DONE);
    let mut told = it.told();
    assert_eq!(told.remove(0), "c1 cancel Play { sound: [Prompt(\"x\")], early: false }");
    told.sort();
    assert_eq!(told, ["c1 log closed at main.lua:5", "c1 log slept at main.lua:9", "c1 returned"]);
}

#[test]
fn an_error_in_one_of_all_cancels_the_rest_and_is_raised_in_the_parent() {
    let mut it = World::handler(
        "local ok, e = pcall(pbx.all, { function() call:sleep(9) end, function() call:sleep(1) error('oops') end })
        print(ok, e)
        pbx.all{ function() error{ code = 486 } end }",
    );
    it.told();
    it.answer_op(OpId(2), DONE);
    assert_eq!(
        it.told(),
        [
            "c1 cancel Sleep(9s)",
            "c1 log false main.lua:2: oops at main.lua:3",
            "c1 failed at main.lua:4: { code = 486 }"
        ]
    );
}

#[test]
fn two_operations_on_the_callers_media_are_an_error_at_the_second() {
    let mut it = World::handler(
        "pbx.spawn(function() call:play('music') end)
        call:sleep(1)
        call:sleep(1)
        call:play('x')",
    );
    it.answer_op(OpId(1), DONE);
    it.answer_op(OpId(3), DONE);
    assert_eq!(
        it.told().last().unwrap(),
        "c1 failed at main.lua:5: call:play: the caller's media is taken by the operation at main.lua:2"
    );
}

#[test]
fn a_spawned_function_dies_with_the_call_and_its_error_is_logged() {
    let mut it = World::handler(
        "pbx.spawn(function() while true do call:sleep(1) print('tick') end end)
        pbx.spawn(function() error('oops') end)
        call:sleep(60)",
    );
    assert!(
        it.told().contains(&"c1 log error in a spawned function: oops at main.lua:3".to_owned())
    );
    it.answer_op(OpId(2), DONE);
    assert_eq!(it.told()[0], "c1 log tick at main.lua:2");
    it.hang_up(1);
    assert_eq!(it.told(), ["c1 hung up", "c1 over"]);
}

#[test]
fn nested_races_are_cancelled_from_the_outside_in() {
    let mut it = World::handler(
        "pbx.race{
          function() pbx.all{ function() call:sleep(5) end, function() pbx.race{ function() call:sleep(6) end } end } end,
          function() call:sleep(1) end,
        }
        print('on')",
    );
    let told = it.told();
    let one = told.iter().position(|it| it.contains("Sleep(1s)")).unwrap();
    it.answer_op(OpId(one as u64 + 1), DONE);
    let told = it.told();
    assert_eq!(told.iter().filter(|it| it.contains("cancel")).count(), 2, "{told:?}");
    assert!(told.contains(&"c1 log on at main.lua:6".to_owned()), "{told:?}");
    assert_eq!(told.last().unwrap(), "c1 returned");
}

#[test]
fn the_outcome_of_a_cancelled_operation_is_ignored() {
    let mut it = World::handler(
        "pbx.race{ function() call:sleep(1) end, function() call:play('x') end } call:sleep(3)",
    );
    it.answer_op(OpId(1), DONE);
    it.told();
    crate::call::plan::Plan::resume(&mut it.plan, it.now, OpId(2), Outcome::Played(true));
    it.run();
    assert_eq!(it.told(), Vec::<String>::new());
}

#[test]
fn bad_lists_are_errors_at_their_line() {
    for (body, want) in [
        ("pbx.all{ 1 }", "pbx.all: item 1 is a number, not a function"),
        ("pbx.race{}", "pbx.race: nobody runs"),
        ("pbx.spawn()", "pbx.spawn: a function is needed, not nil"),
        (
            "local t = {} for i = 1, 65 do t[i] = print end pbx.all(t)",
            "pbx.all: more than 64 functions",
        ),
    ] {
        let mut it = World::handler(body);
        assert_eq!(it.told(), [format!("c1 failed at main.lua:2: {want}")]);
    }
}
