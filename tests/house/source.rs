//! Reads Rust source as far as the house rules need it: words, marks and comments with their
//! lines; which of it is test code; and every path it names, `use` trees unfolded.
//!
//! It knows no types and expands no macros.

use std::collections::BTreeMap;

/// A file of the house.
pub(crate) struct Source {
    /// From the top of the package: `src/sip/mod.rs`.
    pub(crate) path: String,
    /// Everything but white space.
    pub(crate) tokens: Vec<Token>,
}

/// A piece of source.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    /// Empty for literals: what stands in a string breaks no rule.
    pub(crate) text: String,
    /// Whether only tests see it.
    pub(crate) test: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    /// `::`, or one character.
    Mark,
    Comment,
    Literal,
}

/// Something named with `::` or by a `use`, from its root as far as the file tells:
/// `crate::base::Mono`, `std::fs::read`. An import of everything ends in `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
    pub(crate) test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut tokens = Scanner { rest: text, line: 1 }.tokens();
        let all = path.ends_with("/tests.rs") || path.contains("/tests/");
        mark_tests(&mut tokens, all);
        Self { path: path.to_owned(), tokens }
    }

    /// The room: the first folder or file below `src`.
    pub(crate) fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        Some(inside.split('/').next()?.trim_end_matches(".rs"))
    }

    /// The module this file is: `["sip", "tx"]`.
    pub(crate) fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let mut module: Vec<_> =
            inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|it| matches!(it.as_str(), "mod" | "lib" | "main")) {
            module.pop();
        }
        module
    }

    /// Words and marks, without comments.
    pub(crate) fn code(&self) -> Vec<&Token> {
        self.tokens.iter().filter(|it| it.kind != Kind::Comment).collect()
    }

    pub(crate) fn comments(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(|it| it.kind == Kind::Comment)
    }

    /// How many lines hold more than comments.
    pub(crate) fn code_lines(&self) -> usize {
        let mut lines: Vec<_> = self.code().iter().map(|it| it.line).collect();
        lines.dedup();
        lines.len()
    }

    /// Every path that is named, with imported names followed to where they come from.
    pub(crate) fn named(&self) -> Vec<Named> {
        let code = self.code();
        let mut reader = Reader { code: &code, at: 0, module: self.module(), inline: Vec::new() };
        let (imports, mut spoken) = reader.paths();
        let mut origin = BTreeMap::new();
        for (name, import) in &imports {
            origin.insert((name.as_str(), import.test), &import.path);
        }
        for it in &mut spoken {
            let of = |test| origin.get(&(it.path[0].as_str(), test)).copied();
            if let Some(from) = of(it.test).or_else(|| of(false)) {
                it.path.splice(..1, from.iter().cloned());
            }
        }
        spoken.extend(imports.into_iter().map(|it| it.1));
        spoken.sort_by_key(|it| it.line);
        spoken
    }
}

/// Whether `words` stand at `at`: words and marks, one by one.
pub(crate) fn stands(code: &[&Token], at: usize, words: &[&str]) -> bool {
    code.len() >= at + words.len() && words.iter().zip(&code[at..]).all(|(a, b)| *a == b.text)
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Scanner<'a> {
    fn tokens(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(first) = self.rest.chars().next() {
            if first.is_whitespace() {
                self.take(first.len_utf8());
                continue;
            }
            let (kind, len) = self.next(first);
            let line = self.line;
            let text = self.take(len);
            let text = if kind == Kind::Literal { "" } else { text };
            let text = text.strip_prefix("r#").unwrap_or(text).to_owned();
            tokens.push(Token { line, kind, text, test: false });
        }
        tokens
    }

    /// What begins here, and how many bytes it has.
    fn next(&self, first: char) -> (Kind, usize) {
        let rest = self.rest;
        if rest.starts_with("//") {
            (Kind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Kind::Comment, block_comment(rest))
        } else if let Some(len) = string(rest).or_else(|| character(rest)) {
            (Kind::Literal, len)
        } else if first.is_ascii_digit() {
            (Kind::Literal, word(rest))
        } else if first == '\'' {
            (Kind::Literal, 1 + word(&rest[1..])) // A lifetime.
        } else if let Some(raw) = rest.strip_prefix("r#") {
            (Kind::Word, 2 + word(raw))
        } else if first.is_alphabetic() || first == '_' {
            (Kind::Word, word(rest))
        } else if rest.starts_with("::") {
            (Kind::Mark, 2)
        } else {
            (Kind::Mark, first.len_utf8())
        }
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }
}

fn word(text: &str) -> usize {
    text.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(text.len())
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// `"…"`, `b"…"`, `c"…"`, `r#"…"#` and their mixtures.
fn string(text: &str) -> Option<usize> {
    let mut body = text.strip_prefix(['b', 'c']).unwrap_or(text);
    if let Some(raw) = body.strip_prefix('r') {
        let fence = raw.len() - raw.trim_start_matches('#').len();
        let inside = raw[fence..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(fence));
        let len = inside.find(&end).map_or(inside.len(), |it| it + end.len());
        return Some(text.len() - inside.len() + len);
    }
    body = body.strip_prefix('"')?;
    Some(text.len() - body.len() + quoted(body, b'"'))
}

/// `'x'`, `'\n'`, `b'x'`; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('b').unwrap_or(text).strip_prefix('\'')?;
    let one = body.chars().next()?;
    let closed = one == '\\' || body[one.len_utf8()..].starts_with('\'');
    closed.then(|| text.len() - body.len() + quoted(body, b'\''))
}

