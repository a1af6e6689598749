//! A phone on a desk: a real program with an account, led by commands, asked for what it noticed
//! and for what it hears. Which program it is stands in the account; nothing else differs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use moonswitch::audio::Wav;

use crate::baresip::Baresip;
use crate::ear;
use crate::linphone::Linphone;
use crate::scratch::Scratch;
use crate::wait::{let_pass, wait_for};

/// How long anything may take that a phone does at once, on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// Samples a second of everything that a phone here says.
pub(crate) const RATE: u32 = 48_000;
/// How long its tone lasts; baresip hangs up when its file ends.
const TONE_SECONDS: u32 = 60;
/// G.711 A-law alone.
pub(crate) const PCMA: &str = "PCMA/8000/1";
/// Opus alone.
pub(crate) const OPUS: &str = "opus/48000/2";

/// Which program a phone is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Baresip,
    Linphone,
}

/// Who a phone is.
#[derive(Clone, Copy)]
pub(crate) struct Account<'a> {
    /// The program.
    pub(crate) kind: Kind,
    /// Its number.
    pub(crate) number: &'a str,
    /// What it proves itself with.
    pub(crate) password: &'a str,
    /// Its registrar.
    pub(crate) server: SocketAddr,
    /// What carries its signalling: `udp` or `tcp`.
    pub(crate) transport: &'a str,
    /// Its codec; none: all that it has.
    pub(crate) codec: &'a str,
    /// What it says: a tone of this frequency.
    pub(crate) hz: u32,
    /// Who answers its calls.
    pub(crate) answers: Answers,
    /// How many calls it takes at once; more are told that it is busy.
    pub(crate) at_once: u8,
}

/// Who answers the calls of a phone.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Answers {
    ByItself,
    ByHand,
}

/// What a phone notices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Notice {
    /// Somebody calls it: it rings.
    Called,
    /// The one that it calls rings.
    Ringing,
    /// A call is up.
    Established,
    /// A call is over, for this reason.
    Closed(String),
    /// It was sent a digit.
    Digit(char),
}

/// What each program does in its own way.
pub(crate) trait Client {
    fn dial(&mut self, uri: &str);
    fn answer(&mut self);
    /// Ends the call; before it is answered: declines or cancels it.
    fn hang_up(&mut self);
    fn hold(&mut self);
    fn resume(&mut self);
    fn digits(&mut self, digits: &str);
    fn unregister(&mut self);
    /// What it noticed next, if there is anything new.
    fn notice(&mut self) -> Option<Notice>;
    /// Whether the last hold is agreed upon.
    fn holds(&self) -> bool;
    /// How many calls it shows as missed, if it can tell.
    fn missed(&mut self) -> Option<usize>;
    /// What it has heard so far.
    fn heard(&self) -> Vec<Wav>;
    /// Whether it writes what it hears from now on.
    fn is_recording(&self) -> bool;
    /// Everything that it says about itself, SIP messages included.
    fn log(&self) -> String;
    fn process(&mut self) -> &mut Child;
}

/// A running phone. It is killed when it is dropped.
pub(crate) struct Phone {
    client: Box<dyn Client>,
    name: String,
    /// Address and transport parameter of its server.
    server: String,
    sip: SocketAddr,
    noticed: Vec<Notice>,
    /// Goes when the phone has gone.
    _scratch: Scratch,
}

/// Where a phone keeps its files, and how it is to be reached.
pub(crate) struct Desk<'a> {
    pub(crate) scratch: &'a Scratch,
    pub(crate) sip: SocketAddr,
    /// What it says.
    pub(crate) tone: PathBuf,
    /// The directory of what it hears.
    pub(crate) heard: PathBuf,
}

impl Phone {
    /// Starts a phone, which registers by itself.
    pub(crate) fn start(account: &Account<'_>) -> Self {
        let name = format!("{:?}-{}", account.kind, account.number).to_lowercase();
        let scratch = Scratch::new(&name);
        let host: IpAddr = match account.server {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let desk = Desk {
            scratch: &scratch,
            sip: SocketAddr::new(host, crate::scratch::free_port()),
            tone: scratch.file("tone.wav"),
            heard: scratch.file("heard"),
        };
        fs::write(&desk.tone, sine(account.hz).write()).unwrap();
        fs::create_dir(&desk.heard).unwrap();
        let client: Box<dyn Client> = match account.kind {
            Kind::Baresip => Box::new(Baresip::start(account, &desk)),
            Kind::Linphone => Box::new(Linphone::start(account, &desk)),
        };
        let (server, sip, noticed) = (account.target(), desk.sip, Vec::new());
        Self { client, name, server, sip, noticed, _scratch: scratch }
    }

    /// Calls a number of the server.
    pub(crate) fn dial(&mut self, number: &str) {
        self.dial_uri(&format!("sip:{number}@{}", self.server));
    }

    /// Calls an address.
    pub(crate) fn dial_uri(&mut self, uri: &str) {
        self.client.dial(uri);
    }

    pub(crate) fn answer(&mut self) {
        self.client.answer();
    }

    /// Hangs up; before the call is answered: declines or cancels it.
    pub(crate) fn hang_up(&mut self) {
        self.client.hang_up();
    }

    /// Holds the call, and waits until the hold is agreed upon.
    #[track_caller]
    pub(crate) fn hold(&mut self) {
        self.client.hold();
        wait_for("a hold", PATIENCE, || self.client.holds().then_some(()));
    }

    pub(crate) fn resume(&mut self) {
        self.client.resume();
    }

    pub(crate) fn digits(&mut self, digits: &str) {
        self.client.digits(digits);
    }

    pub(crate) fn unregister(&mut self) {
        self.client.unregister();
    }

    /// Waits until somebody calls it.
    #[track_caller]
    pub(crate) fn expect_called(&mut self) {
        self.expect("a call", |it| *it == Notice::Called);
    }

    /// Waits until the one that it calls rings.
    #[track_caller]
    pub(crate) fn expect_ringing(&mut self) {
        self.expect("the sound of ringing", |it| *it == Notice::Ringing);
    }

    /// Waits until a call is established.
    #[track_caller]
    pub(crate) fn expect_established(&mut self) {
        self.expect("an established call", |it| *it == Notice::Established);
    }

    /// Waits until the call is over, and says what the phone tells of the reason.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) -> String {
        match self.expect("the end of a call", |it| matches!(it, Notice::Closed(_))) {
            Notice::Closed(reason) => reason,
            _ => unreachable!("only the end of a call was asked for"),
        }
    }

