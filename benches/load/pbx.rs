//! The binary that ships, started with a directory of its own and watched from outside.

use std::fs::{self, File, Permissions};
use std::io::{self, Error};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long it may take to be ready, and to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the kernel counts a process' time in (`USER_HZ`, 100 wherever this runs).
const TICK: Duration = Duration::from_millis(10);

/// An extension with a password.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) number: String,
    pub(crate) password: String,
}

impl Account {
    /// `count` of them, numbered from `first`.
    pub(crate) fn many(first: usize, count: usize) -> Vec<Self> {
        (first..first + count)
            .map(|it| Self { number: it.to_string(), password: format!("load-secret-{it}") })
            .collect()
    }
}

/// A running binary. Dropped, it is gone, and its directory too.
pub(crate) struct Pbx {
    /// Where it takes SIP.
    pub(crate) sip: SocketAddr,
    process: Child,
    directory: PathBuf,
}

impl Pbx {
    /// Starts it and waits until it says `ready`.
    pub(crate) fn start(accounts: &[Account]) -> io::Result<Self> {
        let directory =
            std::env::temp_dir().join(format!("moonswitch-load-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let file = directory.join("extensions.toml");
        fs::write(&file, extensions(accounts))?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let said = File::create(directory.join("said"))?;
        let sip = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let binary = binary()?;
        let process = Command::new(&binary)
            .arg("serve")
            .arg("--data")
            .arg(&directory)
            .args([
                "--sip",
                &sip.to_string(),
                "--sip-tls",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--rtp",
                "22000-23999",
            ])
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .map_err(|e| Error::new(e.kind(), format!("{}: {e}", binary.display())))?;
        let mut pbx = Self { sip, process, directory };
        pbx.wait_until_ready()?;
        Ok(pbx)
    }

    /// Processor time it has used so far, with the kernel's for it.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // proc(5): after the name in parentheses comes field 3; utime is 14, stime 15.
        let fields = stat.rsplit_once(')').map(|it| it.1).unwrap_or_default();
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|it| it.parse::<u64>().ok())
            .sum();
        Ok(TICK * ticks as u32)
    }

    /// Ends it as a supervisor would; it must go in order.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        Command::new("kill").arg(self.process.id().to_string()).status()?;
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(Error::other(format!("the switch left with {status}"))),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
        Err(Error::other("the switch did not leave when told"))
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let since = Instant::now();
        loop {
            let said = fs::read_to_string(self.directory.join("said"))?;
            if said.lines().any(|it| it.starts_with("ready")) {
                return Ok(());
            }
            let gone = self.process.try_wait()?.is_some();
            if gone || since.elapsed() > PATIENCE {
                return Err(Error::other(format!("the switch is not ready; it said:\n{said}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// `LOAD_BINARY`, or the `dist` binary beside the build of this benchmark.
fn binary() -> io::Result<PathBuf> {
    if let Some(it) = std::env::var_os("LOAD_BINARY") {
        return Ok(it.into());
    }
    let this = std::env::current_exe()?;
    let target = this.ancestors().nth(3).ok_or_else(|| Error::other("built in a strange place"))?;
    Ok(target.join("dist/moonswitch"))
}

fn extensions(accounts: &[Account]) -> String {
    let rows = accounts.iter().map(|Account { number, password }| {
        format!(
            "[[extension]]\nnumber = \"{number}\"\nname = \"Load {number}\"\n\
             password = \"{password}\"\n\n"
        )
    });
    rows.collect()
}
