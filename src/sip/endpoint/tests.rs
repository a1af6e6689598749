//! Requests outside of all dialogs, and answers that nobody waits for.

use std::time::Duration;

use super::*;
use crate::sip::Transport;

#[test]
fn a_refusal_that_is_kept_nowhere_comes_out_the_same_twice() {
    let mut it = endpoint();
    let mut refusal = |branch| {
        let request = stranger(&mut it, branch).expect("a stranger");
        it.reply_stateless(&request, 403, |it| it);
        assert_eq!(it.transactions(), 0);
        it.sends.pop().unwrap().1
    };
    let first = refusal("1");
    assert_eq!(refusal("1"), first);
    assert_ne!(refusal("2"), first);
}

#[test]
fn a_request_that_comes_again_is_answered_again_and_told_once() {
    let mut it = endpoint();
    let request = stranger(&mut it, "1").expect("a stranger");
    it.respond(Mono::ZERO, &request, 200, |it| it);
    let answer = it.sends.pop().unwrap();
    assert!(stranger(&mut it, "1").is_none());
    assert_eq!(it.sends.pop(), Some(answer));
}

#[test]
fn a_forgotten_request_may_come_again() {
    let mut it = endpoint();
    let request = stranger(&mut it, "1").expect("a stranger");
    it.respond(Mono::ZERO, &request, 200, |it| it);
    it.handle_timeout(Mono::ZERO + 64 * Timing::default().t1 + Duration::from_millis(1));
    assert_eq!((it.transactions(), it.poll_timeout()), (0, None));
    assert!(stranger(&mut it, "1").is_some());
}

#[test]
fn an_answer_that_nobody_waits_for_is_dropped() {
    let mut it = endpoint();
    let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
                To: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
    it.receive(Mono::ZERO, flow(), Bytes::from_static(text.as_bytes()));
    assert!(it.sends.is_empty() && it.events.is_empty());
}

fn endpoint() -> Endpoint {
    Endpoint::new(Timing::default(), Rng::from_seed(1), None)
}

/// A REGISTER comes with this branch: what is handed out of it.
fn stranger(it: &mut Endpoint, branch: &str) -> Option<Request> {
    let text = format!(
        "REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK{branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@pbx>;tag=1\r\nTo: <sip:a@pbx>\r\nCall-ID: c\r\n\
         CSeq: 1 REGISTER\r\n\r\n"
    );
    it.receive(Mono::ZERO, flow(), text.into());
    match it.events.pop_front()? {
        Event::Stranger(request) => Some(request),
        _ => None,
    }
}

fn flow() -> Flow {
    let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
    Flow { transport: Transport::Udp, local, remote }
}
