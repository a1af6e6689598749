//! What is remembered of recent calls so that people can see what happened: every SIP message of
//! every leg, script lines, media. Facts are for ever; this is a [`Ring`] bounded in bytes.
//!
//! The ring stands beside a switch and sees what goes in ([`Ring::heard`]) and comes out
//! ([`Ring::done`]); the switch does not know it. A message belongs to the leg whose Call-ID it
//! carries, so the challenge before a call began is found again, and so is the last 200 when all of
//! the call is over. [`Ring::find`] gives a [`Trace`], which tells itself as a ladder of text or as
//! JSON.
//!
//! Secrets do not leave: what proves a password, keys of media and bodies that are no session
//! descriptions are masked or not even kept (`mask`).

mod json;
mod ladder;
mod mask;
mod ring;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use bytes::Bytes;

use super::event::What;
use super::plan::Place;
use crate::base::{CallId, LegId, Mono, Wall};
use crate::media::Stats;
use crate::sdp::{Codec, Direction};
use crate::sip::Flow;

pub use ring::Ring;

/// What a switch tells for the trace alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// In which call.
    pub call: CallId,
    /// What.
    pub detail: Detail,
}

/// Something that helps to understand a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// The signalling of a leg that we ring has this Call-ID.
    Named {
        /// Which leg.
        leg: LegId,
        /// Its Call-ID.
        sip_call_id: String,
    },
    /// A script asked for something.
    Asked {
        /// What, with its arguments.
        what: String,
        /// The script line.
        at: Place,
    },
    /// Audio flows like this from now on.
    Agreed {
        /// Whose.
        leg: LegId,
        /// The codec.
        codec: Codec,
        /// Our address.
        local: SocketAddr,
        /// The peer's address, as it says.
        remote: SocketAddr,
        /// Which way, seen from us.
        direction: Direction,
    },
    /// The audio of a leg is over.
    Closed {
        /// Whose.
        leg: LegId,
        /// What its stream saw.
        stats: Stats,
    },
}

/// What is remembered of one call.
#[derive(Clone, Debug)]
pub struct Trace {
    call: CallId,
    began: Wall,
    began_mono: Mono,
    from: String,
    to: String,
    legs: Vec<Leg>,
    records: Vec<Record>,
    /// Records that there was no room for.
    left_out: usize,
}

/// How much a ladder tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Start lines.
    Lines,
    /// Whole messages.
    Messages,
}

#[derive(Clone, Debug)]
struct Leg {
    id: LegId,
    who: String,
    sip_call_id: String,
    /// Where its messages come from and go to.
    remote: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
struct Record {
    at: Mono,
    entry: Entry,
}

#[derive(Clone, Debug)]
enum Entry {
    Sip { leg: LegId, message: Heard },
    Fact(What),
    Detail(Detail),
}

/// A SIP message on its way.
#[derive(Clone, Debug)]
struct Heard {
    flow: Flow,
    way: Way,
    bytes: Bytes,
    /// Bytes of a body that were not kept.
    body_left_out: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToUs,
    FromUs,
}

impl Trace {
    /// Its call.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// The ladder: a column for each leg and for us, time going down.
    pub fn ladder(&self, depth: Depth) -> String {
        ladder::print(self, depth)
    }

    /// Everything, for programs.
    pub fn json(&self) -> String {
        json::print(self)
    }

    fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.iter().find(|it| it.id == id)
    }
}

/// A fact or detail in words; none for what the ladder shows otherwise.
fn words(trace: &Trace, entry: &Entry) -> Option<String> {
    let who = |leg: LegId| trace.leg(leg).map_or_else(|| leg.to_string(), |it| it.who.clone());
    let text = match entry {
        Entry::Sip { .. } | Entry::Detail(Detail::Named { .. }) => return None,
        Entry::Fact(fact) => match fact {
            What::Registered { .. }
            | What::Refreshed { .. }
            | What::Expired { .. }
            | What::ScriptsLoaded { .. }
            | What::ScriptsRefused { .. }
            | What::Asked { .. } => return None,
            What::Began { from, to, generation, .. } => {
                format!("began: {from} calls {to}, scripts {generation}")
            }
            What::Dialled { leg, target } => format!("rings {target} on leg {leg}"),
            What::Ringing { leg } => format!("{} rings", who(*leg)),
            What::Answered { leg } => format!("{} answered", who(*leg)),
            What::Bridged { a, b } => format!("{} and {} hear each other", who(*a), who(*b)),
            What::Transferred { leg, by, to_call } => {
                format!("{} goes on in call {to_call}, sent by {}", who(*leg), who(*by))
            }
            What::Joined { who, from_call: Some(call), .. } => {
                format!("{who} comes from call {call}")
            }
            What::Joined { who, from_call: None, .. } => format!("{who} takes the call"),
            What::LegEnded { leg, cause, status, by } => {
                let status = status.map(|it| format!(" ({it})")).unwrap_or_default();
                format!("{} ended: {cause}{status}, by the {}", who(*leg), by.word())
            }
            What::Said { text, at } => format!("{at} says {text}"),
            What::ScriptFailed(error) => format!("{} failed: {}", error.at, error.message),
            What::FellBack { to } => format!("goes on below, at {to}"),
            What::Ended { cause, talked, .. } => {
                format!(
                    "ended: {cause}, talked {}.{:03} s",
                    talked.as_secs(),
                    talked.subsec_millis()
                )
            }
        },
        Entry::Detail(Detail::Asked { what, at }) => format!("{at} {what}"),
        Entry::Detail(Detail::Agreed { leg, codec, local, remote, direction }) => {
            let arrow = match direction {
                Direction::SendRecv => "<->",
                Direction::SendOnly => "->",
                Direction::RecvOnly => "<-",
                Direction::Inactive => "-/-",
            };
            format!("audio of {}: {} {local} {arrow} {remote}", who(*leg), codec.name())
        }
        Entry::Detail(Detail::Closed { leg, stats }) => {
            let Stats { received, sent, lost, jitter_us, refused } = stats;
            let (ms, tenth) = (jitter_us / 1000, jitter_us / 100 % 10);
            format!(
                "audio of {}: {received} received, {sent} sent, {lost} lost, {refused} refused, \
                 jitter {ms}.{tenth} ms",
                who(*leg)
            )
        }
    };
    Some(text)
}
