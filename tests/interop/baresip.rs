//! baresip: started with a configuration of its own, led over its control socket, its ears read
//! from the files that it writes.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use moonswitch::audio::Wav;

use crate::ear;
use crate::phone::{Account, Answers, Client, Desk, Notice, PATIENCE, RATE, runs, text_of};
use crate::scratch::{audio_ports, free_port};
use crate::wait::wait_for;

/// Modules that every phone needs, in the order in which they are loaded.
const MODULES: [&str; 6] = ["g711", "opus", "aufile", "aubridge", "sndfile", "uuid"];
/// Where Debian keeps the modules.
const MODULE_PATH: &str = "/usr/lib/baresip/modules";

pub(crate) struct Baresip {
    child: Child,
    control: TcpStream,
    events: Receiver<String>,
    aor: String,
    /// How long the log was when it was last told to hold.
    asked: usize,
    log: PathBuf,
    heard: PathBuf,
}

/// Whether there is a baresip to test with.
pub(crate) fn is_installed() -> bool {
    runs("baresip", "-h") && Path::new(MODULE_PATH).is_dir()
}

impl Baresip {
    pub(crate) fn start(account: &Account<'_>, desk: &Desk<'_>) -> Self {
        let control_port = free_port();
        fs::write(desk.scratch.file("config"), config(account, desk, control_port)).unwrap();
        fs::write(desk.scratch.file("accounts"), line(account)).unwrap();
        fs::write(desk.scratch.file("contacts"), "").unwrap();

        let log = desk.scratch.file("phone.log");
        let file = File::create(&log).unwrap();
        let child = Command::new("baresip")
            .arg(if desk.sip.is_ipv4() { "-4" } else { "-6" })
            .args(["-s", "-p", "/usr/share/baresip", "-f"])
            .arg(desk.scratch.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let control = wait_for("baresip's control socket", PATIENCE, || {
            TcpStream::connect(("127.0.0.1", control_port)).ok()
        });
        let events = netstrings(control.try_clone().unwrap());
        let aor = format!("sip:{}@{}", account.number, account.server);
        Self { child, control, events, aor, asked: 0, log, heard: desk.heard.clone() }
    }

    fn tell(&mut self, command: &str, params: &str) {
        let json = format!(r#"{{"command":"{command}","params":"{params}","token":"t"}}"#);
        write!(self.control, "{}:{json},", json.len()).unwrap();
    }
}

impl Client for Baresip {
    fn dial(&mut self, uri: &str) {
        self.tell("dial", uri);
    }

    fn answer(&mut self) {
        self.tell("accept", "");
    }

    fn hang_up(&mut self) {
        self.tell("hangup", "");
    }

    fn hold(&mut self) {
        self.asked = self.log().len();
        self.tell("hold", "");
    }

    fn resume(&mut self) {
        self.tell("resume", "");
    }

    fn digits(&mut self, digits: &str) {
        self.tell("sndcode", digits);
    }

    fn unregister(&mut self) {
        // A user agent that is deleted takes its leave of the registrar.
        let aor = self.aor.clone();
        self.tell("uadel", &aor);
    }

    fn notice(&mut self) -> Option<Notice> {
        loop {
            let event = self.events.try_recv().ok()?;
            let param = field(&event, "param").unwrap_or_default();
            match field(&event, "type").as_deref() {
                Some("CALL_INCOMING") => return Some(Notice::Called),
                Some("CALL_RINGING") => return Some(Notice::Ringing),
                Some("CALL_ESTABLISHED") => return Some(Notice::Established),
                Some("CALL_CLOSED") => return Some(Notice::Closed(param)),
                Some("CALL_DTMF_START") => return param.chars().next().map(Notice::Digit),
                _ => {}
            }
        }
    }

    fn heard(&self) -> Vec<Wav> {
        let entries = fs::read_dir(&self.heard).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
        files.retain(|it| it.to_string_lossy().ends_with("-dec.wav"));
        files.sort();
        files.iter().filter_map(|it| ear::growing(&fs::read(it).unwrap())).collect()
    }

    fn holds(&self) -> bool {
        self.log().get(self.asked..).is_some_and(|it| it.contains("\nACK sip:"))
    }

    fn missed(&mut self) -> Option<usize> {
        None
    }

    /// At an offer or answer other than sendrecv, baresip 1.0.0 loses the filter that records, and
    /// never takes it up again in that call; it goes on to play what it hears.
    fn is_recording(&self) -> bool {
        let log = self.log();
        !["a=sendonly", "a=recvonly", "a=inactive"].iter().any(|it| log.contains(it))
    }

    fn log(&self) -> String {
        text_of(&self.log)
    }

    fn process(&mut self) -> &mut Child {
        &mut self.child
    }
}

fn line(account: &Account<'_>) -> String {
    let Account { number, password, codec, .. } = account;
    let answers = match account.answers {
        Answers::ByItself => "auto",
        Answers::ByHand => "manual",
    };
    let codecs = if codec.is_empty() { String::new() } else { format!(";audio_codecs={codec}") };
    format!(
        "<sip:{number}@{}>;auth_user={number};auth_pass={password};\
         regint=60;answermode={answers}{codecs}\n",
        account.target(),
    )
}

fn config(account: &Account<'_>, desk: &Desk<'_>, control_port: u16) -> String {
    let (low, high) = audio_ports();
    let mut text = format!(
        "sip_listen {}\n\
         net_interface {}\n\
         audio_player aubridge,nil\n\
         audio_source aufile,{}\n\
         audio_alert aubridge,nil\n\
         ausrc_srate {RATE}\nausrc_channels 1\nausrc_format s16\n\
         auplay_srate {RATE}\nauplay_channels 1\nauplay_format s16\n\
         auenc_format s16\naudec_format s16\n\
         rtp_ports {low}-{high}\n\
         snd_path {}\n\
         ctrl_tcp_listen 127.0.0.1:{control_port}\n\
         call_max_calls {}\n\
         module_path {MODULE_PATH}\n",
        desk.sip,
        desk.sip.ip(),
        desk.tone.display(),
        desk.heard.display(),
        account.at_once,
    );
    for module in MODULES {
        _ = writeln!(text, "module {module}.so");
    }
    text + "module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n"
}

/// Events as they come: `LENGTH:JSON,`.
fn netstrings(mut stream: TcpStream) -> Receiver<String> {
    let (sender, events) = channel();
    thread::spawn(move || {
        while let Some(text) = netstring(&mut stream) {
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    events
}

fn netstring(stream: &mut TcpStream) -> Option<String> {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        match byte[0] {
            b':' => break,
            digit => length = length * 10 + usize::from(digit.checked_sub(b'0')?),
        }
    }
    let mut text = vec![0; length + 1];
    stream.read_exact(&mut text).ok()?;
    // baresip may put bytes of the peer into its JSON that are not UTF-8.
    text.pop();
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// A text field of a flat JSON object.
fn field(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\":"))?;
    let rest = rest.trim_start().strip_prefix('"')?;
    let end = rest.match_indices('"').find(|(at, _)| !rest[..*at].ends_with('\\'))?.0;
    Some(rest[..end].replace("\\/", "/"))
}
