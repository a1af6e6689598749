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
    /// What it makes of session timers.
    pub session: Session,
    /// By which method it holds and changes what is spoken.
    pub asks_by: Asks,
    /// What it makes of reliable provisional responses.
    pub reliable: Reliable,
    /// What becomes of an INVITE within a call.
    pub later: Later,
    /// Whether callers hear it before it answers.
    pub early: Early,
    /// Sends its partner to a number so long after it was connected.
    pub transfer: Option<(Duration, String)>,
    /// When it hangs up once its partner is sent elsewhere.
    pub leaves: Leaves,
    /// What stands between it and everybody else.
    pub nat: Option<Nat>,
    /// The codecs it knows, its favourite first.
    pub codecs: Vec<Codec>,
    /// For how long it registers. It refreshes after half of what it was granted.
    pub expires: Duration,
}

/// When a phone hangs up that has sent its partner elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Leaves {
    /// When it was told that all is well.
    #[default]
    WhenTold,
    /// As soon as it was heard.
    AtOnce,
    /// Not at all.
    Never,
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

/// What a phone makes of session timers (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Session {
    /// It has never heard of them.
    #[default]
    Unknown,
    /// It names so many seconds when it calls, takes on what it is told to, and hangs up when the
    /// other end does not do its part.
    Timed(u32),
    /// It promises to refresh after so many seconds and never does.
    Forgets(u32),
    /// It is a callee for whom no session is long enough: it wants so many seconds.
    Longer(u32),
}

/// By which method a phone renegotiates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Asks {
    /// It knows of INVITE only.
    #[default]
    Invite,
    /// By UPDATE, once the call is answered (RFC 3311).
    Update,
}

/// What a phone makes of reliable provisional responses (RFC 3262).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reliable {
    /// It has never heard of them.
    #[default]
    Unknown,
    /// It can send and acknowledge them.
    Supported,
    /// It wants them.
    Required,
    /// It wants them and never acknowledges one.
    Deaf,
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
            session: Session::default(),
            asks_by: Asks::default(),
            reliable: Reliable::default(),
            later: Later::default(),
            early: Early::default(),
            transfer: None,
            leaves: Leaves::default(),
            nat: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            expires: Duration::from_secs(600),
        }
    }
}