    /// Waits until it was sent this digit.
    #[track_caller]
    pub(crate) fn expect_digit(&mut self, digit: &str) {
        self.expect(digit, |it| matches!(it, Notice::Digit(it) if digit.starts_with(*it)));
    }

    /// Whether its ears can be judged by a recording.
    pub(crate) fn is_recording(&self) -> bool {
        self.client.is_recording()
    }

    /// Waits until this stands in its log.
    #[track_caller]
    pub(crate) fn expect_log(&self, words: &str) {
        wait_for(words, PATIENCE, || self.log().contains(words).then_some(()));
    }

    /// Waits until it hears this tone, from now on, for half a second.
    #[track_caller]
    pub(crate) fn expect_tone(&self, hz: u16) {
        let before = self.seconds_of(hz);
        let what = format!("{hz} Hz in the ear of {}", self.name);
        wait_for(&what, PATIENCE, || {
            let_pass(Duration::from_millis(100));
            (self.seconds_of(hz) - before >= 0.5).then_some(())
        });
    }

    /// Waits until for most of a second it hears nothing of what anybody says.
    #[track_caller]
    pub(crate) fn expect_silence(&self) {
        let what = format!("silence in the ear of {}", self.name);
        wait_for(&what, PATIENCE, || {
            let before = self.seconds_of_all();
            let_pass(Duration::from_millis(800));
            (self.seconds_of_all() - before < 0.1).then_some(())
        });
    }

    /// How many calls it shows as missed, if it can tell.
    pub(crate) fn missed(&mut self) -> Option<usize> {
        self.client.missed()
    }

    /// Its own address, for calls without a server.
    pub(crate) fn address(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.sip)
    }

    /// What it has heard so far.
    pub(crate) fn heard(&self) -> Vec<Wav> {
        self.client.heard()
    }

    /// Its log, SIP messages included.
    pub(crate) fn log(&self) -> String {
        self.client.log()
    }

    fn seconds_of(&self, hz: u16) -> f64 {
        let heard = self.heard();
        let tones = heard.iter().flat_map(ear::tones);
        tones.filter(|it| it.0 == hz).map(|it| it.1).sum()
    }

    fn seconds_of_all(&self) -> f64 {
        self.heard().iter().flat_map(ear::tones).map(|it| it.1).sum()
    }

    /// Waits for the next notice like this; those before it are passed over.
    #[track_caller]
    fn expect(&mut self, what: &str, wanted: impl Fn(&Notice) -> bool) -> Notice {
        let what = format!("{what} at {}", self.name);
        wait_for(&what, PATIENCE, || {
            let notice = self.client.notice()?;
            self.noticed.push(notice.clone());
            wanted(&notice).then_some(notice)
        })
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let process = self.client.process();
        _ = process.kill();
        _ = process.wait();
        if thread::panicking() {
            eprintln!("--- {} noticed {:?}", self.name, self.noticed);
            eprintln!("--- its log\n{}", self.log());
        }
    }
}

impl Account<'_> {
    /// Address and transport parameter of its server.
    pub(crate) fn target(&self) -> String {
        format!("{};transport={}", self.server, self.transport)
    }
}

/// Whether a program can be started; `--help` or the like must make it end.
pub(crate) fn runs(program: &str, word: &str) -> bool {
    Command::new(program).arg(word).stdin(Stdio::null()).output().is_ok()
}

/// What stands in a file that a phone writes.
pub(crate) fn text_of(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}

/// Made with the machine's own sine, not with ours: what judges us shares nothing with us.
fn sine(hz: u32) -> Wav {
    let turn = f64::from(hz) * std::f64::consts::TAU / f64::from(RATE);
    let sample = |n: u32| ((f64::from(n) * turn).sin() * 8000.0) as i16;
    Wav { rate: RATE, samples: (0..RATE * TONE_SECONDS).map(sample).collect() }
}
