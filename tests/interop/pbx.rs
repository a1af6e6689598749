//! The binary under test, as a user runs it.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::scratch::{Scratch, audio_ports, wide_audio_ports};
use crate::wait::wait_for;

/// How long a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// The extensions of a PBX in the tests: number and password.
pub(crate) const EXTENSIONS: [(&str, &str); 2] =
    [("1001", "correct-horse"), ("1002", "battery-staple")];

/// A running PBX. It is killed when it is dropped.
pub(crate) struct Pbx {
    child: Child,
    lines: Receiver<String>,
    ready: String,
    scratch: Scratch,
}

/// So much from one address is what the limits are there to stop.
pub(crate) const UNLIMITED: [(&str, &str); 4] = [
    ("MOONSWITCH_STRANGER_RATE", "0"),
    ("MOONSWITCH_SOURCE_RATE", "0"),
    ("MOONSWITCH_REGISTER_RATE", "0"),
    ("MOONSWITCH_CALL_RATE", "0"),
];

impl Pbx {
    /// Starts one with the known extensions and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// The same, reached by phones at this address.
    pub(crate) fn start_at(sip: &str) -> Self {
        Self::start_with(sip, &[])
    }

    /// The same, with more words on its command line.
    pub(crate) fn start_with(sip: &str, words: &[&str]) -> Self {
        Self::begin(known_extensions(), sip, audio_ports(), words, &[])
    }

    /// The same with room for many calls at once, and without limits for an extension.
    pub(crate) fn start_wide() -> Self {
        let words = ["--call-rate=0", "--calls-per-extension=0", "--source-rate=0"];
        Self::begin(known_extensions(), "127.0.0.1:0", wide_audio_ports(), &words, &[])
    }

    /// The same with a dial plan above the one that ships.
    pub(crate) fn start_planned(plan: &str) -> Self {
        let scratch = known_extensions();
        fs::create_dir(scratch.file("scripts")).unwrap();
        fs::write(scratch.file("scripts/main.lua"), plan).unwrap();
        Self::start_in(scratch)
    }

    /// The same, and it lets everybody ask as fast as they can.
    pub(crate) fn start_unlimited() -> Self {
        Self::start_told(known_extensions(), &UNLIMITED)
    }

    /// Starts one on a data directory and waits until it is ready.
    pub(crate) fn start_in(scratch: Scratch) -> Self {
        Self::start_told(scratch, &[])
    }

    /// The same with these variables set.
    pub(crate) fn start_told(scratch: Scratch, variables: &[(&str, &str)]) -> Self {
        Self::begin(scratch, "127.0.0.1:0", audio_ports(), &[], variables)
    }

    /// Starts one with the known extensions that may open so many files only.
    pub(crate) fn start_with_few_files(files: u32) -> Self {
        let scratch = known_extensions();
        let pbx = command(scratch.path(), "127.0.0.1:0");
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        shell.arg("-c").arg(limited).arg(pbx.get_program()).args(pbx.get_args());
        Self::spawn(scratch, shell)
    }

    fn begin(
        scratch: Scratch,
        sip: &str,
        audio: (u16, u16),
        words: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = command_at(scratch.path(), sip, audio);
        command.args(words).envs(variables.iter().copied());
        Self::spawn(scratch, command)
    }

