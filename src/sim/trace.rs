//! What happened in a world, line by line. The same seed gives the same bytes.

use std::fmt;

use crate::base::Mono;

/// Lines of text, or nothing when nobody wants to read them.
#[derive(Debug, Default)]
pub struct Trace {
    text: Option<String>,
}

impl Trace {
    /// A trace that is kept.
    pub fn kept() -> Self {
        Self { text: Some(String::new()) }
    }

    /// Notes that something happened. The line is not even formatted when nobody reads it.
    pub fn note(&mut self, now: Mono, who: impl fmt::Display, what: impl fmt::Display) {
        use fmt::Write as _;
        let Some(text) = &mut self.text else { return };
        let (ms, us) = (now.as_millis(), now.as_nanos() / 1000 % 1000);
        writeln!(text, "{ms:>8}.{us:03} {who:<10} {what}").expect("strings take every line");
    }

    /// All lines so far.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("")
    }
}
