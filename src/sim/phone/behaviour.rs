//! What a phone does, as data.

use std::time::Duration;

use crate::sdp::Codec;

/// How the person at a phone behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What becomes of a call that comes in.
    pub reply: Reply,
    /// Gives up a call of its own that is not answered so long after dialling.
    pub cancel_after: Option<Duration>,
    /// Hangs up so long after it was connected.
    pub hang_up_after: Option<Duration>,
    /// The codecs it knows, its favourite first.
    pub codecs: Vec<Codec>,
    /// For how long it registers. It refreshes after half of what it was granted.
    pub expires: Duration,
}

/// What becomes of a call that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It rings at once and is answered later.
    Answer {
        /// How much later.
        after: Duration,
    },
    /// 486.
    Busy,
    /// 603.
    Decline,
    /// It rings for ever.
    Ring,
    /// The phone is dead: it says nothing at all.
    Silent,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            reply: Reply::Answer { after: Duration::from_secs(2) },
            cancel_after: None,
            hang_up_after: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            expires: Duration::from_secs(600),
        }
    }
}
