//! An instant message for somebody absent is on the disk before its sender hears 202: whatever is killed
//! then, it comes.

use crate::client::Client;
use crate::pbx::Pbx;
use crate::peer::Peer;

const ROUNDS: usize = 8;

#[test]
fn a_text_that_was_accepted_survives_a_kill_right_after() {
    let mut pbx = Pbx::start();
    for round in 0..ROUNDS {
        let mut ann = Peer::over_udp(pbx.sip());
        assert_eq!(ann.try_text(0, "1002", &kind(round)), Some(202), "round {round}");
        pbx.signal("KILL");
        pbx = Pbx::start_in(pbx.kill());
    }
    let mut bob = Peer::over_udp(pbx.sip());
    bob.register(1);
    for round in 0..ROUNDS {
        let text = bob.hear();
        assert_eq!(text.header("cseq"), "1 MESSAGE");
        assert_eq!(text.header("content-type"), kind(round));
        bob.say(text.reply("200 OK", "bob", "", ""));
    }
    // What comes after the last answer has had its effect when it is asked twice.
    bob.register(1);
    let mut client = Client::of(&pbx);
    (0..2).for_each(|_| assert_eq!(client.ask("GET", "/api/v1/sip/extensions", "").status, 200));
    let pbx = Pbx::start_in(pbx.kill());
    let mut bob = Peer::over_udp(pbx.sip());
    bob.register(1);
    let options = crate::peer::options("OPTIONS", 1);
    assert_eq!(bob.ask(&options).status(), Some(200), "nothing comes twice");
}

fn kind(round: usize) -> String {
    format!("text/plain;round={round}")
}
