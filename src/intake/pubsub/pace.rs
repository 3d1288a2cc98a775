//! When to try again, when to ask whether the server is still there, and when to stop believing in a
//! connection. Decides, and does nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Growing, jittered pauses between attempts.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// How long to wait after one more failure; `chance` in `0..1` spreads those who failed together.
    pub(super) fn pause(&mut self, chance: f64) -> Duration {
        let longest = Self::FIRST.saturating_mul(1 << self.failures.min(16)).min(Self::LONGEST);
        self.failures += 1;
        longest.mul_f64(0.5 + chance / 2.0)
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// How much silence is too much: longer each time that a new connection was as silent as the old one.
#[derive(Debug)]
pub(super) struct Silence {
    first: Duration,
    bearable: Duration,
}

impl Silence {
    const LONGEST: Duration = Duration::from_secs(600);

    pub(super) fn new(first: Duration) -> Self {
        Silence { first, bearable: first }
    }

    /// A message broke it.
    pub(super) fn broken(&mut self) {
        self.bearable = self.first;
    }

    /// A new connection is made because of it. Google's emulator keeps the closed stream for a while as a
    /// zombie that takes messages, so not more often than needed.
    pub(super) fn acted_upon(&mut self) {
        self.bearable = (self.bearable * 2).min(Self::LONGEST).max(self.first);
    }

    /// Watches over a stream that has just fallen silent.
    pub(super) fn watch(&self, now: Instant) -> Watch {
        Watch { bearable: self.bearable, since: now, asked: now, down: false }
    }
}

/// What to do about a silent stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask the server whether it is there.
    Probe,
    /// Make a new connection, however healthy the server seems: a frozen one is never noticed.
    Rebuild,
}

/// One silence.
#[derive(Debug)]
pub(super) struct Watch {
    bearable: Duration,
    since: Instant,
    asked: Instant,
    down: bool,
}

impl Watch {
    const CALM: Duration = Duration::from_secs(5);
    const ALARMED: Duration = Duration::from_secs(1);

    /// What comes next, and when.
    pub(super) fn next(&self) -> (Instant, Step) {
        let probe = self.asked + if self.down { Self::ALARMED } else { Self::CALM };
        let rebuild = self.since + self.bearable;
        // While the server is away there is nothing to connect to.
        if !self.down && rebuild <= probe { (rebuild, Step::Rebuild) } else { (probe, Step::Probe) }
    }

    /// The server answered a probe. `true` when it had not answered the one before: connecting anew at
    /// once beats the client's own back-off, which grows to a minute.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        self.asked = now;
        std::mem::replace(&mut self.down, false)
    }

    /// The server did not answer a probe.
    pub(super) fn unanswered(&mut self, now: Instant) {
        self.asked = now;
        self.down = true;
    }

    /// The silence has an explanation: it counts from now.
    pub(super) fn start_over(&mut self, now: Instant) {
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_grow_to_five_seconds_and_start_over() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..8).map(|_| backoff.pause(1.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.pause(0.0), Duration::from_millis(50), "half of it is jitter");
        backoff.failures = u32::MAX - 1;
        assert_eq!(backoff.pause(1.0), Backoff::LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_probed_calmly_and_rebuilt_in_the_end() {
        let start = Instant::now();
        let mut watch = Silence::new(12 * SECOND).watch(start);
        assert_eq!(watch.next(), (start + 5 * SECOND, Step::Probe));
        assert!(!watch.answered(start + 6 * SECOND));
        assert_eq!(watch.next(), (start + 11 * SECOND, Step::Probe));
        assert!(!watch.answered(start + 11 * SECOND));
        assert_eq!(watch.next(), (start + 12 * SECOND, Step::Rebuild));
        watch.start_over(start + 12 * SECOND);
        assert_eq!(watch.next(), (start + 16 * SECOND, Step::Probe));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_is_probed_every_second_until_it_answers() {
        let start = Instant::now();
        let mut watch = Silence::new(6 * SECOND).watch(start);
        watch.unanswered(start + 5 * SECOND);
        assert_eq!(watch.next(), (start + 6 * SECOND, Step::Probe));
        watch.unanswered(start + 60 * SECOND);
        assert_eq!(watch.next(), (start + 61 * SECOND, Step::Probe));
        assert!(watch.answered(start + 61 * SECOND), "it is back");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_bearable_doubles_up_to_ten_minutes_until_a_message_comes() {
        let start = Instant::now();
        let mut silence = Silence::new(60 * SECOND);
        let mut bearable = Vec::new();
        for _ in 0..6 {
            bearable.push(silence.watch(start).bearable.as_secs());
            silence.acted_upon();
        }
        assert_eq!(bearable, [60, 120, 240, 480, 600, 600]);
        silence.broken();
        assert_eq!(silence.watch(start).bearable, 60 * SECOND);
    }
}
