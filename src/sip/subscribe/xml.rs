//! Text inside of XML.

/// A text as it stands in an element or a quoted attribute. What XML 1.0 cannot hold is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut it = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => it.push_str("&amp;"),
            '<' => it.push_str("&lt;"),
            '>' => it.push_str("&gt;"),
            '"' => it.push_str("&quot;"),
            '\'' => it.push_str("&apos;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}'.. => {
                // Beyond the first plane all characters are allowed.
                if c > '\u{ffff}' {
                    it.push(c);
                }
            }
            _ => it.push(c),
        }
    }
    it
}
