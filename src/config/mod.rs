//! Settings: one record each, holding its name, the value's shape, the default, the doc and the
//! reader. Flag, environment variable and key in the file are the same name in three spellings; the
//! help and every error message are made from the records.
//!
//! A setting is said by a flag, else by the environment, else by the file that `--config` names,
//! else it has its default. Whatever is said is checked, also where something stronger overrides it,
//! and everything that is wrong is told at once.
//!
//! The room reads words and checks what words alone can tell. It opens no file and asks no
//! operating system: whether a directory exists or a port is free is found out by `node`, and who
//! reads the file hands its keys in as [`Entry`]s.
//!
//! ```
//! use moonswitch::config::{Draft, Entry};
//!
//! let mut draft = Draft::default();
//! draft.flags(["--sip", "127.0.0.1:5070"].map(String::from));
//! draft.variables([("MOONSWITCH_HTTP".into(), "127.0.0.1:8088".into())]);
//! draft.entries("pbx.toml", [Entry { key: "sip".into(), value: "[::1]:5060".into(), line: 1 }]);
//! let settings = draft.settle().unwrap();
//! assert_eq!(settings.sip.to_string(), "127.0.0.1:5070");
//! assert_eq!(settings.http.port(), 8088);
//! assert_eq!(settings.rtp.to_string(), "16384-20479");
//! ```

mod nearest;
mod read;
mod value;
mod wrong;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use nearest::nearest;
pub use read::{Draft, Entry};
pub use value::{Clients, PortRange, TlsAt};
pub use wrong::{Place, Warning, Wrong, Wrongs};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the store, sounds and scripts live.
    pub data: PathBuf,
    /// Where phones reach us.
    pub sip: SocketAddr,
    /// Where phones reach us over TLS, as it was said.
    sip_tls: TlsAt,
    /// Certificates, each with its chain; none when we make one ourselves.
    pub tls_cert: Vec<PathBuf>,
    /// Their keys in the same order; none when each stands in its certificate's file.
    pub tls_key: Vec<PathBuf>,
    /// Who may sign the certificates of clients; without it none is asked for.
    pub tls_client_ca: Option<PathBuf>,
    /// What a client without a certificate meets.
    pub tls_client: Option<Clients>,
    /// Who may sign the certificates of servers that we connect to; without it those whom the
    /// system believes.
    pub tls_ca: Option<PathBuf>,
    /// Where monitors and programs reach us.
    pub http: SocketAddr,
    /// The ports that audio flows through.
    pub rtp: PortRange,
    /// The address that phones are told instead of our own.
    pub advertise: Option<IpAddr>,
    /// The user's dial plan; without it `scripts` below the data directory, if that exists.
    pub scripts: Option<PathBuf>,
    /// How many bytes of the traces of calls are remembered; none when zero.
    pub trace_bytes: usize,
    /// Messages a second of each address at which nobody is known.
    pub stranger_rate: u32,
    /// Requests a second of each address at which somebody is known.
    pub source_rate: u32,
    /// Registrations a second of each extension.
    pub register_rate: u32,
    /// New calls a second of each extension.
    pub call_rate: u32,
    /// Calls at once that each extension has begun.
    pub calls_per_extension: u32,
    /// Calls through trunks that each extension may have at once.
    pub trunk_calls_per_extension: u32,
    /// Connections at once of each extension.
    pub connections_per_extension: u32,
    /// Whether strangers who call themselves a known scanner get no answer.
    pub drop_scanners: bool,
    /// How often phones behind NAT are asked whether they are still there; never when zero.
    pub keep_alive: Duration,
    /// The shortest registration, in seconds.
    pub expires_min: u32,
    /// The longest registration, in seconds.
    pub expires_max: u32,
    /// The file that these settings were read from.
    pub config: Option<PathBuf>,
    /// Where each setting was said that does not have its default.
    places: Vec<(&'static str, Place)>,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name, which is its key in the file; the flag is `--` and this.
    pub name: &'static str,
    /// The shape of its value.
    pub value: &'static str,
    /// Its default, as one would write it; `None` when it may be absent.
    pub default: Option<&'static str>,
    /// What it is for, in one sentence.
    pub doc: &'static str,
    /// Reads a value, or says what would be right.
    take: fn(&mut Settings, &str) -> Result<(), &'static str>,
}

