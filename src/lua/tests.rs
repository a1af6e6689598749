//! Stories of scripts, without an engine.

mod calls;
mod ends;
mod library;
mod loading;
mod parallel;
mod patterns;
mod same;
mod world;
