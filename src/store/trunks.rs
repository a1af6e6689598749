//! Trunks. Deleting one keeps its row, without its secret, and frees its name.

use rusqlite::{Connection, Row as Sql};

use super::page::{Order, Query};
use super::value::{from_wall, wall, wall_maybe};
use super::{Durable, Error, Key, Listed, Paging, Reader, Row, Store, Write};
use crate::base::{Rng, Wall};
use crate::directory::{Prefix, TenantId, Terms, Trunk, TrunkId, TrunkOrder, Uuid};

impl Store {
    /// A new trunk, with its password.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn create_trunk(
        &mut self,
        tenant: TenantId,
        order: TrunkOrder,
        now: Wall,
    ) -> Result<Row<Trunk>, Error> {
        self.write(Durable::Yes, |write, rng| {
            let at = write.stamp(tenant, now)?;
            let TrunkOrder { terms, password } = order;
            let password = password.unwrap_or_default();
            let uuid = Uuid::new(at, rng);
            let mut it = Trunk { id: TrunkId(0), uuid, tenant, terms, password };
            let secret = write.seal_of(&it, rng)?;
            it.id = TrunkId(write.insert_trunk(&it, secret.as_deref(), at)?);
            Ok(Row { it, created: at, updated: at, deleted: None })
        })
    }

    /// Changes a trunk; returns what it is now, with its password.
    ///
    /// # Errors
    /// When the tenant has no such trunk, or the new name is taken.
    pub fn change_trunk(
        &mut self,
        tenant: TenantId,
        id: TrunkId,
        order: TrunkOrder,
        now: Wall,
    ) -> Result<Row<Trunk>, Error> {
        self.write(Durable::Yes, |write, rng| {
            let at = write.stamp(tenant, now)?;
            let condition = "tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL";
            let found = one(write.db, Some(write.key), condition, (tenant, id))?;
            let mut row = found.ok_or(Error::NotFound)?;
            row.it.terms = order.terms;
            if let Some(password) = order.password {
                row.it.password = password;
            }
            row.updated = at;
            let secret = write.seal_of(&row.it, rng)?;
            write.update_trunk(&row.it, secret.as_deref(), at)?;
            Ok(row)
        })
    }

    /// Deletes a trunk; its name is free again.
    ///
    /// # Errors
    /// When the tenant has no such trunk.
    pub fn delete_trunk(&mut self, tenant: TenantId, id: TrunkId, now: Wall) -> Result<(), Error> {
        self.write(Durable::Yes, |write, _| {
            let at = from_wall(write.stamp(tenant, now)?);
            let mut query = write.db.prepare_cached(
                "UPDATE trunk SET deleted_at = ?3, updated_at = ?3, secret = NULL
                 WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL",
            )?;
            match query.execute((tenant, id, at))? {
                0 => Err(Error::NotFound),
                _ => Ok(()),
            }
        })
    }
}

impl Reader {
    /// All trunks of all tenants with their passwords, for the switch to start with.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn all_trunks(&self) -> Result<Vec<Trunk>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM trunk WHERE deleted_at IS NULL ORDER BY id");
        let mut query = self.db.prepare(&sql)?;
        let mut rows = query.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row, Some(&self.key))?.it);
        }
        Ok(all)
    }

    /// A trunk of a tenant, also a deleted one, without its password.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn trunk(&self, tenant: TenantId, id: TrunkId) -> Result<Option<Row<Trunk>>, Error> {
        one(&self.db, None, "tenant_id = ?1 AND id = ?2", (tenant, id))
    }

    /// The same, by its name everywhere.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn trunk_by_uuid(&self, tenant: TenantId, uuid: Uuid) -> Result<Option<Row<Trunk>>, Error> {
        one(&self.db, None, "tenant_id = ?1 AND uuid = ?2", (tenant, uuid))
    }

    /// The trunks of a tenant, the oldest first, without their passwords.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn trunks(&self, tenant: TenantId, paging: Paging) -> Result<Listed<Row<Trunk>>, Error> {
        LIST.list(&self.db, tenant, paging, |row| read(row, None))
    }

    /// Whether a trunk that is not deleted has a password.
    ///
    /// # Errors
    /// When the tenant has no such trunk.
    pub fn trunk_has_password(&self, tenant: TenantId, id: TrunkId) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT secret IS NOT NULL FROM trunk
             WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL",
        )?;
        Ok(query.query_row((tenant, id), |row| row.get(0))?)
    }
}

