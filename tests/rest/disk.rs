//! A disk that takes nothing more: calls go on, the API says so, and when there is room again, what
//! waited is written.

use std::time::Duration;

use crate::client::Client;
use crate::pbx::Pbx;
use crate::peer::Peer;
use crate::wait::wait_for;

const LIST: &str = "/api/v1/sip/extensions";
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_full_disk_harms_no_call_and_is_forgotten_when_there_is_room() {
    let pbx = Pbx::start();
    let mut client = Client::of(&pbx);
    let mut before = Peer::over_tcp(pbx.sip());
    before.register(0);
    before.invite(0, "*43");
    assert_eq!(before.hear_final_or(0).status(), Some(200));

    pbx.limit_files(Some(1024));
    for n in 0..3 {
        let body = format!(r#"{{"extension":"30{n}"}}"#);
        let refused = client.ask("POST", LIST, &body);
        assert_eq!((refused.status, refused.text("code").as_str()), (507, "disk_full"));
    }
    let one = format!("{LIST}/1");
    assert_eq!(client.ask("PATCH", &one, r#"{"name":"x"}"#).status, 507);
    assert_eq!(client.ask("DELETE", &one, "").status, 507);
    // What would not be kept is not shown.
    assert_eq!(client.ask("GET", &format!("{one}/config"), "").status, 507);
    assert_eq!(client.ask("GET", LIST, "").header("x-total-count"), "2");
    let mut phone = Peer::over_tcp(pbx.sip());
    phone.register(1);
    phone.invite(1, "*43");
    assert_eq!(phone.hear_final_or(0).status(), Some(200));
    assert_eq!(pbx.health("calls"), 2);
    let calls = client.ask("GET", "/api/v1/calls", "").texts("id");
    let of_calls = calls.iter().filter(|it| it.starts_with('c'));
    for id in of_calls {
        assert_eq!(client.ask("DELETE", &format!("/api/v1/calls/{id}"), "").status, 204);
    }
    wait_for("the end of both calls", SOON, || (pbx.health("calls") == 0).then_some(()));
    assert_eq!(client.ask("GET", "/api/v1/cdrs", "").body, "[]");

    pbx.limit_files(None);
    assert_eq!(client.ask("POST", LIST, r#"{"extension":"300"}"#).status, 201);
    wait_for("the records of both calls", SOON, || {
        let listed = client.ask("GET", "/api/v1/cdrs", "");
        (listed.texts("sip_call_id").len() == 2).then_some(())
    });
    assert!(!pbx.log().contains("a bug"), "{}", pbx.log());
    let pbx = Pbx::start_in(pbx.kill());
    let mut client = Client::of(&pbx);
    assert_eq!(client.ask("GET", LIST, "").header("x-total-count"), "3");
}
