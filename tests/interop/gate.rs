//! Whether the programs that the stories need are there.

use std::io::Write;
use std::sync::Once;

use crate::{baresip, linphone, sipp};

/// Whether to go on. Says once what is left out; panics when nothing may be.
pub(crate) fn is_open() -> bool {
    static SAID: Once = Once::new();
    let demanded = std::env::var_os("MOONSWITCH_INTEROP").is_some_and(|it| it == "1");
    let missing = if demanded { "" } else { "MOONSWITCH_INTEROP=1 is not set" };
    if demanded {
        assert!(baresip::is_installed(), "baresip (Debian: baresip-core) is needed and missing");
        assert!(linphone::is_installed(), "linphonec (Debian: linphone-cli) is needed and missing");
        assert!(sipp::is_installed(), "sipp (Debian: sip-tester) is needed and missing");
        return true;
    }
    // Straight to the descriptor: the test harness keeps what a passing test prints.
    SAID.call_once(|| {
        _ = writeln!(std::io::stderr(), "left out: calls of real phones and SIPp ({missing})");
    });
    false
}

/// Ends a story that cannot be told here.
macro_rules! or_return {
    () => {
        if !crate::gate::is_open() {
            return;
        }
    };
}
pub(crate) use or_return;
