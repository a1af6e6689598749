//! Who is told of what, so that lamps go on right after a restart.

use rusqlite::Connection;
use rusqlite::Row as Sql;

use super::value::{from_wall, wall};
use super::{Error, Reader};
use crate::base::Wall;
use crate::directory::{ExtensionId, TenantId};

/// A subscription of an extension's phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// A word that no other has.
    pub name: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// Whose phone has subscribed.
    pub extension: ExtensionId,
    /// The kind of news.
    pub package: String,
    /// Of whom: an extension's number.
    pub resource: String,
    /// The address that the subscriber knows it by.
    pub entity: String,
    /// What the subscriber calls it.
    pub event_id: Option<String>,
    /// Its dialog, as the one who writes it reads it back.
    pub dialog: String,
    /// Where its messages go, as the one who writes it reads it back.
    pub flow: String,
    /// The number of the next state.
    pub version: u32,
    /// When it runs out.
    pub expires: Wall,
}

/// Takes a subscription over, unless its extension was deleted meanwhile.
pub(super) fn put(db: &Connection, it: &Subscription) -> Result<usize, Error> {
    let mut query = db.prepare_cached(
        "INSERT INTO subscription
             (extension_id, tenant_id, name, package, resource, entity, event_id, dialog, flow,
              version, expires_at)
         SELECT id, tenant_id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM extension
         WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL
         ON CONFLICT DO UPDATE SET
             dialog = excluded.dialog, flow = excluded.flow, version = excluded.version,
             expires_at = excluded.expires_at",
    )?;
    Ok(query.execute((
        it.tenant,
        it.extension,
        &it.name,
        &it.package,
        &it.resource,
        &it.entity,
        &it.event_id,
        &it.dialog,
        &it.flow,
        it.version,
        from_wall(it.expires),
    ))?)
}

/// Forgets a subscription.
pub(super) fn remove(db: &Connection, tenant: TenantId, name: &str) -> Result<usize, Error> {
    let mut query =
        db.prepare_cached("DELETE FROM subscription WHERE tenant_id = ?1 AND name = ?2")?;
    Ok(query.execute((tenant, name))?)
}

/// Forgets what has run out.
pub(super) fn end(db: &Connection, now: Wall) -> Result<usize, Error> {
    let mut query = db.prepare_cached("DELETE FROM subscription WHERE expires_at <= ?1")?;
    Ok(query.execute([from_wall(now)])?)
}

impl Reader {
    /// All subscriptions of all tenants that have not run out, for the switch to start with.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn subscriptions(&self, now: Wall) -> Result<Vec<Subscription>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT name, tenant_id, extension_id, package, resource, entity, event_id, dialog,
                    flow, version, expires_at
             FROM subscription WHERE expires_at > ?1 ORDER BY extension_id, name",
        )?;
        let mut rows = query.query([from_wall(now)])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }
}

fn read(row: &Sql<'_>) -> Result<Subscription, Error> {
    Ok(Subscription {
        name: row.get(0)?,
        tenant: row.get(1)?,
        extension: row.get(2)?,
        package: row.get(3)?,
        resource: row.get(4)?,
        entity: row.get(5)?,
        event_id: row.get(6)?,
        dialog: row.get(7)?,
        flow: row.get(8)?,
        version: row.get(9)?,
        expires: wall(row, 10)?,
    })
}
