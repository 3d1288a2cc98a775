//! What was decided lately.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// When a breaker opens.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// More than this share of events, rejected, is too much.
    pub ratio: f64,
    /// How far back is looked.
    pub window: Duration,
    /// Fewer events say nothing.
    pub minimum: u64,
}

/// New events: those that were not decided before. Duplicates, dead letters that come again and messages
/// to ignore are none: they say nothing about what is sent today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Became rows, or would.
    pub accepted: u64,
    /// Became dead letters, or would.
    pub rejected: u64,
}

impl Tally {
    /// All of them.
    #[must_use]
    pub fn events(self) -> u64 {
        self.accepted + self.rejected
    }

    fn plus(self, other: Tally) -> Tally {
        Tally { accepted: self.accepted + other.accepted, rejected: self.rejected + other.rejected }
    }

    fn minus(self, other: Tally) -> Tally {
        let accepted = self.accepted.saturating_sub(other.accepted);
        Tally { accepted, rejected: self.rejected.saturating_sub(other.rejected) }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        *self = self.plus(other);
    }
}

/// What a batch, on top of what was decided lately, amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It may pass.
    Fine,
    /// It depends on batches that are in flight.
    Unsettled,
    /// Too much is rejected: all of this.
    Over(Tally),
}

/// Of a fast topic, the window reaches back over so many events only. That bounds the dead letters of a
/// flood: time alone would not.
const MOST_EVENTS: u64 = 10_000;

/// The events that were decided lately, and those that are about to be.
#[derive(Debug)]
pub(crate) struct Window {
    limits: Limits,
    facts: VecDeque<(Instant, Tally)>,
    sum: Tally,
    in_flight: Tally,
    /// Since the breaker closed, this many events are still to be decided before it trusts the topic again.
    suspected: u64,
}

impl Window {
    pub(crate) fn new(limits: Limits) -> Self {
        Window { limits, facts: VecDeque::new(), sum: Tally::default(), in_flight: Tally::default(), suspected: 0 }
    }

    /// Weighs a batch, with all that is in flight.
    pub(crate) fn weigh(&mut self, batch: Tally, now: Instant) -> Weight {
        self.forget(now);
        let certain = self.sum.plus(batch);
        match (self.is_over(certain.plus(self.in_flight)), self.is_over(certain)) {
            (false, _) => Weight::Fine,
            (true, false) => Weight::Unsettled,
            (true, true) => Weight::Over(certain),
        }
    }

    /// A batch is on its way to be committed.
    pub(crate) fn enter(&mut self, batch: Tally) {
        self.in_flight += batch;
    }

    /// It was committed: what it was taken for, and what it was.
    pub(crate) fn leave(&mut self, batch: Tally, fact: Tally, now: Instant) {
        self.in_flight = self.in_flight.minus(batch);
        self.suspected = self.suspected.saturating_sub(fact.events());
        if fact.events() > 0 {
            self.facts.push_back((now, fact));
            self.sum += fact;
        }
    }

    /// What was decided within the window.
    pub(crate) fn decided(&mut self, now: Instant) -> Tally {
        self.forget(now);
        self.sum
    }

    /// Forgets what was decided. A topic that had to be held is `suspected` for a while: a tenth of the
    /// usual minimum is then enough.
    pub(crate) fn start_over(&mut self, suspected: bool) {
        self.facts.clear();
        self.sum = Tally::default();
        self.suspected = if suspected { self.limits.minimum } else { 0 };
    }

    fn is_over(&self, tally: Tally) -> bool {
        let minimum = if self.suspected > 0 { self.limits.minimum / 10 } else { self.limits.minimum };
        tally.events() >= minimum.max(1) && tally.rejected as f64 > self.limits.ratio * tally.events() as f64
    }

    fn forget(&mut self, now: Instant) {
        let most = MOST_EVENTS.max(self.limits.minimum);
        while let Some((at, fact)) = self.facts.front() {
            let enough_without = self.sum.minus(*fact).events() >= most;
            if !enough_without && now.saturating_duration_since(*at) < self.limits.window {
                return;
            }
            self.sum = self.sum.minus(*fact);
            self.facts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { ratio: 0.5, window: Duration::from_secs(60), minimum: 200 };

    fn tally(accepted: u64, rejected: u64) -> Tally {
        Tally { accepted, rejected }
    }

    fn decide(window: &mut Window, batch: Tally, now: Instant) -> Weight {
        let weight = window.weigh(batch, now);
        if weight == Weight::Fine {
            window.enter(batch);
            window.leave(batch, batch, now);
        }
        weight
    }

    #[test]
    fn a_flood_is_stopped_within_the_minimum() {
        let (mut window, now) = (Window::new(LIMITS), Instant::now());
        let passed = (0..100).take_while(|_| decide(&mut window, tally(0, 50), now) == Weight::Fine).count();
        assert_eq!(passed, 3);
        assert_eq!(window.weigh(tally(0, 50), now), Weight::Over(tally(0, 200)));
    }

    #[test]
    fn low_volume_says_nothing() {
        let (mut window, mut now) = (Window::new(LIMITS), Instant::now());
        for _ in 0..1000 {
            assert_eq!(decide(&mut window, tally(0, 1), now), Weight::Fine);
            now += Duration::from_millis(400);
        }
    }

    #[test]
    fn half_is_not_more_than_half() {
        let (mut window, now) = (Window::new(LIMITS), Instant::now());
        for _ in 0..100 {
            assert_eq!(decide(&mut window, tally(50, 50), now), Weight::Fine);
        }
        assert_eq!(window.weigh(tally(0, 1), now), Weight::Over(tally(5000, 5001)));
    }

    #[test]
    fn the_dead_letters_of_a_fast_topic_are_bounded() {
        let (mut window, now) = (Window::new(LIMITS), Instant::now());
        for _ in 0..1000 {
            assert_eq!(decide(&mut window, tally(1000, 0), now), Weight::Fine);
        }
        let passed = (0..1000).take_while(|_| decide(&mut window, tally(0, 1000), now) == Weight::Fine).count();
        assert!(passed as u64 * 1000 <= MOST_EVENTS, "{passed}");
    }

    #[test]
    fn batches_in_flight_count_and_are_waited_for() {
        let (mut window, now) = (Window::new(LIMITS), Instant::now());
        for _ in 0..3 {
            assert_eq!(window.weigh(tally(0, 50), now), Weight::Fine);
            window.enter(tally(0, 50));
        }
        assert_eq!(window.weigh(tally(0, 50), now), Weight::Unsettled);
        window.leave(tally(0, 50), tally(0, 0), now);
        assert_eq!(window.weigh(tally(0, 50), now), Weight::Fine, "one held dead letters that came again");
        window.leave(tally(0, 50), tally(0, 50), now);
        window.leave(tally(0, 50), tally(0, 50), now);
        assert_eq!(window.weigh(tally(0, 100), now), Weight::Over(tally(0, 200)));
    }

    #[test]
    fn after_it_was_held_a_topic_is_suspected_for_a_while() {
        let (mut window, now) = (Window::new(LIMITS), Instant::now());
        window.start_over(true);
        assert_eq!(window.weigh(tally(0, 19), now), Weight::Fine);
        assert_eq!(window.weigh(tally(0, 20), now), Weight::Over(tally(0, 20)));
        assert_eq!(decide(&mut window, tally(200, 0), now), Weight::Fine);
        window.forget(now + LIMITS.window);
        assert_eq!(window.weigh(tally(0, 199), now + LIMITS.window), Weight::Fine);
    }
}
