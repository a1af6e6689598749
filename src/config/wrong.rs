//! What is wrong with what was said, where it was said, and what would be right.

use std::fmt;

use super::variable;

/// Where a setting was said. What stands further down is stronger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere: it has its default.
    Default,
    /// In the file.
    File {
        /// Its name.
        file: String,
        /// From 1.
        line: usize,
    },
    /// In the environment.
    Variable,
    /// On the command line.
    Flag,
}

/// Something that is wrong.
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
    /// A flag stands without its value.
    Valueless {
        /// The setting's name.
        setting: &'static str,
        /// The shape of its value.
        value: &'static str,
    },
    /// A flag is given twice, so one of the two would be silently ignored.
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
        /// Where it was written.
        place: Place,
    },
    /// There is no such key in the file.
    UnknownKey {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What was written.
        key: String,
        /// The key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A line of the file makes no sense.
    Line {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

/// Everything that is wrong, a line for each; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrongs(pub(super) Vec<Wrong>);

/// An environment variable of ours that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its name.
    pub variable: String,
    /// The one that was probably meant.
    pub nearest: Option<String>,
}

impl Wrong {
    /// Whether the command line itself makes no sense, as opposed to a value in it.
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Unknown { .. }
            | Self::UnknownCommand { .. }
            | Self::Valueless { .. }
            | Self::Twice { .. } => true,
            Self::Value { .. } | Self::UnknownKey { .. } | Self::Line { .. } => false,
        }
    }
}

impl Wrongs {
    /// Whether the command line itself makes no sense.
    pub fn is_usage(&self) -> bool {
        self.0.iter().any(Wrong::is_usage)
    }
}

impl From<Wrong> for Wrongs {
    fn from(wrong: Wrong) -> Self {
        Self(vec![wrong])
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
            Self::Value { setting, value, want, place } => {
                match place {
                    Place::File { file, line } => write!(f, "{file}:{line}: {setting}")?,
                    Place::Variable => f.write_str(&variable(setting))?,
                    Place::Flag | Place::Default => write!(f, "--{setting}")?,
                }
                write!(f, " {value:?} is wrong: it wants {want}")
            }
            Self::UnknownKey { file, line, key, nearest: Some(nearest) } => {
                write!(f, "{file}:{line}: there is no setting {key:?}; did you mean {nearest}?")
            }
            Self::UnknownKey { file, line, key, nearest: None } => {
                write!(f, "{file}:{line}: there is no setting {key:?}; see moonswitch --help")
            }
            Self::Line { file, line, what } => write!(f, "{file}:{line}: {what}"),
        }
    }
}

impl fmt::Display for Wrongs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, it) in self.0.iter().enumerate() {
            let end = if nth == 0 { "" } else { "\n" };
            write!(f, "{end}{it}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {} means nothing", self.variable)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Wrong {}

impl std::error::Error for Wrongs {}
