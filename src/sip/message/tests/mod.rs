//! Messages as they come, good and bad. RFC 4475, real phones and mutants are in `tests/torture`.

mod printing;
mod reading;
mod values;

use super::{Fault, Message, ParseError};

/// A message from text in which each line end stands for CRLF.
fn message(text: &str) -> Message {
    framed(text).expect("this message can be framed")
}

fn framed(text: &str) -> Result<Message, ParseError> {
    Message::parse(text.replace('\n', "\r\n").into())
}

/// What the strict reading says of it.
fn checked(text: &str) -> Result<(), Fault> {
    message(text).check()
}

/// An OPTIONS with one of its lines replaced; the name in front of the colon says which.
fn options_with(line: &str) -> String {
    let name = line.split(':').next().unwrap_or_default().trim();
    let lines = OPTIONS.lines().map(|old| match old.split(':').next() {
        Some(old_name) if old_name.eq_ignore_ascii_case(name) => line,
        _ => old,
    });
    lines.collect::<Vec<_>>().join("\n") + "\n\n"
}

/// An OPTIONS with a line more.
fn options_and(line: &str) -> String {
    format!("{}\n{line}\n\n", OPTIONS.trim_end())
}

const OPTIONS: &str = "\
OPTIONS sip:desk@pbx.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKopt
Max-Forwards: 70
From: <sip:ann@pbx.example>;tag=a1
To: <sip:desk@pbx.example>
Call-ID: opt-1@192.0.2.1
CSeq: 1 OPTIONS

";
