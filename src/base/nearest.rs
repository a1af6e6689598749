//! The name that was probably meant.

/// The candidate nearest to `word`, when one is near.
pub fn nearest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = 1 + word.len() / 4;
    let best = among.into_iter().map(|it| (distance(word, it), it)).min()?;
    (best.0 > 0 && best.0 <= near).then_some(best.1)
}

/// `(did you mean 'x'?)` with a blank before it, or nothing.
pub fn hint<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, among).map_or_else(String::new, |it| format!(" (did you mean '{it}'?)"))
}

/// How many letters to add, drop, change or swap with their neighbour, roughly; long words are far.
fn distance(a: &str, b: &str) -> usize {
    const LEN_MAX: usize = 48;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LEN_MAX || b.len() > LEN_MAX {
        return usize::MAX;
    }
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let at = |i: usize, j: usize| i * width + j;
            table[at(i, j)] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (table[at(i - 1, j - 1)] + change)
                    .min(table[at(i - 1, j)] + 1)
                    .min(table[at(i, j - 1)] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(table[at(i - 2, j - 2)] + 1);
                }
                best
            };
        }
    }
    table[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found_and_a_stranger_is_not() {
        let names = ["timeout", "early", "strategy"];
        assert_eq!(nearest("timout", names), Some("timeout"));
        assert_eq!(nearest("earyl", names), Some("early"));
        assert_eq!(nearest("music", names), None);
        assert_eq!(nearest("timeout", names), None);
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }
}
