//! Waiting for something that is away: longer each time, and saying so once.

use std::fmt::Display;
use std::time::Duration;

use tracing::{info, warn};

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

/// The state of waiting for one thing.
pub(crate) struct Patience {
    what: &'static str,
    delay: Duration,
    reason: Option<String>,
}

impl Patience {
    /// `what` is named in the log.
    pub(crate) fn new(what: &'static str) -> Patience {
        Patience { what, delay: SHORTEST, reason: None }
    }

    /// Waits 0.2 s to 5 s, twice as long each time, up to half of it left to chance; logs `reason`
    /// when it is another than last time.
    pub(crate) async fn wait(&mut self, reason: impl Display) {
        let reason = reason.to_string();
        if self.reason.as_ref() != Some(&reason) {
            warn!(waiting_for = self.what, %reason, "waiting");
            self.reason = Some(reason);
        }
        tokio::time::sleep(self.delay.mul_f64(1.0 - rand::random::<f64>() / 2.0)).await;
        self.delay = (self.delay * 2).min(LONGEST);
    }

    /// The wait, if there was one, is over.
    pub(crate) fn over(&mut self) {
        if self.reason.take().is_some() {
            info!(waited_for = self.what, "going on");
        }
        self.delay = SHORTEST;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_a_limit_and_start_over() {
        let mut patience = Patience::new("a test");
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            let before = Instant::now();
            patience.wait("away").await;
            last = before.elapsed();
        }
        assert!(last >= LONGEST / 2 && last <= LONGEST + Duration::from_millis(2), "{last:?}");
        patience.over();
        let before = Instant::now();
        patience.wait("away").await;
        assert!(before.elapsed() <= SHORTEST + Duration::from_millis(2));
    }
}
