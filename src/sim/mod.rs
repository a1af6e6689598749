//! The made-up outside: phones, a network and a clock that only moves when told, around the real
//! engine. One seed decides everything that is not said, so the same seed tells the same story.
//!
//! A [`World`] is built from a [`Config`], gets phones with [`World::add`] that do what their
//! [`phone::Behaviour`] says, and runs with [`World::run_for`] or [`World::run_until`]. Whoever wants
//! to know more reads its facts, its phones' calls and what they heard ([`ear::Ear`]), its trace, or
//! looks at every message on the wire ([`World::inspect`]). [`World::settle`] tells what is left over.
//!
//! The room does not know what is right: it shows what happened, and tests judge.
//!
//! ```
//! use std::time::Duration;
//! use moonswitch::sim::phone::Behaviour;
//! use moonswitch::sim::{Config, World};
//!
//! let mut world = World::without_switch(Config::clear(1));
//! let ann = world.add("1001", Behaviour::default());
//! let bob = world.add("1002", Behaviour::default());
//! world.point(ann, bob);
//! world.dial(ann, "1002");
//! world.run_for(Duration::from_secs(5));
//! assert!(world.phone(ann).calls()[0].heard(world.phone(bob).identity.voice));
//! ```

mod carrier;
pub mod ear;
mod house;
mod memory;
pub mod net;
pub mod phone;
pub mod trace;
pub mod voice;
mod world;

pub use carrier::{Carrier, Manner, Names};
pub use world::{Config, Disk, Eavesdropper, Inspector, Meddler, World};

#[cfg(test)]
mod tests;
