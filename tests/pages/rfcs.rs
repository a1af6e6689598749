//! The page about RFCs: which section stands where in the source, and which test proves it.
//!
//! What the source says is read from its comments: `RFC 3261 §17.2.1`, more sections behind a comma, and
//! a bare `§8.2.7`, which is of the RFC that the head of its file names first, else, in `sip` and `call`, of
//! RFC 3261. Which test proves a section is kept by hand in `tests/data/rfcs.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// An RFC and a section of it, as numbers and words that sort: `["17", "2", "1"]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Section {
    rfc: u32,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u32),
    Word(String),
}

/// A test: its file and its name.
pub(crate) type Proof = (String, String);

/// Where each section stands: file and item.
type Places = BTreeMap<Section, BTreeSet<(String, String)>>;

/// The page, from the source in `src` and the table.
pub(crate) fn page(src: &Path, table: &str) -> String {
    let mut places = Places::new();
    for (path, text) in sources(src) {
        for (section, item) in mentions(&path, &text) {
            places.entry(section).or_default().insert((path.clone(), item));
        }
    }
    let proofs = proofs(table);
    let mut page = String::from(HEAD);
    let mut last = None;
    for (section, places) in &places {
        if last.replace(section.rfc) != Some(section.rfc) {
            let rfc = section.rfc;
            page += &format!("\n## RFC {rfc}\n\n| section | where | shown by |\n|---|---|---|\n");
        }
        let places: Vec<String> = places.iter().map(|(file, item)| place(file, item)).collect();
        let shown: Vec<String> = proofs.get(section).into_iter().flatten().map(proof).collect();
        page += &format!("| {} | {} | {} |\n", section.text(), places.join(", "), shown.join(", "));
    }
    page
}

/// What is wrong with the table: sections that no source names, tests that are not there.
pub(crate) fn slips(src: &Path, table: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let named: BTreeSet<Section> =
        sources(src).iter().flat_map(|it| mentions(&it.0, &it.1)).map(|it| it.0).collect();
    let mut slips = Vec::new();
    for (section, proofs) in proofs(table) {
        if !named.contains(&section) {
            slips.push(format!("RFC {} §{} stands nowhere in src", section.rfc, section.text()));
        }
        for (file, test) in proofs {
            let text = read(&file).unwrap_or_default();
            if !text.contains(&format!("#[test]\nfn {test}()"))
                && !text.contains(&format!("#[test]\n    fn {test}()"))
            {
                slips.push(format!("{file} has no test {test}"));
            }
        }
    }
    slips.extend(
        table
            .lines()
            .filter(|it| is_row(it) && row(it).is_none())
            .map(|it| format!("this is no row: {it}")),
    );
    slips
}

/// Every section that the comments of a file name, and the item that it stands at.
pub(crate) fn mentions(path: &str, text: &str) -> Vec<(Section, String)> {
    let comment =
        |line: &str| line.trim_start().split_once("//").filter(|it| it.0.is_empty()).is_some();
    let head: String = text.lines().take_while(|it| it.starts_with("//!")).collect();
    // RFC 2543 is what RFC 3261 has replaced: who names it tells the difference.
    let own = in_order(&head).find_map(|it| it.0.filter(|it| *it != 2543));
    let own = own.or(path.starts_with("src/sip/").then_some(3261));
    let own = own.or(path.starts_with("src/call/").then_some(3261));
    let lines: Vec<&str> = text.lines().collect();
    let mut all = Vec::new();
    let mut function = "the file";
    for (nth, line) in lines.iter().enumerate() {
        if !comment(line) {
            function = item(line).filter(|_| line.contains("fn ")).unwrap_or(function);
            continue;
        }
        let at = match line.trim_start() {
            it if it.starts_with("//!") => "the file",
            it if it.starts_with("///") => lines[nth..]
                .iter()
                .filter(|it| !comment(it))
                .find_map(|it| item(it))
                .unwrap_or(function),
            _ => function,
        };
        for (named, section) in in_order(line) {
            if let (Some(rfc), Some(parts)) = (named.or(own), section) {
                all.push((Section { rfc, parts }, at.to_owned()));
            }
        }
    }
    all
}

/// The RFCs and sections that a line names: `RFC 3261`, `RFC 3261 §17`, `§8.2`. In a list all are of the
/// RFC of the first.
fn in_order(line: &str) -> impl Iterator<Item = Mention> {
    let mut all = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("RFC ").into_iter().chain(rest.find('§')).min() {
        let is_listed = matches!(&rest[..at], ", " | " and " | " or ");
        let mut rfc = all.last().filter(|_| is_listed).and_then(|it: &Mention| it.0);
        rest = &rest[at..];
        if let Some(behind) = rest.strip_prefix("RFC ") {
            let length = behind.bytes().take_while(u8::is_ascii_digit).count();
            rfc = behind[..length].parse().ok();
            rest = &behind[length..];
        }
        let behind = rest.strip_prefix(" §").or(rest.strip_prefix('§'));
        let mut parts = None;
        if let Some(behind) = behind {
            let length =
                behind.bytes().take_while(|it| it.is_ascii_alphanumeric() || *it == b'.').count();
            let text = behind[..length].trim_end_matches('.');
            parts = (!text.is_empty()).then(|| parts_of(text));
            rest = &behind[length..];
        }
        all.push((rfc, parts));
    }
    all.into_iter()
}

