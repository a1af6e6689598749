//! The words that people choose from.

use super::super::extension::{FieldError, error};

/// A choice among words.
pub(super) trait Words: Copy + PartialEq + 'static {
    const ALL: &'static [(Self, &'static str)];
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $choice:ident $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of])* $choice,)+
        }

        impl Words for $name {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$choice, $word)),+];
        }

        impl $name {
            /// Its word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$choice => $word,)+ }
            }

            /// The one of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().find(|it| it.1 == word).map(|it| it.0)
            }
        }
    )+};
}

words! {
    /// Who comes to whom.
    TrunkKind {
        /// We register; calls come to where we did.
        #[default]
        Register "register",
        /// Both sides know the other's address.
        Peer "peer",
    }
    /// What carries messages.
    TrunkTransport {
        /// Datagrams.
        #[default]
        Udp "udp",
        /// A connection.
        Tcp "tcp",
        /// A connection that nobody else reads.
        Tls "tls",
    }
    /// How a call proves that it is the carrier's.
    InboundAuth {
        /// It comes from one of its addresses.
        #[default]
        Address "address",
        /// It knows the password; its address says only who it claims to be.
        Digest "digest",
    }
    /// Where the called number stands in a call of the carrier.
    DidSource {
        /// In the Request-URI.
        #[default]
        RequestUri "request_uri",
        /// In To: carriers that call the Contact which was registered.
        To "to",
        /// In P-Called-Party-ID (RFC 7315 §4.2).
        PCalledPartyId "p_called_party_id",
    }
    /// Where our number stands in our calls.
    IdentityHeader {
        /// In From and P-Asserted-Identity (RFC 3325).
        #[default]
        PAssertedIdentity "p_asserted_identity",
        /// In From and P-Preferred-Identity.
        PPreferredIdentity "p_preferred_identity",
        /// In From and Remote-Party-ID.
        RemotePartyId "remote_party_id",
        /// In From alone.
        From "from",
    }
    /// How numbers are written towards the carrier.
    CallerFormat {
        /// `+4930123`.
        #[default]
        Plus "+e164",
        /// `4930123`.
        Bare "e164",
        /// `030123`, and `0044…` for other countries.
        National "national",
        /// As they were dialled.
        Raw "raw",
    }
}

pub(super) fn read<T: Words>(
    field: &'static str,
    word: Option<String>,
    wrong: &mut Vec<FieldError>,
) -> Option<T> {
    let word = word?;
    let found = T::ALL.iter().find(|it| it.1 == word).map(|it| it.0);
    if found.is_none() {
        let words: Vec<&str> = T::ALL.iter().map(|it| it.1).collect();
        wrong.push(error(field, &word, &format!("one of {} is wanted", words.join(", "))));
    }
    found
}

pub(super) fn is_codec(text: &str) -> bool {
    ["opus", "pcma", "pcmu", "g722"].iter().any(|it| it.eq_ignore_ascii_case(text))
}
