//! One version of the scripts: compiled, run once, its routes sorted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Thread, Value};

use super::errors;
use super::host::{Host, Loading, Registered, Turn};
use super::meter::{Limits, Phase};
use super::sandbox::{self, Sandbox};
use crate::base::nearest::hint;
use crate::call::plan::{self, Files, Place, Problem, Way};

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

/// What a pattern captured: name and text.
type Captured = Vec<(String, String)>;

/// Compiled files by name.
type Chunks = Rc<RefCell<BTreeMap<String, Function>>>;

/// A generation that is being loaded, in slices.
pub(super) struct Loader {
    pub(super) id: plan::Generation,
    sandbox: Sandbox,
    host: Rc<Host>,
    /// Files that are to be compiled, the last one first.
    texts: Vec<(String, String)>,
    chunks: Chunks,
    problems: Vec<Problem>,
    /// The layers' main files that are to be run, the last one first.
    mains: Vec<String>,
    /// The main file that runs.
    running: Option<Main>,
    /// Units that are left for all of them.
    left: u32,
}

/// A layer's main file while it runs.
struct Main {
    thread: Thread,
    /// What its coroutine begins with.
    args: MultiValue,
    origin: Place,
    turn: Turn,
}

/// What is compiled in one slice, unless it is a single file.
const COMPILE_MAX: usize = 64 << 10;

impl Loader {
    /// Looks at names alone.
    pub(super) fn new(
        limits: Limits,
        id: plan::Generation,
        files: Files,
    ) -> Result<Self, Vec<Problem>> {
        check_names(&files)?;
        let embedded = files.embedded.into_iter().map(|it| (format!("{EMBEDDED}{}", it.0), it.1));
        let mut texts: Vec<_> = embedded.chain(files.user).collect();
        texts.sort_by(|a, b| b.0.cmp(&a.0));
        let host = Host::new(limits);
        *host.files.borrow_mut() = texts.iter().map(|it| it.0.clone()).collect();
        *host.loading.borrow_mut() = Some(Loading::default());
        let chunks = Chunks::default();
        let finder = Rc::clone(&chunks);
        let module = Box::new(move |_: &Lua, name: &str| find(&finder.borrow(), name));
        let sandbox = sandbox::build(&host, &id.to_string(), module);
        let sandbox = sandbox.map_err(|error| vec![host_problem(&error)])?;
        let mains = [MAIN.to_owned(), format!("{EMBEDDED}{MAIN}")];
        let mains = mains.into_iter().filter(|it| texts.iter().any(|text| text.0 == *it)).collect();
        let left = limits.load;
        let problems = Vec::new();
        Ok(Self { id, sandbox, host, texts, chunks, problems, mains, running: None, left })
    }

    /// Does a slice of the work; `None` when there is more.
    pub(super) fn step(&mut self) -> Option<Result<(), Vec<Problem>>> {
        let mut compiled = 0;
        while let Some((name, text)) = self.texts.pop() {
            self.compile(name, &text);
            compiled += text.len();
            if compiled >= COMPILE_MAX {
                return None;
            }
        }
        if !self.problems.is_empty() {
            return Some(Err(std::mem::take(&mut self.problems)));
        }
        let main = match self.running.take() {
            Some(main) => Ok(main),
            None => match self.mains.pop() {
                Some(file) => self.begin(file),
                None => return Some(Ok(())),
            },
        };
        match main.and_then(|it| self.run(it)) {
            Ok(()) => None,
            Err(problem) => Some(Err(vec![problem])),
        }
    }

    /// What has been loaded, once all steps are done.
    pub(super) fn finish(self) -> Result<Generation, Vec<Problem>> {
        let routes = self.host.loading.borrow_mut().take().unwrap_or_default().routes;
        let routes = sort(routes)?;
        Ok(Generation { id: self.id, sandbox: self.sandbox, host: self.host, routes })
    }

    fn compile(&mut self, name: String, text: &str) {
        let chunk = self
            .sandbox
            .lua
            .load(text)
            .set_name(format!("@{name}"))
            .set_mode(mlua::chunk::ChunkMode::Text);
        match chunk.set_environment(self.sandbox.env.clone()).into_function() {
            Ok(function) => {
                self.chunks.borrow_mut().insert(name, function);
            }
            Err(error) => {
                let message = errors::readable(&Value::Error(Box::new(error)));
                let (at, message) = errors::split(&message, |it| it == name);
                let at = at.unwrap_or(Place { file: name, line: 0 });
                self.problems.push(Problem { at, message: errors::one_line(message) });
            }
        }
    }

    fn begin(&self, file: String) -> Result<Main, Problem> {
        let main = self.chunks.borrow().get(&file).cloned();
        let origin = Place { file, line: 0 };
        let thread = self.sandbox.lua.create_thread(self.sandbox.start.clone());
        let (Some(main), Ok(thread)) = (main, thread) else {
            return Err(Problem { at: origin, message: "not enough memory".to_owned() });
        };
        let turn = Turn { origin: origin.clone(), ..Turn::default() };
        Ok(Main { thread, args: MultiValue::from_iter([Value::Function(main)]), origin, turn })
    }

