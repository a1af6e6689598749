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

/// 40 UDP ports, as `(low, high)`, that no other test of this process uses. Another process may
/// use some of them; everybody here steps over busy ones.
pub(crate) fn audio_ports() -> (u16, u16) {
    let process = (std::process::id() % 10) as u16;
    let low = 21_000 + process * 1000 + (next() % 25) * 40;
    (low, low + 39)
}

fn next() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
