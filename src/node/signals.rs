//! Signals: the first SIGTERM or SIGINT asks us to leave, the second means now. SIGHUP asks us to
//! look at our files.

use std::io;
use std::sync::mpsc::SyncSender;

use nix::sys::signal::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that end us.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on; before, a signal ends the process as it always does.
    ///
    /// A file that has grown to its limit is a write that fails, as on a disk that is full; nothing
    /// for which a PBX ends. Who has listened to a signal once does not die of it.
    pub(super) fn listen() -> io::Result<Self> {
        drop(signal(SignalKind::from_raw(Number::SIGXFSZ as i32))?);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Listens to SIGHUP from now on, which does not end us any more: each rings the bell.
    pub(super) fn look_again(bell: SyncSender<()>) -> io::Result<()> {
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                // A bell that rings already need not ring twice.
                _ = bell.try_send(());
            }
        });
        Ok(())
    }

    /// Waits for the next one, and names it.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
