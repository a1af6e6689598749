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
    /// Dies so long after it was connected, without a word: its network is gone.
    pub vanish_after: Option<Duration>,
    /// Puts the other end on hold so long after it was connected, and is silent meanwhile.
    pub hold_after: Option<Duration>,
    /// Takes it back so long after it was connected.
    pub resume_after: Option<Duration>,
    /// How it spells a hold.
    pub hold: Hold,
    /// Offers these codecs instead of those in use so long after it was connected.
    pub recode: Option<(Duration, Vec<Codec>)>,
    /// Asks for the other end's offer so long after it was connected.
    pub ask_after: Option<Duration>,
    /// Who offers when it calls.
    pub offers: Offers,
    /// What becomes of an INVITE within a call.
    pub later: Later,
    /// Whether callers hear it before it answers.
    pub early: Early,
    /// What stands between it and everybody else.
    pub nat: Option<Nat>,
    /// The codecs it knows, its favourite first.
    pub codecs: Vec<Codec>,
    /// What it says to an instant message.
    pub texts: u16,
    /// For how long it registers. It refreshes after half of what it was granted.
    pub expires: Duration,
}

/// How a hold is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Hold {
    /// `a=sendonly`, as there might be music.
    #[default]
    SendOnly,
    /// `a=inactive`.
    Inactive,
    /// `c=IN IP4 0.0.0.0`, as RFC 2543 had it.
    Nowhere,
}

/// Who offers when a phone calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Offers {
    /// It does, in its INVITE.
    #[default]
    Early,
    /// The other end does, in its answer.
    Late,
}

/// What becomes of an INVITE within a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Later {
    /// It is answered.
    #[default]
    Accept,
    /// It is refused with this status.
    Refuse(u16),
}

/// What callers hear of a phone that rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Early {
    /// Nothing: 180.
    #[default]
    Rings,
    /// Itself already: 183 with a description.
    Speaks,
}

/// A router that gives the phone's RTP an address of its own, of which the phone knows nothing: its
/// descriptions name one that nobody can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// Changes its mind about the port so long after the phone was connected.
    pub moves_after: Option<Duration>,
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
            vanish_after: None,
            hold_after: None,
            resume_after: None,
            hold: Hold::default(),
            recode: None,
            ask_after: None,
            offers: Offers::default(),
            later: Later::default(),
            early: Early::default(),
            nat: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            texts: 200,
            expires: Duration::from_secs(600),
        }
    }
}
