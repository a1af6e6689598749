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
    /// What was measured, in words.
    pub(crate) value: String,
    pub(crate) note: String,
}

impl Figure {
    /// Processor time for each unit.
    pub(crate) fn cpu(
        what: impl Into<String>,
        rate: impl Into<String>,
        units: usize,
        cpu: Duration,
    ) -> Self {
        let each = cpu.as_secs_f64() * 1e6 / units.max(1) as f64;
        let value = format!("{each:.1} us CPU");
        Self { units, rate: rate.into(), ..Self::plain(what, value) }
    }

    /// Something else.
    pub(crate) fn plain(what: impl Into<String>, value: String) -> Self {
        Self {
            what: what.into(),
            rate: String::new(),
            units: 0,
            failures: Vec::new(),
            value,
            note: String::new(),
        }
    }

    /// Something that was needed for a measurement did not work.
    pub(crate) fn failed(what: &str, failures: Vec<String>) -> Self {
        Self { units: failures.len(), failures, ..Self::plain(what, "failed".to_owned()) }
    }

    pub(crate) fn with(mut self, failures: Vec<String>, note: String) -> Self {
        (self.failures, self.note) = (failures, note);
        self
    }
}

/// All measurements, and the machine they were made on.
pub(crate) struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Says what the machine is like and how the columns are called.
    pub(crate) fn begin() -> Self {
        let cores = thread::available_parallelism().map_or(0, usize::from);
        println!("{cores} cores; at the end of each line the load average\n");
        println!(
            "{:<30} {:>8} {:>7} {:>6} {:>14} {:>5}  note",
            "what", "rate", "units", "failed", "each", "load"
        );
        Self { figures: Vec::new() }
    }

    /// Takes a measurement down and shows it.
    pub(crate) fn add(&mut self, figure: Figure) {
        println!("{figure}");
        self.figures.push(figure);
    }

    /// How many units failed.
    pub(crate) fn failed(&self) -> usize {
        self.figures.iter().map(|it| it.failures.len()).sum()
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<30} {:>8} {:>7} {:>6} {:>14} {:>5}  {}",
            self.what,
            self.rate,
            self.units,
            self.failures.len(),
            self.value,
            load(),
            self.note
        )?;
        for failure in self.failures.iter().take(SHOWN) {
            write!(f, "\n    {failure}")?;
        }
        Ok(())
    }
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
