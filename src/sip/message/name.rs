//! The header names that we have something to do with: one record each.

use std::fmt;

macro_rules! names {
    ($($name:ident $word:literal = $($lower:literal)|+;)+) => {
        /// A header's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name {
            $(#[doc = $word] $name,)+
            /// One that we have no name for; `Message::others` has it as written.
            Other,
        }

        impl Name {
            /// The name as it is usually written; empty for [`Name::Other`].
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                    Self::Other => "",
                }
            }

            fn from_lower(lower: &[u8]) -> Self {
                match lower {
                    $($($lower)|+ => Self::$name,)+
                    _ => Self::Other,
                }
            }
        }

        #[cfg(test)]
        pub(super) const ALL: &[Name] = &[$(Name::$name),+];
    };
}

names! {
    Via "Via" = b"via" | b"v";
    From "From" = b"from" | b"f";
    To "To" = b"to" | b"t";
    CallId "Call-ID" = b"call-id" | b"i";
    CSeq "CSeq" = b"cseq";
    Contact "Contact" = b"contact" | b"m";
    Route "Route" = b"route";
    RecordRoute "Record-Route" = b"record-route";
    MaxForwards "Max-Forwards" = b"max-forwards";
    ContentLength "Content-Length" = b"content-length" | b"l";
    ContentType "Content-Type" = b"content-type" | b"c";
    Expires "Expires" = b"expires";
    MinExpires "Min-Expires" = b"min-expires";
    Authorization "Authorization" = b"authorization";
    ProxyAuthorization "Proxy-Authorization" = b"proxy-authorization";
    WwwAuthenticate "WWW-Authenticate" = b"www-authenticate";
    ProxyAuthenticate "Proxy-Authenticate" = b"proxy-authenticate";
    Allow "Allow" = b"allow";
    Supported "Supported" = b"supported" | b"k";
    Require "Require" = b"require";
    ProxyRequire "Proxy-Require" = b"proxy-require";
    Unsupported "Unsupported" = b"unsupported";
    UserAgent "User-Agent" = b"user-agent";
    Server "Server" = b"server";
    Reason "Reason" = b"reason";
    RetryAfter "Retry-After" = b"retry-after";
    Event "Event" = b"event" | b"o";
    AllowEvents "Allow-Events" = b"allow-events" | b"u";
    Accept "Accept" = b"accept";
    SubscriptionState "Subscription-State" = b"subscription-state";
    ReferTo "Refer-To" = b"refer-to" | b"r";
    ReferredBy "Referred-By" = b"referred-by" | b"b";
    Replaces "Replaces" = b"replaces";
    SessionExpires "Session-Expires" = b"session-expires" | b"x";
    MinSe "Min-SE" = b"min-se";
    RSeq "RSeq" = b"rseq";
    RAck "RAck" = b"rack";
    PAssertedIdentity "P-Asserted-Identity" = b"p-asserted-identity";
    Privacy "Privacy" = b"privacy";
    Date "Date" = b"date";
    Warning "Warning" = b"warning";
    Path "Path" = b"path";
}

/// No name of ours is longer.
const LONGEST: usize = 19;

impl Name {
    /// The name behind these bytes, in any case, in full or in its compact form (RFC 3261 §7.3.3).
    pub(super) fn of(written: &[u8]) -> Self {
        let mut lower = [0; LONGEST];
        let Some(lower) = lower.get_mut(..written.len()) else {
            return Self::Other;
        };
        lower.copy_from_slice(written);
        lower.make_ascii_lowercase();
        Self::from_lower(lower)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
