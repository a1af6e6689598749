//! The data directory: one process at a time, the house's key, the store, and what a house begins
//! with.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::base::{Rng, Wall};
use crate::directory::{DomainId, ExtensionId, Fields, NewExtension, TenantId};
use crate::store::{Error, First, Key, Store};

use super::provision;
use super::start::{Failure, REALM, say, system};

/// The variable that holds the administrator's access key.
const ADMIN_KEY: &str = "MOONSWITCH_ADMIN_KEY";
/// The host of the first domain.
const HOST: &str = "moonswitch";

/// The store of a data directory, which is ours for as long as this lives.
pub(super) struct Data {
    /// The store.
    pub(super) store: Store,
    /// Whoever holds this lock owns the directory.
    pub(super) lock: File,
}

/// Opens the store of a data directory; on the first start both are made.
pub(super) fn open(data: &Path, rng: &mut Rng, now: Wall) -> Result<Data, Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(system(&format!("cannot make the --data directory {}", data.display())))?;
    let lock = lock(data)?;
    let file = data.join("moonswitch.db");
    let key = house_key(data, &file, rng)?;
    // Made before SQLite does it, so that nobody else may read it.
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(&file);
    made.map_err(system(&format!("cannot open {}", file.display())))?;
    let about = |error| Failure::Store(file.clone(), error);
    let mut store = Store::open(&file, key, rng.fork()).map_err(about)?;
    first_start(data, &mut store, rng, now)?;
    let lost = store.close_lost().map_err(about)?;
    if lost > 0 {
        tracing::warn!("{lost} calls were cut off when moonswitch ended the last time");
    }
    Ok(Data { store, lock })
}

fn lock(data: &Path) -> Result<File, Failure> {
    let path = data.join("moonswitch.lock");
    let cannot = format!("cannot lock {}", path.display());
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let file = file.map_err(system(&cannot))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let taken = io::Error::other("another moonswitch runs in this directory");
            Err(system(&cannot)(taken))
        }
        Err(TryLockError::Error(e)) => Err(system(&cannot)(e)),
    }
}

/// The key that secrets in the store are sealed with. It is made once, and never again: without it
/// nobody opens them.
fn house_key(data: &Path, store: &Path, rng: &mut Rng) -> Result<Key, Failure> {
    let path = data.join("secret.key");
    let cannot = format!("cannot read {}", path.display());
    if !path.exists() {
        if store.exists() {
            let why = "it is gone, and the store beside it was sealed with it";
            return Err(system(&cannot)(io::Error::other(why)));
        }
        let mut bytes = [0; 32];
        rng.fill(&mut bytes);
        write_secret(&path, &bytes)?;
    }
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|it| it.take(64).read_to_end(&mut bytes));
    read.map_err(system(&cannot))?;
    let wrong = |_| system(&cannot)(io::Error::other("a key has 32 bytes"));
    <[u8; 32]>::try_from(bytes).map(Key::new).map_err(wrong)
}

/// Gives a new house its first key and its first extensions. It may be cut off anywhere: the next
/// start does what is missing.
fn first_start(data: &Path, store: &mut Store, rng: &mut Rng, now: Wall) -> Result<(), Failure> {
    let about = |error| match error {
        Error::Weak(_) => Failure::AdminKey(ADMIN_KEY),
        error => Failure::Store(data.join("moonswitch.db"), error),
    };
    let chosen = std::env::var(ADMIN_KEY).ok();
    let is_new = store.read().domains(TenantId::FIRST).map_err(about)?.is_empty();
    let made = (is_new && chosen.is_none()).then(|| admin_key(data, rng)).transpose()?;
    let key = chosen.or(made);
    let first = First { host: HOST, realm: REALM, admin_key: key.as_deref() };
    store.first_start(first, now).map_err(about)?;
    // Also a deleted extension has its row: who wants none gets none.
    let had_any = store.read().extension(TenantId::FIRST, ExtensionId(1)).map_err(about)?;
    if had_any.is_some() {
        return Ok(());
    }
    let file = provision::path(data);
    let all = match file.exists() {
        true => provision::read(&file).map_err(Failure::Provision)?,
        false => ["1001", "1002"].into_iter().filter_map(first_extension).collect(),
    };
    let rows = store.create_extensions(TenantId::FIRST, DomainId::FIRST, all, now);
    let rows = rows.map_err(about)?;
    if file.exists() {
        let count = rows.len();
        tracing::info!("first start: {count} extensions were taken over from {}", file.display());
        tracing::info!("{} is not read any more and may be deleted", file.display());
        return Ok(());
    }
    tracing::info!("first start: the extensions 1001 and 1002 were made");
    if io::stdout().is_terminal() {
        for it in rows.iter().map(|it| &it.it) {
            say(&format!("extension {} password {}", it.number, it.password));
        }
    }
    Ok(())
}

fn first_extension(number: &str) -> Option<NewExtension> {
    let name = Some(format!("Phone {number}"));
    let fields = Fields { number: Some(number.to_owned()), name, ..Fields::default() };
    NewExtension::parse(fields).ok()
}

/// Makes the administrator's access key. A person who sits before us is shown it; for others it is
/// left in a file, before it opens anything, so that it cannot get lost.
fn admin_key(data: &Path, rng: &mut Rng) -> Result<String, Failure> {
    let key = format!("ms_{}{}{}", rng.token(), rng.token(), rng.token());
    if io::stdout().is_terminal() {
        say(&format!("administrator's access key {key}"));
    } else {
        let path = data.join("admin.key");
        write_secret(&path, format!("{key}\n").as_bytes())?;
        tracing::info!("first start: the administrator's access key stands in {}", path.display());
    }
    Ok(key)
}

/// The name of the file with the key for who sits at this machine.
pub const LOCAL_KEY: &str = "local.key";

/// Makes the key with which `moonswitch trace` asks: who may read the data directory may use it, for
/// as long as this process lives. Without it we start all the same.
pub(super) fn local_key(data: &Path, rng: &mut Rng) -> Option<String> {
    let key = format!("ms_local_{}{}{}", rng.token(), rng.token(), rng.token());
    match write_secret(&data.join(LOCAL_KEY), format!("{key}\n").as_bytes()) {
        Ok(()) => Some(key),
        Err(e) => {
            tracing::warn!("moonswitch trace will need MOONSWITCH_KEY: {e}");
            None
        }
    }
}

/// Writes a file that only we may read: beside first, so that nobody ever reads half of it.
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = path.with_extension("new");
    _ = fs::remove_file(&draft);
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let written = options.and_then(|mut it| {
        it.write_all(bytes)?;
        it.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(path.parent().unwrap_or(path))?.sync_all()
    });
    written.map_err(system(&format!("cannot write {}", path.display())))
}
