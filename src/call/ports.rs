//! The pools of RTP ports that media threads have bound for us.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Free ports by media thread. A port that comes back goes to the end of its queue, so what still
/// arrives for its last call has time to die out.
#[derive(Debug, Default)]
pub(super) struct Ports {
    free: BTreeMap<u8, VecDeque<u16>>,
    /// Every port that was offered, free or not.
    all: BTreeSet<u16>,
}

impl Ports {
    /// A media thread has bound these.
    pub(super) fn offer(&mut self, thread: u8, ports: Vec<u16>) {
        self.all.extend(&ports);
        self.free.entry(thread).or_default().extend(ports);
    }

    /// The thread that a new call is best served by: the one with the most free ports.
    pub(super) fn thread(&self) -> Option<u8> {
        let best = self.free.iter().max_by_key(|it| it.1.len())?;
        Some(*best.0)
    }

    /// Takes a port of this thread.
    pub(super) fn take(&mut self, thread: u8) -> Option<u16> {
        self.free.get_mut(&thread)?.pop_front()
    }

    /// A stream has left its port.
    pub(super) fn give_back(&mut self, thread: u8, port: u16) {
        self.free.entry(thread).or_default().push_back(port);
    }

    /// Whether it is one of ours, for RTP or RTCP.
    pub(super) fn owns(&self, port: u16) -> bool {
        self.all.contains(&(port & !1))
    }

    pub(super) fn free(&self) -> usize {
        self.free.values().map(VecDeque::len).sum()
    }

    pub(super) fn offered(&self) -> usize {
        self.all.len()
    }
}
