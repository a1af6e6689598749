//! Extensions. Deleting one keeps its row, without its secret, and frees its number.

use rusqlite::Row as Sql;

use super::page::{Order, Query};
use super::value::{from_wall, wall, wall_maybe, word};
use super::{Durable, Error, Key, Listed, Paging, Reader, Store, Write};
use crate::base::{Rng, Wall};
use crate::directory::{
    CallerId, ChangeExtension, DomainId, Extension, ExtensionId, Forwards, Kind, NewExtension,
    Number, TenantId, Uuid, Waiting, password,
};

/// A row, and when it became what it is. Times of one tenant strictly increase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// What it says.
    pub it: T,
    /// When it was made.
    pub created: Wall,
    /// When it was last changed.
    pub updated: Wall,
    /// When it was deleted.
    pub deleted: Option<Wall>,
}

impl Store {
    /// A new extension, with its password, which is made if none was sent.
    ///
    /// # Errors
    /// When the number is taken, or the tenant has no such domain.
    pub fn create_extension(
        &mut self,
        tenant: TenantId,
        domain: DomainId,
        new: NewExtension,
        now: Wall,
    ) -> Result<Row<Extension>, Error> {
        self.write(Durable::Yes, |write, rng| {
            write.own_domain(tenant, domain)?;
            write.create(tenant, domain, new, now, rng)
        })
    }

    /// Many new extensions at once, for the price of one fsync: all of them or, when one cannot be,
    /// none.
    ///
    /// # Errors
    /// When a number is taken, or the tenant has no such domain.
    pub fn create_extensions(
        &mut self,
        tenant: TenantId,
        domain: DomainId,
        all: Vec<NewExtension>,
        now: Wall,
    ) -> Result<Vec<Row<Extension>>, Error> {
        self.write(Durable::Yes, |write, rng| {
            write.own_domain(tenant, domain)?;
            all.into_iter().map(|it| write.create(tenant, domain, it, now, rng)).collect()
        })
    }

    /// Changes an extension; returns what it is now, with its password.
    ///
    /// # Errors
    /// When the tenant has no such extension, or the new number is taken.
    pub fn change_extension(
        &mut self,
        tenant: TenantId,
        id: ExtensionId,
        change: ChangeExtension,
        now: Wall,
    ) -> Result<Row<Extension>, Error> {
        self.write(Durable::Yes, |write, rng| {
            let at = write.stamp(tenant, now)?;
            let mut row = write.extension(tenant, id)?;
            let before = row.it.password.clone();
            change.apply(&mut row.it);
            row.updated = at;
            let secret = match row.it.password == before {
                true => None,
                false => Some(write.key.seal(&row.it.password, row.it.uuid, rng)?),
            };
            write.update(&row.it, secret.as_deref(), at)?;
            Ok(row)
        })
    }

    /// Deletes an extension, its registrations and what waits for it; its number is free again.
    ///
    /// # Errors
    /// When the tenant has no such extension.
    pub fn delete_extension(
        &mut self,
        tenant: TenantId,
        id: ExtensionId,
        now: Wall,
    ) -> Result<(), Error> {
        self.write(Durable::Yes, |write, _| {
            let at = from_wall(write.stamp(tenant, now)?);
            let mut query = write.db.prepare_cached(
                "UPDATE extension SET deleted_at = ?3, updated_at = ?3, secret = NULL
                 WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL",
            )?;
            if query.execute((tenant, id, at))? == 0 {
                return Err(Error::NotFound);
            }
            let bindings = "DELETE FROM registration WHERE tenant_id = ?1 AND extension_id = ?2";
            write.db.prepare_cached(bindings)?.execute((tenant, id))?;
            let texts = "DELETE FROM text WHERE tenant_id = ?1 AND extension_id = ?2";
            write.db.prepare_cached(texts)?.execute((tenant, id))?;
            Ok(())
        })
    }
}

impl Reader {
    /// All extensions of all tenants with their passwords, for the switch to start with.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn directory(&self) -> Result<Vec<Extension>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM extension WHERE deleted_at IS NULL ORDER BY id");
        let mut query = self.db.prepare(&sql)?;
        let mut rows = query.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row, Some(&self.key))?.it);
        }
        Ok(all)
    }

    /// An extension of a tenant, also a deleted one, without its password: see
    /// [`Store::reveal`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn extension(
        &self,
        tenant: TenantId,
        id: ExtensionId,
    ) -> Result<Option<Row<Extension>>, Error> {
        self.one("id = ?2", (tenant, id))
    }

    /// The same, by its name everywhere.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn extension_by_uuid(
        &self,
        tenant: TenantId,
        uuid: Uuid,
    ) -> Result<Option<Row<Extension>>, Error> {
        self.one("uuid = ?2", (tenant, uuid))
    }

    /// The extension that has a number of a domain now, without its password.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn extension_by_number(
        &self,
        tenant: TenantId,
        domain: DomainId,
        number: &Number,
    ) -> Result<Option<Row<Extension>>, Error> {
        let condition = "domain_id = ?2 AND number = ?3 AND deleted_at IS NULL";
        self.one(condition, (tenant, domain, number))
    }

    /// The extensions of a tenant, the oldest first, without their passwords.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn extensions(
        &self,
        tenant: TenantId,
        paging: Paging,
    ) -> Result<Listed<Row<Extension>>, Error> {
        LIST.list(&self.db, tenant, paging, |row| read(row, None))
    }

    fn one(
        &self,
        condition: &str,
        values: impl rusqlite::Params,
    ) -> Result<Option<Row<Extension>>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM extension WHERE tenant_id = ?1 AND {condition}");
        let mut query = self.db.prepare_cached(&sql)?;
        let mut rows = query.query(values)?;
        rows.next()?.map(|row| read(row, None)).transpose()
    }
}

