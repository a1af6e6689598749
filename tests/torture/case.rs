//! The table in `tests/data`: what is sent, and what must come of it. `tests/data/README.md` explains
//! the format.

use std::path::{Path, PathBuf};

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The section that it is of, and its name.
    pub(crate) title: String,
    /// Exactly what is sent.
    pub(crate) bytes: Vec<u8>,
    /// What the parser says: `sound`, `fault …` with the words of the refusal, or `none …` with the
    /// words of the reason that it is no message.
    pub(crate) parse: String,
    /// The answer to a datagram: a status, or `-`.
    pub(crate) udp: String,
    /// The answer on a stream, and `closed` when that is its end.
    pub(crate) tcp: String,
    /// The final answer when the same comes with the right credentials.
    pub(crate) known: Option<String>,
    /// What the second reader does with a sound message, unless it agrees: `refuses` or
    /// `misreads`, and the fields.
    pub(crate) rsip: Option<String>,
    /// What is read: field and value.
    pub(crate) has: Vec<(String, Vec<u8>)>,
    /// What it is about.
    pub(crate) why: String,
}

/// All rows of the files in a folder of `tests/data`, in order.
pub(crate) fn table(folder: &str) -> Vec<Case> {
    let folder = data(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files.iter().flat_map(|it| cases(it)).collect()
}

/// A place in `tests/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn cases(file: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).unwrap();
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let mut rows = text.split("\n== ").skip(1);
    let all: Vec<_> = rows.by_ref().map(|row| Case::read(stem, row)).collect();
    assert!(!all.is_empty(), "{} has no rows", file.display());
    all
}

impl Case {
    fn read(stem: &str, row: &str) -> Self {
        let (title, rest) = row.split_once('\n').expect("a title has a line of its own");
        let title = format!("{stem} {title}");
        let parts = rest.split_once("\n--\n");
        let parts = parts.and_then(|it| Some((it.0, it.1.trim_end().strip_suffix("--")?)));
        let (head, message) = parts.unwrap_or_else(|| panic!("{title}: not between two --"));
        let mut it = Self {
            bytes: expanded(&title, message),
            title,
            parse: String::new(),
            udp: String::new(),
            tcp: String::new(),
            known: None,
            rsip: None,
            has: Vec::new(),
            why: String::new(),
        };
        for line in head.lines() {
            it.column(line);
        }
        for (column, value) in [("why", &it.why), ("parse", &it.parse), ("udp", &it.udp)] {
            assert!(!value.is_empty(), "{}: no {column}", it.title);
        }
        if it.tcp.is_empty() {
            it.tcp.clone_from(&it.udp);
        }
        it
    }

    fn column(&mut self, line: &str) {
        if let Some(more) = line.strip_prefix("  ") {
            self.why.push(' ');
            return self.why.push_str(more);
        }
        let (column, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim().to_owned();
        match column {
            "why" => self.why = value,
            "parse" => self.parse = value,
            "udp" => self.udp = value,
            "tcp" => self.tcp = value,
            "known" => self.known = Some(value),
            "rsip" => self.rsip = Some(value),
            "has" => {
                let (field, value) = value.split_once(" =").expect("has: field = value");
                let mut bytes = Vec::new();
                braces(&self.title, value.trim(), &mut bytes, |_| {});
                self.has.push((field.trim().to_owned(), bytes));
            }
            _ => panic!("{}: what is '{line}'?", self.title),
        }
    }
}

/// A message as it is sent: each line ends with CRLF, and braces hold what cannot be written.
fn expanded(title: &str, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut body, mut length) = (None, None);
    for line in text.lines() {
        let (line, is_joined) = line.strip_suffix("{+}").map_or((line, false), |it| (it, true));
        braces(title, line, &mut bytes, |at| length = Some(at));
        if line.is_empty() && !is_joined && body.is_none() {
            body = Some(bytes.len() + 2);
        }
        if !is_joined {
            bytes.extend(b"\r\n");
        }
    }
    if let Some(at) = length {
        let length = bytes.len() - body.unwrap_or_else(|| panic!("{title}: length of what?"));
        bytes.splice(at..at, length.to_string().into_bytes());
    }
    bytes
}

/// A line with what its braces hold; where the length of the body belongs is told.
fn braces(title: &str, line: &str, bytes: &mut Vec<u8>, mut length: impl FnMut(usize)) {
    let mut rest = line;
    while let Some((plain, after)) = rest.split_once('{') {
        bytes.extend(plain.as_bytes());
        let (inside, after) =
            after.split_once('}').unwrap_or_else(|| panic!("{title}: open brace: {line}"));
        match inside {
            "length" => length(bytes.len()),
            "sdp" => bytes.extend(SDP.replace('\n', "\r\n").into_bytes()),
            _ => bytes.extend(written(title, inside)),
        }
        rest = after;
    }
    bytes.extend(rest.as_bytes());
}

/// `41 0d 0a` are bytes, `300*text|` repeats a text, in which a bar is a line end.
fn written(title: &str, inside: &str) -> Vec<u8> {
    if let Some((count, text)) = inside.split_once('*') {
        return text.repeat(count.parse().unwrap()).replace('|', "\r\n").into_bytes();
    }
    let byte = |it: &str| {
        u8::from_str_radix(it, 16).unwrap_or_else(|_| panic!("{title}: what is '{inside}'?"))
    };
    inside.split(' ').map(byte).collect()
}

/// What somebody offers who wants to talk.
const SDP: &str = "v=0
o=- 7001 7002 IN IP4 192.0.2.77
s=-
c=IN IP4 192.0.2.77
t=0 0
m=audio 41000 RTP/AVP 8 0 101
a=rtpmap:101 telephone-event/8000
";

/// The inputs of a file that has one on each line.
pub(crate) fn lines(text: &str) -> Vec<Vec<u8>> {
    let input = |line: &str| {
        let mut bytes = Vec::new();
        braces(line, line, &mut bytes, |_| {});
        bytes
    };
    text.lines().map(input).collect()
}
