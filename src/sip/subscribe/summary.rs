//! How many messages wait: RFC 3842 §5.

/// What lies in a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages that nobody has heard.
    pub new: u32,
    /// Messages that somebody has kept.
    pub old: u32,
}

impl Summary {
    /// The document about the mailbox of this address.
    pub fn text(self, account: &str) -> String {
        let Self { new, old } = self;
        let waiting = if new > 0 { "yes" } else { "no" };
        format!(
            "Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\n\
             Voice-Message: {new}/{old} (0/0)\r\n"
        )
    }
}
