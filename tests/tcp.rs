//! SIP over TCP, TLS and IPv6 through the binary: what peers say on a connection, good and bad, and
//! how many of them it takes to keep a phone out.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "interop/pbx.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod pbx;
#[path = "tcp/peer.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod peer;
#[path = "interop/scratch.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod scratch;
#[path = "../benches/load/sip.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod sip;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use pbx::Pbx;
use peer::{Over, Peer, options};
use wait::{let_pass, timed, wait_for};

#[test]
fn a_question_on_a_connection_is_answered_on_it() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let mut peer = over.to(&pbx);
        let answer = peer.ask(&options("OPTIONS", 1));
        assert_eq!(answer.status(), Some(200));
        assert!(
            answer.header("via").starts_with(&format!("SIP/2.0/{} ", over.word())),
            "{}",
            answer.header("via")
        );
    }
}

#[test]
fn a_question_may_come_byte_by_byte() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let mut peer = over.to(&pbx);
        for byte in options("OPTIONS", 1).bytes() {
            peer.say([byte]);
        }
        assert_eq!(peer.hear().status(), Some(200));
    }
}

#[test]
fn fifty_questions_at_once_get_fifty_answers_in_their_order() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let mut peer = over.to(&pbx);
        let all: String = (1..=50).map(|it| options("OPTIONS", it)).collect();
        peer.say(all);
        for number in 1..=50 {
            let answer = peer.hear();
            assert_eq!((answer.status(), answer.cseq().0), (Some(200), number));
        }
    }
}

#[test]
fn fifty_questions_and_a_farewell_are_answered_too() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let mut peer = over.to(&pbx);
        let all: String = (1..=50).map(|it| options("OPTIONS", it)).collect();
        peer.say(all);
        peer.say_goodbye();
        assert_eq!((1..=50).filter(|_| peer.hear().status() == Some(200)).count(), 50);
        assert!(peer.is_closed());
    }
}

#[test]
fn a_bad_question_between_two_good_ones_spoils_neither() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let mut peer = over.to(&pbx);
        let bad = options("OPTIONS", 2).replace("CSeq: 2 OPTIONS", "CSeq: two OPTIONS");
        peer.say([options("OPTIONS", 1), bad, options("OPTIONS", 3)].concat());
        let statuses = [peer.hear(), peer.hear(), peer.hear()].map(|it| it.status().unwrap());
        assert_eq!(statuses, [200, 400, 200]);
    }
}

#[test]
fn a_body_that_looks_like_a_question_is_not_answered() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let mut peer = over.to(&pbx);
        let body = options("OPTIONS", 7);
        let length = format!("Content-Length: {}", body.len());
        let first = options("OPTIONS", 1).replace("Content-Length: 0", &length);
        peer.say([first, body, options("OPTIONS", 2)].concat());
        assert_eq!([peer.hear().cseq().0, peer.hear().cseq().0], [1, 2]);
    }
}

#[test]
fn a_ping_gets_its_pong() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let mut peer = over.to(&pbx);
        peer.say("\r\n");
        peer.say("\r\n");
        assert_eq!(peer.hear_bytes(2), b"\r\n");
        assert_eq!(peer.ask(&options("OPTIONS", 1)).status(), Some(200));
        peer.say("\r\n\r\n\r\n\r\n");
        assert_eq!(peer.hear_bytes(4), b"\r\n\r\n");
    }
}

#[test]
fn a_stream_that_cannot_be_read_is_refused_and_closed() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let good = options("OPTIONS", 1);
        for (length, reason) in [
            ("Content-Length: -1", "400 Malformed Content-Length"),
            ("Content-Length: 99999999999999999999", "400 Body Shorter Than Content-Length"),
            ("Content-Length: 2147483648", "400 Body Shorter Than Content-Length"),
            ("Content-Length: 0\r\nl: 1", "400 Conflicting Content-Length"),
            ("X-Length: 0", "400 Missing Content-Length"),
        ] {
            let mut peer = over.to(&pbx);
            peer.say(good.replace("Content-Length: 0", length) + &good);
            assert_eq!(peer.hear().first(), format!("SIP/2.0 {reason}"), "{length}");
            assert!(peer.is_closed(), "{length}");
        }
        for nonsense in ["GET / HTTP/1.1\r\nHost: pbx\r\n\r\n".to_owned(), "x".repeat(100_000)] {
            let mut peer = over.to(&pbx);
            peer.say_if_heard(&nonsense);
            assert!(peer.is_closed());
        }
        assert_eq!(over.to(&pbx).ask(&good).status(), Some(200));
    }
}

#[test]
fn a_phone_registers_over_tcp_udp_and_tls() {
    let pbx = Pbx::start();
    Over::Tcp.to(&pbx).register(0);
    expect_registered(&pbx, 1);
    Peer::over_udp(pbx.sip()).register(1);
    expect_registered(&pbx, 2);
    Over::Tls.to(&pbx).register(1);
    expect_registered(&pbx, 3);
}

#[test]
fn an_account_with_too_many_connections_loses_its_oldest() {
    let pbx = Pbx::start_with("127.0.0.1:0", &["--connections-per-extension", "2"]);
    let mut peers: Vec<_> = (0..3).map(|_| Peer::over_tcp(pbx.sip())).collect();
    let mut neighbour = Peer::over_tcp(pbx.sip());
    neighbour.register(1);
    peers.iter_mut().for_each(|it| it.register(0));
    assert!(peers[0].is_closed());
    for it in peers.iter_mut().skip(1).chain([&mut neighbour]) {
        assert_eq!(it.ask(&options("OPTIONS", 9)).status(), Some(200));
    }
}