    /// Runs a layer's main file for a slice; nothing waits while loading.
    fn run(&mut self, mut main: Main) -> Result<(), Problem> {
        let host = Rc::clone(&self.host);
        *host.turn.borrow_mut() = std::mem::take(&mut main.turn);
        host.meter.start(Phase::Live, host.limits.slice, i64::from(self.left), 0);
        host.weigh_in(&self.sandbox.lua, host.held());
        let result = main.thread.resume::<MultiValue>(std::mem::take(&mut main.args));
        let turn = host.turn.take();
        self.left = u32::try_from(host.meter.left().max(0)).unwrap_or(0);
        let problem = |message: String, at: Place| Err(Problem { at, message });
        let origin = main.origin.clone();
        let values = match result {
            Ok(it) => it,
            Err(error) => return problem(errors::readable(&Value::Error(Box::new(error))), origin),
        };
        if let Some(fatal) = turn.doomed {
            let at = turn.raised.map_or(origin, |it| it.at);
            return problem(format!("{fatal} (while loading)"), at);
        }
        let finished = matches!(values.front(), Some(Value::Boolean(true)));
        match turn.raised {
            // A yield without a value is a slice.
            _ if main.thread.is_resumable() && values.is_empty() => {
                main.turn = turn;
                self.running = Some(main);
                Ok(())
            }
            _ if main.thread.is_resumable() => problem("it waits while loading".to_owned(), origin),
            _ if finished => Ok(()),
            Some(error) => problem(error.message, error.at),
            None => problem(values.get(1).map_or_else(String::new, errors::readable), origin),
        }
    }
}

impl Generation {
    /// Loads in one go.
    pub(super) fn load(limits: Limits, files: &Files) -> Result<Self, Vec<Problem>> {
        let mut loader = Loader::new(limits, files.generation(), files.clone())?;
        loop {
            if let Some(result) = loader.step() {
                return result.and_then(|()| loader.finish());
            }
        }
    }

    /// The handler that takes this number, and what its pattern captured.
    pub(super) fn route(&self, way: Way, number: &str) -> Option<(&Registered, Captured)> {
        self.route_among(way, number, |_| true)
    }

    /// The same for the layer below the user's.
    pub(super) fn route_below(&self, way: Way, number: &str) -> Option<(&Registered, Captured)> {
        self.route_among(way, number, is_embedded)
    }

    fn route_among(
        &self,
        way: Way,
        number: &str,
        wanted: impl Fn(&Place) -> bool,
    ) -> Option<(&Registered, Captured)> {
        const NUMBER_MAX: usize = 256;
        if number.len() > NUMBER_MAX {
            return None;
        }
        let mut routes = self.routes.iter().filter(|it| it.way == way && wanted(&it.at));
        routes.find_map(|it| Some((it, it.pattern.matches(number)?)))
    }

    /// How many routes there are.
    pub(super) fn routes(&self) -> usize {
        self.routes.len()
    }
}

/// Whether this is a line of the layer that ships.
pub(super) fn is_embedded(at: &Place) -> bool {
    at.file.starts_with(EMBEDDED)
}

/// Problems when a name is bad or comes twice.
fn check_names(files: &Files) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    let layers = [(EMBEDDED, &files.embedded), ("", &files.user)];
    for (prefix, layer) in layers {
        let mut names = BTreeSet::new();
        for (name, _) in layer {
            let at = Place { file: name.clone(), line: 0 };
            let stem = name.strip_suffix(".lua").unwrap_or_default();
            if !stem.split('/').all(is_word) || (prefix.is_empty() && name.starts_with(EMBEDDED)) {
                problems.push(Problem { at, message: "this is no name for a script".to_owned() });
            } else if !names.insert(name) {
                problems.push(Problem { at, message: "the file is there twice".to_owned() });
            }
        }
        if prefix.is_empty() && !layer.is_empty() && !names.iter().any(|it| *it == MAIN) {
            let at = Place { file: MAIN.to_owned(), line: 0 };
            problems.push(Problem { at, message: "there is no main.lua".to_owned() });
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn is_word(it: &str) -> bool {
    !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-')
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
    let layer = |it: &Registered| is_embedded(&it.at);
    let way = |it: &Registered| it.way == Way::Inbound;
    routes.sort_by(|a, b| {
        let order = way(a).cmp(&way(b)).then_with(|| a.pattern.order(&b.pattern));
        order.then(layer(a).cmp(&layer(b)))
    });
    let same = |a: &Registered, b: &Registered| {
        a.way == b.way && a.pattern.shape() == b.pattern.shape() && layer(a) == layer(b)
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

fn host_problem(error: &mlua::Error) -> Problem {
    let message = errors::readable(&Value::Error(Box::new(error.clone())));
    Problem { at: Place::default(), message: errors::one_line(&message) }
}

/// Collects what is left of calls that are over.
pub(super) fn collect(lua: &Lua) {
    // Out of memory while freeing it: the next allocation says so.
    let _ = lua.gc_collect();
}
