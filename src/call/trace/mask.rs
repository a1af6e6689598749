//! What is shown of a message: all of it but its secrets, and nothing that a terminal obeys.

use std::fmt::Write as _;

use bytes::Bytes;
use memchr::memmem;

use super::Heard;
use crate::sip::message::Message;

/// What stands where a secret stood.
const MASK: &str = "(masked)";

/// Headers whose values prove a password.
const PROOFS: [&str; 3] = ["authorization", "proxy-authorization", "authentication-info"];
/// The parameters of a digest that do.
const PROOF_PARAMS: [&str; 2] = ["response", "rspauth"];

/// The part of a message that may be kept, and how many bytes of its body may not: what people
/// write to each other (RFC 3428), keys they press (RFC 6086), whatever is no session description.
pub(super) fn keepable(message: &Message, bytes: &Bytes) -> (Bytes, usize) {
    let is_sdp =
        message.content_type().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/sdp"));
    let body = if is_sdp { message.body().len() } else { 0 };
    let kept = bytes.slice(..bytes.len().min(head_of(bytes) + body));
    let left_out = bytes.len() - kept.len();
    (kept, left_out)
}

/// The message as text.
pub(super) fn text(message: &Heard) -> String {
    let all = String::from_utf8_lossy(&message.bytes);
    let mut text = String::with_capacity(all.len());
    let mut secret = false;
    for line in all.lines() {
        // RFC 3261 §7.3.1: a line that begins with white space goes on with the header before it.
        if !line.starts_with([' ', '\t']) {
            let name = line.split(':').next().unwrap_or_default().trim();
            secret = PROOFS.iter().any(|it| name.eq_ignore_ascii_case(it));
        }
        let shown = if secret { without_proof(line) } else { without_key(line) };
        text.push_str(&plain(&shown));
        text.push('\n');
    }
    if message.body_left_out > 0 {
        _ = writeln!(text, "({} bytes of a body are not kept)", message.body_left_out);
    }
    text
}

/// Text without anything that a terminal would obey or that would turn it around.
pub(super) fn plain(text: &str) -> String {
    let is_odd = |it: char| {
        (it.is_control() && it != '\t')
            || matches!(it, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::with_capacity(text.len());
    for it in text.chars() {
        match is_odd(it) {
            true => shown.extend(it.escape_unicode()),
            false => shown.push(it),
        }
    }
    shown
}

/// A line of credentials. What is no digest is all secret.
fn without_proof(line: &str) -> String {
    let (name, value) = match line.split_once(':') {
        Some((name, value)) if !line.starts_with([' ', '\t']) => (format!("{name}:"), value),
        _ => (String::new(), line),
    };
    let trimmed = value.trim_start();
    let scheme = trimmed.split([' ', '\t']).next().unwrap_or_default();
    // A continuation has no scheme of its own, and a parameter in its place.
    let is_digest = scheme.eq_ignore_ascii_case("digest") || scheme.contains('=');
    if !is_digest {
        return format!("{name} {MASK}");
    }
    // A comma inside of quotes only splits a value that is not one of ours.
    let shown: Vec<String> = value.split(',').map(without_value).collect();
    format!("{name}{}", shown.join(","))
}

fn without_value(param: &str) -> String {
    let Some((before, _)) = param.split_once('=') else { return param.to_owned() };
    let name = before.trim().rsplit([' ', '\t']).next().unwrap_or_default();
    match PROOF_PARAMS.iter().any(|it| name.eq_ignore_ascii_case(it)) {
        true => format!("{before}={MASK}"),
        false => param.to_owned(),
    }
}

/// A line of a session description without keys of media (RFC 4568, RFC 8839).
fn without_key(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    for (attribute, secret) in [("a=crypto:", "inline:"), ("a=ice-pwd:", ""), ("k=", "")] {
        let Some(rest) = lower.strip_prefix(attribute) else { continue };
        let at = attribute.len() + rest.find(secret).map_or(0, |it| it + secret.len());
        return format!("{}{MASK}", line.get(..at).unwrap_or_default());
    }
    line.to_owned()
}

/// Where the body begins. Line ends before the start line are none of the head (RFC 3261 §7.5).
fn head_of(bytes: &[u8]) -> usize {
    let lead = bytes.iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
    let head = bytes.get(lead..).unwrap_or_default();
    let end = |mark: &[u8]| memmem::find(head, mark).map(|it| lead + it + mark.len());
    [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min().unwrap_or(bytes.len())
}