fn quoted(body: &str, end: u8) -> usize {
    let mut at = 0;
    while let Some(it) = body.as_bytes().get(at) {
        at += match it {
            b'\\' => 2,
            it if *it == end => return at + 1,
            _ => 1,
        };
    }
    body.len()
}

/// Marks what stands under `#[cfg(test)]`, up to the end of its item.
fn mark_tests(tokens: &mut [Token], all: bool) {
    let code: Vec<usize> =
        (0..tokens.len()).filter(|it| tokens[*it].kind != Kind::Comment).collect();
    let mut at = 0;
    while at < code.len() {
        let view: Vec<_> = code[at..].iter().take(5).map(|it| &tokens[*it]).collect();
        let ours = ["test", "all"].iter().any(|it| stands(&view, 0, &["#", "[", "cfg", "(", it]));
        if !ours {
            at += 1;
            continue;
        }
        let texts: Vec<_> = code[at..].iter().map(|it| tokens[*it].text.as_str()).collect();
        let attribute = texts.iter().position(|it| *it == "]").unwrap_or(0);
        let tests = texts[..attribute].iter().enumerate().any(|(n, it)| {
            *it == "test" && texts[..n].iter().rev().nth(1).is_none_or(|it| *it != "not")
        });
        let len = if tests { item(&texts) } else { 0 };
        for it in &code[at..at + len] {
            tokens[*it].test = true;
        }
        at += len.max(1);
    }
    if all {
        tokens.iter_mut().for_each(|it| it.test = true);
    }
}

/// How many tokens an item has, its attributes included.
fn item(texts: &[&str]) -> usize {
    let mut depth = 0_usize;
    let mut import = false;
    for (at, it) in texts.iter().enumerate() {
        match *it {
            "use" if depth == 0 => import = true,
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 && !import {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    texts.len()
}

struct Reader<'a> {
    code: &'a [&'a Token],
    at: usize,
    /// The module of the file.
    module: Vec<String>,
    /// Modules written in the file around this place: name, and the depth at which each ends.
    inline: Vec<(String, usize)>,
}

impl Reader<'_> {
    /// What is imported under which name, and what is named with `::`.
    fn paths(&mut self) -> (Vec<(String, Named)>, Vec<Named>) {
        let (mut imports, mut spoken) = (Vec::new(), Vec::new());
        let mut depth = 0_usize;
        while let Some(it) = self.code.get(self.at) {
            match it.text.as_str() {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    self.inline.retain(|it| it.1 <= depth);
                }
                "mod" if self.text(2) == "{" => {
                    self.inline.push((self.text(1).to_owned(), depth + 1));
                }
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.tree(&mut Vec::new(), &mut imports);
                    continue;
                }
                _ if it.kind == Kind::Word && self.text(1) == "::" => {
                    let (line, test) = (it.line, it.test);
                    let path = self.path();
                    spoken.push(Named { line, path: self.absolute(path), test });
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        (imports, spoken)
    }

    /// `a::b`, from here; a generic argument ends it.
    fn path(&mut self) -> Vec<String> {
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::"
            && self.code.get(self.at + 1).is_some_and(|it| it.kind == Kind::Word)
        {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        path
    }

    /// The rest of a `use` below `stem`.
    fn tree(&mut self, stem: &mut Vec<String>, imports: &mut Vec<(String, Named)>) {
        let depth = stem.len();
        let Some((mut line, test)) = self.code.get(self.at).map(|it| (it.line, it.test)) else {
            return;
        };
        loop {
            match self.text(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        self.tree(stem, imports);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    break;
                }
                "::" => self.at += 1,
                "," | "}" | ";" | "" => {
                    self.import(stem, line, test, None, imports);
                    break;
                }
                "as" => {
                    let name = self.text(1).to_owned();
                    self.at += 2;
                    self.import(stem, line, test, Some(name), imports);
                    break;
                }
                word => {
                    line = self.code[self.at].line;
                    stem.push(word.to_owned());
                    self.at += 1;
                }
            }
        }
        stem.truncate(depth);
    }

    fn import(
        &self,
        stem: &[String],
        line: usize,
        test: bool,
        name: Option<String>,
        imports: &mut Vec<(String, Named)>,
    ) {
        let mut path = stem.to_vec();
        if path.len() > 1 && path.last().is_some_and(|it| it == "self") {
            path.pop();
        }
        let Some(last) = path.last().cloned() else { return };
        let path = self.absolute(path);
        imports.push((name.unwrap_or(last), Named { line, path, test }));
    }

    /// `self::` and `super::` from the top of the crate.
    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        if !matches!(path[0].as_str(), "self" | "super") {
            return path;
        }
        let mut from = self.module.clone();
        from.extend(self.inline.iter().map(|it| it.0.clone()));
        let climbs = path.iter().take_while(|it| matches!(it.as_str(), "self" | "super")).count();
        for _ in path[..climbs].iter().filter(|it| *it == "super") {
            from.pop();
        }
        let root = std::iter::once("crate".to_owned());
        root.chain(from).chain(path[climbs..].iter().cloned()).collect()
    }

    fn text(&self, ahead: usize) -> &str {
        self.code.get(self.at + ahead).map_or("", |it| &it.text)
    }
}
