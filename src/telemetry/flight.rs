//! A batch in flight: what it holds, how long its stages take, and what became of it.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::Metrics;
use super::labels::{KindLabel, KindSource, StageLabels};
use crate::events::KINDS;
use crate::intake::{Delivery, Source};
use crate::pipeline::Outcome;

/// The stages of the pipeline, each by the name of its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    DecodeAndValidate,
    CheckReferences,
    Admit,
    Commit,
    Acknowledge,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Stage::DecodeAndValidate => "decode_and_validate",
            Stage::CheckReferences => "check_references",
            Stage::Admit => "admit",
            Stage::Commit => "commit",
            Stage::Acknowledge => "acknowledge",
        }
    }
}

/// The publish time of the oldest message of each batch in flight, by its number.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    next: u64,
    oldest: BTreeMap<u64, (&'static str, DateTime<Utc>)>,
}

/// A batch from when it is closed until it is acknowledged or given up.
pub(crate) struct Flight<'m> {
    metrics: &'m Metrics,
    number: u64,
    kind: &'static str,
    source: Source,
    messages: i64,
    bytes: i64,
    published_at: Vec<DateTime<Utc>>,
}

impl<'m> Flight<'m> {
    pub(crate) fn begin(metrics: &'m Metrics, kind: &'static str, source: Source, deliveries: &[Delivery]) -> Self {
        let published_at: Vec<_> = deliveries.iter().map(|delivery| delivery.published_at).collect();
        let bytes: usize = deliveries.iter().map(|delivery| delivery.payload.len()).sum();
        let oldest = published_at.iter().min().copied().unwrap_or_else(Utc::now);
        let mut in_flight = metrics.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let number = in_flight.next;
        in_flight.next += 1;
        in_flight.oldest.insert(number, (kind, oldest));
        drop(in_flight);
        let whole = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let (messages, bytes) = (whole(deliveries.len()), whole(bytes));
        let flight = Flight { metrics, number, kind, source, messages, bytes, published_at };
        flight.holds(messages, bytes);
        flight
    }

    fn holds(&self, messages: i64, bytes: i64) {
        let labels = KindSource { kind: self.kind, source: self.source.as_str() };
        self.metrics.in_flight_messages.get_or_create(&labels).inc_by(messages);
        self.metrics.in_flight_bytes.get_or_create(&labels).inc_by(bytes);
    }

    /// Runs a stage, and takes its time.
    pub(crate) async fn stage<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        let labels = StageLabels { kind: self.kind, stage: stage.as_str() };
        self.metrics.stage_seconds.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
        done
    }

    /// Counts what became of its events, now that they have committed.
    pub(crate) fn committed<'o>(&self, outcomes: impl ExactSizeIterator<Item = &'o Outcome>) {
        let (metrics, kind) = (self.metrics, self.kind);
        metrics.batch_events.get_or_create(&KindLabel { kind }).observe(outcomes.len() as f64);
        metrics.batch_bytes.get_or_create(&KindLabel { kind }).observe(self.bytes as f64);
        metrics.decided(kind, self.source, outcomes);
        // What a file or a replay brings was published long ago.
        if matches!(self.source, Source::PubSub | Source::Http) {
            let labels = KindSource { kind, source: self.source.as_str() };
            let (seconds, now) = (metrics.publish_to_commit_seconds.get_or_create(&labels), Utc::now());
            self.published_at.iter().for_each(|published_at| seconds.observe(age(now, *published_at)));
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.holds(-self.messages, -self.bytes);
        self.metrics.in_flight.lock().unwrap_or_else(PoisonError::into_inner).oldest.remove(&self.number);
    }
}

impl Metrics {
    pub(super) fn age_the_oldest(&self) {
        let in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Utc::now();
        for kind in KINDS {
            let held = in_flight.oldest.values().filter(|(held, _)| *held == kind.name);
            let oldest = held.map(|(_, oldest)| age(now, *oldest)).fold(0.0, f64::max);
            self.oldest_unacknowledged_seconds.get_or_create(&KindLabel { kind: kind.name }).set(oldest);
        }
    }
}

/// In seconds; clocks of publishers may be ahead of ours.
fn age(now: DateTime<Utc>, then: DateTime<Utc>) -> f64 {
    (now - then).as_seconds_f64().max(0.0)
}
