//! JSON (RFC 8259) in and out: small documents, every limit checked, fields in the order in which
//! they were written.

use std::fmt::{self, Write as _};

use crate::base::json::quoted;

/// A value. Numbers are whole: nothing that is provisioned has a fraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Why a text is no document of ours: what is wrong, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) &'static str, pub(super) usize);

/// Values within values.
const DEPTH_MAX: usize = 16;
/// Fields of one object.
const FIELDS_MAX: usize = 256;

impl Json {
    /// Reads a document.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.blanks();
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(reader.wrong("there is more after the end")),
        }
    }

    /// An object.
    pub(super) fn object<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, it)| (name.to_owned(), it)).collect())
    }

    /// A text.
    pub(super) fn text(it: impl fmt::Display) -> Self {
        Self::Text(it.to_string())
    }

    /// The value, or null.
    pub(super) fn maybe<T>(it: Option<T>, of: impl FnOnce(T) -> Self) -> Self {
        it.map_or(Self::Null, of)
    }

    /// A count.
    pub(super) fn count(it: impl TryInto<i64>) -> Self {
        Self::Int(it.try_into().unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(it) => it.fmt(f),
            Self::Int(it) => it.fmt(f),
            Self::Text(it) => f.write_str(&quoted(it)),
            Self::List(all) => {
                f.write_char('[')?;
                for (at, it) in all.iter().enumerate() {
                    f.write_str(if at > 0 { "," } else { "" })?;
                    it.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Object(all) => {
                f.write_char('{')?;
                for (at, (name, it)) in all.iter().enumerate() {
                    f.write_str(if at > 0 { "," } else { "" })?;
                    f.write_str(&quoted(name))?;
                    f.write_char(':')?;
                    it.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, Wrong> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("too deep"));
        }
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.wrong("a value is missing")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Wrong> {
        let mut all: Vec<(String, Json)> = Vec::new();
        self.at += 1;
        self.blanks();
        if self.takes(b'}') {
            return Ok(Json::Object(all));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a field name in quotes is missing"));
            }
            let name = self.string()?;
            if all.len() == FIELDS_MAX {
                return Err(self.wrong("too many fields"));
            }
            // Two readers of such a document might see two different things.
            if all.iter().any(|it| it.0 == name) {
                return Err(self.wrong("a field stands twice"));
            }
            self.blanks();
            if !self.takes(b':') {
                return Err(self.wrong("a colon is missing"));
            }
            all.push((name, self.value(depth + 1)?));
            self.blanks();
            if self.takes(b'}') {
                return Ok(Json::Object(all));
            }
            if !self.takes(b',') {
                return Err(self.wrong("a comma or the end of an object is missing"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, Wrong> {
        let mut all = Vec::new();
        self.at += 1;
        self.blanks();
        if self.takes(b']') {
            return Ok(Json::List(all));
        }
        loop {
            all.push(self.value(depth + 1)?);
            self.blanks();
            if self.takes(b']') {
                return Ok(Json::List(all));
            }
            if !self.takes(b',') {
                return Err(self.wrong("a comma or the end of a list is missing"));
            }
        }
    }

    fn string(&mut self) -> Result<String, Wrong> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(it) = rest.chars().next() else {
                return Err(self.wrong("a text has no end"));
            };
            if it < ' ' {
                return Err(self.wrong("a control character in a text"));
            }
            self.at += it.len_utf8();
            match it {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                it => text.push(it),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Wrong> {
        let it = self.peek();
        self.at += usize::from(it.is_some());
        Ok(match it {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hex()?;
                // §7: what lies beyond the first plane comes as two halves.
                let code = match high {
                    0xd800..=0xdbff if self.takes(b'\\') && self.takes(b'u') => {
                        let low = self.hex()?;
                        if !(0xdc00..=0xdfff).contains(&low) {
                            return Err(self.wrong("half a character"));
                        }
                        0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                    }
                    code => code,
                };
                char::from_u32(code).ok_or_else(|| self.wrong("half a character"))?
            }
            _ => return Err(self.wrong("an unknown escape")),
        })
    }

    fn hex(&mut self) -> Result<u32, Wrong> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        let code = digits.and_then(|it| u32::from_str_radix(it, 16).ok());
        let code = code.ok_or_else(|| self.wrong("four hexadecimal digits are missing"))?;
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Json, Wrong> {
        let from = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = self.text.get(from..self.at).unwrap_or_default();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let padded = digits.len() > 1 && digits.starts_with('0');
        match text.parse() {
            Ok(it) if !padded && !digits.starts_with('+') => Ok(Json::Int(it)),
            _ => Err(Wrong("a whole number of ordinary size is wanted", from)),
        }
    }

    fn word(&mut self) -> Result<Json, Wrong> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let words =
            [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))];
        for (word, value) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("this is no value"))
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, it: u8) -> bool {
        let is_it = self.peek() == Some(it);
        self.at += usize::from(is_it);
        is_it
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, what: &'static str) -> Wrong {
        Wrong(what, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_printed_as_it_was_read() {
        let text = r#"{"a":[1,-2,0],"b":{"c":null,"d":true},"e":"ü \"x\" \\ \n","f":[],"g":{}}"#;
        assert_eq!(Json::parse(text).unwrap().to_string(), text);
        let spaced = " { \"a\" :\t[ 1 , 2 ]\n} ";
        assert_eq!(Json::parse(spaced).unwrap().to_string(), r#"{"a":[1,2]}"#);
        let escaped = Json::parse(r#""\u00fc\ud83d\ude00\/\u0007""#).unwrap();
        assert_eq!(escaped, Json::text("ü😀/\u{7}"));
        assert_eq!(escaped.to_string(), r#""ü😀/\u0007""#);
    }

    #[test]
    fn what_is_no_document_is_refused_and_never_harms() {
        for bad in [
            "",
            "{",
            "[1,",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "[1 2]",
            "nul",
            "\"",
            "\"\\x\"",
            "01",
            "1.5",
            "1e3",
            "+1",
            "-",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "{} {}",
            "{\"a\":1,\"a\":2}",
            "99999999999999999999",
            "[1],",
            "\"\\u00ü\"",
        ] {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
        assert!(Json::parse(&"[".repeat(60_000)).is_err());
        assert!(Json::parse(&"{\"a\":".repeat(10_000)).is_err());
        let whole = r#"{"a":[1,{"b":"\ud83d\ude00ü"}],"c":null}"#;
        for at in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            assert!(Json::parse(&whole[..at]).is_err());
        }
    }
}
