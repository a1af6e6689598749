//! Our string library against the C library of a stock state: the same answers, case by case.

use mlua::{Lua, Table};

use crate::base::Rng;
use crate::lua::Files;
use crate::lua::generation::Generation;
use crate::lua::meter::{Limits, Phase};

/// Runs `f(…)` of both worlds and compares, in Lua; `bad` is a text of the first differences.
const JUDGE: &str = r#"
local function same(a, b)
  if a.n ~= b.n then return false end
  for i = 1, a.n do
    if a[i] ~= b[i] and not (a[i] ~= a[i] and b[i] ~= b[i]) then return false end
  end
  return true
end
local function show(t)
  local parts = {}
  for i = 1, t.n do parts[i] = tostring(t[i]) end
  return table.concat(parts, ",")
end
return function(name, ours, ...)
  local args = table.pack(...)
  local function run(f)
    local got = table.pack(pcall(f, table.unpack(args, 1, args.n)))
    if not got[1] then return { n = 1, false } end
    return got
  end
  if name == "gmatch" then
    local function all(f)
      return function(...)
        local found, rounds = {}, 0
        for a, b, c in f(...) do
          rounds = rounds + 1
          found[#found + 1] = tostring(a) .. "/" .. tostring(b) .. "/" .. tostring(c)
          if rounds > 100 then break end
        end
        return table.concat(found, ";")
      end
    end
    local a, b = run(all(string.gmatch)), run(all(ours))
    return same(a, b), show(args) .. " C: " .. show(a) .. " ours: " .. show(b)
  end
  local a, b = run(string[name]), run(ours)
  return same(a, b), name .. "(" .. show(args) .. ") C: " .. show(a) .. " ours: " .. show(b)
end
"#;

struct Both {
    generation: Generation,
    judge: mlua::Function,
    strings: Table,
    cases: usize,
    bad: Vec<String>,
}

impl Both {
    fn new() -> Self {
        let files = Files { embedded: Vec::new(), user: Vec::new() };
        let limits = Limits { memory_per_call: 64 << 20, ..Limits::default() };
        let generation = Generation::load(limits, &files).unwrap();
        let lua: &Lua = &generation.sandbox.lua;
        let judge = lua.load(JUDGE).eval().unwrap();
        let strings = generation.sandbox.env.get("string").unwrap();
        Self { generation, judge, strings, cases: 0, bad: Vec::new() }
    }

    fn compare(&mut self, name: &str, args: impl mlua::IntoLuaMulti) {
        self.generation.host.meter.start(Phase::Live, u32::MAX, i64::MAX / 2, 0);
        self.generation.host.turn.take();
        let lua = &self.generation.sandbox.lua;
        let ours: mlua::Function = self.strings.get(name).unwrap();
        let mut all = mlua::IntoLuaMulti::into_lua_multi((name, ours), lua).unwrap();
        all.extend(args.into_lua_multi(lua).unwrap());
        let (same, text) = self.judge.call::<(bool, mlua::LuaString)>(all).unwrap();
        self.cases += 1;
        if !same && self.bad.len() < 10 {
            self.bad.push(text.to_string_lossy());
        }
    }
}

#[test]
fn patterns_mean_what_they_mean_in_c() {
    const PIECES: &[&str] = &[
        "a", "b", "%d", "%a", "%w", "%S", ".", "-", "*", "+", "?", "(", ")", "[ab]", "[^a]",
        "[a-c%d]", "[]]", "[^]]", "^", "$", "1", "%s", "%1", "%2", "()", "%b()", "%bab", "%f[%w]",
        "%f", "%", "[", "]", "[a-]", "[%a-z]", "%%", "[^%s]", "%b",
    ];
    let mut both = Both::new();
    let mut rng = Rng::from_seed(7);
    for round in 0..8000 {
        let mut pattern = String::new();
        for _ in 0..1 + rng.below(6) {
            pattern.push_str(PIECES[rng.below(PIECES.len() as u64) as usize]);
        }
        let subject: String =
            (0..rng.below(9)).map(|_| char::from(b"ab1 ()c]-"[rng.below(9) as usize])).collect();
        let init = i64::try_from(rng.below(13)).unwrap() - 4;
        both.compare("find", (subject.as_str(), pattern.as_str(), init));
        both.compare("match", (subject.as_str(), pattern.as_str()));
        both.compare("gmatch", (subject.as_str(), pattern.as_str()));
        both.compare(
            "gsub",
            (subject.as_str(), pattern.as_str(), ["<%0>", "%1%%", "%2", "%"][round % 4]),
        );
        both.compare(
            "gsub",
            (subject.as_str(), pattern.as_str(), "x", i64::try_from(round % 3).unwrap()),
        );
    }
    assert!(both.bad.is_empty(), "{:#?}", both.bad);
    assert_eq!(both.cases, 40_000);
}

#[test]
fn hand_picked_patterns_too() {
    const PATTERNS: &[&str] = &[
        "^%+49(%d+)$",
        "(%d+)%-(%d+)",
        "^%s*(.-)%s*$",
        "%w+@%w+%.%a+",
        "[^,]*",
        "()a()",
        "%b()",
        "%f[%w]%w+",
        "(.)%1",
        "^(%a*)(%d*)",
        "[%a_][%w_]*",
        "x*y?z+",
        "(a*(.)%w(%s*))",
        "^$",
        "$",
        "%d%d?:%d%d",
        "%x+",
        "[%z\u{0}]",
        "%g+",
        "%c",
        "%p+",
        "%u%l*",
        "[%]]",
        "[^%]]",
        "[a%-z]",
        "((((((((((a))))))))))",
        "",
        "^",
        "%0",
        "%z",
    ];
    const SUBJECTS: &[&str] = &[
        "+4934556643378",
        "12-34",
        "  hello world  ",
        "a.b@c.de x",
        "one,two,,three",
        "xaax",
        "f(a(b)c)d",
        "THE (quick) fox",
        "aabbcc",
        "abc123",
        "_id9 = 5",
        "xxyzzz",
        "a]b",
        "",
        "08:30 17:45",
        "deadBEEF",
        "\0\u{1}\u{2}",
        "%d",
        "ä ö ü",
        "\u{b}\t\n",
    ];
    let mut both = Both::new();
    for subject in SUBJECTS {
        for pattern in PATTERNS {
            for name in ["find", "match", "gmatch"] {
                both.compare(name, (*subject, *pattern));
            }
            both.compare("find", (*subject, *pattern, 1, true));
            both.compare("gsub", (*subject, *pattern, "[%0]"));
            both.compare("gsub", (*subject, *pattern, 5));
        }
        both.compare("rep", (*subject, 3, "-"));
        both.compare("byte", (*subject, 1, -1));
        both.compare("byte", (*subject, -2));
        both.compare("sub", (*subject, 2, -2));
        both.compare("upper", *subject);
        both.compare("reverse", *subject);
        both.compare(
            "format",
            ("%5s|%-5s|%q|%%|%d|%5.2f|%x", *subject, *subject, *subject, 42, 1.5, 255),
        );
        both.compare("format", ("%d", *subject));
    }
    assert!(both.bad.is_empty(), "{:#?}", both.bad);
}
