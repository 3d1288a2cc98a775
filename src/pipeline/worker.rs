//! Deliveries into batches, several of which are in flight at once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Pipeline, process};
use crate::events::EventKind;
use crate::intake::{Delivery, Source};
use crate::shutdown::Stopped;

/// When a batch is closed, and how many may be in flight.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// The most deliveries of a batch.
    pub deliveries: usize,
    /// The most payload bytes of a batch, unless a single payload is larger.
    pub bytes: usize,
    /// How long the first delivery of a batch waits for company.
    pub linger: Duration,
    /// The most batches that are being decided at once.
    pub in_flight: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        BatchLimits { deliveries: 5000, bytes: 8 << 20, linger: Duration::from_millis(10), in_flight: 4 }
    }
}

/// Decides everything that arrives, until the channel is closed and what was in flight is done.
///
/// # Errors
/// When the process gave up before that, or a batch panicked; either way nothing was acknowledged
/// that has not committed.
pub async fn run<K: EventKind>(
    pipeline: Pipeline,
    source: Source,
    deliveries: mpsc::Receiver<Delivery>,
    limits: BatchLimits,
) -> anyhow::Result<()> {
    let mut batches = Batches { deliveries, limits, largest: pipeline.max_event_bytes, next: None };
    let slots = Arc::new(Semaphore::new(limits.in_flight));
    let mut in_flight: JoinSet<Result<(), Stopped>> = JoinSet::new();
    loop {
        // The slot comes first: while all are taken, the next batch grows in the channel.
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let Some(batch) = batches.next().await else { break };
        let pipeline = pipeline.clone();
        in_flight.spawn(async move {
            let _slot = slot;
            process::<K>(&pipeline, source, batch).await
        });
        while let Some(done) = in_flight.try_join_next() {
            done.context("a batch panicked")??;
        }
    }
    while let Some(done) = in_flight.join_next().await {
        done.context("a batch panicked")??;
    }
    Ok(())
}

struct Batches {
    deliveries: mpsc::Receiver<Delivery>,
    limits: BatchLimits,
    /// A larger payload travels alone.
    largest: usize,
    /// Closed the batch before and opens the next.
    next: Option<Delivery>,
}

impl Batches {
    /// The next batch, once it is full or has lingered. `None` when no delivery will come any more.
    async fn next(&mut self) -> Option<Vec<Delivery>> {
        let first = match self.next.take() {
            Some(delivery) => delivery,
            None => self.claimed().await?,
        };
        let mut bytes = first.payload.len();
        let mut batch = vec![first];
        let closes_at = Instant::now() + self.limits.linger;
        while batch.len() < self.limits.deliveries {
            let Ok(Some(delivery)) = timeout_at(closes_at, self.claimed()).await else { break };
            bytes += delivery.payload.len();
            let alone = delivery.payload.len() > self.largest || batch[0].payload.len() > self.largest;
            if alone || bytes > self.limits.bytes {
                self.next = Some(delivery);
                break;
            }
            batch.push(delivery);
        }
        Some(batch)
    }

    /// The next delivery that its sender has not withdrawn.
    async fn claimed(&mut self) -> Option<Delivery> {
        loop {
            let mut delivery = self.deliveries.recv().await?;
            if delivery.receipt.claim() {
                return Some(delivery);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use chrono::Utc;

    use super::*;
    use crate::intake::{Origin, Receipt};
    use crate::pipeline::Outcome;

    struct Withdrawn(bool);

    impl Receipt for Withdrawn {
        fn claim(&mut self) -> bool {
            !self.0
        }

        fn settle(self: Box<Self>, _outcomes: Vec<Outcome>) {}
    }

    fn delivery(bytes: usize, withdrawn: bool) -> Delivery {
        let now = Utc::now();
        Delivery {
            id: "test".to_owned(),
            payload: Bytes::from(vec![b' '; bytes]),
            published_at: now,
            received_at: now,
            origin: Origin::PubSub {
                subscription: "s".into(),
                message_id: "1".to_owned(),
                publish_time: now,
                ordering_key: String::new(),
                delivery_attempt: None,
                attributes: BTreeMap::new(),
            },
            replays: None,
            receipt: Box::new(Withdrawn(withdrawn)),
        }
    }

    /// The sizes of the payloads of each batch that `deliveries` end up in.
    async fn batches(deliveries: Vec<Delivery>) -> Vec<Vec<usize>> {
        let (sender, receiver) = mpsc::channel(100);
        for delivery in deliveries {
            sender.send(delivery).await.unwrap();
        }
        drop(sender);
        let limits = BatchLimits { deliveries: 3, bytes: 100, linger: Duration::from_millis(1), in_flight: 1 };
        let mut batches = Batches { deliveries: receiver, limits, largest: 50, next: None };
        let mut sizes = Vec::new();
        while let Some(batch) = batches.next().await {
            sizes.push(batch.iter().map(|delivery| delivery.payload.len()).collect());
        }
        sizes
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_closes_on_number_bytes_and_linger() {
        let sizes = [1, 1, 1, 1, 40, 40, 40].map(|bytes| delivery(bytes, false));
        assert_eq!(batches(sizes.into()).await, [vec![1, 1, 1], vec![1, 40, 40], vec![40]]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_oversize_payload_travels_alone() {
        let sizes = [1, 60, 1].map(|bytes| delivery(bytes, false));
        assert_eq!(batches(sizes.into()).await, [vec![1], vec![60], vec![1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_withdrawn_is_left_out() {
        let deliveries = vec![delivery(1, true), delivery(2, false), delivery(3, true)];
        assert_eq!(batches(deliveries).await, [vec![2]]);
    }
}
