//! Which scripts were loaded and refused, as JSON.

use crate::base::json::quoted;
use crate::call::plan::Problem;
use crate::call::{Load, Standing};

/// The answer to `GET /api/v1/scripts`: the latest first.
pub(super) fn json(loads: &[Load]) -> String {
    let rows: Vec<_> = loads.iter().rev().map(row).collect();
    format!(r#"{{"scripts":[{}]}}"#, rows.join(","))
}

fn row(load: &Load) -> String {
    let id = load.generation.map_or_else(|| "null".to_owned(), |it| format!("\"{it}\""));
    let slips = &*load.slips;
    let (state, problems) = match &load.standing {
        Standing::Current { .. } => ("current", slips),
        Standing::Replaced { calls: 0 } => ("replaced", slips),
        Standing::Replaced { .. } => ("in_use", slips),
        Standing::Refused { problems } => ("refused", &**problems),
    };
    let problems: Vec<_> = problems.iter().map(problem).collect();
    format!(
        r#"{{"generation":{id},"at":"{}","source":"{}","state":"{state}","calls":{},"problems":[{}]}}"#,
        load.at,
        load.source.word(),
        load.standing.calls(),
        problems.join(","),
    )
}

fn problem(problem: &Problem) -> String {
    let Problem { at, message } = problem;
    format!(r#"{{"file":{},"line":{},"message":{}}}"#, quoted(&at.file), at.line, quoted(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
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
                slips: [].into(),
            },
            Load {
                generation: None,
                at: Wall(0),
                source: Source::Watch,
                standing: Standing::Refused { problems },
                slips: [].into(),
            },
        ];
        let want = concat!(
            r#"{"scripts":[{"generation":null,"at":"1970-01-01T00:00:00.000Z","source":"watch","#,
            r#""state":"refused","calls":0,"problems":[{"file":"main.lua","line":3,"#,
            r#""message":"\"oops\"\n\\"}]},"#,
            r#"{"generation":"000000ab","at":"2030-01-01T00:00:00.123Z","source":"start","#,
            r#""state":"current","calls":2,"problems":[]}]}"#,
        );
        assert_eq!(json(&loads), want);
    }
}
