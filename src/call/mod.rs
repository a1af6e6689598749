//! The switch: calls, legs, ringing, bridging, and the dial plan as a [`plan::Plan`].
//!
//! [`Switch`] computes and never waits. Drive it like this: give it every message, media event
//! and change with [`Switch::handle`]; call [`Switch::handle_timeout`] when
//! [`Switch::poll_timeout`] has come (it may say *now*: a script has more to compute, and datagrams
//! may be served first); carry out what it puts into `out`, in order.

mod arrive;
mod ask;
mod audio;
pub mod event;
mod gate;
mod lamps;
mod leg;
mod modify;
mod ops;
mod phones;
pub mod plan;
mod ports;
mod ring;
mod scripts;
mod switch;
pub mod trace;
mod transfer;
mod trunk;

use std::net::SocketAddr;

use bytes::Bytes;

use crate::directory::{Delta, ExtensionId, TenantId};
use crate::media;
use crate::sip::registrar::Kept;
use crate::sip::{Flow, Identities, Wanted, resolve, subscribe};

pub use ask::{Answer, CallSeen, LegSeen, PhoneSeen, Question, Ticket};
pub use event::Fact;
pub use lamps::KeptWatch;
pub use plan::{Op, Outcome, Plan, Step};
pub use scripts::{Load, Standing};
pub use switch::{Census, Settings, Switch};
pub use trace::Traced;
pub use trunk::{Health, TrunkSeen};

/// What happens to a switch.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message has come: a datagram, or what was cut out of a stream.
    Message {
        /// From where, and to which of our addresses.
        flow: Flow,
        /// What it says.
        bytes: Bytes,
    },
    /// A connection is open that was asked for with [`Output::Connect`], or one whose peer has
    /// proved by a certificate who it is.
    Connected {
        /// Its flow.
        flow: Flow,
        /// The domains that the peer has proved to be.
        identities: Identities,
    },
    /// A connection is gone that we were told of, or over which a message had come: nothing comes
    /// over it any more. Or the one that was asked for is not to be had.
    Disconnected {
        /// Its flow.
        flow: Flow,
    },
    /// A plane tells something.
    Media(media::Event),
    /// Something was provisioned.
    Directory(Delta),
    /// A phone had registered with the switch before this one, and the time is not up.
    Restored(Kept),
    /// Somebody had subscribed with the switch before this one, and the time is not up.
    Watched(KeptWatch),
    /// Somebody asks; the answer comes as [`Output::Told`].
    Ask {
        /// The name of the answer.
        ticket: Ticket,
        /// What is asked.
        question: Question,
    },
    /// What happens cannot be written down as fast as it happens, or can again. Until then there
    /// are no new calls: none may be forgotten.
    Behind(bool),
    /// More comes in than can be served, or does not any more. Until then new calls and strangers are
    /// refused before they cost anything.
    Overloaded(bool),
    /// Scripts were read: new calls get them if they load. They load in slices, and calls go on
    /// meanwhile; a later set takes the place of one that is still being loaded.
    Scripts(Scripts),
    /// A media thread has bound these RTP ports (even; RTCP is the next one) for us to use.
    Ports {
        /// Which media thread.
        thread: u8,
        /// Its ports.
        ports: Vec<u16>,
    },
    /// DNS has answered, or has not.
    Dns(resolve::Question, resolve::Answer),
    /// The answer to [`Output::Route`].
    Routed {
        /// A peer.
        remote: SocketAddr,
        /// Our address as it sees us; nothing when there is no way to it.
        local: Option<SocketAddr>,
    },
    /// No new calls from now on; all calls are ended.
    Shutdown,
}

/// All scripts as somebody has found them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// Why they were read.
    pub source: Source,
    /// The texts, or why they could not be read.
    pub files: Result<plan::Files, Vec<plan::Problem>>,
}

/// Why scripts were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The switch started.
    Start,
    /// A file has changed.
    Watch,
}

impl Source {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Watch => "watch",
        }
    }
}

/// What a switch wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// This message is to leave.
    Send {
        /// On which flow: from `flow.local` to `flow.remote`. When its connection is gone, the
        /// message is too.
        flow: Flow,
        /// What it says.
        bytes: Bytes,
    },
    /// A name server is to be asked; one [`Input::Dns`] follows, or nothing.
    Dns(resolve::Question),
    /// Which address of ours does this peer see, over UDP? [`Input::Routed`] follows.
    Route(SocketAddr),
    /// A connection is to be opened; [`Input::Connected`] or [`Input::Disconnected`] follows.
    Connect(Wanted),
    /// A plane is to do something.
    Media {
        /// Which media thread.
        thread: u8,
        /// What.
        command: media::Command,
    },
    /// Somebody known has proved on this flow, which is a connection's, who they are: it may stay
    /// open for as long as they like.
    Trusted {
        /// Which.
        flow: Flow,
    },
    /// A connection is to be closed: its account has newer ones than it may have.
    Close {
        /// Its flow.
        flow: Flow,
    },
    /// Something happened that is worth keeping.
    Fact(Fact),
    /// A phone of an extension is to be remembered, or forgotten.
    Phone {
        /// Whose it is.
        tenant: TenantId,
        /// Whose phone.
        extension: ExtensionId,
        /// Its contact.
        contact: String,
        /// All about it; nothing when it is gone.
        kept: Option<Kept>,
    },
    /// A subscription is to be remembered, or forgotten.
    Watch {
        /// Whose it is.
        tenant: TenantId,
        /// Whose phone has subscribed.
        extension: ExtensionId,
        /// Which: a word that no other has.
        name: String,
        /// All about it; nothing when it is over.
        kept: Option<subscribe::Kept>,
    },
    /// The answer to a question.
    Told {
        /// Which question's.
        ticket: Ticket,
        /// What it is.
        answer: Answer,
    },
    /// Something happened that helps to understand a call while it is remembered.
    Traced(Traced),
}

#[cfg(test)]
mod tests;
