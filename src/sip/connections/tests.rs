//! Stories of connections: what is not repeated, and what happens when one is lost.

use bytes::Bytes;

use crate::base::{LegId, Mono, Rng};
use crate::sip::endpoint::{Endpoint, Event as EndpointEvent};
use crate::sip::invite::{Event, Invitation, Reason};
use crate::sip::message::{Message, Writer};
use crate::sip::tx::Timing;
use crate::sip::{Connection, Flow, Identities, Transport};

const LEG: LegId = LegId(1);
const SDP: &str = "v=0\r\n";

#[test]
fn a_request_is_not_repeated_and_given_up_after_64_t1() {
    let mut it = Story::ringing();
    assert_eq!(it.until(40_000), Vec::<String>::new());
    assert_eq!(it.told(), ["Refused { status: 408 }"]);
    it.nothing_is_left();
}

#[test]
fn our_via_and_contact_say_tcp() {
    let mut it = Story::quiet();
    it.invite();
    let invite = it.whole().remove(0);
    assert!(invite.contains("\r\nVia: SIP/2.0/TCP 10.0.0.1:5060;branch="), "{invite}");
    assert!(invite.contains("\r\nContact: <sip:10.0.0.1:5060;transport=tcp>\r\n"), "{invite}");
}

#[test]
fn a_200_to_an_invite_is_repeated_until_its_ack_even_here() {
    let mut it = Story::answered();
    assert_eq!(it.until(1000), ["500 SIP/2.0 200 OK"]);
    assert_eq!(it.until(4000), ["1500 SIP/2.0 200 OK", "3500 SIP/2.0 200 OK"]);
    it.hears(1, &within("ACK", 1, &it.tag.clone()));
    assert_eq!(it.told(), ["Acked { sdp: None }"]);
    assert_eq!(it.until(60_000), Vec::<String>::new());
}

#[test]
fn timers_that_absorb_repeats_are_zero() {
    let mut it = Story::answered();
    it.hears(1, &within("ACK", 1, &it.tag.clone()));
    it.until(40_000);
    // J: a BYE's transaction is over with its answer.
    it.hears(1, &within("BYE", 2, &it.tag.clone()));
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    it.nothing_is_left();

    // I: so is that of a refused INVITE with its ACK.
    it.told();
    it.hears(1, &invite());
    it.take();
    it.endpoint.reject(it.now, LEG, 486, None);
    assert_eq!(it.sent(), ["SIP/2.0 100 Trying", "SIP/2.0 486 Busy Here"]);
    it.hears(1, &invite().replace("INVITE", "ACK").replace("<sip:bob@pbx>", "<sip:bob@pbx>;tag=x"));
    it.nothing_is_left();

    // D and K: so is that of an INVITE of ours with its refusal.
    it.invite();
    let invite = it.whole().remove(0);
    it.hears(1, &answer(&invite, "486 Busy Here"));
    assert_eq!(it.told().last().unwrap(), "Refused { status: 486 }");
    it.nothing_is_left();
}

#[test]
fn a_phone_whose_connection_is_lost_stops_ringing() {
    for heard in [None, Some("100 Trying"), Some("180 Ringing")] {
        let mut it = Story::quiet();
        it.invite();
        let invite = it.whole().remove(0);
        if let Some(status) = heard {
            it.hears(1, &answer(&invite, status));
        }
        it.loses(1);
        assert_eq!(it.told().last().unwrap(), "Refused { status: 430 }", "{heard:?}");
        it.nothing_is_left();
        // It may say what it likes on another one.
        it.hears(2, &answer(&invite, "200 OK"));
        assert_eq!(it.told(), Vec::<String>::new());
    }
}

#[test]
fn a_phone_whose_connection_was_lost_before_does_not_ring_at_all() {
    let mut it = Story::quiet();
    it.loses(1);
    it.invite();
    assert_eq!(it.told(), ["Refused { status: 430 }"]);
    it.nothing_is_left();
}

