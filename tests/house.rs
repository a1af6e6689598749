//! The rules of the house, checked from the source itself, with file and line: which room may know
//! which, and that the rooms without windows compute and do nothing else. Each rule is tried on an
//! invented source, so that we know that it bites.

#![allow(clippy::unwrap_used)]

#[path = "house/rules.rs"]
mod rules;
#[path = "house/source.rs"]
mod source;

use std::fs;
use std::path::Path;

use rules::{Broken, LINES_MAX, RULES};
use source::Source;

#[test]
fn the_house_keeps_its_rules() {
    let mut broken = Vec::new();
    for source in sources() {
        for it in RULES.iter().flat_map(|rule| rule(&source)) {
            broken.push(format!("{}:{}: {}", source.path, it.line, it.what));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_dependency_has_its_room() {
    let broken = rules::dependencies_without_a_room(&fs::read_to_string("Cargo.toml").unwrap());
    let lines: Vec<_> =
        broken.iter().map(|it| format!("Cargo.toml:{}: {}", it.line, it.what)).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn a_room_that_looks_up_is_caught() {
    let rule = rules::rooms_know_only_rooms_below;
    check(rule, "src/sip/tx/mod.rs", "use crate::call::Op;", &[1]);
    check(rule, "src/sip/tx/mod.rs", "use crate::base::Mono;", &[]);
    check(rule, "src/sip/tx/mod.rs", "use crate::sip::message::Uri;", &[]);
    check(rule, "src/sip/mod.rs", "use crate::{base::Mono,\n  media::{self, Plane}};", &[2, 2]);
    check(rule, "src/sip/mod.rs", "use crate::{\n  base::{\n    Mono,\n  },\n  lua,\n};", &[5]);
    check(rule, "src/sip/mod.rs", "fn f() { let x =\n crate::media::Plane::new(); }", &[2]);
    check(rule, "src/sip/mod.rs", "pub(crate) use crate::node::udp as wire;", &[1]);
    check(rule, "src/node/mod.rs", "use crate::cli::main;", &[1]);
    check(rule, "src/sim/mod.rs", "use crate::lua::Host;\nuse crate::node::Udp;", &[2]);
    check(rule, "src/main.rs", "use crate::cli::main;", &[]);
    check(rule, "src/attic/mod.rs", "", &[1]);
}

#[test]
fn a_room_that_looks_up_in_a_roundabout_way_is_caught_too() {
    let rule = rules::rooms_know_only_rooms_below;
    check(rule, "src/sip/mod.rs", "use super::call::Op;", &[1]);
    check(rule, "src/sip/tx/key.rs", "use super::super::super::call::Op;", &[1]);
    check(rule, "src/sip/tx/key.rs", "use super::super::message::Uri;", &[]);
    check(rule, "src/sip/mod.rs", "mod inner { use super::super::call::Op; }", &[1]);
    check(rule, "src/sip/mod.rs", "mod inner { use super::call::Op; }", &[]);
    check(rule, "src/sip/mod.rs", "use crate as house;\nfn f() { house::call::f() }", &[1, 2]);
    check(rule, "src/sip/mod.rs", "use crate::*;", &[1]);
}

#[test]
fn lua_sees_the_plan_of_a_call_and_no_more() {
    let rule = rules::rooms_know_only_rooms_below;
    check(rule, "src/lua/mod.rs", "use crate::call::plan::{Op, Step};", &[]);
    check(rule, "src/lua/mod.rs", "use crate::call::{plan::Op, plan};", &[]);
    check(rule, "src/lua/mod.rs", "use crate::call::{plan::Op, Switch};", &[1]);
    check(rule, "src/lua/mod.rs", "use crate::call::planner::Op;", &[1]);
}

#[test]
fn tests_of_a_room_may_play_with_rooms_above_that_compute() {
    let rule = rules::rooms_know_only_rooms_below;
    let tests = "#[cfg(test)]\nmod tests {\n  use crate::sim::World;\n}\nuse crate::sim::Net;";
    check(rule, "src/sip/mod.rs", tests, &[5]);
    check(rule, "src/sip/tests.rs", "use crate::sim::World;\nuse crate::node::Udp;", &[2]);
    check(rule, "src/sip/mod.rs", "#[cfg(test)]\nmod tests;\nuse crate::sim::Net;", &[3]);
    check(rule, "src/sip/mod.rs", "#[cfg(not(test))]\nuse crate::sim::Net;", &[2]);
}

#[test]
fn what_stands_in_comments_and_strings_is_not_code() {
    let rule = rules::rooms_know_only_rooms_below;
    check(rule, "src/sip/mod.rs", "// use crate::call::Op;\n/* crate::lua::f */", &[]);
    check(rule, "src/sip/mod.rs", "fn f() { g(\"use crate::call::Op; \\\" crate::lua::f\") }", &[]);
    check(
        rule,
        "src/sip/mod.rs",
        "const A: &str = r#\"\"crate::call::f\"#;\nuse crate::lua;",
        &[2],
    );
    check(rule, "src/sip/mod.rs", "fn f<'a>(c: &'a u8) { g('\"', '\\'') }\nuse crate::lua;", &[2]);
}

#[test]
fn a_window_in_a_computing_room_is_caught() {
    let rule = rules::computing_rooms_open_no_window;
    for it in [
        "use std::net::UdpSocket;",
        "use std::net::{IpAddr, TcpListener};",
        "use std::{fs, net::IpAddr};",
        "fn f() { std::fs::read(\"x\"); }",
        "use std::fs as disk;",
        "use std::net::*;",
        "use std::thread;",
        "fn f() { std::env::var(\"HOME\"); }",
        "use std::sync::{Arc, Mutex};",
    ] {
        check(rule, "src/call/mod.rs", it, &[1]);
        check(rule, "src/node/mod.rs", it, &[]);
    }
    check(rule, "src/call/mod.rs", "use std::net;\nfn f() { net::UdpSocket::bind(0) }", &[2]);
    check(rule, "src/call/mod.rs", "use std::net::{IpAddr, SocketAddr};", &[]);
    check(rule, "src/call/tests.rs", "use std::fs;", &[]);
}

#[test]
fn a_clock_in_a_computing_room_is_caught() {
    let rule = rules::computing_rooms_leave_nothing_to_chance;
    check(rule, "src/sip/mod.rs", "use std::time::Duration;", &[]);
    check(rule, "src/sip/mod.rs", "use std::time::{Duration, Instant};", &[1]);
    check(rule, "src/sip/mod.rs", "fn f() { Instant::now() }", &[1]);
    check(rule, "src/sip/mod.rs", "fn f() { SystemTime\n::now() }", &[1]);
    check(rule, "src/sip/mod.rs", "fn f() { since.elapsed() }", &[1]);
    check(rule, "src/sip/mod.rs", "fn f() { let elapsed = now - since; }", &[]);
    check(rule, "src/sip/tests.rs", "fn f() { Instant::now() }", &[1]);
    check(rule, "src/node/mod.rs", "use std::time::Instant;\nfn f() { Instant::now() }", &[]);
}

#[test]
fn chance_in_a_computing_room_is_caught() {
    let rule = rules::computing_rooms_leave_nothing_to_chance;
    for it in [
        "fn f() { rand::random() }",
        "fn f() { getrandom::fill(x) }",
        "fn f() { Uuid::new_v4() }",
        "fn f() { uuid::Uuid::now_v7() }",
        "use std::collections::HashMap;",
        "use std::collections::{BTreeMap, HashSet};",
        "use std::hash::RandomState;",
    ] {
        check(rule, "src/call/mod.rs", it, &[1]);
        check(rule, "src/node/mod.rs", it, &[]);
    }
    check(rule, "src/base/map.rs", "use std::collections::HashMap;", &[]);
    check(rule, "src/base/rng.rs", "use rand_chacha::rand_core::Rng;", &[]);
}

#[test]
fn a_crate_outside_its_room_is_caught() {
    let rule = rules::crates_stay_in_their_rooms;
    check(rule, "src/rtp/mod.rs", "use rtp_rs::RtpReader;", &[]);
    check(rule, "src/media/mod.rs", "use rtp_rs::RtpReader;", &[1]);
    check(rule, "src/lua/mod.rs", "use mlua::Lua;", &[]);
    check(rule, "src/call/mod.rs", "fn f() { mlua::Lua::new() }", &[1]);
    check(rule, "src/node/mod.rs", "use nix::sys::epoll;\nuse tokio::net;\nuse toml::Table;", &[]);
    check(rule, "src/sip/mod.rs", "use tokio::net;", &[1]);
    check(rule, "src/config/mod.rs", "use toml::Table;", &[1]);
    check(rule, "src/sip/mod.rs", "use rsip::Request;", &[1]);
    check(rule, "src/sip/mod.rs", "#[cfg(test)]\nmod tests { use rsip::Request; }", &[]);
    check(rule, "src/call/mod.rs", "use ropus::Encoder;", &[1]);
}

#[test]
fn a_dependency_without_a_room_is_caught() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nbytes = \"1\"\nleft-pad = \"1\"\n\
                    [dev-dependencies]\nmd-5 = \"1\"\n[profile.release]\nlto = false\n";
    assert_eq!(lines(&rules::dependencies_without_a_room(manifest)), [5]);
}

#[test]
fn waiting_in_a_computing_room_is_caught() {
    let rule = rules::only_rooms_with_windows_wait;
    check(rule, "src/lua/mod.rs", "pub async fn f() {}", &[1]);
    check(rule, "src/sim/mod.rs", "fn f() { async move { 1 } }", &[1]);
    check(rule, "src/node/mod.rs", "pub async fn f() {}", &[]);
    check(rule, "src/cli/mod.rs", "pub async fn f() {}", &[]);
}

#[test]
fn a_module_without_a_front_door_is_caught() {
    let rule = rules::modules_say_what_they_are;
    check(rule, "src/sip/mod.rs", "//! SIP.\nuse crate::base;", &[]);
    check(rule, "src/sip/mod.rs", "//!\nuse crate::base;", &[1]);
    check(rule, "src/sip/mod.rs", "// SIP.\n", &[1]);
    check(rule, "src/sip/mod.rs", "use crate::base;\n//! SIP.", &[1]);
    check(rule, "src/sip/mod.rs", "", &[1]);
}

#[test]
fn a_name_that_says_nothing_is_caught() {
    let rule = rules::names_say_something;
    check(rule, "src/sip/util.rs", "", &[1]);
    check(rule, "src/call/manager/mod.rs", "", &[1]);
    check(rule, "src/call/utility.rs", "", &[]);
}

#[test]
fn what_is_left_undone_is_caught() {
    let rule = rules::nothing_is_left_undone;
    check(rule, "src/sip/mod.rs", "// TODO: later\nfn f() {}", &[1]);
    check(rule, "src/sip/mod.rs", "// TODO(ada): later\nfn f() {}", &[]);
    check(rule, "src/sip/mod.rs", "/* a\n FIXME */\nfn f() {}", &[2]);
    check(rule, "src/sip/mod.rs", "fn f() {\n todo!()\n}", &[2]);
    check(rule, "src/sip/mod.rs", "fn f() {\n unimplemented!(\"x\")\n}", &[2]);
    check(rule, "src/sip/mod.rs", "fn f() { g(\"TODO\") }", &[]);
}

#[test]
fn an_ignored_test_is_caught() {
    let rule = rules::tests_are_not_ignored;
    check(rule, "src/sip/mod.rs", "#[test]\n#[ignore]\nfn f() {}", &[2]);
    check(rule, "src/sip/mod.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", &[2]);
    check(rule, "src/sip/mod.rs", "#[cfg_attr(x, ignore)]\nfn f() {}", &[1]);
    check(rule, "src/sip/mod.rs", "/// ```ignore\n/// x\n/// ```\nfn f() {}", &[1]);
    check(rule, "src/sip/mod.rs", "fn ignore() { ignore() }", &[]);
}

#[test]
fn a_file_that_grew_too_long_is_caught() {
    let rule = rules::files_stay_small;
    check(rule, "src/sip/mod.rs", &"f();\n".repeat(LINES_MAX), &[]);
    check(rule, "src/sip/mod.rs", &"f();\n".repeat(LINES_MAX + 1), &[1]);
    check(rule, "src/sip/mod.rs", &"// Words.\n\n".repeat(2 * LINES_MAX), &[]);
}

/// The rule finds fault with these lines of the invented file, and no others.
#[track_caller]
fn check(rule: fn(&Source) -> Vec<Broken>, path: &str, text: &str, expected: &[usize]) {
    let found = rule(&Source::new(path, text));
    let said: Vec<_> = found.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(lines(&found), expected, "{path}: {text}\n{said:?}");
}

fn lines(found: &[Broken]) -> Vec<usize> {
    found.iter().map(|it| it.line).collect()
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, all: &mut Vec<Source>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for it in entries.map(|it| it.unwrap().path()) {
            if it.is_dir() {
                walk(&it, all);
            } else if it.extension().is_some_and(|it| it == "rs") {
                let path = it.to_str().unwrap().replace('\\', "/");
                all.push(Source::new(&path, &fs::read_to_string(&it).unwrap()));
            }
        }
    }
    let mut all = Vec::new();
    ["src", "tests", "benches"].iter().for_each(|it| walk(Path::new(it), &mut all));
    all.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(all.len() > 20, "run from the top of the package");
    all
}
