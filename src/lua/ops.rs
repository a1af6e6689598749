//! The operations of a call: their arguments, checked, become an [`Op`]; their outcomes become
//! what the script gets.

use std::time::Duration;

use mlua::{Lua, MultiValue, Table, Value};

use super::api::Operation;
use super::errors;
use crate::base::Cause;
use crate::base::nearest::{hint, nearest};
use crate::call::plan::{Op, Outcome, Refusal, Sound};

const TARGETS_MAX: usize = 32;
const SOUNDS_MAX: usize = 32;
const TEXT_MAX: usize = 256;
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const RING: Duration = Duration::from_secs(30);

/// What is wrong with the arguments.
type Checked<T> = Result<T, String>;

/// The operation with these arguments.
pub(super) fn parse(operation: &Operation, args: &MultiValue) -> Checked<Op> {
    let arg = |it: usize| args.get(it).unwrap_or(&Value::Nil);
    let Operation { name, arguments, options } = *operation;
    let op = match name {
        "answer" => Op::Answer,
        "ringing" => Op::Ring,
        "echo" => Op::Echo,
        "play" => {
            let options = Options::read(arg(1), options)?;
            Op::Play { sound: sounds(arg(0))?, early: options.flag("early")? }
        }
        "dial" => {
            let options = Options::read(arg(1), options)?;
            Op::Dial { targets: targets(arg(0))?, timeout: options.duration("timeout", RING)? }
        }
        "sleep" => Op::Sleep(duration("the time", arg(0))?),
        "reject" => Op::Reject(cause(arg(0), Cause::Declined)?),
        "hangup" => Op::Hangup(cause(arg(0), Cause::Hangup)?),
        other => return Err(format!("no operation '{other}'")),
    };
    if args.len() > arguments {
        return Err(format!("{arguments} arguments at most, not {}", args.len()));
    }
    Ok(op)
}

/// What a script gets for an outcome; an error text when it is one.
pub(super) fn values(lua: &Lua, outcome: Outcome) -> mlua::Result<Result<Vec<Value>, String>> {
    let word = |text: &str| lua.create_string(text).map(Value::String);
    Ok(Ok(match outcome {
        Outcome::Done => Vec::new(),
        Outcome::Played(whole) => vec![word(if whole { "done" } else { "stopped" })?],
        Outcome::Talked(talk) => {
            let leg = lua.create_table()?;
            leg.raw_set("by", talk.by)?;
            leg.raw_set("duration", talk.duration.as_secs_f64())?;
            leg.raw_set("ended_by", if talk.ended_by_caller { "caller" } else { "callee" })?;
            vec![Value::Table(leg)]
        }
        Outcome::Unanswered { cause, targets } => {
            vec![Value::Nil, word(cause.word())?, Value::Table(refusals(lua, targets)?)]
        }
        Outcome::Misused(message) => return Ok(Err(message)),
    }))
}

fn refusals(lua: &Lua, targets: Vec<Refusal>) -> mlua::Result<Table> {
    let rows = lua.create_table()?;
    for it in targets {
        let row = lua.create_table()?;
        row.raw_set("target", it.target)?;
        row.raw_set("cause", it.cause.word())?;
        row.raw_set("status", it.status)?;
        rows.raw_push(row)?;
    }
    Ok(rows)
}

/// An option table whose keys are all known.
struct Options(Vec<(String, Value)>);

impl Options {
    fn read(value: &Value, known: &[&str]) -> Checked<Self> {
        const OPTIONS_MAX: usize = 64;
        let table = match value {
            Value::Nil => return Ok(Self(Vec::new())),
            Value::Table(table) => table,
            other => return Err(format!("the options must be a table, not {}", shown(other))),
        };
        let mut given = Vec::new();
        for pair in table.pairs::<Value, Value>().take(OPTIONS_MAX) {
            let Ok((key, value)) = pair else { break };
            given.push((errors::readable(&key), value));
        }
        given.sort_by(|a, b| a.0.cmp(&b.0));
        match given.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => {
                let known = known.iter().copied();
                Err(format!("unknown option '{}'{}", errors::one_line(key), hint(key, known)))
            }
            None => Ok(Self(given)),
        }
    }

    fn get(&self, name: &str) -> &Value {
        self.0.iter().find(|it| it.0 == name).map_or(&Value::Nil, |it| &it.1)
    }

    fn flag(&self, name: &str) -> Checked<bool> {
        match self.get(name) {
            Value::Nil => Ok(false),
            Value::Boolean(it) => Ok(*it),
            other => Err(format!("option '{name}' must be true or false, not {}", shown(other))),
        }
    }

    fn duration(&self, name: &str, default: Duration) -> Checked<Duration> {
        match self.get(name) {
            Value::Nil => Ok(default),
            given => duration(&format!("option '{name}'"), given),
        }
    }
}

