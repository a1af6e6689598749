//! What can go wrong, by whose fault it is.

use std::fmt;

use rusqlite::ErrorCode;

/// Why something was not stored or found. Nothing of it is in the file then.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// The tenant has no such row.
    NotFound,
    /// Another row has this value of a field that must differ.
    Taken(&'static str),
    /// A value that somebody chose is too easily guessed.
    Weak(&'static str),
    /// It is the last access key that allows everything and never ends.
    LastKey,
    /// A value is empty, too long, or holds control characters.
    Unfit(&'static str),
    /// The file was written by a newer moonswitch.
    Newer {
        /// The file's version.
        found: i64,
        /// The newest version that we know.
        known: i64,
    },
    /// The file's secrets were sealed with another key.
    WrongKey,
    /// The disk is full, or takes no more for another reason: a quota, a limit, a defect.
    Full,
    /// The file or its directory cannot be written or opened.
    Denied(String),
    /// Somebody else is writing to the file, and has been for seconds.
    Busy,
    /// What is in the file cannot be what was written.
    Corrupt(String),
    /// SQLite refuses in a way that should not happen.
    Unexpected(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such row"),
            Self::Taken(field) => write!(f, "this {field} is taken"),
            Self::Weak(field) => write!(f, "this {field} is too easily guessed"),
            Self::LastKey => {
                f.write_str("this would take the last key that allows everything and never ends")
            }
            Self::Unfit(field) => {
                write!(f, "this {field} is empty, too long, or holds control characters")
            }
            Self::Newer { found, known } => write!(
                f,
                "the database is of version {found}, written by a newer moonswitch; \
                 this one knows up to {known}"
            ),
            Self::WrongKey => {
                f.write_str("the key file does not fit: the secrets were sealed with another key")
            }
            Self::Full => f.write_str("the disk is full or takes no more"),
            Self::Denied(what) => write!(f, "the database cannot be written: {what}"),
            Self::Busy => f.write_str("another process is writing to the database"),
            Self::Corrupt(what) => write!(f, "the database is damaged: {what}"),
            Self::Unexpected(what) => write!(f, "the database refuses: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The error of a write that fails when the value of `field` is taken.
    pub(super) fn or_taken(error: rusqlite::Error, field: &'static str) -> Self {
        match extended(&error) {
            Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) => Self::Taken(field),
            _ => error.into(),
        }
    }
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|it| it.extended_code)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as Foreign;
        match &error {
            Foreign::QueryReturnedNoRows => Self::NotFound,
            Foreign::FromSqlConversionFailure(..)
            | Foreign::InvalidColumnType(..)
            | Foreign::IntegralValueOutOfRange(..) => Self::Corrupt(error.to_string()),
            _ => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Self::Full,
                // SQLite says so of a quota (EDQUOT), a limit (EFBIG) and a disk that breaks.
                _ if extended(&error) == Some(rusqlite::ffi::SQLITE_IOERR_WRITE) => Self::Full,
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    Self::Denied(error.to_string())
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Self::Corrupt(error.to_string())
                }
                _ => Self::Unexpected(error.to_string()),
            },
        }
    }
}
