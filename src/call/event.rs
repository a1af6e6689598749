//! What happened in a call, in the order in which it happened. Everything that is told of a call
//! later is a view of these facts.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{CallId, Cause, LegId, Wall};

use super::Source;
use super::plan::{Generation, Place, Problem, ScriptError};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// In which call; none for a registration.
    pub call: Option<CallId>,
    /// When.
    pub at: Wall,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A phone came, moved or left.
    Registered {
        /// Whose phone.
        extension: String,
        /// Its Contact.
        contact: String,
        /// For how long; zero when it left.
        expires: Duration,
    },
    /// A phone that was there registered again, along the same way: nothing new but the time.
    Refreshed {
        /// Whose phone.
        extension: String,
        /// Its Contact.
        contact: String,
        /// For how long.
        expires: Duration,
    },
    /// A registration ran out.
    Expired {
        /// Whose phone.
        extension: String,
        /// Its Contact.
        contact: String,
    },
    /// A call began.
    Began {
        /// The leg of the caller.
        leg: LegId,
        /// The caller's number.
        from: String,
        /// The number dialled.
        to: String,
        /// The Call-ID of the caller's INVITE.
        sip_call_id: String,
        /// The scripts it runs on.
        generation: Generation,
    },
    /// A target is being rung.
    Dialled {
        /// The new leg.
        leg: LegId,
        /// Whom.
        target: String,
    },
    /// A leg rings.
    Ringing {
        /// Which.
        leg: LegId,
    },
    /// A leg was answered.
    Answered {
        /// Which.
        leg: LegId,
    },
    /// Two legs hear each other.
    Bridged {
        /// The caller's.
        a: LegId,
        /// The callee's.
        b: LegId,
    },
    /// A leg goes on in another call.
    Transferred {
        /// Which.
        leg: LegId,
        /// The leg of who has sent it there.
        by: LegId,
        /// Which call.
        to_call: CallId,
    },
    /// A leg comes into the call that nobody has rung: from another call, or to pick it up.
    Joined {
        /// Which.
        leg: LegId,
        /// Whose it is.
        who: String,
        /// The call that it comes from; none when it is a new one.
        from_call: Option<CallId>,
    },
    /// A leg has ended.
    LegEnded {
        /// Which.
        leg: LegId,
        /// Why.
        cause: Cause,
        /// The SIP status, when it was refused.
        status: Option<u16>,
        /// Who ended it.
        by: By,
    },
    /// A script asked for something.
    Asked {
        /// What, in a word.
        op: &'static str,
        /// The script line.
        at: Place,
    },
    /// A script wrote a line.
    Said {
        /// What.
        text: String,
        /// The script line.
        at: Place,
    },
    /// A script failed or was killed.
    ScriptFailed(ScriptError),
    /// After that the layer below took the call.
    FellBack {
        /// Its route.
        to: Place,
    },
    /// New calls get other scripts from now on.
    ScriptsLoaded {
        /// Which.
        generation: Generation,
        /// Why they were read.
        source: Source,
        /// What looks wrong in them all the same.
        slips: Arc<[Problem]>,
    },
    /// Scripts did not load; those before them stay.
    ScriptsRefused {
        /// Which; none when they could not be read.
        generation: Option<Generation>,
        /// Why they were read.
        source: Source,
        /// Why they were refused.
        problems: Arc<[Problem]>,
    },
    /// The call is over.
    Ended {
        /// Why.
        cause: Cause,
        /// How long it was answered.
        talked: Duration,
        /// Who ended it; the peer is the caller.
        by: By,
    },
}

/// Who ended a leg or a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The party at the other end.
    Peer,
    /// The dial plan.
    Script,
    /// The switch: a limit, a timeout, an answer elsewhere, a shutdown, an error.
    House,
}

impl By {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Script => "script",
            Self::House => "house",
        }
    }

    /// Who is meant by a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Peer, Self::Script, Self::House].into_iter().find(|it| it.word() == word)
    }
}
