use super::*;
use crate::sip::tx::script::{check, machine};

machine!(
    InviteServer,
    |reliable, _| InviteServer::new(Timing::default(), reliable),
    |verb, status, bytes| match verb {
        "invite" => Input::Invite,
        "ack" => Input::Ack,
        "reply" => Input::Reply { status, bytes },
        "unreachable" => Input::Unreachable,
        it => panic!("unknown input {it}"),
    }
);

#[test]
fn resends_a_rejection_until_acked() {
    check::<InviteServer>(
        "udp",
        "
        > reply 486
             0 send 486
           500 send 486
          1500 send 486
        > at 2000 ack
          7000 end
        ",
    );
}

#[test]
fn gives_up_after_timer_h() {
    check::<InviteServer>(
        "udp",
        "
        > reply 486
             0 send 486
           500 send 486
          1500 send 486
          3500 send 486
          7500 send 486
         11500 send 486
         15500 send 486
         19500 send 486
         23500 send 486
         27500 send 486
         31500 send 486
         32000 failed no ack
         32000 end
        ",
    );
}

#[test]
fn sends_a_rejection_once_over_tcp() {
    check::<InviteServer>(
        "tcp",
        "
        > reply 486
             0 send 486
        > at 10 ack
            10 end
        ",
    );
}

#[test]
fn waits_for_the_ack_over_tcp_as_well() {
    check::<InviteServer>(
        "tcp",
        "
        > reply 486
             0 send 486
         32000 failed no ack
         32000 end
        ",
    );
}

#[test]
fn repeats_the_last_provisional_on_a_repeated_invite() {
    check::<InviteServer>(
        "udp",
        "
        > invite
        > reply 100
             0 send 100
        > reply 180
             0 send 180
        > at 500 invite
           500 send 180
        ",
    );
}

#[test]
fn repeats_a_rejection_on_a_repeated_invite_and_absorbs_repeated_acks() {
    check::<InviteServer>(
        "udp",
        "
        > reply 404
             0 send 404
        > at 100 invite
           100 send 404
        > at 200 reply 200
        > at 200 ack
        > at 300 ack
        > at 400 invite
          5200 end
        ",
    );
}

#[test]
fn leaves_resending_of_2xx_to_the_core() {
    check::<InviteServer>(
        "udp",
        "
        > reply 200
             0 send 200
        > at 400 invite
        > at 500 reply 200
           500 send 200
        > at 550 reply 486
        > at 600 ack
           600 pass ack
        > at 700 ack
           700 pass ack
         32000 end
        ",
    );
}

#[test]
fn a_caller_out_of_reach_is_told_once_and_its_repeats_open_no_new_call() {
    check::<InviteServer>(
        "udp",
        "
        > reply 100
             0 send 100
        > at 10 unreachable
            10 failed unreachable
        > at 20 unreachable
        > at 500 invite
           500 send 100
         32010 end
        ",
    );
}

#[test]
fn the_core_may_still_answer_a_caller_that_was_out_of_reach() {
    check::<InviteServer>(
        "udp",
        "
        > unreachable
             0 failed unreachable
        > at 100 reply 180
           100 send 180
        > at 1000 reply 500
          1000 send 500
        > at 1100 ack
          6100 end
        ",
    );
}

#[test]
fn a_lost_rejection_is_the_business_of_its_resends() {
    check::<InviteServer>(
        "udp",
        "
        > reply 486
             0 send 486
        > at 10 unreachable
           500 send 486
        > at 600 ack
          5600 end
        ",
    );
}

#[test]
fn a_late_driver_resends_once_and_then_paces_from_now() {
    check::<InviteServer>(
        "udp",
        "
        > reply 486
             0 send 486
        > late 12345
         12345 send 486
         13345 send 486
        > at 14000 ack
         19000 end
        ",
    );
}

#[test]
fn a_very_late_driver_sends_nothing_and_gives_up() {
    check::<InviteServer>(
        "udp",
        "
        > reply 486
             0 send 486
        > late 3600000
        3600000 failed no ack
        3600000 end
        ",
    );
}
