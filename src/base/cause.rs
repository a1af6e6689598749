//! Why a call or a leg ended: one list, with its SIP status, its Q.850 number and the word that
//! scripts see.

use std::fmt;

/// Why a call or a leg ended, or why nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The callee is busy.
    Busy,
    /// It rang, nobody answered in time.
    NoAnswer,
    /// The callee refused.
    Declined,
    /// No device of the callee is registered or reachable.
    Offline,
    /// Something went wrong on the way.
    Failed,
    /// It is not allowed.
    Forbidden,
    /// There is no such number.
    NotFound,
    /// A limit is reached.
    Limit,
    /// A party hung up.
    Hangup,
    /// Nothing was heard of a party any more.
    Lost,
}

/// One row of the list.
struct Row {
    cause: Cause,
    word: &'static str,
    status: u16,
    q850: u8,
}

/// Every cause, its word, the SIP status it becomes before an answer and its Q.850 number.
const ROWS: &[Row] = &[
    Row { cause: Cause::Busy, word: "busy", status: 486, q850: 17 },
    Row { cause: Cause::NoAnswer, word: "no_answer", status: 480, q850: 19 },
    Row { cause: Cause::Declined, word: "declined", status: 603, q850: 21 },
    Row { cause: Cause::Offline, word: "offline", status: 480, q850: 20 },
    Row { cause: Cause::Failed, word: "failed", status: 500, q850: 41 },
    Row { cause: Cause::Forbidden, word: "forbidden", status: 403, q850: 21 },
    Row { cause: Cause::NotFound, word: "not_found", status: 404, q850: 1 },
    Row { cause: Cause::Limit, word: "limit", status: 503, q850: 42 },
    Row { cause: Cause::Hangup, word: "hangup", status: 603, q850: 16 },
    Row { cause: Cause::Lost, word: "lost", status: 408, q850: 102 },
];

impl Cause {
    /// Every cause there is.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|it| it.cause)
    }

    /// The word that scripts see.
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// The cause of a script's word.
    pub fn from_word(word: &str) -> Option<Self> {
        ROWS.iter().find(|it| it.word == word).map(|it| it.cause)
    }

    /// The SIP status that refuses a call for this cause.
    pub fn status(self) -> u16 {
        self.row().status
    }

    /// The number that stands in a Reason header (RFC 3326).
    pub fn q850(self) -> u8 {
        self.row().q850
    }

    /// What a final SIP status of a callee means.
    pub fn from_status(status: u16) -> Self {
        match status {
            401 | 403 | 407 => Self::Forbidden,
            404 | 410 | 484 | 604 => Self::NotFound,
            408 | 430 => Self::Offline,
            480 => Self::NoAnswer,
            486 | 600 => Self::Busy,
            487 => Self::Hangup,
            603 | 607 | 608 => Self::Declined,
            _ => Self::Failed,
        }
    }

    fn row(self) -> &'static Row {
        ROWS.iter().find(|it| it.cause == self).unwrap_or(&ROWS[4])
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_one_row_and_its_word_finds_it() {
        for cause in Cause::all() {
            assert_eq!(Cause::from_word(cause.word()), Some(cause));
            assert!((400..700).contains(&cause.status()));
        }
        assert_eq!(Cause::all().count(), 10);
        assert_eq!(Cause::from_word("bussy"), None);
    }
}
