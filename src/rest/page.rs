//! Lists in pieces: what a query asks for, and the links to the other pieces (RFC 8288).

use super::problem::{FieldProblem, Problem};
use super::routes::decoded;
use super::{Asked, Response};
use crate::base::nearest::hint;

/// Rows of a page when nothing is said, and the most there may be.
const SIZE: u32 = 50;
const SIZE_MAX: u32 = 1000;

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// From 1.
    pub(super) page: u32,
    /// Rows of a page.
    pub(super) size: u32,
}

/// A piece that follows a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct After {
    /// The last row that was seen.
    pub(super) after: Option<i64>,
    /// The most rows.
    pub(super) limit: u32,
}

impl Page {
    /// Reads `page` and `size`.
    pub(super) fn of(asked: &Asked<'_>) -> Result<Self, Problem> {
        let mut it = Self { page: 1, size: SIZE };
        read(&asked.request.query, &["page", "size"], |name, value| match name {
            "page" => number(value, u32::MAX.into()).map(|n| it.page = n as u32),
            _ => number(value, SIZE_MAX.into()).map(|n| it.size = n as u32),
        })?;
        Ok(it)
    }

    /// How many rows come before the page.
    pub(super) fn skip(self) -> usize {
        (self.page as usize - 1).saturating_mul(self.size as usize)
    }

    /// Adds the total and the links.
    pub(super) fn mark(self, response: Response, path: &str, total: u64) -> Response {
        let Self { page, size } = self;
        let last = total.div_ceil(u64::from(size)).max(1);
        let link =
            |page: u64, rel: &str| format!("<{path}?page={page}&size={size}>; rel=\"{rel}\"");
        let mut links = vec![link(1, "first")];
        let page = u64::from(page);
        links.extend((page > 1).then(|| link((page - 1).min(last), "prev")));
        links.extend((page < last).then(|| link(page + 1, "next")));
        links.push(link(last, "last"));
        response.with("X-Total-Count", total.to_string()).with("Link", links.join(", "))
    }
}

impl After {
    /// Reads `after` and `limit`, and gives every other parameter that is known to `take`.
    pub(super) fn of(
        asked: &Asked<'_>,
        known: &[&'static str],
        mut take: impl FnMut(&str, &str) -> Result<(), String>,
    ) -> Result<Self, Problem> {
        let mut it = Self { after: None, limit: SIZE };
        let known = [&["after", "limit"], known].concat();
        read(&asked.request.query, &known, |name, value| match name {
            "after" => number(value, i64::MAX as u64).map(|n| it.after = i64::try_from(n).ok()),
            "limit" => number(value, SIZE_MAX.into()).map(|n| it.limit = n as u32),
            _ => take(name, value),
        })?;
        Ok(it)
    }

    /// Adds the link to what follows, of which the same is wanted.
    pub(super) fn mark(self, response: Response, asked: &Asked<'_>, next: Option<i64>) -> Response {
        let Some(next) = next else { return response };
        let parts = asked.request.query.split('&').filter(|it| !it.is_empty());
        let wanted: String = parts
            .filter(|it| !it.starts_with("after=") && !it.starts_with("limit="))
            .map(|it| format!("&{it}"))
            .collect();
        let (path, limit) = (&asked.request.path, self.limit);
        response.with("Link", format!("<{path}?after={next}&limit={limit}{wanted}>; rel=\"next\""))
    }
}

/// Takes every parameter of a query, or tells of all that are wrong.
pub(super) fn read(
    query: &str,
    known: &[&'static str],
    mut take: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    for part in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value_shown = || Some(value.chars().take(64).collect());
        let taken = match known.contains(&name) {
            true => match decoded(value) {
                Some(value) => take(name, &value),
                None => Err("its percents make no sense".to_owned()),
            },
            false => {
                Err(format!("there is no such parameter{}", hint(name, known.iter().copied())))
            }
        };
        if let Err(why) = taken {
            let name: String = name.chars().take(64).collect();
            wrong.push(FieldProblem::new(&name, value_shown(), why));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Problem::invalid(wrong)) }
}

fn number(text: &str, max: u64) -> Result<u64, String> {
    let it = text.parse().ok().filter(|it| (1..=max).contains(it));
    it.ok_or_else(|| format!("a number from 1 to {max} is wanted"))
}
