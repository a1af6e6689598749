//! Stories of requests, told to a router with a real store and no network.

mod access;
mod keys;
mod trunks;

use std::path::PathBuf;

use super::*;
use crate::base::{Mono, Rng};
use crate::directory::ExtensionId;
use crate::store::{First, Key, NewKey};

/// A house with a store of its own, gone with it.
struct House {
    api: Api,
    store: Store,
    token: String,
    folder: PathBuf,
}

const NOW: Wall = Wall(1_700_000_000_123_456);
const AT: Now = Now { mono: Mono::from_millis(1), wall: NOW };
const LIST: &str = "/api/v1/sip/extensions";

impl House {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("rest-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("house.db");
        let mut store = Store::open(&file, Key::new([7; 32]), Rng::from_seed(1)).unwrap();
        let first = First { host: "pbx", realm: "pbx", admin_key: None };
        let token = store.first_start(first, NOW).unwrap().unwrap();
        let api = Api::new(Told { server: None, port: 5060 }, Some("ms_local_key"));
        Self { api, store, token, folder }
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
        self.api.answer(&mut self.store, &request, AT)
    }

    /// The response, when the switch has settled; it has neither calls nor phones.
    fn get(&mut self, method: &str, path: &str, body: &str) -> Response {
        settled(self.ask(method, path, body))
    }

