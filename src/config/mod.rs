//! Settings: one record each, holding its name, the value's shape, the default, the doc and the
//! reader. The command line, its help and every error message are made from the records.
//!
//! The room reads words and checks what words alone can tell. It opens no file and asks no
//! operating system: whether a directory exists or a port is free is found out by `node`.
//!
//! ```
//! let words = ["--sip", "127.0.0.1:5070"].map(String::from);
//! let settings = moonswitch::config::read(words).unwrap();
//! assert_eq!(settings.sip.port(), 5070);
//! assert_eq!(settings.rtp.to_string(), "16384-20479");
//! ```

mod read;
mod value;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

pub use read::{Wrong, nearest, read};
pub use value::PortRange;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the store, sounds and scripts live.
    pub data: PathBuf,
    /// Where phones reach us.
    pub sip: SocketAddr,
    /// Where monitors and programs reach us.
    pub http: SocketAddr,
    /// The ports that audio flows through.
    pub rtp: PortRange,
    /// The address that phones are told instead of our own.
    pub advertise: Option<IpAddr>,
    /// The user's dial plan; without it `scripts` below the data directory, if that exists.
    pub scripts: Option<PathBuf>,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name; the flag is `--` and this.
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
        name: "http",
        value: "ADDR:PORT",
        default: Some("127.0.0.1:8080"),
        doc: "Where /health and the REST API answer (TCP).",
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
];

/// The part of the help that tells of the settings.
pub fn help() -> String {
    let mut text = String::new();
    for it in SETTINGS {
        let flag = format!("--{} {}", it.name, it.value);
        let default = it.default.map(|it| format!(" [{it}]")).unwrap_or_default();
        _ = writeln!(text, "  {flag:<20} {}{default}", it.doc);
    }
    text
}

impl Settings {
    /// The settings when nothing is said.
    fn defaults() -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut settings = Self {
            data: PathBuf::new(),
            sip: nowhere,
            http: nowhere,
            rtp: PortRange { low: 0, high: 0 },
            advertise: None,
            scripts: None,
        };
        for it in SETTINGS {
            let taken = it.default.map_or(Ok(()), |text| (it.take)(&mut settings, text));
            taken.expect("the defaults in the records are right");
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_tells_of_every_setting_and_its_default() {
        let help = help();
        for it in SETTINGS {
            assert!(help.contains(&format!("--{} {}", it.name, it.value)), "{help}");
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
    }
}
