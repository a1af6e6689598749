//! The four directions, as words and as two yes-or-no questions.

use super::Direction;

impl Direction {
    /// Whether the side that says so sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the side that says so receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What is left of our wishes when the peer says `theirs` of itself (RFC 3264 §6.1): we send
    /// only what it receives, and receive only what it sends.
    pub(super) fn meeting(self, theirs: Self) -> Self {
        Self::of(self.sends() && theirs.receives(), self.receives() && theirs.sends())
    }

    /// The same without receiving.
    pub(super) fn deaf(self) -> Self {
        Self::of(self.sends(), false)
    }

    /// The attribute (RFC 8866 §6.7).
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction of an attribute.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|it| it.word() == word)
    }

    /// The direction of who sends, or receives, or both.
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}
