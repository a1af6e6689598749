//! `extensions.toml`: who may register. It is written on the first start, and from then on it
//! belongs to the people of the house; we only read it, strictly.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::base::Rng;
use crate::directory::{Extension, ExtensionId, Number, password};

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

/// Writes a file with two extensions if there is none; returns them if it did.
pub(super) fn write_first(file: &Path, rng: &mut Rng) -> Result<Option<Vec<Extension>>, Error> {
    if file.exists() {
        return Ok(None);
    }
    let extensions = [(1, "1001"), (2, "1002")].map(|(id, number)| {
        Extension::new(
            ExtensionId(id),
            Number::parse(number).expect("digits are a number"),
            format!("Phone {number}"),
            password::random(rng),
        )
    });
    // Written beside and then renamed: nobody ever reads half a file.
    let draft = file.with_extension("toml.new");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut it| {
            it.set_permissions(fs::Permissions::from_mode(0o600))?;
            it.write_all(print(&extensions).as_bytes())?;
            it.sync_all()
        })
        .and_then(|()| fs::rename(&draft, file));
    written.map_err(|e| Error::File(file.to_owned(), e))?;
    Ok(Some(extensions.into()))
}

/// Reads the file.
pub(super) fn read(file: &Path) -> Result<Vec<Extension>, Error> {
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
fn parse(text: &str) -> Result<Vec<Extension>, (usize, String)> {
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
        let name = row.name.map_or_else(|| number.to_string(), Spanned::into_inner);
        // Lines of a file have no ids of their own; their order will do until they move on.
        let id = ExtensionId(extensions.len() as i64 + 1);
        extensions.push(Extension::new(id, number, name, row.password.into_inner()));
    }
    Ok(extensions)
}

fn is_plain(text: &str) -> bool {
    text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control)
}

fn print(extensions: &[Extension]) -> String {
    let mut text = String::from(
        "# Who may register. One [[extension]] for each; a phone logs in with number and password.\n\
         # Read at the start of moonswitch. Keep this file to yourself (chmod 600).\n",
    );
    for it in extensions {
        text += &format!(
            "\n[[extension]]\nnumber = \"{}\"\nname = \"{}\"\npassword = \"{}\"\n",
            it.number, it.name, it.password
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_first_is_read_back() {
        let mut rng = Rng::from_seed(1);
        let written = [(1, "1001"), (2, "1002")].map(|(id, number)| {
            let number = Number::parse(number).unwrap();
            Extension::new(ExtensionId(id), number, "Ann".into(), password::random(&mut rng))
        });
        assert_ne!(written[0].password, written[1].password);
        assert_eq!(parse(&print(&written)).unwrap(), written);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = "[[extension]]\nnumber = \"1001\"\npasword = \"long enough\"\n";
        let (line, what) = parse(text).unwrap_err();
        assert_eq!(line, 3);
        assert!(what.contains("pasword"), "{what}");
    }

    #[test]
    fn a_duplicate_is_named_with_both_lines() {
        let row = |number: &str| {
            format!("[[extension]]\nnumber = \"{number}\"\npassword = \"abcd1234\"\n")
        };
        let text = row("1001") + &row("1002") + &row("1001");
        assert_eq!(parse(&text).unwrap_err(), (8, "1001 stands in line 2 already".into()));
    }

    #[test]
    fn a_password_that_is_guessed_is_refused_without_repeating_it() {
        for weak in ["", "short", "11111111", "12121212", "10000001"] {
            let text = format!("[[extension]]\nnumber = \"10000001\"\npassword = \"{weak}\"\n");
            let (line, what) = parse(&text).unwrap_err();
            assert_eq!(line, 3, "{weak}");
            assert!(weak.is_empty() || !what.contains(weak), "{what}");
        }
    }

    #[test]
    fn broken_toml_and_wrong_types_name_their_line() {
        assert_eq!(parse("\n\n[[extension\n").unwrap_err().0, 3);
        assert_eq!(parse("[[extension]]\nnumber = 1001\n").unwrap_err().0, 2);
        assert_eq!(
            parse("[[extension]]\nnumber = \"10 01\"\npassword = \"abcd1234\"").unwrap_err().0,
            2
        );
        assert_eq!(parse("").unwrap(), []);
    }
}
