//! Nonces that carry their own time and our seal, and the memory of how often each was used.
//!
//! The seal also covers where the nonce was sent, so it is worth nothing from anywhere else. Whoever
//! answers it has heard us there: a forged address cannot guess in somebody else's name.

use std::collections::BTreeMap;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::hex;
use crate::base::{Mono, Rng};
use crate::sip::defence::Source;

/// Makes nonces and knows them again.
pub(super) struct Nonces {
    rng: Rng,
    /// Keyed with the secret.
    seal: Hmac<Sha256>,
    /// The highest count of each nonce that was rightly answered, the oldest nonce first.
    used: BTreeMap<Stamp, u32>,
    /// Nonces up to this one are stale, because their counts may have been forgotten.
    floor: Option<Stamp>,
}

/// What a nonce says: when it was made, and a random number that tells it from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    made: Mono,
    random: u64,
}

impl Nonces {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut rng = rng.fork();
        let mut secret = [0; 32];
        rng.fill(&mut secret);
        let seal = Hmac::new_from_slice(&secret).expect("HMAC takes keys of any length");
        Self { rng, seal, used: BTreeMap::new(), floor: None }
    }

    /// A new nonce: 64 hexadecimal digits. Nothing is kept of it.
    pub(super) fn mint(&mut self, now: Mono, source: Source) -> String {
        let stamp = Stamp { made: now, random: self.rng.bits() };
        hex(&self.sealed(stamp, source))
    }

    /// The stamp of a nonce that we made for this source not long ago.
    pub(super) fn read(&self, now: Mono, nonce: &str, source: Source) -> Option<Stamp> {
        let bytes = unhex(nonce)?;
        let number = |at: usize| {
            bytes[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        let stamp = Stamp { made: Mono::from_nanos(number(0)), random: number(8) };
        let is_ours = bool::from(self.sealed(stamp, source).ct_eq(&bytes));
        (is_ours && !is_old(stamp, now)).then_some(stamp)
    }

    /// Uses a nonce that [`Self::read`] knows once more, which takes a count above all before; false
    /// means stale. Call it only for right answers: what strangers send must not fill the table.
    pub(super) fn spend(&mut self, now: Mono, stamp: Stamp, count: u32) -> bool {
        while let Some(oldest) = self.used.first_entry().filter(|it| is_old(*it.key(), now)) {
            oldest.remove();
        }
        if self.floor.is_some_and(|it| stamp <= it) {
            return false;
        }
        let highest = self.used.entry(stamp).or_insert(0);
        if count <= *highest {
            return false;
        }
        *highest = count;
        if self.used.len() > USED_MAX {
            self.floor = self.used.pop_first().map(|it| it.0);
        }
        true
    }

    /// A stamp and its seal: 8 bytes of time, 8 random ones, 16 of HMAC-SHA256 over both and the
    /// source.
    fn sealed(&self, stamp: Stamp, source: Source) -> [u8; NONCE_LENGTH] {
        let mut bytes = [0; NONCE_LENGTH];
        bytes[..8].copy_from_slice(&stamp.made.as_nanos().to_be_bytes());
        bytes[8..16].copy_from_slice(&stamp.random.to_be_bytes());
        let seal = self
            .seal
            .clone()
            .chain_update(&bytes[..16])
            .chain_update(source.octets())
            .finalize()
            .into_bytes();
        bytes[16..].copy_from_slice(&seal[..16]);
        bytes
    }
}

fn is_old(stamp: Stamp, now: Mono) -> bool {
    now.since(stamp.made) > LIFE
}

/// Our own spelling only: lower case and full length, so that one nonce is one text.
fn unhex(text: &str) -> Option<[u8; NONCE_LENGTH]> {
    let mut bytes = [0; NONCE_LENGTH];
    if text.len() != 2 * NONCE_LENGTH {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

const NONCE_LENGTH: usize = 32;

/// How long a nonce is good for.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// How many used nonces are remembered, about 2 MiB: enough for 200 phones a second that each
/// answer a new nonce. When full the oldest goes, and it and all before it are stale from then on.
const USED_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{Flow, Transport};

    #[test]
    fn when_the_table_is_full_the_oldest_nonces_turn_stale_and_none_can_be_replayed() {
        let mut nonces = Nonces::new(&mut Rng::from_seed(1));
        let stamps: Vec<_> = (0..USED_MAX as u64 + 10)
            .map(|random| Stamp { made: Mono::from_millis(random / 1_000), random })
            .collect();
        let now = Mono::from_millis(1_000);
        let unused = Stamp { made: Mono::ZERO, random: 0 };
        for stamp in &stamps[1..] {
            assert!(nonces.spend(now, *stamp, 1));
        }
        assert_eq!(nonces.used.len(), USED_MAX);
        assert!(!nonces.spend(now, unused, 1), "below the floor");
        assert!(stamps.iter().all(|it| !nonces.spend(now, *it, 1)), "replayed");
        assert!(nonces.spend(now, stamps[USED_MAX], 2), "the young ones go on");
    }

    #[test]
    fn what_has_grown_old_is_forgotten() {
        let mut nonces = Nonces::new(&mut Rng::from_seed(1));
        for random in 0..100 {
            assert!(nonces.spend(Mono::ZERO, Stamp { made: Mono::ZERO, random }, 1));
        }
        let now = Mono::ZERO + LIFE + Duration::from_secs(1);
        assert!(nonces.spend(now, Stamp { made: now, random: 0 }, 1));
        assert_eq!(nonces.used.len(), 1);
    }

    #[test]
    fn a_nonce_changed_in_any_digit_is_not_ours() {
        let mut nonces = Nonces::new(&mut Rng::from_seed(1));
        let now = Mono::from_millis(5);
        let nonce = nonces.mint(now, host(1));
        assert!(nonces.read(now, &nonce, host(1)).is_some());
        assert_eq!(nonces.read(now, &nonce, host(2)), None, "sent elsewhere");
        assert_eq!(nonces.read(now + LIFE * 2, &nonce, host(1)), None, "too old");
        for at in 0..nonce.len() {
            let mut letters = nonce.clone().into_bytes();
            letters[at] = if letters[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(nonces.read(now, &String::from_utf8(letters).unwrap(), host(1)), None);
        }
        assert_eq!(nonces.read(now, "", host(1)), None);
        assert_eq!(nonces.read(now, &"é".repeat(32), host(1)), None);
    }

    #[test]
    fn another_guard_does_not_know_our_nonce() {
        let mut rng = Rng::from_seed(1);
        let mut one = Nonces::new(&mut rng);
        let other = Nonces::new(&mut rng);
        assert_eq!(other.read(Mono::ZERO, &one.mint(Mono::ZERO, host(1)), host(1)), None);
    }

    fn host(last: u8) -> Source {
        let (local, remote) = (([10, 0, 0, 1], 5060).into(), ([10, 0, 0, last], 5060).into());
        Source::of(Flow { transport: Transport::Udp, local, remote })
    }
}
