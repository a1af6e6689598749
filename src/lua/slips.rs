//! Slips of the pen that loading does not find: names of the call, of `pbx` and of options that
//! there are not, in lines that no test may ever run.
//!
//! This is no parser. It looks for `call.` and `pbx.` as people write them, and for option tables
//! that are written where they are used; what it cannot see, it passes over in silence.

use super::api::{self, CALL, Field, METHODS, OPERATIONS, PBX};
use crate::base::nearest::hint;
use crate::call::plan::{Place, Problem};

/// Slips of one file that are told.
const SLIPS_MAX: usize = 100;

/// Looks for slips in scripts, by their names and texts.
pub fn slips(files: &[(String, String)]) -> Vec<Problem> {
    files.iter().flat_map(|(name, text)| Scan::new(name, text).slips()).collect()
}

/// A text without its comments and what stands in its strings.
struct Scan<'a> {
    file: &'a str,
    /// The same length as the text, and the same lines.
    code: Vec<u8>,
    found: Vec<Problem>,
}

impl<'a> Scan<'a> {
    fn new(file: &'a str, text: &str) -> Self {
        Self { file, code: blank(text.as_bytes()), found: Vec::new() }
    }

    fn slips(mut self) -> Vec<Problem> {
        let words: Vec<(usize, usize)> = self.words();
        // A file with a `call` of its own means that one.
        let own_call = words.windows(2).any(|it| {
            matches!(self.text(it[0]), "local" | "function")
                && self.text(it[1]) == "call"
                && self.skip_blanks(it[0].1) == it[1].0
        });
        for word in words {
            if self.found.len() == SLIPS_MAX {
                break;
            }
            match self.text(word) {
                _ if self.is_inner(word.0) => {}
                "call" if !own_call => self.call(word.1),
                "pbx" => self.fields("pbx", PBX, word.1),
                _ => {}
            }
        }
        self.found
    }

    /// What stands behind `call`.
    fn call(&mut self, at: usize) {
        let Some((separator, name)) = self.member(at) else { return };
        let word = self.text(name).to_owned();
        let methods = OPERATIONS.iter().map(|it| it.name).chain(METHODS.iter().copied());
        if methods.clone().any(|it| it == word) {
            if let Some(operation) = api::find(&word).filter(|it| !it.options.is_empty()) {
                self.options(operation, name.1);
            }
        } else if separator == b':' {
            let hint = hint(&word, methods);
            self.slip(name.0, format!("unknown method '{word}' of call{hint}"));
        } else {
            self.fields_or("call", CALL, &methods.collect::<Vec<_>>(), at);
        }
    }

    fn fields(&mut self, path: &str, known: &'static [Field], at: usize) {
        self.fields_or(path, known, &[], at);
    }

    /// A field must be one of these, and what stands behind it one of its own.
    fn fields_or(&mut self, path: &str, known: &'static [Field], others: &[&str], at: usize) {
        let Some((b'.', name)) = self.member(at) else { return };
        let word = self.text(name).to_owned();
        match known.iter().find(|it| it.name == word) {
            Some(it) if it.inner.is_empty() => {}
            Some(it) => self.fields(&format!("{path}.{word}"), it.inner, name.1),
            None => {
                let names = known.iter().map(|it| it.name).chain(others.iter().copied());
                let hint = hint(&word, names);
                self.slip(name.0, format!("unknown field '{word}' of {path}{hint}"));
            }
        }
    }

    /// The keys of an option table that is written in the call's parentheses, which open at `at`.
    fn options(&mut self, operation: &api::Operation, at: usize) {
        let open = self.skip_blanks(at);
        if self.code.get(open) != Some(&b'(') {
            return;
        }
        let (mut depth, mut argument, mut last, mut table) = (0, 0, b'(', false);
        let mut i = open;
        while let Some(&byte) = self.code.get(i) {
            match byte {
                b'(' | b'[' | b'{' => {
                    // Only a table that is the whole last argument.
                    table |= depth == 1
                        && byte == b'{'
                        && argument + 1 == operation.arguments
                        && matches!(last, b',' | b'(');
                    depth += 1;
                }
                b')' | b']' | b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                    table &= depth > 1;
                }
                b',' if depth == 1 => argument += 1,
                _ if starts_word(byte) => {
                    let word = (i, self.end_of_word(i));
                    let next = self.skip_blanks(word.1);
                    let is_key = self.code.get(next) == Some(&b'=')
                        && self.code.get(next + 1) != Some(&b'=');
                    if table && depth == 2 && is_key && matches!(last, b'{' | b',' | b';') {
                        self.option(operation, word);
                    }
                    (i, last) = (word.1, b'a');
                    continue;
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                last = byte;
            }
            i += 1;
        }
    }

