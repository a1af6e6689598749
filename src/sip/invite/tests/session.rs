//! Who keeps a call alive, and what becomes of one that nobody keeps (RFC 4028).

use super::*;

#[test]
fn who_can_refresh_and_names_an_interval_does() {
    for (asks, says, requires) in [
        ("X: y", "1800;refresher=uas", false),
        ("Supported: timer", "1800;refresher=uas", true),
        ("Supported: timer\r\nSession-Expires: 90", "90;refresher=uac", true),
        ("Supported: 100rel, timer\r\nx: 600;refresher=uas", "600;refresher=uas", true),
        ("k: timer\r\nSession-Expires: 600 ; refresher=UAC", "600;refresher=uac", true),
        ("Session-Expires: 600", "600;refresher=uas", false),
        // A proxy in between asks for too little on behalf of a phone that could not be told so.
        ("Session-Expires: 30", "90;refresher=uas", false),
        ("Supported: timer\r\nSession-Expires: 7200", "1800;refresher=uac", true),
        ("Supported: timer\r\nSession-Expires: 7200\r\nMin-SE: 3600", "3600;refresher=uac", true),
        ("Supported: timer\r\nSession-Expires: 99999999999999999999", "1800;refresher=uac", true),
        (
            "Supported: timer\r\nSession-Expires: 4294967295\r\nMin-SE: 4294967295",
            "86400;refresher=uac",
            true,
        ),
        ("Supported: timer\r\nSession-Expires: soon", "1800;refresher=uas", true),
        ("Supported: timer\r\nSession-Expires: -1\r\nMin-SE: x", "1800;refresher=uas", true),
        ("Supported: timer\r\nSession-Expires: ;refresher=", "1800;refresher=uas", true),
    ] {
        let mut it = Table::called_with(asks);
        it.endpoint.accept(it.now, LEG, SDP);
        let ok = it.whole().remove(0);
        assert_eq!(line(&ok, "Session-Expires"), format!("Session-Expires: {says}"), "{asks}");
        assert_eq!(ok.contains("Require: timer"), requires, "{asks}");
        assert_eq!(line(&ok, "Supported"), "Supported: timer, 100rel, replaces");
    }
}

#[test]
fn a_session_that_the_peer_forgets_is_over_in_time() {
    // §10: the smaller of 32 s and a third before its end.
    for (seconds, ends) in [(90, 60), (93, 62), (600, 568)] {
        let asks = format!("Supported: timer\r\nSession-Expires: {seconds}");
        let mut it = Table::up_with(&asks);
        assert_eq!(it.until(ends * 1_000 - 1), [""; 0]);
        let sent = it.until(ends * 1_000);
        assert_eq!(sent, [format!("{} BYE sip:ann@10.0.0.2:5060 SIP/2.0", ends * 1_000)]);
        assert_eq!(it.told(), ["Ended(Gone)"]);
        it.until(200_000 + ends * 1_000);
        assert_eq!((it.endpoint.transactions(), it.endpoint.dialogs()), (0, 0));
    }
}

#[test]
fn a_peer_that_refreshes_lives_on() {
    let mut it = Table::up_with("Supported: timer\r\nSession-Expires: 90");
    let tag = it.tag.clone();
    for round in 0..20 {
        let at = 45_000 * (round + 1);
        assert_eq!(it.until(at), [""; 0], "{round}");
        let number = 2 + round as u32;
        let update = within("UPDATE", number, &tag, &format!("u{round}"));
        it.hears(&with(&update, "Supported: timer\r\nSession-Expires: 90;refresher=uac"));
        let ok = it.whole().remove(0);
        assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
        assert_eq!(line(&ok, "Session-Expires"), "Session-Expires: 90;refresher=uac");
        assert_eq!(line(&ok, "Content-Length"), "Content-Length: 0");
    }
    assert_eq!(it.until(960_000).len(), 1, "and then it does not");
    assert_eq!(it.told(), ["Ended(Gone)"]);
}

#[test]
fn we_refresh_at_half_the_time_and_end_what_cannot_be_refreshed() {
    let mut it = Table::up();
    assert_eq!(it.until(899_999), [""; 0]);
    it.until(900_000);
    assert_eq!(it.told(), ["Refresh"]);
    it.endpoint.modify(it.now, LEG, SDP);
    let invite = it.whole().remove(0);
    assert_eq!(line(&invite, "Session-Expires"), "Session-Expires: 1800;refresher=uac");
    it.hears(&answer(&invite, "200 OK", "", BODY));
    it.sent();
    assert_eq!(it.told(), ["Modified"]);
    it.until(1_799_999);
    assert_eq!(it.told(), [""; 0]);
    it.until(1_800_000);
    assert_eq!(it.told(), ["Refresh"]);
    // Nobody does.
    let sent = it.until(900_000 + 1_768_000);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("2668000 BYE "), "{sent:?}");
    assert_eq!(it.told().pop().as_deref(), Some("Ended(Gone)"));
}

