//! A small engine for tests: it answers operations at once or leaves them pending, and writes down
//! what happened.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{CallId, Cause, Mono, Now, OpId};
use crate::call::plan::{End, NoRoute, Op, Outcome, Plan, State, Step, View, Way};
use crate::lua::{Files, Limits, LuaPlan};

/// A plan, a clock, and a protocol of the steps.
pub(super) struct World {
    pub(super) plan: LuaPlan,
    pub(super) now: Now,
    /// What waits: operation, call, what.
    pub(super) pending: BTreeMap<OpId, (CallId, Op)>,
    pub(super) told: Vec<String>,
}

impl World {
    pub(super) fn new(main: &str) -> Self {
        Self::with(Limits::default(), &[("main.lua", main)])
    }

    pub(super) fn with(limits: Limits, files: &[(&str, &str)]) -> Self {
        let mut plan = LuaPlan::new(limits);
        let user =
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        plan.load(&Files { embedded: Vec::new(), user }).unwrap();
        Self { plan, now: Now::default(), pending: BTreeMap::new(), told: Vec::new() }
    }

    /// A handler for the number 1, run until it waits.
    pub(super) fn handler(body: &str) -> Self {
        let mut world = Self::new(&format!("pbx.internal('1', function(call, m)\n{body}\nend)"));
        world.begin(1, "1").unwrap();
        world.run();
        world
    }

    pub(super) fn begin(&mut self, call: u64, to: &str) -> Result<(), NoRoute> {
        self.plan.begin(self.now, CallId(call), view(to))
    }

    /// Runs until nothing can run.
    pub(super) fn run(&mut self) {
        for _ in 0..100_000 {
            let Some(step) = self.plan.run(self.now) else { return };
            self.tell(step);
        }
        panic!("it runs for ever: {:?}", self.told.iter().rev().take(3).collect::<Vec<_>>());
    }

    fn tell(&mut self, step: Step) {
        let line = match step {
            Step::Sliced { .. } | Step::Loading => return,
            Step::Loaded { generation, result } => match result {
                Ok(slips) => slips
                    .iter()
                    .fold(format!("loaded {generation}"), |line, it| format!("{line}, but {it}")),
                Err(problems) => {
                    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                    format!("refused {generation}: {}", problems.join(", "))
                }
            },
            Step::Do { call, id, op, at } => {
                let line = format!("{call} {op:?} at {at}");
                self.pending.insert(id, (call, op));
                line
            }
            Step::Cancel { call, id } => {
                format!("{call} cancel {:?}", self.pending.remove(&id).unwrap().1)
            }
            Step::Log { call, text, at } => format!("{call} log {text} at {at}"),
            Step::Handled { call, end } => format!("{call} {}", shown(&end)),
            Step::Over { call } => format!("{call} over"),
        };
        self.told.push(line);
    }

    /// Time passes, then the oldest pending operation comes to this.
    pub(super) fn answer(&mut self, outcome: Outcome) {
        let (&id, _) = self.pending.iter().next().unwrap();
        self.answer_op(id, outcome);
    }

    pub(super) fn answer_op(&mut self, id: OpId, outcome: Outcome) {
        self.wait(20);
        self.pending.remove(&id).unwrap();
        self.plan.resume(self.now, id, outcome);
        self.run();
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.now.mono = self.now.mono + Duration::from_millis(millis);
        if self.plan.poll_timeout().is_some_and(|it| it <= self.now.mono) {
            self.plan.handle_timeout(self.now);
            self.run();
        }
    }

    pub(super) fn hang_up(&mut self, call: u64) {
        self.plan.advance(CallId(call), State::Ended);
        self.pending.retain(|_, it| it.0 != CallId(call));
        self.plan.hang_up(self.now, CallId(call), Cause::Hangup);
        self.run();
    }

    /// What was told since last asked.
    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

pub(super) fn view(to: &str) -> View {
    View {
        direction: Way::Internal,
        from: "1001".to_owned(),
        from_name: Some("Ann".to_owned()),
        to: to.to_owned(),
        extension: Some("1001".to_owned()),
        transferred_by: None,
        headers: vec![("X-Tag".to_owned(), "blue".to_owned())],
        seed: 7,
    }
}

fn shown(end: &End) -> String {
    match end {
        End::Returned => "returned".to_owned(),
        End::HungUp => "hung up".to_owned(),
        End::Failed(it) => format!("failed at {}: {}", it.at, it.message),
        End::Killed(it) => format!("killed at {}: {}", it.at, it.message),
    }
}

/// Loads this as main.lua; the problems as text.
pub(super) fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let user = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let files = Files { embedded: Vec::new(), user };
    let problems = LuaPlan::new(Limits::default()).load(&files).unwrap_err();
    problems.iter().map(|it| format!("{}: {}", it.at, it.message)).collect()
}

pub(super) const DONE: Outcome = Outcome::Done;

#[test]
fn time_stands_still_unless_told() {
    let world = World::new("");
    assert_eq!(world.now.mono, Mono::ZERO);
}
