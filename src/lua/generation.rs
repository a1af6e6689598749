//! One version of the scripts: compiled, run once, its routes sorted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Value};
use sha2::{Digest, Sha256};

use super::errors;
use super::host::{Host, Loading, Registered, Turn};
use super::meter::{Limits, Phase};
use super::sandbox::{self, Sandbox};
use crate::base::nearest::hint;
use crate::call::plan::{self, Place};

/// All scripts as text: `(name, text)`, the name below the scripts' directory (`lib/x.lua`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The layer that ships.
    pub embedded: Vec<(String, String)>,
    /// The user's layer above it.
    pub user: Vec<(String, String)>,
}

/// Why scripts were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// What.
    pub message: String,
}

/// A generation that calls run on.
pub(super) struct Generation {
    pub(super) id: plan::Generation,
    pub(super) sandbox: Sandbox,
    pub(super) host: Rc<Host>,
    routes: Vec<Registered>,
}

/// Where the embedded layer's files seem to lie, so that places tell the layers apart.
const EMBEDDED: &str = "moonswitch/";
const MAIN: &str = "main.lua";

/// Compiled files by name.
type Chunks = Rc<RefCell<BTreeMap<String, Function>>>;

impl Generation {
    /// Compiles and runs the scripts.
    pub(super) fn load(limits: Limits, files: &Files) -> Result<Self, Vec<Problem>> {
        let names = check_names(files)?;
        let id = hash(files);
        let host = Host::new(limits);
        *host.files.borrow_mut() = names.keys().cloned().collect();
        let chunks = Chunks::default();
        let finder = Rc::clone(&chunks);
        let sandbox = sandbox::build(
            &host,
            &id.to_string(),
            Box::new(move |_, name| find(&finder.borrow(), name)),
        );
        let sandbox = sandbox.map_err(|error| vec![host_problem(&error)])?;
        let compiled = compile(&sandbox, &names)?;
        let mains: Vec<_> = [format!("{EMBEDDED}{MAIN}"), MAIN.to_owned()]
            .into_iter()
            .filter_map(|name| Some((compiled.get(&name)?.clone(), name)))
            .collect();
        *chunks.borrow_mut() = compiled;
        *host.loading.borrow_mut() = Some(Loading::default());
        for (main, file) in mains {
            run_main(&sandbox, &host, main, &file).map_err(|problem| vec![problem])?;
        }
        let routes = host.loading.borrow_mut().take().unwrap_or_default().routes;
        let routes = sort(routes)?;
        Ok(Self { id, sandbox, host, routes })
    }

    /// The handler that takes this number, and what its pattern captured.
    pub(super) fn route(&self, number: &str) -> Option<(&Registered, Vec<(String, String)>)> {
        const NUMBER_MAX: usize = 256;
        if number.len() > NUMBER_MAX {
            return None;
        }
        self.routes.iter().find_map(|it| Some((it, it.pattern.matches(number)?)))
    }
}

/// The files by the names that errors show; problems when a name is bad or comes twice.
fn check_names(files: &Files) -> Result<BTreeMap<String, &str>, Vec<Problem>> {
    let mut names = BTreeMap::new();
    let mut problems = Vec::new();
    let layers = [(EMBEDDED, &files.embedded), ("", &files.user)];
    for (prefix, layer) in layers {
        for (name, text) in layer {
            let at = Place { file: name.clone(), line: 0 };
            let stem = name.strip_suffix(".lua").unwrap_or_default();
            if !stem.split('/').all(is_word) || (prefix.is_empty() && name.starts_with(EMBEDDED)) {
                problems.push(Problem { at, message: "this is no name for a script".to_owned() });
            } else if names.insert(format!("{prefix}{name}"), text.as_str()).is_some() {
                problems.push(Problem { at, message: "the file is there twice".to_owned() });
            }
        }
    }
    if !files.user.is_empty() && !names.contains_key(MAIN) {
        let at = Place { file: MAIN.to_owned(), line: 0 };
        problems.push(Problem { at, message: "there is no main.lua".to_owned() });
    }
    if problems.is_empty() { Ok(names) } else { Err(problems) }
}

fn is_word(it: &str) -> bool {
    !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-')
}

fn compile(
    sandbox: &Sandbox,
    names: &BTreeMap<String, &str>,
) -> Result<BTreeMap<String, Function>, Vec<Problem>> {
    let mut compiled = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, text) in names {
        let chunk = sandbox
            .lua
            .load(*text)
            .set_name(format!("@{name}"))
            .set_mode(mlua::chunk::ChunkMode::Text);
        match chunk.set_environment(sandbox.env.clone()).into_function() {
            Ok(function) => {
                compiled.insert(name.clone(), function);
            }
            Err(error) => {
                let message = errors::readable(&Value::Error(Box::new(error)));
                let (at, message) = errors::split(&message, |it| it == name);
                let at = at.unwrap_or_else(|| Place { file: name.clone(), line: 0 });
                problems.push(Problem { at, message: errors::one_line(message) });
            }
        }
    }
    if problems.is_empty() { Ok(compiled) } else { Err(problems) }
}

