//! The media plane: what is heard by whom. One [`Plane`] per media thread; it owns the streams of
//! its calls, knows packets, ports and time, and speaks with the switch in [`Command`]s and
//! [`Event`]s. It knows nothing of SIP or scripts, and it touches neither socket nor clock.
//!
//! Drive it like this:
//!
//! 1. Give it every [`Command`] of the switch with [`Plane::handle`], in order.
//! 2. Give it every datagram with [`Plane::receive`]. It is rewritten in place and the answer says
//!    where it leaves; on this path nothing is allocated.
//! 3. When [`Plane::poll_timeout`] has come, call [`Plane::handle_timeout`]: players speak in
//!    frames, reports go out, lost ends of digits are noticed.
//! 4. After each of them carry out what stands in [`Out`], then empty it.
//!
//! What is heard at a peer is the first of these that there is: what is played to it, its own
//! voice when it hears an echo, its partner. Legs that are joined speak the same codec: the switch
//! sees to that, and packets of another codec are refused here. RTCP ends here: what comes is read,
//! what leaves is of our own making. A peer of whom nothing is heard although it should speak is
//! told as [`Event::Silent`].

mod command;
mod event;
mod line;
mod plane;
mod player;
mod source;
mod stream;
mod voice;

pub use crate::audio::Tone;
pub use command::{Command, Open, Source};
pub use event::{Event, Out, Packet, Relayed, Stats};
pub use plane::Plane;

#[cfg(test)]
mod tests;
