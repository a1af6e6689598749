//! The sources of settings: the command line, the environment, and the TOML file that one of these
//! two may name.

use std::env;
use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::config::{Draft, Entry, Settings, Warning, Wrong, Wrongs};

/// The largest file that is read.
const FILE_MAX: u64 = 1 << 20;

/// Reads everything that is said, for a command line with these flags: what is odd, and the settings
/// or everything that is wrong.
pub(super) fn read(flags: &[String]) -> (Vec<Warning>, Result<Settings, Wrongs>) {
    let mut draft = Draft::default();
    draft.flags(flags.iter().cloned());
    // A value that is not UTF-8 keeps its strange letters' place, and its setting refuses it.
    draft.variables(env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    }));
    if let Some(file) = draft.file() {
        read_file(&mut draft, &file);
    }
    (draft.warnings().to_vec(), draft.settle())
}

fn read_file(draft: &mut Draft, file: &Path) {
    let name = file.display().to_string();
    let told = match text_of(file) {
        Ok(text) => parse(&text),
        Err(want) => return draft.unreadable(want),
    };
    let (entries, wrong): (Vec<_>, Vec<_>) = told.into_iter().partition(Result::is_ok);
    for (line, what) in wrong.into_iter().filter_map(Result::err) {
        draft.complain(Wrong::Line { file: name.clone(), line, what });
    }
    draft.entries(&name, entries.into_iter().filter_map(Result::ok));
}

fn text_of(file: &Path) -> Result<String, String> {
    let unreadable = |e| format!("a file that can be read ({e})");
    match fs::metadata(file) {
        Ok(it) if !it.is_file() => Err("a file, not a directory or device".into()),
        Ok(it) if it.len() > FILE_MAX => Err("a file of at most 1 MiB".into()),
        Ok(_) => fs::read_to_string(file).map_err(unreadable),
        Err(e) => Err(unreadable(e)),
    }
}

/// Each key of the text, or in which line what is wrong.
fn parse(text: &str) -> Vec<Result<Entry, (usize, String)>> {
    let line_at = |offset: usize| 1 + text.bytes().take(offset).filter(|it| *it == b'\n').count();
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What was recovered around an error may mean something else: the errors come first.
        let line = |it: &toml::de::Error| line_at(it.span().map_or(0, |it| it.start));
        return errors.iter().map(|it| Err((line(it), it.message().to_owned()))).collect();
    }
    let mut told: Vec<_> = table
        .into_inner()
        .into_iter()
        .map(|(key, value)| {
            let line = line_at(key.span().start);
            let key = key.into_inner().into_owned();
            match as_text(value.get_ref()) {
                Some(value) => Ok(Entry { key, value, line }),
                None => Err((line, format!("{key} wants one value, not a table or a list"))),
            }
        })
        .collect();
    told.sort_by_key(|it| it.as_ref().map_or_else(|it| it.0, |it| it.line));
    told
}

/// A value as one would write it on the command line.
fn as_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(it) => Some(it.clone().into_owned()),
        DeValue::Integer(it) if it.radix() == 10 => Some(it.as_str().to_owned()),
        DeValue::Integer(it) => {
            i64::from_str_radix(it.as_str(), it.radix()).ok().map(|it| it.to_string())
        }
        DeValue::Float(it) => Some(it.as_str().to_owned()),
        DeValue::Boolean(it) => Some(it.to_string()),
        DeValue::Datetime(it) => Some(it.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_with_its_value_as_text_and_its_line() {
        let text = "# ours\nsip = \"0.0.0.0:5060\"\n\ntrace-bytes = 65_536\nodd = 0x10\n";
        let entry =
            |key: &str, value: &str, line| Ok(Entry { key: key.into(), value: value.into(), line });
        let want = [
            entry("sip", "0.0.0.0:5060", 2),
            entry("trace-bytes", "65536", 4),
            entry("odd", "16", 5),
        ];
        assert_eq!(parse(text), want);
    }

    #[test]
    fn a_table_is_not_a_value() {
        let told = parse("[sip]\nport = 5060\n");
        assert_eq!(told, [Err((1, "sip wants one value, not a table or a list".into()))]);
    }

    #[test]
    fn every_broken_line_is_named() {
        let told = parse("sip = \n\nhttp = nothing\n");
        let lines: Vec<_> = told.into_iter().map(|it| it.unwrap_err().0).collect();
        assert_eq!(lines, [1, 3]);
    }
}