/// Every setting there is, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "data",
        value: "DIR",
        default: Some("./data"),
        doc: "Where the store, its key, sounds/ and scripts/ live; made on the first start.",
        take: |to, text| value::directory(text).map(|it| to.data = it),
    },
    Setting {
        name: "sip",
        value: "ADDR:PORT",
        default: Some("0.0.0.0:5060"),
        doc: "Where phones reach us (UDP and TCP). [::] is every IPv6 address and no IPv4 one.",
        take: |to, text| value::socket(text).map(|it| to.sip = it),
    },
    Setting {
        name: "sip-tls",
        value: "ADDR:PORT",
        default: None,
        doc: "Where phones reach us over TLS, or off; without it --sip's address, one port above.",
        take: |to, text| TlsAt::parse(text).map(|it| to.sip_tls = it),
    },
    Setting {
        name: "tls-cert",
        value: "FILE,...",
        default: None,
        doc: "Certificates (PEM, chain included), chosen by the name that a phone asks for; the \
              first for all other names. Without it DATA/tls.pem, made on the first start.",
        take: |to, text| value::files(text).map(|it| to.tls_cert = it),
    },
    Setting {
        name: "tls-key",
        value: "FILE,...",
        default: None,
        doc: "Their keys (PEM), in the same order; without it each stands in its certificate's file.",
        take: |to, text| value::files(text).map(|it| to.tls_key = it),
    },
    Setting {
        name: "tls-client-ca",
        value: "FILE",
        default: None,
        doc: "Who signs the certificates of phones (PEM); without it none is asked for one.",
        take: |to, text| value::file(text).map(|it| to.tls_client_ca = Some(it)),
    },
    Setting {
        name: "tls-client",
        value: "require|ask",
        default: None,
        doc: "With --tls-client-ca: a phone without a certificate is sent away (require, which is \
              meant when nothing is said), or its password is enough (ask).",
        take: |to, text| Clients::parse(text).map(|it| to.tls_client = Some(it)),
    },
    Setting {
        name: "tls-ca",
        value: "FILE",
        default: None,
        doc: "Who signs the certificates of servers that we connect to (PEM); without it those whom \
              the system believes.",
        take: |to, text| value::file(text).map(|it| to.tls_ca = Some(it)),
    },
    Setting {
        name: "http",
        value: "ADDR:PORT",
        default: Some("127.0.0.1:8080"),
        doc: "Where GET /health, the REST API and the traces of calls are answered (TCP).",
        take: |to, text| value::socket(text).map(|it| to.http = it),
    },
    Setting {
        name: "rtp",
        value: "LOW-HIGH",
        default: Some("16384-20479"),
        doc: "The UDP ports that audio flows through, two for each leg of a call.",
        take: |to, text| PortRange::parse(text).map(|it| to.rtp = it),
    },
    Setting {
        name: "advertise",
        value: "IP",
        default: None,
        doc: "The address that phones are told instead of our own, when we are behind NAT.",
        take: |to, text| value::address(text).map(|it| to.advertise = Some(it)),
    },
    Setting {
        name: "scripts",
        value: "DIR",
        default: None,
        doc: "Your dial plan; without it DATA/scripts, if that exists.",
        take: |to, text| value::directory(text).map(|it| to.scripts = Some(it)),
    },
    Setting {
        name: "trace-bytes",
        value: "SIZE",
        default: Some("16M"),
        doc: "How much of the calls' traces is remembered; the oldest goes first. 0: nothing.",
        take: |to, text| value::size(text).map(|it| to.trace_bytes = it),
    },
    Setting {
        name: "stranger-rate",
        value: "N",
        default: Some("20"),
        doc: "Messages a second of an address where nobody is known; more are dropped. 0: no limit.",
        take: |to, text| value::count(text).map(|it| to.stranger_rate = it),
    },
    Setting {
        name: "source-rate",
        value: "N",
        default: Some("1000"),
        doc: "Requests a second of an address where somebody is known; more get 503. 0: no limit.",
        take: |to, text| value::count(text).map(|it| to.source_rate = it),
    },
    Setting {
        name: "register-rate",
        value: "N",
        default: Some("10"),
        doc: "Registrations a second of each extension. 0: no limit.",
        take: |to, text| value::count(text).map(|it| to.register_rate = it),
    },
    Setting {
        name: "call-rate",
        value: "N",
        default: Some("10"),
        doc: "New calls a second of each extension. 0: no limit.",
        take: |to, text| value::count(text).map(|it| to.call_rate = it),
    },
    Setting {
        name: "calls-per-extension",
        value: "N",
        default: Some("50"),
        doc: "Calls at once that each extension has begun. 0: no limit.",
        take: |to, text| value::count(text).map(|it| to.calls_per_extension = it),
    },
    Setting {
        name: "trunk-calls-per-extension",
        value: "N",
        default: Some("2"),
        doc: "Calls through trunks that each extension may have at once. 0: no limit.",
        take: |to, text| value::count(text).map(|it| to.trunk_calls_per_extension = it),
    },
    Setting {
        name: "connections-per-extension",
        value: "N",
        default: Some("20"),
        doc: "TCP connections at once of each extension; the oldest goes. 0: no limit.",
        take: |to, text| value::count(text).map(|it| to.connections_per_extension = it),
    },
    Setting {
        name: "drop-scanners",
        value: "YES|NO",
        default: Some("yes"),
        doc: "Whether strangers who call themselves a known scanner get no answer.",
        take: |to, text| value::yes_or_no(text).map(|it| to.drop_scanners = it),
    },
    Setting {
        name: "keep-alive",
        value: "SECONDS",
        default: Some("25"),
        doc: "How often phones behind NAT are asked whether they are still there. 0: never.",
        take: |to, text| value::interval(text).map(|it| to.keep_alive = it),
    },
    Setting {
        name: "expires-min",
        value: "SECONDS",
        default: Some("30"),
        doc: "The shortest registration; phones that ask for less are told to ask for it.",
        take: |to, text| value::lifetime(text).map(|it| to.expires_min = it),
    },
    Setting {
        name: "expires-max",
        value: "SECONDS",
        default: Some("3600"),
        doc: "The longest registration; longer wishes are cut to it.",
        take: |to, text| value::lifetime(text).map(|it| to.expires_max = it),
    },
    Setting {
        name: CONFIG,
        value: "FILE",
        default: None,
        doc: "A TOML file of these settings: sip = \"0.0.0.0:5060\" and so on.",
        take: |to, text| value::file(text).map(|it| to.config = Some(it)),
    },
];

