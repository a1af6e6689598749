//! Instant messages for people who are away (RFC 3428): durable before their senders are told so.

use super::value::{from_wall, wall};
use super::{Durable, Error, Reader, Store};
use crate::base::Wall;
use crate::directory::{ExtensionId, TenantId};

/// A text that waits for its extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredText {
    /// Its name, below 2^63.
    pub id: u64,
    /// Whose it is.
    pub tenant: TenantId,
    /// For whom.
    pub extension: ExtensionId,
    /// The sender's number.
    pub from: String,
    /// What the sender calls itself.
    pub from_name: Option<String>,
    /// When it was sent.
    pub at: Wall,
    /// Its Content-Type.
    pub kind: String,
    /// What it says.
    pub body: Vec<u8>,
}

/// One change of what waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextChange {
    /// A text is to wait.
    Put(StoredText),
    /// A phone has taken it.
    Gone {
        /// Whose it is.
        tenant: TenantId,
        /// Which.
        id: u64,
    },
}

impl Store {
    /// Takes changes over, in their order, and returns the names of the texts that wait now: one for
    /// an extension that was deleted meanwhile does not.
    ///
    /// # Errors
    /// When the file cannot be written; then none of the changes is in it.
    pub fn write_texts(&mut self, changes: &[TextChange]) -> Result<Vec<u64>, Error> {
        self.write(Durable::Yes, |write, _| {
            let mut put = write.db.prepare_cached(
                "INSERT INTO text
                     (extension_id, tenant_id, id, sender, sender_name, sent_at, kind, body)
                 SELECT id, tenant_id, ?3, ?4, ?5, ?6, ?7, ?8 FROM extension
                 WHERE tenant_id = ?1 AND id = ?2 AND deleted_at IS NULL
                 ON CONFLICT DO NOTHING",
            )?;
            let mut gone =
                write.db.prepare_cached("DELETE FROM text WHERE tenant_id = ?1 AND id = ?2")?;
            let mut kept = Vec::new();
            for change in changes {
                match change {
                    TextChange::Put(it) => {
                        let count = put.execute((
                            it.tenant,
                            it.extension,
                            i64::try_from(it.id).unwrap_or(i64::MAX),
                            &it.from,
                            &it.from_name,
                            from_wall(it.at),
                            &it.kind,
                            &it.body,
                        ))?;
                        kept.extend((count > 0).then_some(it.id));
                    }
                    TextChange::Gone { tenant, id } => {
                        gone.execute((tenant, i64::try_from(*id).unwrap_or(i64::MAX)))?;
                    }
                }
            }
            Ok(kept)
        })
    }
}

impl Reader {
    /// All texts of all tenants that wait, in the order in which they came.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn texts(&self) -> Result<Vec<StoredText>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT id, tenant_id, extension_id, sender, sender_name, sent_at, kind, body
             FROM text ORDER BY seq",
        )?;
        let mut rows = query.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(StoredText {
                id: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
                tenant: row.get(1)?,
                extension: row.get(2)?,
                from: row.get(3)?,
                from_name: row.get(4)?,
                at: wall(row, 5)?,
                kind: row.get(6)?,
                body: row.get(7)?,
            });
        }
        Ok(all)
    }
}