impl Write<'_> {
    fn seal_of(&self, it: &Trunk, rng: &mut Rng) -> Result<Option<Vec<u8>>, Error> {
        let password = Some(&it.password).filter(|it| !it.is_empty());
        password.map(|password| self.key.seal(password, it.uuid, rng)).transpose()
    }

    fn insert_trunk(&self, it: &Trunk, secret: Option<&[u8]>, at: Wall) -> Result<i64, Error> {
        let mut query = self.db.prepare_cached(
            "INSERT INTO trunk
                 (uuid, tenant_id, secret, created_at, updated_at, name, detail, enabled,
                  kind, host, port, transport, proxy, username, realm, from_domain,
                  expires, bulk, addresses, inbound_auth, did_source, caller_id, identity,
                  format, country, national_prefix, international_prefix, channels,
                  calls_per_second, codecs, ping, trusted, priority)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
                     ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29,
                     ?30, ?31, ?32)",
        )?;
        let done = query.insert(rusqlite::params![
            it.uuid,
            it.tenant,
            secret,
            from_wall(at),
            it.terms.name,
            it.terms.detail,
            it.terms.enabled,
            it.terms.kind,
            it.terms.host,
            it.terms.port,
            it.terms.transport,
            it.terms.proxy,
            it.terms.username,
            it.terms.realm,
            it.terms.from_domain,
            it.terms.expires,
            it.terms.bulk,
            words(&it.terms.addresses),
            it.terms.inbound_auth,
            it.terms.did_source,
            it.terms.caller_id,
            it.terms.identity,
            it.terms.format,
            it.terms.country,
            it.terms.national_prefix,
            it.terms.international_prefix,
            it.terms.channels,
            it.terms.calls_per_second,
            words(&it.terms.codecs),
            it.terms.ping,
            it.terms.trusted,
            it.terms.priority,
        ]);
        done.map_err(|e| Error::or_taken(e, "name"))
    }

    fn update_trunk(&self, it: &Trunk, secret: Option<&[u8]>, at: Wall) -> Result<(), Error> {
        let mut query = self.db.prepare_cached(
            "UPDATE trunk SET
                 secret = ?3, updated_at = ?4,
                 name = ?5, detail = ?6, enabled = ?7, kind = ?8, host = ?9, port = ?10,
                 transport = ?11, proxy = ?12, username = ?13, realm = ?14,
                 from_domain = ?15, expires = ?16, bulk = ?17, addresses = ?18,
                 inbound_auth = ?19, did_source = ?20, caller_id = ?21, identity = ?22,
                 format = ?23, country = ?24, national_prefix = ?25,
                 international_prefix = ?26, channels = ?27, calls_per_second = ?28,
                 codecs = ?29, ping = ?30, trusted = ?31, priority = ?32
             WHERE tenant_id = ?2 AND uuid = ?1",
        )?;
        let done = query.execute(rusqlite::params![
            it.uuid,
            it.tenant,
            secret,
            from_wall(at),
            it.terms.name,
            it.terms.detail,
            it.terms.enabled,
            it.terms.kind,
            it.terms.host,
            it.terms.port,
            it.terms.transport,
            it.terms.proxy,
            it.terms.username,
            it.terms.realm,
            it.terms.from_domain,
            it.terms.expires,
            it.terms.bulk,
            words(&it.terms.addresses),
            it.terms.inbound_auth,
            it.terms.did_source,
            it.terms.caller_id,
            it.terms.identity,
            it.terms.format,
            it.terms.country,
            it.terms.national_prefix,
            it.terms.international_prefix,
            it.terms.channels,
            it.terms.calls_per_second,
            words(&it.terms.codecs),
            it.terms.ping,
            it.terms.trusted,
            it.terms.priority,
        ]);
        done.map(|_| ()).map_err(|e| Error::or_taken(e, "name"))
    }
}

const COLUMNS: &str = "id, uuid, tenant_id, secret, created_at, updated_at, deleted_at, \
                       name, detail, enabled, kind, host, port, transport, proxy, username, \
                       realm, from_domain, expires, bulk, addresses, inbound_auth, \
                       did_source, caller_id, identity, format, country, national_prefix, \
                       international_prefix, channels, calls_per_second, codecs, ping, \
                       trusted, priority";
const LIST: Query = Query {
    columns: COLUMNS,
    from: "trunk WHERE tenant_id = ?1 AND deleted_at IS NULL",
    order: Order::Oldest,
};

fn one(
    db: &Connection,
    key: Option<&Key>,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Option<Row<Trunk>>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM trunk WHERE {condition}");
    let mut query = db.prepare_cached(&sql)?;
    let mut rows = query.query(values)?;
    rows.next()?.map(|row| read(row, key)).transpose()
}

/// Reads a row; with the key, its password too.
fn read(row: &Sql<'_>, key: Option<&Key>) -> Result<Row<Trunk>, Error> {
    let uuid = row.get(1)?;
    let secret = row.get_ref(3)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
    let password = match (secret, key) {
        (Some(sealed), Some(key)) => key.open(sealed, uuid)?,
        _ => String::new(),
    };
    Ok(Row {
        it: Trunk {
            id: row.get(0)?,
            uuid,
            tenant: row.get(2)?,
            password,
            terms: Terms {
                name: row.get(7)?,
                detail: row.get(8)?,
                enabled: row.get(9)?,
                kind: row.get(10)?,
                host: row.get(11)?,
                port: row.get(12)?,
                transport: row.get(13)?,
                proxy: row.get(14)?,
                username: row.get(15)?,
                realm: row.get(16)?,
                from_domain: row.get(17)?,
                expires: row.get(18)?,
                bulk: row.get(19)?,
                addresses: list(row, 20, Prefix::parse)?,
                inbound_auth: row.get(21)?,
                did_source: row.get(22)?,
                caller_id: row.get(23)?,
                identity: row.get(24)?,
                format: row.get(25)?,
                country: row.get(26)?,
                national_prefix: row.get(27)?,
                international_prefix: row.get(28)?,
                channels: row.get(29)?,
                calls_per_second: row.get(30)?,
                codecs: list(row, 31, |it| Some(it.to_owned()))?,
                ping: row.get(32)?,
                trusted: row.get(33)?,
                priority: row.get(34)?,
            },
        },
        created: wall(row, 4)?,
        updated: wall(row, 5)?,
        deleted: wall_maybe(row, 6)?,
    })
}

/// A list as a column holds it. None of its words has a space.
fn words<T: ToString>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join(" ")
}

fn list<T>(row: &Sql<'_>, at: usize, one: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Error> {
    let text: String = row.get(at)?;
    let all: Option<Vec<T>> = text.split_whitespace().map(one).collect();
    all.ok_or_else(|| Error::Corrupt(format!("{text:?} is no list of its column")))
}
