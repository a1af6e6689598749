//! The rules of the house, each a function over one [`Source`] that says what is broken and where.

use crate::source::{Kind, Source, stands};

/// Each room and what of the others it may name, in dependency order: a room stands below those
/// that name it. `docs/ARCHITECTURE.md` says what each is for.
pub(crate) const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("config", &["base"]),
    ("sip", &["base"]),
    ("sdp", &["base"]),
    ("rtp", &["base"]),
    ("audio", &["base"]),
    ("media", &["base", "sdp", "rtp", "audio"]),
    ("directory", &["base"]),
    ("call", &["base", "sip", "sdp", "media", "directory"]),
    ("lua", &["base", "directory", "call::plan"]),
    ("store", &["base", "directory", "call::event"]),
    ("rest", &["base", "directory", "store", "call"]),
    ("sim", &["base", "config", "sip", "sdp", "rtp", "audio", "media", "directory", "call", "lua"]),
    (
        "node",
        &[
            "base",
            "config",
            "sip",
            "sdp",
            "rtp",
            "audio",
            "media",
            "directory",
            "call",
            "lua",
            "store",
            "rest",
            "sim",
        ],
    ),
    (
        "cli",
        &[
            "base",
            "config",
            "sip",
            "sdp",
            "rtp",
            "audio",
            "media",
            "directory",
            "call",
            "lua",
            "store",
            "rest",
            "sim",
            "node",
        ],
    ),
];

/// The rooms with windows: they may wait, read the clock and open things. All others compute.
pub(crate) const WINDOWS: &[&str] = &["node", "cli"];

/// Who may name a foreign crate.
pub(crate) enum Who {
    Anybody,
    Rooms(&'static [&'static str]),
    Tests,
}

/// Each foreign crate and who may name it, so that it can be replaced at one place.
pub(crate) const CRATES: &[(&str, Who)] = &[
    ("bytes", Who::Anybody),
    ("memchr", Who::Anybody),
    ("siphasher", Who::Rooms(&["base"])),
    ("rand_chacha", Who::Rooms(&["base"])),
    ("md5", Who::Anybody),
    ("sha2", Who::Anybody),
    ("hmac", Who::Anybody),
    ("subtle", Who::Anybody),
    ("rtp_rs", Who::Rooms(&["rtp"])),
    ("mlua", Who::Rooms(&["lua"])),
    ("ropus", Who::Rooms(&["audio"])),
    ("tokio", Who::Rooms(WINDOWS)),
    ("hyper", Who::Rooms(WINDOWS)),
    ("hyper_util", Who::Rooms(WINDOWS)),
    ("http_body_util", Who::Rooms(WINDOWS)),
    ("toml", Who::Rooms(WINDOWS)),
    ("serde", Who::Rooms(WINDOWS)),
    ("nix", Who::Rooms(WINDOWS)),
    ("socket2", Who::Rooms(WINDOWS)),
    ("notify", Who::Rooms(WINDOWS)),
    ("rustls", Who::Rooms(WINDOWS)),
    ("webpki", Who::Rooms(WINDOWS)),
    ("rcgen", Who::Rooms(WINDOWS)),
    ("tracing", Who::Rooms(WINDOWS)),
    ("tracing_subscriber", Who::Rooms(WINDOWS)),
    ("rusqlite", Who::Rooms(&["store"])),
    ("chacha20poly1305", Who::Rooms(&["store"])),
    ("rsip", Who::Tests),
];

/// What opens, waits or asks the world. Tests in a computing room may read their fixtures.
const WORLD: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stdin",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::sync::Condvar",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
    "std::thread",
];

/// What makes two runs of one seed differ; not in tests either.
const CHANCE: &[&str] =
    &["std::time::Instant", "std::time::SystemTime", "rand", "getrandom", "fastrand"];

/// The same, by word wherever it stands.
const CHANCE_WORDS: &[&str] =
    &["RandomState", "OsRng", "from_os_rng", "new_v4", "now_v7", "thread_rng"];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["common", "handlers", "helpers", "manager", "misc", "service", "util", "utils"];

/// More lines of code than this, and a file is two.
pub(crate) const LINES_MAX: usize = 900;

