//! Attacks on the engine as it ships: messages are lost, hangups come at the worst moment, strangers
//! send what they like, resources end, scripts misbehave. Each time the same is asked: calls end on
//! both sides, nothing is left over, the facts are whole, and nobody else suffers.

mod world;

#[path = "attack/facts.rs"]
mod facts;
#[path = "attack/garbage.rs"]
mod garbage;
#[path = "attack/hangup.rs"]
mod hangup;
#[path = "attack/limits.rs"]
mod limits;
#[path = "attack/loss.rs"]
mod loss;
#[path = "attack/media.rs"]
mod media;
#[path = "attack/races.rs"]
mod races;
#[path = "attack/scripts.rs"]
mod scripts;
