//! A running process: the worker, the HTTP service, or both, wired together and taken down in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::api::{self, Api, Ctr, DeadLetters, History, Limits, Tokens};
use crate::blob::Blob;
use crate::breaker::{Breaker, watch_until_stopped};
use crate::config::Config;
use crate::database;
use crate::dead_letters::{Archive, Replay, Shipper, Status, heal_until_stopped, ship_until_stopped};
use crate::events::{KINDS, Kind, Premises};
use crate::health::Health;
use crate::intake::Source;
use crate::intake::http::HttpIntake;
use crate::intake::pubsub;
use crate::pipeline::Pipeline;
use crate::pipeline::worker::BatchLimits;
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// Deliveries that an intake may have handed over and that are in no batch yet.
const WAITING: usize = 1000;
/// How long a single HTTP event waits for company.
const HTTP_LINGER: Duration = Duration::from_millis(2);
/// How long the last dead letters may take to be shipped when the process stops.
const LAST_SHIPPING: Duration = Duration::from_secs(5);

/// What a process does.
#[derive(Debug, Clone, Copy)]
pub struct Roles {
    /// Takes messages off Pub/Sub.
    pub worker: bool,
    /// Answers questions and takes events in over HTTP.
    pub api: bool,
}

/// A process that is ready to run.
pub struct Service {
    config: Config,
    pool: PgPool,
    pipeline: Pipeline,
    breaker: Breaker,
    history: Option<History>,
    shipper: Shipper,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: Shutdown,
}

impl Service {
    /// Checks the configuration. Nothing is connected to yet.
    ///
    /// # Errors
    /// When a setting is missing or cannot be used.
    pub fn new(config: Config, metrics: Arc<Metrics>, shutdown: Shutdown) -> anyhow::Result<Self> {
        let url = config.database.database_url.as_ref();
        let url = url.context("DATABASE_URL (--database-url) is not set; --embedded brings a private Postgres")?;
        let blob = Blob::open(&config.blob.blob_url)?;
        let history = History::new(&config.history, Arc::clone(&metrics))?;
        tracing::info!(?config, "configuration");
        let pool = database::connect(url.expose(), config.database.database_connections)?;
        if config.http.http_allow_anonymous && config.http.api_token.is_none() {
            tracing::warn!(addr = %config.http.http_addr, "everybody who can reach this may see personal data");
        }
        metrics.watch(&pool);
        let health = Health::default();
        let shipper = Shipper { pool: pool.clone(), blob, health: health.clone(), metrics: Arc::clone(&metrics) };
        let breaker = config.breaker.settings().map_or_else(Breaker::off, |settings| {
            let project = &config.pubsub.pubsub_project_id;
            Breaker::new(pool.clone(), settings, project, Arc::clone(&metrics), health.clone())
        });
        let pipeline =
            Pipeline::new(pool.clone(), Arc::clone(&metrics), shutdown.clone(), config.pipeline.max_event_bytes);
        let pipeline = pipeline.behind(breaker.clone());
        Ok(Service { config, pool, pipeline, breaker, history, shipper, metrics, health, shutdown })
    }

    /// Runs until the shutdown, and to the end of what was in flight by then. On `listener` it answers
    /// how it is and, in the role of the HTTP service, everything else.
    ///
    /// # Errors
    /// When the schema is not this program's own, or a part of it failed; the others were then stopped in order.
    pub async fn run(self, roles: Roles, listener: TcpListener) -> anyhow::Result<()> {
        let mut parts = JoinSet::new();
        if roles.worker {
            KINDS.iter().for_each(|kind| self.health.fails(pubsub::SERVICE, kind.subscription, "not connected yet"));
        }
        let limits = Limits::new(&self.config.http);
        let router = match roles.api {
            true => api::router(self.api(self.take_in_http(&mut parts), limits.clone())),
            false => api::operations_router(self.api(BTreeMap::new(), limits.clone())),
        };
        let shutdown = self.shutdown.clone();
        parts.spawn(async move { api::serve(listener, router, limits, &shutdown).await });
        // By now it can be asked how it is, also while it waits for the database.
        let mut result = self.wait_for_the_schema().await;
        let _ending = database::end_frozen_sessions(self.pool.clone());
        let mut shipping = tokio::spawn(ship_until_stopped(self.shipper.clone(), self.shutdown.clone()));
        match &result {
            Ok(()) if roles.worker => {
                parts.spawn(watch_until_stopped(self.breaker.clone(), self.shutdown.clone()));
                KINDS.iter().for_each(|kind| self.work(kind, &mut parts));
                self.heal(&mut parts);
            }
            Ok(()) => {}
            Err(_) => self.shutdown.stop(),
        }
        while let Some(part) = parts.join_next().await {
            let part = part.context("a part of the process panicked").flatten();
            if let Err(error) = part {
                tracing::error!(error = format!("{error:#}"), "stopping: a part of the process failed");
                result = result.and(Err(error));
            }
            // A part that ends is either told to, or broken; in both cases the others end too.
            self.shutdown.stop();
        }
        let last = async {
            (&mut shipping).await.context("the shipper panicked")?;
            anyhow::Ok(self.shipper.ship().await?)
        };
        if !matches!(tokio::time::timeout(LAST_SHIPPING, last).await, Ok(Ok(_))) {
            tracing::info!("some dead letters stay in the database, to be shipped at the next start");
            shipping.abort();
        }
        result
    }

