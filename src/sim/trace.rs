//! What happened in a world, line by line. The same seed gives the same bytes.

use std::fmt;

use crate::base::Mono;
use crate::media::Command;

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

/// The first line of a message and its CSeq.
pub(super) struct Line<'a>(pub(super) &'a [u8]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.0);
        let mut lines = text.lines();
        f.write_str(lines.next().unwrap_or(""))?;
        match lines.find_map(|it| it.strip_prefix("CSeq:")) {
            Some(cseq) => write!(f, " ({})", cseq.trim()),
            None => Ok(()),
        }
    }
}

/// A command in few words: what is played is long.
pub(super) struct Told<'a>(pub(super) &'a Command);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Command::Play { stream, op, .. } => write!(f, "is told to play {stream} {op}"),
            other => write!(f, "is told {other:?}"),
        }
    }
}
