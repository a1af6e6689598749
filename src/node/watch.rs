//! Watches the directory of scripts: when it has changed and come to rest, all of it is read, and
//! the switch gets it as one set.
//!
//! What the system tells of changes is taken as a hint only: the whole directory is read each time,
//! and a set that is the same as the last one goes nowhere.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use crate::call::{Input, Scripts, Source};

use super::clock::Clock;
use super::eyes::Eyes;
use super::post::Post;
use super::scripts::{Folder, Found};

/// How long the directory must be left alone before it is read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How long we wait for that at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// When we try again to put a set into a full queue.
const AGAIN: Duration = Duration::from_millis(50);

/// What the thread works with.
pub(super) struct Desk {
    /// What is watched.
    pub(super) folder: Folder,
    /// The time.
    pub(super) clock: Clock,
    /// Where sets go.
    pub(super) switch: Post<Input>,
}

/// Runs for ever. `last` is what the switch began with.
pub(super) fn run(desk: &Desk, mut last: Found) -> io::Result<()> {
    let (bell, changes) = sync_channel(1);
    let path = std::path::absolute(desk.folder.path())?;
    let mut eyes = Eyes::new("scripts", vec![path], bell);
    loop {
        // First the eyes, then the reading, so that no change falls between them.
        eyes.open();
        let found = desk.read(&changes);
        if found == last || desk.deliver(&found, &changes) {
            last = found;
            eyes.wait(&changes);
        }
        let until = desk.clock.mono() + PATIENCE;
        while changes.recv_timeout(QUIET).is_ok() && desk.clock.mono() < until {}
    }
}

impl Desk {
    /// A file that has just gone, or cannot be read yet, gets a second chance.
    fn read(&self, changes: &Receiver<()>) -> Found {
        self.folder.read().or_else(|_| {
            _ = changes.recv_timeout(QUIET);
            self.folder.read()
        })
    }

    /// Gives a set to the switch. False when its queue was full until there was something newer.
    fn deliver(&self, found: &Found, changes: &Receiver<()>) -> bool {
        let mut input = Input::Scripts(Scripts { source: Source::Watch, files: found.clone() });
        while let Err(back) = self.switch.put(input) {
            if changes.recv_timeout(AGAIN).is_ok() {
                return false;
            }
            input = back;
        }
        self.switch.ring();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::node::post::{Letter, post};

    #[test]
    fn a_full_queue_is_tried_again_until_there_is_something_newer() {
        let (switch, mailbox) = post(1).unwrap();
        let folder = Folder::of(&config::Draft::default().settle().unwrap());
        let desk = Desk { folder, clock: Clock::start(), switch: switch.clone() };
        let (bell, changes) = sync_channel(1);
        switch.put(Input::Shutdown).unwrap();
        bell.send(()).unwrap();
        assert!(!desk.deliver(&Err(Vec::new()), &changes));
        assert!(matches!(mailbox.take(), Letter::Came(Input::Shutdown)));
        assert!(desk.deliver(&Err(Vec::new()), &changes));
        assert!(matches!(mailbox.take(), Letter::Came(Input::Scripts(_))));
    }
}