/// Runs a layer's main file to its end; nothing waits while loading.
fn run_main(sandbox: &Sandbox, host: &Host, main: Function, file: &str) -> Result<(), Problem> {
    let origin = Place { file: file.to_owned(), line: 0 };
    let budget = host.limits.load;
    *host.turn.borrow_mut() = Turn { origin: origin.clone(), ..Turn::default() };
    host.meter.start(Phase::Live, budget, i64::from(budget), 0);
    host.weigh_in(&sandbox.lua, 0);
    let problem = |message: String, at: Place| Err(Problem { at, message });
    let run = || {
        let thread = sandbox.lua.create_thread(sandbox.start.clone())?;
        let values: MultiValue = thread.resume(main)?;
        Ok((thread.is_resumable(), values))
    };
    let result: mlua::Result<_> = run();
    let turn = host.turn.take();
    let (is_unfinished, values) = match result {
        Ok(it) => it,
        Err(error) => return problem(errors::readable(&Value::Error(Box::new(error))), origin),
    };
    if let Some(fatal) = turn.doomed {
        let at = turn.raised.map_or(origin, |it| it.at);
        return problem(format!("{fatal} (while loading)"), at);
    }
    let finished = matches!(values.front(), Some(Value::Boolean(true)));
    match turn.raised {
        _ if finished => Ok(()),
        Some(error) => problem(error.message, error.at),
        None if is_unfinished => problem("it waits while loading".to_owned(), origin),
        None => problem(values.get(1).map_or_else(String::new, errors::readable), origin),
    }
}

/// The file that `require(name)` means: the user's before the embedded one.
fn find(chunks: &BTreeMap<String, Function>, name: &str) -> Result<(String, Function), String> {
    const NAME_MAX: usize = 128;
    if name.len() > NAME_MAX || !name.split('.').all(is_word) {
        let short: String = name.chars().take(40).collect();
        return Err(format!("{short:?} is no name of a script (like \"lib.greeting\")"));
    }
    if name == "main" {
        return Err("main.lua is where loading begins".to_owned());
    }
    let file = format!("{}.lua", name.replace('.', "/"));
    let found = [file.clone(), format!("{EMBEDDED}{file}")];
    let found = found.into_iter().find_map(|it| Some((chunks.get(&it)?.clone(), it)));
    found.map(|(function, file)| (file, function)).ok_or_else(|| {
        let names: Vec<_> = chunks
            .keys()
            .map(|it| {
                it.strip_prefix(EMBEDDED).unwrap_or(it).trim_end_matches(".lua").replace('/', ".")
            })
            .collect();
        format!("there is no script '{name}'{}", hint(name, names.iter().map(String::as_str)))
    })
}

/// Routes in the order in which they are asked: of two of the same shape the user's comes first.
fn sort(mut routes: Vec<Registered>) -> Result<Vec<Registered>, Vec<Problem>> {
    let layer = |it: &Registered| it.at.file.starts_with(EMBEDDED);
    routes.sort_by(|a, b| a.pattern.order(&b.pattern).then(layer(a).cmp(&layer(b))));
    let same = |a: &Registered, b: &Registered| {
        a.pattern.shape() == b.pattern.shape() && layer(a) == layer(b)
    };
    let problems: Vec<_> = routes
        .windows(2)
        .filter(|it| same(&it[0], &it[1]))
        .map(|it| Problem {
            at: it[1].at.clone(),
            message: format!("this route is there already, at {}: {}", it[0].at, it[0].pattern),
        })
        .collect();
    if problems.is_empty() { Ok(routes) } else { Err(problems) }
}

/// The first 32 bits of the hash over everything.
fn hash(files: &Files) -> plan::Generation {
    let mut hash = Sha256::new();
    for layer in [&files.embedded, &files.user] {
        let mut layer: Vec<_> = layer.iter().collect();
        layer.sort();
        hash.update((layer.len() as u64).to_be_bytes());
        for text in layer.into_iter().flat_map(|it| [&it.0, &it.1]) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
    let digest = hash.finalize();
    plan::Generation(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
}

fn host_problem(error: &mlua::Error) -> Problem {
    let message = errors::readable(&Value::Error(Box::new(error.clone())));
    Problem { at: Place::default(), message: errors::one_line(&message) }
}

/// Collects what is left of calls that are over.
pub(super) fn collect(lua: &Lua) {
    // Out of memory while freeing it: the next allocation says so.
    let _ = lua.gc_collect();
}
