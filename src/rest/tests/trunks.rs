//! Trunks are made, shown, changed and deleted.

use super::*;
use crate::call::{Health, TrunkSeen};
use crate::directory::TrunkId;

const TRUNKS: &str = "/api/v1/sip/trunks";

#[test]
fn a_trunk_is_made_shown_changed_replaced_and_deleted() {
    let mut house = House::new("trunk-life");
    let body = r#"{"name":"telekom","host":"sip.carrier.test","username":4930123,"port":5070,
                   "password":"correct horse","addresses":["192.0.2.0/24"],"codecs":["PCMA"]}"#;
    let Reply::Then { deltas, question, finish } = house.ask("POST", TRUNKS, body) else {
        panic!("the switch is not told")
    };
    assert_eq!(question, Question::Settled);
    let [Delta::Trunk(made)] = deltas.as_slice() else { panic!("{deltas:?}") };
    assert_eq!(made.password, "correct horse");
    let response = finish.with(Answer::Settled);
    assert_eq!(response.status, 201);
    assert!(response.headers.contains(&("Location", format!("{TRUNKS}/1"))));
    assert!(!response.body.contains("correct horse"), "{}", response.body);

    let one = format!("{TRUNKS}/1");
    let holds = [
        r#""username":"4930123""#,
        r#""port":5070"#,
        r#""addresses":["192.0.2.0/24"]"#,
        r#""codecs":["pcma"]"#,
        r#""type":"register""#,
    ];
    house.check("GET", &one, "", 200, &holds);
    house.check("GET", &format!("{TRUNKS}/{}", made.uuid), "", 200, &holds);
    house.check("GET", TRUNKS, "", 200, &holds);
    let change = r#"{"port":null,"codecs":null,"description":"main line","password":"staple"}"#;
    let changed = [r#""port":null"#, r#""codecs":[]"#, r#""expires":600"#, "main line"];
    house.check("PATCH", &one, change, 200, &changed);
    assert_eq!(house.store.read().all_trunks().unwrap()[0].password, "staple");
    let replaced = [r#""description":null"#, r#""addresses":[]"#, r#""type":"peer""#];
    let body = r#"{"name":"telekom","host":"192.0.2.1","type":"peer"}"#;
    house.check("PUT", &one, body, 200, &replaced);
    assert_eq!(house.store.read().all_trunks().unwrap()[0].password, "staple");
    house.check("POST", TRUNKS, body, 409, &[r#""field":"name""#]);
    house.check("DELETE", &one, "", 204, &[]);
    for (method, body) in [("GET", ""), ("PATCH", "{}"), ("PUT", body), ("DELETE", "")] {
        house.check(method, &one, body, 404, &[r#""code":"not_found""#]);
    }
    house.check("POST", TRUNKS, body, 201, &[r#""id":2"#]);
}

#[test]
fn everything_that_is_wrong_with_a_trunk_is_told_at_once() {
    let mut house = House::new("trunk-wrong");
    let body = r#"{"nmae":"x","host":"sip:x","type":"isdn","password":17,"addresses":["all"],
                   "codecs":"pcma","expires":1,"uuid":"x","username":"a b","enabled":"yes"}"#;
    let told = house.get("POST", TRUNKS, body);
    assert_eq!(told.status, 422);
    for field in [
        "nmae",
        "name",
        "host",
        "type",
        "password",
        "addresses",
        "codecs",
        "expires",
        "uuid",
        "username",
        "enabled",
    ] {
        let name = format!(r#""field":"{field}""#);
        assert_eq!(told.body.matches(&name).count(), 1, "{field}: {}", told.body);
    }
    assert!(told.body.contains("did you mean 'name'?"), "{}", told.body);
    assert!(!told.body.contains("17"), "{}", told.body);
    // Fields depend on each other, in a change too.
    let body = r#"{"name":"telekom","host":"x.test","username":"a","password":"b"}"#;
    house.check("POST", TRUNKS, body, 201, &[]);
    let one = format!("{TRUNKS}/1");
    house.check("PATCH", &one, r#"{"username":null}"#, 422, &[r#""field":"username""#]);
    house.check("PATCH", &one, r#"{"password":null}"#, 422, &[r#""field":"password""#]);
    let peer = r#"{"type":"peer","username":null,"password":null}"#;
    house.check("PATCH", &one, peer, 200, &[r#""username":null"#]);
    house.check("PATCH", &one, r#"{"inbound_auth":"digest"}"#, 422, &["username", "password"]);
}

#[test]
fn every_field_of_a_trunk_that_is_shown_can_be_sent_back() {
    let mut house = House::new("trunk-back");
    let body = r#"{"name":"telekom","host":"x.test","username":"a","password":"b","port":5070,
                   "transport":"tcp","country":"49","caller_id":"+4930123"}"#;
    let made = house.get("POST", TRUNKS, body).body;
    let Ok(Json::Object(shown)) = Json::parse(&made) else { panic!("{made}") };
    let ours = ["id", "uuid", "created_at", "updated_at"];
    let back: Vec<(String, Json)> =
        shown.into_iter().filter(|it| !ours.contains(&it.0.as_str())).collect();
    let fields = super::super::trunks::FIELDS;
    assert_eq!(back.len() + 1, fields.len(), "all but the password are shown");
    let sent = Json::Object(back).to_string();
    let again = house.get("PUT", &format!("{TRUNKS}/1"), &sent).body;
    let of = |it: &str| it.split(r#""created_at""#).next().unwrap().to_owned();
    assert_eq!(of(&again), of(&made));
}

#[test]
fn a_trunk_shows_how_it_stands() {
    let mut house = House::new("trunk-state");
    let body = r#"{"name":"a","host":"a.test","type":"peer"}"#;
    house.check("POST", TRUNKS, body, 201, &[]);
    let Reply::Then { question, finish, .. } = house.ask("GET", &format!("{TRUNKS}/1"), "") else {
        panic!("the switch is not asked")
    };
    assert_eq!(question, Question::Trunk(TrunkId(1)));
    let since = Wall::parse("2026-11-20T12:00:00Z").unwrap();
    let seen = TrunkSeen {
        registration: None,
        health: Health { reachable: Some(true), since: Some(since), status: Some(200) },
    };
    let body = finish.with(Answer::Trunk(Some(seen))).body;
    for part in [
        r#""state":{"registration":null,"health":{"reachable":true,"#,
        r#""since":"2026-11-20T12:00:00"#,
        r#""status":200}"#,
    ] {
        assert!(body.contains(part), "{body}");
    }
    house.check("GET", &format!("{TRUNKS}/1"), "", 200, &[r#""state":null"#]);
}