/// Every rule there is.
pub(crate) const RULES: &[fn(&Source) -> Vec<Broken>] = &[
    rooms_know_only_rooms_below,
    computing_rooms_open_no_window,
    computing_rooms_leave_nothing_to_chance,
    crates_stay_in_their_rooms,
    only_rooms_with_windows_wait,
    modules_say_what_they_are,
    names_say_something,
    nothing_is_left_undone,
    tests_are_not_ignored,
    files_stay_small,
];

/// A rule is broken here.
pub(crate) struct Broken {
    pub(crate) line: usize,
    pub(crate) what: String,
}

pub(crate) fn rooms_know_only_rooms_below(source: &Source) -> Vec<Broken> {
    let Some(room) = source.room().filter(|it| !matches!(*it, "lib" | "main")) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ROOMS.iter().find(|it| it.0 == room) else {
        return broken(
            1,
            format!("`{room}` is no room: give it its place in tests/house/rules.rs"),
        );
    };
    let mut all = Vec::new();
    for it in source.named().iter().filter(|it| it.path[0] == "crate") {
        let inside = it.path[1..].join("::");
        let Some(other) = it.path.get(1).filter(|it| *it != "*") else {
            all.extend(broken(it.line, "takes the whole crate: name the rooms".to_owned()));
            continue;
        };
        // Tests of a room may play with rooms above it, as long as they compute.
        let test = it.test && !WINDOWS.contains(&other.as_str());
        let below = allowed.iter().any(|it| starts(&inside, it));
        if other != room && !below && !test && ROOMS.iter().any(|it| it.0 == other) {
            all.extend(broken(it.line, format!("`{room}` must not know `{inside}`")));
        }
    }
    all
}

pub(crate) fn computing_rooms_open_no_window(source: &Source) -> Vec<Broken> {
    if !computes(source) {
        return Vec::new();
    }
    let named = source.named();
    let outside = named.iter().filter(|it| !it.test).filter(|it| touches(&it.path, WORLD));
    outside.map(|it| Broken { line: it.line, what: in_computing(&it.path.join("::")) }).collect()
}

pub(crate) fn computing_rooms_leave_nothing_to_chance(source: &Source) -> Vec<Broken> {
    if !computes(source) {
        return Vec::new();
    }
    let named = source.named();
    let paths = named.iter().filter(|it| touches(&it.path, CHANCE));
    let mut all: Vec<_> =
        paths.map(|it| Broken { line: it.line, what: in_computing(&it.path.join("::")) }).collect();
    let code = source.code();
    for (at, it) in code.iter().enumerate().filter(|it| it.1.kind == Kind::Word) {
        let hashed = matches!(it.text.as_str(), "HashMap" | "HashSet")
            && !it.test
            && source.path != "src/base/map.rs";
        let clock = stands(&code, at, &["Instant", "::", "now"])
            || stands(&code, at, &["SystemTime", "::", "now"])
            || (at > 0 && code[at - 1].text == "." && stands(&code, at, &["elapsed", "("]));
        if hashed {
            all.extend(broken(it.line, format!("{}: take `base::Map`", in_computing(&it.text))));
        } else if clock || CHANCE_WORDS.contains(&it.text.as_str()) {
            all.extend(broken(it.line, in_computing(&it.text)));
        }
    }
    all
}

pub(crate) fn crates_stay_in_their_rooms(source: &Source) -> Vec<Broken> {
    let Some(room) = source.room() else { return Vec::new() };
    let mut all = Vec::new();
    for it in source.named() {
        let known = CRATES.iter().find(|known| known.0 == it.path[0]);
        let allowed = match known {
            None | Some((_, Who::Anybody)) => true,
            Some((_, Who::Rooms(rooms))) => rooms.contains(&room),
            Some((_, Who::Tests)) => it.test,
        };
        if !allowed {
            all.extend(broken(
                it.line,
                format!("`{room}` must not know the crate `{}`", it.path[0]),
            ));
        }
    }
    all
}

/// Not a rule over sources: every dependency in the manifest must have its row in [`CRATES`].
pub(crate) fn dependencies_without_a_room(manifest: &str) -> Vec<Broken> {
    let mut all = Vec::new();
    let mut inside = false;
    for (n, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
        } else if let Some((name, _)) = line.split_once('=').filter(|_| inside) {
            let name = match name.trim() {
                "md-5" => "md5".to_owned(), // The one whose library has another name.
                name => name.replace('-', "_"),
            };
            if !line.starts_with('#') && !CRATES.iter().any(|it| it.0 == name) {
                all.extend(broken(n + 1, format!("the crate `{name}` has no room yet")));
            }
        }
    }
    all
}

