//! Stories of requests, told to a router with a real store and no network.

use std::path::PathBuf;

use super::*;
use crate::base::Rng;
use crate::directory::{ExtensionId, TenantId};
use crate::store::{First, Key, NewKey, UserId};

/// A house with a store of its own, gone with it.
struct House {
    api: Api,
    store: Store,
    token: String,
    folder: PathBuf,
}

const NOW: Wall = Wall(1_700_000_000_123_456);
const LIST: &str = "/api/v1/sip/extensions";

impl House {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("rest-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("house.db");
        let mut store = Store::open(&file, Key::new([7; 32]), Rng::from_seed(1)).unwrap();
        let first = First { host: "pbx", realm: "pbx", admin_key: None };
        let token = store.first_start(first, NOW).unwrap().unwrap();
        Self { api: Api { server: None, port: 5060 }, store, token, folder }
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Reply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            authorization: Some(format!("Bearer {}", self.token)),
            host: Some("192.0.2.1:8080".into()),
            body: body.into(),
            ..Request::default()
        };
        self.api.answer(&mut self.store, &request, NOW)
    }

    /// The response, when the switch has settled.
    fn get(&mut self, method: &str, path: &str, body: &str) -> Response {
        match self.ask(method, path, body) {
            Reply::Now(response) => response,
            Reply::Then { finish, .. } => finish.with(Answer::Settled),
        }
    }

    #[track_caller]
    fn check(&mut self, method: &str, path: &str, body: &str, status: u16, holds: &[&str]) {
        let response = self.get(method, path, body);
        assert_eq!(response.status, status, "{method} {path}: {}", response.body);
        for it in holds {
            assert!(response.body.contains(it), "no {it} in {}", response.body);
        }
    }

    /// The same house for somebody who may do less.
    fn allow(&mut self, roles: &[Role]) {
        let new = NewKey { name: "x".into(), roles: roles.to_vec(), expires: None };
        self.token = self.store.create_key(TenantId::FIRST, UserId(1), new, NOW).unwrap().1;
    }
}

