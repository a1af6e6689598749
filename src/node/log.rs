//! The log: human lines on standard error, written by a thread of its own, so that a terminal or
//! pipe that nobody reads never stops a call.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait; those that come when it is full are counted and thrown away.
const LINES_MAX: usize = 8192;
/// How long a line waits for others, which are then written together: lines come in crowds, and to
/// wake a thread costs whoever speaks more than the line does.
const GATHER: Duration = Duration::from_millis(20);
/// How long the last lines may take to be written when we end.
const FLUSH: Duration = Duration::from_millis(300);

/// A way to wait for the last line.
#[derive(Clone, Debug)]
pub(super) struct Log(SyncSender<Entry>);

/// Begins to log. `MOONSWITCH_LOG` says how much: `warn`, `info` (the default), `debug`, or
/// directives such as `info,moonswitch::node::udp=debug`.
pub(super) fn start() -> io::Result<Log> {
    let (queue, entries) = sync_channel(LINES_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&lost);
    thread::Builder::new().name("log".into()).spawn(move || write_all(&entries, &counter))?;

    let filter = EnvFilter::try_from_env("MOONSWITCH_LOG").unwrap_or_else(|_| "info".into());
    // A second start in one process (a test) keeps the first subscriber.
    _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(Lines { queue: queue.clone(), lost })
        .try_init();
    Ok(Log(queue))
}

impl Log {
    /// Waits until everything said so far is written, if that is soon.
    pub(super) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.0.try_send(Entry::Flush(done)).is_ok() {
            _ = written.recv_timeout(FLUSH);
        }
    }
}

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

#[derive(Clone)]
struct Lines {
    queue: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

/// One line while it is put together.
struct Line {
    text: Vec<u8>,
    lines: Lines,
}

fn write_all(entries: &Receiver<Entry>, lost: &AtomicU64) {
    let mut text = Vec::new();
    while let Ok(first) = entries.recv() {
        if matches!(first, Entry::Line(_)) {
            gather();
        }
        let mut waiting = Vec::new();
        for entry in std::iter::once(first).chain(entries.try_iter().take(LINES_MAX)) {
            match entry {
                Entry::Line(line) => text.extend_from_slice(&line),
                Entry::Flush(done) => waiting.push(done),
            }
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            _ = writeln!(text, "… {lost} lines of the log were lost here");
        }
        // Nobody can be told that the log cannot be written.
        _ = io::stderr().lock().write_all(&text);
        text.clear();
        waiting.into_iter().for_each(|it| _ = it.try_send(()));
    }
}

#[expect(clippy::disallowed_methods, reason = "the log's thread has nothing else to do")]
fn gather() {
    thread::sleep(GATHER);
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { text: Vec::new(), lines: self.clone() }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = Entry::Line(std::mem::take(&mut self.text));
        if self.lines.queue.try_send(line).is_err() {
            self.lines.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
