//! Calls through the engine in worlds of our making: one binary, so that it is linked once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attack;
mod heal;
mod hostile;
mod inspector;
mod ladder;
mod lamps;
mod lasting;
mod modify;
mod reader;
mod scripts;
mod storm;
mod transfer;
mod trunks;
mod two_phones;
mod world;
