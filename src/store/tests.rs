use std::path::PathBuf;

/// A database file of a test's own, gone with it.
pub(super) struct File {
    pub(super) path: PathBuf,
    folder: PathBuf,
}

impl File {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("store-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { path: folder.join("house.db"), folder }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}