/// The setting that cannot stand in the file, because it names it.
const CONFIG: &str = "config";

/// The part of the help that tells of the settings: flag and purpose, variable and default.
pub fn help() -> String {
    let mut text = String::new();
    for it in SETTINGS {
        let flag = format!("{} {}", it.flag(), it.value);
        let default = it.default.map(|it| format!(" [{it}]")).unwrap_or_default();
        _ = writeln!(text, "  {flag:<20} {}", it.doc);
        _ = writeln!(text, "  {:<20} {}{default}", "", it.variable());
    }
    text
}

/// The page about the settings, in Markdown: `docs/config.md` is this page.
pub fn page() -> String {
    let mut text = "# Settings\n\nPrinted from the code: `make pages` writes it anew.\n\n\
         A setting is said by a flag, else by a variable of the environment, else by a key in the \
         TOML file of\n`--config`, else it has its default. Whatever is said is checked, also where \
         something stronger overrides it,\nand everything that is wrong is told at once.\n\n\
         | flag | variable | default | |\n|---|---|---|---|\n"
        .to_owned();
    for it in SETTINGS {
        let default = it.default.map_or_else(String::new, |it| format!("`{it}`"));
        let (flag, value, variable) = (it.flag(), it.value, it.variable());
        _ = writeln!(text, "| `{flag} {value}` | `{variable}` | {default} | {} |", it.doc);
    }
    text
}

