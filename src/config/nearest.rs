//! The name that was probably meant.

/// The word among `candidates` that was probably meant, if any is near.
pub fn nearest(
    word: &str,
    candidates: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    // Distances are computed only for words about as long as ours, so a long word costs nothing.
    candidates
        .into_iter()
        .filter(|it| it.len().abs_diff(word.len()) <= 2)
        .map(|it| (distance(word, it), it))
        .filter(|(far, it)| *far <= 2 && *far < it.len())
        .min()
        .map(|(_, it)| it)
}

/// How many letters are to be changed, added, left out or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let other = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j - 1] + other).min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found_and_a_stranger_is_not() {
        let names = ["sip", "http", "advertise"];
        assert_eq!(nearest("spi", names), Some("sip"));
        assert_eq!(nearest("advertize", names), Some("advertise"));
        assert_eq!(nearest("kangaroo", names), None);
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }
}
