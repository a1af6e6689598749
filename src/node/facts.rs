//! Facts as log lines: one each, with the call's id. What comes from the network stands in quotes
//! and escaped, so no peer writes lines of its own.

use crate::call::Fact;
use crate::call::event::What;

/// Writes one line.
pub(super) fn log(fact: &Fact) {
    let Fact { call, what, .. } = fact;
    // Words are found only for a line that somebody reads: phones refresh all day long.
    match (what, call) {
        (What::ScriptFailed(_) | What::ScriptsRefused { .. }, Some(call)) => {
            tracing::warn!("{call} {}", words(what));
        }
        (What::ScriptFailed(_) | What::ScriptsRefused { .. }, None) => {
            tracing::warn!("{}", words(what));
        }
        (What::ScriptsLoaded { slips, .. }, _) if !slips.is_empty() => {
            tracing::warn!("{}", words(what));
        }
        (What::Refreshed { .. }, _) => tracing::debug!("{}", words(what)),
        (_, Some(call)) => tracing::info!("{call} {}", words(what)),
        (_, None) => tracing::info!("{}", words(what)),
    }
}

fn words(what: &What) -> String {
    match what {
        What::Registered { extension, contact, expires } if expires.is_zero() => {
            format!("{extension:?} left {contact:?}")
        }
        What::Registered { extension, contact, expires } => {
            format!("{extension:?} registered {contact:?} for {} s", expires.as_secs())
        }
        What::Refreshed { extension, contact, expires } => {
            format!("{extension:?} stays at {contact:?} for {} s", expires.as_secs())
        }
        What::Expired { extension, contact } => {
            format!("registration of {extension:?} at {contact:?} ran out")
        }
        What::Began { leg, from, to, sip_call_id, generation } => {
            format!(
                "began: {from:?} calls {to:?} on leg {leg}, Call-ID {sip_call_id:?}, \
                 scripts {generation}"
            )
        }
        What::Dialled { leg, target } => format!("rings {target:?} on leg {leg}"),
        What::Ringing { leg } => format!("leg {leg} rings"),
        What::Answered { leg } => format!("leg {leg} answered"),
        What::Bridged { a, b } => format!("legs {a} and {b} hear each other"),
        What::Transferred { leg, by, to_call } => {
            format!("leg {leg} goes on in call {to_call}, sent by leg {by}")
        }
        What::Joined { leg, who, from_call: Some(call) } => {
            format!("leg {leg} of {who:?} comes from call {call}")
        }
        What::Joined { leg, who, from_call: None } => format!("leg {leg} of {who:?} takes it"),
        What::LegEnded { leg, cause, status: Some(status), .. } => {
            format!("leg {leg} ended: {cause} ({status})")
        }
        What::LegEnded { leg, cause, status: None, .. } => format!("leg {leg} ended: {cause}"),
        What::Asked { op, at } => format!("{at} asks for {op}"),
        What::Said { text, at } => format!("{at} says {text:?}"),
        What::ScriptFailed(error) => {
            let way: String = error.traceback.iter().map(|it| format!(" <- {it}")).collect();
            format!("{} failed: {:?}{}", error.at, error.message, way.escape_debug())
        }
        What::FellBack { to } => format!("goes on below, at {to}"),
        What::ScriptsLoaded { generation, source, slips } => {
            let slips: Vec<_> = slips.iter().map(ToString::to_string).collect();
            let slips = match slips.as_slice() {
                [] => String::new(),
                some => format!("; this would fail: {some:?}"),
            };
            format!("scripts {generation} loaded ({}): new calls get them{slips}", source.word())
        }
        What::ScriptsRefused { generation, source, problems } => {
            let name = generation.map_or_else(String::new, |it| format!(" {it}"));
            let why: Vec<_> = problems.iter().map(ToString::to_string).collect();
            format!("scripts{name} refused ({}), the ones before stay: {why:?}", source.word())
        }
        What::Ended { cause, talked, .. } => {
            format!("ended: {cause}, talked {}.{:03} s", talked.as_secs(), talked.subsec_millis())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::LegId;

    #[test]
    fn a_peer_cannot_forge_a_line() {
        let line =
            words(&What::Dialled { leg: LegId(7), target: "1\r\nc1 ended\u{1b}[31m".into() });
        assert_eq!(line, "rings \"1\\r\\nc1 ended\\u{1b}[31m\" on leg l7");
    }

    #[test]
    fn a_phone_that_leaves_does_not_look_like_one_that_comes() {
        let what = |expires| What::Registered {
            extension: "1001".into(),
            contact: "sip:1001@192.0.2.7".into(),
            expires,
        };
        let line = words(&what(Duration::from_secs(60)));
        assert_eq!(line, "\"1001\" registered \"sip:1001@192.0.2.7\" for 60 s");
        assert_eq!(words(&what(Duration::ZERO)), "\"1001\" left \"sip:1001@192.0.2.7\"");
    }
}
