//! Phones are there again after a restart.

use super::*;
use crate::directory::ExtensionId;
use crate::store::{Change, Registration};

fn phone(extension: ExtensionId, contact: &str, expires: Wall) -> Registration {
    Registration {
        tenant: TENANT,
        extension,
        contact: contact.into(),
        flow: "UDP 192.0.2.7:5060 -> 192.0.2.1:5060".into(),
        expires,
        call_id: "abc".into(),
        cseq: 7,
        instance: Some("<urn:uuid:1>".into()),
    }
}

#[test]
fn registrations_are_there_again_after_a_restart_until_they_run_out() {
    let (file, mut store) = File::house("restart");
    let it = provision(&mut store, "1001").it.id;
    let (a, b) = (phone(it, "sip:a", at(60)), phone(it, "sip:b", at(90)));
    store.write_registrations(&[Change::Put(a.clone()), Change::Put(b.clone())], at(1)).unwrap();
    drop(store);
    let mut store = file.open(2);
    assert_eq!(store.read().registrations(at(59)).unwrap(), [a.clone(), b.clone()]);
    assert_eq!(store.read().registrations(at(60)).unwrap(), std::slice::from_ref(&b));
    // What has run out goes with the next group.
    store.write_registrations(&[], at(70)).unwrap();
    assert_eq!(store.read().registrations(at(0)).unwrap(), [b]);
}

#[test]
fn a_refresh_replaces_and_a_phone_that_leaves_is_gone() {
    let (_file, mut store) = File::house("refresh");
    let it = provision(&mut store, "1001").it.id;
    let first = phone(it, "sip:a", at(60));
    let again = Registration { cseq: 8, expires: at(120), instance: None, ..first.clone() };
    let changes = [Change::Put(first), Change::Put(again.clone())];
    store.write_registrations(&changes, at(1)).unwrap();
    assert_eq!(store.read().registrations_of(TENANT, it, at(2)).unwrap(), [again]);
    let gone = Change::Gone { tenant: TENANT, extension: it, contact: "sip:a".into() };
    store.write_registrations(&[gone], at(2)).unwrap();
    assert!(store.read().registrations(at(3)).unwrap().is_empty());
}

#[test]
fn a_deleted_extension_loses_its_phones_and_gets_no_late_ones() {
    let (_file, mut store) = File::house("late");
    let it = provision(&mut store, "1001").it.id;
    let put = [Change::Put(phone(it, "sip:a", at(60)))];
    store.write_registrations(&put, at(1)).unwrap();
    store.delete_extension(TENANT, it, at(2)).unwrap();
    assert!(store.read().registrations(at(3)).unwrap().is_empty());
    store.write_registrations(&put, at(3)).unwrap();
    assert!(store.read().registrations(at(3)).unwrap().is_empty());
}
