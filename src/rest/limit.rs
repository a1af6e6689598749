//! How often somebody may ask: each key so many requests a second, and each address so many wrong
//! keys. Guessing a key is hopeless and yet costs us; and one program in a loop must not be in the
//! way of all others.
//!
//! A wrong key never shuts out a right one that comes from the same address, such as a proxy's: a
//! key that has opened before is looked at whoever else guesses beside it. A new key waits its
//! turn.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base::Mono;

/// Keys and addresses that are remembered.
const KEYS_MAX: usize = 1024;
const ADDRESSES_MAX: usize = 4096;
/// A key may ask so often at once, and then once in a while.
pub(super) const ASKS: Pace = Pace { at_once: 4000, every: Duration::from_micros(500) };
/// Wrong keys that an address may try.
pub(super) const GUESSES: Pace = Pace { at_once: 20, every: Duration::from_secs(1) };
/// How often it is kept that a key was used.
const USED_EVERY: Duration = Duration::from_secs(60);

/// So many at once, and then one in each span.
pub(super) struct Pace {
    pub(super) at_once: u32,
    pub(super) every: Duration,
}

/// Who has asked how often.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    keys: BTreeMap<Print, Known>,
    addresses: BTreeMap<IpAddr, Spent>,
}

/// What a key is remembered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Print([u8; 32]);

/// When everything that was taken is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Spent(Mono);

/// A key that has opened.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    spent: Spent,
    /// When it was last kept that it was used.
    kept: Option<Mono>,
}

impl Print {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether both are of the same key; how long it takes tells nothing.
    pub(super) fn is(self, other: Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Limits {
    /// Whether a key may be looked at, or how long it must wait.
    pub(super) fn may_try(
        &self,
        key: Print,
        address: Option<IpAddr>,
        now: Mono,
    ) -> Result<(), Duration> {
        let spent = address.and_then(|it| self.addresses.get(&network(it)));
        match spent {
            Some(spent) if !self.keys.contains_key(&key) => spent.wait(&GUESSES, now),
            _ => Ok(()),
        }
    }

    /// The key was wrong.
    pub(super) fn was_wrong(&mut self, key: Print, address: Option<IpAddr>, now: Mono) {
        self.keys.remove(&key);
        let Some(address) = address.map(network) else { return };
        make_room(&mut self.addresses, ADDRESSES_MAX, &address, |it| *it, now);
        self.addresses.entry(address).or_default().take(&GUESSES, now);
    }

    /// The key was right: whether it may ask, or how long it must wait.
    pub(super) fn was_right(&mut self, key: Print, now: Mono) -> Result<(), Duration> {
        make_room(&mut self.keys, KEYS_MAX, &key, |it| it.spent, now);
        let known = self.keys.entry(key).or_default();
        known.spent.wait(&ASKS, now)?;
        known.spent.take(&ASKS, now);
        Ok(())
    }

    /// Whether it is to be kept that the key was used; asked, it counts as kept.
    pub(super) fn is_news(&mut self, key: Print, now: Mono) -> bool {
        let Some(known) = self.keys.get_mut(&key) else { return false };
        let is_news = known.kept.is_none_or(|it| now - it >= USED_EVERY);
        if is_news {
            known.kept = Some(now);
        }
        is_news
    }
}

impl Spent {
    fn wait(self, pace: &Pace, now: Mono) -> Result<(), Duration> {
        let most = pace.every * (pace.at_once - 1);
        let ahead = self.0 - now;
        if ahead <= most { Ok(()) } else { Err(ahead - most) }
    }

    fn take(&mut self, pace: &Pace, now: Mono) {
        self.0 = self.0.max(now) + pace.every;
    }
}

/// Who has a network has all its addresses: an IPv6 host gets 64 bits of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX)).into(),
        it => it,
    }
}

/// Makes room for one more: first those go who owe nothing, then who owes least.
fn make_room<K: Ord + Copy, V>(
    all: &mut BTreeMap<K, V>,
    most: usize,
    next: &K,
    spent: impl Fn(&V) -> Spent,
    now: Mono,
) {
    if all.len() < most || all.contains_key(next) {
        return;
    }
    all.retain(|_, it| spent(it).0 > now);
    if all.len() < most {
        return;
    }
    let least = all.iter().min_by_key(|(_, it)| spent(it)).map(|it| *it.0);
    least.and_then(|it| all.remove(&it));
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

    #[test]
    fn wrong_keys_are_slowed_down_and_right_ones_are_not() {
        let mut limits = Limits::default();
        let (right, new) = (Print::of("right"), Print::of("new"));
        let now = Mono::from_millis(5_000);
        limits.was_right(right, now).unwrap();
        for n in 0..GUESSES.at_once {
            let guess = Print::of(&n.to_string());
            assert_eq!(limits.may_try(guess, HERE, now), Ok(()), "{n}");
            limits.was_wrong(guess, HERE, now);
        }
        assert_eq!(limits.may_try(new, HERE, now), Err(GUESSES.every));
        assert_eq!(limits.may_try(right, HERE, now), Ok(()));
        let elsewhere = "192.0.2.8".parse().ok();
        assert_eq!(limits.may_try(new, elsewhere, now), Ok(()));
        assert_eq!(limits.may_try(new, HERE, now + GUESSES.every), Ok(()));
        // A key that was taken away is as any other wrong one.
        limits.was_wrong(right, elsewhere, now);
        assert!(limits.may_try(right, HERE, now).is_err());
    }

    #[test]
    fn a_key_asks_as_often_as_its_pace_allows() {
        let mut limits = Limits::default();
        let key = Print::of("key");
        let mut now = Mono::from_millis(1);
        let mut served = 0;
        for _ in 0..60_000 {
            served += u32::from(limits.was_right(key, now).is_ok());
            now = now + Duration::from_micros(50);
        }
        let paid = u32::try_from(Duration::from_secs(3).as_nanos() / ASKS.every.as_nanos());
        assert_eq!(served, ASKS.at_once + paid.unwrap() - 1);
        assert_eq!(limits.was_right(Print::of("other"), now), Ok(()));
    }

    #[test]
    fn a_network_is_one_and_the_tables_stay_small() {
        let mut limits = Limits::default();
        let now = Mono::from_millis(1);
        let key = Print::of("x");
        for host in 0..u128::from(GUESSES.at_once) {
            let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | host);
            limits.was_wrong(key, Some(address.into()), now);
        }
        let other =
            |net: u128| Some(IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | net << 64)));
        assert!(limits.may_try(key, other(0), now).is_err());
        assert!(limits.may_try(key, other(1), now).is_ok());
        for net in 1..10_000 {
            limits.was_wrong(key, other(net), now);
            limits.was_right(Print::of(&net.to_string()), now).unwrap();
        }
        assert!(limits.addresses.len() <= ADDRESSES_MAX && limits.keys.len() <= KEYS_MAX);
        // Who guesses most is remembered longest.
        assert!(limits.may_try(key, other(0), now).is_err());
    }

    #[test]
    fn that_a_key_was_used_is_kept_once_a_minute() {
        let mut limits = Limits::default();
        let (key, now) = (Print::of("x"), Mono::from_millis(1));
        assert!(!limits.is_news(key, now));
        limits.was_right(key, now).unwrap();
        assert!(limits.is_news(key, now));
        assert!(!limits.is_news(key, now + USED_EVERY / 2));
        assert!(limits.is_news(key, now + USED_EVERY));
    }
}