    fn spawn(scratch: Scratch, mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(scratch.file("pbx.log")).unwrap())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let mut pbx = Self { child, lines, ready: String::new(), scratch };
        pbx.ready = pbx.lines.recv_timeout(PATIENCE).expect("the ready line");
        assert!(pbx.ready.starts_with("ready "), "{}", pbx.ready);
        pbx
    }

    /// Where phones reach it.
    pub(crate) fn sip(&self) -> SocketAddr {
        self.bound("sip=")
    }

    /// Where phones reach it over TLS.
    pub(crate) fn sip_tls(&self) -> SocketAddr {
        self.bound("sip-tls=")
    }

    /// Where monitors reach it.
    pub(crate) fn http(&self) -> SocketAddr {
        self.bound("http=")
    }

    /// The ready line.
    pub(crate) fn ready(&self) -> &str {
        &self.ready
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> &Path {
        self.scratch.path()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The path of a file in its data directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.scratch.file(name)
    }

    /// What stands in its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.scratch.file("pbx.log")).unwrap()
    }

    /// What it answers to an HTTP GET with the key for this machine: head and body.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        let key = fs::read_to_string(self.file("local.key")).unwrap();
        let key = key.trim();
        let close = format!("Authorization: Bearer {key}\r\nConnection: close\r\n\r\n");
        let answer = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: pbx\r\n{close}"));
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        (head.to_owned(), body.to_owned())
    }

    /// What it answers to these bytes over HTTP, if it listens to all of them.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.http()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut answer));
        String::from_utf8(answer).unwrap()
    }

    /// A number out of `/health`.
    pub(crate) fn health(&self, field: &str) -> u64 {
        let (_, body) = self.get("/health");
        let (_, rest) = body.split_once(&format!("\"{field}\":")).expect(&body);
        let end = rest.find([',', '}']).unwrap();
        rest[..end].parse().expect(&body)
    }

    /// How often its threads have gone to sleep so far.
    pub(crate) fn wake_ups(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        let count = |status: String| {
            let line = status.lines().find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
            line.unwrap().trim().parse::<u64>().unwrap()
        };
        tasks.map(|it| count(fs::read_to_string(it.unwrap().path().join("status")).unwrap())).sum()
    }

    /// The memory that it holds.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Lets no file of it grow beyond so many bytes: to it, the disk is full. Nothing ends that.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |it| it.to_string());
        let words = ["--pid", &self.id().to_string(), &format!("--fsize={limit}:")];
        assert!(Command::new("prlimit").args(words).status().unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the PBX", PATIENCE, || self.child.try_wait().unwrap())
    }

    /// What it said on standard output after the ready line, once it has ended.
    pub(crate) fn last_words(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    /// Ends it; what it leaves behind is for the next start.
    pub(crate) fn into_scratch(mut self) -> Scratch {
        self.signal("TERM");
        self.wait();
        std::mem::replace(&mut self.scratch, Scratch::new("pbx-ended"))
    }

    /// Kills it; what it leaves behind is for the next start.
    pub(crate) fn kill(mut self) -> Scratch {
        _ = self.child.kill();
        self.wait();
        std::mem::replace(&mut self.scratch, Scratch::new("pbx-killed"))
    }

    fn bound(&self, key: &str) -> SocketAddr {
        let value = self.ready.split_whitespace().find_map(|it| it.strip_prefix(key));
        value.unwrap().parse().unwrap()
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- log of the PBX\n{}", self.log());
        }
    }
}

/// A data directory with the known extensions.
fn known_extensions() -> Scratch {
    let scratch = Scratch::new("pbx");
    let rows = EXTENSIONS.map(|(number, password)| {
        format!("[[extension]]\nnumber = \"{number}\"\npassword = \"{password}\"\n")
    });
    let file = scratch.file("extensions.toml");
    fs::write(&file, rows.concat()).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    scratch
}

/// Runs the binary to its end with these variables set.
pub(crate) fn run_with(data: &Path, variables: &[(&str, &str)]) -> Output {
    command(data, "127.0.0.1:0").envs(variables.iter().copied()).output().unwrap()
}

/// Runs the binary to its end.
pub(crate) fn run(data: &Path, words: &[&str]) -> Output {
    command(data, "127.0.0.1:0").args(words).output().unwrap()
}

/// The binary, with this data directory and ports of its own.
pub(crate) fn command(data: &Path, sip: &str) -> Command {
    command_at(data, sip, audio_ports())
}

fn command_at(data: &Path, sip: &str, (low, high): (u16, u16)) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moonswitch"));
    command.env_remove("MOONSWITCH_LOG").env_remove("MOONSWITCH_ADMIN_KEY");
    command.arg("serve").arg("--data").arg(data);
    let (sip, rtp) = (format!("--sip={sip}"), format!("--rtp={low}-{high}"));
    command.args([&sip, "--http=127.0.0.1:0", &rtp]);
    command
}

/// The lines of a stream, read by a thread so that its writer is never stopped.
pub(crate) fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            _ = sender.send(line);
        }
    });
    lines
}
