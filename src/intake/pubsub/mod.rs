//! Streaming pull of one Pub/Sub subscription, on Google, on its emulator and on the embedded server.
//!
//! The official client does the leases and the acknowledgements; this module does what it leaves open:
//! it opens streams again that ended for whatever reason, finds out about connections that died without
//! a word, bounds what is in memory however often streams are opened, and sees to it that the last
//! acknowledgements leave before the process does.
//!
//! Redelivery is normal here: acknowledgements are sent without waiting for an answer, a hundred
//! milliseconds later, and whatever is lost comes again. The pipeline decides an event once.

mod advice;
mod client;
mod delivery;
mod findings;
mod lane;
mod pace;
mod room;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::Delivery;
use crate::health::Health;
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;
use client::Client;
use lane::Lane;

pub use findings::{Finding, Weight, findings};

/// What to pull, and how much of it at once.
#[derive(Debug, Clone)]
pub struct Options {
    /// The Google Cloud project of topic and subscription.
    pub project: String,
    /// The topic, without its path.
    pub topic: String,
    /// The subscription, without its path.
    pub subscription: String,
    /// `host:port` of an emulator: no credentials, no TLS. `None` (the default) is Google, with the default
    /// credentials of the machine.
    pub emulator_host: Option<String>,
    /// Topic and subscription are created when they are missing, as on an emulator that forgets them. By
    /// default nothing is ever created: what is missing is told.
    pub create_missing: bool,
    /// Streams pulled at once, each over a connection of its own. Default 1, which is enough unless
    /// Google's limit per stream is what holds you back.
    pub streams: usize,
    /// Deliveries that may be unsettled at once, per stream. Default 20,000. Acknowledgements leave in
    /// thousands or every 100 ms, so that fewer than some 4,000 cap the throughput.
    pub max_outstanding_messages: usize,
    /// Payload bytes that may be unsettled at once, per stream. Default 64 MiB.
    pub max_outstanding_bytes: usize,
    /// For how long a delivery is leased, again and again while it is unsettled; 10 s to 600 s. It is also
    /// how long what a killed process held stays away. Default 30 s.
    pub lease: Duration,
    /// After so long a delivery is no longer leased although it is unsettled: it is delivered again.
    /// Default 24 h, longer than anybody lets a database be away.
    pub max_lease: Duration,
    /// A stream that brings nothing for so long is opened again over a new connection, because a
    /// connection that died without a word looks just like a quiet topic. The time doubles while nothing
    /// comes, up to 10 minutes. Default 60 s.
    pub idle_rebuild: Duration,
}

impl Default for Options {
    /// Everything but the names, which are empty.
    fn default() -> Self {
        Options {
            project: String::new(),
            topic: String::new(),
            subscription: String::new(),
            emulator_host: None,
            create_missing: false,
            streams: 1,
            max_outstanding_messages: 20_000,
            max_outstanding_bytes: 64 << 20,
            lease: Duration::from_secs(30),
            max_lease: Duration::from_secs(24 * 60 * 60),
            idle_rebuild: Duration::from_secs(60),
        }
    }
}

impl Options {
    /// `projects/…/topics/…`
    #[must_use]
    pub fn full_topic(&self) -> String {
        format!("projects/{}/topics/{}", self.project, self.topic)
    }

    /// `projects/…/subscriptions/…`
    #[must_use]
    pub fn full_subscription(&self) -> String {
        format!("projects/{}/subscriptions/{}", self.project, self.subscription)
    }
}

/// The service's name in [`Health`].
pub const SERVICE: &str = "pubsub";

/// Pulls until the process is to stop softly, or nobody receives the deliveries any more.
///
/// Nothing that is wrong with Pub/Sub ends it: it waits, says so in `health` under [`SERVICE`] and in the
/// log, and goes on by itself.
///
/// By the time it returns all streams are closed and `deliveries` is dropped, so that the worker drains
/// what is left and ends. What it still holds stays leased meanwhile. Stopping is therefore, in this order:
///
/// ```no_run
/// # use std::sync::Arc;
/// # use purser::{health::Health, intake::pubsub, shutdown::Shutdown, telemetry::Metrics};
/// # async fn worker(_: tokio::sync::mpsc::Receiver<purser::intake::Delivery>) {}
/// # async fn example(options: pubsub::Options, health: Health, metrics: Arc<Metrics>, shutdown: Shutdown) {
/// let (sender, receiver) = tokio::sync::mpsc::channel(1000);
/// let (draining, ()) = tokio::join!(pubsub::run(options, sender, health, metrics, shutdown), worker(receiver));
/// draining.finish().await; // the worker is done: the last acknowledgements leave
/// # }
/// ```
///
/// # Panics
/// When one of its readers does, which is a bug.
pub async fn run(
    options: Options,
    deliveries: mpsc::Sender<Delivery>,
    health: Health,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) -> Draining {
    let client = Arc::new(Client::new(options));
    let closing = TaskTracker::new();
    let stop = shutdown.soft().child_token();
    let mut lanes = JoinSet::new();
    for _ in 0..client.options.streams.max(1) {
        let (client, deliveries) = (Arc::clone(&client), deliveries.clone());
        let (health, metrics) = (health.clone(), Arc::clone(&metrics));
        lanes.spawn(Lane::new(client, deliveries, health, metrics, stop.clone(), closing.clone()).run());
    }
    loop {
        tokio::select! {
            ended = lanes.join_next() => match ended {
                None => break,
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Some(_) => {}
            },
            () = deliveries.closed(), if !stop.is_cancelled() => stop.cancel(),
        }
    }
    closing.close();
    Draining { closing }
}

/// Streams that are closed and whose acknowledgements may still be on their way.
#[must_use = "without `finish` the last acknowledgements are lost and their messages delivered again"]
#[derive(Debug)]
pub struct Draining {
    closing: TaskTracker,
}

impl Draining {
    /// How long [`Draining::finish`] waits; over a dead connection it would wait for ever.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// Waits until every delivery is settled or dropped and the server has been told. Call it once the
    /// worker has ended; a process that exits right after settling loses the acknowledgements (500 of
    /// 500 were lost in a try). Gives up after [`Draining::PATIENCE`]: the rest is delivered again.
    pub async fn finish(self) {
        if tokio::time::timeout(Draining::PATIENCE, self.closing.wait()).await.is_err() {
            tracing::warn!(streams = self.closing.len(), "acknowledgements may be lost: some messages will come again");
        }
    }
}
