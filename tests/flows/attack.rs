//! Attacks on the engine as it ships: messages are lost, hangups come at the worst moment, strangers
//! send what they like, resources end, scripts misbehave. Each time the same is asked: calls end on
//! both sides, nothing is left over, the facts are whole, and nobody else suffers.

mod defence;
mod facts;
mod garbage;
mod hangup;
mod limits;
mod loss;
mod media;
mod races;
mod scripts;
