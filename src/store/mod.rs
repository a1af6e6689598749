//! What outlives the process: a SQLite file, its schema, and one file for each family of tables.
//!
//! The room knows rows, not what they are good for: no SIP, no HTTP, no threads and no clock. Time
//! and randomness come in as values. How to drive it:
//!
//! 1. One thread owns the [`Store`], which is the only writer. Every method that changes something
//!    returns when it has happened; requests are answered after that. Others open a [`Reader`] of
//!    their own each, which sees what was finished when its query began.
//! 2. At start: [`Store::open`], [`Store::first_start`], [`Store::close_lost`] (calls that the end
//!    of the process before cut off), then [`Reader::directory`], [`Reader::registrations`]
//!    and [`Reader::subscriptions`] for the switch.
//! 3. Facts go to [`Store::append`] in groups, the oldest first and at the latest 200 ms after they
//!    happened, an answer at the latest with what happens next in its call. A group that could not be
//!    written is kept and tried again: nothing of it is in the file.
//! 4. Registrations go to [`Store::write_registrations`] in groups, at the latest 1 s after they
//!    happened.
//!
//! Durable means `synchronous=FULL`: SQLite has asked the disk to keep it (fsync of the
//! write-ahead log) before the method returns. All is durable but registrations, which use
//! `synchronous=NORMAL`: they survive the death of the process, and a power cut may take the last
//! of them, which phones repeat anyway. The next durable write makes them durable too.
//!
//! Every query names the tenant whose rows it is about. The exceptions are those that the switch
//! starts with, such as [`Reader::directory`], and [`Reader::authenticate`],
//! which finds the tenant out.

mod audit;
mod cdrs;
mod error;
mod extensions;
mod facts;
mod keys;
mod open;
mod page;
mod registrations;
mod seal;
mod search;
mod subscriptions;
mod tenants;
mod texts;
mod trunks;
mod users;
mod value;

use rusqlite::Connection;

use crate::base::Rng;

pub use audit::Reveal;
pub use cdrs::{Cdr, CdrId, CdrLeg, EndedBy, Side};
pub use error::Error;
pub use extensions::Row;
pub use facts::{Entry, FactKind};
pub use keys::{AccessKey, Grant, KeyId, NewKey, Role, UserId};
pub use page::{Listed, Paging};
pub use registrations::{Change, Registration};
pub use seal::Key;
pub use search::Wanted;
pub use subscriptions::Subscription;
pub use tenants::{Domain, First};
pub use texts::{StoredText, TextChange};
pub use users::User;

/// The file, for the one who writes.
#[derive(Debug)]
pub struct Store {
    reader: Reader,
    rng: Rng,
    durable: Durable,
}

/// The file, for those who only read.
#[derive(Debug)]
pub struct Reader {
    db: Connection,
    key: Key,
}

/// Whether a write must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

impl Store {
    /// What can be read. The writer sees its own writes.
    pub fn read(&self) -> &Reader {
        &self.reader
    }

    /// Runs `work` as a whole: either all of it is in the file afterwards, or nothing.
    fn write<T>(
        &mut self,
        durable: Durable,
        work: impl FnOnce(&Write<'_>, &mut Rng) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.durable != durable {
            let level = match durable {
                Durable::Yes => "FULL",
                Durable::No => "NORMAL",
            };
            self.reader.db.pragma_update(None, "synchronous", level)?;
            self.durable = durable;
        }
        let behavior = rusqlite::TransactionBehavior::Immediate;
        let db = self.reader.db.transaction_with_behavior(behavior)?;
        let write = Write { db: &db, key: &self.reader.key };
        let done = work(&write, &mut self.rng)?;
        db.commit()?;
        Ok(done)
    }
}

/// A write under way.
struct Write<'a> {
    db: &'a Connection,
    key: &'a Key,
}

#[cfg(test)]
mod tests;
