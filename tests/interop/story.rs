//! What the stories between phones begin and end with.

use std::time::Duration;

use crate::pbx::{EXTENSIONS, Pbx};
use crate::phone::{Account, Answers, Kind, PATIENCE, PCMA, Phone};
use crate::wait::{let_pass, wait_for};

/// What 1001 says and what 1002 says, in hertz.
pub(crate) const TONES: [u16; 2] = [440, 1000];

/// The account of an extension on a telephone that answers by itself.
pub(crate) fn account<'a>(pbx: &Pbx, which: usize) -> Account<'a> {
    let (number, password) = EXTENSIONS[which];
    Account {
        kind: Kind::Baresip,
        number,
        password,
        server: pbx.sip(),
        transport: "udp",
        codec: PCMA,
        hz: TONES[which].into(),
        answers: Answers::ByItself,
        at_once: 2,
    }
}

/// Starts a phone and waits until it is registered.
#[track_caller]
pub(crate) fn started(pbx: &Pbx, account: &Account<'_>) -> Phone {
    let before = pbx.health("registrations");
    let phone = Phone::start(account);
    wait_for("a registration", PATIENCE, || (pbx.health("registrations") > before).then_some(()));
    phone
}

/// Waits until all calls are over, and the log names this cause for the one that ended last.
#[track_caller]
pub(crate) fn ended(pbx: &Pbx, cause: &str) {
    wait_for("the end of all calls", PATIENCE, || (pbx.health("calls") == 0).then_some(()));
    // The log is written a moment later.
    let what = format!("a call that ended for the cause {cause}");
    wait_for(&what, PATIENCE, || {
        let log = pbx.log();
        let ends = |it: &&str| it.contains(" ended: ") && !it.contains(" leg ");
        let all_told = log.matches(" began: ").count() == log.lines().filter(ends).count();
        let (_, said) = log.lines().rfind(ends)?.split_once(" ended: ")?;
        (all_told && said.split(',').next() == Some(cause)).then_some(())
    });
}

#[track_caller]
pub(crate) fn nothing_is_left(pbx: &Pbx) {
    wait_for("the end of all calls", PATIENCE, || (pbx.health("calls") == 0).then_some(()));
    // While a stream is open, its media thread wakes a thousand times a second.
    wait_for("the media thread's sleep", PATIENCE, || {
        let before = pbx.wake_ups();
        let_pass(Duration::from_millis(200));
        (pbx.wake_ups() - before < 50).then_some(())
    });
}
