//! A peer talks to an endpoint in plain text, on a clock of ours. What the endpoint sends comes out
//! as the start lines, or whole where a header matters.

use bytes::Bytes;

use super::*;
use crate::base::Rng;
use crate::sip::{Flow, Transport};

mod modify;
mod prack;
mod session;
mod update;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\n";

#[test]
fn an_answer_is_repeated_until_its_ack_comes() {
    let mut it = Table::called();
    it.endpoint.ring(it.now, LEG, 180, None);
    assert_eq!(it.sent(), ["SIP/2.0 180 Ringing"]);
    it.endpoint.accept(it.now, LEG, SDP);
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    assert_eq!(it.until(400), [""; 0]);
    assert_eq!(
        it.until(4000),
        ["500 SIP/2.0 200 OK", "1500 SIP/2.0 200 OK", "3500 SIP/2.0 200 OK"]
    );
    let tag = it.tag.clone();
    it.hears(&within("ACK", 1, &tag, "ack1"));
    assert_eq!(it.told(), ["Acked { sdp: None }"]);
    assert_eq!(it.until(40_000), [""; 0]);
}

#[test]
fn a_peer_that_never_acks_is_hung_up() {
    let mut it = Table::called();
    it.endpoint.accept(it.now, LEG, SDP);
    it.sent();
    let sent = it.until(32_400);
    assert_eq!(sent.last().map(String::as_str), Some("32000 BYE sip:ann@10.0.0.2:5060 SIP/2.0"));
    assert_eq!(it.told(), ["Ended(NoAck)"]);
}

#[test]
fn a_cancelled_call_is_over_and_its_invite_gets_487() {
    let mut it = Table::called();
    it.hears(
        &invite().replace("INVITE", "CANCEL").replace(BODY, "").replace("application/sdp", "x"),
    );
    assert_eq!(
        it.sent(),
        ["SIP/2.0 487 Request Terminated", "SIP/2.0 200 OK"]
            .map(String::from)
            .iter()
            .rev()
            .cloned()
            .collect::<Vec<_>>()
    );
    assert_eq!(it.told(), ["Ended(Cancelled)"]);
    assert_eq!(it.until(600), ["500 SIP/2.0 487 Request Terminated"]);
    let tag = it.tag.clone();
    let ack = invite().replace("INVITE", "ACK").replace("bob@pbx>", &format!("bob@pbx>;tag={tag}"));
    it.hears(&ack);
    assert_eq!(it.until(60_000), [""; 0]);
    assert_eq!((it.endpoint.transactions(), it.endpoint.dialogs()), (0, 0));
}

#[test]
fn a_cancel_from_elsewhere_changes_nothing() {
    let mut it = Table::called();
    let cancel = invite().replace("INVITE", "CANCEL").replace(BODY, "");
    it.hears_from("10.0.0.66:5060", &cancel);
    assert!(it.sent()[0].starts_with("SIP/2.0 481"));
    assert_eq!(it.told(), [""; 0]);
}

#[test]
fn a_callee_waits_with_its_bye_for_the_ack() {
    let mut it = Table::called();
    it.endpoint.accept(it.now, LEG, SDP);
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    let tag = it.tag.clone();
    it.hears(&within("ACK", 1, &tag, "ack1"));
    let bye = it.whole();
    assert!(bye[0].starts_with("BYE sip:ann@10.0.0.2:5060 SIP/2.0"), "{bye:?}");
    assert!(bye[0].contains("CSeq: 1 BYE") && bye[0].contains("Reason: Q.850;cause=16"));
    assert_eq!(it.told(), [""; 0]);
}

#[test]
fn a_bye_ends_the_leg_and_only_the_peers_does() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.hears(&within("BYE", 2, "other", "b1"));
    it.hears(&within("BYE", 2, &tag, "b2").replace("tag=ann", "tag=eve"));
    it.hears(&within("BYE", 1, &tag, "b3"));
    let sent = it.sent();
    assert!(sent[0].starts_with("SIP/2.0 481") && sent[1].starts_with("SIP/2.0 481"), "{sent:?}");
    assert!(sent[2].starts_with("SIP/2.0 500"), "an old number: {sent:?}");
    assert_eq!(it.told(), [""; 0]);
    it.hears(&within("BYE", 2, &tag, "b4"));
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    assert_eq!(it.told(), ["Ended(Bye)"]);
    it.hears(&within("BYE", 2, &tag, "b4"));
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"], "the repeated BYE is answered from its transaction");
}

