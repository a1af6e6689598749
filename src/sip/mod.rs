//! SIP without sockets: messages, transactions, dialogs, the signalling of a call, the registrar.
//!
//! This room knows bytes, flows and time. It does not know who may call whom, what a dial plan is
//! or how bytes reach the wire.

mod alive;
mod ask;
pub mod auth;
mod connections;
pub mod defence;
pub mod dialog;
pub mod endpoint;
pub mod enrol;
pub mod flow;
pub mod identity;
pub mod invite;
pub mod message;
pub mod registrar;
pub mod resolve;
pub mod stream;
pub mod subscribe;
pub mod text;
pub mod tx;

pub use connections::Wanted;
pub use endpoint::{Endpoint, Held};
pub use flow::{Connection, Flow, Transport};
pub use identity::Identities;
