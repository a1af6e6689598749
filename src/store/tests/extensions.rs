//! Extensions come back, change and go.

use super::*;
use crate::directory::{ChangeExtension, ExtensionId, Kind, Number};
use crate::store::Error;

#[test]
fn an_extension_comes_back_as_it_was_made_also_after_a_restart() {
    let (file, mut store) = File::house("comes-back");
    let new = NewExtension::parse(Fields {
        name: Some("Ann Ä \u{1f600} O'Hara".into()),
        detail: Some("second floor".into()),
        password: Some("correct horse".into()),
        enabled: Some(false),
        kind: Some("webrtc".into()),
        caller_id_name: Some("House".into()),
        caller_id_number: Some("+4930123".into()),
        max_contacts: Some(3),
        dnd: Some(true),
        forward_all: Some("1002".into()),
        forward_busy: Some("1003".into()),
        forward_no_answer: Some("1004".into()),
        forward_not_registered: Some("+49170".into()),
        ..fields("1001")
    })
    .unwrap();
    let made = store.create_extension(TENANT, DOMAIN, new, at(5)).unwrap();
    assert_eq!((made.it.kind, made.it.max_contacts), (Kind::Webrtc, 3));
    assert_eq!((made.created, made.updated, made.deleted), (at(5), at(5), None));
    drop(store);
    let store = file.open(2);
    assert_eq!(store.read().directory().unwrap(), std::slice::from_ref(&made.it));
    let seen = store.read().extension(TENANT, made.it.id).unwrap().unwrap();
    let without = Extension { password: String::new(), ..made.it.clone() };
    assert_eq!(seen, Row { it: without, ..made });
}

#[test]
fn a_password_is_not_in_the_file() {
    let (file, mut store) = File::house("sealed");
    let password = provision(&mut store, "1001").it.password;
    drop(store);
    for entry in std::fs::read_dir(file.path.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(password.len()).any(|it| it == password.as_bytes()));
    }
}

#[test]
fn a_number_is_given_once_in_a_domain_until_its_extension_is_deleted() {
    let (_file, mut store) = File::house("number");
    let first = provision(&mut store, "1001").it;
    let again = || NewExtension::parse(fields("1001")).unwrap();
    let taken = store.create_extension(TENANT, DOMAIN, again(), at(2));
    assert_eq!(taken.unwrap_err(), Error::Taken("number"));
    let other = store.create_domain(TENANT, "two.example", "two", at(2)).unwrap();
    store.create_extension(TENANT, other.id, again(), at(2)).unwrap();
    store.delete_extension(TENANT, first.id, at(3)).unwrap();
    let second = store.create_extension(TENANT, DOMAIN, again(), at(4)).unwrap().it;
    assert_ne!((first.id, first.uuid), (second.id, second.uuid));
    let gone = store.read().extension(TENANT, first.id).unwrap().unwrap();
    assert_eq!(gone.deleted, Some(gone.updated));
}

#[test]
fn many_extensions_are_made_together_or_not_at_all() {
    let (_file, mut store) = File::house("many");
    let mut create = |numbers: &[&str]| {
        let all = numbers.iter().map(|it| NewExtension::parse(fields(it)).unwrap()).collect();
        store.create_extensions(TENANT, DOMAIN, all, at(1))
    };
    assert_eq!(create(&["1001", "1002"]).unwrap().len(), 2);
    assert_eq!(create(&["1003", "1002"]).unwrap_err(), Error::Taken("number"));
    assert_eq!(store.read().directory().unwrap().len(), 2);
}

#[test]
fn what_is_deleted_stays_deleted_and_loses_its_secret() {
    let (file, mut store) = File::house("deleted");
    let it = provision(&mut store, "1001").it;
    store.delete_extension(TENANT, it.id, at(2)).unwrap();
    assert_eq!(store.delete_extension(TENANT, it.id, at(3)), Err(Error::NotFound));
    let change = ChangeExtension::parse(Fields::default(), &it.number).unwrap();
    let changed = store.change_extension(TENANT, it.id, change, at(3));
    assert_eq!(changed.unwrap_err(), Error::NotFound);
    assert_eq!(store.reveal(TENANT, FIRST_KEY, it.id, at(3)), Err(Error::NotFound));
    drop(store);
    let store = file.open(2);
    assert!(store.read().directory().unwrap().is_empty());
    assert!(store.read().extensions(TENANT, ALL).unwrap().rows.is_empty());
    let number = Number::parse("1001").unwrap();
    assert_eq!(store.read().extension_by_number(TENANT, DOMAIN, &number), Ok(None));
}

