//! Call records that somebody looks for. There is no index for it, which every call would pay for:
//! a search reads a bounded number of records, the newest first, and says where to go on.

use rusqlite::OptionalExtension;

use super::cdrs::{COLUMNS, read};
use super::value::from_wall;
use super::{Cdr, CdrId, Error, Listed, Reader};
use crate::base::Wall;
use crate::directory::TenantId;

/// Records that one search reads.
const READ_MAX: u32 = 20_000;
/// Records that one search finds.
const FOUND_MAX: u32 = 1000;

/// Which records are wanted: those for which everything holds that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The call began then or later.
    pub from: Option<Wall>,
    /// The call began before.
    pub until: Option<Wall>,
    /// This number called, was dialled or was rung.
    pub number: Option<String>,
}

impl Reader {
    /// Records of a tenant below an id, the newest first. Fewer than `limit` need not be the last:
    /// [`Listed::next`] says whether there may be more.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find_cdrs(
        &self,
        tenant: TenantId,
        wanted: &Wanted,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Listed<(CdrId, Cdr)>, Error> {
        let (below, limit) = (below.unwrap_or(i64::MAX), limit.min(FOUND_MAX));
        let sql = format!(
            "SELECT {COLUMNS} FROM (
                 SELECT * FROM cdr WHERE tenant_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?7
             ) it WHERE (?3 IS NULL OR created_at >= ?3) AND (?4 IS NULL OR created_at < ?4)
             AND (?5 IS NULL OR caller = ?5 OR dialled = ?5 OR EXISTS (
                 SELECT 1 FROM cdr_leg WHERE cdr_id = it.id AND party = ?5))
             ORDER BY id DESC LIMIT ?6"
        );
        let mut query = self.db.prepare_cached(&sql)?;
        let (from, until) = (wanted.from.map(from_wall), wanted.until.map(from_wall));
        let number = wanted.number.as_deref();
        let mut found = query.query((tenant, below, from, until, number, limit, READ_MAX))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(read(&self.db, tenant, row)?);
        }
        let next = match rows.last() {
            Some((id, _)) if rows.len() as u64 == u64::from(limit) => Some(id.0),
            _ => self.unread(tenant, below, from)?,
        };
        Ok(Listed { rows, total: None, next })
    }

    /// The last record that a search has read, when some may be wanted that it has not. Records are
    /// in the order in which calls ended: below one that ended too early all have.
    fn unread(
        &self,
        tenant: TenantId,
        below: i64,
        from: Option<i64>,
    ) -> Result<Option<i64>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT id, ended_at FROM cdr WHERE tenant_id = ?1 AND id < ?2
             ORDER BY id DESC LIMIT 1 OFFSET ?3",
        )?;
        let last: Option<(i64, i64)> = query
            .query_row((tenant, below, READ_MAX - 1), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(last.filter(|(_, ended)| from.is_none_or(|it| *ended >= it)).map(|it| it.0))
    }
}
