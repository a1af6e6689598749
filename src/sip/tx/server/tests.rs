use super::*;
use crate::sip::tx::script::{check, machine};

machine!(Server, |reliable, _| Server::new(Timing::default(), reliable), |verb, status, bytes| {
    match verb {
        "request" => Input::Request,
        "reply" => Input::Reply { status, bytes },
        "unreachable" => Input::Unreachable,
        it => panic!("unknown input {it}"),
    }
});

#[test]
fn answers_repeats_with_the_same_reply_until_timer_j() {
    check::<Server>(
        "udp",
        "
        > request
        > at 100 reply 200
           100 send 200
        > at 600 request
           600 send 200
        > at 700 reply 500
        > at 800 request
           800 send 200
         32100 end
        ",
    );
}

#[test]
fn repeats_the_last_provisional() {
    check::<Server>(
        "udp",
        "
        > reply 100
             0 send 100
        > at 500 request
           500 send 100
        > at 600 reply 404
           600 send 404
        > at 700 request
           700 send 404
         32600 end
        ",
    );
}

#[test]
fn is_done_at_once_over_tcp() {
    check::<Server>(
        "tcp",
        "
        > reply 100
             0 send 100
        > reply 200
             0 send 200
             0 end
        > at 10 request
        ",
    );
}

#[test]
fn a_peer_out_of_reach_is_told() {
    check::<Server>(
        "udp",
        "
        > unreachable
        > reply 200
             0 send 200
        > at 10 unreachable
            10 failed unreachable
            10 end
        ",
    );
}

#[test]
fn a_status_that_is_none_is_not_sent() {
    check::<Server>(
        "udp",
        "
        > reply 42
        > reply 200
             0 send 200
        > late 100000
        100000 end
        ",
    );
}