    async fn wait_for_the_schema(&self) -> anyhow::Result<()> {
        database::wait_until_it_answers(&self.pool, &self.shutdown).await?;
        database::require_current_schema(&self.pool).await
    }

    /// Starts what tries dead letters again once they have what they waited for.
    fn heal(&self, parts: &mut JoinSet<anyhow::Result<()>>) {
        if self.config.pipeline.heal {
            let archive = Archive { pool: self.pool.clone(), blob: self.shipper.blob.clone() };
            let replay = Replay { pipeline: self.pipeline.clone(), archive, becomes: Status::Healed };
            parts.spawn(heal_until_stopped(replay));
        }
    }

    /// Starts what a worker does for one kind.
    fn work(&self, kind: &'static Kind, parts: &mut JoinSet<anyhow::Result<()>>) {
        parts.spawn(self.subscription(kind));
        let premises = || Premises {
            pool: self.pool.clone(),
            config: self.config.events.clone(),
            shutdown: self.shutdown.clone(),
        };
        if let Some(upkeep) = kind.upkeep {
            parts.spawn(upkeep(premises()));
        }
    }

    /// Pulls one kind and decides what comes; acknowledges to the end.
    fn subscription(&self, kind: &'static Kind) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let (sender, deliveries) = mpsc::channel(WAITING);
        let options = pubsub::Options {
            project: self.config.pubsub.pubsub_project_id.clone(),
            topic: kind.topic.to_owned(),
            subscription: kind.subscription.to_owned(),
            emulator_host: self.config.pubsub.pubsub_emulator_host.clone(),
            create_missing: self.config.pubsub.pubsub_emulator_host.is_some(),
            streams: self.config.pubsub.pubsub_streams,
            max_outstanding_messages: self.config.pubsub.pubsub_max_messages,
            max_outstanding_bytes: self.config.pubsub.pubsub_max_bytes,
            lease: Duration::from_secs(self.config.pubsub.pubsub_lease_seconds),
            idle_rebuild: Duration::from_secs(self.config.pubsub.pubsub_idle_seconds),
            ..pubsub::Options::default()
        };
        let intake =
            pubsub::run(options, sender, self.health.clone(), Arc::clone(&self.metrics), self.shutdown.clone());
        let worker = kind.decide(self.pipeline.clone(), Source::PubSub, deliveries, self.config.pipeline.batches());
        async move {
            let (draining, decided) = tokio::join!(intake, worker);
            draining.finish().await;
            decided
        }
    }

    /// Starts what decides the events that requests bring.
    fn take_in_http(&self, parts: &mut JoinSet<anyhow::Result<()>>) -> BTreeMap<&'static str, HttpIntake> {
        let mut intakes = BTreeMap::new();
        for kind in KINDS {
            let (sender, deliveries) = mpsc::channel(WAITING);
            intakes.insert(kind.name, HttpIntake::new(kind.name, sender));
            let limits = BatchLimits { linger: HTTP_LINGER, ..self.config.pipeline.batches() };
            parts.spawn(kind.decide(self.pipeline.clone(), Source::Http, deliveries, limits));
        }
        intakes
    }

    fn api(&self, intakes: BTreeMap<&'static str, HttpIntake>, limits: Limits) -> Api {
        let http = &self.config.http;
        Api {
            pool: self.pool.clone(),
            intakes: Arc::new(intakes),
            health: self.health.clone(),
            metrics: Arc::clone(&self.metrics),
            tokens: Arc::new(Tokens {
                ingest: http.ingest_token.clone(),
                api: http.api_token.clone(),
                read: http.read_token.clone(),
                allow_anonymous: http.http_allow_anonymous,
            }),
            limits,
            max_event_bytes: self.config.pipeline.max_event_bytes,
            ab: self.config.ab.clone(),
            ctr: Ctr::new(&self.config.ctr).with_history(self.history.clone()),
            dead_letters: DeadLetters::new(self.pipeline.clone(), self.shipper.blob.clone()),
            project: self.config.pubsub.pubsub_project_id.clone(),
        }
    }
}
