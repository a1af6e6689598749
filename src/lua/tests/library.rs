//! The library that scripts see: the same as stock Lua where it is bounded and has an order.

use super::world::World;

fn said(body: &str) -> Vec<String> {
    let mut it = World::handler(body);
    let told = it.told();
    told.iter()
        .map(|it| it.split(" at main").next().unwrap().trim_start_matches("c1 ").to_owned())
        .collect()
}

#[test]
fn pairs_and_next_go_in_order() {
    let body =
        "local t = { b = 1, a = 2, [3] = 'x', [1] = 'y', [2.5] = 'z', [true] = 0, [false] = 9 }
        local keys = {}
        for k in pairs(t) do keys[#keys + 1] = tostring(k) end
        print(table.concat(keys, ' '))
        keys = {}
        local k = next(t)
        while k ~= nil do keys[#keys + 1] = tostring(k) k = next(t, k) end
        print(table.concat(keys, ' '), next({}))
        for k, v in pairs({ 5, 6 }) do print(k, v) end
        for i, v in ipairs({ 7, 8 }) do print(i, v) end";
    let want = [
        "log 1 2.5 3 a b false true",
        "log 1 2.5 3 a b false true nil",
        "log 1 5",
        "log 2 6",
        "log 1 7",
        "log 2 8",
        "returned",
    ];
    assert_eq!(said(body), want);
}

#[test]
fn no_address_is_ever_seen() {
    let body =
        "print({}, print, tostring(setmetatable({}, { __tostring = function() return 'me' end })))
        print(string.format('%s %s %d', {}, 'x', 3), pcall(string.format, '%p', {}))
        print(#tostring(call), tostring(pbx))";
    let said = said(body);
    assert_eq!(said[0], "log table function me");
    assert_eq!(said[1], "log table x 3 false main.lua:3: string.format: %p is not allowed");
    assert_eq!(said[2], "log 5 table");
}

#[test]
fn holes_are_closed() {
    for name in [
        "coroutine",
        "io",
        "os",
        "package",
        "debug",
        "dofile",
        "loadfile",
        "collectgarbage",
        "rawset",
        "rawget",
        "warn",
    ] {
        assert_eq!(said(&format!("print({name})")), ["failed"], "{name}");
    }
    for (body, want) in [
        ("print(string.dump)", "log nil"),
        ("print(getmetatable(''))", "log locked"),
        (
            "print(getmetatable(_G), getmetatable(pbx), getmetatable(call))",
            "log locked locked locked",
        ),
        (
            "print(pcall(setmetatable, pbx, {}))",
            "log false main.lua:2: setmetatable: this table is locked",
        ),
        (
            "print(pcall(setmetatable, {}, { __gc = print }))",
            "log false main.lua:2: setmetatable: __gc is not allowed",
        ),
        (
            "print(pcall(setmetatable, {}, { __mode = 'k' }))",
            "log false main.lua:2: setmetatable: __mode is not allowed (no weak tables)",
        ),
        (
            "print(pcall(function() string.x = 1 end))",
            "log false main.lua:2: string cannot be changed (in 'x')",
        ),
        (
            "print(pcall(function() pbx.log.info = 1 end))",
            "log false main.lua:2: pbx.log cannot be changed (in 'info')",
        ),
        (
            "print(pcall(function() _G.print = 1 end))",
            "log false main.lua:2: assignment to undeclared global 'print' (use local)",
        ),
        ("print(load('return 1 + 1')())", "log 2"),
        ("print(load('x ='))", "log nil"),
        (
            "print(pcall(load, '\\27Lua', 'x', 'b'))",
            "log false main.lua:2: load: only text can be loaded",
        ),
        ("print((load '\\27Lua'))", "log nil"),
        (
            "local m = { __index = { a = 1 } } local o = setmetatable({}, m) print(o.a, getmetatable(o) == m)",
            "log 1 true",
        ),
    ] {
        assert!(said(body)[0].starts_with(want), "{body}: {:?}", said(body));
    }
}

#[test]
fn random_is_told_by_the_seed_of_the_call() {
    let body = "print(math.random(6), math.random(1000, 2000), math.random() < 1, math.random(math.mininteger, math.maxinteger))";
    assert_eq!(said(body), said(body));
    assert!(!said(body)[0].contains("nil"));
    assert!(said("math.random(2, 1)")[0].starts_with("failed"));
}

#[test]
fn a_comparator_may_wait_and_sorting_is_stable() {
    let mut it = World::handler(
        "local t = { 3, 1, 2 }
        table.sort(t, function(a, b) call:sleep(1) return a < b end)
        print(table.concat(t, ' '))
        print((('abc'):gsub('%w', function(c) return c .. c end)))",
    );
    while !it.pending.is_empty() {
        it.answer(super::world::DONE);
    }
    let told = it.told();
    assert!(told.contains(&"c1 log 1 2 3 at main.lua:4".to_owned()), "{told:?}");
    assert!(told.contains(&"c1 log aabbcc at main.lua:5".to_owned()), "{told:?}");
}

#[test]
fn a_search_is_paid_for_by_its_steps_of_which_it_has_so_many() {
    let units = |pattern: &str| {
        let body = format!("print((pcall(string.find, ('a'):rep(2000), '{pattern}')))");
        World::handler(&body).plan.units()
    };
    let cost = units(".-b") - units("a");
    assert!((90_000..=110_000).contains(&cost), "{cost}");
}
