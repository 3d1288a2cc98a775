//! What happens to every delivery, the same for every kind and every source.

mod availability;
mod batch;
pub(crate) mod borrowed;
mod breaker;
pub mod check;
pub mod check_references;
mod closed_set;
pub mod copy;
pub mod dead_letter;
pub mod decode;
pub mod elsewhere;
pub mod glance;
mod ledger;
mod replayed;
mod row_id;
pub mod shape;
pub(crate) mod shard;
pub mod store;
pub mod validate;
pub mod verdict;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use crate::breaker::Breaker;
use crate::events::{ContentHash, EventKind};
use crate::intake::{Delivery, Source};
use crate::shutdown::{Shutdown, Stopped};
use crate::telemetry::{Flight, Metrics, Stage};
pub(crate) use availability::in_time;
use breaker::Admitted;
use check_references::References;
use dead_letter::DeadLetter;
use verdict::Rejection;

/// The world is not as it should be: a database or a network is away. Says nothing about an event:
/// nothing is dead-lettered, nothing acknowledged; whoever gets it holds, waits and tries again.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// It could not be asked, or could not answer.
    #[error("postgres is unavailable: {0}")]
    Database(#[from] sqlx::Error),
    /// It did not answer, and did not hang up.
    #[error("postgres has not answered for {} s", .0.as_secs())]
    Frozen(Duration),
    /// It refuses even the barest dead letter of an event, which cannot be the event's fault.
    #[error("postgres refuses a dead letter: {0}")]
    Refused(String),
}

/// What became of one event of a committed delivery.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is a row now.
    Stored {
        /// Its key.
        key: String,
    },
    /// It had been decided before, with the same content.
    Duplicate {
        /// Its key.
        key: String,
    },
    /// It is a dead letter now.
    Rejected(Arc<DeadLetter>),
    /// It was a dead letter before: the ledger counts it as a duplicate, its sender hears why it was rejected.
    RejectedBefore(Arc<DeadLetter>),
    /// It is none that this kind counts, or the message held no event.
    Ignored,
}

/// One event of a delivery with its verdict, before the database has the last word.
pub struct Judged<K: EventKind> {
    /// Index into the deliveries of the batch.
    delivery: usize,
    /// Place of the event in its message.
    position: u32,
    key: Option<K::Key>,
    verdict: Result<K::Row, Rejection>,
    /// Of an event that was rejected for missing rows alone.
    content: Option<ContentHash>,
    /// How often Postgres has refused it, alone in its batch.
    refusals: u32,
}

impl<K: EventKind> Judged<K> {
    fn which(&self) -> Which {
        (self.delivery, self.position)
    }
}

/// Everything that a batch of deliveries turned out to hold.
pub struct AllJudged<K: EventKind> {
    events: Vec<Judged<K>>,
    /// The events that are none of this kind's, and as the first of its delivery each message without events.
    ignored: Vec<Which>,
}

/// Which event of a batch: the index of its delivery, and its place in that message.
type Which = (usize, u32);

/// What all batches of a process share.
#[derive(Clone)]
pub struct Pipeline {
    /// Where everything is stored.
    pub pool: PgPool,
    /// What events refer to.
    pub references: References,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Larger payloads are not looked into.
    pub max_event_bytes: usize,
    /// What holds events from Pub/Sub back while too many of them are rejected.
    breaker: Breaker,
    dry_run: bool,
}

impl Pipeline {
    /// A pipeline with nothing in its cache, which holds nothing back.
    #[must_use]
    pub fn new(pool: PgPool, metrics: Arc<Metrics>, shutdown: Shutdown, max_event_bytes: usize) -> Self {
        let (references, breaker) = (References::new(pool.clone()), Breaker::off());
        Pipeline { pool, references, metrics, shutdown, max_event_bytes, breaker, dry_run: false }
    }

    /// The same pipeline, behind a breaker.
    #[must_use]
    pub fn behind(self, breaker: Breaker) -> Self {
        Pipeline { breaker, ..self }
    }

    /// The same pipeline, which decides every batch in a transaction of its own as ever, and rolls it back.
    #[must_use]
    pub fn dry_run(self) -> Self {
        Pipeline { dry_run: true, ..self }
    }
}

/// The life of a batch of deliveries, from bytes to acknowledgement.
///
/// Returns when every event has been decided and committed, however long the database is away.
///
/// # Errors
/// Only when the process is told to give up: then nothing was acknowledged that has not committed.
pub async fn process<K: EventKind>(
    pipeline: &Pipeline,
    source: Source,
    deliveries: Vec<Delivery>,
) -> Result<(), Stopped> {
    let batch = Flight::begin(&pipeline.metrics, K::NAME, source, &deliveries);
    let drafts = async { validate::decode_and_validate::<K>(&deliveries, pipeline.max_event_bytes) };
    let drafts = batch.stage(Stage::DecodeAndValidate, drafts).await;
    let judged = validate::check_references(pipeline, &deliveries, drafts);
    let judged = batch.stage(Stage::CheckReferences, judged).await?;
    // Held until the process stops softly: not acknowledged, delivered again.
    let admitted = batch.stage(Stage::Admit, breaker::admit(pipeline, source, &deliveries, judged)).await?;
    let Some((judged, pass)) = admitted.map(Admitted::split) else { return Ok(()) };
    let decided = batch.stage(Stage::Commit, store::commit(pipeline, batch.id(), source, &deliveries, judged)).await?;
    pass.decided(breaker::fact(&decided));
    if !pipeline.dry_run {
        batch.committed(decided.iter().map(|(_, outcome)| outcome));
    }
    batch.stage(Stage::Acknowledge, async { acknowledge(deliveries, decided) }).await;
    Ok(())
}

fn acknowledge(deliveries: Vec<Delivery>, mut decided: Vec<(Which, Outcome)>) {
    decided.sort_unstable_by_key(|(which, _)| *which);
    let mut outcomes: Vec<Vec<Outcome>> = deliveries.iter().map(|_| Vec::with_capacity(1)).collect();
    for ((delivery, _position), outcome) in decided {
        outcomes[delivery].push(outcome);
    }
    for (delivery, outcomes) in deliveries.into_iter().zip(outcomes) {
        delivery.receipt.settle(outcomes);
    }
}
