//! Moonswitch: a scriptable PBX.
//!
//! Two values compute and never wait: [`call::Switch`] (signalling, calls, the dial plan) and
//! [`media::Plane`] (what is heard by whom). Everything that touches the world is outside of them:
//! `node` is the real outside, [`sim`] one of our own making with a clock that only moves when told.
//!
//! The rooms stand in dependency order; each names only rooms above it in this list. See
//! `docs/ARCHITECTURE.md` for the walks through them.

pub mod audio;
pub mod base;
pub mod call;
pub mod config;
pub mod directory;
pub mod lua;
pub mod media;
pub mod rtp;
pub mod sdp;
pub mod sim;
pub mod sip;

#[cfg(feature = "node")]
pub mod cli;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "node")]
pub mod rest;
#[cfg(feature = "node")]
pub mod store;