#[test]
fn a_given_up_call_is_over_when_its_connection_is() {
    let mut it = Story::ringing();
    it.endpoint.hang_up(it.now, LEG, &Reason::elsewhere());
    it.loses(1);
    assert_eq!(it.told(), Vec::<String>::new());
    it.nothing_is_left();
}

#[test]
fn a_caller_whose_connection_is_lost_has_left() {
    let mut it = Story::quiet();
    it.hears(1, &invite());
    it.take();
    it.endpoint.ring(it.now, LEG, 180, None);
    it.loses(1);
    assert_eq!(it.told(), ["Ended(Unreachable)"]);
    it.endpoint.accept(it.now, LEG, SDP);
    it.until(40_000);
    it.nothing_is_left();
}

#[test]
fn an_answered_call_survives_its_connection_and_follows_the_peer_to_the_next() {
    let mut it = Story::answered();
    it.loses(1);
    assert_eq!(it.told(), Vec::<String>::new());
    it.hears(2, &within("ACK", 1, &it.tag.clone()));
    assert_eq!(it.told(), ["Acked { sdp: None }"]);
    it.loses(2);
    it.hears(3, &within("OPTIONS", 2, &it.tag.clone()));
    assert_eq!(it.sent(), ["SIP/2.0 200 OK"]);
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    assert_eq!(it.endpoint.sends.last().unwrap().0, flow(3));
    assert!(it.sent()[0].starts_with("BYE "));
    it.loses(3);
    it.until(40_000);
    it.nothing_is_left();
}

#[test]
fn a_peer_that_still_has_its_connection_does_not_move() {
    let mut it = Story::answered();
    it.hears(2, &within("ACK", 1, &it.tag.clone()));
    it.hears(2, &within("OPTIONS", 2, &it.tag.clone()));
    it.sent();
    it.endpoint.hang_up(it.now, LEG, &Reason::q850(16));
    assert_eq!(it.endpoint.sends.last().unwrap().0, flow(1));
}

#[test]
fn an_answer_that_never_gets_its_ack_ends_the_call_also_without_a_connection() {
    let mut it = Story::answered();
    it.loses(1);
    it.until(40_000);
    assert_eq!(it.told(), ["Ended(NoAck)"]);
    it.nothing_is_left();
}

#[test]
fn a_request_without_a_length_is_refused_on_a_stream_only() {
    let bare = invite().replace("Content-Length: 5\r\n", "").replace("v=0", "");
    let mut it = Story::quiet();
    it.hears(1, &bare);
    assert_eq!(it.sent(), ["SIP/2.0 400 Missing Content-Length"]);
    let udp = Flow { transport: Transport::Udp, ..flow(1) };
    it.endpoint.receive(it.now, udp, Bytes::from(bare));
    assert_eq!(it.told(), ["stranger"]);
}

#[test]
fn who_is_trusted_is_told_once_for_each_connection() {
    let mut it = Story::quiet();
    it.hears(2, &invite());
    let udp = Flow { transport: Transport::Udp, ..flow(1) };
    for flow in [flow(1), flow(1), flow(2), udp, flow(1)] {
        it.endpoint.trust(flow, "1001", 1);
    }
    assert_eq!(it.endpoint.trusted, [flow(1), flow(2)]);
    assert_eq!(it.endpoint.surplus, [flow(1)], "the older of two, where one is allowed");
}

#[test]
fn a_connection_that_we_asked_for_is_reachable_from_connected_to_disconnected() {
    let mut it = Story::quiet();
    let remote = flow(1).remote;
    let names = ["a.example", "b.example"].map(|domain| it.endpoint.connect(remote, Some(domain)));
    assert!(names[0] != names[1] && names[0].is_ours() && !Connection(1).is_ours());
    let wanted = it.endpoint.wanted.drain(..).map(|it| it.domain.unwrap());
    assert_eq!(wanted.collect::<Vec<_>>(), ["a.example", "b.example"]);
    let flows = names.map(|it| Flow { transport: Transport::Tls(it), ..flow(1) });
    assert!(!it.endpoint.is_reachable(flows[0]));
    it.endpoint.connected(flows[0], Identities::of([], ["a.example"]));
    it.endpoint.disconnected(it.now, flows[1]);
    assert!(it.endpoint.is_reachable(flows[0]) && !it.endpoint.is_reachable(flows[1]));
    assert!(it.endpoint.is_proved(flows[0], "A.example"));
    assert!(!it.endpoint.is_proved(flows[0], "b.example"));
    it.endpoint.disconnected(it.now, flows[0]);
    assert!(!it.endpoint.is_reachable(flows[0]) && !it.endpoint.is_proved(flows[0], "a.example"));
}