impl Setting {
    /// What it is called on the command line.
    pub fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// What it is called in the environment.
    pub fn variable(&self) -> String {
        variable(self.name)
    }
}

impl Settings {
    /// The settings when nothing is said.
    fn defaults() -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut settings = Self {
            data: PathBuf::new(),
            sip: nowhere,
            sip_tls: TlsAt::Above,
            tls_cert: Vec::new(),
            tls_key: Vec::new(),
            tls_client_ca: None,
            tls_client: None,
            tls_ca: None,
            http: nowhere,
            rtp: PortRange { low: 0, high: 0 },
            advertise: None,
            scripts: None,
            trace_bytes: 0,
            stranger_rate: 0,
            source_rate: 0,
            register_rate: 0,
            call_rate: 0,
            calls_per_extension: 0,
            trunk_calls_per_extension: 0,
            connections_per_extension: 0,
            drop_scanners: false,
            keep_alive: Duration::ZERO,
            expires_min: 0,
            expires_max: 0,
            config: None,
            places: Vec::new(),
        };
        for it in SETTINGS {
            let taken = it.default.map_or(Ok(()), |text| (it.take)(&mut settings, text));
            taken.expect("the defaults in the records are right");
        }
        settings
    }

    /// Where phones reach us over TLS, if they do.
    pub fn sip_tls(&self) -> Option<SocketAddr> {
        match self.sip_tls {
            TlsAt::At(it) => Some(it),
            // Whoever lets the system choose one port has it choose both.
            TlsAt::Above if self.sip.port() == 0 => Some(self.sip),
            TlsAt::Above => {
                self.sip.port().checked_add(1).map(|port| SocketAddr::new(self.sip.ip(), port))
            }
            TlsAt::Off => None,
        }
    }

    /// Where a setting was said.
    fn place(&self, setting: &str) -> Place {
        let found = self.places.iter().find(|it| it.0 == setting);
        found.map_or(Place::Default, |it| it.1.clone())
    }

    /// The complaint of somebody who looked further than we can: this value of a setting is wrong.
    pub fn wrong(&self, setting: &'static str, value: String, want: String) -> Wrong {
        Wrong::Value { setting, value, want, place: self.place(setting) }
    }
}

/// The environment variable of a setting.
fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// What all our environment variables begin with.
const PREFIX: &str = "MOONSWITCH_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_tells_of_every_flag_variable_and_default() {
        let help = help();
        for it in SETTINGS {
            assert!(help.contains(&format!("--{} {}", it.name, it.value)), "{help}");
            assert!(help.contains(&it.variable()), "{help}");
            assert!(it.default.is_none_or(|it| help.contains(&format!("[{it}]"))), "{help}");
        }
    }

    #[test]
    fn every_default_is_read_by_its_own_reader() {
        let settings = Settings::defaults();
        assert_eq!(settings.data, PathBuf::from("./data"));
        assert_eq!(settings.sip.to_string(), "0.0.0.0:5060");
        assert_eq!(settings.http.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.rtp.to_string(), "16384-20479");
        assert_eq!((settings.advertise, settings.scripts), (None, None));
        assert_eq!(settings.trace_bytes, 16 << 20);
        assert_eq!((settings.stranger_rate, settings.source_rate), (20, 1_000));
        assert_eq!((settings.register_rate, settings.call_rate), (10, 10));
        assert_eq!((settings.calls_per_extension, settings.connections_per_extension), (50, 20));
        assert!(settings.drop_scanners);
        assert_eq!(settings.keep_alive, Duration::from_secs(25));
        assert_eq!((settings.expires_min, settings.expires_max), (30, 3600));
    }
}