fn parts_of(text: &str) -> Vec<Part> {
    let part = |it: &str| it.parse().map_or_else(|_| Part::Word(it.to_owned()), Part::Number);
    text.split('.').map(part).collect()
}

/// An RFC and a section, as far as they are named.
type Mention = (Option<u32>, Option<Vec<Part>>);

/// The name of the item that a line begins.
fn item(line: &str) -> Option<&str> {
    const KINDS: [&str; 9] =
        ["fn", "struct", "enum", "const", "static", "type", "trait", "mod", "macro_rules!"];
    let mut words = line.split([' ', '(', '<', ':', '{', ';', '=']).filter(|it| !it.is_empty());
    while let Some(word) = words.next() {
        match word {
            "pub" | "crate" | "crate)" | "super)" | "self)" | "in" | "async" | "unsafe" => {}
            "const" if line.contains("const fn ") => {}
            kind if KINDS.contains(&kind) => return words.next(),
            word if word.ends_with(')') => {}
            // A field or a variant.
            word if line.trim_start().starts_with(word) || line.trim_start().starts_with("pub") => {
                let is_name =
                    word.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b',');
                return is_name.then(|| word.trim_end_matches(','));
            }
            _ => return None,
        }
    }
    None
}

/// The files of a folder that are no tests, and below it, in their order.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        if at.is_dir() {
            open.extend(fs::read_dir(&at).unwrap().map(|it| it.unwrap().path()));
            continue;
        }
        let path = at.to_str().unwrap().to_owned();
        let is_test = path.contains("/tests") || path.contains("src/sim/");
        if path.ends_with(".rs") && !is_test {
            let text = fs::read_to_string(&at).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            all.push((path, code.to_owned()));
        }
    }
    all.sort();
    all
}

fn proofs(table: &str) -> BTreeMap<Section, Vec<Proof>> {
    let mut all = BTreeMap::<Section, Vec<Proof>>::new();
    for (section, proof) in table.lines().filter_map(row) {
        all.entry(section).or_default().push(proof);
    }
    all
}

fn is_row(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// `3261 §17.2.1 src/sip/tx/server.rs a_name`.
fn row(line: &str) -> Option<(Section, Proof)> {
    let mut words = line.split_whitespace().filter(|_| is_row(line));
    let rfc = words.next()?.parse().ok()?;
    let parts = parts_of(words.next()?.strip_prefix('§')?);
    let proof = (words.next()?.to_owned(), words.next()?.to_owned());
    words.next().is_none().then_some((Section { rfc, parts }, proof))
}

impl Section {
    fn text(&self) -> String {
        let part = |it: &Part| match it {
            Part::Number(it) => it.to_string(),
            Part::Word(it) => it.clone(),
        };
        self.parts.iter().map(part).collect::<Vec<_>>().join(".")
    }
}

fn place(file: &str, item: &str) -> String {
    let short = file.trim_start_matches("src/");
    if item == "the file" {
        format!("[{short}](../{file})")
    } else {
        format!("[{short}](../{file}) `{item}`")
    }
}

fn proof((file, test): &Proof) -> String {
    format!("[{}](../{file})", test.replace('_', " "))
}

const HEAD: &str = "\
<!-- Printed by tests/pages.rs; `make pages` writes it anew. -->
# RFCs, section by section

Where a section stands in the source, and the test that shows that its rule holds, for those that somebody has
matched (`tests/data/rfcs.txt`).
";

#[test]
fn what_a_comment_names_is_read_with_its_item() {
    let text = "//! Presence, RFC 3856 and RFC 3863 §4.1.\n\n/// As §4.2 and RFC 3261 §8.1.1.7 say.\n\
                #[derive(Debug)]\npub(super) struct A;\n\nimpl A {\n    pub fn b(&self) {\n        \
                // RFC 3261 §9.1, §9.2: late.\n        c(\"RFC 1 §1\");\n    }\n}\n";
    let read: Vec<String> = mentions("src/sip/a.rs", text)
        .into_iter()
        .map(|(section, item)| format!("{} {} {item}", section.rfc, section.text()))
        .collect();
    let said = ["3863 4.1 the file", "3856 4.2 A", "3261 8.1.1.7 A", "3261 9.1 b", "3261 9.2 b"];
    assert_eq!(read, said);
}

#[test]
fn a_table_that_names_what_is_not_there_is_told_so() {
    let table = "3261 §17.2.1 a.rs here\n3261 §17.2.1 a.rs gone\n9999 §1 a.rs here\nnonsense\n";
    let read =
        |path: &str| (path == "a.rs").then(|| "#[test]\nfn here() {}\nfn gone() {}".to_owned());
    let slips = slips(Path::new("src"), table, read);
    let wrong =
        ["a.rs has no test gone", "RFC 9999 §1 stands nowhere in src", "this is no row: nonsense"];
    assert_eq!(slips, wrong);
}
