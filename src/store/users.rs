//! Users: who access keys were given to. They have no passwords; what opens is a key.

use rusqlite::Row as Sql;

use super::keys::UserId;
use super::page::{Order, Query};
use super::tenants::fitting;
use super::value::{from_wall, wall, wall_maybe};
use super::{Durable, Error, Listed, Paging, Reader, Row, Store, Write};
use crate::base::{Rng, Wall};
use crate::directory::{TenantId, Uuid};

/// Somebody who has access keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their name in numbers.
    pub id: UserId,
    /// Their name everywhere.
    pub uuid: Uuid,
    /// Whose user.
    pub tenant: TenantId,
    /// What people call them.
    pub name: String,
}

impl Store {
    /// A new user of a tenant.
    ///
    /// # Errors
    /// When there is no such tenant, or the name is none.
    pub fn create_user(
        &mut self,
        tenant: TenantId,
        name: &str,
        now: Wall,
    ) -> Result<Row<User>, Error> {
        let id = self.write(Durable::Yes, |write, rng| write.user(tenant, name, now, rng))?;
        self.read().user(tenant, id)?.ok_or(Error::NotFound)
    }

    /// Gives a user another name.
    ///
    /// # Errors
    /// When the tenant has no such user, or the name is none.
    pub fn rename_user(
        &mut self,
        tenant: TenantId,
        id: UserId,
        name: &str,
        now: Wall,
    ) -> Result<Row<User>, Error> {
        self.write(Durable::Yes, |write, _| {
            let at = from_wall(write.stamp(tenant, now)?);
            let done = write.db.execute(
                "UPDATE user SET name = ?3, updated_at = ?4
                 WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL",
                (tenant, id, fitting(name, "name")?, at),
            )?;
            if done == 0 { Err(Error::NotFound) } else { Ok(()) }
        })?;
        self.read().user(tenant, id)?.ok_or(Error::NotFound)
    }

    /// Deletes a user and takes all their access keys away.
    ///
    /// # Errors
    /// When the tenant has no such user, or nobody else with a key that allows everything.
    pub fn delete_user(&mut self, tenant: TenantId, id: UserId, now: Wall) -> Result<(), Error> {
        self.write(Durable::Yes, |write, _| {
            let at = from_wall(write.stamp(tenant, now)?);
            write.with_a_master_key_left(tenant, || {
                let done = write.db.execute(
                    "UPDATE user SET deleted_at = ?3, updated_at = ?3
                     WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL",
                    (tenant, id, at),
                )?;
                if done == 0 {
                    return Err(Error::NotFound);
                }
                let keys = "UPDATE access_key SET deleted_at = ?3, updated_at = ?3
                            WHERE tenant_id = ?1 AND user_id = ?2 AND deleted_at IS NULL";
                write.db.execute(keys, (tenant, id, at))?;
                Ok(())
            })
        })
    }
}

impl Reader {
    /// A user of a tenant, also a deleted one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn user(&self, tenant: TenantId, id: UserId) -> Result<Option<Row<User>>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM user WHERE tenant_id = ?1 AND id = ?2");
        let mut query = self.db.prepare_cached(&sql)?;
        let mut rows = query.query((tenant, id))?;
        rows.next()?.map(read).transpose()
    }

    /// The users of a tenant, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn users(&self, tenant: TenantId, paging: Paging) -> Result<Listed<Row<User>>, Error> {
        LIST.list(&self.db, tenant, paging, read)
    }
}

impl Write<'_> {
    pub(super) fn user(
        &self,
        tenant: TenantId,
        name: &str,
        now: Wall,
        rng: &mut Rng,
    ) -> Result<UserId, Error> {
        let at = self.stamp(tenant, now)?;
        self.db.execute(
            "INSERT INTO user (uuid, tenant_id, name, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?4)",
            (Uuid::new(at, rng), tenant, fitting(name, "name")?, from_wall(at)),
        )?;
        Ok(UserId(self.db.last_insert_rowid()))
    }
}

const COLUMNS: &str = "id, uuid, tenant_id, name, created_at, updated_at, deleted_at";
const LIST: Query = Query {
    columns: COLUMNS,
    from: "user WHERE tenant_id = ?1 AND deleted_at IS NULL",
    order: Order::Oldest,
};

fn read(row: &Sql<'_>) -> Result<Row<User>, Error> {
    let it = User { id: row.get(0)?, uuid: row.get(1)?, tenant: row.get(2)?, name: row.get(3)? };
    Ok(Row { it, created: wall(row, 4)?, updated: wall(row, 5)?, deleted: wall_maybe(row, 6)? })
}
