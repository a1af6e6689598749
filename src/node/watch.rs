//! Watches the directory of scripts: when it has changed and come to rest, all of it is read, and
//! the switch gets it as one set.
//!
//! What the system tells of changes is taken as a hint only: the whole directory is read each time,
//! and a set that is the same as the last one goes nowhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::call::{Input, Scripts, Source};

use super::clock::Clock;
use super::post::Post;
use super::scripts::{Folder, Found};

/// How long the directory must be left alone before it is read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How long we wait for that at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// When we try again to put a set into a full queue.
const AGAIN: Duration = Duration::from_millis(50);
/// How often we look by ourselves where the system cannot tell us.
const LOOK: Duration = Duration::from_secs(5);

/// How often we look although the system would tell us: it does not tell of a link further up that
/// leads elsewhere now, nor of files on another machine.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);

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
    let mut eyes = Eyes::new(std::path::absolute(desk.folder.path())?, bell);
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

/// Sees that something has changed.
struct Eyes {
    path: PathBuf,
    /// Where the directory really was when it was watched last: it may be a link.
    real: Option<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    /// Whether the system tells us; then nobody needs to look.
    sees: bool,
    /// Held so that the channel stays open when there is no watcher.
    bell: SyncSender<()>,
}

impl Eyes {
    fn new(path: PathBuf, bell: SyncSender<()>) -> Self {
        let mut it = Self { path, real: None, watcher: None, sees: true, bell };
        it.watcher = it.note(it.watcher());
        it
    }

    /// Watches what is there now: the directory may have been made or replaced, or others in it.
    fn open(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        if let Some(before) = self.real.take() {
            // It fails where the directory is gone, and with it what watched it.
            _ = watcher.unwatch(&before);
        }
        // The parent first: whether there is a directory is asked when nobody can make one unseen.
        let parent = self.path.parent().filter(|it| it.is_dir());
        let parent = parent.map_or(Ok(()), |it| watcher.watch(it, RecursiveMode::NonRecursive));
        self.real = self.path.canonicalize().ok().filter(|it| it.is_dir());
        let watched = parent.and_then(|()| match &self.real {
            Some(it) => watcher.watch(it, RecursiveMode::Recursive),
            None => Ok(()),
        });
        self.note(watched);
    }

    fn wait(&self, changes: &Receiver<()>) {
        _ = changes.recv_timeout(if self.sees { LOOK_ANYWAY } else { LOOK });
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let (path, bell) = (self.path.clone(), self.bell.clone());
        let told = move |event: notify::Result<Event>| {
            if event.map_or(true, |it| concerns(&it, &path)) {
                // A bell that rings already need not ring twice.
                _ = bell.try_send(());
            }
        };
        // Whoever links to the whole disk must not make us watch it.
        RecommendedWatcher::new(told, Config::default().with_follow_symlinks(false))
    }

    /// Says once when we cannot see.
    fn note<T>(&mut self, result: notify::Result<T>) -> Option<T> {
        let sees = result.is_ok();
        if let Err(e) = &result
            && self.sees
        {
            let seconds = LOOK.as_secs();
            tracing::warn!("scripts cannot be watched ({e}); looking every {seconds} s instead");
        }
        self.sees = sees;
        result.ok()
    }
}

/// Whether a file or directory of ours may be another now. Our neighbours do not concern us, nor
/// that somebody reads: we do so ourselves.
fn concerns(event: &Event, path: &Path) -> bool {
    let is_change = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    };
    let parent = path.parent();
    let is_neighbour = |it: &Path| it != path && (it.parent() == parent || Some(it) == parent);
    event.need_rescan() || (is_change && event.paths.iter().any(|it| !is_neighbour(it)))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag, ModifyKind};

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

    #[test]
    fn only_changes_of_the_directory_concern_us() {
        let ours = Path::new("/data/scripts");
        let create = EventKind::Create(CreateKind::File);
        let read = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let check = |kind, path: &str| concerns(&Event::new(kind).add_path(path.into()), ours);
        assert!(check(create, "/data/scripts/main.lua"));
        assert!(check(EventKind::Modify(ModifyKind::Any), "/data/scripts"));
        assert!(!check(create, "/data/moonswitch.db-wal"));
        assert!(check(create, "/releases/5/main.lua"), "the directory may be a link");
        assert!(!check(EventKind::Modify(ModifyKind::Any), "/data"));
        assert!(!check(read, "/data/scripts/main.lua"));
        assert!(concerns(&Event::new(EventKind::Other).set_flag(Flag::Rescan), ours));
    }
}
