//! A trace for programs: one JSON object (RFC 8259), times in microseconds since the first record.

use super::{Detail, Entry, Record, Trace, Way, mask, words};
use crate::base::json::quoted;

pub(super) fn print(trace: &Trace) -> String {
    let legs: Vec<String> = trace
        .legs
        .iter()
        .map(|it| {
            let remote = it.remote.map_or_else(|| "null".to_owned(), |it| quoted(&it.to_string()));
            format!(
                r#"{{"leg":"{}","who":{},"remote":{remote},"sip_call_id":{}}}"#,
                it.id,
                quoted(&it.who),
                quoted(&it.sip_call_id)
            )
        })
        .collect();
    let records: Vec<String> = trace.records.iter().filter_map(|it| record(trace, it)).collect();
    format!(
        r#"{{"call":"{}","from":{},"to":{},"began_us":{},"left_out":{},"legs":[{}],"records":[{}]}}"#,
        trace.call,
        quoted(&trace.from),
        quoted(&trace.to),
        trace.began.0,
        trace.left_out,
        legs.join(","),
        records.join(",")
    ) + "\n"
}

fn record(trace: &Trace, it: &Record) -> Option<String> {
    let at = it.at.since(trace.began_mono).as_micros();
    let told = match &it.entry {
        Entry::Sip { leg, message } => {
            let way = match message.way {
                Way::ToUs => "in",
                Way::FromUs => "out",
            };
            let (from, to) = message.ends();
            let text = quoted(&mask::text(message));
            format!(
                r#""kind":"sip","leg":"{leg}","way":"{way}","from":"{from}","to":"{to}","text":{text}"#
            )
        }
        Entry::Detail(Detail::Agreed { leg, codec, local, remote, .. }) => format!(
            r#""kind":"audio","leg":"{leg}","codec":{},"local":"{local}","remote":"{remote}","text":{}"#,
            quoted(codec.name()),
            text(trace, &it.entry)?
        ),
        Entry::Detail(Detail::Closed { leg, stats }) => format!(
            concat!(
                r#""kind":"audio_ended","leg":"{}","received":{},"sent":{},"lost":{},"refused":{},"#,
                r#""jitter_us":{},"text":{}"#
            ),
            leg,
            stats.received,
            stats.sent,
            stats.lost,
            stats.refused,
            stats.jitter_us,
            text(trace, &it.entry)?
        ),
        Entry::Detail(Detail::Asked { what, at }) => {
            format!(r#""kind":"script","at":{},"text":{}"#, quoted(&at.to_string()), quoted(what))
        }
        Entry::Fact(_) | Entry::Detail(Detail::Named { .. }) => {
            format!(r#""kind":"fact","text":{}"#, text(trace, &it.entry)?)
        }
    };
    Some(format!(r#"{{"us":{at},{told}}}"#))
}

fn text(trace: &Trace, entry: &Entry) -> Option<String> {
    words(trace, entry).map(|it| quoted(&it))
}
