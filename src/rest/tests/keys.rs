//! Access keys and users.

use super::*;

const KEYS: &str = "/api/v1/keys";
const USERS: &str = "/api/v1/users";

#[test]
fn a_key_is_shown_once_opens_what_it_says_and_is_taken_away() {
    let mut house = House::new("keys");
    let admin = house.token.clone();
    let body = r#"{"name":"CI","roles":["read","read"],"expires_at":"2030-01-01T00:00:00Z"}"#;
    let made = house.get("POST", KEYS, body);
    assert_eq!((made.status, made.headers[0].1.as_str()), (201, "/api/v1/keys/2"));
    let token = made.body.split(r#""key":""#).nth(1).unwrap().trim_end_matches("\"}").to_owned();
    assert!(token.starts_with("ms_"), "{token}");
    for path in [KEYS, "/api/v1/keys/2"] {
        let listed = house.get("GET", path, "");
        assert!(!listed.body.contains(&token) && listed.body.contains(&token[..7]));
    }
    let shown = [
        r#""name":"CI","user_id":1"#,
        r#""roles":["read"],"expires_at":"2030-01-01T00:00:00.000Z","last_used_at":null"#,
    ];
    house.check("GET", "/api/v1/keys/2", "", 200, &shown);
    house.token.clone_from(&token);
    house.check("GET", LIST, "", 200, &[]);
    house.check("POST", LIST, "{}", 403, &["write"]);
    house.check("GET", KEYS, "", 403, &["admin"]);
    house.token.clone_from(&admin);
    house.check("GET", "/api/v1/keys/2", "", 200, &[r#""last_used_at":"2023-11-14T22:13:20"#]);
    house.check("DELETE", "/api/v1/keys/2", "", 204, &[]);
    house.check("DELETE", "/api/v1/keys/2", "", 404, &[]);
    house.token = token;
    house.check("GET", LIST, "", 401, &[]);
}

#[test]
fn a_wrong_key_or_user_is_refused_with_every_reason() {
    let mut house = House::new("wrong-keys");
    let body = r#"{"roles":["raed",7],"user_id":9,"expires_at":"2020-01-01","key":"x","id":1}"#;
    let told = house.get("POST", KEYS, body);
    assert_eq!(told.status, 422);
    for it in ["a key needs a name", "did you mean 'read'?", "there is no such user"] {
        assert!(told.body.contains(it), "{it}: {}", told.body);
    }
    for it in ["this moment is over", r#""field":"key""#, "this is ours to say"] {
        assert!(told.body.contains(it), "{it}: {}", told.body);
    }
    for body in [
        r#"{"name":"x"}"#,
        r#"{"name":"x","roles":[]}"#,
        r#"{"name":"x","roles":"read"}"#,
        r#"{"name":"","roles":["read"]}"#,
        r#"{"name":"a\nb","roles":["read"]}"#,
        r#"{"name":7,"roles":["read"]}"#,
        r#"{"name":"x","roles":["read"],"expires_at":5}"#,
        r#"{"name":"x","roles":["read"],"user_id":"1"}"#,
    ] {
        house.check("POST", KEYS, body, 422, &[]);
    }
    for body in ["{}", r#"{"name":""}"#, r#"{"name":null}"#, r#"{"name":"x","password":"y"}"#] {
        house.check("POST", USERS, body, 422, &[]);
    }
    assert!(house.get("GET", KEYS, "").headers.contains(&("X-Total-Count", "1".to_owned())));
    assert!(house.get("GET", USERS, "").headers.contains(&("X-Total-Count", "1".to_owned())));
}

#[test]
fn a_user_goes_with_their_keys_but_never_the_last_who_may_do_everything() {
    let mut house = House::new("users");
    house.check("POST", USERS, r#"{"name":"Ann"}"#, 201, &[r#""id":2"#]);
    house.check("PATCH", "/api/v1/users/2", r#"{"name":"Anna"}"#, 200, &["Anna"]);
    house.check("GET", USERS, "", 200, &["Administrator", "Anna"]);
    let body = r#"{"name":"Ann's","roles":["admin"],"user_id":2}"#;
    house.check("POST", KEYS, body, 201, &[r#""user_id":2"#]);
    house.check("DELETE", "/api/v1/users/2", "", 204, &[]);
    house.check("GET", "/api/v1/users/2", "", 404, &[]);
    house.check("PATCH", "/api/v1/users/2", r#"{"name":"x"}"#, 404, &[]);
    house.check("GET", "/api/v1/keys/2", "", 404, &[]);
    let lasts = r#"{"name":"ends","roles":["admin"],"expires_at":"2030-01-01"}"#;
    house.check("POST", KEYS, lasts, 201, &[]);
    for path in ["/api/v1/users/1", "/api/v1/keys/1"] {
        house.check("DELETE", path, "", 409, &[r#""code":"last_key""#]);
    }
    house.check("POST", KEYS, r#"{"name":"next","roles":["admin"]}"#, 201, &[]);
    house.check("DELETE", "/api/v1/keys/1", "", 204, &[]);
    house.check("GET", KEYS, "", 401, &[]);
}
