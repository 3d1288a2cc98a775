//! A batch in flight: what it holds, how long its stages take, and what became of it.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Instant;

use chrono::{DateTime, Utc};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::events::Counted;
use super::labels::{KindLabel, KindSource, StageLabels};
use super::{Metrics, Stage, traces};
use crate::events::KINDS;
use crate::intake::{Delivery, Source};
use crate::pipeline::Outcome;

/// Lines about single batches are told from all others by this, so that a filter can leave them out.
pub(super) const BATCH_LINES: &str = "purser::batch";

/// Batches in flight: kind, and when the oldest message was published.
pub(super) type InFlight = BTreeMap<Uuid, (&'static str, DateTime<Utc>)>;

/// A batch from when it is closed until it is acknowledged or given up.
pub(crate) struct Flight<'m> {
    metrics: &'m Metrics,
    id: Uuid,
    kind: &'static str,
    source: Source,
    began: Instant,
    span: Span,
    messages: i64,
    bytes: i64,
    /// Empty where that is long ago: what a file or a replay brings says nothing about now.
    published_at: Vec<DateTime<Utc>>,
}

impl<'m> Flight<'m> {
    pub(crate) fn begin(metrics: &'m Metrics, kind: &'static str, source: Source, deliveries: &[Delivery]) -> Self {
        let id = Uuid::now_v7();
        let span = tracing::info_span!("batch", id = %id, kind, source = source.as_str(), messages = deliveries.len());
        traces::link(&span, deliveries);
        let published_at = match source {
            Source::PubSub | Source::Http => deliveries.iter().map(|delivery| delivery.published_at).collect(),
            Source::File | Source::Replay => Vec::new(),
        };
        if let Some(oldest) = published_at.iter().min() {
            metrics.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (kind, *oldest));
        }
        let whole = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let bytes = whole(deliveries.iter().map(|delivery| delivery.payload.len()).sum::<usize>());
        let (messages, began) = (whole(deliveries.len()), Instant::now());
        let flight = Flight { metrics, id, kind, source, began, span, messages, bytes, published_at };
        flight.holds(messages, bytes);
        flight
    }

    /// Names it in the ledger, in the log and in traces.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    fn holds(&self, messages: i64, bytes: i64) {
        let labels = KindSource { kind: self.kind, source: self.source.as_str() };
        self.metrics.in_flight_messages.get_or_create(&labels).inc_by(messages);
        self.metrics.in_flight_bytes.get_or_create(&labels).inc_by(bytes);
    }

    /// Runs a stage in its span, and takes its time.
    pub(crate) async fn stage<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.instrument(stage.span(&self.span)).await;
        let labels = StageLabels { kind: self.kind, stage: stage.as_str() };
        self.metrics.stage_seconds.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
        done
    }

    /// Counts what became of its events, now that they have committed, and says so.
    pub(crate) fn committed<'o>(&self, outcomes: impl ExactSizeIterator<Item = &'o Outcome>) {
        let (metrics, kind, source, received) = (self.metrics, self.kind, self.source, outcomes.len());
        metrics.batch_events.get_or_create(&KindLabel { kind }).observe(received as f64);
        metrics.batch_bytes.get_or_create(&KindLabel { kind }).observe(self.bytes as f64);
        let labels = KindSource { kind, source: source.as_str() };
        if !self.published_at.is_empty() {
            let (seconds, now) = (metrics.publish_to_commit_seconds.get_or_create(&labels), Utc::now());
            self.published_at.iter().for_each(|published_at| seconds.observe(age(now, *published_at)));
        }
        let counted = Counted::of(outcomes);
        metrics.decided(kind, source, &counted);
        tracing::info!(
            target: BATCH_LINES,
            parent: None,
            kind,
            source = source.as_str(),
            received,
            stored = counted.stored,
            duplicate = counted.duplicate,
            rejected = counted.rejected(),
            ignored = counted.ignored,
            milliseconds = self.began.elapsed().as_millis() as u64,
            batch = %self.id,
            "committed"
        );
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.holds(-self.messages, -self.bytes);
        self.metrics.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Metrics {
    pub(super) fn age_the_oldest(&self) {
        let in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Utc::now();
        for kind in KINDS {
            let held = in_flight.values().filter(|(held, _)| *held == kind.name);
            let oldest = held.map(|(_, oldest)| age(now, *oldest)).fold(0.0, f64::max);
            self.oldest_unacknowledged_seconds.get_or_create(&KindLabel { kind: kind.name }).set(oldest);
        }
    }
}

/// In seconds; clocks of publishers may be ahead of ours.
fn age(now: DateTime<Utc>, then: DateTime<Utc>) -> f64 {
    (now - then).as_seconds_f64().max(0.0)
}