    fn option(&mut self, operation: &api::Operation, word: (usize, usize)) {
        let key = self.text(word).to_owned();
        if !operation.options.contains(&key.as_str()) {
            let hint = hint(&key, operation.options.iter().copied());
            let name = operation.name;
            self.slip(word.0, format!("call:{name}: unknown option '{key}'{hint}"));
        }
    }

    fn slip(&mut self, at: usize, message: String) {
        let before = self.code.get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|it| **it == b'\n').count();
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.found.push(Problem { at: Place { file: self.file.to_owned(), line }, message });
    }

    /// `.name` or `:name` at this place: the sign and where the name is.
    fn member(&self, at: usize) -> Option<(u8, (usize, usize))> {
        let sign = self.skip_blanks(at);
        let byte = *self.code.get(sign).filter(|it| matches!(it, b'.' | b':'))?;
        let name = self.skip_blanks(sign + 1);
        self.code.get(name).filter(|it| starts_word(**it))?;
        Some((byte, (name, self.end_of_word(name))))
    }

    /// Whether a word is itself a member of something else: `x.call`, but not `x..call`.
    fn is_inner(&self, at: usize) -> bool {
        let before = self.code.get(..at).unwrap_or_default();
        let mut signs = before.iter().rev().skip_while(|it| it.is_ascii_whitespace());
        match signs.next() {
            Some(b'.') => signs.next() != Some(&b'.'),
            Some(b':') => signs.next() != Some(&b':'),
            _ => false,
        }
    }

    /// Where words begin and end.
    fn words(&self) -> Vec<(usize, usize)> {
        let mut words = Vec::new();
        let mut at = 0;
        while let Some(&byte) = self.code.get(at) {
            if is_word(byte) {
                let end = self.end_of_word(at);
                words.push((at, end));
                at = end;
            } else {
                at += 1;
            }
        }
        words
    }

    fn end_of_word(&self, at: usize) -> usize {
        let rest = self.code.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|it| is_word(**it)).count()
    }

    fn skip_blanks(&self, at: usize) -> usize {
        let rest = self.code.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|it| it.is_ascii_whitespace()).count()
    }

    fn text(&self, (from, to): (usize, usize)) -> &str {
        let bytes = self.code.get(from..to).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// The code alone: comments become blanks, and so does what stands between quotes. Line ends stay.
fn blank(text: &[u8]) -> Vec<u8> {
    let mut code = text.to_vec();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let end = match byte {
            b'-' if rest.starts_with(b"--") => {
                let inside = text.get(at + 2..).unwrap_or_default();
                let line = || rest.iter().position(|it| *it == b'\n').unwrap_or(rest.len());
                at + long_bracket(inside).map_or_else(line, |length| length + 2)
            }
            b'[' => at + long_bracket(rest).unwrap_or(0),
            b'"' | b'\'' => at + quoted(rest),
            _ => at,
        };
        // Quotes stay, so that a string is still something.
        let quotes = usize::from(matches!(byte, b'"' | b'\''));
        let (from, to) = (at + quotes, end.saturating_sub(quotes));
        if let Some(inside) = code.get_mut(from..to.max(from)) {
            for it in inside.iter_mut().filter(|it| **it != b'\n') {
                *it = b' ';
            }
        }
        at = end.max(at + 1);
    }
    code
}

