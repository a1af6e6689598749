//! Errors of scripts: where they happened, what they say, and those that no script may catch.

use std::fmt;

use mlua::{Error, Lua, Table, Value};

use crate::call::plan::{Place, ScriptError};

/// The error that goes through every `pcall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fatal {
    /// The call is over.
    HungUp,
    /// A sibling was first, or failed.
    Lost,
    /// It computed for too long.
    TooLong,
    /// It held too much memory.
    TooBig,
    /// Its cleanup took too long.
    TooLate,
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HungUp => "the call is over",
            Self::Lost => "cancelled: a parallel function was first, or failed",
            Self::TooLong => "killed: the script computed for too long without waiting",
            Self::TooBig => "killed: the script used too much memory",
            Self::TooLate => "killed: the cleanup took too long",
        })
    }
}

impl std::error::Error for Fatal {}

impl Fatal {
    /// As a Lua value to raise.
    pub(super) fn value(self) -> Value {
        Value::Error(Box::new(self.error()))
    }

    pub(super) fn error(self) -> Error {
        Error::external(self)
    }

    pub(super) const fn is_kill(self) -> bool {
        matches!(self, Self::TooLong | Self::TooBig | Self::TooLate)
    }
}

/// What the message of an error out of memory is in Lua.
const MEMORY: &str = "not enough memory";

/// Whether this error value says that memory is used up.
pub(super) fn is_memory(value: &Value) -> bool {
    match value {
        Value::String(text) => text.as_bytes() == MEMORY.as_bytes(),
        Value::Error(error) => is_memory_error(error),
        _ => false,
    }
}

/// The same for an error of a host function.
pub(super) fn is_memory_error(error: &Error) -> bool {
    match error {
        Error::MemoryError(_) => true,
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => {
            is_memory_error(cause)
        }
        Error::RuntimeError(text) => text == MEMORY,
        _ => false,
    }
}

/// An error value as text: no addresses, no traceback.
pub(super) fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string_lossy(),
        Value::Error(error) => innermost(error),
        Value::Table(table) => readable_table(table),
        Value::Nil => "nil".to_owned(),
        Value::Boolean(it) => it.to_string(),
        Value::Integer(it) => it.to_string(),
        Value::Number(it) => it.to_string(),
        other => format!("(a {} as error)", other.type_name()),
    }
}

fn innermost(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => innermost(cause),
        Error::RuntimeError(text) | Error::MemoryError(text) => text.clone(),
        Error::SyntaxError { message, .. } => message.clone(),
        Error::ExternalError(it) => it.to_string(),
        other => other.to_string(),
    }
}

/// `{ code = 486, message = "busy" }`: one level, sorted, a few fields.
fn readable_table(table: &Table) -> String {
    const FIELDS_MAX: usize = 8;
    let mut fields = Vec::new();
    for pair in table.pairs::<Value, Value>().take(FIELDS_MAX) {
        let Ok((key, value)) = pair else { break };
        let value = match &value {
            Value::Table(_) => "{…}".to_owned(),
            Value::String(text) => format!("{:?}", text.to_string_lossy()),
            other => readable(other),
        };
        fields.push(format!("{} = {value}", readable(&key)));
    }
    fields.sort();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// The script lines that are running, innermost first.
pub(super) fn frames(lua: &Lua) -> Vec<Place> {
    const FRAMES_MAX: usize = 20;
    const LEVELS_MAX: usize = 400;
    let mut found = Vec::new();
    for level in 0..LEVELS_MAX {
        let Some(place) = lua.inspect_stack(level, |it| {
            let source = it.source().source?;
            let file = source.strip_prefix('@')?.to_owned();
            let line = u32::try_from(it.current_line()?).ok()?;
            Some(Place { file, line })
        }) else {
            break;
        };
        found.extend(place);
        if found.len() == FRAMES_MAX {
            break;
        }
    }
    found
}

/// About how deep the stack is, in frames; 0 when it is not worth mentioning.
pub(super) fn depth(lua: &Lua) -> u64 {
    let mut depth: usize = 64;
    while depth < 1 << 20 && lua.inspect_stack(depth, |_| ()).is_some() {
        depth *= 2;
    }
    if depth > 64 { depth as u64 } else { 0 }
}

/// Takes a leading `file:line: ` off, when the file is one that `known` knows.
pub(super) fn split(message: &str, known: impl Fn(&str) -> bool) -> (Option<Place>, &str) {
    let place = || {
        let (head, rest) = message.split_once(": ")?;
        let (file, line) = head.rsplit_once(':')?;
        let line = line.parse().ok()?;
        known(file).then(|| (Place { file: file.to_owned(), line }, rest))
    };
    place().map_or((None, message), |(place, rest)| (Some(place), rest))
}

/// One line of at most `MESSAGE_MAX` bytes.
pub(super) fn one_line(message: &str) -> String {
    const MESSAGE_MAX: usize = 1000;
    let mut line = message.lines().next().unwrap_or_default().to_owned();
    if line.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX).rev().find(|&it| line.is_char_boundary(it)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

/// An error without frames of its own.
pub(super) fn plain(message: impl fmt::Display, at: Place) -> ScriptError {
    ScriptError { message: one_line(&message.to_string()), at, traceback: Vec::new() }
}