#[test]
fn over_tls_our_contact_is_a_sips_address_for_who_wants_one() {
    let over_tls = Flow { transport: Transport::Tls(Connection(1)), ..flow(1) };
    let sips = "<sips:10.0.0.1:5060>";
    let sip = "<sip:10.0.0.1:5060;transport=tls>";
    let routed =
        |it: &str| invite().replace("Contact:", &format!("Record-Route: <{it}:p;lr>\r\nContact:"));
    for (invite, flow, contact) in [
        (invite(), over_tls, sip),
        (invite().replace("INVITE sip:", "INVITE sips:"), over_tls, sips),
        (invite().replace("Contact: <sip:", "Contact: <sips:"), over_tls, sips),
        (routed("sips"), over_tls, sips),
        (routed("sip").replace("Contact: <sip:", "Contact: <sips:"), over_tls, sip),
        (
            invite().replace("INVITE sip:", "INVITE sips:"),
            flow(1),
            "<sip:10.0.0.1:5060;transport=tcp>",
        ),
    ] {
        let mut it = Story::quiet();
        it.endpoint.receive(it.now, flow, Bytes::from(invite.clone()));
        it.take();
        it.endpoint.accept(it.now, LEG, SDP);
        let ok = it.whole().pop().unwrap();
        assert!(ok.contains(&format!("\r\nContact: {contact}\r\n")), "{invite}{ok}");
    }
    let mut it = Story::quiet();
    let [uri, tls] = ["sips:bob@10.0.0.2", "sip:bob@10.0.0.2;transport=tls"];
    for (uri, contact) in [(uri, sips), (tls, sip)] {
        it.endpoint.connected(over_tls, Identities::default());
        it.endpoint.invite(it.now, LEG, Invitation { uri, flow: over_tls, ..invitation() });
        let invite = it.whole().remove(0);
        assert!(invite.contains("\r\nVia: SIP/2.0/TLS 10.0.0.1:5060;branch="), "{invite}");
        assert!(invite.contains(&format!("\r\nContact: {contact}\r\n")), "{invite}");
    }
}

/// An endpoint, the connections to its one peer, and what is between them.
struct Story {
    endpoint: Endpoint,
    now: Mono,
    tag: String,
}

impl Story {
    /// Connection 1 has been heard, and nothing is open.
    fn quiet() -> Self {
        let mut endpoint = Endpoint::new(Timing::default(), Rng::from_seed(7), None);
        endpoint.receive(Mono::ZERO, flow(1), Bytes::from_static(b"ACK sip:x SIP/2.0\r\n\r\n"));
        Self { endpoint, now: Mono::ZERO, tag: String::new() }
    }

    /// We ring the peer.
    fn ringing() -> Self {
        let mut it = Self::quiet();
        it.invite();
        assert_eq!(it.sent(), ["INVITE sip:bob@10.0.0.2;transport=tcp SIP/2.0"]);
        it
    }

    /// The peer has rung us, and has our 200.
    fn answered() -> Self {
        let mut it = Self::quiet();
        it.hears(1, &invite());
        it.take();
        it.endpoint.accept(it.now, LEG, SDP);
        let ok = it.whole().pop().unwrap();
        let ok = Message::parse(Bytes::from(ok)).unwrap();
        it.tag = ok.to().unwrap().tag().unwrap().to_owned();
        it
    }

    fn invite(&mut self) {
        self.endpoint.invite(self.now, LEG, invitation());
    }

