//! The user's scripts: every `.lua` file below a directory, by its name below it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::call::plan::{Files, Place, Problem};
use crate::config::Settings;
use crate::lua;

/// Files there may be.
const FILES_MAX: usize = 1000;
/// Bytes that one file may have: it is compiled in one go, and calls wait meanwhile.
const FILE_MAX: u64 = 256 << 10;
/// Bytes that all of them may have.
const ALL_MAX: usize = 2 << 20;
/// Directories within directories. It also ends a circle of symbolic links.
const DEPTH_MAX: usize = 8;

/// What a problem of the directory itself names as its file.
const HERE: &str = ".";

/// Where the user's scripts are, or would be.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Somebody named it; else it is the one that may be missing.
    is_named: bool,
}

/// What is found there: all texts, those that ship below them, or why there are none.
pub(super) type Found = Result<Files, Vec<Problem>>;

impl Folder {
    /// The one that the settings mean.
    pub(super) fn of(settings: &Settings) -> Self {
        match &settings.scripts {
            Some(path) => Self { path: path.clone(), is_named: true },
            None => Self { path: settings.data.join("scripts"), is_named: false },
        }
    }

    /// Its name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has to be there and is not.
    pub(super) fn is_missed(&self) -> bool {
        self.is_named && !self.path.is_dir()
    }

    /// Reads everything in it.
    ///
    /// # Errors
    /// A directory or file that cannot be read, lies elsewhere, is too large, or is not UTF-8.
    pub(super) fn read(&self) -> Found {
        let user = self.user().map_err(|problem| vec![problem])?;
        Ok(Files { embedded: lua::embedded(), user })
    }

    /// A problem in one line, as editors understand it. The scripts that ship have no file on this
    /// machine; their names say so.
    pub(super) fn describe(&self, problem: &Problem) -> String {
        let Problem { at, message } = problem;
        match self.path.join(&at.file) {
            _ if at.file == HERE => format!("{}: {message}", self.path.display()),
            file if file.is_file() => format!("{}:{}: {message}", file.display(), at.line),
            _ => problem.to_string(),
        }
    }

    fn user(&self) -> Result<Vec<(String, String)>, Problem> {
        if !self.is_named && !self.path.exists() {
            return Ok(Vec::new());
        }
        let root = self.path.canonicalize().map_err(|e| problem(HERE, &e))?;
        let mut files = Vec::new();
        collect(&root, &root, "", 0, &mut files)?;
        files.sort();
        let mut all = 0;
        let mut texts = Vec::new();
        for (name, path) in files {
            let text = text(&name, &path)?;
            all += text.len();
            if all > ALL_MAX {
                return Err(problem(&name, &"with it, the scripts are larger than 2 MiB"));
            }
            texts.push((name, text));
        }
        Ok(texts)
    }
}

fn collect(
    root: &Path,
    directory: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), Problem> {
    if depth > DEPTH_MAX {
        return Err(problem(prefix, &"lies too deep"));
    }
    let here = || if prefix.is_empty() { HERE } else { prefix };
    for entry in fs::read_dir(directory).map_err(|e| problem(here(), &e))? {
        let path = entry.map_err(|e| problem(here(), &e))?.path();
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else { continue };
        // Editors keep their drafts in hidden files.
        if name.starts_with('.') {
            continue;
        }
        let full = format!("{prefix}{name}");
        let is_script = path.extension().is_some_and(|it| it == "lua");
        let is_directory = path.is_dir();
        if !is_directory && !is_script {
            continue;
        }
        let real = path.canonicalize().map_err(|e| problem(&full, &e))?;
        if !real.starts_with(root) {
            return Err(problem(&full, &"this link leads out of the scripts' directory"));
        }
        if is_directory {
            collect(root, &path, &format!("{full}/"), depth + 1, files)?;
        } else {
            files.push((full, real));
        }
        if files.len() > FILES_MAX {
            return Err(problem(here(), &"there are more than 1000 scripts"));
        }
    }
    Ok(())
}

fn text(name: &str, path: &Path) -> Result<String, Problem> {
    let about = fs::metadata(path).map_err(|e| problem(name, &e))?;
    if !about.is_file() {
        return Err(problem(name, &"this is no file"));
    }
    if about.len() > FILE_MAX {
        return Err(problem(name, &"larger than 256 KiB"));
    }
    fs::read_to_string(path).map_err(|e| problem(name, &e))
}

fn problem(name: &str, why: &impl ToString) -> Problem {
    Problem { at: Place { file: name.to_owned(), line: 0 }, message: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory of this test's own, gone when it is dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("moonswitch-{name}-{}", std::process::id()));
            _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("scripts/lib")).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &[u8]) {
            fs::write(self.0.join(name), text).unwrap();
        }

        fn read(&self) -> Result<Vec<String>, String> {
            let folder = Folder { path: self.0.join("scripts"), is_named: true };
            match folder.read() {
                Ok(files) => Ok(files.user.into_iter().map(|it| it.0).collect()),
                Err(problems) => Err(problems[0].to_string()),
            }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn scripts_are_found_by_their_names_and_drafts_are_not() {
        let it = Scratch::new("names");
        for name in ["main.lua", "lib/b.lua", ".main.lua.swp", "notes.txt", ".#main.lua"] {
            it.write(&format!("scripts/{name}"), b"");
        }
        assert_eq!(it.read().unwrap(), ["lib/b.lua", "main.lua"]);
    }

    #[test]
    fn links_are_followed_inside_and_refused_when_they_lead_out() {
        let it = Scratch::new("links");
        it.write("scripts/lib/real.lua", b"");
        it.write("secret.lua", b"");
        symlink("lib/real.lua", it.0.join("scripts/main.lua")).unwrap();
        assert_eq!(it.read().unwrap(), ["lib/real.lua", "main.lua"]);
        symlink("../secret.lua", it.0.join("scripts/out.lua")).unwrap();
        let why = it.read().unwrap_err();
        assert_eq!(why, "out.lua:0: this link leads out of the scripts' directory");
        fs::remove_file(it.0.join("scripts/out.lua")).unwrap();
        symlink(".", it.0.join("scripts/circle")).unwrap();
        assert!(it.read().unwrap_err().contains("too deep"));
    }

    #[test]
    fn what_is_too_large_or_no_text_is_named() {
        let it = Scratch::new("sizes");
        it.write("scripts/main.lua", &vec![b' '; (256 << 10) + 1]);
        assert_eq!(it.read().unwrap_err(), "main.lua:0: larger than 256 KiB");
        it.write("scripts/main.lua", b"\xff");
        assert!(it.read().unwrap_err().starts_with("main.lua:0: "));
        it.write("scripts/main.lua", b"");
        for n in 0..9 {
            it.write(&format!("scripts/lib/{n:02}.lua"), &vec![b' '; 256 << 10]);
        }
        assert!(it.read().unwrap_err().starts_with("lib/08.lua:0: with it"));
    }
}
