//! Provisional responses that arrive, on either side (RFC 3262).

use super::*;

const REQUIRED: &str = "Require: 100rel";
const SUPPORTED: &str = "Supported: 100rel";

#[test]
fn a_reliable_response_is_repeated_until_its_prack() {
    let mut it = Table::called_with(REQUIRED);
    it.endpoint.ring(it.now, LEG, 180, None);
    let ringing = it.whole().remove(0);
    assert!(
        ringing.starts_with("SIP/2.0 180 ") && ringing.contains("Require: 100rel"),
        "{ringing}"
    );
    let times = ["500", "1500", "3500", "7500"].map(|it| format!("{it} SIP/2.0 180 Ringing"));
    assert_eq!(it.until(10_000), times, "T2 is no limit");
    it.prack(&ringing, 2, 0, "p1");
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    it.prack(&ringing, 2, 0, "p1");
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"], "its 200 was lost");
    assert_eq!(it.until(50_000), [""; 0]);
    assert_eq!(it.told(), [""; 0]);
}

#[test]
fn who_never_acknowledges_is_refused() {
    let mut it = Table::called_with(REQUIRED);
    it.endpoint.ring(it.now, LEG, 180, None);
    it.sent();
    let sent = it.until(32_000);
    assert_eq!(sent.last().unwrap(), "32000 SIP/2.0 500 Server Internal Error");
    assert_eq!(it.told(), ["Ended(NoAck)"]);
    it.until(200_000);
    assert_eq!((it.endpoint.transactions(), it.endpoint.dialogs()), (0, 0));
}

#[test]
fn an_answer_waits_until_the_one_before_it_has_arrived() {
    let mut it = Table::called_with(SUPPORTED);
    it.endpoint.ring(it.now, LEG, 180, None);
    assert!(!it.whole()[0].contains("100rel"), "nobody has asked for that");
    it.endpoint.ring(it.now, LEG, 183, Some(SDP));
    let progress = it.whole().remove(0);
    assert!(progress.contains("Require: 100rel") && progress.ends_with(SDP), "{progress}");
    it.endpoint.accept(it.now, LEG, SDP);
    assert_eq!(it.sent(), [""; 0], "§3: not before the PRACK");
    it.prack(&progress, 2, 0, "p1");
    let sent = it.whole();
    assert!(sent[0].contains("CSeq: 2 PRACK") && sent[1].contains("CSeq: 1 INVITE"), "{sent:?}");
    assert!(sent[1].starts_with("SIP/2.0 200 ") && !sent[1].contains(SDP), "said once");
    let tag = it.tag.clone();
    it.hears(&within("ACK", 1, &tag, "a1"));
    assert_eq!(it.told(), ["Acked { sdp: None }"]);
}

#[test]
fn what_is_to_be_said_meanwhile_follows_in_order() {
    let mut it = Table::called_with(REQUIRED);
    it.endpoint.ring(it.now, LEG, 180, None);
    let first = it.whole().remove(0);
    it.endpoint.ring(it.now, LEG, 183, Some(SDP));
    it.endpoint.ring(it.now, LEG, 180, None);
    assert_eq!(it.sent(), [""; 0], "one at a time");
    it.prack(&first, 2, 0, "p1");
    let sent = it.whole();
    assert!(sent[1].starts_with("SIP/2.0 180 ") && sent[1].ends_with(SDP), "{sent:?}");
    assert_eq!(rseq(&sent[1]), rseq(&first) + 1);
    it.prack(&sent[1], 3, 0, "p2");
    it.sent();
    it.endpoint.ring(it.now, LEG, 183, Some(SDP));
    let third = it.whole().remove(0);
    assert!(!third.contains(SDP), "what has arrived is not said again: {third}");
    // §3: one without an answer holds nobody up.
    it.endpoint.accept(it.now, LEG, SDP);
    assert!(it.sent()[0].starts_with("SIP/2.0 200 "));
}

