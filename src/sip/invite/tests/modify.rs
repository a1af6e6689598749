//! Offers of ours within a dialog, and what a peer may make of them.

use super::*;

const AGAIN: &str = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\n";

#[test]
fn an_offer_of_ours_is_answered_acked_and_acked_again() {
    let mut it = Table::up();
    let invite = it.offers();
    assert!(invite.starts_with("INVITE sip:ann@10.0.0.2:5060 SIP/2.0"), "{invite}");
    assert!(invite.contains("CSeq: 1 INVITE") && invite.contains("Contact: <sip:10.0.0.1:5060>"));
    assert!(invite.ends_with(AGAIN) && line(&invite, "To").ends_with(";tag=ann"));
    it.hears(&answer(&invite, "200 OK", "", BODY));
    let ack = it.whole();
    // The answer moves the peer (§12.2.1.2).
    assert!(ack[0].starts_with("ACK sip:bob@10.0.0.3:5099 SIP/2.0"), "{ack:?}");
    assert!(ack[0].contains("CSeq: 1 ACK"));
    assert_ne!(line(&ack[0], "Via"), line(&invite, "Via"), "a transaction of its own");
    assert_eq!(it.told(), ["Modified"]);
    it.hears(&answer(&invite, "200 OK", "", BODY));
    assert_eq!((it.whole(), it.told()), (ack, vec![]));
    assert!(it.endpoint.is_quiet(LEG));
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    assert_eq!(it.sent(), ["BYE sip:bob@10.0.0.3:5099 SIP/2.0"]);
    it.hears(&answer(&invite, "200 OK", "", BODY));
    let sent = it.sent();
    assert!(sent.len() == 1 && sent[0].starts_with("ACK "), "no second BYE: {sent:?}");
}

#[test]
fn an_offer_waits_for_its_turn() {
    let mut it = Table::called();
    it.endpoint.modify(it.now, LEG, AGAIN);
    it.endpoint.accept(it.now, LEG, SDP);
    it.sent();
    it.endpoint.modify(it.now, LEG, AGAIN);
    assert_eq!(it.sent(), [""; 0], "before the ACK there is no dialog to speak of");
    let tag = it.tag.clone();
    it.hears(&within("ACK", 1, &tag, "ack1"));
    it.offers();
    it.endpoint.modify(it.now, LEG, AGAIN);
    assert_eq!(it.sent(), [""; 0], "one at a time");
}

#[test]
fn an_offer_that_meets_one_of_the_peers_is_put_off_and_made_again() {
    // §14.1: who owns the Call-ID waits longer.
    for (mut it, waits) in [(Table::up(), 0..=2_000), (Table::up_by_us(), 2_100..=4_000)] {
        let mut tries = 0;
        let mut invite = it.offers();
        loop {
            let from = it.now.as_millis();
            it.hears(&answer(&invite, "491 Request Pending", "", ""));
            assert!(it.sent()[0].starts_with("ACK "));
            if it.endpoint.is_quiet(LEG) {
                break;
            }
            let at = it.endpoint.poll_timeout().unwrap();
            let waited = at.as_millis() - from;
            assert!(waits.contains(&waited) && waited.is_multiple_of(10), "{waited}");
            it.now = at;
            it.endpoint.handle_timeout(at);
            invite = it.whole().remove(0);
            assert!(invite.starts_with("INVITE ") && invite.ends_with(AGAIN), "{invite}");
            tries += 1;
        }
        assert_eq!(tries, 5);
        assert_eq!(it.told(), ["NotModified { status: 491 }"]);
    }
}

#[test]
fn the_peers_offer_gets_491_while_ours_is_under_way_and_takes_its_place_while_it_waits() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    let ours = it.offers();
    let theirs = with_body(&within("INVITE", 2, &tag, "g1"));
    it.hears(&theirs);
    assert_eq!(it.sent(), ["SIP/2.0 491 Request Pending"]);
    it.hears(&theirs);
    assert_eq!(it.sent(), ["SIP/2.0 491 Request Pending"], "the same when it comes again");
    it.hears(&within("ACK", 2, &tag, "g1"));
    it.hears(&answer(&ours, "491 Request Pending", "", ""));
    it.sent();
    assert_eq!(it.told(), [""; 0]);
    it.hears(&with_body(&within("INVITE", 3, &tag, "g2")));
    assert_eq!(it.told(), ["Offered"]);
    it.endpoint.accept(it.now, LEG, SDP);
    it.hears(&within("ACK", 3, &tag, "g3"));
    assert_eq!(it.told(), ["Acked { sdp: None }"]);
    it.sent();
    assert_eq!(it.until(60_000), [""; 0], "ours was given up");
}

#[test]
fn a_peer_may_ask_us_to_come_back_soon_but_not_some_day() {
    for (after, comes_back) in [("3", true), ("10;duration=5", true), ("3600", false), ("x", false)]
    {
        let mut it = Table::up();
        let invite = it.offers();
        let busy = answer(&invite, "500 Server Internal Error", "", "");
        it.hears(&busy.replace("Contact:", &format!("Retry-After: {after}\r\nContact:")));
        it.sent();
        let sent = it.until(30_000);
        assert_eq!(sent.iter().any(|it| it.contains("INVITE")), comes_back, "{after}: {sent:?}");
        assert_eq!(it.told().is_empty(), comes_back, "{after}");
    }
}

