//! Token buckets: so many a second, and so many at once after a rest.

use std::time::Duration;

use super::Mono;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How long one takes to come back.
    every: Duration,
    /// How many there are at once after a rest.
    burst: u32,
}

/// What is left of a [`Rate`]. A new one is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When it will be full again.
    full_at: Mono,
}

impl Rate {
    /// So many a second, and `burst` at once. Zero a second means without limit.
    pub const fn per_second(count: u32, burst: u32) -> Self {
        let nanos = match count {
            0 => 0,
            _ => 1_000_000_000 / count as u64,
        };
        Self { every: Duration::from_nanos(nanos), burst }
    }

    /// One in each of these spans, and `burst` at once.
    pub const fn one_in(every: Duration, burst: u32) -> Self {
        Self { every, burst }
    }
}

impl Bucket {
    /// Takes one out, if there is one.
    pub fn take(&mut self, now: Mono, rate: Rate) -> bool {
        let full_at = self.full_at.max(now) + rate.every;
        let fits = full_at - now <= rate.every.saturating_mul(rate.burst);
        if fits {
            self.full_at = full_at;
        }
        fits
    }

    /// Whether [`Self::take`] would find one.
    pub fn has(mut self, now: Mono, rate: Rate) -> bool {
        self.take(now, rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_burst_they_come_back_one_by_one() {
        let rate = Rate::per_second(10, 3);
        let mut bucket = Bucket::default();
        let mut take = |millis| bucket.take(Mono::from_millis(millis), rate);
        assert_eq!(
            [0, 0, 0, 0, 99, 100, 100].map(&mut take),
            [true, true, true, false, false, true, false]
        );
        assert_eq!([9_000; 4].map(&mut take), [true, true, true, false], "it is full, not more");
    }

    #[test]
    fn a_rate_of_zero_is_no_limit_and_a_burst_of_zero_lets_nothing_through() {
        let mut bucket = Bucket::default();
        let free = Rate::per_second(0, 1);
        assert!((0..1_000).all(|_| bucket.take(Mono::ZERO, free)));
        assert!(!bucket.has(Mono::ZERO, Rate::per_second(5, 0)));
        assert!(bucket.has(Mono::ZERO, Rate::one_in(Duration::MAX, 1)));
    }
}
