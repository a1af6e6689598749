//! Looks after the files of certificates and keys: when one has changed and all are good together,
//! handshakes from then on get the new ones. What is wrong is told once and changes nothing; who is
//! connected notices neither.

use std::io;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::super::clock::Clock;
use super::super::eyes::Eyes;
use super::credentials::{Current, Files, Texts};

/// How long the files must be left alone before they are read: a certificate and its key come one
/// after the other.
const QUIET: Duration = Duration::from_millis(300);
/// How long we wait for that at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the thread works with.
pub(super) struct Desk {
    pub(super) files: Files,
    pub(super) current: Current,
    pub(super) clock: Clock,
    pub(super) eyes: Eyes,
    /// What the eyes ring, and whoever else wants us to look.
    pub(super) changes: Receiver<()>,
}

impl Desk {
    /// Runs for ever. `last` is what the node began with.
    pub(super) fn run(mut self, last: Texts) -> io::Result<()> {
        let mut last = Ok(last);
        loop {
            // First the eyes, then the reading, so that no change falls between them.
            self.eyes.open();
            let found = self.files.read();
            if found != last {
                let wall = Duration::from_micros(self.clock.now().wall.0);
                let made = match &found {
                    Ok(texts) => self.files.credentials(texts, wall).map_err(|e| e.to_string()),
                    Err(bad) => Err(bad.to_string()),
                };
                match made {
                    Ok(credentials) => {
                        credentials.tell("new");
                        self.current.set(credentials);
                    }
                    Err(e) => tracing::error!("{e}; the certificates before it stay"),
                }
                last = found;
            }
            self.eyes.wait(&self.changes);
            let until = self.clock.mono() + PATIENCE;
            while self.changes.recv_timeout(QUIET).is_ok() && self.clock.mono() < until {}
        }
    }
}
