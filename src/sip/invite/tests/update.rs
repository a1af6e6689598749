//! UPDATE of the peer (RFC 3311).

use super::*;

#[test]
fn an_offer_in_an_update_is_answered_in_its_200_and_moves_the_peer() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    let update =
        with_body(&within("UPDATE", 2, &tag, "u1")).replace("ann@10.0.0.2", "ann@10.0.0.9");
    it.hears(&update);
    assert_eq!((it.sent(), it.told()), (vec![], vec!["Offered".to_owned()]));
    it.endpoint.accept(it.now, LEG, SDP);
    let ok = it.whole().remove(0);
    assert!(ok.starts_with("SIP/2.0 200 ") && ok.contains("CSeq: 2 UPDATE"), "{ok}");
    assert!(ok.ends_with(SDP) && line(&ok, "Allow").contains("UPDATE"), "{ok}");
    assert!(it.endpoint.is_quiet(LEG), "no ACK is waited for");
    it.hears(&update);
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"], "the same again");
    assert_eq!(it.until(40_000), [""; 0]);
    assert_eq!(it.told(), [""; 0]);
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    assert_eq!(it.sent(), ["BYE sip:ann@10.0.0.9:5060 SIP/2.0"]);
}

#[test]
fn a_refused_update_changes_nothing() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.hears(&with_body(&within("UPDATE", 2, &tag, "u1")));
    it.endpoint.reject(it.now, LEG, 488, None);
    assert_eq!(it.sent(), ["SIP/2.0 488 Not Acceptable Here"]);
    assert!(it.endpoint.is_quiet(LEG));
    it.hears(&with_body(&within("UPDATE", 3, &tag, "u2")).replace("application/sdp", "text/plain"));
    assert!(it.sent()[0].starts_with("SIP/2.0 415 "));
    it.hears(&within("UPDATE", 3, &tag, "u3"));
    assert!(it.sent()[0].starts_with("SIP/2.0 500 "), "an old number");
}

#[test]
fn an_offer_that_meets_another_is_put_off() {
    // §5.2: ours is under way.
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.endpoint.modify(it.now, LEG, SDP);
    let invite = it.whole().remove(0);
    it.hears(&with_body(&within("UPDATE", 2, &tag, "u1")));
    assert!(it.sent()[0].starts_with("SIP/2.0 491 "));
    it.hears(&within("UPDATE", 3, &tag, "u2"));
    assert!(it.sent()[0].starts_with("SIP/2.0 200 "), "without an offer there is nothing to meet");
    it.hears(&answer(&invite, "491 Request Pending", "", ""));
    it.sent();
    // Ours waits for another try, and is given up.
    it.hears(&with_body(&within("UPDATE", 4, &tag, "u3")));
    it.endpoint.accept(it.now, LEG, SDP);
    it.sent();
    assert_eq!(it.until(60_000), [""; 0]);
    assert_eq!(it.told(), ["Offered"]);

    // One of theirs is.
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.hears(&with_body(&within("INVITE", 2, &tag, "r1")));
    it.sent();
    it.hears(&with_body(&within("UPDATE", 3, &tag, "u1")));
    let refused = it.whole().remove(0);
    assert!(refused.starts_with("SIP/2.0 500 "), "{refused}");
    let seconds = line(&refused, "Retry-After");
    assert!(seconds.strip_prefix("Retry-After: ").unwrap().parse::<u32>().unwrap() <= 10);
    assert_eq!(it.told(), ["Offered"]);
    it.endpoint.accept(it.now, LEG, SDP);
    assert!(it.sent()[0].starts_with("SIP/2.0 200 "));
    // What that has answered is complete, also while its ACK is under way.
    it.hears(&with_body(&within("UPDATE", 4, &tag, "u2")));
    assert_eq!(it.told(), ["Offered"]);
}

