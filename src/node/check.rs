//! Looks at the scripts as the start would, and a little closer. Nothing is bound or written.

use crate::call::plan::Generation;
use crate::config::Settings;
use crate::lua::{self, Limits, LuaPlan};

use super::Failure;
use super::start::user_scripts;

/// What was found to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Files of the user.
    pub files: usize,
    /// Routes, those that ship included.
    pub routes: usize,
    /// What the start would call it.
    pub generation: Generation,
}

/// Checks the scripts that these settings mean.
///
/// # Errors
/// A line for each problem.
pub fn check(settings: &Settings) -> Result<Checked, Failure> {
    let folder = user_scripts(settings)?;
    let lines = |problems: &[lua::Problem]| {
        Failure::Scripts(problems.iter().map(|it| folder.describe(it)).collect())
    };
    let files = folder.read().map_err(|problems| lines(&problems))?;
    let mut plan = LuaPlan::new(Limits::default());
    let loaded = plan.load(&files);
    let mut problems = lua::slips(&files.user);
    if let Err(more) = &loaded {
        problems.retain(|slip| !more.iter().any(|it| it.at == slip.at));
        problems.extend_from_slice(more);
    }
    problems.sort_by(|a, b| (&a.at.file, a.at.line).cmp(&(&b.at.file, b.at.line)));
    match loaded {
        Ok(generation) if problems.is_empty() => {
            Ok(Checked { files: files.user.len(), routes: plan.routes(), generation })
        }
        _ => Err(lines(&problems)),
    }
}
