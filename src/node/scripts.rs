//! The user's scripts: every `.lua` file below a directory, by its name below it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files there may be.
const FILES_MAX: usize = 1000;
/// Bytes that one file may have.
const FILE_MAX: u64 = 1 << 20;
/// Directories within directories. It also ends a circle of symbolic links.
const DEPTH_MAX: usize = 8;

/// Reads them, sorted by name.
///
/// # Errors
/// A directory or file that cannot be read, is too large, or is not UTF-8: the error names it.
pub(super) fn read(directory: &Path) -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    collect(directory, "", 0, &mut files)?;
    files.sort();
    files.into_iter().map(|(name, path)| Ok((name, text(&path)?))).collect()
}

fn collect(
    directory: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<(String, PathBuf)>,
) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(refusal(directory, "lies too deep"));
    }
    for entry in fs::read_dir(directory).map_err(|e| about(directory, &e))? {
        let path = entry.map_err(|e| about(directory, &e))?.path();
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else { continue };
        // Editors keep their drafts in hidden files.
        if name.starts_with('.') {
            continue;
        }
        let full = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{full}/"), depth + 1, files)?;
        } else if path.extension().is_some_and(|it| it == "lua") {
            files.push((full, path));
        }
        if files.len() > FILES_MAX {
            return Err(refusal(directory, "holds more than 1000 scripts"));
        }
    }
    Ok(())
}

fn text(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path).map_err(|e| about(path, &e))?.len();
    if length > FILE_MAX {
        return Err(refusal(path, "is larger than 1 MiB"));
    }
    fs::read_to_string(path).map_err(|e| about(path, &e))
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn refusal(path: &Path, why: &str) -> io::Error {
    io::Error::other(format!("{} {why}", path.display()))
}
