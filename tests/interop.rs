//! Real phones and the real binary. The phones are baresip's; where there is none, these stories
//! are left out, unless `MOONSWITCH_INTEROP=1` (as in `make test`) says that they may not be.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "interop/baresip.rs"]
mod baresip;
#[path = "interop/devices.rs"]
mod devices;
#[path = "interop/ear.rs"]
mod ear;
#[path = "interop/endings.rs"]
mod endings;
#[path = "interop/gate.rs"]
mod gate;
#[path = "interop/holds.rs"]
mod holds;
#[path = "interop/linphone.rs"]
mod linphone;
#[path = "interop/load.rs"]
mod load;
#[path = "interop/pbx.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod pbx;
#[path = "interop/phone.rs"]
mod phone;
#[path = "interop/scratch.rs"]
mod scratch;
#[path = "interop/sipp.rs"]
mod sipp;
#[path = "interop/story.rs"]
mod story;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use ear::check_heard;
use pbx::Pbx;
use phone::{Account, Answers, Kind, OPUS, PCMA, Phone};
use story::{account, nothing_is_left, started};

/// How much of a conversation is to be heard at least, in seconds.
const HEARD: f64 = 0.5;

#[test]
fn two_phones_hear_each_other_without_us() {
    gate::or_return!();
    let nobody = "127.0.0.1:9".parse().unwrap();
    let account = |number, hz| Account {
        kind: Kind::Baresip,
        number,
        password: "none",
        server: nobody,
        transport: "udp",
        codec: PCMA,
        hz,
        answers: Answers::ByItself,
        at_once: 1,
    };
    let mut ann = Phone::start(&account("1001", 440));
    let mut bob = Phone::start(&account("1002", 1000));
    ann.dial_uri(&bob.address("1002"));
    talk_and_hang_up(&mut ann, &mut bob, Side::Caller);
}

#[test]
fn two_phones_talk_pcma_and_the_caller_hangs_up() {
    gate::or_return!();
    check_call(PCMA, Side::Caller);
}

#[test]
fn two_phones_talk_pcma_and_the_callee_hangs_up() {
    gate::or_return!();
    check_call(PCMA, Side::Callee);
}

#[test]
fn two_phones_talk_opus_and_the_caller_hangs_up() {
    gate::or_return!();
    check_call(OPUS, Side::Caller);
}

#[test]
fn two_phones_talk_opus_and_the_callee_hangs_up() {
    gate::or_return!();
    check_call(OPUS, Side::Callee);
}

#[test]
fn two_phones_talk_whatever_carries_their_signalling() {
    gate::or_return!();
    for [ours, theirs] in
        [["tcp", "tcp"], ["tcp", "udp"], ["udp", "tcp"], ["tls", "tcp"], ["udp", "tls"]]
    {
        let pbx = Pbx::start();
        let with = |which: usize, transport| {
            let account = account(&pbx, which);
            let server = if transport == "tls" { pbx.sip_tls() } else { account.server };
            started(&pbx, &Account { transport, server, ..account })
        };
        let (mut ann, mut bob) = (with(0, ours), with(1, theirs));
        ann.dial("1002");
        let ends = if ours == theirs { Side::Callee } else { Side::Caller };
        talk_and_hang_up(&mut ann, &mut bob, ends);
        nothing_is_left(&pbx);
    }
}

#[test]
fn a_phone_that_calls_the_echo_hears_itself() {
    gate::or_return!();
    for codec in [PCMA, OPUS] {
        let pbx = Pbx::start();
        let mut ann = registered(&pbx, 0, codec);
        ann.dial("*43");
        ann.expect_established();
        ann.expect_tone(440);
        ann.hang_up();
        ann.expect_closed();
        check_heard(&ann.heard(), 440, HEARD);
        nothing_is_left(&pbx);
    }
}

#[test]
fn a_stranger_is_refused() {
    gate::or_return!();
    let pbx = Pbx::start();
    for (number, password) in [("1001", "wrong-password"), ("1999", "correct-horse")] {
        let stranger = Phone::start(&Account { number, password, ..account(&pbx, 0) });
        stranger.expect_log("SIP/2.0 403");
        assert_eq!(pbx.health("registrations"), 0);
    }
}

#[test]
fn a_number_that_nobody_has_is_not_found() {
    gate::or_return!();
    let pbx = Pbx::start();
    let mut ann = registered(&pbx, 0, PCMA);
    ann.dial("7777");
    let reason = ann.expect_closed();
    assert!(reason.starts_with("404"), "{reason}");
    nothing_is_left(&pbx);
}

#[test]
fn a_call_is_ended_when_the_pbx_leaves() {
    gate::or_return!();
    let mut pbx = Pbx::start();
    let mut ann = registered(&pbx, 0, PCMA);
    let mut bob = registered(&pbx, 1, PCMA);
    ann.dial("1002");
    ann.expect_established();
    bob.expect_established();
    pbx.signal("TERM");
    ann.expect_closed();
    bob.expect_closed();
    assert_eq!(pbx.wait().code(), Some(0));
}

/// Who hangs up.
#[derive(Clone, Copy)]
enum Side {
    Caller,
    Callee,
}

#[track_caller]
fn check_call(codec: &str, ends: Side) {
    let pbx = Pbx::start();
    let mut ann = registered(&pbx, 0, codec);
    let mut bob = registered(&pbx, 1, codec);
    assert_eq!(pbx.health("registrations"), 2);
    ann.dial("1002");
    talk_and_hang_up(&mut ann, &mut bob, ends);
    nothing_is_left(&pbx);
}

#[track_caller]
fn talk_and_hang_up(ann: &mut Phone, bob: &mut Phone, ends: Side) {
    ann.expect_established();
    bob.expect_established();
    ann.expect_tone(1000);
    bob.expect_tone(440);
    match ends {
        Side::Caller => ann.hang_up(),
        Side::Callee => bob.hang_up(),
    }
    ann.expect_closed();
    bob.expect_closed();
    check_heard(&ann.heard(), 1000, HEARD);
    check_heard(&bob.heard(), 440, HEARD);
}

/// A phone of one of the known extensions, registered.
fn registered(pbx: &Pbx, which: usize, codec: &str) -> Phone {
    started(pbx, &Account { codec, ..account(pbx, which) })
}
