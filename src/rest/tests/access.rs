//! Who may what: every route of the router's own table with every kind of key. A new route is tried
//! here without anybody thinking of it.

use super::*;
use crate::rest::routes::ROUTES;

/// What nobody but the first tenant may see.
const MARK: &str = "Secret of the first";

#[test]
fn every_route_is_open_to_its_keys_and_to_no_others() {
    let mut house = furnished("routes");
    let (first, other) = (TenantId::FIRST, other_tenant(&mut house));
    let mut key = |tenant, user, roles: &[Role], expires| {
        let new = NewKey { name: "k".into(), roles: roles.to_vec(), expires };
        house.store.create_key(tenant, user, new, NOW).unwrap()
    };
    let all: Vec<Role> = Role::all().collect();
    let (revoked, of_revoked) = key(first, UserId(1), &all, None);
    let (_, expired) = key(first, UserId(1), &all, Some(NOW));
    let (_, orphan) = key(first, UserId(2), &all, None);
    let (_, stranger) = key(other.0, other.1, &[Role::Admin], None);
    let by_role: Vec<(Role, String)> =
        all.iter().map(|it| (*it, key(first, UserId(1), &[*it], None).1)).collect();
    house.store.delete_key(first, revoked.it.id, NOW).unwrap();
    house.store.delete_user(first, UserId(2), NOW).unwrap();
    let before = seen(&mut house);

    for route in ROUTES {
        let path = sample(route.path);
        let mut status = |token: &str| {
            house.token = token.to_owned();
            // So that address limits are not what is tried here.
            house.api.limits = Limits::default();
            let response = house.get(route.method, &path, "{}");
            let told = format!("{} {path} with {token:.6}: {}", route.method, response.body);
            (response.status, told, response.body)
        };
        for token in ["", "ms_wrong", &of_revoked, &expired, &orphan] {
            let (status, told, _) = status(token);
            assert_eq!(status, 401, "{told}");
        }
        let (foreign, told, body) = status(&stranger);
        assert!(!body.contains(MARK), "{told}");
        let is_their_own = foreign == 200 && !route.path.contains("{id}");
        assert!(is_their_own || matches!(foreign, 404 | 422), "{told}");
        for (role, token) in &by_role {
            // What does something is tried at last, below.
            if *role == route.role && route.method != "GET" || *role == Role::Admin {
                continue;
            }
            let (status, told, _) = status(token);
            assert_eq!(status == 403, *role != route.role, "{told}");
            assert!(status != 401, "{told}");
        }
        let (of_local, told, _) = status("ms_local_key");
        assert_eq!(of_local == 403, route.role != Role::Read, "{told}");
    }
    assert_eq!(seen(&mut house), before, "somebody who may not has changed something");
    let all = crate::store::Paging::Page { page: 1, size: 1000 };
    let reveals = house.store.read().reveals(first, all).unwrap();
    assert_eq!(reveals.rows.len(), 1, "shown to the one key that allows it, and kept");

    let (_, all_doors) = by_role.iter().find(|it| it.0 == Role::Admin).unwrap();
    for route in ROUTES {
        house.token = all_doors.clone();
        let response = house.get(route.method, &sample(route.path), "{}");
        assert!(!matches!(response.status, 401 | 403 | 405), "{}", response.body);
    }
}

#[test]
fn a_path_that_is_not_there_looks_the_same_without_a_key() {
    let mut house = furnished("paths");
    house.token = "ms_wrong".into();
    let told: Vec<Response> = ["sip/extensions", "sip/extensions/1", "nothing", ""]
        .map(|it| house.get("GET", &format!("/api/v1/{it}"), ""))
        .into();
    assert!(told.iter().all(|it| it == &told[0] && it.status == 401));
}

#[test]
fn who_guesses_is_slowed_down_and_who_knows_is_not() {
    let mut house = furnished("guesses");
    let right = house.token.clone();
    let mut ask = |token: &str, host: u8, millis: u64| {
        let request = Request {
            method: "GET".into(),
            path: LIST.into(),
            authorization: Some(format!("Bearer {token}")),
            source: Some([192, 0, 2, host].into()),
            ..Request::default()
        };
        let now = Now { mono: Mono::from_millis(millis), wall: NOW };
        settled(house.api.answer(&mut house.store, &request, now))
    };
    assert_eq!(ask(&right, 7, 1).status, 200);
    let statuses: Vec<u16> = (0..30).map(|n| ask(&format!("ms_{n}"), 7, 1).status).collect();
    assert_eq!(statuses.iter().filter(|it| **it == 401).count(), 20);
    assert_eq!(statuses[29], 429);
    let told = ask("ms_x", 7, 1);
    assert!(told.headers.iter().any(|it| it.0 == "Retry-After" && it.1 != "0"), "{told:?}");
    assert_eq!(ask("ms_x", 8, 1).status, 401);
    assert_eq!(ask(&right, 7, 1).status, 200);
    assert_eq!(ask("ms_x", 7, 1_100).status, 401);
    let asked = (0..5000).filter(|_| ask(&right, 7, 1_200).status == 200).count();
    assert_eq!(asked, 4000);
    assert_eq!(ask(&right, 7, 1_200).status, 429);
    assert_eq!(ask(&right, 7, 1_210).status, 200);
}

/// A house in which there is something to see of each kind.
fn furnished(name: &str) -> House {
    let mut house = House::new(name);
    let body = format!(r#"{{"extension":"2001","name":"{MARK}"}}"#);
    house.check("POST", LIST, &body, 201, &[]);
    house.check("POST", "/api/v1/users", &format!(r#"{{"name":"{MARK}"}}"#), 201, &[]);
    let body = format!(r#"{{"name":"{MARK}","roles":["read"]}}"#);
    house.check("POST", "/api/v1/keys", &body, 201, &[]);
    house.store.append(TenantId::FIRST, &call_of(1)).unwrap();
    house
}

fn other_tenant(house: &mut House) -> (TenantId, UserId) {
    let tenant = house.store.create_tenant("Other", NOW).unwrap();
    (tenant, house.store.create_user(tenant, "Olga", NOW).unwrap().it.id)
}

/// A path with a name in it that is there, of the first tenant.
fn sample(path: &str) -> String {
    let id = if path.contains("/calls/") { "c1" } else { "1" };
    path.replace("{id}", id)
}

/// Everything that can be changed, as the administrator sees it.
fn seen(house: &mut House) -> Vec<String> {
    let all = crate::store::Paging::Page { page: 1, size: 1000 };
    let read = house.store.read();
    let extensions = read.extensions(TenantId::FIRST, all).unwrap();
    let keys = read.keys(TenantId::FIRST, all).unwrap();
    let users = read.users(TenantId::FIRST, all).unwrap();
    let names = |row: &crate::store::Row<crate::store::AccessKey>| format!("{:?}", row.it.name);
    vec![format!("{extensions:?}"), keys.rows.iter().map(names).collect(), format!("{users:?}")]
}