impl Drop for House {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn an_extension_is_made_shown_changed_replaced_and_deleted() {
    let mut house = House::new("life");
    let Reply::Then { deltas, question, finish } =
        house.ask("POST", LIST, r#"{"extension":2001,"description":"desk","forward_all":"1"}"#)
    else {
        panic!("the switch is not told")
    };
    assert_eq!(question, Question::Settled);
    let [Delta::Extension(made)] = deltas.as_slice() else { panic!("{deltas:?}") };
    let response = finish.with(Answer::Settled);
    assert_eq!(response.status, 201);
    assert_eq!(response.headers, [("Location", format!("{LIST}/1"))]);
    assert!(response.body.contains(&format!(r#""password":"{}""#, made.password)));
    let one = format!("{LIST}/1");
    house.check("GET", &one, "", 200, &[r#""extension":"2001""#, r#""forward_all":"1""#]);
    assert!(!house.get("GET", &one, "").body.contains(&made.password));
    house.check("GET", &format!("{LIST}/{}", made.uuid), "", 200, &[r#""id":1"#]);

    let change = r#"{"name":"Ann","forward_all":null}"#;
    let changed = [r#""name":"Ann""#, r#""description":"desk""#, r#""forward_all":null"#];
    house.check("PATCH", &one, change, 200, &changed);
    let replaced = [r#""name":"2001""#, r#""description":null"#];
    house.check("PUT", &one, r#"{"extension":"2001"}"#, 200, &replaced);
    let kept = house.store.reveal(TenantId::FIRST, crate::store::KeyId(1), ExtensionId(1), NOW);
    assert_eq!(kept.unwrap(), made.password);
    house.check("PUT", &one, "{}", 422, &[r#""field":"extension""#]);

    house.check("DELETE", &one, "", 204, &[]);
    for (method, body) in [("GET", ""), ("PATCH", "{}"), ("DELETE", "")] {
        house.check(method, &one, body, 404, &[r#""code":"not_found""#]);
    }
    house.check("POST", LIST, r#"{"extension":"2001"}"#, 201, &[r#""id":2"#]);
    house.check("POST", LIST, r#"{"extension":"2001"}"#, 409, &[r#""field":"extension""#]);
}

#[test]
fn who_sends_many_wrong_fields_is_told_of_each_once() {
    let mut house = House::new("wrong");
    let body = r#"{"extension":{},"naem":"x","password":"1hunter","enabled":"yes","max_contacts":99,
                   "type":"webcam","id":5,"forward_busy":"10 02"}"#;
    let told = house.get("POST", LIST, body);
    assert_eq!((told.status, told.kind), (422, "application/problem+json"));
    for field in
        ["extension", "naem", "password", "enabled", "max_contacts", "type", "id", "forward_busy"]
    {
        let name = format!(r#""field":"{field}""#);
        assert_eq!(told.body.matches(&name).count(), 1, "{field}: {}", told.body);
    }
    assert!(told.body.contains("did you mean 'name'?"), "{}", told.body);
    assert!(!told.body.contains("1hunter"), "{}", told.body);
    assert!(house.store.read().directory().unwrap().is_empty());
}

#[test]
fn nobody_without_a_key_learns_anything() {
    let mut house = House::new("nobody");
    for authorization in [None, Some("Bearer"), Some("Bearer ms_wrong"), Some("Basic eDp5")] {
        let request = Request {
            method: "GET".into(),
            path: LIST.into(),
            authorization: authorization.map(str::to_owned),
            ..Request::default()
        };
        let Reply::Now(told) = house.api.answer(&mut house.store, &request, NOW) else { panic!() };
        assert_eq!(told.status, 401);
        assert!(told.headers.iter().any(|it| it.0 == "WWW-Authenticate"));
    }
}

#[test]
fn a_key_allows_what_its_roles_say() {
    let mut house = House::new("roles");
    house.check("POST", LIST, r#"{"extension":"2001","password":"battery-staple"}"#, 201, &[]);
    let config = format!("{LIST}/1/config");
    let shown = [r#""password":"battery-staple""#, r#""server":"192.0.2.1""#, r#""port":5060"#];
    house.check("GET", &config, "", 200, &shown);
    let paging = crate::store::Paging::Page { page: 1, size: 10 };
    assert_eq!(house.store.read().reveals(TenantId::FIRST, paging).unwrap().rows.len(), 1);
    house.allow(&[Role::Read]);
    house.check("GET", LIST, "", 200, &["2001"]);
    house.check("GET", &config, "", 403, &["credentials"]);
    house.check("DELETE", &format!("{LIST}/1"), "", 403, &["write"]);
    house.check("DELETE", "/api/v1/calls/c1", "", 403, &["write"]);
    house.allow(&[Role::Write]);
    house.check("GET", LIST, "", 403, &["read"]);
    house.check("PATCH", &format!("{LIST}/1"), "{}", 200, &[]);
}

#[test]
fn a_list_comes_in_pages_with_their_links() {
    let mut house = House::new("pages");
    for number in 2001..2006 {
        house.check("POST", LIST, &format!(r#"{{"extension":{number}}}"#), 201, &[]);
    }
    let listed = house.get("GET", &format!("{LIST}?page=2&size=2"), "");
    assert!(listed.body.starts_with(r#"[{"id":3,"#), "{}", listed.body);
    let links = format!(
        "<{LIST}?page=1&size=2>; rel=\"first\", <{LIST}?page=1&size=2>; rel=\"prev\", \
         <{LIST}?page=3&size=2>; rel=\"next\", <{LIST}?page=3&size=2>; rel=\"last\""
    );
    assert_eq!(listed.headers, [("X-Total-Count", "5".to_owned()), ("Link", links)]);
    house.check("GET", &format!("{LIST}?page=9"), "", 200, &["[]"]);
    house.check("GET", &format!("{LIST}?page=0&siez=1"), "", 422, &["page", "did you mean 'size'"]);
}

#[test]
fn what_makes_no_sense_is_answered_with_a_problem() {
    let mut house = House::new("nonsense");
    house.check("GET", "/api/v1/nothing", "", 404, &[]);
    house.check("GET", "/api/v2/calls", "", 404, &[]);
    house.check("GET", &format!("{LIST}/99999999999999999999"), "", 404, &[]);
    house.check("GET", "/api/v1/calls/c+1", "", 404, &[]);
    house.check("GET", "/api/v1/cdrs/1", "", 404, &[]);
    house.check("GET", "/api/v1/cdrs?after=5&limit=10", "", 200, &["[]"]);
    house.check("POST", LIST, "{", 400, &[r#""code":"malformed""#, "byte 1"]);
    house.check("POST", LIST, "[]", 400, &["object"]);
    let told = house.get("POST", "/api/v1/calls", "");
    assert_eq!(told.status, 405);
    assert_eq!(told.headers, [("Allow", "GET, HEAD".to_owned())]);
}

#[test]
fn a_moment_is_told_as_people_write_it() {
    let told = |micros| moment(Wall(micros)).to_string();
    assert_eq!(told(0), r#""1970-01-01T00:00:00.000Z""#);
    assert_eq!(told(951_782_400_000_000), r#""2000-02-29T00:00:00.000Z""#);
    assert_eq!(told(1_700_000_000_123_456), r#""2023-11-14T22:13:20.123Z""#);
    assert_eq!(told(4_102_444_799_999_999), r#""2099-12-31T23:59:59.999Z""#);
}