#[test]
fn a_reinvite_is_offered_answered_and_acked() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.hears(&with_body(&within("INVITE", 2, &tag, "r1")));
    assert_eq!(it.sent(), ["SIP/2.0 100 Trying"]);
    assert_eq!(it.told(), ["Offered"]);
    it.hears(&with_body(&within("INVITE", 3, &tag, "r2")));
    let refused = it.whole();
    assert!(refused[0].starts_with("SIP/2.0 500") && refused[0].contains("Retry-After: "));
    it.hears(&within("ACK", 3, &tag, "r2"));
    it.endpoint.accept(it.now, LEG, SDP);
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    let from = it.now.as_millis();
    assert_eq!(it.until(600).len(), 1, "from {from}");
    it.hears(&within("ACK", 2, &tag, "a2"));
    assert_eq!(it.until(40_000), [""; 0]);
    assert_eq!(it.told(), ["Acked { sdp: None }"]);
}

#[test]
fn a_peer_that_has_moved_is_reached_where_it_is_now() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.hears_from("10.0.0.9:1024", &with_body(&within("INVITE", 2, &tag, "r1")));
    it.endpoint.accept(it.now, LEG, SDP);
    it.now = Mono::from_millis(500);
    it.endpoint.handle_timeout(it.now);
    it.hears_from("10.0.0.9:1024", &within("ACK", 2, &tag, "ack2"));
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    let places: Vec<_> = it.endpoint.sends.drain(..).map(|it| it.0.remote.to_string()).collect();
    assert_eq!(places, ["10.0.0.9:1024"; 4], "100, 200, 200 again, BYE");
}

#[test]
fn a_reinvite_from_elsewhere_moves_the_peer() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    let moved =
        |text: String| text.replace("Contact: <sip:ann@10.0.0.2", "Contact: <sip:ann@10.0.0.9");
    it.hears(&moved(with_body(&within("INVITE", 2, &tag, "r1"))));
    it.endpoint.accept(it.now, LEG, SDP);
    it.hears(&moved(within("ACK", 2, &tag, "a2")));
    it.sent();
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    assert_eq!(it.sent(), ["BYE sip:ann@10.0.0.9:5060 SIP/2.0"]);
}

#[test]
fn only_the_peers_ack_for_this_answer_ends_its_resends() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.hears(&with_body(&within("INVITE", 2, &tag, "r1")));
    it.endpoint.accept(it.now, LEG, SDP);
    it.sent();
    it.hears(&within("ACK", 1, &tag, "a1"));
    it.hears(&within("ACK", 2, &tag, "a2").replace("tag=ann", "tag=eve"));
    it.hears(&within("ACK", 2, "other", "a3"));
    assert_eq!(it.told(), ["Offered"]);
    assert_eq!(it.until(600), ["500 SIP/2.0 200 OK"]);
    it.hears(&within("ACK", 2, &tag, "a4"));
    assert_eq!(it.told(), ["Acked { sdp: None }"]);
    assert_eq!(it.until(40_000), [""; 0]);
}

#[test]
fn a_cancel_that_comes_after_the_answer_changes_nothing() {
    let mut it = Table::called();
    it.endpoint.accept(it.now, LEG, SDP);
    it.sent();
    it.hears(&invite().replace("INVITE", "CANCEL").replace(BODY, ""));
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    assert_eq!((it.told(), it.endpoint.dialogs()), (vec![], 1));
    let tag = it.tag.clone();
    it.hears(&within("ACK", 1, &tag, "ack1"));
    assert_eq!(it.told(), ["Acked { sdp: None }"]);
}

#[test]
fn a_cancelled_reinvite_leaves_the_call_up() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.hears(&with_body(&within("INVITE", 2, &tag, "r1")));
    it.sent();
    it.hears(&within("CANCEL", 2, &tag, "r1"));
    assert_eq!(it.sent(), ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    assert_eq!(
        (it.told(), it.endpoint.dialogs()),
        (vec!["Offered".to_owned(), "Withdrawn".to_owned()], 1)
    );
}

