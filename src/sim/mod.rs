//! The made-up outside.
pub mod ear;
pub mod net;
pub mod phone;
pub mod trace;
pub mod voice;
