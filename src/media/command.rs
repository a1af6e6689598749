//! What a plane is asked to do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::audio::Tone;
use crate::base::{CallId, OpId, StreamId};
use crate::sdp::Agreed;

/// What the switch asks of a plane.
#[derive(Clone, Debug)]
pub enum Command {
    /// A stream begins on a port of this plane's pool. Until something is agreed nothing is sent and
    /// what arrives is counted and dropped. Opening an open stream is ignored.
    Open(Open),
    /// An (other) agreement holds from now on. SSRC, sequence and timestamps continue. A silence of
    /// the peer counts from now.
    Agree {
        /// Which stream.
        stream: StreamId,
        /// What holds.
        agreed: Agreed,
        /// Where the peer's signalling comes from: behind a NAT its packets come from there too.
        signalling: IpAddr,
    },
    /// Two streams hear each other from now on. Each stream has at most one partner; a former
    /// partner of either is left alone.
    Join {
        /// The one.
        a: StreamId,
        /// The other.
        b: StreamId,
    },
    /// The stream has no partner any more, nor has its partner.
    Part {
        /// Which stream.
        stream: StreamId,
    },
    /// Plays towards the peer, instead of what a partner says. Ends with [`Event::Played`], also
    /// when it is stopped or replaced by another. Where nothing can be sent (no agreement yet, a
    /// direction that forbids it) it plays in silence and takes its time all the same, so that
    /// scripts keep theirs.
    ///
    /// [`Event::Played`]: super::Event::Played
    Play {
        /// Which stream.
        stream: StreamId,
        /// The operation that plays.
        op: OpId,
        /// What.
        source: Source,
    },
    /// Stops what `op` plays, if it still does.
    Stop {
        /// Which stream.
        stream: StreamId,
        /// The operation that is to end.
        op: OpId,
    },
    /// The peer hears itself from now on (or no more), and neither hears its partner nor is heard by
    /// it.
    Echo {
        /// Which stream.
        stream: StreamId,
        /// Whether it does.
        on: bool,
    },
    /// The stream ends; its port is free again with [`Event::Closed`].
    ///
    /// [`Event::Closed`]: super::Event::Closed
    Close {
        /// Which stream.
        stream: StreamId,
    },
}

/// How a stream begins.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its name.
    pub stream: StreamId,
    /// The call it belongs to.
    pub call: CallId,
    /// The local RTP port, even; RTCP is the next one.
    pub port: u16,
    /// Our synchronisation source.
    pub ssrc: u32,
    /// Our first sequence number.
    pub seq: u16,
    /// Our first timestamp.
    pub timestamp: u32,
    /// The name in our RTCP SDES packets.
    pub cname: String,
    /// For how long the peer may say nothing before that is told; `None` means for ever.
    pub silence: Option<Duration>,
}

/// What a player plays.
#[derive(Clone, Debug)]
pub enum Source {
    /// Decoded samples, mono, played once.
    Samples {
        /// 8,000, 16,000 or 48,000 a second. At another rate they are silent and last as long.
        rate: u32,
        /// The samples.
        samples: Arc<[i16]>,
    },
    /// A computed tone.
    Tone(Tone),
}
