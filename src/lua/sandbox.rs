//! Builds the world that scripts live in: stock Lua without its holes, the host's functions, and
//! the prelude on top.

use std::rc::Rc;

use mlua::{
    Function, IntoLua, Lua, LuaOptions, LuaString, MultiValue, StdLib, Table, Value, Variadic,
};

use super::api::{self, CALL, Field, Operation, PBX};
use super::errors;
use super::host::{Host, PRELUDE, Registered, Want};
use super::meter::{ACT, Limits};
use super::ops;
use super::route::Pattern;
use super::text::{self, STRING_MAX};
use crate::base::nearest::hint;
use crate::base::{CallId, Rng};
use crate::call::plan::{State, View, Way};

/// The longest text that `load` takes.
const CHUNK_MAX: usize = 64 << 10;

const GUARD: &[(&str, &str)] = &[
    ("guard", include_str!("prelude/guard.lua")),
    ("tables", include_str!("prelude/tables.lua")),
    ("strings", include_str!("prelude/strings.lua")),
    ("call", include_str!("prelude/call.lua")),
];

/// A state with its prelude.
pub(super) struct Sandbox {
    pub(super) lua: Lua,
    /// The globals of scripts.
    pub(super) env: Table,
    /// The body of every coroutine: `start(f, …)` returns like `pcall`.
    pub(super) start: Function,
    /// `handle(handler, key, captures)` makes the call object and runs the handler.
    pub(super) handle: Function,
}

/// A fresh state. `module` answers `require`.
pub(super) fn build(host: &Rc<Host>, version: &str, module: Module) -> mlua::Result<Sandbox> {
    let libs = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8 | StdLib::COROUTINE;
    let lua = Lua::new_with(libs, LuaOptions::new())?;
    lua.set_memory_limit(host.limits.memory)?;
    let functions = functions(&lua, host, &version.into(), module)?;
    let (globals, shared) = (lua.create_table()?, lua.create_table()?);
    for (_, text) in GUARD {
        let chunk =
            lua.load(*text).set_name(format!("={PRELUDE}")).set_mode(mlua::chunk::ChunkMode::Text);
        chunk.call::<()>((&functions, lua.globals(), &globals, &shared))?;
    }
    let env: Table = shared.get::<Function>("environment")?.call(())?;
    shared.set("env", &env)?;
    let (start, handle) = (shared.get("start")?, shared.get("handle")?);
    host.watch(&lua)?;
    Ok(Sandbox { lua, env, start, handle })
}

/// Finds the chunk that a `require` names: its file and its function, or what is wrong.
pub(super) type Module = Box<dyn Fn(&Lua, &str) -> Result<(String, Function), String>>;

fn functions(lua: &Lua, host: &Rc<Host>, version: &Rc<str>, module: Module) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let Limits { flows, .. } = host.limits;
    table.set("flows_max", flows)?;
    table.set("string_max", STRING_MAX)?;
    errors_and_text(lua, host, &table)?;
    text::install(lua, host, &table)?;
    acts(lua, host, version, &table)?;
    loading(lua, host, &table, module)?;
    let operations = lua.create_table()?;
    for it in api::OPERATIONS {
        operations.set(it.name, operation(lua, host, it)?)?;
    }
    table.set("ops", operations)?;
    let optional = lua.create_table()?;
    for it in CALL.iter().filter(|it| it.optional) {
        optional.set(it.name, true)?;
    }
    table.set("optional", optional)?;
    table.set(
        "declared",
        lua.create_function(|_, (name, it): (String, Table)| declared(&name, &it))?,
    )?;
    Ok(table)
}

