//! Every row of the table, through both readers, and through the engine over UDP and TCP.

use std::fmt::Write as _;

use bytes::Bytes;
use moonswitch::call::event::What;
use moonswitch::sip::message::Message;

use crate::bench::{Bench, Challenge, Streamed};
use crate::case::{Case, table};
use crate::fields::field;
use crate::reader::{self, FIELDS};

#[test]
fn both_readers_say_what_the_table_says() {
    every_row(|row, wrong| {
        let parsed = Message::parse(Bytes::copy_from_slice(&row.bytes));
        let told = match &parsed {
            Ok(it) => it.check().map_or_else(|it| format!("fault {it}"), |()| "sound".to_owned()),
            Err(it) => format!("none {it}"),
        };
        compare(wrong, "parse", &row.parse, &told);
        if let Ok(it) = &parsed {
            for (name, value) in &row.has {
                match name.as_str() {
                    "body.has" => {
                        let mut places = it.body().windows(value.len());
                        compare(wrong, name, "true", &places.any(|it| it == value).to_string());
                    }
                    _ => compare(wrong, name, &String::from_utf8_lossy(value), &field(it, name)),
                }
            }
        }
        if told == "sound" {
            compare(wrong, "rsip", row.rsip.as_deref().unwrap_or("agrees"), &second(&row.bytes));
        } else {
            compare(wrong, "rsip", "None", &format!("{:?}", row.rsip));
        }
    });
}

#[test]
fn the_engine_answers_each_row_as_the_table_says_and_keeps_nothing() {
    let mut bench = Bench::new(4475);
    let before = bench.rested();
    every_row(|row, wrong| {
        let answers = bench.udp(&row.bytes);
        compare(wrong, "udp", &row.udp, &statuses(&answers, false));
        compare(wrong, "alive after a datagram", "true", &bench.is_alive().to_string());
        let whole = bench.tcp(&row.bytes, row.bytes.len().max(1));
        compare(wrong, "tcp", &row.tcp, &statuses(&whole.answers, whole.closed));
        compare(wrong, "alive after a stream", "true", &bench.is_alive().to_string());
        let cut = bench.tcp(&row.bytes, 1);
        compare(wrong, "tcp byte by byte", &told(&whole), &told(&cut));
        compare(wrong, "alive after bytes", "true", &bench.is_alive().to_string());
        // No stranger has made anything, and a moment later nothing of them is left.
        compare(wrong, "kept", &format!("{before:?}"), &format!("{:?}", bench.census()));
        let Some(known) = &row.known else { return };
        let Some(mut challenge) = Challenge::read(&answers) else {
            return wrong.push("no challenge".to_owned());
        };
        let answers = bench.udp(&challenge.answer(&row.bytes));
        let last = answers.last().and_then(Message::status).unwrap_or(0);
        compare(wrong, "known", known, &last.to_string());
        let failed =
            bench.world.facts.drain(..).filter(|it| matches!(it.what, What::ScriptFailed(_)));
        for it in failed {
            wrong.push(format!("{:?}", it.what));
        }
        // Longer than any registration.
        bench.world.run_for(std::time::Duration::from_secs(3_700));
        compare(wrong, "kept", &format!("{before:?}"), &format!("{:?}", bench.census()));
    });
    assert_eq!(bench.rested(), before);
}

/// Asks something of every row; all that is wrong with all of them is told at once.
fn every_row(mut ask: impl FnMut(&Case, &mut Vec<String>)) {
    let mut report = String::new();
    let only = std::env::var("MOONSWITCH_CASE").unwrap_or_default();
    let rows: Vec<Case> = [table("torture"), table("clients")].concat();
    assert!(rows.len() > 150, "only {} rows", rows.len());
    for row in rows.iter().filter(|it| it.title.contains(&only)) {
        let mut wrong = Vec::new();
        ask(row, &mut wrong);
        if !wrong.is_empty() {
            writeln!(report, "{} ({})", row.title, row.why).expect("strings take all");
            wrong.iter().for_each(|it| writeln!(report, "    {it}").expect("strings take all"));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

fn compare(wrong: &mut Vec<String>, what: &str, wanted: &str, got: &str) {
    if wanted != got {
        wrong.push(format!("{what}: wanted {wanted}, got {got}"));
    }
}

/// Whether the second reader reads a sound message as we do.
fn second(bytes: &[u8]) -> String {
    let Ok(theirs) = reader::theirs(bytes) else { return "refuses".to_owned() };
    let ours = match reader::ours(bytes) {
        Ok(it) => it,
        Err(_) => return "misreads contact".to_owned(),
    };
    let differ: Vec<_> =
        FIELDS.iter().zip(ours.iter().zip(&theirs)).filter(|it| it.1.0 != it.1.1).collect();
    match differ.as_slice() {
        [] => "agrees".to_owned(),
        _ => format!("misreads {}", differ.iter().map(|it| *it.0).collect::<Vec<_>>().join(" ")),
    }
}

/// `401 407 closed`, or `-`.
fn statuses(answers: &[Message], closed: bool) -> String {
    let mut all: Vec<String> = answers
        .iter()
        .map(|it| it.status().map_or("a request".to_owned(), |it| it.to_string()))
        .collect();
    all.extend(closed.then(|| "closed".to_owned()));
    if all.is_empty() { "-".to_owned() } else { all.join(" ") }
}

fn told(it: &Streamed) -> String {
    statuses(&it.answers, it.closed)
}
