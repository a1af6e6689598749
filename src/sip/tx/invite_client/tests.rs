use super::*;
use crate::sip::tx::script::{check, machine};

machine!(
    InviteClient,
    |reliable, out| {
        let invite = Bytes::from_static(b"invite");
        InviteClient::new(Timing::default(), reliable, invite, Mono::ZERO, out)
    },
    |verb, status, _| match verb {
        "response" => Input::Response(status),
        "unreachable" => Input::Unreachable,
        it => panic!("unknown input {it}"),
    }
);

#[test]
fn gives_up_on_silence_after_timer_b() {
    check::<InviteClient>(
        "udp",
        "
             0 send invite
           500 send invite
          1500 send invite
          3500 send invite
          7500 send invite
         15500 send invite
         31500 send invite
         32000 failed no reply
         32000 end
        ",
    );
}

#[test]
fn sends_once_over_tcp_and_gives_up_as_late() {
    check::<InviteClient>(
        "tcp",
        "
             0 send invite
         32000 failed no reply
         32000 end
        ",
    );
}

#[test]
fn rings_as_long_as_the_core_likes() {
    check::<InviteClient>(
        "udp",
        "
             0 send invite
           500 send invite
        > at 600 response 100
           600 pass
        > at 700 response 180
           700 pass
        > at 3000000 response 183
        3000000 pass
        ",
    );
}

#[test]
fn acknowledges_every_repeat_of_a_rejection_but_passes_one() {
    check::<InviteClient>(
        "udp",
        "
             0 send invite
        > at 100 response 180
           100 pass
        > at 200 response 486
           200 ack
           200 pass
        > at 700 response 486
           700 ack
        > at 800 response 180
        > at 900 response 200
        > at 1700 response 486
          1700 ack
         32200 end
        ",
    );
}

#[test]
fn is_done_with_a_rejection_at_once_over_tcp() {
    check::<InviteClient>(
        "tcp",
        "
             0 send invite
        > at 100 response 407
           100 ack
           100 pass
           100 end
        ",
    );
}

#[test]
fn passes_every_2xx_until_timer_m() {
    check::<InviteClient>(
        "udp",
        "
             0 send invite
        > at 100 response 200
           100 pass
        > at 600 response 200
           600 pass
        > at 700 response 180
        > at 800 response 486
        > at 32099 response 200
         32099 pass
         32100 end
        ",
    );
}

#[test]
fn listens_for_2xx_of_other_forks_over_tcp_as_well() {
    check::<InviteClient>(
        "tcp",
        "
             0 send invite
        > at 100 response 200
           100 pass
        > at 900 response 200
           900 pass
         32100 end
        ",
    );
}

#[test]
fn a_callee_out_of_reach_is_told_at_once() {
    check::<InviteClient>(
        "udp",
        "
             0 send invite
        > at 20 unreachable
            20 failed unreachable
            20 end
        > at 30 response 200
        ",
    );
}

#[test]
fn a_late_transport_error_does_not_end_a_ringing_call() {
    check::<InviteClient>(
        "udp",
        "
             0 send invite
        > at 20 response 180
            20 pass
        > at 30 unreachable
        > at 40 response 486
            40 ack
            40 pass
        > at 50 unreachable
        > at 540 response 486
           540 ack
         32040 end
        ",
    );
}

#[test]
fn a_late_driver_resends_once_and_then_paces_from_now() {
    check::<InviteClient>(
        "udp",
        "
             0 send invite
        > late 10000
         10000 send invite
         11000 send invite
         13000 send invite
         17000 send invite
         25000 send invite
         32000 failed no reply
         32000 end
        ",
    );
}

#[test]
fn a_slightly_late_driver_stays_on_the_grid() {
    check::<InviteClient>(
        "udp",
        "
             0 send invite
        > late 520
           520 send invite
          1500 send invite
        > at 1600 response 486
          1600 ack
          1600 pass
         33600 end
        ",
    );
}

#[test]
fn statuses_that_are_none_change_nothing() {
    check::<InviteClient>(
        "tcp",
        "
             0 send invite
        > response 0
        > response 99
        > response 700
         32000 failed no reply
         32000 end
        ",
    );
}
