//! Makes other messages out of messages. It knows a little of what a message looks like: lines,
//! numbers, the characters and words that readers look for; the rest is chance, by seed.

use moonswitch::base::Rng;

/// The longest that a mutant becomes.
const LENGTH_MAX: usize = 70_000;

/// A mutant of `parent`, sometimes with a piece of `other` in it.
pub(crate) fn mutant(rng: &mut Rng, parent: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = parent.to_vec();
    for _ in 0..=rng.below(4) {
        if bytes.is_empty() {
            bytes = other.to_vec();
        }
        match rng.below(15) {
            0 => flip(rng, &mut bytes),
            1 => spice(rng, &mut bytes),
            2 => word(rng, &mut bytes),
            3 => number(rng, &mut bytes),
            4 => cut_end(rng, &mut bytes),
            5 => drop(bytes.drain(range(rng, bytes.len(), 40))),
            6 => double(rng, &mut bytes),
            7 => swap(rng, &mut bytes),
            8 => splice(rng, &mut bytes, other),
            9 => fill(rng, &mut bytes),
            10 => line_gone(rng, &mut bytes),
            11 => line_again(rng, &mut bytes),
            12 => lines_swapped(rng, &mut bytes),
            13 => line_of_other(rng, &mut bytes, other),
            _ => line_end(rng, &mut bytes),
        }
        bytes.truncate(LENGTH_MAX);
    }
    bytes
}

fn flip(rng: &mut Rng, bytes: &mut [u8]) {
    let at = at(rng, bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << rng.below(8);
    }
}

/// A character that means something.
fn spice(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = at(rng, bytes.len());
    let spice = SPICE[at_most(rng, SPICE.len())];
    if rng.hits(500) {
        bytes.insert(at, spice);
    } else if let Some(byte) = bytes.get_mut(at) {
        *byte = spice;
    }
}

/// A word that means something.
fn word(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let word = WORDS[at_most(rng, WORDS.len())].replace('|', "\r\n");
    let at = at(rng, bytes.len());
    bytes.splice(at..at, word.into_bytes());
}

/// A number becomes another one.
fn number(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let from = at(rng, bytes.len());
    let Some(start) = bytes.iter().skip(from).position(u8::is_ascii_digit) else { return };
    let start = from + start;
    let length = bytes.iter().skip(start).take_while(|it| it.is_ascii_digit()).count();
    let number = NUMBERS[at_most(rng, NUMBERS.len())];
    bytes.splice(start..start + length, number.bytes());
}

fn cut_end(rng: &mut Rng, bytes: &mut Vec<u8>) {
    bytes.truncate(at(rng, bytes.len()) + 1);
}

fn double(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let piece = bytes[range(rng, bytes.len(), 80)].to_vec();
    let at = at(rng, bytes.len());
    bytes.splice(at..at, piece);
}

fn swap(rng: &mut Rng, bytes: &mut [u8]) {
    let length = 1 + rng.below(12) as usize;
    let (a, b) = (at(rng, bytes.len()), at(rng, bytes.len()));
    for nth in 0..length {
        if a.max(b) + nth < bytes.len() {
            bytes.swap(a + nth, b + nth);
        }
    }
}

/// The front of one and the end of another, or a piece of it in between.
fn splice(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = at(rng, bytes.len());
    if rng.hits(500) {
        bytes.truncate(at);
        bytes.extend_from_slice(&other[range(rng, other.len(), other.len()).start..]);
    } else {
        let piece = other[range(rng, other.len(), 200)].to_vec();
        bytes.splice(at..at, piece);
    }
}

/// Many of the same.
fn fill(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let count = [3, 50, 300, 2_000, 9_000][at_most(rng, 5)];
    let spice = SPICE[at_most(rng, SPICE.len())];
    let at = at(rng, bytes.len());
    bytes.splice(at..at, std::iter::repeat_n(spice, count));
}

fn line_gone(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let lines = lines(bytes);
    drop(bytes.drain(lines[at_most(rng, lines.len())].clone()));
}

