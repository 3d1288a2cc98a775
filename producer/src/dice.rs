//! Chance and time: what a sequence of messages is drawn from.

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// Each part of the shop has a stream of its own of the seed's numbers, so that how much there is of
/// one part changes no other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Users = 1,
    Articles = 2,
    Purchases = 3,
    Shoppers = 4,
    Products = 5,
    AbEvents = 6,
    Orders = 7,
    ClickEvents = 8,
    ProductViews = 9,
    ClickIds = 10,
    Repeats = 11,
}

/// The numbers of one part of the shop.
pub(crate) fn draw(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// The numbers, the clock and the share of broken messages of one sequence.
#[derive(Debug)]
pub(crate) struct Dice {
    pub(crate) rng: ChaCha8Rng,
    invalid_ratio: f64,
    clock: Clock,
}

#[derive(Clone, Copy, Debug)]
enum Clock {
    Wall,
    Ticking(DateTime<Utc>),
}

impl Dice {
    /// `invalid_ratio` is brought into 0 to 1 (not a number: 0).
    pub(crate) fn new(seed: u64, stream: Stream, invalid_ratio: f64) -> Dice {
        Dice {
            rng: draw(seed, stream),
            invalid_ratio: if invalid_ratio.is_nan() { 0.0 } else { invalid_ratio.clamp(0.0, 1.0) },
            clock: Clock::Wall,
        }
    }

    /// Takes time from a clock of its own, which stands at `first` and moves on by a millisecond
    /// whenever it is looked at.
    #[must_use]
    pub(crate) fn starting_at(self, first: DateTime<Utc>) -> Dice {
        Dice { clock: Clock::Ticking(first), ..self }
    }

    /// The time.
    pub(crate) fn now(&mut self) -> DateTime<Utc> {
        match &mut self.clock {
            Clock::Wall => Utc::now(),
            Clock::Ticking(next) => std::mem::replace(next, *next + TimeDelta::milliseconds(1)),
        }
    }

    /// What is to be wrong with this message: mostly nothing, else one of `faults`, each as likely as
    /// the other.
    pub(crate) fn fault<'a, T>(&mut self, faults: &'a [T]) -> Option<&'a T> {
        if self.rng.random_bool(self.invalid_ratio) { faults.choose(&mut self.rng) } else { None }
    }
}

/// One of `choices`, each as often as its weight says. The weights add up to more than zero.
pub(crate) fn weighted<T: Copy, const N: usize>(choices: [(T, u32); N], rng: &mut ChaCha8Rng) -> T {
    let total: u32 = choices.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.random_range(0..total);
    let chosen = choices.iter().find(|(_, weight)| match left.checked_sub(*weight) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    chosen.unwrap_or(&choices[0]).0
}

/// One of `choices`, each as likely as the other.
pub(crate) fn one_of<T: Copy, const N: usize>(choices: [T; N], rng: &mut ChaCha8Rng) -> T {
    choices[rng.random_range(0..N)]
}

/// A time from nothing to `longest` long, short ones far more often: every halving is as likely.
pub(crate) fn mostly_short(shortest: TimeDelta, longest: TimeDelta, rng: &mut ChaCha8Rng) -> TimeDelta {
    let (from, to) = (milliseconds(shortest).ln(), milliseconds(longest).ln());
    TimeDelta::milliseconds(rng.random_range(from..=to).exp() as i64)
}

fn milliseconds(time: TimeDelta) -> f64 {
    time.num_milliseconds().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept() {
        let mut rng = draw(1, Stream::Orders);
        let mut counts = [0_u32; 3];
        for _ in 0..10_000 {
            counts[weighted([(0, 70), (1, 0), (2, 30)], &mut rng)] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((6_800..=7_200).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn short_times_are_as_likely_as_long_ones_are_long() {
        let mut rng = draw(1, Stream::Orders);
        let (second, hour) = (TimeDelta::seconds(1), TimeDelta::hours(1));
        let times: Vec<TimeDelta> = (0..2_000).map(|_| mostly_short(second, hour, &mut rng)).collect();
        assert!(times.iter().all(|it| (second - TimeDelta::milliseconds(1)..=hour).contains(it)));
        let short = times.iter().filter(|it| **it < TimeDelta::minutes(1)).count();
        assert!((900..=1_100).contains(&short), "{short}");
    }
}