#[test]
fn ipv6_is_served_like_ipv4() {
    for address in ["[::1]:0", "[::]:0"] {
        let pbx = Pbx::start_at(address);
        let at = |port| ([0, 0, 0, 0, 0, 0, 0, 1], port).into();
        let [plain, tls] = [pbx.sip(), pbx.sip_tls()].map(|it| at(it.port()));
        let peers = [Peer::over_udp(plain), Peer::over_tcp(plain), Over::Tls.to_address(tls)];
        for mut peer in peers {
            let answer = peer.ask(&options("OPTIONS", 1));
            assert_eq!(answer.status(), Some(200));
            assert!(answer.header("via").contains(";received=::1;"), "{}", answer.header("via"));
            peer.register(0);
            peer.invite(0, "*43");
            let answer = peer.hear_final_or(0);
            assert_eq!(answer.status(), Some(200));
            assert!(answer.contact().starts_with("sip:[::1]:"), "{}", answer.contact());
        }
        // Every IPv6 address is no IPv4 address.
        for port in [plain.port(), tls.port()] {
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        }
    }
}

#[test]
fn a_caller_that_is_cut_off_stops_the_ringing() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let (mut ann, mut bob) = (over.to(&pbx), over.to(&pbx));
        ann.register(0);
        bob.register(1);
        ann.invite(0, "1002");
        let invite = bob.hear();
        assert!(invite.first().starts_with("INVITE sip:1002@"), "{}", invite.first());
        assert!(invite.contact().ends_with(over.parameter()), "{}", invite.contact());
        bob.say(invite.reply("180 Ringing", "bob", "", ""));
        assert_eq!(ann.hear_final_or(180).status(), Some(180));
        drop(ann);
        let cancel = bob.hear();
        assert!(cancel.first().starts_with("CANCEL "), "{}", cancel.first());
        bob.say(cancel.reply("200 OK", "bob", "", ""));
        bob.say(invite.reply("487 Request Terminated", "bob", "", ""));
        assert!(bob.hear().first().starts_with("ACK "));
        nothing_is_left(&pbx);
    }
}

#[test]
fn a_phone_that_is_cut_off_does_not_ring_any_more() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let (mut ann, mut bob) = (over.to(&pbx), over.to(&pbx));
        ann.register(0);
        bob.register(1);
        ann.invite(0, "1002");
        let invite = bob.hear();
        bob.say(invite.reply("180 Ringing", "bob", "", ""));
        assert_eq!(ann.hear_final_or(180).status(), Some(180));
        drop(bob);
        let (status, span) = timed(|| ann.hear_final_or(0).status());
        assert!(status == Some(480) && span < Duration::from_secs(2), "{status:?} after {span:?}");
        nothing_is_left(&pbx);

        // It is still registered; who calls it is told at once that it is not there.
        expect_registered(&pbx, 2);
        ann.invite(0, "1002");
        let (status, span) = timed(|| ann.hear_final_or(0).status());
        assert!(status == Some(480) && span < Duration::from_secs(2), "{status:?} after {span:?}");

        // It comes back on another connection.
        let mut bob = over.to(&pbx);
        bob.register(1);
        expect_registered(&pbx, 2);
        ann.invite(0, "1002");
        assert!(bob.hear().first().starts_with("INVITE "));
    }
}

#[test]
fn a_crowd_of_idle_and_slow_connections_keeps_no_phone_out() {
    for over in Over::BOTH {
        let pbx = Pbx::start();
        let before = pbx.memory_kib();
        let idle: Vec<_> = (0..300).map(|_| TcpStream::connect(over.at(&pbx)).unwrap()).collect();
        let mut slow: Vec<_> =
            (0..50).map(|_| TcpStream::connect(over.at(&pbx)).unwrap()).collect();
        let mut steady = [over.to(&pbx), Peer::over_udp(pbx.sip())];
        for byte in options("OPTIONS", 1).bytes().take(12) {
            for it in &mut slow {
                // The oldest were sent away to let others in.
                _ = it.write_all(&[byte]);
            }
            let mut newcomer = over.to(&pbx);
            for (which, peer) in [&mut newcomer].into_iter().chain(&mut steady).enumerate() {
                let (_, span) = timed(|| {
                    assert_eq!(peer.ask(&options("OPTIONS", 1)).status(), Some(200));
                    peer.register(which % 2);
                });
                assert!(span < Duration::from_secs(1), "{span:?}");
            }
            let_pass(Duration::from_millis(250));
        }
        let grown = pbx.memory_kib().saturating_sub(before);
        assert!(grown < 8 << 10, "grown by {grown} KiB");
        drop((idle, slow));
        steady.iter_mut().for_each(|it| it.register(0));
    }
}

/// What `/health` says follows a turn later.
#[track_caller]
fn expect_registered(pbx: &Pbx, count: u64) {
    wait_for("the registrations", Duration::from_secs(5), || {
        (pbx.health("registrations") == count).then_some(())
    });
}

#[track_caller]
fn nothing_is_left(pbx: &Pbx) {
    wait_for("the end of all calls", Duration::from_secs(10), || {
        (pbx.health("calls") == 0).then_some(())
    });
}
