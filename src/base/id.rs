//! Names of things that live inside one switch.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $letter:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{:x}"), self.0)
            }
        }
    )*};
}

ids! {
    /// A call: what the caller feels, from the first ring to the last hangup.
    CallId "c",
    /// One party of a call.
    LegId "l",
    /// One RTP stream of a leg.
    StreamId "s",
    /// An operation that a script waits for.
    OpId "o",
    /// A request of ours outside of calls, whose answer somebody waits for.
    AskId "q",
    /// A subscription of somebody to what we know.
    SubId "n",
}
