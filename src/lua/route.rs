//! Patterns of dialled numbers, and which of them takes a number.

use std::cmp::Ordering;
use std::fmt;

/// A pattern: digits and `+ * #` as they are, `X` 0-9, `Z` 1-9, `N` 2-9, a trailing `.` for the
/// rest (one character at least), `{name}` or `{name:XXX}` to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    items: Vec<Item>,
    captures: Vec<Capture>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Literal(u8),
    /// A digit, at least this one.
    Digit(u8),
    /// One character or more.
    Rest,
}

/// A name for the items `from..to`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Capture {
    name: String,
    from: usize,
    to: usize,
}

const ITEMS_MAX: usize = 64;
const CAPTURES_MAX: usize = 8;

impl Pattern {
    /// Reads a pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut it = Self { items: Vec::new(), captures: Vec::new() };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '{' {
                let (inside, after) = rest[1..].split_once('}').ok_or("a '{' without '}'")?;
                it.capture(inside)?;
                rest = after;
            } else {
                it.item(first)?;
                rest = &rest[first.len_utf8()..];
                if first == '.' && !rest.is_empty() {
                    return Err("'.' can only stand at the end".to_owned());
                }
            }
        }
        match it.items.len() {
            0 => Err("it is empty".to_owned()),
            n if n > ITEMS_MAX => Err(format!("it is longer than {ITEMS_MAX} characters")),
            _ if it.items.iter().filter(|it| **it == Item::Rest).count() > 2 => {
                Err("more than two parts of open length".to_owned())
            }
            _ => Ok(it),
        }
    }

    /// What was captured, when the number fits.
    pub(super) fn matches(&self, number: &str) -> Option<Vec<(String, String)>> {
        let number = number.as_bytes();
        let mut starts = vec![0; self.items.len() + 1];
        self.fit(number, 0, 0, &mut starts).then(|| {
            let text = |it: &Capture| {
                let bytes = number.get(starts[it.from]..starts[it.to]).unwrap_or_default();
                String::from_utf8_lossy(bytes).into_owned()
            };
            self.captures.iter().map(|it| (it.name.clone(), text(it))).collect()
        })
    }

    /// The same for patterns that take the same numbers.
    pub(super) fn shape(&self) -> String {
        self.to_string()
    }

    /// `Less` when `self` is asked before `other`: most literal characters first, then most
    /// digits, then the narrowest digits.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.weight().cmp(&other.weight()).reverse().then_with(|| self.shape().cmp(&other.shape()))
    }

    fn weight(&self) -> (usize, usize, usize) {
        let mut weight = (0, 0, 0);
        for item in &self.items {
            match item {
                Item::Literal(_) => weight.0 += 1,
                Item::Digit(low) => {
                    weight.1 += 1;
                    weight.2 += usize::from(low - b'0');
                }
                Item::Rest => {}
            }
        }
        weight
    }

    fn item(&mut self, letter: char) -> Result<(), String> {
        self.items.push(match letter {
            '0'..='9' | '+' | '*' | '#' => Item::Literal(letter as u8),
            'X' => Item::Digit(b'0'),
            'Z' => Item::Digit(b'1'),
            'N' => Item::Digit(b'2'),
            '.' => Item::Rest,
            other => return Err(format!("'{other}' has no meaning in a pattern")),
        });
        Ok(())
    }

    fn capture(&mut self, inside: &str) -> Result<(), String> {
        let (name, spec) = inside.split_once(':').map_or((inside, None), |(a, b)| (a, Some(b)));
        let fine = |it: char| it.is_ascii_alphanumeric() || it == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(fine) {
            return Err(format!("'{{{inside}}}' has no good name"));
        }
        if self.captures.iter().any(|it| it.name == name) || self.captures.len() == CAPTURES_MAX {
            return Err(format!("'{name}' is captured twice, or too much is captured"));
        }
        let from = self.items.len();
        match spec {
            None => self.items.push(Item::Rest),
            Some("") => return Err(format!("'{{{inside}}}' captures nothing")),
            Some(spec) => spec.chars().filter(|it| *it != '.').try_for_each(|it| self.item(it))?,
        }
        if spec.is_some_and(|it| it.contains('.')) {
            return Err(format!("'.' cannot stand in '{{{inside}}}'"));
        }
        self.captures.push(Capture { name: name.to_owned(), from, to: self.items.len() });
        Ok(())
    }

    /// Fits the items from `item` on to the number from `at` on; the longest rest first.
    fn fit(&self, number: &[u8], item: usize, at: usize, starts: &mut [usize]) -> bool {
        starts[item] = at;
        let Some(it) = self.items.get(item) else { return at == number.len() };
        let here = number.get(at).copied();
        match it {
            Item::Literal(byte) => {
                here == Some(*byte) && self.fit(number, item + 1, at + 1, starts)
            }
            Item::Digit(low) => {
                here.is_some_and(|it| it >= *low && it <= b'9')
                    && self.fit(number, item + 1, at + 1, starts)
            }
            Item::Rest => {
                (at + 1..=number.len()).rev().any(|end| self.fit(number, item + 1, end, starts))
            }
        }
    }
}

/// Without the names of its captures.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.iter().try_for_each(|it| match it {
            Item::Literal(byte) => write!(f, "{}", char::from(*byte)),
            Item::Digit(b'0') => f.write_str("X"),
            Item::Digit(b'1') => f.write_str("Z"),
            Item::Digit(_) => f.write_str("N"),
            Item::Rest => f.write_str("."),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(pattern: &str, number: &str) -> Option<String> {
        let found = Pattern::parse(pattern).unwrap().matches(number)?;
        Some(
            found
                .into_iter()
                .map(|(name, text)| format!("{name}={text}"))
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    #[test]
    fn a_pattern_takes_what_it_says_and_nothing_else() {
        for (pattern, number, want) in [
            ("*43", "*43", Some("")),
            ("*43", "*433", None),
            ("*8{ext}", "*81001", Some("ext=1001")),
            ("*8{ext}", "*8", None),
            ("+49345{ext:XX}", "+4934512", Some("ext=12")),
            ("+49345{ext:XX}", "+493451", None),
            ("ZX", "09", None),
            ("NX", "19", None),
            ("0.", "0", None),
            ("0.", "0049", Some("")),
            ("{a}*{b}", "1*2*3", Some("a=1*2 b=3")),
            ("{number}", "anna.b", Some("number=anna.b")),
        ] {
            assert_eq!(captured(pattern, number).as_deref(), want, "{pattern} {number}");
        }
    }

    #[test]
    fn a_bad_pattern_says_what_is_wrong() {
        for bad in
            ["", "12a", "1.2", "{", "{}", "{a:}", "{a}{a}", "{a b}", "ü", "{a:.}", "{a}{b}{c}"]
        {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse(&"1".repeat(65)).is_err());
    }

    #[test]
    fn the_most_literal_pattern_is_asked_first() {
        let mut all: Vec<_> = ["{n}", "10XX", "1001", "NX.", "10X2", "XXXX", "ZXXX"]
            .map(|it| Pattern::parse(it).unwrap())
            .into();
        all.sort_by(Pattern::order);
        let shown: Vec<_> = all.iter().map(Pattern::shape).collect();
        assert_eq!(shown, ["1001", "10X2", "10XX", "ZXXX", "XXXX", "NX.", "."]);
    }
}