impl Write<'_> {
    /// An extension that is not deleted, with its password.
    pub(super) fn extension(
        &self,
        tenant: TenantId,
        id: ExtensionId,
    ) -> Result<Row<Extension>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM extension
             WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL"
        );
        let mut query = self.db.prepare_cached(&sql)?;
        let mut rows = query.query((tenant, id))?;
        read(rows.next()?.ok_or(Error::NotFound)?, Some(self.key))
    }

    fn create(
        &self,
        tenant: TenantId,
        domain: DomainId,
        new: NewExtension,
        now: Wall,
        rng: &mut Rng,
    ) -> Result<Row<Extension>, Error> {
        let at = self.stamp(tenant, now)?;
        let made = if new.needs_password() { password::random(rng) } else { String::new() };
        let uuid = Uuid::new(at, rng);
        let mut it = new.born((ExtensionId(0), uuid), (tenant, domain), made);
        let secret = self.key.seal(&it.password, uuid, rng)?;
        it.id = ExtensionId(self.insert(&it, &secret, at)?);
        Ok(Row { it, created: at, updated: at, deleted: None })
    }

    fn own_domain(&self, tenant: TenantId, domain: DomainId) -> Result<(), Error> {
        let mut query = self.db.prepare_cached(
            "SELECT 1 FROM domain WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL",
        )?;
        if query.exists((tenant, domain))? { Ok(()) } else { Err(Error::NotFound) }
    }

    fn insert(&self, it: &Extension, secret: &[u8], at: Wall) -> Result<i64, Error> {
        let mut query = self.db.prepare_cached(
            "INSERT INTO extension
                 (uuid, tenant_id, domain_id, number, name, detail, enabled, kind, secret,
                  caller_id_name, caller_id_number, max_contacts, dnd, forward_all, forward_busy,
                  forward_no_answer, forward_not_registered, messages_new, messages_old,
                  created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                     ?18, ?19, ?20, ?20)",
        )?;
        let done = query.insert(rusqlite::params![
            it.uuid,
            it.tenant,
            it.domain,
            it.number,
            it.name,
            it.detail,
            it.enabled,
            it.kind.word(),
            secret,
            it.caller_id.name,
            it.caller_id.number,
            it.max_contacts,
            it.dnd,
            it.forwards.all,
            it.forwards.busy,
            it.forwards.no_answer,
            it.forwards.not_registered,
            it.waiting.new,
            it.waiting.old,
            from_wall(at),
        ]);
        done.map_err(|e| Error::or_taken(e, "number"))
    }

    fn update(&self, it: &Extension, secret: Option<&[u8]>, at: Wall) -> Result<(), Error> {
        let mut query = self.db.prepare_cached(
            "UPDATE extension SET
                 number = ?3, name = ?4, detail = ?5, enabled = ?6, kind = ?7,
                 secret = coalesce(?8, secret), caller_id_name = ?9, caller_id_number = ?10,
                 max_contacts = ?11, dnd = ?12, forward_all = ?13, forward_busy = ?14,
                 forward_no_answer = ?15, forward_not_registered = ?16, messages_new = ?17,
                 messages_old = ?18, updated_at = ?19
             WHERE tenant_id = ?1 AND id = ?2",
        )?;
        let done = query.execute(rusqlite::params![
            it.tenant,
            it.id,
            it.number,
            it.name,
            it.detail,
            it.enabled,
            it.kind.word(),
            secret,
            it.caller_id.name,
            it.caller_id.number,
            it.max_contacts,
            it.dnd,
            it.forwards.all,
            it.forwards.busy,
            it.forwards.no_answer,
            it.forwards.not_registered,
            it.waiting.new,
            it.waiting.old,
            from_wall(at),
        ]);
        done.map(|_| ()).map_err(|e| Error::or_taken(e, "number"))
    }
}

const COLUMNS: &str = "id, uuid, tenant_id, domain_id, number, name, detail, enabled, kind, \
                       secret, caller_id_name, caller_id_number, max_contacts, dnd, forward_all, \
                       forward_busy, forward_no_answer, forward_not_registered, created_at, \
                       updated_at, deleted_at, messages_new, messages_old";
const LIST: Query = Query {
    columns: COLUMNS,
    from: "extension WHERE tenant_id = ?1 AND deleted_at IS NULL",
    order: Order::Oldest,
};

/// Reads a row; with the key, its password too.
fn read(row: &Sql<'_>, key: Option<&Key>) -> Result<Row<Extension>, Error> {
    let uuid = row.get(1)?;
    let secret = row.get_ref(9)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
    let password = match (secret, key) {
        (Some(sealed), Some(key)) => key.open(sealed, uuid)?,
        _ => String::new(),
    };
    Ok(Row {
        it: Extension {
            id: row.get(0)?,
            uuid,
            tenant: row.get(2)?,
            domain: row.get(3)?,
            number: row.get(4)?,
            name: row.get(5)?,
            detail: row.get(6)?,
            enabled: row.get(7)?,
            kind: word(row, 8, Kind::from_word)?,
            password,
            caller_id: CallerId { name: row.get(10)?, number: row.get(11)? },
            max_contacts: row.get(12)?,
            dnd: row.get(13)?,
            forwards: Forwards {
                all: row.get(14)?,
                busy: row.get(15)?,
                no_answer: row.get(16)?,
                not_registered: row.get(17)?,
            },
            waiting: Waiting { new: row.get(21)?, old: row.get(22)? },
        },
        created: wall(row, 18)?,
        updated: wall(row, 19)?,
        deleted: wall_maybe(row, 20)?,
    })
}
