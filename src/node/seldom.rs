//! Lines of the log that strangers can provoke: each kind is told at most once in a while, and what
//! was kept quiet is counted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::base::Mono;

/// How long a kind stays quiet after a line.
const QUIET: Duration = Duration::from_secs(10);

/// What was told of each kind. There are as many kinds as somebody has written down, never as many
/// as strangers can think of.
#[derive(Debug, Default)]
pub(super) struct Seldom(BTreeMap<&'static str, Kind>);

#[derive(Debug, Default)]
struct Kind {
    quiet_until: Option<Mono>,
    kept_quiet: u64,
}

/// How many of a kind were not told since the last line; to be put at the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Others(u64);

impl Seldom {
    /// Whether something of this kind is to be told now.
    pub(super) fn may_tell(&mut self, now: Mono, kind: &'static str) -> Option<Others> {
        let it = self.0.entry(kind).or_default();
        if it.quiet_until.is_some_and(|until| now < until) {
            it.kept_quiet += 1;
            return None;
        }
        it.quiet_until = Some(now + QUIET);
        Some(Others(std::mem::take(&mut it.kept_quiet)))
    }
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " ({n} more before that)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once_in_a_while_and_the_others_are_counted() {
        let mut seldom = Seldom::default();
        let mut told =
            |ms, kind| seldom.may_tell(Mono::from_millis(ms), kind).map(|it| it.to_string());
        assert_eq!(told(0, "a").as_deref(), Some(""));
        assert_eq!(told(9_999, "a"), None);
        assert_eq!(told(9_999, "b").as_deref(), Some(""));
        assert_eq!(told(9_999, "a"), None);
        assert_eq!(told(10_000, "a").as_deref(), Some(" (2 more before that)"));
        assert_eq!(told(20_000, "a").as_deref(), Some(""));
    }
}
