//! One stream at a time, for as long as the process runs: opened, read, watched, and opened again.

use std::sync::Arc;

use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::MessageStream;
use google_cloud_pubsub::subscriber::handler::Handler;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::SERVICE;
use super::client::{Client, Problem};
use super::delivery::delivery;
use super::pace::{Backoff, Silence, Step};
use super::room::Room;
use crate::health::Health;
use crate::intake::Delivery;
use crate::telemetry::{Dependency, Metrics};

/// Why a stream was given up.
enum End {
    /// We are to stop, or nobody receives any more.
    Stop,
    /// The server ended it.
    Closed(Problem),
    /// A new connection is worth trying.
    Stale,
}

pub(super) struct Lane {
    client: Arc<Client>,
    /// The name that deliveries share.
    subscription: Arc<str>,
    deliveries: mpsc::Sender<Delivery>,
    health: Health,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    closing: TaskTracker,
    room: Room,
    backoff: Backoff,
    silence: Silence,
    /// Streams in a row that the server ended before they were of any use.
    useless: u32,
    /// What [`Health`] was told last; telling it for every message would be slow.
    works: Option<bool>,
}

impl Lane {
    pub(super) fn new(
        client: Arc<Client>,
        deliveries: mpsc::Sender<Delivery>,
        health: Health,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
        closing: TaskTracker,
    ) -> Self {
        let options = &client.options;
        Lane {
            subscription: client.subscription.as_str().into(),
            room: Room::new(options.max_outstanding_messages, options.max_outstanding_bytes),
            silence: Silence::new(options.idle_rebuild),
            backoff: Backoff::default(),
            useless: 0,
            works: None,
            client,
            deliveries,
            health,
            metrics,
            stop,
            closing,
        }
    }

    /// Until it is to stop, or nobody receives any more.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        while let Some(opened) = stop.run_until_cancelled(self.open()).await {
            let problem = match opened {
                Ok(stream) => match self.read_and_close(stream).await {
                    End::Stop => return,
                    End::Stale => continue,
                    End::Closed(problem) => match self.ended(problem) {
                        Some(problem) => Some(self.client.explained(problem).await),
                        None => None,
                    },
                },
                Err(problem) => Some(problem),
            };
            if let Some(problem) = problem {
                self.fails(&problem);
            }
            let pause = self.backoff.pause(rand::random());
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn open(&mut self) -> Result<MessageStream, Problem> {
        let findings = self.client.prepare().await?;
        self.client.tell(findings, &self.health);
        let stream = self.client.subscribe().await?;
        self.metrics.pubsub_connects.inc();
        if self.useless < 2 {
            self.works();
        }
        Ok(stream)
    }

    /// The stream is dropped before its token is awaited, or the server would go on filling it.
    /// What it delivered stays leased, and can be settled, until then.
    async fn read_and_close(&mut self, stream: MessageStream) -> End {
        let token = stream.shutdown_token();
        let end = self.read(stream).await;
        // Beyond that the client does not extend leases either: there is nothing left to settle.
        let settled = timeout(self.client.options.max_lease, async move { token.shutdown().await });
        self.closing.spawn(settled);
        end
    }

    /// `next()` is never cancelled and called again, which would throw the half-open stream away each time
    /// and starve: whoever stops waiting for it here drops the stream.
    async fn read(&mut self, mut stream: MessageStream) -> End {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            let received = tokio::select! {
                biased;
                received = stream.next() => received,
                () = stop.cancelled() => return End::Stop,
                () = self.stale() => return End::Stale,
            };
            let (message, handler) = match received {
                Some(Ok(received)) => received,
                Some(Err(error)) => return End::Closed(error.into()),
                None => return End::Closed(Problem::ended()),
            };
            self.silence.broken();
            self.steady();
            if stop.run_until_cancelled(self.forward(message, handler)).await != Some(true) {
                return End::Stop;
            }
        }
        End::Stop
    }

    /// Hands a message over once there is room for it. `false` when nobody receives any more.
    async fn forward(&self, message: Message, handler: Handler) -> bool {
        let place = self.room.place(message.data.len()).await;
        self.deliveries.send(delivery(&self.subscription, message, handler, place)).await.is_ok()
    }

    /// Returns when the silent stream ought to be replaced.
    async fn stale(&mut self) {
        let mut watch = self.silence.watch(Instant::now());
        loop {
            let (at, step) = watch.next();
            sleep_until(at).await;
            match step {
                Step::Rebuild if self.room.is_mostly_free() => return self.silence.acted_upon(),
                Step::Rebuild => watch.start_over(Instant::now()),
                Step::Probe => match self.client.probe().await {
                    Ok(()) if watch.answered(Instant::now()) => return,
                    Ok(()) => self.steady(),
                    Err(problem) if problem.is("NOT_FOUND") => return,
                    Err(problem) => {
                        self.fails(&problem);
                        watch.unanswered(Instant::now());
                    }
                },
            }
        }
    }

    /// A stream that ends once is nothing to speak of; one that does so again at once is.
    fn ended(&mut self, problem: Problem) -> Option<Problem> {
        tracing::debug!(subscription = %self.subscription, why = problem.text, "stream ended");
        self.useless += 1;
        (self.useless > 1).then_some(problem)
    }

    /// The stream brings messages, or stands and could.
    fn steady(&mut self) {
        self.backoff.reset();
        self.useless = 0;
        self.works();
    }

    fn works(&mut self) {
        if self.works != Some(true) {
            if self.works == Some(false) {
                self.metrics.outage_ended(Dependency::PubSub);
            }
            self.works = Some(true);
            self.health.works(SERVICE, &self.client.options.subscription);
            tracing::info!(subscription = %self.subscription, "pulling");
        }
    }

    fn fails(&mut self, problem: &Problem) {
        self.health.fails(SERVICE, &self.client.options.subscription, &problem.text);
        self.metrics.retried(Dependency::PubSub);
        if self.works != Some(false) {
            self.works = Some(false);
            self.metrics.outage_began(Dependency::PubSub);
            tracing::warn!(subscription = %self.subscription, why = problem.text, "cannot pull; trying again");
        }
    }
}
