//! Columns as our types, both ways. A column that cannot be what was written is told of as such.

use std::time::Duration;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, RowIndex};

use super::Error;
use crate::base::{Cause, Wall};
use crate::directory::{
    CallerFormat, DidSource, DomainId, ExtensionId, IdentityHeader, InboundAuth, Number, TenantId,
    TrunkId, TrunkKind, TrunkTransport, Uuid,
};
use crate::store::{CdrId, KeyId, UserId};

macro_rules! ids {
    ($($name:ident),* $(,)?) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    )*};
}

ids!(TenantId, DomainId, ExtensionId, TrunkId, UserId, KeyId, CdrId);

macro_rules! words {
    ($($name:ident),* $(,)?) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.word()))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Self::from_word(value.as_str()?).ok_or(FromSqlError::InvalidType)
            }
        }
    )*};
}

words!(TrunkKind, TrunkTransport, InboundAuth, DidSource, IdentityHeader, CallerFormat);

impl ToSql for Uuid {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(&self.0[..]))
    }
}

impl FromSql for Uuid {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 16]>::column_result(value).map(Self)
    }
}

impl ToSql for Number {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_str()))
    }
}

impl FromSql for Number {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

/// A moment, as a column holds it.
pub(super) fn from_wall(at: Wall) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A span in microseconds, as a column holds it.
pub(super) fn from_span(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// A column that holds a moment.
pub(super) fn wall(row: &Row<'_>, at: impl RowIndex) -> Result<Wall, Error> {
    Ok(wall_of(row.get(at)?))
}

/// A column that holds a moment or nothing.
pub(super) fn wall_maybe(row: &Row<'_>, at: impl RowIndex) -> Result<Option<Wall>, Error> {
    Ok(row.get::<_, Option<i64>>(at)?.map(wall_of))
}

/// A column that holds a span.
pub(super) fn span(row: &Row<'_>, at: impl RowIndex) -> Result<Duration, Error> {
    Ok(Duration::from_micros(wall_of(row.get(at)?).0))
}

/// A column that holds a cause.
pub(super) fn cause(row: &Row<'_>, at: impl RowIndex) -> Result<Cause, Error> {
    word(row, at, Cause::from_word)
}

/// A column that holds one of some words.
pub(super) fn word<T>(
    row: &Row<'_>,
    at: impl RowIndex,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Error> {
    let text: String = row.get(at)?;
    read(&text).ok_or_else(|| Error::Corrupt(format!("{text:?} is no word of its column")))
}

/// Before 1970 nothing was written.
fn wall_of(micros: i64) -> Wall {
    Wall(u64::try_from(micros).unwrap_or_default())
}
