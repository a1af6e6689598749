//! A trace as people read it: a column for each party, arrows between them, time going down, and
//! what scripts and media did written where we stand.
//!
//! ```text
//!              1001                Moonswitch                 1002
//!      0.000    |---- INVITE sip:1002 --->|                    |
//!      0.001    |                         |  main.lua:2 dial 1002
//! ```

use std::fmt::Write as _;

use super::mask::{plain, text};
use super::{Depth, Entry, Heard, Trace, Way, words};
use crate::base::LegId;
use crate::sip::message::Message;

/// How far apart the columns stand.
const COLUMN: usize = 36;
/// Where the first stands: behind the time.
const FIRST: usize = 18;
/// How many messages back the same one counts as sent again.
const AGAIN: usize = 8;
/// The most columns; a leg beyond them shares the last, and its arrows name it.
const COLUMNS_MAX: usize = 8;

pub(super) fn print(trace: &Trace, depth: Depth) -> String {
    let mut out = String::new();
    let Trace { call, from, to, began, .. } = trace;
    _ = writeln!(out, "call {call}: {} calls {}, {}", plain(from), plain(to), began);
    for it in &trace.legs {
        let (leg, who, sip_call_id) = (it.id, plain(&it.who), plain(&it.sip_call_id));
        _ = writeln!(out, "  leg {leg}: {who}, Call-ID {sip_call_id}");
    }
    out.push('\n');
    let columns = Columns::of(trace);
    columns.heads(trace, &mut out);
    let mut sent: Vec<(LegId, &Heard)> = Vec::new();
    for it in &trace.records {
        let since = it.at.since(trace.began_mono);
        let time = format!("{:>6}.{:03}", since.as_secs(), since.subsec_millis());
        match &it.entry {
            Entry::Sip { leg, message } => {
                let recent = sent.iter().rev().take(AGAIN);
                let again = recent.into_iter().any(|(id, it)| {
                    id == leg && it.way == message.way && it.bytes == message.bytes
                });
                sent.push((*leg, message));
                let again = if again { " again" } else { "" };
                let label = format!("{}{again}", label(message));
                columns.arrow(&mut out, &time, *leg, message.way, &label);
                let usual = trace.leg(*leg).and_then(|it| it.remote);
                if usual.is_some_and(|it| it != message.flow.remote) {
                    columns.note(&mut out, &time, &format!("that peer: {}", message.flow.remote));
                }
                if depth == Depth::Messages {
                    whole(&mut out, message);
                }
            }
            entry => {
                for line in words(trace, entry).unwrap_or_default().lines() {
                    columns.note(&mut out, &time, &plain(line));
                }
            }
        }
    }
    if trace.left_out > 0 {
        _ = writeln!(out, "\n{} more did not fit into the memory of one call", trace.left_out);
    }
    out
}

/// Where each party stands: the caller, we, and whom we rang.
struct Columns {
    legs: Vec<(LegId, usize)>,
    ours: usize,
    count: usize,
}

impl Columns {
    fn of(trace: &Trace) -> Self {
        let ours = usize::from(!trace.legs.is_empty());
        let column = |nth: usize| if nth == 0 { 0 } else { (nth + 1).min(COLUMNS_MAX - 1) };
        let legs: Vec<_> =
            trace.legs.iter().enumerate().map(|(nth, it)| (it.id, column(nth))).collect();
        let count = 1 + legs.iter().map(|it| it.1).max().unwrap_or(0).max(ours);
        Self { legs, ours, count }
    }

    fn heads(&self, trace: &Trace, out: &mut String) {
        let (mut names, mut addresses) = (Line::default(), Line::default());
        let local = trace.records.iter().find_map(|it| match &it.entry {
            Entry::Sip { message, .. } => Some(message.flow.local.to_string()),
            _ => None,
        });
        names.centred(at(self.ours), "Moonswitch");
        addresses.centred(at(self.ours), &local.unwrap_or_default());
        for (id, column) in &self.legs {
            let Some(leg) = trace.leg(*id) else { continue };
            names.centred(at(*column), &clipped(&plain(&leg.who), COLUMN - 4));
            let remote = leg.remote.map(|it| it.to_string()).unwrap_or_default();
            addresses.centred(at(*column), &remote);
        }
        names.end(out);
        addresses.end(out);
    }

    /// An arrow between a party and us, with a label.
    fn arrow(&self, out: &mut String, time: &str, leg: LegId, way: Way, label: &str) {
        let mut line = self.lines(time);
        let column = self.legs.iter().find(|it| it.0 == leg).map_or(0, |it| it.1);
        let (low, high) = (at(column.min(self.ours)) + 1, at(column.max(self.ours)) - 1);
        let is_shared = self.legs.iter().filter(|it| it.1 == column).count() > 1;
        let label = if is_shared { format!("{leg} {label}") } else { label.to_owned() };
        for place in low..=high {
            line.put(place, "-");
        }
        let to_right = (way == Way::ToUs) == (column < self.ours);
        match to_right {
            true => line.put(high, ">"),
            false => line.put(low, "<"),
        }
        // Beside us, so that the labels of all arrows to one party stand below each other.
        let near = if column < self.ours { high + 1 - (COLUMN - 1) } else { low };
        let label = clipped(&label, COLUMN - 7);
        line.centred(near + (COLUMN - 1) / 2, &format!(" {label} "));
        line.end(out);
    }

    /// A remark where we stand.
    fn note(&self, out: &mut String, time: &str, text: &str) {
        let mut line = self.lines(time);
        line.cut(at(self.ours) + 1);
        line.put(at(self.ours) + 3, text);
        line.end(out);
    }

    /// The line of each party's life.
    fn lines(&self, time: &str) -> Line {
        let mut line = Line::default();
        line.put(0, time);
        for column in 0..self.count {
            line.put(at(column), "|");
        }
        line
    }
}

/// A line of text in which one writes at places.
#[derive(Default)]
struct Line(Vec<char>);

impl Line {
    fn put(&mut self, place: usize, text: &str) {
        let end = place + text.chars().count();
        if self.0.len() < end {
            self.0.resize(end, ' ');
        }
        for (slot, letter) in self.0.iter_mut().skip(place).zip(text.chars()) {
            *slot = letter;
        }
    }

    fn centred(&mut self, middle: usize, text: &str) {
        self.put(middle.saturating_sub(text.chars().count() / 2), text);
    }

    fn cut(&mut self, place: usize) {
        self.0.truncate(place);
    }

    fn end(&self, out: &mut String) {
        let text: String = self.0.iter().collect();
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

fn at(column: usize) -> usize {
    FIRST + column * COLUMN
}

/// What stands on an arrow: the request, or the status and what it answers.
fn label(message: &Heard) -> String {
    let Ok(parsed) = Message::parse(message.bytes.clone()) else {
        return "(not SIP)".to_owned();
    };
    let start = match parsed.status() {
        Some(status) => {
            let reason = String::from_utf8_lossy(parsed.reason()).into_owned();
            format!("{status} {} ({})", clipped(&reason, 15), parsed.method_token())
        }
        None => {
            format!("{} {}", parsed.method_token(), parsed.request_uri().unwrap_or_default())
        }
    };
    plain(&start)
}

fn whole(out: &mut String, message: &Heard) {
    let (from, to) = message.ends();
    _ = writeln!(out, "{:>FIRST$} {from} -> {to}", "");
    for line in text(message).lines() {
        _ = writeln!(out, "{:>FIRST$} {line}", "");
    }
}

fn clipped(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}
