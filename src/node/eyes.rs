//! Eyes on files and directories: they see that something has changed, and not what. Whoever has
//! them reads everything again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};

/// How often we look by ourselves where the system cannot tell us.
const LOOK: Duration = Duration::from_secs(5);

/// How often we look although the system would tell us: it does not tell of a link further up that
/// leads elsewhere now, nor of files on another machine.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);

/// Sees that something has changed.
pub(super) struct Eyes {
    /// What they look at, for the log.
    what: &'static str,
    /// Files and directories.
    paths: Arc<[PathBuf]>,
    /// Where they and their parents really were when they were watched last: there may be links.
    real: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    /// Whether the system tells us; then nobody needs to look.
    sees: bool,
    /// Held so that the channel stays open when there is no watcher.
    bell: SyncSender<()>,
}

impl Eyes {
    /// Eyes for these absolute paths; what has changed rings the bell.
    pub(super) fn new(what: &'static str, paths: Vec<PathBuf>, bell: SyncSender<()>) -> Self {
        let paths = paths.into();
        let mut it = Self { what, paths, real: Vec::new(), watcher: None, sees: true, bell };
        it.watcher = it.note(it.watcher());
        it
    }

    /// Watches what is there now: it may have been made or replaced, or something in it.
    pub(super) fn open(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for before in self.real.drain(..) {
            // It fails where a directory is gone, and with it what watched it.
            _ = watcher.unwatch(&before);
        }
        // The parents first: whether something is there is asked when nobody can make it unseen.
        let mut watched = Ok(());
        let mut look = |real: PathBuf, mode| {
            if watched.is_ok() && !self.real.contains(&real) {
                watched = watcher.watch(&real, mode);
                self.real.push(real);
            }
        };
        let parents = self.paths.iter().filter_map(|it| it.parent());
        for parent in parents.filter(|it| it.is_dir()) {
            look(parent.to_owned(), RecursiveMode::NonRecursive);
        }
        for real in self.paths.iter().filter_map(|it| it.canonicalize().ok()) {
            match real.parent() {
                // The link stays and what it leads to is replaced.
                Some(parent) if real.is_file() => {
                    look(parent.to_owned(), RecursiveMode::NonRecursive);
                }
                _ => look(real, RecursiveMode::Recursive),
            }
        }
        self.note(watched);
    }

    /// Waits until something has changed, or is to be looked at anyway.
    pub(super) fn wait(&self, changes: &Receiver<()>) {
        _ = changes.recv_timeout(if self.sees { LOOK_ANYWAY } else { LOOK });
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let (paths, bell) = (Arc::clone(&self.paths), self.bell.clone());
        let told = move |event: notify::Result<Event>| {
            if event.map_or(true, |it| concerns(&it, &paths)) {
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
            tracing::warn!(
                "{} cannot be watched ({e}); looking every {seconds} s instead",
                self.what
            );
        }
        self.sees = sees;
        result.ok()
    }
}

/// Whether a file or directory of ours may be another now. Our neighbours do not concern us, nor
/// that somebody reads: we do so ourselves.
fn concerns(event: &Event, ours: &[PathBuf]) -> bool {
    let is_change = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    };
    let is_beside = |it: &Path, ours: &Path| {
        let parent = ours.parent();
        it.parent() == parent || Some(it) == parent
    };
    let is_ours = |it: &PathBuf| ours.contains(it) || !ours.iter().any(|one| is_beside(it, one));
    event.need_rescan() || (is_change && event.paths.iter().any(is_ours))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag, ModifyKind};

    use super::*;

    #[test]
    fn only_changes_of_the_directory_concern_us() {
        let ours = &["/data/scripts".into(), "/etc/pbx/tls.pem".into()];
        let create = EventKind::Create(CreateKind::File);
        let read = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let check = |kind, path: &str| concerns(&Event::new(kind).add_path(path.into()), ours);
        assert!(check(create, "/data/scripts/main.lua"));
        assert!(check(EventKind::Modify(ModifyKind::Any), "/data/scripts"));
        assert!(!check(create, "/data/moonswitch.db-wal"));
        assert!(check(create, "/etc/pbx/tls.pem"));
        assert!(!check(create, "/etc/pbx/passwords"));
        assert!(check(create, "/releases/5/main.lua"), "the directory may be a link");
        assert!(!check(EventKind::Modify(ModifyKind::Any), "/data"));
        assert!(!check(read, "/data/scripts/main.lua"));
        assert!(concerns(&Event::new(EventKind::Other).set_flag(Flag::Rescan), ours));
    }
}