#[test]
fn a_peer_that_takes_updates_is_refreshed_by_one() {
    let allow = "Allow: INVITE, UPDATE\r\nSupported: timer\r\nSession-Expires: 100;refresher=uas";
    let mut it = Table::up_with(allow);
    it.now = Mono::from_millis(50_000);
    it.endpoint.handle_timeout(it.now);
    let update = it.whole().remove(0);
    assert!(update.starts_with("UPDATE sip:ann@10.0.0.2:5060 SIP/2.0"), "{update}");
    assert_eq!(line(&update, "Session-Expires"), "Session-Expires: 100;refresher=uac");
    assert_eq!(line(&update, "Content-Length"), "Content-Length: 0");
    it.hears(
        &answer(&update, "200 OK", "", "").replace("Contact:", "x: 100;refresher=uac\r\nContact:"),
    );
    assert_eq!((it.sent(), it.told()), (vec![], vec![]), "there is no ACK");
    assert_eq!(it.until(99_999), [""; 0]);
    assert!(it.until(100_000)[0].contains("UPDATE sip:bob@10.0.0.3:5099 "), "a target refresh");
}

#[test]
fn what_comes_of_an_update_of_ours() {
    for (status, told, sends) in [
        ("481 Gone", &["Ended(Gone)"][..], ""),
        ("408 Timeout", &["Ended(Gone)"], "BYE"),
        ("405 Method Not Allowed", &["Refresh"], ""),
        ("501 Not Implemented", &["Refresh"], ""),
        ("488 Not Acceptable Here", &[], ""),
        ("491 Request Pending", &[], ""),
        ("422 Session Interval Too Small", &[], ""),
    ] {
        let mut it = Table::up_with("Allow: UPDATE");
        it.now = Mono::from_millis(900_000);
        it.endpoint.handle_timeout(it.now);
        let update = it.whole().remove(0);
        it.hears(&answer(&update, status, "", ""));
        assert_eq!(it.told(), told, "{status}");
        assert_eq!(it.sent().concat().get(..3).unwrap_or_default(), sends, "{status}");
    }
    // Nobody answers at all.
    let mut it = Table::up_with("Allow: UPDATE");
    it.until(940_000);
    assert_eq!(it.told(), ["Ended(Gone)"]);
}

#[test]
fn a_session_that_is_too_brief_for_them_is_asked_for_once_more() {
    let mut it = Table::calling();
    let first = it.whole().remove(0);
    assert_eq!(line(&first, "Session-Expires"), "Session-Expires: 1800");
    let brief = |invite: &str, least: &str| {
        answer(invite, "422 Session Interval Too Small", "bob", "")
            .replace("Contact:", &format!("Min-SE: {least}\r\nContact:"))
    };
    it.hears(&brief(&first, "3600"));
    let sent = it.whole();
    assert!(sent[0].starts_with("ACK ") && sent[1].starts_with("INVITE "), "{sent:?}");
    let again = &sent[1];
    assert_eq!(line(again, "Session-Expires"), "Session-Expires: 3600");
    assert_eq!(line(again, "Min-SE"), "Min-SE: 3600");
    assert_eq!(line(again, "CSeq"), "CSeq: 2 INVITE");
    assert_eq!(line(again, "To"), line(&first, "To"));
    assert_eq!(line(again, "Call-ID"), line(&first, "Call-ID"));
    assert_ne!(line(again, "Via"), line(&first, "Via"));
    assert!(again.ends_with(SDP));
    assert_eq!(it.told(), [""; 0]);
    it.hears(&brief(again, "7200"));
    assert_eq!(it.told(), ["Refused { status: 422 }"], "and not for ever");

    for least in ["90", "1800", "x", "", "4294967295", "99999999999999999999"] {
        let mut it = Table::calling();
        let invite = it.whole().remove(0);
        it.hears(&brief(&invite, least));
        assert_eq!(it.told(), ["Refused { status: 422 }"], "{least}");
    }
    // Who has hung up meanwhile does not ask again.
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    it.hears(&answer(&invite, "180 Ringing", "bob", ""));
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    it.sent();
    it.hears(&brief(&invite, "3600"));
    assert_eq!(it.sent().len(), 1);
    assert_eq!(it.endpoint.dialogs(), 0);
}

#[test]
fn a_refresh_that_asks_for_too_little_gets_422() {
    for method in ["INVITE", "UPDATE"] {
        let mut it = Table::up();
        let tag = it.tag.clone();
        let brief = "Supported: timer\r\nSession-Expires: 89";
        it.hears(&with(&within(method, 2, &tag, "r1"), brief));
        let refused = it.whole().remove(0);
        assert!(refused.starts_with("SIP/2.0 422 "), "{refused}");
        assert_eq!(line(&refused, "Min-SE"), "Min-SE: 90");
        assert_eq!(it.told(), [""; 0]);
    }
}

#[test]
fn whatever_a_callee_says_of_the_session_is_bounded() {
    for (says, first) in [
        ("Session-Expires: 1;refresher=uac", 45_000),
        ("Session-Expires: 0", 45_000),
        ("Session-Expires: 4294967295;refresher=uac", 43_200_000),
        ("Session-Expires: 18446744073709551616;refresher=uac", 43_200_000),
        ("Session-Expires: none", 900_000),
        ("Session-Expires: 5;refresher=uas", 60_000),
    ] {
        let mut it = Table::calling();
        let invite = it.whole().remove(0);
        it.hears(&with(&answer(&invite, "200 OK", "bob", BODY), says));
        it.sent();
        it.told();
        it.until(first - 1);
        assert_eq!(it.told(), [""; 0], "{says}");
        it.until(first);
        assert_eq!(it.told().len(), 1, "{says}");
    }
}
