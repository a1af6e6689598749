//! Tenants, their domains, and what a house begins with.

use super::keys::{self, NewKey, Role};
use super::value::{from_wall, wall};
use super::{Durable, Error, Reader, Store, Write};
use crate::base::{Rng, Wall};
use crate::directory::{DomainId, TenantId, Uuid};

/// A host that SIP addresses of a tenant end in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its name in numbers.
    pub id: DomainId,
    /// Its name everywhere.
    pub uuid: Uuid,
    /// Whose it is.
    pub tenant: TenantId,
    /// The host: lower case, different for every domain of the house.
    pub host: String,
    /// What phones see in challenges.
    pub realm: String,
}

/// What a house begins with.
#[derive(Clone, Copy)]
pub struct First<'a> {
    /// The host of the first domain.
    pub host: &'a str,
    /// What its phones see in challenges.
    pub realm: &'a str,
    /// The administrator's access key, when its people have chosen one.
    pub admin_key: Option<&'a str>,
}

/// The longest name, host and realm, in characters.
const NAME_MAX: usize = 253;

impl Store {
    /// Gives an empty file its first tenant, domain, user and access key. Returns the key if it was
    /// made here, to be shown once. On later starts a key that people have chosen takes the place
    /// of the first one, unless that was taken away; else nothing happens.
    ///
    /// # Errors
    /// When the chosen key is weak, or the file cannot be written.
    pub fn first_start(&mut self, first: First<'_>, now: Wall) -> Result<Option<String>, Error> {
        self.write(Durable::Yes, |write, rng| {
            let tenants = "SELECT count(*) FROM tenant";
            if write.db.query_row(tenants, [], |row| row.get::<_, i64>(0))? > 0 {
                if let Some(chosen) = first.admin_key {
                    write.renew_first_key(keys::chosen(chosen)?, now)?;
                }
                return Ok(None);
            }
            let tenant = write.tenant("House", now, rng)?;
            write.domain(tenant, first.host, first.realm, now, rng)?;
            let user = write.user(tenant, "Administrator", now, rng)?;
            let token = match first.admin_key {
                Some(chosen) => keys::chosen(chosen)?.to_owned(),
                None => keys::token(rng),
            };
            let new = NewKey { name: "First key".into(), roles: vec![Role::Admin], expires: None };
            write.access_key(tenant, user, new, &token, now, rng)?;
            Ok(first.admin_key.is_none().then_some(token))
        })
    }

    /// A new tenant, with nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create_tenant(&mut self, name: &str, now: Wall) -> Result<TenantId, Error> {
        self.write(Durable::Yes, |write, rng| write.tenant(name, now, rng))
    }

    /// A new domain of a tenant.
    ///
    /// # Errors
    /// When the host is taken, whoever has it.
    pub fn create_domain(
        &mut self,
        tenant: TenantId,
        host: &str,
        realm: &str,
        now: Wall,
    ) -> Result<Domain, Error> {
        self.write(Durable::Yes, |write, rng| write.domain(tenant, host, realm, now, rng))
    }
}

impl Reader {
    /// The domains of a tenant, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn domains(&self, tenant: TenantId) -> Result<Vec<Domain>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT id, uuid, host, realm FROM domain
             WHERE tenant_id = ?1 AND deleted_at IS NULL ORDER BY id",
        )?;
        let rows = query.query_map([tenant], |row| {
            Ok(Domain {
                id: row.get(0)?,
                uuid: row.get(1)?,
                tenant,
                host: row.get(2)?,
                realm: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Write<'_> {
    /// The time of a change of a tenant's rows: now, but later than every change before it.
    pub(super) fn stamp(&self, tenant: TenantId, now: Wall) -> Result<Wall, Error> {
        let mut query = self.db.prepare_cached(
            "UPDATE tenant SET stamped = max(stamped + 1, ?2)
             WHERE id = ?1 AND deleted_at IS NULL RETURNING stamped",
        )?;
        let mut rows = query.query((tenant, from_wall(now)))?;
        let at = wall(rows.next()?.ok_or(Error::NotFound)?, 0)?;
        // SQLite has made the change only when the statement has run to its end.
        while rows.next()?.is_some() {}
        Ok(at)
    }

    fn tenant(&self, name: &str, now: Wall, rng: &mut Rng) -> Result<TenantId, Error> {
        self.db.execute(
            "INSERT INTO tenant (uuid, name, stamped, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?3, ?3)",
            (Uuid::new(now, rng), fitting(name, "name")?, from_wall(now)),
        )?;
        Ok(TenantId(self.db.last_insert_rowid()))
    }

    fn domain(
        &self,
        tenant: TenantId,
        host: &str,
        realm: &str,
        now: Wall,
        rng: &mut Rng,
    ) -> Result<Domain, Error> {
        let at = self.stamp(tenant, now)?;
        let host = fitting(host, "host")?.to_ascii_lowercase();
        let realm = fitting(realm, "realm")?.to_owned();
        let uuid = Uuid::new(at, rng);
        let done = self.db.execute(
            "INSERT INTO domain (uuid, tenant_id, host, realm, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            (uuid, tenant, &host, &realm, from_wall(at)),
        );
        done.map_err(|e| Error::or_taken(e, "host"))?;
        let id = DomainId(self.db.last_insert_rowid());
        Ok(Domain { id, uuid, tenant, host, realm })
    }
}

pub(super) fn fitting<'a>(text: &'a str, field: &'static str) -> Result<&'a str, Error> {
    let fits = !text.is_empty() && text.chars().count() <= NAME_MAX;
    if fits && !text.chars().any(char::is_control) { Ok(text) } else { Err(Error::Unfit(field)) }
}
