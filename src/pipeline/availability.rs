//! Holding while the world is away: wait, with a growing and jittered pause, and say so once.

use std::time::{Duration, Instant};

use rand::RngExt as _;

use super::{Pipeline, Unavailable};
use crate::shutdown::Stopped;
use crate::telemetry::Dependency;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a question or a transaction may take before its connection is given up as frozen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Work of the background, unless it takes too long.
pub(crate) async fn in_time<T, E: Into<Unavailable>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Unavailable> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| Unavailable::Frozen(PATIENCE))?.map_err(Into::into)
}

/// One task that may have to wait for the database, however often.
pub(super) struct Outage<'p> {
    pipeline: &'p Pipeline,
    task: &'static str,
    since: Option<Instant>,
    pause: Duration,
}

impl Pipeline {
    pub(super) fn outage(&self, task: &'static str) -> Outage<'_> {
        Outage { pipeline: self, task, since: None, pause: FIRST_PAUSE }
    }
}

impl Outage<'_> {
    /// The task is done. Says so, if it had to wait.
    pub(super) fn over(&self) {
        if let Some(since) = self.since {
            tracing::info!(task = self.task, seconds = since.elapsed().as_secs_f64(), "works again");
        }
    }

    /// Waits before the next attempt.
    pub(super) async fn wait(&mut self, unavailable: &Unavailable) -> Result<(), Stopped> {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.pipeline.metrics.outage_began(Dependency::Postgres);
            tracing::warn!(task = self.task, error = %unavailable, "holding until it works again");
        }
        self.pipeline.metrics.retried(Dependency::Postgres);
        let jittered = self.pause.mul_f64(rand::rng().random_range(0.5..1.0));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.pipeline.shutdown.unless_given_up(tokio::time::sleep(jittered)).await
    }
}

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        if self.since.is_some() {
            self.pipeline.metrics.outage_ended(Dependency::Postgres);
        }
    }
}