/// A line stands there twice, or very often.
fn line_again(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let lines = lines(bytes);
    let line = bytes[lines[at_most(rng, lines.len())].clone()].to_vec();
    let to = lines[at_most(rng, lines.len())].start;
    let count = [1, 1, 1, 2, 20, 200][at_most(rng, 6)];
    bytes.splice(to..to, line.repeat(count));
}

fn lines_swapped(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let lines = lines(bytes);
    let (a, b) = (at_most(rng, lines.len()), at_most(rng, lines.len()));
    let (first, second) = (lines[a.min(b)].clone(), lines[a.max(b)].clone());
    if first.end > second.start {
        return;
    }
    let swapped = [
        &bytes[..first.start],
        &bytes[second.clone()],
        &bytes[first.end..second.start],
        &bytes[first.clone()],
        &bytes[second.end..],
    ];
    *bytes = swapped.concat();
}

fn line_of_other(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let theirs = lines(other);
    if theirs.is_empty() {
        return;
    }
    let line = other[theirs[at_most(rng, theirs.len())].clone()].to_vec();
    let ours = lines(bytes);
    let place = ours[at_most(rng, ours.len())].clone();
    let place = if rng.hits(500) { place } else { place.start..place.start };
    bytes.splice(place, line);
}

/// A line ends otherwise, goes on in the next one, or does not end.
fn line_end(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let lines = lines(bytes);
    let end = lines[at_most(rng, lines.len())].end;
    let start = end.saturating_sub(2);
    let ends: [&[u8]; 6] = [b"\n", b"\r", b"\r\n ", b"", b"\r\n\r\n", b"\n\t"];
    bytes.splice(start..end, ends[at_most(rng, ends.len())].iter().copied());
}

/// Where the lines are, with their ends; never none.
fn lines(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    let mut all: Vec<_> = bytes
        .split_inclusive(|it| *it == b'\n')
        .map(|it| {
            start += it.len();
            start - it.len()..start
        })
        .collect();
    if all.is_empty() {
        all.push(0..0);
    }
    all
}

fn range(rng: &mut Rng, length: usize, longest: usize) -> std::ops::Range<usize> {
    let start = at(rng, length);
    let span = 1 + rng.below(longest.max(1) as u64) as usize;
    start..(start + span).min(length)
}

fn at(rng: &mut Rng, length: usize) -> usize {
    rng.below(length.max(1) as u64) as usize
}

fn at_most(rng: &mut Rng, count: usize) -> usize {
    rng.below(count as u64) as usize
}

const SPICE: &[u8] = b"\r\n\0 \t:;,<>\"\\@=%?[]/*-.()\x7f\xff\xc49zV";
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "255",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999999999999999",
    "0000000000000000000000000000000000000000007",
];
const WORDS: [&str; 36] = [
    "|",
    "||",
    "| ",
    "v: SIP/2.0/UDP h|",
    "Via: SIP/2.0/TCP [::1]:1;rport;branch=z9hG4bK1|",
    "l: 5|",
    "Content-Length: 0|",
    "m: *|",
    "Contact: <sip:a@b>;expires=0|",
    "Route: <sip:a;lr>, <sip:b>|",
    "Record-Route: <sip:a;lr>|",
    "Require: 100rel|",
    "Max-Forwards: 0|",
    "Expires: 0|",
    "Content-Type: application/sdp|",
    "Content-Type: multipart/mixed;boundary=x|",
    ";tag=",
    ";tag=1",
    ";branch=z9hG4bK",
    ";rport",
    ";received=[::1]",
    "sip:",
    "sips:a:b@c",
    "tel:+1;phone-context=x",
    "<sip:a@[::1]:5060;lr?x=y>",
    "\"\\\"\"",
    "%00",
    "%0d%0a",
    "SIP/2.0",
    "INVITE",
    "a=rtpmap:96 opus/48000/2|",
    "m=audio 9 RTP/AVP 0|",
    "c=IN IP6 ::|",
    "a=inactive|",
    "Digest realm=\"moonswitch\",",
    ", nc=00000001, qop=auth, cnonce=\"\"",
];
