//! Access keys open until they end or are taken away.

use super::*;
use crate::store::{Error, NewKey, Role, UserId};

const FIRST: First<'_> = First { host: "pbx.example", realm: "pbx", admin_key: None };
const USER: UserId = UserId(1);

#[test]
fn the_first_start_shows_a_key_and_later_ones_do_not() {
    let file = File::new("first");
    let mut store = file.open(1);
    let token = store.first_start(FIRST, at(0)).unwrap().unwrap();
    assert_eq!((token.len(), &token[..3]), (43, "ms_"));
    assert_eq!(store.first_start(FIRST, at(1)), Ok(None));
    drop(store);
    let mut store = file.open(2);
    assert_eq!(store.first_start(FIRST, at(2)), Ok(None));
    let grant = store.read().authenticate(&token, at(3)).unwrap().unwrap();
    assert_eq!((grant.tenant, grant.user), (TENANT, USER));
    assert!(grant.allows(Role::Credentials));
    let domains = store.read().domains(TENANT).unwrap();
    assert_eq!((domains.len(), &*domains[0].host, domains[0].id), (1, "pbx.example", DOMAIN));
}

#[test]
fn people_may_choose_the_first_key_but_not_a_weak_one() {
    let file = File::new("chosen");
    let mut store = file.open(1);
    for weak in ["", "admin", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "with a space 0123456789abcdef"] {
        let first = First { admin_key: Some(weak), ..FIRST };
        assert_eq!(store.first_start(first, at(0)), Err(Error::Weak("admin key")));
    }
    let chosen = "0123456789abcdef0123";
    let first = First { admin_key: Some(chosen), ..FIRST };
    assert_eq!(store.first_start(first, at(0)), Ok(None));
    assert!(store.read().authenticate(chosen, at(1)).unwrap().is_some());
}

#[test]
fn a_token_opens_until_it_ends_or_is_taken_away() {
    let (file, mut store) = File::house("token");
    let new = |expires| NewKey { name: "CI".into(), roles: vec![Role::Read], expires };
    let (brief, token) = store.create_key(TENANT, USER, new(Some(at(10))), at(1)).unwrap();
    assert!(token.starts_with(&brief.it.prefix) && brief.it.prefix.len() < 10);
    let reader = file.reader();
    let grant = reader.authenticate(&token, at(9)).unwrap().unwrap();
    assert!(grant.allows(Role::Read) && !grant.allows(Role::Write));
    assert_eq!(reader.authenticate(&token, at(10)), Ok(None));
    let (lasting, token) = store.create_key(TENANT, USER, new(None), at(1)).unwrap();
    assert!(reader.authenticate(&token, at(99)).unwrap().is_some());
    store.delete_key(TENANT, lasting.it.id, at(2)).unwrap();
    assert_eq!(reader.authenticate(&token, at(3)), Ok(None));
    assert_eq!(store.delete_key(TENANT, lasting.it.id, at(3)), Err(Error::NotFound));
    let names: Vec<KeyId> =
        reader.keys(TENANT, ALL).unwrap().rows.iter().map(|it| it.it.id).collect();
    assert_eq!(names, [FIRST_KEY, brief.it.id]);
    for wrong in ["", "ms_", &token[..42], "ms_0000000000000000000000000000000000000000"] {
        assert_eq!(reader.authenticate(wrong, at(3)), Ok(None));
    }
}

#[test]
fn a_token_is_not_in_the_file() {
    let file = File::new("token-sealed");
    let mut store = file.open(1);
    let token = store.first_start(FIRST, at(0)).unwrap().unwrap();
    drop(store);
    let bytes = std::fs::read(&file.path).unwrap();
    assert!(!bytes.windows(12).any(|it| it == &token.as_bytes()[..12]));
}
