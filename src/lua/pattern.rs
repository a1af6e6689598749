//! Lua's patterns (Lua 5.4 manual §6.4.1) with a bound on steps: the C library's matcher cannot be
//! interrupted, and a pattern of six characters keeps it busy for ever.
//!
//! Meaning and errors are those of the C library, case by case; `tests` compares the two.

use std::ops::Range;

/// Steps of one search.
pub(super) const STEPS_MAX: u64 = 100_000;

const CAPTURES_MAX: usize = 32;
const DEPTH_MAX: u32 = 200;

/// Whether a text means itself as a pattern: then even `)` alone is no error.
pub(super) fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|it| b"^$*+?.([%-".contains(it))
}

/// Where a pattern fits.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) span: Range<usize>,
    pub(super) captures: Vec<Captured>,
}

/// What a capture holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Captured {
    Text(Range<usize>),
    /// A place in the subject, from 0.
    Position(usize),
    /// It was never closed: an error as soon as somebody wants it.
    Unfinished,
}

/// A search with its cost.
pub(super) struct Search<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<Open>,
    depth: u32,
    steps: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    start: usize,
    state: Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Unfinished,
    Position,
    Closed(usize),
}

type Try<T> = Result<T, String>;

impl<'a> Search<'a> {
    /// A search for `pattern`, whose anchor is not part of it.
    pub(super) const fn new(subject: &'a [u8], pattern: &'a [u8]) -> Self {
        Self { subject, pattern, captures: Vec::new(), depth: 0, steps: 0 }
    }

    /// Steps taken so far.
    pub(super) const fn steps(&self) -> u64 {
        self.steps
    }

    /// The first fit that begins at `from` (only there when `anchored`) or behind it, and does not
    /// end at `not_end`.
    pub(super) fn find(
        &mut self,
        from: usize,
        not_end: Option<usize>,
        anchored: bool,
    ) -> Try<Option<Found>> {
        for start in from..=self.subject.len() {
            self.captures.clear();
            self.depth = 0;
            if let Some(end) = self.fit(start, 0)?.filter(|it| Some(*it) != not_end) {
                return Ok(Some(self.found(start, end)));
            }
            if anchored {
                break;
            }
        }
        Ok(None)
    }

    fn found(&self, start: usize, end: usize) -> Found {
        let capture = |it: &Open| match it.state {
            Closing::Unfinished => Captured::Unfinished,
            Closing::Position => Captured::Position(it.start),
            Closing::Closed(end) => Captured::Text(it.start..end),
        };
        Found { span: start..end, captures: self.captures.iter().map(capture).collect() }
    }

