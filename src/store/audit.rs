//! Secrets are shown to those who may see them, and that they were is kept.

use super::page::{Order, Query};
use super::value::{from_wall, wall};
use super::{Durable, Error, KeyId, Listed, Paging, Reader, Store};
use crate::base::Wall;
use crate::directory::{ExtensionId, TenantId};

/// Somebody was shown a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reveal {
    /// When.
    pub at: Wall,
    /// With which access key.
    pub key: KeyId,
    /// Whose secret.
    pub extension: ExtensionId,
}

impl Store {
    /// The password of an extension. That it was shown is on the disk before it is.
    ///
    /// # Errors
    /// When the tenant has no such key or extension.
    pub fn reveal(
        &mut self,
        tenant: TenantId,
        key: KeyId,
        extension: ExtensionId,
        now: Wall,
    ) -> Result<String, Error> {
        self.write(Durable::Yes, |write, _| {
            let row = write.extension(tenant, extension)?;
            let mut query = write.db.prepare_cached(
                "INSERT INTO audit (tenant_id, at, key_id, extension_id)
                 SELECT tenant_id, ?3, id, ?4 FROM access_key WHERE tenant_id = ?1 AND id = ?2",
            )?;
            match query.execute((tenant, key, from_wall(now), extension))? {
                0 => Err(Error::NotFound),
                _ => Ok(row.it.password),
            }
        })
    }
}

impl Reader {
    /// Who was shown which secret of a tenant, the newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reveals(&self, tenant: TenantId, paging: Paging) -> Result<Listed<Reveal>, Error> {
        LIST.list(&self.db, tenant, paging, |row| {
            Ok(Reveal { at: wall(row, 1)?, key: row.get(2)?, extension: row.get(3)? })
        })
    }
}

const LIST: Query = Query {
    columns: "id, at, key_id, extension_id",
    from: "audit WHERE tenant_id = ?1",
    order: Order::Newest,
};
