//! Hold and resume: who holds hears nothing; the other hears nothing either, or what the holder
//! plays to it; after that, everything is as before.

use crate::gate;
use crate::pbx::Pbx;
use crate::phone::{Account, Kind, Phone};
use crate::story::{TONES, account, nothing_is_left, started};

#[test]
fn a_linphone_and_a_baresip_hold_each_other_over_udp() {
    check_holds([Kind::Linphone, Kind::Baresip], "udp");
}

#[test]
fn a_baresip_and_a_linphone_hold_each_other_over_tcp() {
    check_holds([Kind::Baresip, Kind::Linphone], "tcp");
}

#[test]
fn two_baresips_hold_each_other() {
    check_holds([Kind::Baresip, Kind::Baresip], "udp");
}

#[test]
fn two_linphones_hold_each_other() {
    check_holds([Kind::Linphone, Kind::Linphone], "udp");
}

/// The first calls the second; each holds, and the first once more.
fn check_holds(kinds: [Kind; 2], transport: &str) {
    gate::or_return!();
    let pbx = Pbx::start();
    let [mut ann, mut bob] = [0, 1].map(|which| {
        started(&pbx, &Account { kind: kinds[which], transport, ..account(&pbx, which) })
    });
    ann.dial("1002");
    ann.expect_established();
    bob.expect_established();
    ann.expect_tone(TONES[1]);
    bob.expect_tone(TONES[0]);

    for (holder, digits) in [(0, ["1", "2"]), (1, ["3", "4"]), (0, ["5", "6"])] {
        let [holds, held] = if holder == 0 { [&mut ann, &mut bob] } else { [&mut bob, &mut ann] };
        let [tone, other] = [TONES[holder], TONES[1 - holder]];
        holds.hold();
        // Who does not record any more is judged by what it hears afterwards.
        if holds.is_recording() {
            holds.expect_silence();
        }
        if held.is_recording() {
            match kinds[holder] {
                Kind::Baresip => held.expect_silence(),
                // The music that it plays to those who wait is its file.
                Kind::Linphone => held.expect_tone(tone),
            }
        }
        holds.resume();
        hears(held, holds, tone, digits[0]);
        hears(holds, held, other, digits[1]);
    }

    bob.hang_up();
    ann.expect_closed();
    bob.expect_closed();
    nothing_is_left(&pbx);
}

/// Waits until one hears the other: its tone, or a digit where there is no recording.
#[track_caller]
fn hears(listener: &mut Phone, speaker: &mut Phone, tone: u16, digit: &str) {
    if listener.is_recording() {
        listener.expect_tone(tone);
    } else {
        speaker.digits(digit);
        listener.expect_digit(digit);
    }
}
