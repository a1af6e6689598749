//! Whose rows are whose: every query there is.

use super::*;
use crate::base::{CallId, Cause, LegId};
use crate::call::event::{By, Fact, What};
use crate::call::plan::Generation;
use crate::directory::ChangeExtension;
use crate::store::{Change, Error, NewKey, Registration, Role, UserId};

/// Two tenants with one row of everything each; then each asks for the other's by name.
#[test]
fn two_tenants_never_see_each_others_rows() {
    let (file, mut store) = File::house("scope");
    let other = store.create_tenant("Other", at(0)).unwrap();
    let domain = store.create_domain(other, "other.example", "other", at(0)).unwrap();
    let user = store.create_user(other, "Olga", at(0)).unwrap().it.id;
    let ours = furnish(&mut store, TENANT, DOMAIN, UserId(1));
    let theirs = furnish(&mut store, other, domain.id, user);
    let reader = file.reader();
    for (me, mine, not_mine) in [(TENANT, &ours, &theirs), (other, &theirs, &ours)] {
        let page = Paging::Page { page: 1, size: 100 };
        for paging in [ALL, page] {
            let listed = reader.extensions(me, paging).unwrap();
            assert_eq!(listed.rows.len(), 1);
            assert!(listed.rows.iter().all(|it| it.it.tenant == me));
            assert!(reader.keys(me, paging).unwrap().rows.iter().all(|it| it.it.tenant == me));
            let cdrs = reader.cdrs(me, paging).unwrap();
            assert_eq!((cdrs.rows.len(), cdrs.rows[0].0), (1, mine.cdr));
            let reveals = reader.reveals(me, paging).unwrap();
            assert_eq!((reveals.rows.len(), reveals.rows[0].extension), (1, mine.it.id));
        }
        assert!(reader.domains(me).unwrap().iter().all(|it| it.tenant == me));
        let (it, key) = (&not_mine.it, not_mine.key);
        assert_eq!(reader.extension(me, it.id), Ok(None));
        assert_eq!(reader.extension_by_uuid(me, it.uuid), Ok(None));
        assert_eq!(reader.extension_by_number(me, it.domain, &it.number), Ok(None));
        assert_eq!(reader.registrations_of(me, it.id, at(1)), Ok(Vec::new()));
        assert_eq!(reader.key(me, key), Ok(None));
        assert_eq!(reader.cdr(me, not_mine.cdr), Ok(None));
        assert_eq!(reader.facts(me, not_mine.call), Ok(Vec::new()));
        assert_eq!(reader.authenticate(&mine.token, at(1)).unwrap().unwrap().tenant, me);

        let new = NewExtension::parse(fields("1009")).unwrap();
        let made = store.create_extension(me, it.domain, new, at(5));
        assert_eq!(made.unwrap_err(), Error::NotFound);
        let change = ChangeExtension::parse(fields("1009"), &it.number).unwrap();
        let changed = store.change_extension(me, it.id, change, at(5));
        assert_eq!(changed.unwrap_err(), Error::NotFound);
        assert_eq!(store.delete_extension(me, it.id, at(5)), Err(Error::NotFound));
        assert_eq!(store.reveal(me, mine.key, it.id, at(5)), Err(Error::NotFound));
        assert_eq!(store.reveal(me, key, mine.it.id, at(5)), Err(Error::NotFound));
        assert_eq!(store.delete_key(me, key, at(5)), Err(Error::NotFound));
        let new = NewKey { name: "stolen".into(), roles: vec![Role::Admin], expires: None };
        let made = store.create_key(me, not_mine.user, new, at(5));
        assert_eq!(made.unwrap_err(), Error::NotFound);
        let gone = Change::Gone { tenant: me, extension: it.id, contact: not_mine.contact.clone() };
        let put = Change::Put(phone(me, it.id, "sip:stolen"));
        store.write_registrations(&[gone, put], at(1)).unwrap();
        let end = What::Ended { cause: Cause::Failed, talked: Default::default(), by: By::House };
        let end = Fact { call: Some(not_mine.call), at: at(6), what: end };
        store.append(me, &[end]).unwrap();
    }
    for (me, mine) in [(TENANT, &ours), (other, &theirs)] {
        assert!(reader.extension(me, mine.it.id).unwrap().unwrap().deleted.is_none());
        let phones = reader.registrations_of(me, mine.it.id, at(1)).unwrap();
        assert_eq!((phones.len(), &phones[0].contact), (1, &mine.contact));
        assert_eq!(reader.cdrs(me, ALL).unwrap().rows.len(), 1);
        assert_eq!(reader.reveals(me, ALL).unwrap().rows.len(), 1);
    }
}

/// One row of everything.
struct Furnished {
    it: Extension,
    user: UserId,
    key: KeyId,
    token: String,
    contact: String,
    call: CallId,
    cdr: crate::store::CdrId,
}

fn furnish(store: &mut Store, tenant: TenantId, domain: DomainId, user: UserId) -> Furnished {
    let new = NewExtension::parse(fields("1001")).unwrap();
    let it = store.create_extension(tenant, domain, new, at(1)).unwrap().it;
    let new = NewKey { name: "key".into(), roles: vec![Role::Admin], expires: None };
    let (key, token) = store.create_key(tenant, user, new, at(1)).unwrap();
    store.reveal(tenant, key.it.id, it.id, at(1)).unwrap();
    let contact = format!("sip:phone-of-{tenant}");
    let put = Change::Put(phone(tenant, it.id, &contact));
    store.write_registrations(&[put], at(1)).unwrap();
    let call = CallId(100 + tenant.0.cast_unsigned());
    let began = What::Began {
        leg: LegId(1),
        from: "1001".into(),
        to: "1002".into(),
        sip_call_id: String::new(),
        generation: Generation(1),
    };
    let end = What::Ended { cause: Cause::Hangup, talked: Default::default(), by: By::Peer };
    let facts = [began, end].map(|what| Fact { call: Some(call), at: at(1), what });
    store.append(tenant, &facts).unwrap();
    let cdr = store.read().cdrs(tenant, ALL).unwrap().rows[0].0;
    Furnished { it, user, key: key.it.id, token, contact, call, cdr }
}

fn phone(
    tenant: TenantId,
    extension: crate::directory::ExtensionId,
    contact: &str,
) -> Registration {
    Registration {
        tenant,
        extension,
        contact: contact.into(),
        flow: "UDP".into(),
        expires: at(60),
        call_id: "a".into(),
        cseq: 1,
        instance: None,
    }
}