/// The length of `[[…]]` or `[==[…]==]` at the beginning of a text.
fn long_bracket(text: &[u8]) -> Option<usize> {
    let level = text.strip_prefix(b"[")?.iter().take_while(|it| **it == b'=').count();
    if text.get(level + 1) != Some(&b'[') {
        return None;
    }
    let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
    let body = text.get(level + 2..)?;
    let found = body.windows(close.len()).position(|it| it == close);
    Some(found.map_or(text.len(), |at| level + 2 + at + close.len()))
}

/// The length of the string at the beginning of a text, with its quotes.
fn quoted(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' => return at,
            it if Some(&it) == text.first() => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

const fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[&str]) {
        let files = [("main.lua".to_owned(), text.to_owned())];
        let told: Vec<_> = slips(&files).iter().map(ToString::to_string).collect();
        assert_eq!(told, want, "{text}");
    }

    #[test]
    fn a_name_that_is_not_there_is_told_with_the_nearest() {
        check(
            "\ncall:dail('1')",
            &["main.lua:2: unknown method 'dail' of call (did you mean 'dial'?)"],
        );
        check(
            "print(call.form.number)",
            &["main.lua:1: unknown field 'form' of call (did you mean 'from'?)"],
        );
        check(
            "print(call.from\n  .nmae)",
            &["main.lua:2: unknown field 'nmae' of call.from (did you mean 'name'?)"],
        );
        check(
            "pbx.intrenal('1', f)",
            &["main.lua:1: unknown field 'intrenal' of pbx (did you mean 'internal'?)"],
        );
        check(
            "pbx.log.inof 'x'",
            &["main.lua:1: unknown field 'inof' of pbx.log (did you mean 'info'?)"],
        );
        check("call:kangaroo()", &["main.lua:1: unknown method 'kangaroo' of call"]);
        check("print('a'..call.nubmer)", &["main.lua:1: unknown field 'nubmer' of call"]);
    }

    #[test]
    fn an_option_that_is_not_there_is_told_with_the_nearest() {
        let told = "call:dial: unknown option 'timout' (did you mean 'timeout'?)";
        for text in [
            "call:dial('1', { timout = 3 })",
            "call:dial({ '1', ',', x(a, b) }, {timout=3})",
            "call : dial ( m.number , { timeout = 5; timout = f{ other = 1 } } )",
            "call:dial('1', { --[[ } ]] timout = 3 })",
        ] {
            check(text, &[&format!("main.lua:1: {told}")]);
        }
    }

    #[test]
    fn what_is_right_or_cannot_be_known_is_passed_over() {
        for text in [
            "call:answer() call:defer(f) call.tags.anything = call.headers['X-A'] .. call.state",
            "call:dial({ timout = 1 }, { timeout = 3 })",
            "call:dial('1', options) call:dial '1' call:dial('1', f{ timout = 1 })",
            "call:dial('1', { ['timout'] = 1, timeout = a == b and { timout = 1 } or 2 })",
            "-- call.form\n--[==[ call.form\n]] pbx.x ]==] print([[ call.form ]], 'call.form \\' call.form')",
            "print(\"it's call.form\") -- \"call.form",
            "other.call.form = 1 mycall.form = 2 callers.form = 3",
            "local call = require 'lib.call'\ncall.form()",
            "local function call(x) end call.form()",
            "call",
            "call.",
            "pbx:",
            "call:dial(",
            "call:dial('1', {",
            "\"",
            "--[[",
            "[==[",
            "'\\",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn the_scripts_that_ship_have_none() {
        assert_eq!(slips(&crate::lua::embedded()), []);
    }

    #[test]
    fn no_text_is_too_odd() {
        let mut rng = crate::base::Rng::from_seed(7);
        let parts = [
            "call", "pbx", ".", ":", "dial", "(", ")", "{", "}", ",", "=", "'", "\"", "--", "[[",
            "]]", "\n", "ü", "local", "\\", "timeout", " ",
        ];
        for _ in 0..5_000 {
            let count = rng.below(30);
            let text: String =
                (0..count).map(|_| parts[rng.below(parts.len() as u64) as usize]).collect();
            _ = slips(&[("main.lua".to_owned(), text)]);
        }
    }
}
