//! RTP packets (RFC 3550): reading and writing them, what their sequence tells, RTCP, and digits
//! (RFC 4733).
//!
//! The room knows bytes and arrival times. It does not know sockets, calls, or what is heard by
//! whom. Nothing that arrives makes it panic or keeps memory.
//!
//! ```
//! use moonswitch::rtp::{Header, Kind, Rtp};
//!
//! let header = Header { marker: true, payload_type: 0, seq: 7, timestamp: 160, ssrc: 9 };
//! let mut bytes = Vec::new();
//! header.write(b"sound", &mut bytes);
//!
//! assert_eq!(Kind::of(&bytes), Kind::Rtp);
//! let packet = Rtp::parse(&bytes).expect("we wrote it");
//! assert_eq!((packet.header, packet.payload), (header, &b"sound"[..]));
//! ```

pub mod dtmf;
mod packet;
mod reception;
pub mod rtcp;

pub use packet::{Header, Kind, Rtp};
pub use reception::{Arrival, Order, Reception, ticks};
