//! Which scripts were loaded or refused, and how many calls run on them.

use std::sync::Arc;

use super::event::What;
use super::plan::{Generation, Place, Plan, Problem};
use super::switch::{Switch, tell};
use super::{Output, Scripts, Source};
use crate::base::{Now, Wall};

/// One attempt to load scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// What the texts are called; none when they could not be read.
    pub generation: Option<Generation>,
    /// When it was over.
    pub at: Wall,
    /// Why they were read.
    pub source: Source,
    /// What became of them.
    pub standing: Standing,
    /// What looks wrong in them although they loaded.
    pub slips: Arc<[Problem]>,
}

/// What became of scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// New calls get them.
    Current {
        /// Calls that run on them, those included whose scripts are cleaning up.
        calls: usize,
    },
    /// Others have taken their place.
    Replaced {
        /// Calls that still run on them.
        calls: usize,
    },
    /// They did not load.
    Refused {
        /// Why.
        problems: Arc<[Problem]>,
    },
}

/// The loads so far, the latest last.
#[derive(Debug, Default)]
pub(super) struct Loads {
    list: Vec<Load>,
    /// Why the scripts were read that are being loaded.
    pending: Option<Source>,
    /// Rises whenever the list changes.
    revision: u64,
}

/// Loads that are remembered, besides those that calls run on.
const REMEMBERED: usize = 16;
/// Versions that calls may run on at the same time: each holds a state of its own.
const IN_USE_MAX: usize = 64;
/// Problems of one load that are remembered.
const PROBLEMS_MAX: usize = 50;

impl<P: Plan> Switch<P> {
    /// Loads the first scripts, before there are calls that would have to wait.
    ///
    /// # Errors
    /// When they do not load.
    pub fn start(
        &mut self,
        now: Now,
        scripts: Scripts,
        out: &mut Vec<Output>,
    ) -> Result<Generation, Arc<[Problem]>> {
        self.load(now, scripts, out);
        while self.loads.pending.is_some() {
            let Some(step) = self.plan.run(now) else { break };
            self.step(now, step, out);
        }
        match self.loads.list.last().map(|it| &it.standing) {
            Some(Standing::Refused { problems }) => Err(Arc::clone(problems)),
            _ => Ok(self.plan.generation()),
        }
    }

    /// The loads so far, the latest last. Old ones are forgotten.
    pub fn loads(&self) -> &[Load] {
        &self.loads.list
    }

    /// A number that rises whenever [`Switch::loads`] changes.
    pub fn loads_revision(&self) -> u64 {
        self.loads.revision
    }

    pub(super) fn load(&mut self, now: Now, scripts: Scripts, out: &mut Vec<Output>) {
        let Scripts { source, files } = scripts;
        let files = match files {
            Ok(files) => files,
            Err(problems) => return self.refuse(now, None, source, problems, out),
        };
        let generation = files.generation();
        if self.loads.pending.is_none() && self.loads.is_current(generation) {
            // Somebody took a refused change back.
            if self.loads.last_is_refused() {
                let slips = self.loads.slips_of(generation);
                self.take(now, generation, source, slips, out);
            }
            return;
        }
        if self.loads.in_use() >= IN_USE_MAX && !self.loads.runs(generation) {
            let message = format!("calls still run on {IN_USE_MAX} older versions of the scripts");
            let problem = Problem { at: Place::default(), message };
            return self.refuse(now, Some(generation), source, vec![problem], out);
        }
        self.loads.pending = Some(source);
        self.plan.begin_load(files);
    }

    /// The plan has loaded scripts, or could not.
    pub(super) fn loaded(
        &mut self,
        now: Now,
        generation: Generation,
        result: Result<Vec<Problem>, Vec<Problem>>,
        out: &mut Vec<Output>,
    ) {
        let source = self.loads.pending.take().unwrap_or(Source::Start);
        match result {
            Ok(slips) => self.take(now, generation, source, bounded(slips), out),
            Err(problems) => self.refuse(now, Some(generation), source, problems, out),
        }
    }

    fn take(
        &mut self,
        now: Now,
        generation: Generation,
        source: Source,
        slips: Arc<[Problem]>,
        out: &mut Vec<Output>,
    ) {
        let calls = self.loads.make_current(generation);
        let load = Load {
            generation: Some(generation),
            at: now.wall,
            source,
            standing: Standing::Current { calls },
            slips: Arc::clone(&slips),
        };
        self.loads.note(load);
        tell(out, now, None, What::ScriptsLoaded { generation, source, slips });
    }

    fn refuse(
        &mut self,
        now: Now,
        generation: Option<Generation>,
        source: Source,
        problems: Vec<Problem>,
        out: &mut Vec<Output>,
    ) {
        let problems = bounded(problems);
        let standing = Standing::Refused { problems: Arc::clone(&problems) };
        let slips = Arc::default();
        self.loads.note(Load { generation, at: now.wall, source, standing, slips });
        tell(out, now, None, What::ScriptsRefused { generation, source, problems });
    }
}