fn errors_and_text(lua: &Lua, host: &Rc<Host>, table: &Table) -> mlua::Result<()> {
    let it = Rc::clone(host);
    table.set(
        "at",
        lua.create_function(move |lua, message: LuaString| {
            Ok(it.at(lua, &message.to_string_lossy()))
        })?,
    )?;
    let it = Rc::clone(host);
    table.set("caught", lua.create_function(move |lua, value: Value| it.caught(lua, value))?)?;
    let it = Rc::clone(host);
    table.set(
        "trace",
        lua.create_function(move |lua, value: Value| {
            let value = it.visible(lua, value)?;
            let origin = it.turn.borrow().origin.clone();
            let error = it.describe(lua, &errors::readable(&value), &origin);
            let mut turn = it.turn.borrow_mut();
            if turn.doomed.is_none() {
                turn.raised = Some(error);
            }
            Ok(value)
        })?,
    )?;
    table.set("plain", lua.create_function(|_, value: Value| Ok(errors::readable(&value)))?)?;
    table.set(
        "show",
        lua.create_function(|_, value: Value| {
            Ok(match &value {
                Value::String(text) => text.to_string_lossy().chars().take(40).collect(),
                other => ops::shown(other),
            })
        })?,
    )?;
    table.set(
        "hint",
        lua.create_function(|_, (word, among): (Value, Variadic<Table>)| {
            let Value::String(word) = word else { return Ok(String::new()) };
            let mut names = Vec::new();
            for table in among.iter() {
                for pair in table.pairs::<Value, Value>() {
                    if let (Value::String(name), _) = pair? {
                        names.push(name.to_string_lossy());
                    }
                }
            }
            names.sort();
            Ok(hint(&word.to_string_lossy(), names.iter().map(String::as_str)))
        })?,
    )?;
    let it = Rc::clone(host);
    table.set(
        "charge",
        lua.create_function(move |lua, units: i64| {
            it.charge(lua, u64::try_from(units).unwrap_or(0))?;
            Ok(it.meter.is_spent())
        })?,
    )?;
    let it = Rc::clone(host);
    table.set(
        "compile",
        lua.create_function(move |lua, (chunk, env): (Value, Table)| {
            let Value::String(text) = chunk else {
                return Err(it.complain(
                    lua,
                    &format!("load: a text is needed, not {}", ops::shown(&chunk)),
                ));
            };
            if text.as_bytes().len() > CHUNK_MAX {
                return Err(
                    it.complain(lua, &format!("load: the text is longer than {CHUNK_MAX} bytes"))
                );
            }
            it.charge(lua, text.as_bytes().len() as u64)?;
            let bytes = text.as_bytes().to_vec();
            let chunk = lua
                .load(bytes)
                .set_name("=(load)")
                .set_mode(mlua::chunk::ChunkMode::Text)
                .set_environment(env);
            Ok(match chunk.into_function() {
                Ok(function) => (Value::Function(function), Value::Nil),
                Err(error) => {
                    let message = errors::readable(&Value::Error(Box::new(error)));
                    (Value::Nil, Value::String(lua.create_string(message)?))
                }
            })
        })?,
    )
}

/// What a flow may do besides operations of the call.
fn acts(lua: &Lua, host: &Rc<Host>, version: &Rc<str>, table: &Table) -> mlua::Result<()> {
    let it = Rc::clone(host);
    table.set(
        "log",
        lua.create_function(move |lua, (level, text): (String, LuaString)| {
            const TEXT_MAX: usize = 1000;
            it.charge(lua, u64::from(ACT) + text.as_bytes().len() as u64 / 16)?;
            let text: String = text.to_string_lossy().chars().take(TEXT_MAX).collect();
            let text = if level == "info" { text } else { format!("{level}: {text}") };
            let at = it.place(lua);
            it.turn.borrow_mut().logs.push((text, at));
            Ok(())
        })?,
    )?;
    let it = Rc::clone(host);
    table.set(
        "state",
        lua.create_function(move |lua, key: i64| {
            check_own(lua, &it, key, "state")?;
            Ok(match it.turn.borrow().state {
                Some(State::Early) => "early",
                Some(State::Answered) => "answered",
                Some(State::Ended) => "ended",
                Some(State::Ringing) | None => "ringing",
            })
        })?,
    )?;
    let it = Rc::clone(host);
    let version = Rc::clone(version);
    table.set(
        "view",
        lua.create_function(move |lua, key: i64| {
            check_own(lua, &it, key, "fields")?;
            let view = it.turn.borrow().view.clone();
            view.map(|view| fields(lua, key, &view, &version)).transpose()
        })?,
    )?;
    let it = Rc::clone(host);
    table.set(
        "defer",
        lua.create_function(move |lua, (key, function): (i64, Value)| {
            check_own(lua, &it, key, "defer")?;
            act(lua, &it)?;
            let Value::Function(function) = function else {
                return Err(it.complain(
                    lua,
                    &format!("call:defer: a function is needed, not {}", ops::shown(&function)),
                ));
            };
            if it.turn.borrow().defers_left == 0 {
                return Err(it.complain(lua, "call:defer: too many deferred functions"));
            }
            let mut turn = it.turn.borrow_mut();
            turn.defers_left -= 1;
            turn.deferred.push(function);
            Ok(())
        })?,
    )?;
    let it = Rc::clone(host);
    table.set(
        "spawn",
        lua.create_function(move |lua, function: Value| {
            let Value::Function(function) = function else {
                return Err(it.complain(
                    lua,
                    &format!("pbx.spawn: a function is needed, not {}", ops::shown(&function)),
                ));
            };
            fork(lua, &it, 1, "pbx.spawn")?;
            let at = it.place(lua);
            it.turn.borrow_mut().spawned.push((function, at));
            Ok(())
        })?,
    )?;
    for (name, race) in [("all", false), ("race", true)] {
        let it = Rc::clone(host);
        table.set(
            name,
            lua.create_function(move |lua, list: Vec<Function>| {
                fork(lua, &it, list.len(), if race { "pbx.race" } else { "pbx.all" })?;
                let at = it.place(lua);
                let want = if race { Want::Race(list, at) } else { Want::All(list, at) };
                it.turn.borrow_mut().want = Some(want);
                Ok(())
            })?,
        )?;
    }
    let it = Rc::clone(host);
    table.set(
        "random_float",
        lua.create_function(move |_, ()| Ok((random(&it) >> 11) as f64 / (1_u64 << 53) as f64))?,
    )?;
    let it = Rc::clone(host);
    table.set(
        "random_integer",
        lua.create_function(move |_, (low, high): (i64, i64)| {
            let span = high.wrapping_sub(low).cast_unsigned();
            let bits = random(&it);
            let offset = match span.checked_add(1) {
                Some(span) => ((u128::from(bits) * u128::from(span)) >> 64) as u64,
                None => bits,
            };
            Ok(low.wrapping_add(offset.cast_signed()))
        })?,
    )
}