#[test]
fn a_refused_reinvite_leaves_the_call_up() {
    let mut it = Table::up();
    let tag = it.tag.clone();
    it.hears(&with_body(&within("INVITE", 2, &tag, "r1")));
    it.endpoint.reject(it.now, LEG, 488, None);
    assert_eq!(it.sent()[1], "SIP/2.0 488 Not Acceptable Here");
    assert_eq!(it.endpoint.dialogs(), 1);
}

#[test]
fn an_invite_of_ours_is_resent_and_its_answer_acked_each_time() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    assert!(invite.starts_with("INVITE sip:bob@10.0.0.3:5080 SIP/2.0"), "{invite}");
    assert!(invite.contains("CSeq: 1 INVITE") && invite.contains("Max-Forwards: 69"));
    assert!(invite.contains("From: \"An \\\"n\\\"\" <sip:1001@10.0.0.1>;tag="), "{invite}");
    assert_eq!(it.until(600).len(), 1);
    it.hears(&answer(&invite, "180 Ringing", "bob", ""));
    assert_eq!(it.told(), ["Ringing { status: 180 }"]);
    assert_eq!(it.until(2000), [""; 0], "a provisional answer stops resends");
    it.hears(&answer(&invite, "200 OK", "bob", BODY));
    let ack = it.whole();
    assert!(ack[0].starts_with("ACK sip:bob@10.0.0.3:5099 SIP/2.0"), "{ack:?}");
    assert!(ack[0].contains("CSeq: 1 ACK") && ack[0].contains("To: <sip:1002@10.0.0.1>;tag=bob"));
    assert_eq!(it.told(), ["Accepted"]);
    it.hears(&answer(&invite, "200 OK", "bob", BODY));
    assert_eq!(it.whole(), ack, "the same ACK again");
    assert_eq!(it.told(), [""; 0]);
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    let bye = it.whole();
    assert!(bye[0].contains("CSeq: 2 BYE") && bye[0].contains(";tag=bob"), "{bye:?}");
}

#[test]
fn a_refusal_is_acked_on_its_own_branch() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    it.hears(&answer(&invite, "486 Busy Here", "bob", ""));
    let ack = it.whole();
    assert!(ack[0].starts_with("ACK sip:bob@10.0.0.3:5080 SIP/2.0"));
    assert_eq!(line(&ack[0], "Via"), line(&invite, "Via"));
    assert!(line(&ack[0], "To").ends_with(";tag=bob"));
    assert_eq!(it.told(), ["Refused { status: 486 }"]);
    it.hears(&answer(&invite, "486 Busy Here", "bob", ""));
    assert_eq!(it.whole(), ack);
    assert_eq!(it.endpoint.dialogs(), 0);
}

#[test]
fn nobody_there_is_a_408_after_timer_b() {
    let mut it = Table::calling();
    it.sent();
    it.until(31_900);
    assert_eq!(it.told(), [""; 0]);
    it.until(32_100);
    assert_eq!(it.told(), ["Refused { status: 408 }"]);
    assert_eq!((it.endpoint.transactions(), it.endpoint.dialogs()), (0, 0));
}

#[test]
fn a_cancel_waits_for_the_first_sign_of_life() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    it.endpoint.hang_up(it.now, LEG, &Reason::elsewhere());
    assert_eq!(it.sent(), [""; 0]);
    it.hears(&answer(&invite, "100 Trying", "", ""));
    let cancel = it.whole();
    assert!(cancel[0].starts_with("CANCEL sip:bob@10.0.0.3:5080 SIP/2.0"), "{cancel:?}");
    assert_eq!(line(&cancel[0], "Via"), line(&invite, "Via"));
    assert!(cancel[0].contains("CSeq: 1 CANCEL"));
    assert!(cancel[0].contains("Reason: SIP;cause=200;text=\"Call completed elsewhere\""));
    it.hears(&answer(&invite, "487 Request Terminated", "bob", ""));
    assert_eq!(it.endpoint.dialogs(), 0);
    assert_eq!(it.told(), [""; 0], "who has hung up hears no more");
}

