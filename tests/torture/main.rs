//! What others may send: the cases of RFC 4475 and RFC 5118, abuse and the shapes of real phones as
//! one table in `tests/data`, and thousands of mutants of it, against the readers and the engine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod case;
mod dialog;
mod fields;
mod fuzz;
mod mutants;
mod mutator;
mod pace;
#[path = "../flows/reader.rs"]
mod reader;
mod streams;
mod table;
mod targets;
