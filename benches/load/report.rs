//! The table.

use std::fmt;
use std::fs;
use std::thread;
use std::time::Duration;

/// Failures that are shown; the others are counted.
const SHOWN: usize = 3;

/// One measurement.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) rate: String,
    pub(crate) units: usize,
    pub(crate) failures: Vec<String>,
    pub(crate) cpu: Duration,
    pub(crate) note: String,
}

impl Figure {
    /// Something that was needed for a measurement did not work.
    pub(crate) fn failed(what: &str, failures: Vec<String>) -> Self {
        Self {
            what: what.to_owned(),
            rate: String::new(),
            units: failures.len(),
            failures,
            cpu: Duration::ZERO,
            note: String::new(),
        }
    }
}

/// All measurements, and the machine they were made on.
pub(crate) struct Report {
    load_before: String,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { load_before: load(), figures: Vec::new() }
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// How many units failed.
    pub(crate) fn failed(&self) -> usize {
        self.figures.iter().map(|it| it.failures.len()).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let (before, after) = (&self.load_before, load());
        writeln!(f, "{cores} cores; load average {before} before, {after} after\n")?;
        writeln!(
            f,
            "{:<26} {:>8} {:>8} {:>7} {:>9} {:>11}  note",
            "what", "rate", "units", "failed", "CPU ms", "us CPU each"
        )?;
        for it in &self.figures {
            let each = it.cpu.as_secs_f64() * 1e6 / it.units.max(1) as f64;
            writeln!(
                f,
                "{:<26} {:>8} {:>8} {:>7} {:>9} {each:>11.2}  {}",
                it.what,
                it.rate,
                it.units,
                it.failures.len(),
                it.cpu.as_millis(),
                it.note
            )?;
            for failure in it.failures.iter().take(SHOWN) {
                writeln!(f, "    {failure}")?;
            }
        }
        Ok(())
    }
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