#[test]
fn the_answer_to_a_cancel_is_none_to_its_invite() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    it.hears(&answer(&invite, "180 Ringing", "bob", ""));
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    let cancel = it.whole().remove(0);
    assert!(!cancel.contains("Reason:"), "a call that was missed is to be shown as such");
    let ok = answer(&invite, "200 OK", "bob", "").replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
    it.hears(&ok);
    assert_eq!((it.sent(), it.endpoint.dialogs()), (vec![], 1));
    it.hears(&answer(&invite, "487 Request Terminated", "bob", ""));
    assert_eq!((it.sent().len(), it.endpoint.dialogs()), (1, 0));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acked_and_hung_up() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    it.hears(&answer(&invite, "180 Ringing", "bob", ""));
    it.endpoint.hang_up(it.now, LEG, &Reason::elsewhere());
    it.sent();
    it.hears(&answer(&invite, "200 OK", "bob", BODY));
    let sent = it.sent();
    assert!(sent[0].starts_with("ACK ") && sent[1].starts_with("BYE "), "{sent:?}");
    assert_eq!(it.endpoint.dialogs(), 0);
    it.hears(&answer(&invite, "200 OK", "bob", BODY));
    assert!(it.sent()[0].starts_with("ACK "), "also after the leg is gone");
}

#[test]
fn a_cancelled_phone_that_stays_silent_is_forgotten() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    it.hears(&answer(&invite, "180 Ringing", "bob", ""));
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    it.until(33_000);
    assert_eq!(it.endpoint.dialogs(), 0);
    assert_eq!(it.endpoint.transactions(), 0);
}

#[test]
fn a_second_answer_of_another_fork_is_thanked_and_hung_up() {
    let mut it = Table::calling();
    let invite = it.whole().remove(0);
    it.hears(&answer(&invite, "200 OK", "bob", BODY));
    it.sent();
    it.hears(&answer(&invite, "200 OK", "bob2", BODY));
    let sent = it.whole();
    assert!(sent[0].starts_with("ACK ") && sent[0].contains(";tag=bob2"), "{sent:?}");
    assert!(sent[1].starts_with("BYE ") && sent[1].contains(";tag=bob2"), "{sent:?}");
    assert_eq!(it.told(), ["Accepted"]);
}

#[test]
fn what_is_not_framed_is_dropped_and_what_is_not_read_gets_400() {
    let mut it = Table::new();
    it.hears("hello");
    it.hears(&invite().replace("Call-ID: abc\r\n", ""));
    let sent = it.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("SIP/2.0 400 "), "{sent:?}");
    it.hears(&within("ACK", 1, "nobody", "x").replace("Call-ID: abc\r\n", ""));
    assert_eq!(it.sent(), [""; 0], "an ACK is never answered");
}

const LEG: LegId = LegId(7);
const BODY: &str = "v=0\r\n";

/// An endpoint and what has come out of it.
struct Table {
    endpoint: Endpoint,
    now: Mono,
    /// Our tag, when we have given one.
    tag: String,
}

impl Table {
    fn new() -> Self {
        let endpoint = Endpoint::new(Timing::default(), Rng::from_seed(1), None);
        Self { endpoint, now: Mono::ZERO, tag: String::new() }
    }

    /// A peer has rung us.
    fn called() -> Self {
        let mut it = Self::new();
        it.is_called(&invite());
        it
    }

    /// A peer that says more has rung us.
    fn called_with(headers: &str) -> Self {
        let mut it = Self::new();
        it.is_called(&with(&invite(), headers));
        it
    }

    fn is_called(&mut self, invite: &str) {
        self.hears(invite);
        let Some(EndpointEvent::Stranger(request)) = self.endpoint.events.pop_front() else {
            panic!("no stranger")
        };
        self.endpoint.take(self.now, LEG, request).unwrap();
        assert_eq!(self.sent(), ["SIP/2.0 100 Trying"]);
        self.tag = self.endpoint.usage(LEG).unwrap().dialog.local_tag().to_owned();
    }

    /// A peer has rung us, and it was answered.
    fn up() -> Self {
        Self::called().answered()
    }

    /// A peer that says more has rung us, and it was answered.
    fn up_with(headers: &str) -> Self {
        Self::called_with(headers).answered()
    }

    fn answered(self) -> Self {
        let mut it = self;
        it.endpoint.accept(it.now, LEG, SDP);
        let tag = it.tag.clone();
        it.hears(&within("ACK", 1, &tag, "ack1"));
        it.sent();
        it.told();
        it
    }

