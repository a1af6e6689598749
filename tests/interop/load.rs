//! What no phone does on demand: a thousand calls, and messages that come late, twice or never.

use std::net::SocketAddr;
use std::time::Duration;

use crate::gate;
use crate::pbx::{EXTENSIONS, Pbx};
use crate::scratch::free_port;
use crate::sipp::{Count, Part, Sipp};
use crate::story::{ended, nothing_is_left};

/// How long a scenario of a few calls may take.
const SHORT: Duration = Duration::from_secs(30);

#[test]
fn a_thousand_calls_at_fifty_a_second_all_succeed() {
    gate::or_return!();
    const CALLS: u32 = 1000;
    let pbx = Pbx::start_wide();
    let callee = registered(&pbx, "callee", CALLS);
    let caller = Sipp::start(&Part { calls: CALLS, rate: 50, ..call(pbx.sip(), "caller") });
    let limit = Duration::from_secs(80);
    caller.succeeds(CALLS, limit);
    callee.succeeds(CALLS, limit);
    nothing_is_left(&pbx);
    ended(&pbx, "hangup");
    assert_eq!(pbx.log().matches(" ended: hangup, talked").count(), CALLS as usize);
}

#[test]
fn an_answer_that_comes_twice_is_acknowledged_twice() {
    gate::or_return!();
    let [_, callee] = check("caller_is_left", "callee_repeats", "hangup");
    assert!(callee.acknowledged >= 2, "{callee:?}");
}

#[test]
fn an_answer_whose_ack_is_lost_comes_again() {
    gate::or_return!();
    let [caller, _] = check("caller_loses_ack", "callee", "hangup");
    assert!(caller.repeated > 0, "the answer did not come again");
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_the_call_ended() {
    gate::or_return!();
    check("caller_cancels", "callee_answers_too_late", "hangup");
}

#[test]
fn a_call_that_is_refused_to_become_a_fax_goes_on() {
    gate::or_return!();
    check("caller_faxes", "callee", "hangup");
}

#[test]
fn a_call_without_an_offer_is_offered_one() {
    gate::or_return!();
    check("caller_late_offer", "callee", "hangup");
}

#[test]
fn a_reinvite_without_an_offer_is_offered_one() {
    gate::or_return!();
    check("caller_late_reinvite", "callee", "hangup");
}

#[test]
fn whoever_has_a_request_pending_is_asked_again() {
    gate::or_return!();
    check("caller_refuses_once", "callee_holds", "hangup");
}

#[test]
fn of_two_requests_at_the_same_moment_theirs_is_refused() {
    gate::or_return!();
    check("caller_glares", "callee_holds", "hangup");
}

#[test]
fn messages_far_larger_than_a_packet_come_over_tcp() {
    gate::or_return!();
    let pbx = Pbx::start();
    let callee = registered(&pbx, "callee", 1);
    let caller = Part { transport: "tcp", ..call(pbx.sip(), "caller_large") };
    Sipp::start(&caller).succeeds(1, SHORT);
    callee.succeeds(1, SHORT);
    ended(&pbx, "hangup");
}

/// One call between two scenarios; the PBX gives this cause for its end.
fn check(caller: &str, callee: &str, cause: &str) -> [Count; 2] {
    let pbx = Pbx::start();
    let callee = registered(&pbx, callee, 1);
    let caller = Sipp::start(&call(pbx.sip(), caller));
    let counts = [caller.succeeds(1, SHORT), callee.succeeds(1, SHORT)];
    ended(&pbx, cause);
    nothing_is_left(&pbx);
    counts
}

/// 1001 calls 1002 once.
fn call<'a>(server: SocketAddr, scenario: &'a str) -> Part<'a> {
    Part {
        scenario,
        server,
        port: free_port(),
        account: EXTENSIONS[0],
        number: EXTENSIONS[1].0,
        transport: "udp",
        calls: 1,
        rate: 1,
    }
}

/// Registers 1002 and lets a scenario answer at the same port.
fn registered(pbx: &Pbx, scenario: &str, calls: u32) -> Sipp {
    let account = EXTENSIONS[1];
    let callee = Part { account, calls, ..call(pbx.sip(), scenario) };
    let register = Part { scenario: "register", calls: 1, ..callee };
    Sipp::start(&register).succeeds(1, SHORT);
    Sipp::start(&callee)
}
