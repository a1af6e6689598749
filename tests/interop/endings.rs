//! Every way in which a call between two kinds of phone can end.

use crate::gate;
use crate::pbx::Pbx;
use crate::phone::{Account, Answers, Kind, PATIENCE, Phone};
use crate::story::{TONES, account, ended, nothing_is_left, started};
use crate::wait::wait_for;

/// 1002 gets two seconds when somebody dials 51002.
const IMPATIENT: &str = r#"
pbx.internal("5{number:XXXX}", function(call, m)
  local leg, cause = call:dial(m.number, { timeout = 2 })
  if not leg then call:reject(cause) end
end)
"#;

#[test]
fn a_linphone_calls_a_baresip_and_every_ending_is_tried_over_udp() {
    check_endings(Kind::Linphone, Kind::Baresip, "udp");
}

#[test]
fn a_linphone_calls_a_baresip_and_every_ending_is_tried_over_tcp() {
    check_endings(Kind::Linphone, Kind::Baresip, "tcp");
}

#[test]
fn a_baresip_calls_a_linphone_and_every_ending_is_tried_over_udp() {
    check_endings(Kind::Baresip, Kind::Linphone, "udp");
}

#[test]
fn a_baresip_calls_a_linphone_and_every_ending_is_tried_over_tcp() {
    check_endings(Kind::Baresip, Kind::Linphone, "tcp");
}

fn check_endings(caller: Kind, callee: Kind, transport: &str) {
    gate::or_return!();
    let pbx = Pbx::start_planned(IMPATIENT);
    let by_hand = |which, kind| Account {
        kind,
        transport,
        answers: Answers::ByHand,
        at_once: 1,
        ..account(&pbx, which)
    };
    let mut ann = started(&pbx, &by_hand(0, caller));
    let mut bob = started(&pbx, &by_hand(1, callee));

    // The caller hangs up.
    talk(&mut ann, &mut bob);
    ann.hang_up();
    ann.expect_closed();
    bob.expect_closed();
    ended(&pbx, "hangup");

    // The callee hangs up.
    talk(&mut ann, &mut bob);
    bob.hang_up();
    bob.expect_closed();
    ann.expect_closed();
    ended(&pbx, "hangup");

    // The callee does not want to.
    ring(&mut ann, &mut bob);
    bob.hang_up();
    let (status, cause) = match callee {
        Kind::Baresip => ("486", "busy"),
        Kind::Linphone => ("603", "declined"),
    };
    refused(&mut ann, status);
    bob.expect_closed();
    ended(&pbx, cause);

    // The caller has thought better of it.
    ring(&mut ann, &mut bob);
    ann.hang_up();
    ann.expect_closed();
    bob.expect_closed();
    ended(&pbx, "hangup");

    // Nobody answers.
    ann.dial("51002");
    bob.expect_called();
    refused(&mut ann, "480");
    bob.expect_closed();
    ended(&pbx, "no_answer");

    // Nobody has this number.
    ann.dial("7777");
    refused(&mut ann, "404");
    ended(&pbx, "not_found");

    // The callee talks already.
    let mut eve = started(&pbx, &by_hand(0, caller));
    talk(&mut ann, &mut bob);
    eve.dial("1002");
    refused(&mut eve, "486");
    drop(eve);
    ann.expect_tone(TONES[1]);
    ann.hang_up();
    ann.expect_closed();
    bob.expect_closed();

    // The callee has left.
    let before = pbx.health("registrations");
    bob.unregister();
    wait_for("the leave of 1002", PATIENCE, || {
        (pbx.health("registrations") < before).then_some(())
    });
    ann.dial("1002");
    refused(&mut ann, "480");
    ended(&pbx, "offline");
    nothing_is_left(&pbx);
}

/// A call that rings.
#[track_caller]
fn ring(ann: &mut Phone, bob: &mut Phone) {
    ann.dial("1002");
    bob.expect_called();
    ann.expect_ringing();
}

/// A call in which each hears the other.
#[track_caller]
fn talk(ann: &mut Phone, bob: &mut Phone) {
    ring(ann, bob);
    bob.answer();
    ann.expect_established();
    bob.expect_established();
    ann.expect_tone(TONES[1]);
    bob.expect_tone(TONES[0]);
}

#[track_caller]
fn refused(phone: &mut Phone, status: &str) {
    let reason = phone.expect_closed();
    assert!(reason.starts_with(status), "{status} was to be heard, it was {reason}");
}