#[test]
fn a_prack_for_something_else_counts_for_nothing() {
    let mut it = Table::called_with(REQUIRED);
    it.endpoint.ring(it.now, LEG, 180, None);
    let ringing = it.whole().remove(0);
    let (tag, right) = (it.tag.clone(), rseq(&ringing));
    let wrong = [
        format!("{} 1 INVITE", right + 1),
        format!("{right} 2 INVITE"),
        format!("{right} 1 BYE"),
        format!("{right} 1 INVITE INVITE"),
        format!("{right} 1"),
        "99999999999999999999 1 INVITE".to_owned(),
        "-1 +1 INVITE".to_owned(),
        String::new(),
    ];
    for (number, rack) in (2..).zip(&wrong) {
        let prack = within("PRACK", number, &tag, &format!("p{number}"));
        it.hears(&with(&prack, &format!("RAck: {rack}")));
        assert!(it.sent()[0].starts_with("SIP/2.0 481 "), "{rack}");
    }
    assert_eq!(it.until(500).len(), 1, "it is still said again");
    it.prack(&ringing, 20, 0, "right");
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    it.prack(&ringing, 21, 0, "again");
    assert!(it.sent()[0].starts_with("SIP/2.0 481 "), "nothing waits for it");
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let mut it = Table::called_with(SUPPORTED);
    it.endpoint.ring(it.now, LEG, 183, Some(SDP));
    let progress = it.whole().remove(0);
    it.endpoint.accept(it.now, LEG, SDP);
    let tag = it.tag.clone();
    let prack =
        with(&within("PRACK", 2, &tag, "p1"), &format!("RAck: {} 1 INVITE", rseq(&progress)));
    it.hears(&with_body(&prack));
    assert_eq!((it.sent(), it.told()), (vec![], vec!["Offered".to_owned()]));
    assert!(it.endpoint.is_urgent(LEG));
    it.endpoint.accept(it.now, LEG, SDP);
    let sent = it.whole();
    assert!(sent[0].contains("CSeq: 2 PRACK") && sent[0].ends_with(SDP), "{sent:?}");
    assert!(sent[1].starts_with("SIP/2.0 200 ") && sent[1].contains("CSeq: 1 INVITE"));
    // One in a PRACK for a response without our answer comes too early.
    let mut it = Table::called_with(REQUIRED);
    it.endpoint.ring(it.now, LEG, 180, None);
    let ringing = it.whole().remove(0);
    let tag = it.tag.clone();
    let prack =
        with(&within("PRACK", 2, &tag, "p1"), &format!("RAck: {} 1 INVITE", rseq(&ringing)));
    it.hears(&with_body(&prack));
    assert!(it.sent()[0].starts_with("SIP/2.0 488 "));
    assert_eq!(it.told(), [""; 0]);
}

#[test]
fn a_call_that_ends_before_its_prack_leaves_nothing() {
    for ending in ["cancel", "bye", "reject", "hang up"] {
        let mut it = Table::called_with(SUPPORTED);
        it.endpoint.ring(it.now, LEG, 183, Some(SDP));
        it.endpoint.accept(it.now, LEG, SDP);
        let progress = it.whole().remove(0);
        let tag = it.tag.clone();
        match ending {
            "cancel" => it.hears(&invite().replace("INVITE", "CANCEL").replace(BODY, "")),
            "bye" => it.hears(&within("BYE", 2, &tag, "b1")),
            "reject" => it.endpoint.reject(it.now, LEG, 486, None),
            _ => it.endpoint.hang_up(it.now, LEG, &Reason::q850(16)),
        }
        assert!(!it.sent().iter().any(|it| it.starts_with("SIP/2.0 183")), "{ending}");
        assert_eq!(it.endpoint.dialogs(), 0, "{ending}");
        it.prack(&progress, 3, 0, "late");
        assert!(it.sent()[0].starts_with("SIP/2.0 481 "), "{ending}");
        it.until(200_000);
        assert_eq!(it.endpoint.transactions(), 0, "{ending}");
    }
}

