//! Trunks come back, change and go.

use super::*;
use crate::directory::{TrunkFields, TrunkKind, TrunkOrder};
use crate::store::Error;

fn order(name: &str) -> TrunkFields {
    TrunkFields {
        name: Some(name.into()),
        host: Some("sip.carrier.test".into()),
        username: Some("4930123".into()),
        password: Some("correct horse".into()),
        ..TrunkFields::default()
    }
}

/// Every field has a value of its own.
fn everything() -> TrunkFields {
    TrunkFields {
        detail: Some("two lines".into()),
        enabled: Some(false),
        kind: Some("peer".into()),
        port: Some(5070),
        transport: Some("tcp".into()),
        proxy: Some("edge.carrier.test:5080".into()),
        realm: Some("carrier.test".into()),
        from_domain: Some("pbx.carrier.test".into()),
        expires: Some(120),
        bulk: Some(true),
        addresses: Some(vec!["192.0.2.0/24".into(), "2001:db8::1".into()]),
        inbound_auth: Some("digest".into()),
        did_source: Some("p_called_party_id".into()),
        caller_id: Some("+4930123".into()),
        identity: Some("remote_party_id".into()),
        format: Some("national".into()),
        country: Some("49".into()),
        national_prefix: Some("1".into()),
        international_prefix: Some("011".into()),
        channels: Some(7),
        calls_per_second: Some(3),
        codecs: Some(vec!["pcma".into(), "opus".into()]),
        ping: Some(0),
        trusted: Some(true),
        priority: Some(2),
        ..order("telekom")
    }
}

fn parse(fields: TrunkFields) -> TrunkOrder {
    TrunkOrder::parse(fields, None, false).unwrap()
}

#[test]
fn a_trunk_comes_back_as_it_was_made_also_after_a_restart() {
    let (file, mut store) = File::house("trunk");
    let asked = parse(everything());
    let made = store.create_trunk(TENANT, asked.clone(), at(5)).unwrap();
    assert_eq!(made.it.terms, asked.terms);
    let plain = store.create_trunk(TENANT, parse(order("plain")), at(6)).unwrap();
    drop(store);
    let store = file.open(2);
    assert_eq!(store.read().all_trunks().unwrap(), [made.it.clone(), plain.it.clone()]);
    let seen = store.read().trunk(TENANT, made.it.id).unwrap().unwrap();
    assert_eq!((seen.it.password.as_str(), seen.it.terms), ("", asked.terms));
    assert_eq!(store.read().trunks(TENANT, ALL).unwrap().rows.len(), 2);
    for entry in std::fs::read_dir(file.path.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(13).any(|it| it == b"correct horse"));
    }
}

#[test]
fn a_change_takes_a_trunk_over_and_keeps_its_password_unless_told() {
    let (_file, mut store) = File::house("trunk-change");
    let made = store.create_trunk(TENANT, parse(order("telekom")), at(5)).unwrap();
    let fields = TrunkFields { password: None, ..everything() };
    let change = TrunkOrder::parse(fields, Some(&made.it.terms), true).unwrap();
    let after = store.change_trunk(TENANT, made.it.id, change.clone(), at(9)).unwrap();
    assert_eq!((&after.it.terms, after.it.password.as_str()), (&change.terms, "correct horse"));
    assert_eq!((after.created, after.updated), (made.created, at(9)));
    assert_eq!(store.read().all_trunks().unwrap(), [after.it]);
    let change = TrunkOrder { password: Some("staple".into()), ..change };
    store.change_trunk(TENANT, made.it.id, change.clone(), at(10)).unwrap();
    assert_eq!(store.read().all_trunks().unwrap()[0].password, "staple");
    let change = TrunkOrder { password: Some(String::new()), ..change };
    store.change_trunk(TENANT, made.it.id, change, at(11)).unwrap();
    assert_eq!(store.read().trunk_has_password(TENANT, made.it.id), Ok(false));
}

#[test]
fn a_name_is_given_once_and_what_is_deleted_stays_deleted() {
    let (_file, mut store) = File::house("trunk-name");
    let other = store.create_tenant("Other", at(0)).unwrap();
    let made = store.create_trunk(TENANT, parse(order("telekom")), at(5)).unwrap();
    let again = store.create_trunk(TENANT, parse(order("telekom")), at(6));
    assert_eq!(again.unwrap_err(), Error::Taken("name"));
    let theirs = store.create_trunk(other, parse(order("telekom")), at(6)).unwrap();
    let second = store.create_trunk(TENANT, parse(order("second")), at(6)).unwrap();
    let rename = TrunkOrder { terms: made.it.terms.clone(), password: None };
    let renamed = store.change_trunk(TENANT, second.it.id, rename.clone(), at(7));
    assert_eq!(renamed.unwrap_err(), Error::Taken("name"));
    assert_eq!(theirs.it.terms.kind, TrunkKind::Register);
    // Nobody sees or changes another tenant's.
    assert_eq!(store.read().trunk(TENANT, theirs.it.id), Ok(None));
    assert_eq!(store.read().trunk_by_uuid(TENANT, theirs.it.uuid), Ok(None));
    assert_eq!(store.read().trunks(TENANT, ALL).unwrap().rows.len(), 2);
    assert_eq!(store.delete_trunk(TENANT, theirs.it.id, at(8)), Err(Error::NotFound));
    let stolen = store.change_trunk(TENANT, theirs.it.id, rename, at(8));
    assert_eq!(stolen.unwrap_err(), Error::NotFound);
    let has = store.read().trunk_has_password(TENANT, theirs.it.id);
    assert_eq!(has, Err(Error::NotFound));

    store.delete_trunk(TENANT, made.it.id, at(9)).unwrap();
    assert_eq!(store.delete_trunk(TENANT, made.it.id, at(9)), Err(Error::NotFound));
    let left: Vec<_> = store.read().all_trunks().unwrap().iter().map(|it| it.id).collect();
    assert_eq!(left, [theirs.it.id, second.it.id]);
    store.create_trunk(TENANT, parse(order("telekom")), at(10)).unwrap();
    let gone = store.read().trunk(TENANT, made.it.id).unwrap().unwrap();
    assert_eq!(gone.deleted, Some(gone.updated));
}
