//! Several devices on one extension, and what becomes of registrations.

use crate::gate;
use crate::pbx::Pbx;
use crate::phone::{Account, Answers, Kind, PATIENCE};
use crate::story::{TONES, account, ended, nothing_is_left, started};
use crate::wait::wait_for;

#[test]
fn the_first_device_that_answers_has_the_call_and_the_other_has_missed_nothing() {
    gate::or_return!();
    let pbx = Pbx::start();
    let device = |kind| Account { kind, answers: Answers::ByHand, ..account(&pbx, 1) };
    let mut ann = started(&pbx, &account(&pbx, 0));
    let mut baresip = started(&pbx, &device(Kind::Baresip));
    let mut linphone = started(&pbx, &device(Kind::Linphone));
    for winner in [Kind::Baresip, Kind::Linphone] {
        ann.dial("1002");
        baresip.expect_called();
        linphone.expect_called();
        let [first, second] = match winner {
            Kind::Baresip => [&mut baresip, &mut linphone],
            Kind::Linphone => [&mut linphone, &mut baresip],
        };
        first.answer();
        first.expect_established();
        second.expect_closed();
        ann.expect_established();
        ann.expect_tone(TONES[1]);
        first.expect_tone(TONES[0]);
        ann.hang_up();
        ann.expect_closed();
        first.expect_closed();
        ended(&pbx, "hangup");
        let cancel = "CANCEL sip:1002";
        let elsewhere = "Reason: SIP;cause=200;text=\"Call completed elsewhere\"";
        let log = second.log();
        let (_, cancelled) = log.rsplit_once(cancel).expect("a CANCEL");
        assert!(cancelled.contains(elsewhere), "{cancelled}");
    }
    assert_eq!(linphone.missed(), Some(0));
    // Only a call that nobody answers is one that was missed.
    ann.dial("1002");
    linphone.expect_called();
    ann.hang_up();
    linphone.expect_closed();
    assert_eq!(linphone.missed(), Some(1));
    nothing_is_left(&pbx);
}

#[test]
fn a_phone_leaves_and_comes_back() {
    gate::or_return!();
    for kind in [Kind::Baresip, Kind::Linphone] {
        let pbx = Pbx::start();
        let account = Account { kind, ..account(&pbx, 1) };
        let mut bob = started(&pbx, &account);
        bob.unregister();
        wait_for("the leave of 1002", PATIENCE, || {
            (pbx.health("registrations") == 0).then_some(())
        });
        // It comes back at another port, as a phone does that was switched off and on.
        drop(bob);
        let mut bob = started(&pbx, &account);
        let mut ann = started(&pbx, &self::account(&pbx, 0));
        ann.dial("1002");
        bob.expect_established();
        ann.expect_tone(TONES[1]);
        ann.hang_up();
        bob.expect_closed();
        nothing_is_left(&pbx);
    }
}

#[test]
fn phones_talk_over_ipv6() {
    gate::or_return!();
    for kinds in [[Kind::Linphone, Kind::Baresip], [Kind::Baresip, Kind::Linphone]] {
        for transport in ["udp", "tcp"] {
            let pbx = Pbx::start_at("[::1]:0");
            let [mut ann, mut bob] = [0, 1].map(|which| {
                started(&pbx, &Account { kind: kinds[which], transport, ..account(&pbx, which) })
            });
            ann.dial("1002");
            ann.expect_established();
            bob.expect_established();
            ann.expect_tone(TONES[1]);
            bob.expect_tone(TONES[0]);
            bob.hang_up();
            ann.expect_closed();
            nothing_is_left(&pbx);
        }
    }
}

#[test]
fn an_invite_larger_than_a_packet_comes_over_tcp() {
    gate::or_return!();
    let pbx = Pbx::start();
    let all_codecs =
        |which, kind| Account { kind, codec: "", transport: "tcp", ..account(&pbx, which) };
    let mut ann = started(&pbx, &all_codecs(0, Kind::Linphone));
    let mut bob = started(&pbx, &all_codecs(1, Kind::Linphone));
    ann.dial("1002");
    ann.expect_established();
    bob.expect_established();
    ann.expect_tone(TONES[1]);
    bob.expect_tone(TONES[0]);
    let log = ann.log();
    let sizes = log.lines().filter_map(|it| it.split_once("], size: [")?.1.split(']').next());
    let largest = sizes.filter_map(|it| it.parse::<u32>().ok()).max();
    assert!(largest.is_some_and(|it| it > 1300), "the largest had {largest:?} bytes");
    ann.hang_up();
    bob.expect_closed();
    nothing_is_left(&pbx);
}