    /// We ring a peer.
    fn calling() -> Self {
        let mut it = Self::new();
        let invitation = Invitation {
            uri: "sip:bob@10.0.0.3:5080",
            flow: flow("10.0.0.3:5080"),
            from: "1001",
            from_name: Some("An \"n\""),
            to: "1002",
            sdp: SDP,
            max_forwards: 69,
            outside: None,
        };
        it.endpoint.invite(it.now, LEG, invitation);
        it
    }

    fn hears(&mut self, text: &str) {
        self.hears_from("10.0.0.2:5060", text);
    }

    fn hears_from(&mut self, from: &str, text: &str) {
        self.endpoint.receive(self.now, flow(from), Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Start lines of what was sent since the last look.
    fn sent(&mut self) -> Vec<String> {
        self.whole().iter().map(|it| it.lines().next().unwrap().to_owned()).collect()
    }

    fn whole(&mut self) -> Vec<String> {
        let sends = self.endpoint.sends.drain(..);
        sends.map(|it| String::from_utf8(it.1.to_vec()).unwrap()).collect()
    }

    /// Names of what was told since the last look; bodies left out.
    fn told(&mut self) -> Vec<String> {
        self.endpoint
            .events
            .drain(..)
            .map(|it| match it {
                EndpointEvent::Leg(_, Event::Accepted { .. }) => "Accepted".to_owned(),
                EndpointEvent::Leg(_, Event::Offered { .. }) => "Offered".to_owned(),
                EndpointEvent::Leg(_, Event::Modified { .. }) => "Modified".to_owned(),
                EndpointEvent::Leg(_, it) => format!("{it:?}"),
                EndpointEvent::Stranger(_) => "stranger".to_owned(),
                it => format!("{it:?}"),
            })
            .collect()
    }

    /// Lets the clock run to this millisecond; what was sent meanwhile, each with its time.
    fn until(&mut self, ms: u64) -> Vec<String> {
        let mut all = Vec::new();
        let end = Mono::from_millis(ms);
        while let Some(at) = self.endpoint.poll_timeout().filter(|it| *it <= end) {
            self.now = at.max(self.now);
            self.endpoint.handle_timeout(self.now);
            let now = self.now;
            all.extend(self.sent().into_iter().map(|it| format!("{} {it}", now.as_millis())));
        }
        self.now = end;
        all
    }
}

fn flow(remote: &str) -> Flow {
    let local = "10.0.0.1:5060".parse().unwrap();
    Flow { transport: Transport::Udp, local, remote: remote.parse().unwrap() }
}

fn invite() -> String {
    format!(
        "INVITE sip:bob@pbx SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKi1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:ann@pbx>;tag=ann\r\nTo: <sip:bob@pbx>\r\nCall-ID: abc\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:ann@10.0.0.2:5060>\r\nContent-Type: application/sdp\r\n\r\n{BODY}"
    )
}

/// A request of the peer that called us.
fn within(method: &str, number: u32, tag: &str, branch: &str) -> String {
    format!(
        "{method} sip:10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK{branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:ann@pbx>;tag=ann\r\nTo: <sip:bob@pbx>;tag={tag}\r\n\
         Call-ID: abc\r\nCSeq: {number} {method}\r\nContact: <sip:ann@10.0.0.2:5060>\r\n\r\n"
    )
}

/// A message with more headers.
fn with(text: &str, headers: &str) -> String {
    text.replace("Contact:", &format!("{headers}\r\nContact:"))
}

fn with_body(text: &str) -> String {
    text.replace("Contact:", "Content-Type: application/sdp\r\nContact:") + BODY
}

/// A response of the peer that we ring.
fn answer(invite: &str, status: &str, tag: &str, body: &str) -> String {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let [via, from, to, call_id, cseq] =
        ["Via", "From", "To", "Call-ID", "CSeq"].map(|it| line(invite, it));
    format!(
        "SIP/2.0 {status}\r\n{via}\r\n{from}\r\n{to}{tag}\r\n{call_id}\r\n{cseq}\r\n\
         Contact: <sip:bob@10.0.0.3:5099>\r\nContent-Type: application/sdp\r\n\r\n{body}"
    )
}

fn line(message: &str, name: &str) -> String {
    let start = format!("{name}: ");
    message.lines().find(|it| it.starts_with(&start)).unwrap().trim_end().to_owned()
}
