//! `extensions.toml`: extensions that a new house begins with. It is read once, strictly, when the
//! store has never had an extension; from then on the store says who may register.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::directory::{FieldError, Fields, NewExtension, Number, password};

/// The largest file that is read: about 100,000 extensions.
const FILE_MAX: u64 = 16 << 20;
/// The longest name.
const TEXT_MAX: usize = 128;

/// What is wrong with the file.
#[derive(Debug)]
pub enum Error {
    /// It cannot be read or written.
    File(PathBuf, io::Error),
    /// A line of it is wrong.
    Line {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, error) => write!(f, "{}: {error}", file.display()),
            Self::Line { file, line, what } => write!(f, "{}:{line}: {what}", file.display()),
        }
    }
}

impl std::error::Error for Error {}

/// Where the file is in a data directory.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("extensions.toml")
}

/// Reads the file.
pub(super) fn read(file: &Path) -> Result<Vec<NewExtension>, Error> {
    let about = |e| Error::File(file.to_owned(), e);
    let metadata = fs::metadata(file).map_err(about)?;
    if metadata.len() > FILE_MAX {
        return Err(about(io::Error::other("larger than 16 MiB")));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!("{} holds passwords and others may read it: chmod 600", file.display());
    }
    let text = fs::read_to_string(file).map_err(about)?;
    parse(&text).map_err(|(line, what)| Error::Line { file: file.to_owned(), line, what })
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    extension: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    number: Spanned<String>,
    name: Option<Spanned<String>>,
    password: Spanned<String>,
}

/// Reads the text, or says in which line what is wrong.
fn parse(text: &str) -> Result<Vec<NewExtension>, (usize, String)> {
    let line_at = |offset: usize| 1 + text.bytes().take(offset).filter(|it| *it == b'\n').count();
    let file: File = toml::from_str(text).map_err(|e| {
        let line = line_at(e.span().map_or(0, |it| it.start));
        (line, e.message().to_owned())
    })?;
    let mut extensions = Vec::new();
    let mut lines = std::collections::BTreeMap::new();
    for row in file.extension {
        let line = line_at(row.number.span().start);
        let number = Number::parse(row.number.get_ref())
            .ok_or_else(|| (line, "a number consists of letters, digits and + - . _ * #".into()))?;
        if let Some(first) = lines.insert(number.clone(), line) {
            return Err((line, format!("{number} stands in line {first} already")));
        }
        if let Some(what) = password::weakness(row.password.get_ref(), &number) {
            return Err((line_at(row.password.span().start), what));
        }
        if let Some(name) = row.name.as_ref().filter(|it| !is_plain(it.get_ref())) {
            let what = "a name is at most 128 characters without control characters";
            return Err((line_at(name.span().start), what.into()));
        }
        let fields = Fields {
            number: Some(number.to_string()),
            name: row.name.map(Spanned::into_inner),
            password: Some(row.password.into_inner()),
            ..Fields::default()
        };
        let new = NewExtension::parse(fields);
        let what = |all: Vec<_>| all.first().map(|it: &FieldError| it.why.clone());
        extensions.push(new.map_err(|all| (line, what(all).unwrap_or_default()))?);
    }
    Ok(extensions)
}

fn is_plain(text: &str) -> bool {
    text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_taken_over() {
        let row = |number: &str| {
            format!("[[extension]]\nnumber = \"{number}\"\npassword = \"abcd1234\"\n")
        };
        assert_eq!(parse(&(row("1001") + &row("1002"))).unwrap().len(), 2);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = "[[extension]]\nnumber = \"1001\"\npasword = \"long enough\"\n";
        let (line, what) = parse(text).err().unwrap();
        assert_eq!(line, 3);
        assert!(what.contains("pasword"), "{what}");
    }

    #[test]
    fn a_duplicate_is_named_with_both_lines() {
        let row = |number: &str| {
            format!("[[extension]]\nnumber = \"{number}\"\npassword = \"abcd1234\"\n")
        };
        let text = row("1001") + &row("1002") + &row("1001");
        assert_eq!(parse(&text).err().unwrap(), (8, "1001 stands in line 2 already".into()));
    }

    #[test]
    fn a_password_that_is_guessed_is_refused_without_repeating_it() {
        for weak in ["", "short", "11111111", "12121212", "10000001"] {
            let text = format!("[[extension]]\nnumber = \"10000001\"\npassword = \"{weak}\"\n");
            let (line, what) = parse(&text).err().unwrap();
            assert_eq!(line, 3, "{weak}");
            assert!(weak.is_empty() || !what.contains(weak), "{what}");
        }
    }

    #[test]
    fn broken_toml_and_wrong_types_name_their_line() {
        assert_eq!(parse("\n\n[[extension\n").err().unwrap().0, 3);
        assert_eq!(parse("[[extension]]\nnumber = 1001\n").err().unwrap().0, 2);
        assert_eq!(
            parse("[[extension]]\nnumber = \"10 01\"\npassword = \"abcd1234\"").err().unwrap().0,
            2
        );
        assert_eq!(parse("").unwrap().len(), 0);
    }
}
