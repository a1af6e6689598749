//! Passwords that phones log in with: which ones would be guessed, and new ones.

use std::collections::BTreeSet;

use super::{Number, TEXT_MAX, is_plain};
use crate::base::Rng;

/// The shortest password. A phone never types it twice, so it may as well be long.
const LEN_MIN: usize = 8;
/// How long the passwords are that we make: 120 bits.
const LEN_NEW: usize = 24;
/// Letters of the passwords we make: 32, none of which looks like another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password that nobody guesses.
pub fn random(rng: &mut Rng) -> String {
    let letter = |_| char::from(LETTERS[rng.below(LETTERS.len() as u64) as usize]);
    (0..LEN_NEW).map(letter).collect()
}

/// Why a password would be guessed. Phones that everybody can reach are tried all day.
pub fn weakness(password: &str, number: &Number) -> Option<String> {
    let distinct: BTreeSet<char> = password.chars().collect();
    if password.is_empty() {
        Some("an empty password lets everybody in".into())
    } else if password.chars().count() < LEN_MIN {
        Some(format!("a password has at least {LEN_MIN} characters"))
    } else if distinct.len() < 4 || password.trim() == number.as_str() {
        Some("this password is guessed at once".into())
    } else if !is_plain(password) {
        Some(format!("a password is at most {TEXT_MAX} characters without control characters"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_make_is_never_weak_and_never_the_same() {
        let mut rng = Rng::from_seed(1);
        let number = Number::parse("1001").unwrap();
        let made: BTreeSet<String> = (0..100).map(|_| random(&mut rng)).collect();
        assert_eq!(made.len(), 100);
        assert!(made.iter().all(|it| weakness(it, &number).is_none()));
    }

    #[test]
    fn what_is_guessed_is_weak() {
        let number = Number::parse("10000001").unwrap();
        for weak in ["", "short", "11111111", "12121212", "10000001", "tab\tulator"] {
            assert!(weakness(weak, &number).is_some(), "{weak:?}");
        }
    }
}