    /// The same with other headers.
    fn get_with(&mut self, request: Request) -> Response {
        let authorization = Some(format!("Bearer {}", self.token));
        let request = Request { authorization, ..request };
        settled(self.api.answer(&mut self.store, &request, AT))
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

fn settled(reply: Reply) -> Response {
    match reply {
        Reply::Now(response) => response,
        Reply::Then { question, finish, .. } => finish.with(match question {
            Question::Trunk(_) => Answer::Trunk(None),
            Question::Settled => Answer::Settled,
            Question::Calls { .. } => Answer::Calls(Vec::new(), 0),
            Question::Call(_) | Question::HangUp(_) => Answer::Call(None),
            Question::Sync(_) => Answer::Synced(Some((2, 1))),
            Question::Phones { .. } => Answer::Phones(Vec::new(), 0),
        }),
        Reply::Look(sight) => {
            Response { body: format!("{sight:?}"), ..Response::new(200, &Json::Null) }
        }
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
    assert_eq!(response.headers[0], ("Location", format!("{LIST}/1")));
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
    let kept = house.store.reveal(TenantId::FIRST, KeyId(1), ExtensionId(1), NOW);
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
fn a_change_is_made_to_the_version_that_it_was_thought_for() {
    let mut house = House::new("versions");
    house.check("POST", LIST, r#"{"extension":"2001"}"#, 201, &[]);
    let one = format!("{LIST}/1");
    let tag = house.get("GET", &one, "").headers[0].1.clone();
    let change = |method: &str, if_match: &str, body: &str| Request {
        method: method.into(),
        path: one.clone(),
        if_match: Some(if_match.into()),
        body: body.into(),
        ..Request::default()
    };
    let changed = house.get_with(change("PATCH", &tag, r#"{"name":"Ann"}"#));
    assert_eq!((changed.status, changed.headers[0].0), (200, "ETag"));
    for method in ["PATCH", "PUT", "DELETE"] {
        let refused = house.get_with(change(method, &tag, r#"{"extension":"2001"}"#));
        assert_eq!(refused.status, 412, "{method}");
        assert_eq!(house.get_with(change(method, "W/\"x\", x", "{}")).status, 412);
    }
    house.check("GET", &one, "", 200, &["Ann"]);
    let both = format!("\"0\", {}", changed.headers[0].1);
    assert_eq!(house.get_with(change("PATCH", &both, "{}")).status, 200);
    assert_eq!(house.get_with(change("DELETE", "*", "")).status, 204);
}

#[test]
fn what_is_told_is_told_in_a_form_that_was_asked_for() {
    let mut house = House::new("forms");
    let mut told = |path: &str, accept: &str| {
        let accept = Some(accept.to_owned()).filter(|it| !it.is_empty());
        let path = format!("/api/v1/{path}");
        house.get_with(Request { method: "GET".into(), path, accept, ..Request::default() })
    };
    for accept in ["", "*/*", "application/json", "application/*;q=0.5", "text/html, */*;q=0.1"] {
        assert_eq!(told("sip/extensions", accept).status, 200, "{accept}");
    }
    for accept in ["text/html", "application/json;q=0", "application/xml", "application", "x"] {
        assert_eq!(told("sip/extensions", accept).status, 406, "{accept}");
    }
    for (accept, is_json) in
        [("", false), ("*/*", false), ("application/json", true), ("text/plain, */*", false)]
    {
        let told = told("calls/last/trace", accept);
        assert!(told.body.contains(&format!("is_json: {is_json}")), "{accept}: {}", told.body);
    }
    assert_eq!(told("calls/last/trace", "image/png").status, 406);
}

#[test]
fn the_first_page_of_many_records_is_found_by_what_is_wanted() {
    let mut house = House::new("search");
    for call in 1..=30 {
        house.store.append(TenantId::FIRST, &call_of(call)).unwrap();
    }
    let mut ids = |query: &str| -> Vec<u64> {
        let told = house.get("GET", &format!("/api/v1/cdrs?{query}"), "");
        assert_eq!(told.status, 200, "{}", told.body);
        let parts = told.body.split(r#"{"id":"#).skip(1);
        let ids = parts.filter_map(|it| it.split_once(r#","call_id""#)?.0.parse().ok());
        let mut all: Vec<u64> = ids.collect();
        if let Some((_, link)) = told.headers.iter().find(|it| it.0 == "Link") {
            assert!(link.contains(&format!("after={}&", all.last().unwrap())), "{link}");
            let kept = |it: &str| it.starts_with("after=") || link.contains(it);
            assert!(query.split('&').skip(1).all(kept), "{link}");
            all.push(0);
        }
        all
    };
    // Caller 1000 + call % 3 calls 2000 + call % 5 on the day of the month `call`.
    assert_eq!(ids("limit=3"), [30, 29, 28, 0]);
    assert_eq!(ids("extension=2002"), [27, 22, 17, 12, 7, 2]);
    assert_eq!(ids("extension=1001&from=2023-11-20"), [28, 25, 22]);
    assert_eq!(ids("from=2023-11-03&to=2023-11-05"), [4, 3]);
    assert_eq!(ids("from=2023-11-03T00%3A00%3A00Z&to=2023-11-04T00:00:00%2B00:00"), [3]);
    assert_eq!(ids("limit=2&extension=1001&to=2023-11-20"), [19, 16, 0]);
    assert_eq!(ids("limit=2&extension=1001&to=2023-11-20&after=16"), [13, 10, 0]);
    assert_eq!(ids("extension=3000"), []);
}

/// The facts of a call, from its beginning to its end.
fn call_of(call: u64) -> Vec<crate::call::Fact> {
    use crate::base::{CallId, Cause, LegId};
    use crate::call::event::{By, Fact, What};
    let began = What::Began {
        leg: LegId(1),
        from: (1000 + call % 3).to_string(),
        to: (2000 + call % 5).to_string(),
        sip_call_id: format!("call-{call}"),
        generation: crate::call::plan::Generation(1),
    };
    let ended =
        What::Ended { cause: Cause::Hangup, talked: std::time::Duration::ZERO, by: By::Peer };
    let at = Wall::parse(&format!("2023-11-{call:02}T12:00:00Z")).unwrap();
    let fact = |what| Fact { call: Some(CallId(call)), at, what };
    [began, ended].map(fact).into()
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
        let Reply::Now(told) = house.api.answer(&mut house.store, &request, AT) else { panic!() };
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
    assert_eq!(told.headers, [("Allow", "GET, HEAD, OPTIONS".to_owned())]);
    let told = house.get("OPTIONS", "/api/v1/calls", "");
    assert_eq!((told.status, told.headers[0].0), (204, "Allow"));
    house.check("OPTIONS", "/api/v1/nothing", "", 404, &[]);
    for query in ["from=yesterday", "to=2026-02-30", "extension=%zz", "form=2026-01-01"] {
        house.check("GET", &format!("/api/v1/cdrs?{query}"), "", 422, &["errors"]);
    }
}

#[test]
fn a_moment_is_told_as_people_write_it() {
    let told = |micros| moment(Wall(micros)).to_string();
    assert_eq!(told(0), r#""1970-01-01T00:00:00.000Z""#);
    assert_eq!(told(951_782_400_000_000), r#""2000-02-29T00:00:00.000Z""#);
    assert_eq!(told(1_700_000_000_123_456), r#""2023-11-14T22:13:20.123Z""#);
    assert_eq!(told(4_102_444_799_999_999), r#""2099-12-31T23:59:59.999Z""#);
}
