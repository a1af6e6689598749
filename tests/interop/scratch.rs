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

/// A TCP port on 127.0.0.1 that was free a moment ago.
pub(crate) fn free_tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A UDP port on 127.0.0.1 that was free a moment ago.
pub(crate) fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// 40 UDP ports, as `(low, high)`, all of which were free a moment ago and none of which another
/// test of this process is given. They lie below the ephemeral ones.
pub(crate) fn audio_ports() -> (u16, u16) {
    const FIRST: u16 = 20_480;
    const COUNT: u16 = 40;
    const BLOCKS: u32 = 300;
    let start = std::process::id() * 7;
    let is_free =
        |low: u16| (low..low + COUNT).all(|it| UdpSocket::bind(("127.0.0.1", it)).is_ok());
    (0..BLOCKS)
        .map(|_| FIRST + ((start + u32::from(next())) % BLOCKS) as u16 * COUNT)
        .find(|low| is_free(*low))
        .map(|low| (low, low + COUNT - 1))
        .expect("somebody holds every audio port of this machine")
}

fn next() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