#[test]
fn a_change_changes_what_it_names_and_nothing_else() {
    let (_file, mut store) = File::house("change");
    let before = provision(&mut store, "1001");
    provision(&mut store, "1003");
    let mut change = |fields: Fields| {
        let change = ChangeExtension::parse(fields, &before.it.number).unwrap();
        store.change_extension(TENANT, before.it.id, change, at(9))
    };
    let after = change(Fields { dnd: Some(true), ..Fields::default() }).unwrap();
    assert_eq!(after.it, Extension { dnd: true, ..before.it.clone() });
    assert_eq!((after.created, after.updated), (before.created, at(9)));
    let after = change(Fields { password: Some("another one".into()), ..fields("1002") }).unwrap();
    assert_eq!(after.it.number.as_str(), "1002");
    assert_eq!(after.it.password, "another one");
    assert_eq!(change(fields("1003")).unwrap_err(), Error::Taken("number"));
    assert_eq!(store.read().directory().unwrap()[0], after.it);
}

#[test]
fn times_of_a_tenant_strictly_increase_also_when_the_clock_does_not() {
    let (_file, mut store) = File::house("times");
    let mut last = Wall(0);
    for (n, now) in [at(9), at(9), at(3), at(3)].into_iter().enumerate() {
        let new = NewExtension::parse(fields(&format!("10{n}"))).unwrap();
        let row = store.create_extension(TENANT, DOMAIN, new, now).unwrap();
        assert!(row.created > last);
        last = row.created;
    }
}

#[test]
fn a_list_is_read_in_pieces_or_in_pages() {
    let (file, mut store) = File::house("list");
    let made: Vec<ExtensionId> =
        (0..7).map(|it| provision(&mut store, &format!("100{it}")).it.id).collect();
    store.delete_extension(TENANT, made[2], at(2)).unwrap();
    let left: Vec<ExtensionId> = made.into_iter().filter(|it| it.0 != 3).collect();
    let reader = file.reader();
    let ids = |paging| {
        let listed = reader.extensions(TENANT, paging).unwrap();
        let ids: Vec<ExtensionId> = listed.rows.iter().map(|it| it.it.id).collect();
        (ids, listed.total, listed.next)
    };
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let (ids, total, next) = ids(Paging::After { id: after, limit: 4 });
        assert_eq!(total, None);
        seen.extend(ids);
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, left);
    let page = |page| ids(Paging::Page { page, size: 4 });
    assert_eq!(page(1), (left[..4].to_vec(), Some(6), Some(left[3].0)));
    assert_eq!(page(2), (left[4..].to_vec(), Some(6), None));
    assert_eq!(page(u32::MAX), (Vec::new(), Some(6), None));
    assert_eq!(ids(Paging::After { id: Some(i64::MAX), limit: u32::MAX }).0, []);
}

#[test]
fn a_reveal_is_kept_and_nothing_is_revealed_without_one() {
    let (_file, mut store) = File::house("reveal");
    let it = provision(&mut store, "1001").it;
    assert_eq!(store.reveal(TENANT, KeyId(99), it.id, at(2)), Err(Error::NotFound));
    assert!(store.read().reveals(TENANT, ALL).unwrap().rows.is_empty());
    assert_eq!(store.reveal(TENANT, FIRST_KEY, it.id, at(3)), Ok(it.password));
    let kept = store.read().reveals(TENANT, ALL).unwrap().rows;
    assert_eq!((kept.len(), kept[0].at, kept[0].key), (1, at(3), FIRST_KEY));
    assert_eq!(kept[0].extension, it.id);
}