#[test]
fn a_refused_offer_changes_nothing_and_a_lost_call_is_over() {
    for status in ["401 Unauthorized", "488 Not Acceptable Here", "500 Error", "603 Decline"] {
        let mut it = Table::up();
        let invite = it.offers();
        it.hears(&answer(&invite, status, "", ""));
        assert!(it.sent()[0].starts_with("ACK "));
        assert_eq!(it.told(), [format!("NotModified {{ status: {} }}", &status[..3])]);
        assert!(it.endpoint.is_quiet(LEG), "{status}");
    }
    for (status, has_bye) in
        [("481 Gone", false), ("408 Request Timeout", true), ("404 Lost", true)]
    {
        let mut it = Table::up();
        let invite = it.offers();
        it.hears(&answer(&invite, status, "", ""));
        assert_eq!(it.told(), ["Ended(Gone)"], "{status}");
        assert_eq!(it.sent().iter().any(|it| it.starts_with("BYE ")), has_bye, "{status}");
        assert_eq!(it.endpoint.dialogs(), 0);
    }
}

#[test]
fn a_peer_that_says_nothing_to_our_offer_is_gone() {
    let mut it = Table::up();
    it.offers();
    let sent = it.until(33_000);
    assert!(sent.iter().any(|it| it.starts_with("32000 BYE")), "{sent:?}");
    assert_eq!(it.told(), ["Ended(Gone)"]);

    let mut it = Table::up();
    let invite = it.offers();
    it.hears(&answer(&invite, "100 Trying", "", ""));
    assert_eq!(it.until(179_000), [""; 0], "it may ask its owner");
    let sent = it.until(181_000);
    assert!(sent[0].starts_with("180000 BYE"), "{sent:?}");
    assert_eq!(it.told(), ["Ended(Gone)"]);
    it.until(300_000);
    assert_eq!((it.endpoint.transactions(), it.endpoint.dialogs()), (0, 0));
}

#[test]
fn a_bye_ends_an_offer_that_is_under_way() {
    for by_us in [true, false] {
        for trying in [true, false] {
            let mut it = Table::up();
            let tag = it.tag.clone();
            let invite = it.offers();
            if trying {
                it.hears(&answer(&invite, "100 Trying", "", ""));
            }
            match by_us {
                true => it.endpoint.hang_up(it.now, LEG, &Reason::q850(16)),
                false => it.hears(&within("BYE", 2, &tag, "b")),
            }
            it.sent();
            it.told();
            it.hears(&answer(&invite, "200 OK", "", BODY));
            let sent = it.sent();
            assert!(sent.len() == 1 && sent[0].starts_with("ACK "), "{sent:?}");
            assert_eq!(it.told(), [""; 0], "who has left hears no more");
            it.until(100_000);
            assert_eq!((it.endpoint.transactions(), it.endpoint.dialogs()), (0, 0));
        }
    }
    // And when nothing comes any more.
    let mut it = Table::up();
    let invite = it.offers();
    it.hears(&answer(&invite, "100 Trying", "", ""));
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    it.until(100_000);
    assert_eq!((it.endpoint.transactions(), it.endpoint.dialogs()), (0, 0));
}

#[test]
fn the_answer_to_our_late_offer_stands_in_the_ack() {
    let mut it = Table::called();
    it.endpoint.accept(it.now, LEG, SDP);
    let tag = it.tag.clone();
    it.hears(&with_body(&within("ACK", 1, &tag, "ack1")));
    let Some(EndpointEvent::Leg(_, Event::Acked { sdp })) = it.endpoint.events.pop_front() else {
        panic!("no ACK")
    };
    assert_eq!(sdp.as_deref(), Some(BODY.as_bytes()));
}

#[test]
fn what_is_no_description_is_not_taken_for_a_wish_for_ours() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    let odd = with_body(&within("INVITE", 2, &tag, "r1")).replace("application/sdp", "text/plain");
    it.hears(&odd);
    assert_eq!(it.sent(), ["SIP/2.0 415 Unsupported Media Type"]);
    assert_eq!(it.told(), [""; 0]);
}

#[test]
fn a_caller_who_waits_hears_from_us_every_minute() {
    for (rings, says) in [(None, "183"), (Some(180), "180")] {
        let mut it = Table::called();
        if let Some(status) = rings {
            it.endpoint.ring(it.now, LEG, status, None);
            it.sent();
        }
        let sent = it.until(150_000);
        let wanted = [format!("60000 SIP/2.0 {says}"), format!("120000 SIP/2.0 {says}")];
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert!(sent.iter().zip(&wanted).all(|(it, wanted)| it.starts_with(wanted)), "{sent:?}");
        it.endpoint.reject(it.now, LEG, 486, None);
        it.sent();
        let sent = it.until(300_000);
        assert!(sent.iter().all(|it| it.contains("486")), "{sent:?}");
    }
}

impl Table {
    /// A peer that we rang has answered.
    fn up_by_us() -> Self {
        let mut it = Self::calling();
        let invite = it.whole().remove(0);
        it.hears(&answer(&invite, "200 OK", "bob", BODY));
        it.sent();
        it.told();
        it
    }

    /// We offer: the INVITE.
    fn offers(&mut self) -> String {
        assert!(self.endpoint.is_quiet(LEG));
        self.endpoint.modify(self.now, LEG, AGAIN);
        self.whole().remove(0)
    }
}
