//! Lists in pieces: after a row that the reader has seen, or by page and size with a total.

use rusqlite::{Connection, Row};

use super::Error;
use crate::directory::TenantId;

/// The most rows of one piece.
const ROWS_MAX: u32 = 1000;

/// Which piece of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// What follows a row, by its id; from the beginning when there is none. It costs the same
    /// however long the list is, and misses nothing when rows are added meanwhile.
    After {
        /// The last id that was seen: [`Listed::next`] of the piece before.
        id: Option<i64>,
        /// The most rows that are wanted.
        limit: u32,
    },
    /// A page, with the number of all rows.
    Page {
        /// From 1.
        page: u32,
        /// Rows of one page.
        size: u32,
    },
}

/// A piece of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// How many rows the whole list has; only counted for [`Paging::Page`].
    pub total: Option<u64>,
    /// Where the next piece begins, when this one is full.
    pub next: Option<i64>,
}

/// A list that can be asked for in pieces.
pub(super) struct Query {
    /// What is read of each row; the id comes first.
    pub(super) columns: &'static str,
    /// Which rows: table and condition, which begins with the tenant as `?1`.
    pub(super) from: &'static str,
    pub(super) order: Order,
}

/// Which row of a list comes first.
#[derive(Clone, Copy)]
pub(super) enum Order {
    Oldest,
    Newest,
}

impl Query {
    pub(super) fn list<T>(
        &self,
        db: &Connection,
        tenant: TenantId,
        paging: Paging,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Listed<T>, Error> {
        let (follows, begin) = match self.order {
            Order::Oldest => ("id > ?2 ORDER BY id", 0),
            Order::Newest => ("id < ?2 ORDER BY id DESC", i64::MAX),
        };
        let (after, limit, offset) = match paging {
            Paging::After { id, limit } => (id.unwrap_or(begin), limit.min(ROWS_MAX), 0),
            Paging::Page { page, size } => {
                let size = size.min(ROWS_MAX);
                (begin, size, u64::from(page.saturating_sub(1)) * u64::from(size))
            }
        };
        let Self { columns, from, .. } = self;
        let sql = format!("SELECT {columns} FROM {from} AND {follows} LIMIT ?3 OFFSET ?4");
        let mut query = db.prepare_cached(&sql)?;
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let mut found = query.query((tenant, after, limit, offset))?;
        let mut rows = Vec::new();
        let mut last = None;
        while let Some(row) = found.next()? {
            last = Some(row.get(0)?);
            rows.push(read(row)?);
        }
        let total = match paging {
            Paging::After { .. } => None,
            Paging::Page { .. } => {
                let sql = format!("SELECT count(*) FROM {from}");
                let total: i64 = db.prepare_cached(&sql)?.query_row([tenant], |row| row.get(0))?;
                u64::try_from(total).ok()
            }
        };
        let next = last.filter(|_| rows.len() as u64 == u64::from(limit));
        Ok(Listed { rows, total, next })
    }
}
