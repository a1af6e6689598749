//! SIPp plays a scenario of `tests/interop/sipp`, many times if need be, and counts.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::phone::{PATIENCE, runs, text_of};
use crate::scratch::{Scratch, audio_ports};
use crate::wait::wait_for;

/// Who plays what.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// The scenario: the name of a file.
    pub(crate) scenario: &'a str,
    /// Whom it speaks to.
    pub(crate) server: SocketAddr,
    /// From which port of its own.
    pub(crate) port: u16,
    /// The account: number and password.
    pub(crate) account: (&'a str, &'a str),
    /// The number that is called, or registered.
    pub(crate) number: &'a str,
    /// `udp` or `tcp`.
    pub(crate) transport: &'a str,
    /// How many calls there are to be, and how many of them begin in a second.
    pub(crate) calls: u32,
    pub(crate) rate: u32,
}

/// A SIPp that plays. It is killed when it is dropped.
pub(crate) struct Sipp {
    child: Child,
    name: String,
    scratch: Scratch,
}

/// What a SIPp has counted.
#[derive(Debug, PartialEq)]
pub(crate) struct Count {
    pub(crate) successful: u32,
    pub(crate) failed: u32,
    pub(crate) repeated: u32,
    /// How many ACKs came.
    pub(crate) acknowledged: usize,
}

/// Whether there is a SIPp to test with.
pub(crate) fn is_installed() -> bool {
    runs("sipp", "-v")
}

impl Sipp {
    /// Begins to play, and waits until it listens.
    pub(crate) fn start(part: &Part<'_>) -> Self {
        let scratch = Scratch::new(part.scenario);
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/sipp");
        let word = |it: u32| it.to_string();
        // The address in the credentials is to be that of the request: the server's to register.
        let uri = match part.scenario {
            "register" => part.server.to_string(),
            _ => format!("{}@{}", part.number, part.server),
        };
        let child = Command::new("sipp")
            .arg(part.server.to_string())
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin"])
            .args(["-p", &word(part.port.into())])
            .args(["-mp", &word(audio_ports().0.into())])
            .args(["-t", if part.transport == "tcp" { "t1" } else { "u1" }])
            .args([
                "-s",
                part.number,
                "-au",
                part.account.0,
                "-ap",
                part.account.1,
                "-auth_uri",
                &uri,
            ])
            .args(["-m", &word(part.calls), "-r", &word(part.rate), "-l", &word(part.calls)])
            .arg("-sf")
            .arg(scenarios.join(format!("{}.xml", part.scenario)))
            .args(["-trace_stat", "-stf"])
            .arg(scratch.file("counts.csv"))
            .args(["-trace_err", "-error_file"])
            .arg(scratch.file("errors.log"))
            .args(["-trace_msg", "-message_file"])
            .arg(scratch.file("messages.log"))
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut sipp = Self { child, name: part.scenario.to_owned(), scratch };
        if part.transport == "udp" {
            wait_for("SIPp's port", PATIENCE, || {
                let is_taken = UdpSocket::bind(("127.0.0.1", part.port)).is_err();
                (is_taken || sipp.has_ended()).then_some(())
            });
        }
        sipp
    }

    /// Waits until everything is played, and checks that each call went as written.
    #[track_caller]
    pub(crate) fn succeeds(mut self, calls: u32, limit: Duration) -> Count {
        let status = wait_for(&self.name, limit, || self.child.try_wait().unwrap());
        let count = self.count();
        assert!(status.success(), "{} ended with {status}: {count:?}", self.name);
        assert_eq!((count.successful, count.failed), (calls, 0), "{}", self.name);
        count
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The last line of its statistics; the first names the columns.
    fn count(&self) -> Count {
        let text = text_of(&self.scratch.file("counts.csv"));
        let mut lines = text.lines().map(|it| it.split(';').collect::<Vec<_>>());
        let names = lines.next().unwrap_or_default();
        let last = lines.next_back().unwrap_or_default();
        let column = |name| {
            let at = names.iter().position(|it| *it == name).expect("a column of that name");
            last.get(at).and_then(|it| it.parse::<u32>().ok()).expect("a number")
        };
        Count {
            successful: column("SuccessfulCall(C)"),
            failed: column("FailedCall(C)"),
            repeated: column("Retransmissions(C)"),
            acknowledged: text_of(&self.scratch.file("messages.log")).matches("\n\nACK ").count(),
        }
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if std::thread::panicking() {
            for it in ["errors.log", "messages.log"] {
                let text = text_of(&self.scratch.file(it));
                let end = text.char_indices().rev().nth(20_000).map_or(0, |it| it.0);
                eprintln!("--- {it} of {}\n{}", self.name, &text[end..]);
            }
        }
    }
}
