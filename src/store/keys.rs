//! Access keys of people and programs: made here, shown once, kept as a hash.

use std::fmt;

use rusqlite::Row as Sql;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::page::{Order, Query};
use super::value::{from_wall, wall, wall_maybe};
use super::{Durable, Error, Listed, Paging, Reader, Row, Store, Write};
use crate::base::{Rng, Wall};
use crate::directory::{TenantId, Uuid};

/// A user's name in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(pub i64);

/// An access key's name in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub i64);

/// An access key, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its name in numbers.
    pub id: KeyId,
    /// Its name everywhere.
    pub uuid: Uuid,
    /// Whose rows it opens.
    pub tenant: TenantId,
    /// Who it was given to.
    pub user: UserId,
    /// What people call it.
    pub name: String,
    /// How its token begins.
    pub prefix: String,
    /// What it allows.
    pub roles: Vec<Role>,
    /// When it ends.
    pub expires: Option<Wall>,
    /// When it was last used, to the minute.
    pub used: Option<Wall>,
}

/// An access key that somebody asks for.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it: at most 128 characters.
    pub name: String,
    /// What it allows.
    pub roles: Vec<Role>,
    /// When it ends.
    pub expires: Option<Wall>,
}

/// What an access key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// To see what is provisioned and what happened.
    Read,
    /// To provision and to control calls.
    Write,
    /// To be shown passwords of extensions.
    Credentials,
}

/// Who a token belongs to and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The key.
    pub key: KeyId,
    /// Whose rows it opens.
    pub tenant: TenantId,
    /// Who it was given to.
    pub user: UserId,
    /// What it allows.
    pub roles: Vec<Role>,
}

impl Grant {
    /// Whether it allows this.
    pub fn allows(&self, role: Role) -> bool {
        self.roles.iter().any(|it| matches!(it, Role::Admin) || *it == role)
    }
}

impl Store {
    /// A new access key for a user, and its token, which nobody can be shown again.
    ///
    /// # Errors
    /// When the tenant has no such user.
    pub fn create_key(
        &mut self,
        tenant: TenantId,
        user: UserId,
        new: NewKey,
        now: Wall,
    ) -> Result<(Row<AccessKey>, String), Error> {
        let (id, token) = self.write(Durable::Yes, |write, rng| {
            let token = token(rng);
            Ok((write.access_key(tenant, user, new, &token, now, rng)?, token))
        })?;
        let row = self.read().key(tenant, id)?.ok_or(Error::NotFound)?;
        Ok((row, token))
    }

    /// Takes an access key away. From now on its token opens nothing.
    ///
    /// # Errors
    /// When the tenant has no such key, or no other one that allows everything.
    pub fn delete_key(&mut self, tenant: TenantId, id: KeyId, now: Wall) -> Result<(), Error> {
        self.write(Durable::Yes, |write, _| {
            let at = from_wall(write.stamp(tenant, now)?);
            write.with_a_master_key_left(tenant, || {
                let mut query = write.db.prepare_cached(
                    "UPDATE access_key SET deleted_at = ?3, updated_at = ?3
                     WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL",
                )?;
                if query.execute((tenant, id, at))? == 0 { Err(Error::NotFound) } else { Ok(()) }
            })
        })
    }

    /// Keeps that a key was used. It may be lost with the power.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn key_was_used(&mut self, id: KeyId, now: Wall) -> Result<(), Error> {
        self.write(Durable::No, |write, _| {
            let sql = "UPDATE access_key SET last_used_at = ?2 WHERE id = ?1";
            write.db.prepare_cached(sql)?.execute((id, from_wall(now)))?;
            Ok(())
        })
    }
}

impl Reader {
    /// Who a token belongs to, unless it has ended, was taken away or never was.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn authenticate(&self, token: &str, now: Wall) -> Result<Option<Grant>, Error> {
        let asked = hash(token);
        // The index compares hashes, and how far two of them agree tells nothing of a token. The
        // last word is still with a comparison whose time tells nothing at all.
        let mut query = self.db.prepare_cached(
            "SELECT key.id, key.tenant_id, user_id, roles, expires_at, hash FROM access_key key
             JOIN user ON user.id = user_id JOIN tenant ON tenant.id = key.tenant_id
             WHERE hash = ?1 AND key.deleted_at IS NULL AND user.deleted_at IS NULL
             AND tenant.deleted_at IS NULL",
        )?;
        let mut rows = query.query([&asked[..]])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let kept: [u8; 32] = row.get(5)?;
        let has_ended = wall_maybe(row, 4)?.is_some_and(|it| it <= now);
        if has_ended || !bool::from(kept.ct_eq(&asked)) {
            return Ok(None);
        }
        Ok(Some(Grant {
            key: row.get(0)?,
            tenant: row.get(1)?,
            user: row.get(2)?,
            roles: roles(&row.get::<_, String>(3)?)?,
        }))
    }

    /// An access key of a tenant, also one that was taken away.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn key(&self, tenant: TenantId, id: KeyId) -> Result<Option<Row<AccessKey>>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM access_key WHERE tenant_id = ?1 AND id = ?2");
        let mut query = self.db.prepare_cached(&sql)?;
        let mut rows = query.query((tenant, id))?;
        rows.next()?.map(read).transpose()
    }

    /// The access keys of a tenant, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn keys(&self, tenant: TenantId, paging: Paging) -> Result<Listed<Row<AccessKey>>, Error> {
        LIST.list(&self.db, tenant, paging, read)
    }
}