#[test]
fn an_update_while_our_offer_waits_for_its_ack_is_put_off() {
    let mut it = Table::new();
    let late = invite().replace("Content-Type: application/sdp\r\n\r\nv=0\r\n", "\r\n");
    it.is_called(&late);
    it.endpoint.accept(it.now, LEG, SDP);
    it.sent();
    let tag = it.tag.clone();
    it.hears(&with_body(&within("UPDATE", 2, &tag, "u1")));
    assert!(it.sent()[0].starts_with("SIP/2.0 491 "));
    assert_eq!(it.told(), [""; 0]);
}

#[test]
fn before_the_answer_an_offer_waits_for_a_reliable_one() {
    let mut it = Table::called_with("Supported: 100rel");
    let tag = it.tag.clone();
    it.hears(&with_body(&within("UPDATE", 2, &tag, "u1")));
    assert!(it.sent()[0].starts_with("SIP/2.0 500 "));
    it.hears(&within("UPDATE", 3, &tag, "u2"));
    let ok = it.whole().remove(0);
    assert!(ok.starts_with("SIP/2.0 200 ") && !ok.contains("Session-Expires"), "{ok}");
    it.endpoint.ring(it.now, LEG, 183, Some(SDP));
    let progress = it.whole().remove(0);
    it.hears(&with_body(&within("UPDATE", 4, &tag, "u3")));
    assert!(it.sent()[0].starts_with("SIP/2.0 500 "));
    let rack = line(&progress, "RSeq").replace("RSeq", "RAck") + " 1 INVITE";
    it.hears(&with(&within("PRACK", 5, &tag, "p1"), &rack));
    it.hears(&with_body(&within("UPDATE", 6, &tag, "u4")));
    assert_eq!((it.sent().len(), it.told()), (1, vec!["Offered".to_owned()]));
    it.endpoint.accept(it.now, LEG, SDP);
    let ok = it.whole().remove(0);
    assert!(ok.contains("CSeq: 6 UPDATE") && ok.ends_with(SDP), "{ok}");
    it.endpoint.accept(it.now, LEG, SDP);
    assert!(it.whole()[0].contains("CSeq: 1 INVITE"));
}

#[test]
fn what_we_do_not_know_cannot_be_required_within_a_call() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    for method in ["INVITE", "UPDATE", "BYE"] {
        it.hears(&with(&within(method, 2, &tag, method), "Require: timer, precondition"));
        let refused = it.whole().remove(0);
        assert!(refused.starts_with("SIP/2.0 420 "), "{refused}");
        assert_eq!(line(&refused, "Unsupported"), "Unsupported: precondition");
    }
    it.hears(&with(&within("UPDATE", 2, &tag, "u2"), "Require: timer"));
    assert!(it.sent()[0].starts_with("SIP/2.0 200 "));
}

#[test]
fn a_bye_that_crosses_our_refresh_ends_the_call_once() {
    let mut it = Table::up_with("Allow: UPDATE");
    let tag = it.tag.clone();
    it.now = Mono::from_millis(900_000);
    it.endpoint.handle_timeout(it.now);
    let update = it.whole().remove(0);
    it.hears(&within("BYE", 2, &tag, "b1"));
    it.hears(&answer(&update, "481 Call/Transaction Does Not Exist", "", ""));
    assert_eq!(
        (it.sent(), it.told()),
        (vec!["SIP/2.0 200 OK".to_owned()], vec!["Ended(Bye)".to_owned()])
    );
    it.until(1_200_000);
    assert_eq!((it.endpoint.transactions(), it.endpoint.dialogs()), (0, 0));
}

#[test]
fn an_update_for_a_callee_that_has_not_answered_is_of_no_dialog() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    let tag = line(&invite, "From").split("tag=").nth(1).unwrap().to_owned();
    let call_id = line(&invite, "Call-ID");
    it.hears(&within("UPDATE", 2, &tag, "u1").replace("Call-ID: abc", &call_id));
    assert!(it.sent()[0].starts_with("SIP/2.0 481 "));
}
