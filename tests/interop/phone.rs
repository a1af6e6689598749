//! baresip as a phone: started with a configuration of its own, led over its control socket, its
//! ears read from the files that it writes.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use moonswitch::audio::Wav;

use crate::scratch::{Scratch, audio_ports, free_port};
use crate::wait::wait_for;

/// How long anything may take that a phone does at once.
const PATIENCE: Duration = Duration::from_secs(15);
/// Samples a second of everything that a phone here says and hears.
pub(crate) const RATE: u32 = 48_000;
/// How long its tone lasts; baresip hangs up when its file ends.
const TONE_SECONDS: u32 = 60;
/// G.711 A-law alone, as baresip writes it.
pub(crate) const PCMA: &str = "PCMA/8000/1";
/// Opus alone.
pub(crate) const OPUS: &str = "opus/48000/2";
/// Modules that every phone needs, in the order in which they are loaded.
const MODULES: [&str; 6] = ["g711", "opus", "aufile", "aubridge", "sndfile", "uuid"];
/// Where Debian keeps the modules.
const MODULE_PATH: &str = "/usr/lib/baresip/modules";

/// Who a phone is.
pub(crate) struct Account<'a> {
    /// Its number.
    pub(crate) number: &'a str,
    /// What it proves itself with.
    pub(crate) password: &'a str,
    /// Its registrar.
    pub(crate) server: SocketAddr,
    /// What carries its signalling: `udp` or `tcp`.
    pub(crate) transport: &'a str,
    /// Its codec.
    pub(crate) codec: &'a str,
    /// What it says: a tone of this frequency.
    pub(crate) hz: u32,
}

/// A running phone. It is killed when it is dropped.
pub(crate) struct Phone {
    child: Child,
    control: TcpStream,
    events: Receiver<String>,
    seen: Vec<String>,
    /// Address and transport parameter.
    server: String,
    sip_port: u16,
    scratch: Scratch,
}

/// Whether there is a baresip to test with.
pub(crate) fn is_installed() -> bool {
    Command::new("baresip").arg("-h").stdin(Stdio::null()).output().is_ok()
        && Path::new(MODULE_PATH).is_dir()
}

impl Phone {
    /// Starts a phone, which registers by itself and answers by itself.
    pub(crate) fn start(account: &Account<'_>) -> Self {
        let scratch = Scratch::new(account.number);
        let (sip_port, control_port) = (free_port(), free_port());
        let tone = scratch.file("tone.wav");
        fs::write(&tone, sine(account.hz).write()).unwrap();
        fs::create_dir(scratch.file("heard")).unwrap();
        fs::write(scratch.file("config"), config(&scratch, &tone, sip_port, control_port)).unwrap();
        fs::write(scratch.file("accounts"), account.line()).unwrap();
        fs::write(scratch.file("contacts"), "").unwrap();

        let log = File::create(scratch.file("phone.log")).unwrap();
        let child = Command::new("baresip")
            .args(["-4", "-s", "-p", "/usr/share/baresip", "-f"])
            .arg(scratch.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let control = wait_for("baresip's control socket", PATIENCE, || {
            TcpStream::connect(("127.0.0.1", control_port)).ok()
        });
        let events = netstrings(control.try_clone().unwrap());
        let (server, seen) = (account.target(), Vec::new());
        Self { child, control, events, seen, server, sip_port, scratch }
    }

    /// Calls a number of the server.
    pub(crate) fn dial(&mut self, number: &str) {
        self.dial_uri(&format!("sip:{number}@{}", self.server));
    }

    /// Calls an address.
    pub(crate) fn dial_uri(&mut self, uri: &str) {
        self.tell("dial", uri);
    }

    /// Hangs up.
    pub(crate) fn hang_up(&mut self) {
        self.tell("hangup", "");
    }

    /// Waits until a call is established.
    #[track_caller]
    pub(crate) fn expect_established(&mut self) {
        self.expect("CALL_ESTABLISHED");
    }

    /// Waits until the call is over, and says what baresip tells of the reason.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) -> String {
        let event = self.expect("CALL_CLOSED");
        field(&event, "param").unwrap_or_default()
    }

    /// Waits until the registrar has refused it. The control socket may be connected too late to be
    /// told, so the log is asked.
    #[track_caller]
    pub(crate) fn expect_refused(&self, status: &str) {
        wait_for("a refusal", PATIENCE, || self.log().contains(status).then_some(()));
    }

    /// Its own address, for calls without a server.
    pub(crate) fn address(&self, number: &str) -> String {
        format!("sip:{number}@127.0.0.1:{}", self.sip_port)
    }

    /// What it has heard in its calls, once they are over.
    pub(crate) fn heard(&self) -> Vec<Wav> {
        let entries = fs::read_dir(self.scratch.file("heard")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
        files.retain(|it| it.to_string_lossy().ends_with("-dec.wav"));
        files.sort();
        let read = |it: &PathBuf| Wav::parse(&fs::read(it).unwrap());
        files.iter().filter_map(|it| read(it).ok()).collect()
    }

    /// Its log, SIP messages included.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.scratch.file("phone.log")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn tell(&mut self, command: &str, params: &str) {
        let json = format!(r#"{{"command":"{command}","params":"{params}","token":"t"}}"#);
        write!(self.control, "{}:{json},", json.len()).unwrap();
    }

    /// Waits for the next event of this type; those before it are passed over.
    #[track_caller]
    fn expect(&mut self, kind: &str) -> String {
        wait_for(kind, PATIENCE, || {
            let event = self.events.try_recv().ok()?;
            self.seen.push(event.clone());
            (field(&event, "type").as_deref() == Some(kind)).then_some(event)
        })
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- events of a phone\n{}", self.seen.join("\n"));
            eprintln!("--- its log\n{}", self.log());
        }
    }
}

impl Account<'_> {
    fn target(&self) -> String {
        format!("{};transport={}", self.server, self.transport)
    }

    fn line(&self) -> String {
        let Self { number, password, codec, .. } = self;
        let target = self.target();
        format!(
            "<sip:{number}@{target}>;auth_user={number};auth_pass={password};\
             regint=60;answermode=auto;audio_codecs={codec}\n"
        )
    }
}

fn config(scratch: &Scratch, tone: &Path, sip_port: u16, control_port: u16) -> String {
    let (low, high) = audio_ports();
    let mut text = format!(
        "sip_listen 127.0.0.1:{sip_port}\n\
         net_interface 127.0.0.1\n\
         audio_player aubridge,nil\n\
         audio_source aufile,{}\n\
         audio_alert aubridge,nil\n\
         ausrc_srate {RATE}\nausrc_channels 1\nausrc_format s16\n\
         auplay_srate {RATE}\nauplay_channels 1\nauplay_format s16\n\
         auenc_format s16\naudec_format s16\n\
         rtp_ports {low}-{high}\n\
         snd_path {}\n\
         ctrl_tcp_listen 127.0.0.1:{control_port}\n\
         module_path {MODULE_PATH}\n",
        tone.display(),
        scratch.file("heard").display(),
    );
    for module in MODULES {
        _ = writeln!(text, "module {module}.so");
    }
    text + "module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n"
}

/// Made with the machine's own sine, not with ours: what judges us shares nothing with us.
fn sine(hz: u32) -> Wav {
    let turn = f64::from(hz) * std::f64::consts::TAU / f64::from(RATE);
    let sample = |n: u32| ((f64::from(n) * turn).sin() * 8000.0) as i16;
    Wav { rate: RATE, samples: (0..RATE * TONE_SECONDS).map(sample).collect() }
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
