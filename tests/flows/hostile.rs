//! Hostile scripts, a file each in `hostile/`: each ends as its first line says, within twice its
//! limit of units, and a well-behaved call of the same generation gets its turn in every round
//! meanwhile. Everything is counted, nothing is timed.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use moonswitch::base::{CallId, Cause, Now, OpId};
use moonswitch::call::plan::{End, Outcome, Plan, Step, View, Way};
use moonswitch::lua::{Files, Limits, LuaPlan};

const HOSTILE: CallId = CallId(1);
const GOOD: CallId = CallId(2);

/// The well-behaved neighbour: it waits, computes a little, and asks for the next thing.
const NEIGHBOUR: &str = "
pbx.internal('2', function(call)
  while true do
    call:sleep(1)
    local n = 0
    for i = 1, 100 do n = n + i end
  end
end)
pbx.internal('1', require 'hostile')
";

#[test]
fn every_hostile_script_ends_as_it_should_and_its_neighbour_does_not_suffer() {
    let files = scripts();
    assert!(files.len() >= 20);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let told = Trial::run(&text, &file.display().to_string());
        let again = Trial::run(&text, &file.display().to_string());
        assert_eq!(told, again, "{}: not the same twice", file.display());
    }
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows/hostile");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

struct Trial<'a> {
    name: &'a str,
    plan: LuaPlan,
    limits: Limits,
    now: Now,
    end: Option<End>,
    is_over: bool,
    /// What the engine would answer next round.
    pending: Vec<(CallId, OpId)>,
    told: Vec<String>,
    /// Units of the hostile call since it last waited, in all its phases.
    spent: u64,
    neighbour_ops: u64,
}

impl<'a> Trial<'a> {
    fn run(text: &str, name: &'a str) -> Vec<String> {
        let limits = Limits { slice: 20_000, between_waits: 400_000, ..Limits::default() };
        let user = [("main.lua", NEIGHBOUR), ("hostile.lua", text)];
        let user = user.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let mut plan = LuaPlan::new(limits);
        plan.load(&Files { embedded: Vec::new(), user }).unwrap();
        plan.begin(Now::default(), HOSTILE, view("1")).unwrap();
        plan.begin(Now::default(), GOOD, view("2")).unwrap();
        let mut it = Self {
            name,
            plan,
            limits,
            now: Now::default(),
            end: None,
            is_over: false,
            pending: Vec::new(),
            told: Vec::new(),
            spent: 0,
            neighbour_ops: 0,
        };
        for _ in 0..2000 {
            if it.end.is_none() {
                it.round();
            }
        }
        it.rounds(200);
        it.plan.hang_up(it.now, HOSTILE, Cause::Hangup);
        it.spent = 0;
        it.rounds(1000);
        it.check(text);
        it.told
    }

    fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.round();
        }
    }

    /// Answers what waits, then runs until the neighbour has had its turn. A script of waits that
    /// take no time gets no time.
    fn round(&mut self) {
        let waits = std::mem::take(&mut self.pending);
        let (hostile, good): (Vec<_>, Vec<_>) = waits.into_iter().partition(|it| it.0 == HOSTILE);
        let no_time = self.name.contains("no_wait");
        if no_time {
            self.answer(&hostile);
        }
        self.now.mono = self.now.mono + Duration::from_millis(10);
        if !no_time {
            self.spent = if hostile.is_empty() { self.spent } else { 0 };
            self.answer(&hostile);
        }
        self.answer(&good);
        if self.plan.poll_timeout().is_some_and(|it| it <= self.now.mono) {
            self.plan.handle_timeout(self.now);
        }
        let before = self.neighbour_ops;
        let mut slices = 0;
        while self.neighbour_ops == before {
            slices += self.step();
            assert!(slices <= 2, "{}: the neighbour waited for more than a slice", self.name);
        }
    }

    fn answer(&mut self, ops: &[(CallId, OpId)]) {
        for (_, op) in ops {
            self.plan.resume(self.now, *op, Outcome::Done);
        }
    }

    /// One step; 1 when the hostile call has used a slice.
    fn step(&mut self) -> u64 {
        let before = self.plan.units();
        let step = self
            .plan
            .run(self.now)
            .unwrap_or_else(|| panic!("{}: the neighbour is gone", self.name));
        let units = self.plan.units() - before;
        let slice = u64::from(self.limits.slice);
        // One pattern search and one string cannot be cut; they overrun a slice by their own bounds.
        assert!(units <= slice + 100_000 + 70_000, "{}: a slice of {units} units", self.name);
        let limit = u64::from(self.limits.between_waits);
        match step {
            Step::Do { call: GOOD, id, .. } => {
                self.neighbour_ops += 1;
                self.pending.push((GOOD, id));
                return 0;
            }
            Step::Do { call, id, at, .. } => {
                assert!(at.line > 0, "{}: no line", self.name);
                self.pending.push((call, id));
            }
            Step::Cancel { id, .. } => self.pending.retain(|it| it.1 != id),
            Step::Log { text, at, .. } => self.told.push(format!("{text} at {at}")),
            Step::Handled { call, end } => {
                assert_eq!(call, HOSTILE, "{}: the neighbour ended: {end:?}", self.name);
                assert_eq!(self.end, None);
                self.told.push(format!("{end:?}"));
                self.end = Some(end);
            }
            Step::Over { call } => {
                assert_eq!(call, HOSTILE);
                self.is_over = true;
            }
            Step::Sliced { .. } | Step::Loading | Step::Loaded { .. } => {}
        }
        self.spent += units;
        assert!(self.spent <= 2 * limit, "{}: {} units, and no end", self.name, self.spent);
        u64::from(units > 0)
    }

    fn check(&self, text: &str) {
        let mut lines = text.lines();
        let want =
            lines.next().and_then(|it| it.strip_prefix("-- expect: ")).expect("the first line");
        let got = match self.end.as_ref().expect("it ends") {
            End::Returned => "returned",
            End::HungUp => "hung up",
            End::Failed(_) => "failed",
            End::Killed(_) => "killed",
        };
        assert_eq!(
            got,
            want,
            "{}: {:?}",
            self.name,
            self.told.iter().rev().take(3).collect::<Vec<_>>()
        );
        assert!(self.is_over, "{}: something of it is left", self.name);
        if let Some(End::Killed(it)) = &self.end {
            assert!(it.at.file.ends_with(".lua"), "{}: {:?}", self.name, it.at);
        }
        for wanted in lines.filter_map(|it| it.strip_prefix("-- log: ")) {
            assert!(
                self.told.iter().any(|it| it.contains(wanted)),
                "{}: {:?}",
                self.name,
                self.told
            );
        }
    }
}

fn view(to: &str) -> View {
    View {
        direction: Way::Internal,
        from: "1001".to_owned(),
        from_name: None,
        to: to.to_owned(),
        extension: Some("1001".to_owned()),
        transferred_by: None,
        headers: Vec::new(),
        seed: 1,
    }
}
