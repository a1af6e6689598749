//! Which scripts were loaded and refused, as JSON.

use std::fmt::Write as _;

use crate::base::Wall;
use crate::call::plan::Problem;
use crate::call::{Load, Standing};

/// The answer to `GET /api/v1/scripts`: the latest first.
pub(super) fn json(loads: &[Load]) -> String {
    let rows: Vec<_> = loads.iter().rev().map(row).collect();
    format!(r#"{{"scripts":[{}]}}"#, rows.join(","))
}

fn row(load: &Load) -> String {
    let id = load.generation.map_or_else(|| "null".to_owned(), |it| format!("\"{it}\""));
    let none = [].as_slice();
    let (state, problems) = match &load.standing {
        Standing::Current { .. } => ("current", none),
        Standing::Replaced { calls: 0 } => ("replaced", none),
        Standing::Replaced { .. } => ("in_use", none),
        Standing::Refused { problems } => ("refused", &**problems),
    };
    let problems: Vec<_> = problems.iter().map(problem).collect();
    format!(
        r#"{{"generation":{id},"at":"{}","source":"{}","state":"{state}","calls":{},"problems":[{}]}}"#,
        rfc3339(load.at),
        load.source.word(),
        load.standing.calls(),
        problems.join(","),
    )
}

fn problem(problem: &Problem) -> String {
    let Problem { at, message } = problem;
    format!(r#"{{"file":{},"line":{},"message":{}}}"#, quoted(&at.file), at.line, quoted(message))
}

/// A JSON string (RFC 8259 §7).
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            it if it.is_control() => _ = write!(out, "\\u{:04x}", u32::from(it)),
            it => out.push(it),
        }
    }
    out.push('"');
    out
}

/// A moment as RFC 3339 wants it, in UTC.
fn rfc3339(at: Wall) -> String {
    let (days, second) = (at.as_secs() / 86_400, at.as_secs() % 86_400);
    let mut year = 1970;
    let mut left = days;
    while left >= year_length(year) {
        left -= year_length(year);
        year += 1;
    }
    let mut month = 0;
    while left >= month_length(year, month) {
        left -= month_length(year, month);
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millis = at.0 / 1000 % 1000;
    format!(
        "{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z",
        month + 1,
        left + 1,
    )
}

const fn year_length(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn month_length(year: u64, month: u64) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Source;
    use crate::call::plan::{Generation, Place};

    #[test]
    fn the_latest_load_comes_first_and_nothing_breaks_out_of_its_quotes() {
        let at = Place { file: "main.lua".into(), line: 3 };
        let problems = [Problem { at, message: "\"oops\"\n\\".into() }].into();
        let loads = [
            Load {
                generation: Some(Generation(0xab)),
                at: Wall(1_893_456_000_123_456),
                source: Source::Start,
                standing: Standing::Current { calls: 2 },
            },
            Load {
                generation: None,
                at: Wall(0),
                source: Source::Watch,
                standing: Standing::Refused { problems },
            },
        ];
        let want = concat!(
            r#"{"scripts":[{"generation":null,"at":"1970-01-01T00:00:00.000Z","source":"watch","#,
            r#""state":"refused","calls":0,"problems":[{"file":"main.lua","line":3,"#,
            r#""message":"\"oops\"\u000a\\"}]},"#,
            r#"{"generation":"000000ab","at":"2030-01-01T00:00:00.123Z","source":"start","#,
            r#""state":"current","calls":2,"problems":[]}]}"#,
        );
        assert_eq!(json(&loads), want);
    }

    #[test]
    fn days_fall_into_their_months() {
        for (seconds, want) in [
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Wall(seconds * 1_000_000)), want);
        }
    }
}
