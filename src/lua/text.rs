//! The host functions behind the string library: searches, and what they found as Lua values.

use std::rc::Rc;

use mlua::{Lua, LuaString, MultiValue, Table, Value, Variadic};

use super::host::Host;
use super::pattern::{Captured, Found, Search, expand, is_plain};

/// The longest text that a library function makes.
pub(super) const STRING_MAX: usize = 1 << 20;

/// A search's subject, its pattern without the anchor, where it begins (from 1), and whether only
/// there.
type Args = (LuaString, LuaString, usize, bool);

/// Adds the functions to the host's table.
pub(super) fn install(lua: &Lua, host: &Rc<Host>, table: &Table) -> mlua::Result<()> {
    let it = Rc::clone(host);
    table.set("find", lua.create_function(move |lua, args| find(lua, &it, args))?)?;
    let it = Rc::clone(host);
    table.set("find_plain", lua.create_function(move |lua, args| find_plain(lua, &it, args))?)?;
    let it = Rc::clone(host);
    table.set("match", lua.create_function(move |lua, args| match_(lua, &it, args))?)?;
    let it = Rc::clone(host);
    table.set("seek", lua.create_function(move |lua, args| seek(lua, &it, args))?)?;
    let it = Rc::clone(host);
    table.set("expand", lua.create_function(move |lua, args| replacement(lua, &it, args))?)
}

fn find(lua: &Lua, host: &Host, (s, p, at, fixed): Args) -> mlua::Result<MultiValue> {
    if !fixed && is_plain(&p.as_bytes()) {
        return find_plain(lua, host, (s, p, at));
    }
    let Some(found) = search(lua, host, &s, &p, at, None, fixed)? else { return nothing() };
    let span = [integer(found.span.start + 1), integer(found.span.end)];
    let captures = captures(lua, host, &s, &found)?;
    Ok(span.into_iter().chain(captures).collect())
}

fn find_plain(
    lua: &Lua,
    host: &Host,
    (s, p, at): (LuaString, LuaString, usize),
) -> mlua::Result<MultiValue> {
    let (subject, wanted) = (s.as_bytes(), p.as_bytes());
    let from = at.saturating_sub(1).min(subject.len());
    host.charge(lua, (subject.len() - from) as u64 / 16)?;
    let Some(start) = memchr::memmem::find(&subject[from..], &wanted) else { return nothing() };
    let start = from + start;
    Ok(MultiValue::from_iter([integer(start + 1), integer(start + wanted.len())]))
}

fn match_(lua: &Lua, host: &Host, (s, p, at, fixed): Args) -> mlua::Result<MultiValue> {
    let Some(found) = search(lua, host, &s, &p, at, None, fixed)? else { return nothing() };
    Ok(or_whole(&found, captures(lua, host, &s, &found)?, lua, &s)?.into_iter().collect())
}

/// For `gmatch` and `gsub`: the next fit that does not end where the `last` one did (0: none was);
/// its start, the place behind its end, its captures. When `lazy`, a capture that was never closed
/// is `false` instead of an error.
fn seek(
    lua: &Lua,
    host: &Host,
    (s, p, at, last, fixed, lazy): (LuaString, LuaString, usize, usize, bool, bool),
) -> mlua::Result<MultiValue> {
    let Some(found) = search(lua, host, &s, &p, at, last.checked_sub(1), fixed)? else {
        return nothing();
    };
    let span = [integer(found.span.start + 1), integer(found.span.end + 1)];
    let captures = if lazy {
        found.captures.iter().map(|it| capture(lua, &s, it)).collect::<mlua::Result<_>>()?
    } else {
        captures(lua, host, &s, &found)?
    };
    Ok(span.into_iter().chain(or_whole(&found, captures, lua, &s)?).collect())
}

/// `gsub`'s replacement text for one fit.
fn replacement(
    lua: &Lua,
    host: &Host,
    (by, s, start, stop, found): (LuaString, LuaString, usize, usize, Variadic<Value>),
) -> mlua::Result<LuaString> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(it) => Some(it.to_string().into_bytes()),
        _ => None,
    };
    host.charge(lua, by.as_bytes().len() as u64 / 4)?;
    let span = start.saturating_sub(1)..stop.saturating_sub(1);
    let whole = s.as_bytes().get(span).map(<[u8]>::to_vec);
    let expanded = expand(&by.as_bytes(), |index| match index {
        0 => whole.clone(),
        _ => found.get(index - 1).and_then(text),
    });
    let expanded = expanded.map_err(|wrong| host.complain(lua, &wrong))?;
    if expanded.len() > STRING_MAX {
        return Err(host.complain(lua, "string.gsub: the result is too long"));
    }
    host.charge(lua, expanded.len() as u64 / 16)?;
    lua.create_string(expanded)
}

fn search(
    lua: &Lua,
    host: &Host,
    s: &LuaString,
    p: &LuaString,
    at: usize,
    not_end: Option<usize>,
    fixed: bool,
) -> mlua::Result<Option<Found>> {
    let (subject, pattern) = (s.as_bytes(), p.as_bytes());
    let mut search = Search::new(&subject, &pattern);
    let found = search.find(at.saturating_sub(1), not_end, fixed);
    host.charge(lua, search.steps())?;
    found.map_err(|message| host.complain(lua, &message))
}

fn captures(lua: &Lua, host: &Host, s: &LuaString, found: &Found) -> mlua::Result<Vec<Value>> {
    if found.captures.contains(&Captured::Unfinished) {
        return Err(host.complain(lua, "unfinished capture"));
    }
    found.captures.iter().map(|it| capture(lua, s, it)).collect()
}

fn capture(lua: &Lua, s: &LuaString, it: &Captured) -> mlua::Result<Value> {
    match it {
        Captured::Position(at) => Ok(integer(at + 1)),
        Captured::Text(range) => part(lua, s, range.clone()),
        Captured::Unfinished => Ok(Value::Boolean(false)),
    }
}

/// The captures, or the whole fit when the pattern has none.
fn or_whole(
    found: &Found,
    captures: Vec<Value>,
    lua: &Lua,
    s: &LuaString,
) -> mlua::Result<Vec<Value>> {
    if captures.is_empty() { Ok(vec![part(lua, s, found.span.clone())?]) } else { Ok(captures) }
}

fn part(lua: &Lua, s: &LuaString, range: std::ops::Range<usize>) -> mlua::Result<Value> {
    lua.create_string(s.as_bytes().get(range).unwrap_or_default()).map(Value::String)
}

fn nothing() -> mlua::Result<MultiValue> {
    Ok(MultiValue::from_iter([Value::Nil]))
}

fn integer(it: usize) -> Value {
    Value::Integer(i64::try_from(it).unwrap_or(i64::MAX))
}
