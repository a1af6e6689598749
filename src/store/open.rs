//! Opening the file: settings, schema, and whether the key fits.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{Durable, Error, Key, Reader, Store};
use crate::base::Rng;
use crate::directory::Uuid;

/// The schema, a step for each version. A step that was released is never changed.
const SCHEMA: &[&str] = &[
    include_str!("schema/001.sql"),
    include_str!("schema/002.sql"),
    include_str!("schema/003.sql"),
    include_str!("schema/004.sql"),
    include_str!("schema/005.sql"),
];
/// How long a query waits for another process, such as a backup.
const BUSY: Duration = Duration::from_secs(5);
/// How many statements are kept prepared.
const STATEMENTS: usize = 64;
/// How large the write-ahead log stays after it was carried over.
const LOG_MAX: i64 = 64 << 20;
/// What the seal says when it opens.
const SEAL: &str = "moonswitch";

impl Store {
    /// Opens the file, which is made if it is not there, and brings its schema up to date.
    ///
    /// Who may read it is for the caller to decide, by making it first or by its folder: SQLite
    /// gives the log beside it the same permissions.
    ///
    /// # Errors
    /// When it is of a newer version, sealed with another key, damaged or cannot be opened.
    pub fn open(path: &Path, key: Key, rng: Rng) -> Result<Self, Error> {
        Self::open_with(path, key, rng, SCHEMA)
    }

    fn open_with(path: &Path, key: Key, mut rng: Rng, schema: &[&str]) -> Result<Self, Error> {
        let mut db =
            connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        refuse_newer(&db, schema)?;
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.pragma_update_and_check(None, "journal_size_limit", LOG_MAX, |_| Ok(()))?;
        migrate(&mut db, schema)?;
        check_key(&db, &key, Some(&mut rng))?;
        Ok(Self { reader: Reader { db, key }, rng, durable: Durable::Yes })
    }
}