impl Write<'_> {
    /// Does something, unless nobody could make keys any more after it.
    pub(super) fn with_a_master_key_left(
        &self,
        tenant: TenantId,
        work: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let had = self.has_master_key(tenant)?;
        work()?;
        if had && !self.has_master_key(tenant)? { Err(Error::LastKey) } else { Ok(()) }
    }

    /// Whether there is a key that allows everything and never ends.
    fn has_master_key(&self, tenant: TenantId) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT 1 FROM access_key key JOIN user ON user.id = user_id
             WHERE key.tenant_id = ?1 AND key.deleted_at IS NULL AND user.deleted_at IS NULL
             AND expires_at IS NULL AND ' ' || roles || ' ' LIKE '% admin %'",
        )?;
        Ok(query.exists([tenant])?)
    }

    pub(super) fn access_key(
        &self,
        tenant: TenantId,
        user: UserId,
        new: NewKey,
        token: &str,
        now: Wall,
        rng: &mut Rng,
    ) -> Result<KeyId, Error> {
        let at = self.stamp(tenant, now)?;
        let name = super::tenants::fitting(&new.name, "name")?;
        let words: Vec<&str> = new.roles.iter().map(|it| it.word()).collect();
        let prefix: String = token.chars().take(PREFIX_LEN).collect();
        let made = self.db.execute(
            "INSERT INTO access_key
                 (uuid, tenant_id, user_id, name, hash, prefix, roles, expires_at, created_at,
                  updated_at)
             SELECT ?1, tenant_id, id, ?4, ?5, ?6, ?7, ?8, ?9, ?9 FROM user
             WHERE tenant_id = ?2 AND id = ?3 AND deleted_at IS NULL",
            (
                Uuid::new(at, rng),
                tenant,
                user,
                name,
                &hash(token)[..],
                prefix,
                words.join(" "),
                new.expires.map(from_wall),
                from_wall(at),
            ),
        );
        match made.map_err(|e| Error::or_taken(e, "key"))? {
            0 => Err(Error::NotFound),
            _ => Ok(KeyId(self.db.last_insert_rowid())),
        }
    }
}

impl Write<'_> {
    /// Gives the first key of the house another token, unless it was taken away.
    pub(super) fn renew_first_key(&self, token: &str, now: Wall) -> Result<(), Error> {
        let prefix: String = token.chars().take(PREFIX_LEN).collect();
        let done = self.db.execute(
            "UPDATE access_key SET hash = ?1, prefix = ?2, updated_at = max(updated_at + 1, ?3)
             WHERE id = 1 AND deleted_at IS NULL AND hash != ?1",
            (&hash(token)[..], prefix, from_wall(now)),
        );
        done.map(|_| ()).map_err(|e| Error::or_taken(e, "key"))
    }
}

impl Role {
    /// Its word.
    pub fn word(self) -> &'static str {
        ROLES.iter().find(|it| it.0 == self).map_or("read", |it| it.1)
    }

    /// The role of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        ROLES.iter().find(|it| it.1 == word).map(|it| it.0)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Role {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ROLES.iter().map(|it| it.0)
    }
}

/// A token that nobody guesses: 238 random bits.
pub(super) fn token(rng: &mut Rng) -> String {
    let letter = |_| char::from(LETTERS[rng.below(LETTERS.len() as u64) as usize]);
    TOKEN_START.chars().chain((0..TOKEN_LEN).map(letter)).collect()
}

/// A token that people chose.
pub(super) fn chosen(token: &str) -> Result<&str, Error> {
    let distinct: std::collections::BTreeSet<u8> = token.bytes().collect();
    let fits = (CHOSEN_MIN..=CHOSEN_MAX).contains(&token.len()) && distinct.len() >= 8;
    if fits && token.bytes().all(|it| it.is_ascii_graphic()) {
        Ok(token)
    } else {
        Err(Error::Weak("admin key"))
    }
}

const ROLES: &[(Role, &str)] = &[
    (Role::Admin, "admin"),
    (Role::Read, "read"),
    (Role::Write, "write"),
    (Role::Credentials, "credentials"),
];
/// How our tokens begin, so that scanners recognise one that got lost.
const TOKEN_START: &str = "ms_";
const TOKEN_LEN: usize = 40;
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How much of a token is kept in the clear.
const PREFIX_LEN: usize = 7;
/// The shortest and the longest token that people may choose.
const CHOSEN_MIN: usize = 20;
const CHOSEN_MAX: usize = 256;

const COLUMNS: &str = "id, uuid, tenant_id, user_id, name, prefix, roles, expires_at, \
                       last_used_at, created_at, updated_at, deleted_at";
const LIST: Query = Query {
    columns: COLUMNS,
    from: "access_key WHERE tenant_id = ?1 AND deleted_at IS NULL",
    order: Order::Oldest,
};

fn read(row: &Sql<'_>) -> Result<Row<AccessKey>, Error> {
    Ok(Row {
        it: AccessKey {
            id: row.get(0)?,
            uuid: row.get(1)?,
            tenant: row.get(2)?,
            user: row.get(3)?,
            name: row.get(4)?,
            prefix: row.get(5)?,
            roles: roles(&row.get::<_, String>(6)?)?,
            expires: wall_maybe(row, 7)?,
            used: wall_maybe(row, 8)?,
        },
        created: wall(row, 9)?,
        updated: wall(row, 10)?,
        deleted: wall_maybe(row, 11)?,
    })
}

fn roles(text: &str) -> Result<Vec<Role>, Error> {
    let read = |it| Role::from_word(it).ok_or_else(|| Error::Corrupt(format!("role {it:?}")));
    text.split_whitespace().map(read).collect()
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
