//! linphonec: started with a configuration of its own, led by lines on its standard input; what it
//! notices it says on its standard output, what it hears it writes to a file.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;

use moonswitch::audio::Wav;

use crate::pbx::lines_of;
use crate::phone::{Account, Answers, Client, Desk, Notice, PATIENCE, runs, text_of};
use crate::scratch::audio_ports;
use crate::wait::wait_for;

/// Codecs that it has: those that it would offer by itself, and some more.
const CODECS: [(&str, u32); 9] = [
    ("opus", 48_000),
    ("speex", 16_000),
    ("speex", 8_000),
    ("PCMU", 8_000),
    ("PCMA", 8_000),
    ("G729", 8_000),
    ("G722", 8_000),
    ("GSM", 8_000),
    ("speex", 32_000),
];

/// How long the head of its recordings is.
const WAV_HEAD: usize = 44;

pub(crate) struct Linphone {
    child: Child,
    commands: ChildStdin,
    lines: Receiver<String>,
    /// What it said so far.
    said: Vec<String>,
    log: PathBuf,
    heard: PathBuf,
    /// How long the log was when it was last told to call or to hold.
    asked: usize,
}

/// Whether there is a linphonec to test with.
pub(crate) fn is_installed() -> bool {
    runs("linphonec", "--version")
}

impl Linphone {
    pub(crate) fn start(account: &Account<'_>, desk: &Desk<'_>) -> Self {
        let home = desk.scratch;
        for it in [".local/share/linphone", ".config/linphone"] {
            fs::create_dir_all(home.file(it)).unwrap();
        }
        fs::write(home.file("rc"), config(account, desk)).unwrap();
        let log = home.file("phone.log");
        let mut child = Command::new("linphonec")
            // -S: says how its calls stand; -d 6: messages go to the log.
            .args(["-S", "-d", "6", "-c"])
            .arg(home.file("rc"))
            .arg("-l")
            .arg(&log)
            .args((account.answers == Answers::ByItself).then_some("-a"))
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let commands = child.stdin.take().unwrap();
        let heard = desk.heard.join("heard.wav");
        let record = format!("record {}", heard.display());
        let said = Vec::new();
        let mut phone = Self { child, commands, lines, said, log, heard, asked: 0 };
        phone.tell("soundcard use files");
        phone.tell(&format!("play {}", desk.tone.display()));
        phone.tell(&record);
        phone
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    fn log_since_asked(&self) -> String {
        text_of(&self.log).get(self.asked..).unwrap_or_default().to_owned()
    }

    /// Why the last call of its own failed: the last refusal in its log, challenges apart.
    fn refusal(&self) -> String {
        let log = self.log_since_asked();
        let answers = log.lines().filter_map(|it| it.strip_prefix("SIP/2.0 "));
        let is_refusal = |it: &&str| it.starts_with(['3', '4', '5', '6']);
        let is_challenge = |it: &&str| it.starts_with("401") || it.starts_with("407");
        answers.filter(is_refusal).rfind(|it| !is_challenge(it)).unwrap_or("no refusal").to_owned()
    }
}

impl Client for Linphone {
    fn dial(&mut self, uri: &str) {
        self.asked = text_of(&self.log).len();
        self.tell(&format!("call {uri}"));
    }

    fn answer(&mut self) {
        self.tell("answer");
    }

    fn hang_up(&mut self) {
        self.tell("terminate");
    }

    fn hold(&mut self) {
        self.asked = text_of(&self.log).len();
        self.tell("pause");
    }

    fn resume(&mut self) {
        self.tell("resume");
    }

    fn digits(&mut self, digits: &str) {
        self.tell(digits);
    }

    fn unregister(&mut self) {
        // What it is told before it knows that it is registered it forgets.
        let registered = "to [LinphoneRegistrationOk]";
        wait_for(registered, PATIENCE, || text_of(&self.log).contains(registered).then_some(()));
        self.tell("unregister");
    }

    fn notice(&mut self) -> Option<Notice> {
        loop {
            let line = self.lines.try_recv().ok()?;
            let notice = notice(&line);
            self.said.push(line);
            match notice {
                Some(Notice::Closed(why)) if why.is_empty() => {
                    return Some(Notice::Closed(self.refusal()));
                }
                Some(it) => return Some(it),
                None => {}
            }
        }
    }