pub(crate) fn only_rooms_with_windows_wait(source: &Source) -> Vec<Broken> {
    if !computes(source) {
        return Vec::new();
    }
    let code = source.code();
    let waits = code.iter().filter(|it| matches!(it.text.as_str(), "async" | "await"));
    waits.map(|it| Broken { line: it.line, what: in_computing(&it.text) }).collect()
}

pub(crate) fn modules_say_what_they_are(source: &Source) -> Vec<Broken> {
    let said = source.tokens.first().is_some_and(|it| {
        it.kind == Kind::Comment
            && it.text.strip_prefix("//!").is_some_and(|it| !it.trim().is_empty())
    });
    let tests = source.path.ends_with("/tests.rs") && source.path.starts_with("src/");
    if said || tests {
        return Vec::new();
    }
    broken(1, "the first line is not `//! what this is`".to_owned())
}

pub(crate) fn names_say_something(source: &Source) -> Vec<Broken> {
    let mut parts = source.path.trim_end_matches(".rs").split('/');
    match parts.find(|it| EMPTY_NAMES.contains(it)) {
        Some(it) => broken(1, format!("`{it}` names nothing")),
        None => Vec::new(),
    }
}

pub(crate) fn nothing_is_left_undone(source: &Source) -> Vec<Broken> {
    let mut all = Vec::new();
    for it in source.comments() {
        for (n, line) in it.text.lines().enumerate() {
            for mark in ["TODO", "FIXME"] {
                let Some(at) = line.find(mark) else { continue };
                let owned = line[at + mark.len()..].starts_with('(')
                    && !line[at + mark.len()..].starts_with("()");
                if !owned {
                    all.extend(broken(it.line + n, format!("`{mark}` without an owner")));
                }
            }
        }
    }
    let code = source.code();
    for (at, it) in code.iter().enumerate() {
        let undone = matches!(it.text.as_str(), "todo" | "unimplemented" | "dbg");
        if undone && stands(&code, at + 1, &["!"]) {
            all.extend(broken(it.line, format!("`{}!`", it.text)));
        }
    }
    all
}

pub(crate) fn tests_are_not_ignored(source: &Source) -> Vec<Broken> {
    let code = source.code();
    let mut all = Vec::new();
    for at in 0..code.len() {
        if stands(&code, at, &["#", "["]) {
            let attribute = code[at..].iter().take_while(|it| it.text != "]");
            let ignored = attribute.into_iter().find(|it| it.text == "ignore");
            all.extend(
                ignored.map(|it| Broken { line: it.line, what: "a test is ignored".into() }),
            );
        }
    }
    for it in source.comments().filter(|it| it.text.contains("```ignore")) {
        all.extend(broken(it.line, "an example is ignored".to_owned()));
    }
    all
}

pub(crate) fn files_stay_small(source: &Source) -> Vec<Broken> {
    match source.code_lines() {
        lines if lines > LINES_MAX => {
            broken(1, format!("{lines} lines of code, more than {LINES_MAX}: these are two files"))
        }
        _ => Vec::new(),
    }
}

fn broken(line: usize, what: String) -> Vec<Broken> {
    vec![Broken { line, what }]
}

fn in_computing(what: &str) -> String {
    format!("`{what}` in a computing room")
}

fn computes(source: &Source) -> bool {
    source.room().is_some_and(|it| !WINDOWS.contains(&it) && it != "main")
}

/// Whether `path` is one of `barred`, lies below one or takes everything above one.
fn touches(path: &[String], barred: &[&str]) -> bool {
    let path = path.join("::");
    let all = path.strip_suffix("::*");
    barred.iter().any(|it| starts(&path, it) || all.is_some_and(|all| starts(it, all)))
}

/// Whether `path` is `stem` or lies below it.
fn starts(path: &str, stem: &str) -> bool {
    path.strip_prefix(stem).is_some_and(|it| it.is_empty() || it.starts_with("::"))
}