/// What a script sees of a call: whatever the table of names says that there is.
fn fields(lua: &Lua, key: i64, view: &View, version: &str) -> mlua::Result<Table> {
    let table = |known: &[Field], value: &dyn Fn(&str) -> mlua::Result<Value>| {
        let table = lua.create_table()?;
        for it in known {
            table.raw_set(it.name, value(it.name)?)?;
        }
        Ok(table)
    };
    let text = |it: &str| it.into_lua(lua);
    table(CALL, &|name| {
        let inner = CALL.iter().find(|it| it.name == name).map_or(&[][..], |it| it.inner);
        match name {
            "id" => CallId(key.cast_unsigned()).to_string().into_lua(lua),
            "direction" => text(match view.direction {
                Way::Internal => "internal",
                Way::Inbound => "inbound",
            }),
            "from" => table(inner, &|name| match name {
                "number" => text(&view.from),
                "name" => view.from_name.as_deref().into_lua(lua),
                "anonymous" => Ok(Value::Boolean(view.from.is_empty() || view.from == "anonymous")),
                other => unbound(other),
            })
            .map(Value::Table),
            "to" => table(inner, &|name| match name {
                "number" => text(&view.to),
                other => unbound(other),
            })
            .map(Value::Table),
            "headers" => {
                let headers = lua.create_table()?;
                for (name, value) in &view.headers {
                    headers.raw_set(name.as_str(), value.as_str())?;
                }
                Ok(Value::Table(headers))
            }
            "extension" => view.extension.as_deref().into_lua(lua),
            "transferred_by" => view.transferred_by.as_deref().into_lua(lua),
            "version" => text(version),
            "tags" => lua.create_table().map(Value::Table),
            // Asked for each time; see the prelude.
            "state" => text(""),
            other => unbound(other),
        }
    })
}

/// A name of the table that means nothing here.
fn unbound(name: &str) -> mlua::Result<Value> {
    Err(mlua::Error::RuntimeError(format!("'{name}' is not bound")))
}

/// Fails where what the prelude has bound is not what the table of names says.
fn declared(name: &str, bound: &Table) -> mlua::Result<()> {
    let known = match name {
        "pbx" => PBX,
        _ => {
            PBX.iter().find(|it| name == format!("pbx.{}", it.name)).map_or(&[][..], |it| it.inner)
        }
    };
    let mut names = Vec::new();
    for pair in bound.pairs::<String, Value>() {
        names.push(pair?.0);
    }
    let missing = known.iter().find(|it| !names.iter().any(|name| name == it.name));
    let surplus = names.iter().find(|it| !known.iter().any(|known| known.name == **it));
    match missing.map(|it| it.name).or(surplus.map(String::as_str)) {
        Some(odd) => {
            Err(mlua::Error::RuntimeError(format!("{name}.{odd} is not declared and bound")))
        }
        None => Ok(()),
    }
}

fn random(host: &Host) -> u64 {
    let mut turn = host.turn.borrow_mut();
    let seed = turn.view.as_ref().map_or(0, |it| it.seed);
    turn.rng.get_or_insert_with(|| Box::new(Rng::from_seed(seed))).bits()
}

