//! What is said on the command line, in the environment and in the file becomes [`Settings`], or
//! complaints that say what would be right.

use std::path::PathBuf;

use super::nearest::nearest;
use super::{CONFIG, Clients, PREFIX, Place, SETTINGS, Setting, Settings, Warning, Wrong, Wrongs};

/// Variables that begin like ours and are read elsewhere: by the log, and by the tests.
const OTHERS: [&str; 8] = ["ADMIN_KEY", "KEY", "KILLS", "PAGES", "LOG", "INTEROP", "SEED", "SEEDS"];

/// Settings while they are put together. In whatever order the sources are read, a flag is stronger
/// than the environment and that is stronger than the file.
#[derive(Debug, Default)]
pub struct Draft {
    said: Vec<Said>,
    wrongs: Vec<Wrong>,
    warnings: Vec<Warning>,
}

/// A key of the file and its value, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// The line of the key, from 1.
    pub line: usize,
}

/// A value that somebody gave a setting.
#[derive(Debug)]
struct Said {
    setting: &'static Setting,
    value: String,
    place: Place,
}

impl Draft {
    /// Reads `--name value` and `--name=value`.
    pub fn flags(&mut self, words: impl IntoIterator<Item = String>) {
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let (flag, glued) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let value = glued.or_else(|| words.next_if(|it| !it.starts_with("--")));
            let name = flag.strip_prefix("--");
            match (name.and_then(find), value) {
                (None, _) => self.wrongs.push(Wrong::Unknown {
                    word: flag.to_owned(),
                    nearest: nearest(flag.trim_start_matches('-'), names()),
                }),
                (Some(it), None) => {
                    self.wrongs.push(Wrong::Valueless { setting: it.name, value: it.value });
                }
                (Some(it), Some(_)) if self.is_said(it, &Place::Flag) => {
                    self.wrongs.push(Wrong::Twice { setting: it.name });
                }
                (Some(it), Some(value)) => self.say(it, value, Place::Flag),
            }
        }
    }

    /// Reads the environment: all of it, as names and values. What does not begin like ours is
    /// passed over, and so is what is empty.
    pub fn variables(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (variable, value) in variables {
            let Some(own) = variable.strip_prefix(PREFIX) else { continue };
            let setting = SETTINGS.iter().find(|it| it.variable() == variable);
            match setting {
                Some(_) if value.is_empty() => {}
                Some(it) => self.say(it, value, Place::Variable),
                None if OTHERS.contains(&own) => {}
                None => {
                    let word = own.to_ascii_lowercase().replace('_', "-");
                    let nearest = nearest(&word, names().chain(["log"])).map(super::variable);
                    self.warnings.push(Warning { variable, nearest });
                }
            }
        }
    }

    /// The file that is to be read, when flags and environment have been.
    pub fn file(&self) -> Option<PathBuf> {
        let named = self.said.iter().filter(|it| it.setting.name == CONFIG);
        named.max_by_key(|it| &it.place).map(|it| PathBuf::from(&it.value))
    }

    /// The file cannot be read; `want` says what would be right.
    pub fn unreadable(&mut self, want: String) {
        let named = self.said.iter().filter(|it| it.setting.name == CONFIG);
        if let Some(it) = named.max_by_key(|it| &it.place) {
            let (value, place) = (it.value.clone(), it.place.clone());
            self.wrongs.push(Wrong::Value { setting: CONFIG, value, want, place });
        }
    }

    /// Reads what stands in the file.
    pub fn entries(&mut self, file: &str, entries: impl IntoIterator<Item = Entry>) {
        for Entry { key, value, line } in entries {
            let file = file.to_owned();
            match find(&key).filter(|it| it.name != CONFIG) {
                Some(it) => self.say(it, value, Place::File { file, line }),
                None => {
                    let nearest = nearest(&key, names().filter(|it| *it != CONFIG));
                    self.wrongs.push(Wrong::UnknownKey { file, line, key, nearest });
                }
            }
        }
    }

    /// Takes note of something wrong that whoever read the sources has found.
    pub fn complain(&mut self, wrong: Wrong) {
        self.wrongs.push(wrong);
    }

    /// What is odd, but not wrong.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Checks everything that was said and puts the settings together.
    ///
    /// # Errors
    /// With everything that is wrong, in the order in which it was said.
    pub fn settle(mut self) -> Result<Settings, Wrongs> {
        let mut settings = Settings::defaults();
        // Stable: what stands in the file twice cannot be, TOML forbids it.
        self.said.sort_by(|a, b| a.place.cmp(&b.place));
        for Said { setting, value, place } in self.said {
            match (setting.take)(&mut settings, &value) {
                Ok(()) => {
                    settings.places.retain(|it| it.0 != setting.name);
                    settings.places.push((setting.name, place));
                }
                Err(want) => {
                    let (setting, want) = (setting.name, want.to_owned());
                    self.wrongs.push(Wrong::Value { setting, value, want, place });
                }
            }
        }
        if self.wrongs.is_empty() {
            self.wrongs.extend(disagreement(&settings));
        }
        if self.wrongs.is_empty() { Ok(settings) } else { Err(Wrongs(self.wrongs)) }
    }

    fn say(&mut self, setting: &'static Setting, value: String, place: Place) {
        self.said.push(Said { setting, value, place });
    }

    fn is_said(&self, setting: &Setting, place: &Place) -> bool {
        self.said.iter().any(|it| it.setting.name == setting.name && it.place == *place)
    }
}

fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|it| it.name == name)
}

fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|it| it.name)
}

/// What settings must not do to each other.
fn disagreement(settings: &Settings) -> Option<Wrong> {
    let rtp_takes_sip = settings.rtp.contains(settings.sip.port()).then(|| {
        let want = format!("ports without {}, which --sip takes", settings.sip.port());
        settings.wrong("rtp", settings.rtp.to_string(), want)
    });
    rtp_takes_sip.or_else(|| tls_disagreement(settings))
}

/// The same of the settings for TLS.
fn tls_disagreement(settings: &Settings) -> Option<Wrong> {
    let Settings { tls_cert, tls_key, .. } = settings;
    if !tls_key.is_empty() && tls_key.len() != tls_cert.len() {
        let keys: Vec<_> = tls_key.iter().map(|it| it.display().to_string()).collect();
        let want = match tls_cert.len() {
            0 => "--tls-cert beside it".to_owned(),
            1 => "one file, the key of the one of --tls-cert".to_owned(),
            n => format!("{n} files, one for each of --tls-cert"),
        };
        return Some(settings.wrong("tls-key", keys.join(","), want));
    }
    let clients = settings.tls_client.filter(|_| settings.tls_client_ca.is_none())?;
    let word = if clients == Clients::Ask { "ask" } else { "require" };
    let want = "--tls-client-ca beside it: somebody must have signed what is asked for".to_owned();
    Some(settings.wrong("tls-client", word.to_owned(), want))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_follows_its_flag_or_is_glued_to_it() {
        let apart = flags("--http 127.0.0.1:0 --data /srv/pbx").unwrap();
        let glued = flags("--http=127.0.0.1:0 --data=/srv/pbx").unwrap();
        assert_eq!(apart, glued);
        assert_eq!(apart.data, std::path::Path::new("/srv/pbx"));
    }

    #[test]
    fn a_flag_is_stronger_than_the_environment_and_that_than_the_file() {
        let file = "sip 10.0.0.1:5060\nhttp 10.0.0.1:80\ntrace-bytes 1M";
        let environment = "MOONSWITCH_SIP=10.0.0.2:5060 MOONSWITCH_HTTP=10.0.0.2:80";
        let settings = check("--sip 10.0.0.3:5060", environment, file).unwrap();
        assert_eq!(settings.sip.ip().to_string(), "10.0.0.3");
        assert_eq!(settings.http.ip().to_string(), "10.0.0.2");
        assert_eq!(settings.trace_bytes, 1 << 20);
        assert_eq!(settings.rtp.to_string(), "16384-20479");
    }

    #[test]
    fn every_setting_has_a_flag_a_variable_and_all_but_one_a_key() {
        for setting in SETTINGS {
            let (value, beside) = match setting.name {
                "sip-tls" => ("off", ""),
                "tls-key" => ("a.key", "MOONSWITCH_TLS_CERT=a.pem"),
                "tls-client" => ("ask", "MOONSWITCH_TLS_CLIENT_CA=ca.pem"),
                _ => (setting.default.unwrap_or("192.0.2.1"), ""),
            };
            let flag = format!("{} {value}", setting.flag());
            assert!(check(&flag, beside, "").is_ok(), "{flag}");
            let environment = format!("{}={value} {beside}", setting.variable());
            assert!(check("", &environment, "").is_ok(), "{environment}");
            let from_file = check("", beside, &format!("{} {value}", setting.name));
            assert_eq!(from_file.is_ok(), setting.name != CONFIG, "{}", setting.name);
        }
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest_flag() {
        for (typo, meant) in [("--spi", "sip"), ("--advertize", "advertise"), ("-data", "data")] {
            let wrong = flags(typo).unwrap_err();
            assert!(wrong.is_usage());
            assert!(wrong.to_string().contains(&format!("did you mean --{meant}?")), "{wrong}");
        }
        let wrong = flags("--kangaroo 5").unwrap_err();
        assert_eq!(wrong.to_string(), "there is no \"--kangaroo\"; see moonswitch --help");
    }

    #[test]
    fn a_wrong_value_names_place_setting_value_and_what_would_be_right() {
        let want = "is wrong: it wants ADDR:PORT such as 0.0.0.0:5060 or [::1]:5060";
        let told = |flags, environment, file| check(flags, environment, file).unwrap_err();
        let by_flag = told("--sip nowhere", "", "");
        assert!(!by_flag.is_usage());
        assert_eq!(by_flag.to_string(), format!("--sip \"nowhere\" {want}"));
        let by_variable = told("", "MOONSWITCH_SIP=nowhere", "");
        assert_eq!(by_variable.to_string(), format!("MOONSWITCH_SIP \"nowhere\" {want}"));
        let in_file = told("", "", "data /srv\nsip nowhere");
        assert_eq!(in_file.to_string(), format!("pbx.toml:2: sip \"nowhere\" {want}"));
        let wrong = flags("--rtp 16385-16500").unwrap_err();
        assert!(wrong.to_string().contains("an even LOW"), "{wrong}");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let file = "sip nowhere\nadvertise 0.0.0.0\nhtpt 1";
        let wrong = check("--rpt 5 --http x --data", "MOONSWITCH_RTP=1", file).unwrap_err();
        assert!(wrong.is_usage());
        let told = wrong.to_string();
        assert_eq!(told.lines().count(), 7, "{told}");
        for part in [
            "did you mean --rtp?",
            "--data wants DIR after it",
            "pbx.toml:3: there is no setting \"htpt\"; did you mean http?",
            "pbx.toml:1: sip \"nowhere\"",
            "pbx.toml:2: advertise \"0.0.0.0\"",
            "MOONSWITCH_RTP \"1\"",
            "--http \"x\"",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn what_is_overridden_is_checked_all_the_same() {
        let wrong = check("--sip 127.0.0.1:5060", "", "sip nowhere").unwrap_err();
        assert!(wrong.to_string().starts_with("pbx.toml:1: sip"), "{wrong}");
    }

    #[test]
    fn the_file_is_named_by_flag_or_environment_and_not_by_itself() {
        let mut draft = Draft::default();
        draft.variables([("MOONSWITCH_CONFIG".into(), "b.toml".into())]);
        assert_eq!(draft.file(), Some("b.toml".into()));
        draft.flags(["--config".into(), "a.toml".into()]);
        assert_eq!(draft.file(), Some("a.toml".into()));
        let wrong = check("", "", "config c.toml").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "pbx.toml:1: there is no setting \"config\"; see moonswitch --help"
        );
    }

    #[test]
    fn an_unknown_variable_of_ours_is_a_warning_and_no_more() {
        let mut draft = Draft::default();
        let variables = "MOONSWITCH_SPI=1 MOONSWITCH_LGO=1 MOONSWITCH_KANGAROO=1 MOONSWITCH_LOG=1 \
                         MOONSWITCH_INTEROP=1 MOONSWITCH_SEEDS=1 MOONSWITCH_SIP= HOME=1";
        draft.variables(pairs(variables));
        let told: Vec<_> = draft.warnings().iter().map(Warning::to_string).collect();
        assert_eq!(
            told,
            [
                "the environment variable MOONSWITCH_SPI means nothing; did you mean MOONSWITCH_SIP?",
                "the environment variable MOONSWITCH_LGO means nothing; did you mean MOONSWITCH_LOG?",
                "the environment variable MOONSWITCH_KANGAROO means nothing",
            ]
        );
        assert!(draft.settle().is_ok());
    }

    #[test]
    fn nothing_is_silently_ignored() {
        let twice = flags("--sip 0.0.0.0:1 --sip 0.0.0.0:2");
        assert_eq!(twice, Err(Wrong::Twice { setting: "sip" }.into()));
        for line in ["--sip", "--sip --http 127.0.0.1:0", "stray"] {
            assert!(flags(line).unwrap_err().is_usage(), "{line}");
        }
    }

    #[test]
    fn tls_is_one_port_above_sip_unless_it_is_said_where() {
        for (line, at) in [
            ("", Some("0.0.0.0:5061")),
            ("--sip [::1]:5070", Some("[::1]:5071")),
            ("--sip 127.0.0.1:0", Some("127.0.0.1:0")),
            ("--sip 127.0.0.1:65535", None),
            ("--sip 127.0.0.1:0 --sip-tls 10.0.0.1:443", Some("10.0.0.1:443")),
            ("--sip-tls off", None),
        ] {
            let settings = flags(line).unwrap();
            assert_eq!(settings.sip_tls().map(|it| it.to_string()).as_deref(), at, "{line}");
        }
        assert!(flags("--sip-tls 5061").unwrap_err().to_string().contains("or off"));
    }

    #[test]
    fn each_certificate_has_one_key_and_who_asks_for_some_says_who_signs_them() {
        let settings = flags("--tls-cert a.pem,b.pem --tls-key a.key,b.key").unwrap();
        assert_eq!((settings.tls_cert.len(), settings.tls_key.len()), (2, 2));
        assert!(flags("--tls-cert a.pem,b.pem").is_ok());
        assert!(flags("--tls-client-ca ca.pem --tls-client ask").is_ok());
        for (line, part) in [
            ("--tls-key a.key", "--tls-cert beside it"),
            ("--tls-cert a.pem --tls-key a.key,b.key", "one file"),
            ("--tls-cert a.pem,b.pem --tls-key a.key", "2 files"),
            ("--tls-cert a.pem,,b.pem", "with commas"),
            ("--tls-client ask", "--tls-client-ca beside it"),
            ("--tls-client-ca ca.pem --tls-client off", "require or ask"),
        ] {
            let wrong = flags(line).unwrap_err().to_string();
            assert!(wrong.contains(part), "{line}: {wrong}");
        }
    }

    #[test]
    fn sip_and_audio_do_not_share_a_port() {
        assert!(flags("--sip 0.0.0.0:16390").is_err());
        assert!(flags("--sip 0.0.0.0:16390 --rtp 20000-20999").is_ok());
    }

    fn flags(line: &str) -> Result<Settings, Wrongs> {
        check(line, "", "")
    }

    /// The file has a key and its value in each line.
    fn check(flags: &str, environment: &str, file: &str) -> Result<Settings, Wrongs> {
        let mut draft = Draft::default();
        draft.flags(flags.split_whitespace().map(str::to_owned));
        draft.variables(pairs(environment));
        let entries = (1..).zip(file.lines()).map(|(line, text)| {
            let (key, value) = text.split_once(' ').unwrap();
            Entry { key: key.into(), value: value.into(), line }
        });
        draft.entries("pbx.toml", entries);
        draft.settle()
    }

    fn pairs(text: &str) -> Vec<(String, String)> {
        let pairs = text.split_whitespace().map(|it| it.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.into(), value.into())).collect()
    }
}
