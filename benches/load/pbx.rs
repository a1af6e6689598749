//! A server under test, started with a directory of its own and watched from outside: the binary
//! that ships, or another in its place.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Error};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::sip::{Account, extensions};

/// How long it may take to be ready, and to go.
const PATIENCE: Duration = Duration::from_secs(20);
/// The administrator's key in these measurements.
pub(crate) const KEY: &str = "ms_load_0123456789abcdefghijklmnopqrstuvwxyz";
/// Where its media ports are: room for a thousand calls, below the ports that systems give away.
const RTP: &str = "18000-23999";

/// A running server. Dropped, it is gone, and its directory too.
pub(crate) struct Pbx {
    /// Where it takes SIP.
    pub(crate) sip: SocketAddr,
    /// Where it takes HTTP.
    pub(crate) http: String,
    process: Child,
    pub(crate) directory: PathBuf,
}

impl Pbx {
    /// Starts it with these extensions and waits until it says `ready`.
    pub(crate) fn start(accounts: &[Account], variables: &[(&str, &str)]) -> io::Result<Self> {
        let directory = scratch("moonswitch")?;
        let file = directory.join("extensions.toml");
        fs::write(&file, extensions(accounts))?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        Self::start_in(directory, variables)
    }

    /// Starts it on the data of an earlier one.
    pub(crate) fn start_in(directory: PathBuf, variables: &[(&str, &str)]) -> io::Result<Self> {
        let said = File::create(directory.join("said"))?;
        let sip = free_address()?;
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
                RTP,
            ])
            .env("MOONSWITCH_ADMIN_KEY", KEY)
            .env_remove("MOONSWITCH_LOG")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .map_err(|e| Error::new(e.kind(), format!("{}: {e}", binary.display())))?;
        let mut pbx = Self { sip, http: String::new(), process, directory };
        pbx.wait_until_ready()?;
        Ok(pbx)
    }

    /// Processor time it has used so far, with the kernel's for it, by the names of its threads.
    pub(crate) fn cpu(&self) -> io::Result<Cpu> {
        Cpu::of(self.process.id())
    }

    /// The memory that is its own, in bytes.
    pub(crate) fn memory(&self) -> io::Result<i64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:")).unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").parse().unwrap_or(0) * 1024)
    }

    /// Ends it as a supervisor would; it must go in order. What it leaves is for the next.
    pub(crate) fn stop(mut self) -> io::Result<PathBuf> {
        Command::new("kill").arg(self.process.id().to_string()).status()?;
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            match self.process.try_wait()? {
                Some(status) if status.success() => {
                    return Ok(std::mem::take(&mut self.directory));
                }
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
            if let Some(ready) = said.lines().find(|it| it.starts_with("ready")) {
                let http = ready.split(' ').find_map(|it| it.strip_prefix("http="));
                self.http = http.unwrap_or_default().to_owned();
                return Ok(());
            }
            let gone = self.process.try_wait()?.is_some();
            if gone || since.elapsed() > PATIENCE {
                return Err(Error::other(format!("the switch is not ready; it said:\n{said}")));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        if !self.directory.as_os_str().is_empty() {
            _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Processor time by thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu(BTreeMap<String, Duration>);

impl Cpu {
    /// What a process has used so far.
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let mut all = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            let path = task?.path();
            // A thread may be gone by now.
            let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
            let Ok(text) = fs::read_to_string(path.join("schedstat")) else { continue };
            // The first number is the time on a processor, in nanoseconds.
            let nanos = text.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0);
            *all.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(nanos);
        }
        Ok(Self(all))
    }

    /// What one more process has used is added.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (name, span) in other.0 {
            *self.0.entry(name).or_default() += span;
        }
        self
    }

    /// What was used since.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let spent = |(name, span): (&String, &Duration)| {
            let before = before.0.get(name).copied().unwrap_or_default();
            (name.clone(), span.saturating_sub(before))
        };
        Self(self.0.iter().map(spent).collect())
    }

    pub(crate) fn total(&self) -> Duration {
        self.0.values().sum()
    }

    /// The threads that used most, in microseconds for each unit.
    pub(crate) fn split(&self, units: usize) -> String {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.1));
        let each = |span: &Duration| span.as_secs_f64() * 1e6 / units.max(1) as f64;
        let text: Vec<_> = all
            .iter()
            .filter(|it| each(it.1) >= 1.0)
            .take(4)
            .map(|(name, span)| format!("{name} {:.0}", each(span)))
            .collect();
        text.join(" ")
    }
}

/// An address that nobody has over UDP or TCP, below those that the system gives to connections.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    let start = std::process::id() % 4000;
    (0..4000)
        .map(|it| SocketAddr::from(([127, 0, 0, 1], 10_000 + ((start + it) % 4000) as u16)))
        .find(|it| UdpSocket::bind(it).is_ok() && TcpListener::bind(it).is_ok())
        .ok_or_else(|| Error::other("no port is free"))
}

/// A new directory of ours.
pub(crate) fn scratch(name: &str) -> io::Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("{name}-load-{}", std::process::id()));
    _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    Ok(directory)
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