/// The function behind `call:name(…)`: checks, and leaves what is wanted for when the flow yields.
fn operation(lua: &Lua, host: &Rc<Host>, it: &'static Operation) -> mlua::Result<Function> {
    let host = Rc::clone(host);
    let name = it.name;
    lua.create_function(move |lua, (key, args): (i64, MultiValue)| {
        check_own(lua, &host, key, name)?;
        let op = ops::parse(it, &args)
            .map_err(|wrong| host.complain(lua, &format!("call:{name}: {wrong}")))?;
        host.check_pending(lua)?;
        let (doomed, over, late) = {
            let turn = host.turn.borrow();
            (turn.doomed, turn.over, turn.late)
        };
        let may_wait = match doomed {
            None => true,
            Some(it) => it == errors::Fatal::HungUp && !op.needs_call(),
        };
        if !may_wait || (over && op.needs_call()) {
            return Err(host.doom(lua, errors::Fatal::HungUp));
        }
        if late {
            return Err(host.doom(lua, errors::Fatal::TooLate));
        }
        host.charge(lua, u64::from(ACT))?;
        let busy = host.turn.borrow().media.clone().filter(|_| op.wants_media());
        if let Some(busy) = busy {
            let message =
                format!("call:{name}: the caller's media is taken by the operation at {busy}");
            return Err(host.complain(lua, &message));
        }
        let at = host.place(lua);
        host.turn.borrow_mut().want = Some(Want::Op(op, at));
        Ok(())
    })
}

/// Refuses the call object of another call.
fn check_own(lua: &Lua, host: &Host, key: i64, name: &str) -> mlua::Result<()> {
    let running = host.turn.borrow().call;
    match running {
        Some(CallId(call)) if call.cast_signed() == key => Ok(()),
        Some(_) => {
            Err(host.complain(lua, &format!("call:{name}: this is the call of another flow")))
        }
        None => Err(host.complain(lua, &format!("call:{name}: not while loading"))),
    }
}

/// What only a living call can do.
fn act(lua: &Lua, host: &Host) -> mlua::Result<()> {
    host.check_pending(lua)?;
    let gone = {
        let turn = host.turn.borrow();
        turn.over || turn.doomed.is_some()
    };
    if gone {
        return Err(host.doom(lua, errors::Fatal::HungUp));
    }
    host.charge(lua, u64::from(ACT))
}

fn fork(lua: &Lua, host: &Host, count: usize, name: &str) -> mlua::Result<()> {
    if host.turn.borrow().call.is_none() {
        return Err(host.complain(lua, &format!("{name}: not while loading")));
    }
    act(lua, host)?;
    host.charge(lua, u64::from(ACT) * count as u64)?;
    let left = host.turn.borrow().flows_left;
    if count > left {
        return Err(
            host.complain(lua, &format!("{name}: too many parallel functions in this call"))
        );
    }
    host.turn.borrow_mut().flows_left = left - count;
    Ok(())
}

fn loading(lua: &Lua, host: &Rc<Host>, table: &Table, module: Module) -> mlua::Result<()> {
    let it = Rc::clone(host);
    table
        .set("is_loading", lua.create_function(move |_, ()| Ok(it.loading.borrow().is_some()))?)?;
    let it = Rc::clone(host);
    table.set(
        "module",
        lua.create_function(move |lua, name: Value| {
            let Value::String(name) = name else {
                return Err(it.complain(
                    lua,
                    &format!("require: a name is needed, not {}", ops::shown(&name)),
                ));
            };
            let found = module(lua, &name.to_string_lossy());
            found.map_err(|wrong| it.complain(lua, &format!("require: {wrong}")))
        })?,
    )?;
    bind_route(lua, host, table, "internal", Way::Internal)?;
    bind_route(lua, host, table, "inbound", Way::Inbound)
}

/// A function of `pbx` that makes routes.
fn bind_route(
    lua: &Lua,
    host: &Rc<Host>,
    table: &Table,
    name: &'static str,
    way: Way,
) -> mlua::Result<()> {
    let it = Rc::clone(host);
    table.set(
        name,
        lua.create_function(move |lua, (pattern, handler): (Value, Value)| {
            let complain = |what: String| Err(it.complain(lua, &format!("pbx.{name}: {what}")));
            if it.loading.borrow().is_none() {
                return complain("routes are made while loading, not in a call".to_owned());
            }
            let Value::String(pattern) = pattern else {
                return complain(format!(
                    "the pattern must be a text, not {}",
                    ops::shown(&pattern)
                ));
            };
            let text = pattern.to_string_lossy();
            let pattern = match Pattern::parse(&text) {
                Ok(pattern) => pattern,
                Err(wrong) => return complain(format!("bad pattern {text:?}: {wrong}")),
            };
            let Value::Function(handler) = handler else {
                return complain(format!(
                    "the handler must be a function, not {}",
                    ops::shown(&handler)
                ));
            };
            it.charge(lua, u64::from(ACT))?;
            let at = it.place(lua);
            if let Some(loading) = it.loading.borrow_mut().as_mut() {
                loading.routes.push(Registered { way, pattern, handler, at });
            }
            Ok(())
        })?,
    )
}