    fn holds(&self) -> bool {
        self.log_since_asked().contains("to LinphoneCallPaused")
    }

    /// It is asked when no call is up, so that nothing else is said meanwhile.
    fn missed(&mut self) -> Option<usize> {
        const END: &str = "'end': Cannot understand this.";
        self.tell("call-logs");
        self.tell("end");
        let said = wait_for("the list of calls", PATIENCE, || {
            self.said.extend(self.lines.try_iter());
            self.said.last().is_some_and(|it| it.contains(END)).then(|| self.said.join("\n"))
        });
        let (_, list) = said.rsplit_once("call-logs")?;
        Some(list.matches("Status: missed").count())
    }

    /// While it listens, the head of its file is empty; the log says at which rate it writes.
    fn heard(&self) -> Vec<Wav> {
        let log = text_of(&self.log);
        let into = log.lines().filter(|it| it.contains("-->MSFileRec:"));
        let mut rates = into.filter_map(|it| it.split_once("] to rate [")?.1.split(']').next());
        let Some(rate) = rates.next_back().and_then(|it| it.parse().ok()) else {
            return Vec::new();
        };
        let file = fs::read(&self.heard).unwrap_or_default();
        let samples = file.get(WAV_HEAD..).unwrap_or_default().as_chunks::<2>().0;
        let samples = samples.iter().map(|it| i16::from_le_bytes(*it)).collect();
        vec![Wav { rate, samples }]
    }

    fn is_recording(&self) -> bool {
        true
    }

    fn log(&self) -> String {
        format!("{}\n--- what it said\n{}", text_of(&self.log), self.said.join("\n"))
    }

    fn process(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// What a line of its output means. The reason of a failed call does not stand in it.
fn notice(line: &str) -> Option<Notice> {
    let line = line.trim_start_matches("linphonec> ");
    if line.starts_with("Receiving new incoming call") {
        return Some(Notice::Called);
    }
    if let Some(rest) = line.strip_prefix("Receiving tone ") {
        return rest.chars().next().map(Notice::Digit);
    }
    let rest = line.strip_prefix("Call ")?;
    if rest.ends_with(" ringing.") {
        return Some(Notice::Ringing);
    }
    if rest.ends_with(" connected.") {
        return Some(Notice::Established);
    }
    if rest.ends_with(" error.") {
        return Some(Notice::Closed(String::new()));
    }
    let (_, why) = rest.split_once(" ended (")?;
    Some(Notice::Closed(why.trim_end_matches(").").to_owned()))
}

fn config(account: &Account<'_>, desk: &Desk<'_>) -> String {
    let Account { number, password, .. } = account;
    let (target, server) = (account.target(), account.server);
    let (low, high) = audio_ports();
    let port = |transport| if account.transport == transport { desk.sip.port() } else { 0 };
    let mut text = format!(
        "[sip]\n\
         sip_port={}\nsip_tcp_port={}\nsip_tls_port=0\n\
         bind_address={}\nuse_ipv6={}\n\
         default_proxy=0\nregister_only_when_network_is_up=0\n\
         [proxy_0]\n\
         reg_proxy=<sip:{target}>\n\
         reg_route=<sip:{target};lr>\n\
         reg_identity=sip:{number}@{server}\n\
         reg_expires=60\nreg_sendregister=1\n\
         [auth_info_0]\n\
         username={number}\npasswd={password}\n\
         [net]\n\
         dns_srv_enabled=0\nmtu=1300\n\
         [misc]\n\
         max_calls={}\n\
         [rtp]\n\
         audio_rtp_port={low}-{high}\n",
        port("udp"),
        port("tcp"),
        desk.sip.ip(),
        u8::from(desk.sip.is_ipv6()),
        account.at_once,
    );
    for (at, (mime, rate)) in CODECS.into_iter().enumerate() {
        let is_on = account.codec.is_empty() || account.codec.starts_with(&format!("{mime}/"));
        _ = write!(
            text,
            "[audio_codec_{at}]\nmime={mime}\nrate={rate}\nenabled={}\n",
            u8::from(is_on)
        );
    }
    text
}