    /// Fits the pattern from `p` on to the subject from `s` on: where that ends.
    fn fit(&mut self, s: usize, p: usize) -> Try<Option<usize>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("pattern too complex".to_owned());
        }
        let end = self.fit_items(s, p);
        self.depth -= 1;
        end
    }

    fn fit_items(&mut self, mut s: usize, mut p: usize) -> Try<Option<usize>> {
        loop {
            self.step()?;
            let Some(&first) = self.pattern.get(p) else { return Ok(Some(s)) };
            let second = self.pattern.get(p + 1).copied();
            match (first, second) {
                (b'(', Some(b')')) => return self.open(s, p + 2, Closing::Position),
                (b'(', _) => return self.open(s, p + 1, Closing::Unfinished),
                (b')', _) => return self.close(s, p + 1),
                (b'$', None) => return Ok((s == self.subject.len()).then_some(s)),
                (b'%', Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => {
                    if self.pattern.get(p + 2) != Some(&b'[') {
                        return Err("missing '[' after '%f' in pattern".to_owned());
                    }
                    let after = self.class_end(p + 2)?;
                    let before = s.checked_sub(1).map_or(0, |it| self.subject[it]);
                    let here = self.subject.get(s).copied().unwrap_or(0);
                    if self.in_set(before, p + 2, after) || !self.in_set(here, p + 2, after) {
                        return Ok(None);
                    }
                    p = after;
                }
                (b'%', Some(digit @ b'0'..=b'9')) => match self.again(s, digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => {
                    let after = self.class_end(p)?;
                    let fits = self.single(s, p, after)?;
                    match self.pattern.get(after) {
                        Some(b'?') => {
                            if fits && let Some(end) = self.fit(s + 1, after + 1)? {
                                return Ok(Some(end));
                            }
                            p = after + 1;
                        }
                        Some(b'*') => return self.most(s, p, after),
                        Some(b'+') if fits => return self.most(s + 1, p, after),
                        Some(b'-') => return self.least(s, p, after),
                        _ if fits => (s, p) = (s + 1, after),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn step(&mut self) -> Try<()> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            Err("pattern too complex (too many steps)".to_owned())
        } else {
            Ok(())
        }
    }

    /// As many as fit, then fewer.
    fn most(&mut self, s: usize, p: usize, after: usize) -> Try<Option<usize>> {
        let mut count = 0;
        while self.single(s + count, p, after)? {
            count += 1;
        }
        loop {
            if let Some(end) = self.fit(s + count, after + 1)? {
                return Ok(Some(end));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    /// As few as will do.
    fn least(&mut self, mut s: usize, p: usize, after: usize) -> Try<Option<usize>> {
        loop {
            if let Some(end) = self.fit(s, after + 1)? {
                return Ok(Some(end));
            }
            if !self.single(s, p, after)? {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, s: usize, p: usize, state: Closing) -> Try<Option<usize>> {
        if self.captures.len() == CAPTURES_MAX {
            return Err("too many captures".to_owned());
        }
        let level = self.captures.len();
        self.captures.push(Open { start: s, state });
        let end = self.fit(s, p)?;
        if end.is_none() {
            self.captures.truncate(level);
        }
        Ok(end)
    }

    fn close(&mut self, s: usize, p: usize) -> Try<Option<usize>> {
        let open = self.captures.iter().rposition(|it| it.state == Closing::Unfinished);
        let open = open.ok_or("invalid pattern capture")?;
        self.captures[open].state = Closing::Closed(s);
        let end = self.fit(s, p)?;
        if end.is_none() {
            self.captures[open].state = Closing::Unfinished;
        }
        Ok(end)
    }

    /// `%bxy`: the two characters stand at `p`.
    fn balanced(&mut self, s: usize, p: usize) -> Try<Option<usize>> {
        let (Some(&x), Some(&y)) = (self.pattern.get(p), self.pattern.get(p + 1)) else {
            return Err("malformed pattern (missing arguments to '%b')".to_owned());
        };
        if self.subject.get(s) != Some(&x) {
            return Ok(None);
        }
        let mut depth = 1;
        for at in s + 1..self.subject.len() {
            self.step()?;
            let here = self.subject[at];
            if here == y {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if here == x {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%1`: what was captured, once more.
    fn again(&mut self, s: usize, digit: u8) -> Try<Option<usize>> {
        let index = usize::from(digit).checked_sub(usize::from(b'1'));
        let capture = index.and_then(|it| self.captures.get(it));
        let Some(&Open { start, state }) = capture.filter(|it| it.state != Closing::Unfinished)
        else {
            return Err(format!(
                "invalid capture index %{} in pattern",
                i32::from(digit) - i32::from(b'0')
            ));
        };
        let Closing::Closed(end) = state else { return Ok(None) };
        self.steps += (end - start) as u64 / 16;
        let same = self.subject[s..].starts_with(&self.subject[start..end]);
        Ok(same.then_some(s + (end - start)))
    }

    /// The item at `p` ends before the place returned.
    fn class_end(&self, p: usize) -> Try<usize> {
        let unclosed = || "malformed pattern (missing ']')".to_owned();
        match self.pattern[p] {
            b'%' if p + 1 == self.pattern.len() => {
                Err("malformed pattern (ends with '%')".to_owned())
            }
            b'%' => Ok(p + 2),
            b'[' => {
                let mut at = p + 1 + usize::from(self.pattern.get(p + 1) == Some(&b'^'));
                loop {
                    let here = *self.pattern.get(at).ok_or_else(unclosed)?;
                    at += 1;
                    if here == b'%' && at < self.pattern.len() {
                        at += 1;
                    }
                    if self.pattern.get(at) == Some(&b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    /// Whether the character at `s` fits the single item `p..after`.
    fn single(&mut self, s: usize, p: usize, after: usize) -> Try<bool> {
        self.step()?;
        let Some(&here) = self.subject.get(s) else { return Ok(false) };
        Ok(match self.pattern[p] {
            b'.' => true,
            b'%' => in_class(here, self.pattern[p + 1]),
            b'[' => {
                self.steps += (after - p) as u64 / 4;
                self.in_set(here, p, after)
            }
            literal => literal == here,
        })
    }

    /// Whether `byte` is in the set `p..after`, brackets included.
    fn in_set(&self, byte: u8, p: usize, after: usize) -> bool {
        let set = &self.pattern[p + 1..after - 1];
        let (wanted, set) = set.strip_prefix(b"^").map_or((true, set), |rest| (false, rest));
        let mut at = 0;
        while let Some(&first) = set.get(at) {
            let hit = match (first, set.get(at + 1), set.get(at + 2)) {
                (b'%', Some(&class), _) => {
                    at += 2;
                    in_class(byte, class)
                }
                (low, Some(b'-'), Some(&high)) => {
                    at += 3;
                    (low..=high).contains(&byte)
                }
                (literal, ..) => {
                    at += 1;
                    literal == byte
                }
            };
            if hit {
                return wanted;
            }
        }
        !wanted
    }
}

/// `%a` and its like; another character stands for itself.
fn in_class(byte: u8, class: u8) -> bool {
    let within = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    within != class.is_ascii_uppercase()
}

/// The text of a replacement (`%1`, `%%`) put together; `capture` gives the text of a number.
pub(super) fn expand(by: &[u8], capture: impl Fn(usize) -> Option<Vec<u8>>) -> Try<Vec<u8>> {
    let mut text = Vec::with_capacity(by.len());
    let mut bytes = by.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            text.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'%') => text.push(b'%'),
            Some(digit @ b'0'..=b'9') => {
                let index = usize::from(digit - b'0');
                let invalid = || format!("invalid capture index %{index} in replacement string");
                text.extend(capture(index).ok_or_else(invalid)?);
            }
            _ => return Err("invalid use of '%' in replacement string".to_owned()),
        }
    }
    Ok(text)
}
