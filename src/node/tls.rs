//! SIP over TLS: certificates, handshakes, and what a connection over TLS adds to one over TCP.
//!
//! - `credentials`, `own`, `chosen`, `reload`: the files, the configuration made of them, and which
//!   certificate is shown to whom;
//! - `door`, `failure`: handshakes on a thread of their own, in both directions, and why they fail;
//! - `session`: bytes to sealed bytes and back, which the switch thread's connections carry;
//! - `names`: who a peer is by its certificate (RFC 5922).
//!
//! What is said over a connection, and how long it may stay, is the business of `tcp`.

mod chosen;
mod credentials;
mod door;
mod failure;
#[cfg(test)]
mod forge;
mod names;
mod own;
mod reload;
mod session;

use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use crate::config::Settings;
use crate::sip::Wanted;

use super::clock::Clock;
use super::eyes::Eyes;
use super::post::{Mailbox, Post, post};
use super::start::{Failure, system};

use credentials::{Credentials, Current, Files, Texts};
use door::Door;

pub(super) use door::{Arrival, Guest};
pub(super) use session::{Heard, Session};

/// Descriptors that connections before the door may take.
pub(super) const BEFORE_DOOR_MAX: usize = door::HANDSHAKES_MAX + door::OPENINGS_MAX;
/// Who may wait to be let in by the switch; the door waits when it is late.
const GUESTS_MAX: usize = 256;
/// Connections that the switch may wish for at once.
const WISHES_MAX: usize = 256;

/// All about TLS that the start has found to be good.
pub(super) struct Tls {
    files: Files,
    texts: Texts,
    current: Current,
}

/// What the switch thread has of the door.
pub(super) struct Hall {
    /// Who comes in.
    pub(super) arrivals: Mailbox<Arrival>,
    /// Whom the switch wants to come in.
    pub(super) wishes: Post<Wanted>,
}

/// What the door and whoever looks after the files run on.
pub(super) struct Threads {
    /// The door.
    pub(super) door: Box<dyn FnOnce() -> io::Result<()> + Send>,
    /// Who looks after the files.
    pub(super) reload: Box<dyn FnOnce() -> io::Result<()> + Send>,
    /// Rung when the files are to be looked at.
    pub(super) bell: SyncSender<()>,
}

impl Tls {
    /// Reads the certificates and keys that the settings mean; makes one when they mean none.
    pub(super) fn read(settings: &Settings, clock: Clock) -> Result<Self, Failure> {
        let files = Files::of(settings);
        if files.is_own {
            let ip = Some(settings.sip.ip()).filter(|it| !it.is_unspecified());
            let addresses: Vec<IpAddr> = settings.advertise.into_iter().chain(ip).collect();
            own::make(files.first(), super::start::REALM, &addresses)?;
        }
        let wrong = |it: credentials::Bad| Failure::Setting(it.of(settings));
        let texts = files.read().map_err(wrong)?;
        let wall = Duration::from_micros(clock.now().wall.0);
        let credentials = files.credentials(&texts, wall).map_err(wrong)?;
        credentials.tell("our");
        Ok(Self { files, texts, current: Current::new(credentials) })
    }

    /// Makes ready to let in who connects to the listener, and to open connections.
    pub(super) fn begin(
        self,
        clock: Clock,
        listener: Option<TcpListener>,
    ) -> Result<(Hall, Threads), Failure> {
        let queue = "cannot make a queue";
        let (guests, arrivals) = post(GUESTS_MAX).map_err(system(queue))?;
        let (wishes, wished) = post(WISHES_MAX).map_err(system(queue))?;
        let door = Door::new(listener, wished, guests, self.current.clone());
        let door = door.map_err(system("cannot wait for TLS connections"))?;
        let (bell, changes) = sync_channel(1);
        let paths = self.files.paths().into_iter().map(std::path::absolute).collect();
        let paths: io::Result<Vec<_>> = paths;
        let paths = paths.map_err(system("cannot find the certificates"))?;
        let desk = reload::Desk {
            files: self.files,
            current: self.current,
            clock,
            eyes: Eyes::new("certificates", paths, bell.clone()),
            changes,
        };
        let texts = self.texts;
        let threads = Threads {
            door: Box::new(move || door.run(clock)),
            reload: Box::new(move || desk.run(texts)),
            bell,
        };
        Ok((Hall { arrivals, wishes }, threads))
    }
}

impl Credentials {
    /// Tells the log about each certificate.
    fn tell(&self, whose: &str) {
        for it in &self.about {
            tracing::info!("TLS: {whose} certificate {it}");
        }
    }
}