    fn take(&mut self) {
        let Some(EndpointEvent::Stranger(request)) = self.endpoint.events.pop_front() else {
            panic!("an INVITE was to come")
        };
        self.endpoint.take(self.now, LEG, request).unwrap();
    }

    fn hears(&mut self, connection: u64, text: &str) {
        self.endpoint.receive(self.now, flow(connection), Bytes::from(text.to_owned()));
    }

    fn loses(&mut self, connection: u64) {
        self.sent();
        self.endpoint.disconnected(self.now, flow(connection));
    }

    /// Start lines of what was sent since the last look.
    fn sent(&mut self) -> Vec<String> {
        self.whole().iter().map(|it| it.lines().next().unwrap().to_owned()).collect()
    }

    fn whole(&mut self) -> Vec<String> {
        let sends = self.endpoint.sends.drain(..);
        sends.map(|it| String::from_utf8(it.1.to_vec()).unwrap()).collect()
    }

    /// What was told since the last look.
    fn told(&mut self) -> Vec<String> {
        let name = |it| match it {
            EndpointEvent::Leg(_, Event::Accepted { .. }) => "Accepted".to_owned(),
            EndpointEvent::Leg(_, it) => format!("{it:?}"),
            EndpointEvent::Stranger(_) => "stranger".to_owned(),
            it => format!("{it:?}"),
        };
        self.endpoint.events.drain(..).map(name).collect()
    }

    /// Lets the clock run to this millisecond; what was sent meanwhile, each with its time.
    fn until(&mut self, ms: u64) -> Vec<String> {
        self.sent();
        let mut all = Vec::new();
        let end = Mono::from_millis(ms);
        while let Some(at) = self.endpoint.poll_timeout().filter(|it| *it <= end) {
            self.now = at.max(self.now);
            self.endpoint.handle_timeout(self.now);
            let ms = self.now.as_millis();
            all.extend(self.sent().into_iter().map(|it| format!("{ms} {it}")));
        }
        self.now = end;
        all
    }

    #[track_caller]
    fn nothing_is_left(&mut self) {
        self.sent();
        assert_eq!((self.endpoint.transactions(), self.endpoint.dialogs()), (0, 0));
    }
}

fn flow(connection: u64) -> Flow {
    let remote = ([10, 0, 0, 2], 40_000 + connection as u16).into();
    let transport = Transport::Tcp(Connection(connection));
    Flow { transport, local: "10.0.0.1:5060".parse().unwrap(), remote }
}

fn invitation() -> Invitation<'static> {
    Invitation {
        uri: "sip:bob@10.0.0.2;transport=tcp",
        flow: flow(1),
        from: "1001",
        from_name: None,
        to: "1002",
        sdp: SDP,
        max_forwards: 69,
        outside: None,
    }
}

fn invite() -> String {
    "INVITE sip:bob@pbx SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKi1\r\n\
     Max-Forwards: 70\r\nFrom: <sip:ann@pbx>;tag=ann\r\nTo: <sip:bob@pbx>\r\nCall-ID: abc\r\n\
     CSeq: 1 INVITE\r\nContact: <sip:ann@10.0.0.2;transport=tcp>\r\nContent-Length: 5\r\n\r\nv=0\r\n"
        .to_owned()
}

/// A request of the peer that called us.
fn within(method: &str, number: u32, tag: &str) -> String {
    format!(
        "{method} sip:10.0.0.1:5060;transport=tcp SIP/2.0\r\n\
         Via: SIP/2.0/TCP 10.0.0.2;branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:ann@pbx>;tag=ann\r\nTo: <sip:bob@pbx>;tag={tag}\r\nCall-ID: abc\r\n\
         CSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// What the peer says to our INVITE.
fn answer(invite: &str, status: &str) -> String {
    let (code, reason) = status.split_once(' ').unwrap();
    let invite = Message::parse(Bytes::from(invite.to_owned())).unwrap();
    let source = "10.0.0.1:5060".parse().unwrap();
    let reply = Writer::reply_with(&invite, code.parse().unwrap(), reason, source, Some("bob"));
    String::from_utf8(reply.finish().to_vec()).unwrap()
}
