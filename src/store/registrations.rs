//! Which phones were registered, so that they can be called right after a restart, and with them
//! what they have subscribed to.

use rusqlite::Row as Sql;

use super::value::{from_wall, wall};
use super::{Durable, Error, Reader, Store, Subscription, subscriptions};
use crate::base::Wall;
use crate::directory::{ExtensionId, TenantId};

/// A phone of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Whose it is.
    pub tenant: TenantId,
    /// Whose phone.
    pub extension: ExtensionId,
    /// The address it wants to be called by.
    pub contact: String,
    /// How it is reached, as the one who writes it reads it back.
    pub flow: String,
    /// When it runs out.
    pub expires: Wall,
    /// The Call-ID of its REGISTER (RFC 3261 §10.3, 7).
    pub call_id: String,
    /// The sequence number of its REGISTER.
    pub cseq: u32,
    /// What the phone calls itself (RFC 5626 §4.1).
    pub instance: Option<String>,
}

/// One change of what phones have told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A phone has registered or refreshed.
    Put(Registration),
    /// A phone has left.
    Gone {
        /// Whose it is.
        tenant: TenantId,
        /// Whose phone.
        extension: ExtensionId,
        /// Its address.
        contact: String,
    },
    /// A phone has subscribed or refreshed.
    Watch(Subscription),
    /// A subscription is over.
    WatchGone {
        /// Whose it is.
        tenant: TenantId,
        /// Which.
        name: String,
    },
}

impl Store {
    /// Takes changes over, in their order, and drops what has run out. A phone of an extension
    /// that was deleted meanwhile is not taken.
    ///
    /// # Errors
    /// When the file cannot be written; then none of the changes is in it.
    pub fn write_registrations(&mut self, changes: &[Change], now: Wall) -> Result<(), Error> {
        self.write(Durable::No, |write, _| {
            let mut put = write.db.prepare_cached(
                "INSERT INTO registration
                     (extension_id, tenant_id, contact, flow, expires_at, call_id, cseq, instance)
                 SELECT id, tenant_id, ?3, ?4, ?5, ?6, ?7, ?8 FROM extension
                 WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL
                 ON CONFLICT DO UPDATE SET
                     flow = excluded.flow, expires_at = excluded.expires_at,
                     call_id = excluded.call_id, cseq = excluded.cseq,
                     instance = excluded.instance",
            )?;
            let mut gone = write.db.prepare_cached(
                "DELETE FROM registration
                 WHERE tenant_id = ?1 AND extension_id = ?2 AND contact = ?3",
            )?;
            for change in changes {
                match change {
                    Change::Put(it) => put.execute((
                        it.tenant,
                        it.extension,
                        &it.contact,
                        &it.flow,
                        from_wall(it.expires),
                        &it.call_id,
                        it.cseq,
                        &it.instance,
                    ))?,
                    Change::Gone { tenant, extension, contact } => {
                        gone.execute((tenant, extension, contact))?
                    }
                    Change::Watch(it) => subscriptions::put(write.db, it)?,
                    Change::WatchGone { tenant, name } => {
                        subscriptions::remove(write.db, *tenant, name)?
                    }
                };
            }
            let ended = "DELETE FROM registration WHERE expires_at <= ?1";
            write.db.prepare_cached(ended)?.execute([from_wall(now)])?;
            subscriptions::end(write.db, now)?;
            Ok(())
        })
    }
}

impl Reader {
    /// All phones of all tenants whose registration has not run out, for the switch to start with.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn registrations(&self, now: Wall) -> Result<Vec<Registration>, Error> {
        self.registered("1", [from_wall(now)])
    }

    /// The phones of an extension.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn registrations_of(
        &self,
        tenant: TenantId,
        extension: ExtensionId,
        now: Wall,
    ) -> Result<Vec<Registration>, Error> {
        let condition = "tenant_id = ?2 AND extension_id = ?3";
        self.registered(condition, (from_wall(now), tenant, extension))
    }

    fn registered(
        &self,
        condition: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<Registration>, Error> {
        let sql = format!(
            "SELECT tenant_id, extension_id, contact, flow, expires_at, call_id, cseq, instance
             FROM registration WHERE expires_at > ?1 AND {condition}
             ORDER BY extension_id, contact"
        );
        let mut query = self.db.prepare_cached(&sql)?;
        let mut rows = query.query(values)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }
}

fn read(row: &Sql<'_>) -> Result<Registration, Error> {
    Ok(Registration {
        tenant: row.get(0)?,
        extension: row.get(1)?,
        contact: row.get(2)?,
        flow: row.get(3)?,
        expires: wall(row, 4)?,
        call_id: row.get(5)?,
        cseq: row.get(6)?,
        instance: row.get(7)?,
    })
}
