//! Stories of the store, told on files of their own.

mod calls;
mod extensions;
mod keys;
mod registrations;
mod scope;
mod search;
mod texts;
mod trunks;

use std::path::PathBuf;

use super::{First, Key, KeyId, Paging, Reader, Row, Store};
use crate::base::{Rng, Wall};
use crate::directory::{DomainId, Extension, Fields, NewExtension, TenantId};

/// A database file of a test's own, gone with it.
pub(super) struct File {
    pub(super) path: PathBuf,
    folder: PathBuf,
}

/// The tenant and domain that every house of these stories begins with.
const TENANT: TenantId = TenantId::FIRST;
const DOMAIN: DomainId = DomainId::FIRST;
const FIRST_KEY: KeyId = KeyId(1);
const ALL: Paging = Paging::After { id: None, limit: 1000 };

impl File {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("store-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { path: folder.join("house.db"), folder }
    }

    fn open(&self, seed: u64) -> Store {
        Store::open(&self.path, Key::new([7; 32]), Rng::from_seed(seed)).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path, Key::new([7; 32])).unwrap()
    }

    /// A file with the first tenant in it.
    fn house(name: &str) -> (Self, Store) {
        let file = Self::new(name);
        let mut store = file.open(1);
        let first = First { host: "pbx.example", realm: "pbx", admin_key: None };
        store.first_start(first, at(0)).unwrap().unwrap();
        (file, store)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// So many seconds into the story.
fn at(seconds: u64) -> Wall {
    Wall((1_700_000_000 + seconds) * 1_000_000)
}

fn fields(number: &str) -> Fields {
    Fields { number: Some(number.into()), ..Fields::default() }
}

fn provision(store: &mut Store, number: &str) -> Row<Extension> {
    let new = NewExtension::parse(fields(number)).unwrap();
    store.create_extension(TENANT, DOMAIN, new, at(1)).unwrap()
}
