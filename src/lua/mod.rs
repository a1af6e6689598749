//! A dial plan written in Lua.
//!
//! [`LuaPlan`] is a [`Plan`](crate::call::plan::Plan). [`LuaPlan::load`] takes the texts of all
//! scripts and makes a *generation* of them: one frozen Lua state with its routes. A call keeps the
//! generation it began with; a generation goes when its last call is over.
//!
//! A *flow* is a coroutine of the generation. The prelude (Lua, `prelude/`) holds the only `yield`
//! there is: an operation checks its arguments in Rust, yields, and is resumed with its outcome.
//! Parallel flows are siblings that Rust owns and resumes. What a flow may compute is counted in
//! *units* (VM instructions, and what host functions charge for their work), never in time: the
//! same seed and inputs give the same run.
//!
//! A call that is over raises an error in its flows that no script can catch; then the `<close>`
//! variables and `call:defer` functions run, for at most five seconds of the switch's time.
//!
//! The room reads no files and knows no sockets and no SIP. No type of `mlua` leaves it.

mod api;
mod errors;
mod flow;
mod generation;
mod host;
mod meter;
mod ops;
mod pattern;
mod plan;
mod route;
mod sandbox;
mod slips;
mod text;

#[cfg(test)]
mod tests;

pub use crate::call::plan::{Files, Problem};
pub use meter::Limits;
pub use plan::LuaPlan;
pub use slips::slips;

/// The scripts that ship: the layer below the user's.
pub fn embedded() -> Vec<(String, String)> {
    vec![("main.lua".to_owned(), include_str!("../../scripts/main.lua").to_owned())]
}