/// A number of seconds, or "20s", "5m", "1h", "1.5s".
fn duration(name: &str, value: &Value) -> Checked<Duration> {
    let wrong = || {
        format!(
            "{name} must be seconds or a text like \"20s\", \"5m\", \"1.5s\", not {}",
            shown(value)
        )
    };
    let seconds = match value {
        Value::Integer(it) => *it as f64,
        Value::Number(it) => *it,
        Value::String(text) => {
            let text = text.to_string_lossy();
            let (number, unit) = match text.as_bytes().last() {
                Some(b's') => (&text[..text.len() - 1], 1.0),
                Some(b'm') => (&text[..text.len() - 1], 60.0),
                Some(b'h') => (&text[..text.len() - 1], 3600.0),
                _ => return Err(wrong()),
            };
            let digits = number.bytes().all(|it| it.is_ascii_digit() || it == b'.');
            let number: f64 =
                Some(number).filter(|_| digits).and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
            number * unit
        }
        _ => return Err(wrong()),
    };
    let span = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    if span > DURATION_MAX { Err(format!("{name} is longer than a day")) } else { Ok(span) }
}

fn cause(value: &Value, default: Cause) -> Checked<Cause> {
    let word = match value {
        Value::Nil => return Ok(default),
        Value::String(word) => word.to_string_lossy(),
        other => return Err(format!("the cause must be a word, not {}", shown(other))),
    };
    Cause::from_word(&word).ok_or_else(|| {
        let words: Vec<_> = Cause::all().map(Cause::word).collect();
        match nearest(&word, words.iter().copied()) {
            Some(it) => format!("unknown cause {} (did you mean '{it}'?)", shown(value)),
            None => format!("unknown cause {} (there are {})", shown(value), words.join(", ")),
        }
    })
}

fn targets(value: &Value) -> Checked<Vec<String>> {
    list(value, "target", TARGETS_MAX)
}

fn sounds(value: &Value) -> Checked<Vec<Sound>> {
    let sound = |it: String| match it.strip_prefix("tone:") {
        Some(tone) => Sound::Tone(tone.to_owned()),
        None => Sound::Prompt(it),
    };
    Ok(list(value, "sound", SOUNDS_MAX)?.into_iter().map(sound).collect())
}

/// One text or a list of them.
fn list(value: &Value, what: &str, max: usize) -> Checked<Vec<String>> {
    let table = match value {
        Value::String(_) => return Ok(vec![text(value, what)?]),
        Value::Table(table) => table,
        other => {
            return Err(format!(
                "a {what} must be a text or a list of texts, not {}",
                shown(other)
            ));
        }
    };
    let n = table.raw_len();
    if n == 0 || n > max {
        return Err(format!("between 1 and {max} {what}s are needed, not {n}"));
    }
    (1..=n).map(|it| text(&table.raw_get(it).unwrap_or(Value::Nil), what)).collect()
}

fn text(value: &Value, what: &str) -> Checked<String> {
    let Value::String(given) = value else {
        return Err(format!("a {what} must be a text, not {}", shown(value)));
    };
    match given.to_str() {
        Ok(it) if it.is_empty() => Err(format!("an empty {what}")),
        Ok(it) if it.len() > TEXT_MAX => Err(format!("a {what} of more than {TEXT_MAX} bytes")),
        Ok(it) if it.chars().any(char::is_control) => {
            Err(format!("a {what} with control characters"))
        }
        Ok(it) => Ok(it.to_owned()),
        Err(_) => Err(format!("a {what} that is not UTF-8")),
    }
}

/// A value in an error message.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::String(text) => {
            let short: String = text.to_string_lossy().chars().take(40).collect();
            format!("{short:?}")
        }
        Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => errors::readable(value),
        other => format!("a {}", other.type_name()),
    }
}