#[test]
fn a_caller_who_wants_our_offer_and_reliability_is_told_nothing_before_it() {
    let mut it = Table::new();
    let late =
        invite().replace("Content-Type: application/sdp\r\n\r\nv=0\r\n", "Require: 100rel\r\n\r\n");
    it.is_called(&late);
    it.endpoint.ring(it.now, LEG, 180, None);
    assert_eq!(it.sent(), [""; 0], "RFC 3261 §13.2.1: it would have to carry our offer");
    it.endpoint.accept(it.now, LEG, SDP);
    assert!(it.whole()[0].ends_with(SDP));
}

#[test]
fn a_callees_reliable_responses_are_acknowledged_in_order() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    assert!(line(&invite, "Supported").contains("100rel"), "{invite}");
    it.hears(&reliable(&invite, "180 Ringing", "bob", "7", ""));
    let prack = it.whole().remove(0);
    assert!(prack.starts_with("PRACK sip:bob@10.0.0.3:5099 SIP/2.0"), "{prack}");
    assert_eq!(line(&prack, "RAck"), "RAck: 7 1 INVITE");
    assert_eq!(line(&prack, "CSeq"), "CSeq: 2 PRACK");
    assert!(line(&prack, "To").ends_with(";tag=bob"));
    assert_eq!(it.told(), ["Ringing { status: 180 }"]);
    for number in ["7", "9", "6", "x", "", "4294967296"] {
        it.hears(&reliable(&invite, "183 Session Progress", "bob", number, BODY));
        assert_eq!((it.sent(), it.told()), (vec![], vec![]), "{number}");
    }
    assert_eq!(it.until(600), ["500 PRACK sip:bob@10.0.0.3:5099 SIP/2.0"], "by its transaction");
    it.hears(&answer(&prack, "200 OK", "", ""));
    it.hears(&reliable(&invite, "183 Session Progress", "bob", "8", "v=1\r\n"));
    let second = it.whole().remove(0);
    assert_eq!(line(&second, "CSeq"), "CSeq: 3 PRACK");
    it.told();
    it.hears(&answer(&invite, "200 OK", "bob", BODY));
    let ack = it.whole().remove(0);
    assert_eq!(line(&ack, "CSeq"), "CSeq: 1 ACK");
    let Some(EndpointEvent::Leg(_, Event::Accepted { sdp })) = it.endpoint.events.pop_front()
    else {
        panic!("not accepted")
    };
    assert_eq!(sdp.as_deref(), Some(&b"v=1\r\n"[..]), "what came reliably is the answer");
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    assert!(it.whole()[0].contains("CSeq: 4 BYE"));
}

#[test]
fn each_fork_counts_for_itself_and_their_number_is_bounded() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    for fork in 0..20 {
        it.hears(&reliable(&invite, "180 Ringing", &format!("f{fork}"), "4294967295", ""));
    }
    assert_eq!(it.sent().len(), 8);
    it.told();
    it.hears(&reliable(&invite, "180 Ringing", "f0", "0", ""));
    assert_eq!((it.sent(), it.told()), (vec![], vec![]), "its numbers are used up");
    it.hears(&answer(&invite, "200 OK", "f3", BODY));
    assert_eq!(it.told(), ["Accepted"]);
    it.sent();
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    let bye = it.whole().remove(0);
    assert!(bye.contains("CSeq: 3 BYE") && bye.contains(";tag=f3"), "{bye}");
}

impl Table {
    /// The peer acknowledges a reliable response; `off` is what it gets wrong.
    fn prack(&mut self, response: &str, number: u32, off: u32, branch: &str) {
        let tag = self.tag.clone();
        let rack = format!("RAck: {} 1 INVITE", rseq(response) + off);
        self.hears(&with(&within("PRACK", number, &tag, branch), &rack));
    }
}

fn rseq(response: &str) -> u32 {
    line(response, "RSeq").strip_prefix("RSeq: ").unwrap().parse().unwrap()
}

fn reliable(invite: &str, status: &str, tag: &str, number: &str, body: &str) -> String {
    with(&answer(invite, status, tag, body), &format!("Require: 100rel\r\nRSeq: {number}"))
}
