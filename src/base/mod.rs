//! Words everybody uses: time, ids, randomness, keyed maps, timers, buckets, causes, JSON strings.
//!
//! This room knows no other room and does no I/O. Time and randomness are values that the driver
//! hands in; nothing here reads a clock.

pub mod bucket;
pub mod cause;
pub mod id;
pub mod json;
pub mod map;
pub mod nearest;
pub mod recent;
pub mod rng;
pub mod time;
pub mod timers;

pub use bucket::{Bucket, Rate};
pub use cause::Cause;
pub use id::{AskId, CallId, LegId, OpId, StreamId, SubId};
pub use map::{Map, Set};
pub use recent::Recent;
pub use rng::Rng;
pub use time::{Mono, Now, Wall};
pub use timers::Timers;
