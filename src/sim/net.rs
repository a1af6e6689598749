//! A link that delays, drops, repeats and reorders what travels on it.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::base::{Mono, Rng};

/// How a link treats what travels on it. Probabilities are per mille.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// The fastest way across.
    pub delay_min: Duration,
    /// The slowest usual way across. Each datagram takes its own time, so they overtake each other.
    pub delay_max: Duration,
    /// How many are lost.
    pub loss: u32,
    /// How many arrive twice.
    pub repeat: u32,
    /// How many stay behind for `delay_max` more, long after their successors.
    pub straggle: u32,
}

/// What somebody wants to become of one thing that sets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// As the weather will have it.
    Fly,
    /// It is lost.
    Lose,
    /// It sets out twice.
    Repeat,
    /// It sets out so much later.
    Wait(Duration),
}

impl Weather {
    /// A quiet local network.
    pub const CLEAR: Self = Self {
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(1),
        loss: 0,
        repeat: 0,
        straggle: 0,
    };

    /// As bad as a network may be on which people still try to talk.
    pub const STORM: Self = Self {
        delay_min: Duration::from_millis(10),
        delay_max: Duration::from_millis(400),
        loss: 50,
        repeat: 50,
        straggle: 50,
    };
}

/// A network under one weather. What goes in at one time comes out later, twice or never.
#[derive(Debug)]
pub struct Link<T> {
    weather: Weather,
    rng: Rng,
    queue: BinaryHeap<Reverse<Flying<T>>>,
    launched: u64,
}

#[derive(Debug)]
struct Flying<T> {
    at: Mono,
    /// Ties are delivered in sending order, so a run never depends on the heap.
    nth: u64,
    what: T,
}

impl<T: Clone> Link<T> {
    /// An empty link.
    pub fn new(weather: Weather, rng: Rng) -> Self {
        Self { weather, rng, queue: BinaryHeap::new(), launched: 0 }
    }

    /// Something sets out.
    pub fn send(&mut self, now: Mono, what: T) {
        if self.rng.hits(self.weather.loss) {
            return;
        }
        if self.rng.hits(self.weather.repeat) {
            self.launch(now, what.clone());
        }
        self.launch(now, what);
    }

    /// Something sets out that somebody meddled with.
    pub fn send_to(&mut self, now: Mono, fate: Fate, what: T) {
        match fate {
            Fate::Fly => self.send(now, what),
            Fate::Lose => {}
            Fate::Repeat => {
                self.send(now, what.clone());
                self.send(now, what);
            }
            Fate::Wait(span) => self.send(now + span, what),
        }
    }

    /// When the next thing arrives.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.queue.peek().map(|it| it.0.at)
    }

    /// Takes what has arrived.
    pub fn receive(&mut self, now: Mono) -> Option<T> {
        self.queue.peek().filter(|it| it.0.at <= now)?;
        self.queue.pop().map(|it| it.0.what)
    }

    fn launch(&mut self, now: Mono, what: T) {
        let Weather { delay_min, delay_max, straggle, .. } = self.weather;
        let spread = delay_max.saturating_sub(delay_min).as_micros() as u64;
        let mut at = now + delay_min + Duration::from_micros(self.rng.below(spread + 1));
        if self.rng.hits(straggle) {
            at = at + delay_max;
        }
        self.launched += 1;
        self.queue.push(Reverse(Flying { at, nth: self.launched, what }));
    }
}

impl<T> Flying<T> {
    fn key(&self) -> (Mono, u64) {
        (self.at, self.nth)
    }
}

impl<T> Ord for Flying<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> PartialOrd for Flying<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Eq for Flying<T> {}

impl<T> PartialEq for Flying<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_weather_keeps_everything_in_order() {
        assert_eq!(cross(Weather::CLEAR, 1), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_storm_loses_repeats_and_reorders() {
        let arrived = cross(Weather::STORM, 1);
        let mut sorted = arrived.clone();
        sorted.sort_unstable();
        assert_ne!(arrived, sorted);
        let all = sorted.len();
        sorted.dedup();
        assert!((920..980).contains(&sorted.len()), "{} of 1000 crossed", sorted.len());
        assert!((20..80).contains(&(all - sorted.len())), "{} came twice", all - sorted.len());
    }

    #[test]
    fn the_same_seed_is_the_same_storm() {
        assert_eq!(cross(Weather::STORM, 7), cross(Weather::STORM, 7));
        assert_ne!(cross(Weather::STORM, 7), cross(Weather::STORM, 8));
    }

    /// Sends a thousand numbers, one a millisecond; returns them as they arrive.
    fn cross(weather: Weather, seed: u64) -> Vec<u64> {
        let mut link = Link::new(weather, Rng::from_seed(seed));
        (0..1000).for_each(|it| link.send(Mono::from_millis(it), it));
        let mut arrived = Vec::new();
        while let Some(now) = link.poll_timeout() {
            arrived.extend(link.receive(now));
        }
        arrived
    }
}
