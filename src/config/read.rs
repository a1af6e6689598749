//! The words of a command line become [`Settings`], or a complaint that says what would be right.

use std::fmt;

use super::{SETTINGS, Setting, Settings};

/// What is wrong with the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is no such flag.
    Unknown {
        /// What was written.
        word: String,
        /// The flag that was probably meant.
        nearest: Option<&'static str>,
    },
    /// There is no such command.
    UnknownCommand {
        /// What was written.
        word: String,
        /// The command that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A flag stands last, without its value.
    Valueless {
        /// The setting's name.
        setting: &'static str,
        /// The shape of its value.
        value: &'static str,
    },
    /// A setting is set twice, so one of the two would be silently ignored.
    Twice {
        /// The setting's name.
        setting: &'static str,
    },
    /// A value is not what the setting wants.
    Value {
        /// The setting's name.
        setting: &'static str,
        /// What was written.
        value: String,
        /// What would be right.
        want: String,
    },
}

impl Wrong {
    /// Whether the command line itself makes no sense, as opposed to a value in it.
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::Value { .. })
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { word, nearest: Some(nearest) } => {
                write!(f, "there is no {word:?}; did you mean --{nearest}?")
            }
            Self::Unknown { word, nearest: None } => {
                write!(f, "there is no {word:?}; see moonswitch --help")
            }
            Self::UnknownCommand { word, nearest: Some(nearest) } => {
                write!(f, "there is no command {word:?}; did you mean {nearest}?")
            }
            Self::UnknownCommand { word, nearest: None } => {
                write!(f, "there is no command {word:?}; see moonswitch --help")
            }
            Self::Valueless { setting, value } => write!(f, "--{setting} wants {value} after it"),
            Self::Twice { setting } => write!(f, "--{setting} is set twice"),
            Self::Value { setting, value, want } => {
                write!(f, "--{setting} {value:?} is wrong: it wants {want}")
            }
        }
    }
}

impl std::error::Error for Wrong {}

/// Reads `--name value` and `--name=value`.
///
/// # Errors
/// At the first word that makes no sense.
pub fn read(words: impl IntoIterator<Item = String>) -> Result<Settings, Wrong> {
    let mut settings = Settings::defaults();
    let mut seen = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (flag, glued) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let setting = find(flag)?;
        if seen.contains(&setting.name) {
            return Err(Wrong::Twice { setting: setting.name });
        }
        seen.push(setting.name);
        let value = glued
            .or_else(|| words.next())
            .ok_or(Wrong::Valueless { setting: setting.name, value: setting.value })?;
        if let Err(want) = (setting.take)(&mut settings, &value) {
            return Err(Wrong::Value { setting: setting.name, value, want: want.to_owned() });
        }
    }
    agree(&settings)?;
    Ok(settings)
}

/// The word among `candidates` that was probably meant, if any is near.
pub fn nearest(
    word: &str,
    candidates: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    // Distances are computed only for words about as long as ours, so a long word costs nothing.
    candidates
        .into_iter()
        .filter(|it| it.len().abs_diff(word.len()) <= 2)
        .map(|it| (distance(word, it), it))
        .filter(|(far, it)| *far <= 2 && *far < it.len())
        .min()
        .map(|(_, it)| it)
}

fn find(flag: &str) -> Result<&'static Setting, Wrong> {
    let name = flag.strip_prefix("--");
    let found = name.and_then(|name| SETTINGS.iter().find(|it| it.name == name));
    found.ok_or_else(|| Wrong::Unknown {
        word: flag.to_owned(),
        nearest: nearest(flag.trim_start_matches('-'), SETTINGS.iter().map(|it| it.name)),
    })
}

/// What settings must not do to each other.
fn agree(settings: &Settings) -> Result<(), Wrong> {
    if settings.rtp.contains(settings.sip.port()) {
        let want = format!("ports without {}, which --sip takes", settings.sip.port());
        return Err(Wrong::Value { setting: "rtp", value: settings.rtp.to_string(), want });
    }
    Ok(())
}

/// How many letters are to be changed, added, left out or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let other = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j - 1] + other).min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_follows_its_flag_or_is_glued_to_it() {
        let apart = check("--http 127.0.0.1:0 --data /srv/pbx").unwrap();
        let glued = check("--http=127.0.0.1:0 --data=/srv/pbx").unwrap();
        assert_eq!(apart, glued);
        assert_eq!(apart.data, std::path::Path::new("/srv/pbx"));
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest_flag() {
        for (typo, meant) in [("--spi", "sip"), ("--advertize", "advertise"), ("-data", "data")] {
            let wrong = check(typo).unwrap_err();
            assert!(wrong.is_usage());
            assert!(wrong.to_string().contains(&format!("did you mean --{meant}?")), "{wrong}");
        }
        let wrong = check("--kangaroo 5").unwrap_err();
        assert_eq!(wrong.to_string(), "there is no \"--kangaroo\"; see moonswitch --help");
    }

    #[test]
    fn a_wrong_value_names_setting_value_and_what_would_be_right() {
        let wrong = check("--sip elsewhere").unwrap_err();
        assert!(!wrong.is_usage());
        assert_eq!(
            wrong.to_string(),
            "--sip \"elsewhere\" is wrong: it wants ADDR:PORT such as 0.0.0.0:5060 or [::1]:5060",
        );
        let wrong = check("--rtp 16385-16500").unwrap_err();
        assert!(wrong.to_string().contains("an even LOW"), "{wrong}");
    }

    #[test]
    fn nothing_is_silently_ignored() {
        assert_eq!(check("--sip 0.0.0.0:1 --sip 0.0.0.0:2"), Err(Wrong::Twice { setting: "sip" }));
        assert!(check("--sip").unwrap_err().is_usage());
        assert!(check("stray").unwrap_err().is_usage());
    }

    #[test]
    fn sip_and_audio_do_not_share_a_port() {
        assert!(check("--sip 0.0.0.0:16390").is_err());
        assert!(check("--sip 0.0.0.0:16390 --rtp 20000-20999").is_ok());
    }

    fn check(line: &str) -> Result<Settings, Wrong> {
        read(line.split_whitespace().map(str::to_owned))
    }
}
