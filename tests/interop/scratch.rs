//! Directories and ports of a test's own.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// A directory that vanishes with the test, unless the test fails: then it is evidence.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty directory below `target/tmp`.
    pub(crate) fn new(name: &str) -> Self {
        let unique = format!("{name}-{}-{}", std::process::id(), next());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A port on 127.0.0.1 that was free a moment ago for TCP and UDP, and that no other test of this
/// process is given. It lies below the ephemeral ones: what the system gives to others meanwhile,
/// for a connection of theirs, is never ours.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 8_200;
    const COUNT: u32 = 4_000;
    let start = std::process::id() * 31;
    let is_free = |port: u16| {
        let at = ("127.0.0.1", port);
        TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
    };
    (0..COUNT)
        // Two apart: a phone takes the port behind its own for TLS.
        .map(|_| (FIRST + (start + u32::from(next())) % COUNT * 2) as u16)
        .find(|port| is_free(*port))
        .expect("somebody holds every port of this machine")
}

/// 120 UDP ports, enough for 30 calls, as `(low, high)`, all of which were free a moment ago and none of which another
/// test of this process is given. They lie below the ephemeral ones.
pub(crate) fn audio_ports() -> (u16, u16) {
    const FIRST: u16 = 20_480;
    const COUNT: u16 = 120;
    const BLOCKS: u32 = 100;
    let start = std::process::id() * 7;
    let is_free =
        |low: u16| (low..low + COUNT).all(|it| UdpSocket::bind(("127.0.0.1", it)).is_ok());
    (0..BLOCKS)
        .map(|_| FIRST + ((start + u32::from(next())) % BLOCKS) as u16 * COUNT)
        .find(|low| is_free(*low))
        .map(|low| (low, low + COUNT - 1))
        .expect("somebody holds every audio port of this machine")
}

/// 600 UDP ports below those of [`free_port`], all of which were free a moment ago.
pub(crate) fn wide_audio_ports() -> (u16, u16) {
    const FIRST: u16 = 6_400;
    const COUNT: u16 = 600;
    let is_free =
        |low: u16| (low..low + COUNT).all(|it| UdpSocket::bind(("127.0.0.1", it)).is_ok());
    (0..3)
        .map(|block| FIRST + block * COUNT)
        .find(|low| is_free(*low))
        .map(|low| (low, low + COUNT - 1))
        .expect("somebody holds every audio port of this machine")
}

fn next() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
