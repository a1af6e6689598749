//! The fields of a body: each is known or refused, and all that are wrong are told at once.

use super::Asked;
use super::json::Json;
use super::problem::{FieldProblem, Problem};
use crate::base::nearest::hint;

/// A field that may be written, as the page about the API tells of it.
pub(super) struct Doc {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) doc: &'static str,
}

/// Fields that are shown and never written.
const READ_ONLY: &[&str] = &["id", "uuid", "created_at", "updated_at", "last_used_at", "prefix"];

/// What was sent.
pub(super) struct Sent {
    fields: Vec<(String, Json)>,
    wrong: Vec<FieldProblem>,
}

impl Sent {
    pub(super) fn of(asked: &Asked<'_>, known: &[Doc]) -> Result<Self, Problem> {
        let is_known = |name: &str| known.iter().any(|it| it.name == name);
        let (fields, others): (Vec<_>, Vec<_>) =
            asked.fields()?.into_iter().partition(|it| is_known(&it.0));
        let names = || known.iter().map(|it| it.name);
        let wrong = others.iter().map(|it| unknown(&it.0, names())).collect();
        Ok(Self { fields, wrong })
    }

    /// The value of a field, which nobody has taken yet.
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.fields.iter().position(|it| it.0 == name)?;
        Some(self.fields.swap_remove(at).1)
    }

    /// The same, if it is a text; anything else is told of, and counts as an empty one.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Json::Text(it) => Some(it),
            _ => {
                self.wrong(name, "a text is wanted");
                Some(String::new())
            }
        }
    }

    pub(super) fn wrong(&mut self, name: &str, why: impl Into<String>) {
        self.wrong.push(FieldProblem::new(name, None, why));
    }

    /// Everything that is wrong, if something is.
    pub(super) fn settle(self) -> Result<(), Problem> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Problem::invalid(self.wrong)) }
    }
}

/// What is wrong with a field that nobody may write.
pub(super) fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> FieldProblem {
    let why = match READ_ONLY.contains(&name) {
        true => "this is ours to say".to_owned(),
        false => format!("there is no such field{}", hint(name, known)),
    };
    let name: String = name.chars().take(64).collect();
    FieldProblem::new(&name, None, why)
}