impl Reader {
    /// Opens a file that a [`Store`] has opened before, to read it.
    ///
    /// # Errors
    /// When it is of a newer version, sealed with another key, damaged or cannot be opened.
    pub fn open(path: &Path, key: Key) -> Result<Self, Error> {
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        refuse_newer(&db, SCHEMA)?;
        check_key(&db, &key, None)?;
        Ok(Self { db, key })
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    // Each connection has one owner, so SQLite needs no locks of its own.
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

fn version(db: &Connection) -> Result<i64, Error> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn refuse_newer(db: &Connection, schema: &[&str]) -> Result<(), Error> {
    let (found, known) = (version(db)?, schema.len() as i64);
    if found > known { Err(Error::Newer { found, known }) } else { Ok(()) }
}

/// Takes all steps that the file lacks, or none.
fn migrate(db: &mut Connection, schema: &[&str]) -> Result<(), Error> {
    let done = usize::try_from(version(db)?).unwrap_or_default();
    let missing = schema.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let step = db.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    for sql in missing {
        step.execute_batch(sql)?;
    }
    step.pragma_update(None, "user_version", schema.len() as i64)?;
    Ok(step.commit()?)
}

/// Tells a wrong key now, not at the first secret. A new file is sealed.
fn check_key(db: &Connection, key: &Key, seal: Option<&mut Rng>) -> Result<(), Error> {
    let sealed: Option<Vec<u8>> =
        db.query_row("SELECT sealed FROM seal", [], |row| row.get(0)).optional()?;
    match (sealed, seal) {
        (Some(sealed), _) => match key.open(&sealed, Uuid::NIL) {
            Ok(text) if text == SEAL => Ok(()),
            _ => Err(Error::WrongKey),
        },
        (None, Some(rng)) => {
            let sealed = key.seal(SEAL, Uuid::NIL, rng)?;
            db.execute("INSERT INTO seal (id, sealed) VALUES (1, ?1)", [sealed])?;
            Ok(())
        }
        (None, None) => Err(Error::Corrupt("nobody has sealed it".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::File;

    fn open(file: &File, schema: &[&str]) -> Result<Store, Error> {
        Store::open_with(&file.path, Key::new([7; 32]), Rng::from_seed(1), schema)
    }

    #[test]
    fn every_earlier_version_is_brought_up_to_date() {
        for earlier in 0..SCHEMA.len() {
            let file = File::new("earlier");
            let mut db = connect(&file.path, OpenFlags::default()).unwrap();
            migrate(&mut db, &SCHEMA[..earlier]).unwrap();
            drop(db);
            let store = open(&file, SCHEMA).unwrap();
            assert_eq!(version(&store.reader.db), Ok(SCHEMA.len() as i64));
            assert!(store.read().directory().unwrap().is_empty());
        }
    }

    #[test]
    fn a_step_that_comes_later_is_taken_once_and_what_was_there_stays() {
        let file = File::new("later");
        drop(open(&file, SCHEMA).unwrap());
        let mut longer = SCHEMA.to_vec();
        longer.push("CREATE TABLE later (id INTEGER PRIMARY KEY); INSERT INTO later VALUES (5);");
        for _ in 0..2 {
            let store = open(&file, &longer).unwrap();
            let count = "SELECT count(*) FROM later";
            assert_eq!(store.reader.db.query_row(count, [], |it| it.get(0)), Ok(1));
        }
        let (found, known) = (longer.len() as i64, SCHEMA.len() as i64);
        assert_eq!(open(&file, SCHEMA).unwrap_err(), Error::Newer { found, known });
        let reader = Reader::open(&file.path, Key::new([7; 32]));
        assert_eq!(reader.unwrap_err(), Error::Newer { found, known });
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let file = File::new("fails");
        drop(open(&file, SCHEMA).unwrap());
        let mut broken = SCHEMA.to_vec();
        broken.extend(["CREATE TABLE half (id INTEGER);", "CREATE TABEL wrong;"]);
        assert!(open(&file, &broken).is_err());
        let store = open(&file, SCHEMA).unwrap();
        assert!(store.reader.db.prepare("SELECT * FROM half").is_err());
    }

    #[test]
    fn a_wrong_key_is_told_at_once() {
        let file = File::new("key");
        drop(open(&file, SCHEMA).unwrap());
        let wrong = || Key::new([8; 32]);
        let store = Store::open(&file.path, wrong(), Rng::from_seed(2));
        assert_eq!(store.unwrap_err(), Error::WrongKey);
        assert_eq!(Reader::open(&file.path, wrong()).unwrap_err(), Error::WrongKey);
        assert!(open(&file, SCHEMA).is_ok());
    }

    #[test]
    fn a_file_that_is_something_else_is_refused() {
        let file = File::new("other");
        std::fs::write(&file.path, "this is not a database, whatever its name says").unwrap();
        assert!(matches!(open(&file, SCHEMA).unwrap_err(), Error::Corrupt(_)));
        let nowhere = file.path.join("nowhere");
        let store = Store::open(&nowhere, Key::new([7; 32]), Rng::from_seed(1));
        assert!(matches!(store.unwrap_err(), Error::Denied(_)));
    }

    #[test]
    fn a_full_disk_is_told_as_such_and_takes_nothing_halfway() {
        let file = File::new("full");
        let mut store = open(&file, SCHEMA).unwrap();
        let pages: i64 =
            store.reader.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |store: &Store, pages: i64| {
            store.reader.db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        };
        limit(&store, pages + 2).unwrap();
        let mut made = 0;
        let refused = loop {
            match store.create_tenant(&"x".repeat(250), crate::base::Wall(1)) {
                Ok(_) => made += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refused, Error::Full);
        limit(&store, 1 << 30).unwrap();
        let count = "SELECT count(*) FROM tenant";
        assert_eq!(store.reader.db.query_row(count, [], |row| row.get(0)), Ok(made));
        store.create_tenant("more", crate::base::Wall(2)).unwrap();
    }

    #[test]
    fn a_file_that_must_not_be_written_is_told_as_such() {
        let file = File::new("read-only");
        let mut store = open(&file, SCHEMA).unwrap();
        store.reader.db.pragma_update(None, "query_only", true).unwrap();
        let refused = store.create_tenant("x", crate::base::Wall(1)).unwrap_err();
        assert!(matches!(refused, Error::Denied(_)), "{refused:?}");
    }

    #[test]
    fn a_damaged_file_gives_errors_or_rows_and_never_a_panic() {
        let file = File::new("damaged");
        let mut store = open(&file, SCHEMA).unwrap();
        let first = crate::store::First { host: "h", realm: "r", admin_key: None };
        store.first_start(first, crate::base::Wall(1)).unwrap();
        drop(store);
        let whole = std::fs::read(&file.path).unwrap();
        let mut rng = Rng::from_seed(3);
        let mut refused = 0;
        for _ in 0..200 {
            let mut bent = whole.clone();
            for _ in 0..20 {
                let at = rng.below(bent.len() as u64) as usize;
                bent[at] = rng.bits32().to_le_bytes()[0];
            }
            std::fs::write(&file.path, bent).unwrap();
            let read = open(&file, SCHEMA).and_then(|store| {
                store.read().directory()?;
                store.read().authenticate("x", crate::base::Wall(1))?;
                store.read().domains(crate::directory::TenantId::FIRST)
            });
            refused += u32::from(read.is_err());
        }
        assert!(refused > 0);
    }

    #[test]
    fn durable_writes_reach_the_disk_before_they_return() {
        let file = File::new("durable");
        let mut store = open(&file, SCHEMA).unwrap();
        let level = |store: &Store| -> i64 {
            store.reader.db.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap()
        };
        assert_eq!(level(&store), 2); // FULL
        store.write(Durable::No, |_, _| Ok(())).unwrap();
        assert_eq!(level(&store), 1); // NORMAL
        store.write(Durable::Yes, |_, _| Ok(())).unwrap();
        assert_eq!(level(&store), 2);
    }
}
