//! When the next messages are due.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The largest number of messages handed out at once, unless the rate is `max`.
const BATCH: u64 = 1000;

/// After an outage the shop does not catch up on more than this.
const CATCH_UP: f64 = 1.0;

/// How fast the shop sells: purchases, and everything else in proportion. Written as a number of messages per second, or `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many per second, more than zero.
    PerSecond(f64),
    /// As fast as files, network and server allow.
    Max,
}

impl Default for Rate {
    /// One per second.
    fn default() -> Rate {
        Rate::PerSecond(1.0)
    }
}

impl Rate {
    /// So many times as fast.
    pub(crate) fn times(self, factor: f64) -> Rate {
        match self {
            Rate::PerSecond(rate) => Rate::PerSecond(rate * factor),
            Rate::Max => Rate::Max,
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    /// Errs when the text is neither `max` nor a number above zero.
    fn from_str(text: &str) -> Result<Rate, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Rate::Max);
        }
        match text.parse::<f64>() {
            Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Rate::PerSecond(rate)),
            _ => Err("a number per second above 0, or `max`".to_owned()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::PerSecond(rate) => write!(f, "{rate}"),
            Rate::Max => f.write_str("max"),
        }
    }
}

/// What to do now.
#[derive(Debug, PartialEq)]
pub(crate) enum Due {
    /// This many messages are due, at least one.
    Now(u64),
    /// None is; ask again after this time.
    After(Duration),
}

/// Keeps count of what is due since the shop opened, so that no rounding adds up.
pub(crate) struct Pace {
    rate: Rate,
    at_full_speed: u64,
    since: Instant,
    handed_out: u64,
}

impl Pace {
    /// The first message is due at once; at [`Rate::Max`], `at_full_speed` of them always are.
    pub(crate) fn new(rate: Rate, at_full_speed: u64, now: Instant) -> Pace {
        Pace { rate, at_full_speed, since: now, handed_out: 0 }
    }

    /// What is due at `now`; counts it as handed out.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let Rate::PerSecond(rate) = self.rate else {
            return Due::Now(self.at_full_speed);
        };
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
        let behind = (elapsed * rate) - self.handed_out as f64;
        if behind < 0.0 {
            // Capped, so that a rate of next to nothing makes no duration that cannot be.
            return Due::After(Duration::from_secs_f64((-behind / rate).min(3600.0)));
        }
        if behind > (rate * CATCH_UP).max(1.0) {
            (self.since, self.handed_out) = (now, 0);
            return self.due(now);
        }
        let count = (behind as u64 + 1).min(BATCH);
        self.handed_out += count;
        Due::Now(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `rate` run for `seconds` of virtual time; the number handed out.
    fn sold(rate: f64, seconds: f64) -> u64 {
        let start = Instant::now();
        let mut pace = Pace::new(Rate::PerSecond(rate), 70, start);
        let (mut elapsed, mut sold) = (Duration::ZERO, 0);
        while elapsed.as_secs_f64() < seconds {
            match pace.due(start + elapsed) {
                Due::Now(count) => sold += count,
                // A timer is never early, and up to a millisecond late.
                Due::After(wait) => elapsed += wait + Duration::from_micros(700),
            }
        }
        sold
    }

    #[test]
    fn every_rate_is_held() {
        for rate in [0.5, 1.0, 3.0, 250.0, 10_000.0, 50_000.0] {
            let (sold, wanted) = (sold(rate, 20.0), rate * 20.0);
            let sold = f64::from(u32::try_from(sold).unwrap());
            assert!((sold - wanted).abs() <= 1.0 + wanted * 0.01, "{rate}/s: {sold} of {wanted}");
        }
    }

    #[test]
    fn the_first_is_due_at_once_and_the_second_after_its_time() {
        let start = Instant::now();
        let mut pace = Pace::new(Rate::PerSecond(2.0), 70, start);
        assert_eq!(pace.due(start), Due::Now(1));
        assert_eq!(pace.due(start), Due::After(Duration::from_millis(500)));
    }

    #[test]
    fn an_outage_is_not_caught_up_on() {
        let start = Instant::now();
        let mut pace = Pace::new(Rate::PerSecond(100.0), 70, start);
        assert_eq!(pace.due(start), Due::Now(1));
        assert_eq!(pace.due(start + Duration::from_secs(60)), Due::Now(1));
    }

    #[test]
    fn max_is_always_due() {
        let start = Instant::now();
        let mut pace = Pace::new(Rate::Max, 70, start);
        assert_eq!((pace.due(start), pace.due(start)), (Due::Now(70), Due::Now(70)));
    }

    #[test]
    fn rates_are_read_as_they_are_written() {
        for (text, rate) in [("max", Rate::Max), ("MAX", Rate::Max), ("0.5", Rate::PerSecond(0.5))] {
            assert_eq!(text.parse(), Ok(rate));
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
        for text in ["", "0", "-1", "NaN", "inf", "fast"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
