//! The real outside: sockets, clock, threads, files, HTTP, signals. It moves bytes and keeps time;
//! what they mean is computed by [`crate::call::Switch`] and [`crate::media::Plane`].
//!
//! ```text
//!  main thread            switch thread                 media threads
//!  HTTP, signals          SIP sockets, Switch, scripts  RTP sockets, Plane
//!        │   Input: Shutdown   │   Command ─────────────────>  │
//!        ├────────────────────>│   <───────────────── Event    │
//!        │<── View, Traces ────┤
//!        │                     │
//!        │ Request   ┌─────────┴───────┐ facts, phones
//!        └──────────>│  keeper thread  │<─── the switch's Book
//!         Response   │  Store          │──── Input: Directory, Ask ──> switch
//!                    └─────────────────┘
//!  watch thread                │
//!  files   Input: Scripts      │
//!        └────────────────────>│
//!  door thread                 │
//!  TLS handshakes   Arrival    │
//!        └────────────────────>│ <- asks it to open connections
//! ```
//!
//! Every queue between threads is bounded (`post`), and what happens when it is full stands where
//! it is filled. An error that comes from the network ends nothing; a panic of a thread ends the
//! process, and whoever supervises it starts it again: half a PBX is worse than a short absence.

mod api;
mod book;
mod check;
mod clock;
mod data;
mod dns;
mod eyes;
mod facts;
mod flows;
mod http;
mod keeper;
mod loads;
mod log;
mod media;
mod ports;
mod post;
mod prompts;
mod provision;
mod scripts;
mod seldom;
mod signals;
mod start;
mod switch;
mod tcp;
mod tls;
mod traces;
mod udp;
mod watch;

pub use check::{Checked, check};
pub use data::LOCAL_KEY;
pub use provision::Error as ProvisionError;
pub use start::{Failure, serve};