/// As many problems as are remembered of one load.
fn bounded(mut problems: Vec<Problem>) -> Arc<[Problem]> {
    if problems.len() > PROBLEMS_MAX {
        let message = format!("{} more problems", problems.len() - PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        problems.push(Problem { at: Place::default(), message });
    }
    problems.into()
}

impl Loads {
    /// A call runs on this generation from now on.
    pub(super) fn began(&mut self, generation: Generation) {
        self.count(generation, |calls| calls + 1);
    }

    /// Nothing is left of a call that ran on it.
    pub(super) fn ended(&mut self, generation: Generation) {
        self.count(generation, |calls| calls.saturating_sub(1));
        self.forget();
    }

    fn count(&mut self, generation: Generation, change: impl Fn(usize) -> usize) {
        for it in self.list.iter_mut().filter(|it| it.generation == Some(generation)) {
            if let Standing::Current { calls } | Standing::Replaced { calls } = &mut it.standing {
                *calls = change(*calls);
                self.revision += 1;
            }
        }
    }

    /// What looks wrong in scripts that are loaded.
    fn slips_of(&self, generation: Generation) -> Arc<[Problem]> {
        let load = self.list.iter().find(|it| it.generation == Some(generation));
        load.map(|it| Arc::clone(&it.slips)).unwrap_or_default()
    }

    fn is_current(&self, generation: Generation) -> bool {
        let current = |it: &Load| matches!(it.standing, Standing::Current { .. });
        self.list.iter().any(|it| it.generation == Some(generation) && current(it))
    }

    fn last_is_refused(&self) -> bool {
        self.list.last().is_some_and(|it| matches!(it.standing, Standing::Refused { .. }))
    }

    fn runs(&self, generation: Generation) -> bool {
        self.list.iter().any(|it| it.generation == Some(generation) && it.standing.calls() > 0)
    }

    /// Versions that would not go if they were replaced.
    fn in_use(&self) -> usize {
        self.list.iter().filter(|it| it.standing.calls() > 0).count()
    }

    /// Whatever was current is replaced; how many calls run already on what is current now.
    fn make_current(&mut self, generation: Generation) -> usize {
        for it in &mut self.list {
            if let Standing::Current { calls } = it.standing {
                it.standing = Standing::Replaced { calls };
            }
        }
        let same = self.list.iter().find(|it| it.generation == Some(generation));
        same.map_or(0, |it| it.standing.calls())
    }

    /// Writes a load down; an earlier one of the same texts makes room for it.
    fn note(&mut self, load: Load) {
        self.list.retain(|it| it.generation.is_none() || it.generation != load.generation);
        self.list.push(load);
        self.forget();
        self.revision += 1;
    }

    /// Forgets the oldest that nobody needs.
    fn forget(&mut self) {
        let mut surplus = self.list.len().saturating_sub(REMEMBERED);
        self.list.retain(|it| {
            let is_needed =
                it.standing.calls() > 0 || matches!(it.standing, Standing::Current { .. });
            if surplus == 0 || is_needed {
                return true;
            }
            surplus -= 1;
            false
        });
    }
}

impl Standing {
    /// Calls that run on these scripts.
    pub fn calls(&self) -> usize {
        match self {
            Self::Current { calls } | Self::Replaced { calls } => *calls,
            Self::Refused { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_loads_are_forgotten_unless_calls_run_on_them() {
        let mut loads = Loads::default();
        for n in 0..100 {
            take(&mut loads, n);
            if n < 3 {
                loads.began(Generation(n));
            }
        }
        let kept: Vec<_> =
            loads.list.iter().filter_map(|it| it.generation).map(|it| it.0).collect();
        assert_eq!(kept.len(), REMEMBERED);
        assert_eq!(kept[..4], [0, 1, 2, 87]);
        assert_eq!(loads.in_use(), 3);
        loads.ended(Generation(1));
        take(&mut loads, 100);
        assert!(!loads.list.iter().any(|it| it.generation == Some(Generation(1))));
        assert!(loads.is_current(Generation(100)) && !loads.is_current(Generation(99)));
    }

    #[test]
    fn going_back_to_texts_that_calls_still_run_on_counts_these_calls() {
        let mut loads = Loads::default();
        take(&mut loads, 1);
        loads.began(Generation(1));
        take(&mut loads, 2);
        assert_eq!(loads.list[0].standing, Standing::Replaced { calls: 1 });
        take(&mut loads, 1);
        assert_eq!(loads.list.len(), 2);
        assert_eq!(loads.list[1].standing, Standing::Current { calls: 1 });
    }

    fn take(loads: &mut Loads, n: u32) {
        let calls = loads.make_current(Generation(n));
        let (source, standing) = (Source::Watch, Standing::Current { calls });
        let (generation, slips) = (Some(Generation(n)), Arc::default());
        loads.note(Load { generation, at: Wall(0), source, standing, slips });
    }
}
