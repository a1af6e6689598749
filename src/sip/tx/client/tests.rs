use super::*;
use crate::sip::tx::script::{check, machine};

machine!(
    Client,
    |reliable, out| {
        let request = Bytes::from_static(b"bye");
        Client::new(Timing::default(), reliable, request, Mono::ZERO, out)
    },
    |verb, status, _| match verb {
        "response" => Input::Response(status),
        "unreachable" => Input::Unreachable,
        it => panic!("unknown input {it}"),
    }
);

#[test]
fn gives_up_on_silence_after_timer_f() {
    check::<Client>(
        "udp",
        "
             0 send bye
           500 send bye
          1500 send bye
          3500 send bye
          7500 send bye
         11500 send bye
         15500 send bye
         19500 send bye
         23500 send bye
         27500 send bye
         31500 send bye
         32000 failed no reply
         32000 end
        ",
    );
}

#[test]
fn resends_every_t2_once_something_came() {
    check::<Client>(
        "udp",
        "
             0 send bye
        > at 100 response 100
           100 pass
           500 send bye
          4500 send bye
          8500 send bye
        > at 9000 response 100
          9000 pass
        > at 9100 response 200
          9100 pass
         14100 end
        ",
    );
}

#[test]
fn passes_one_final_response_and_absorbs_its_repeats() {
    check::<Client>(
        "udp",
        "
             0 send bye
           500 send bye
        > at 510 response 481
           510 pass
        > at 520 response 481
        > at 530 response 200
        > at 540 unreachable
          5510 end
        ",
    );
}

#[test]
fn is_done_at_once_over_tcp() {
    check::<Client>(
        "tcp",
        "
             0 send bye
        > at 100 response 100
           100 pass
        > at 200 response 200
           200 pass
           200 end
        ",
    );
}

#[test]
fn gives_up_over_tcp_even_after_a_provisional() {
    check::<Client>(
        "tcp",
        "
             0 send bye
        > at 100 response 100
           100 pass
         32000 failed no reply
         32000 end
        ",
    );
}

#[test]
fn a_peer_out_of_reach_is_told_at_once() {
    check::<Client>(
        "udp",
        "
             0 send bye
        > at 100 response 100
           100 pass
        > at 120 unreachable
           120 failed unreachable
           120 end
        ",
    );
}

#[test]
fn a_late_driver_resends_once_and_then_paces_from_now() {
    check::<Client>(
        "udp",
        "
             0 send bye
        > late 20000
         20000 send bye
         21000 send bye
         23000 send bye
         27000 send bye
         31000 send bye
         32000 failed no reply
         32000 end
        ",
    );
}
