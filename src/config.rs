//! Everything that can be set: flags with an environment variable each, read once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgAction, Args};

use crate::breaker;
use crate::domain::Split;
use crate::pipeline::worker::BatchLimits;
use crate::secret::Secret;

/// Which Postgres.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// Postgres to store into, such as `postgres://user:password@host:5432/database`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret>,
    /// Connections to keep at the most
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub database_connections: u32,
}

impl DatabaseConfig {
    /// The address of the database.
    ///
    /// # Errors
    /// When none is set.
    pub fn url(&self) -> anyhow::Result<&str> {
        let url = self.database_url.as_ref().context("DATABASE_URL (--database-url) is not set")?;
        Ok(url.expose())
    }
}

/// Which Pub/Sub.
#[derive(Debug, Clone, Args)]
pub struct PubSubConfig {
    /// Google Cloud project of topics and subscriptions
    #[arg(long, env = "PUBSUB_PROJECT_ID", default_value = "data-engineering")]
    pub pubsub_project_id: String,
    /// `host:port` of an emulator; unset, Google Cloud with its default credentials
    #[arg(long, env = "PUBSUB_EMULATOR_HOST")]
    pub pubsub_emulator_host: Option<String>,
    /// Streams to pull with
    #[arg(long, env = "PUBSUB_STREAMS", default_value_t = 1)]
    pub pubsub_streams: usize,
    /// Messages that may be held at once, per stream
    #[arg(long, env = "PUBSUB_MAX_MESSAGES", default_value_t = 20_000)]
    pub pubsub_max_messages: usize,
    /// Payload bytes that may be held at once, per stream
    #[arg(long, env = "PUBSUB_MAX_BYTES", default_value_t = 32 << 20)]
    pub pubsub_max_bytes: usize,
    /// Seconds (10 to 600) after which what a killed worker held is delivered again
    #[arg(long, env = "PUBSUB_LEASE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(10..=600))]
    pub pubsub_lease_seconds: u64,
    /// Seconds of silence after which the connection is made anew
    #[arg(long, env = "PUBSUB_IDLE_SECONDS", default_value_t = 60)]
    pub pubsub_idle_seconds: u64,
}

/// Which blob store.
#[derive(Debug, Clone, Args)]
pub struct BlobConfig {
    /// Where dead letters go: a folder, `file:///…`, `gs://…`, `s3://…` or `az://…`
    #[arg(long, env = "BLOB_URL", default_value = "./blob")]
    pub blob_url: String,
}

/// How the HTTP service answers.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// Address to listen on
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub http_addr: SocketAddr,
    /// Bearer token that may send events; unset, everybody may
    #[arg(long, env = "INGEST_TOKEN", hide_env_values = true)]
    pub ingest_token: Option<Secret>,
    /// Bearer token that may see personal data; unset, only this machine may
    #[arg(long, env = "API_TOKEN", hide_env_values = true)]
    pub api_token: Option<Secret>,
    /// Bearer token that may see aggregates; unset, everybody may
    #[arg(long, env = "READ_TOKEN", hide_env_values = true)]
    pub read_token: Option<Secret>,
    /// Let other machines see personal data without a token
    #[arg(long, env = "HTTP_ALLOW_ANONYMOUS", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    pub http_allow_anonymous: bool,
    /// Connections at once, at the most
    #[arg(long, env = "HTTP_CONNECTIONS", default_value_t = 1000, value_parser = positive())]
    pub http_connections: usize,
    /// Questions that are answered at once, and requests that bring events, at the most
    #[arg(long, env = "HTTP_REQUESTS", default_value_t = 500, value_parser = positive())]
    pub http_requests: usize,
    /// Seconds after which a connection is closed that has not brought its next request; more than the proxy
    /// before it keeps one open (Google's load balancers: 600)
    #[arg(long, env = "HTTP_IDLE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub http_idle_seconds: u64,
}

/// As many as a semaphore can count.
fn positive() -> impl clap::builder::TypedValueParser<Value = usize> {
    clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000)
}

/// How batches form.
#[derive(Debug, Clone, Args)]
pub struct PipelineConfig {
    /// Larger payloads are dead-lettered as `oversize`
    #[arg(long, env = "MAX_EVENT_BYTES", default_value_t = 1 << 20)]
    pub max_event_bytes: usize,
    /// Events of a batch, at the most
    #[arg(long, env = "BATCH_EVENTS", default_value_t = 5000)]
    pub batch_events: usize,
    /// Payload bytes of a batch, at the most
    #[arg(long, env = "BATCH_BYTES", default_value_t = 8 << 20)]
    pub batch_bytes: usize,
    /// Milliseconds that the first event of a batch waits for company
    #[arg(long, env = "BATCH_LINGER_MS", default_value_t = 10)]
    pub batch_linger_ms: u64,
    /// Batches that are decided at once
    #[arg(long, env = "BATCHES_IN_FLIGHT", default_value_t = 4)]
    pub batches_in_flight: usize,
    /// Try dead letters again by themselves as soon as the users and articles that they waited for appear
    #[arg(long, env = "HEAL", action = ArgAction::Set, default_value_t = true)]
    pub heal: bool,
}

impl PipelineConfig {
    /// When a batch is closed.
    #[must_use]
    pub fn batches(&self) -> BatchLimits {
        BatchLimits {
            deliveries: self.batch_events.max(1),
            bytes: self.batch_bytes,
            linger: Duration::from_millis(self.batch_linger_ms),
            in_flight: self.batches_in_flight.max(1),
        }
    }
}

/// When events are held because too many of them are rejected.
#[derive(Debug, Clone, Args)]
pub struct BreakerConfig {
    /// Hold the events of a Pub/Sub subscription while too many of them are rejected
    #[arg(long, env = "BREAKER", value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "true")]
    pub breaker: bool,
    /// A larger share of new events, rejected, is too many; 1 never is
    #[arg(long, env = "BREAKER_RATIO", default_value_t = 0.5, value_parser = share)]
    pub breaker_ratio: f64,
    /// Seconds that the share is about; of a fast topic, its last 10,000 new events
    #[arg(long, env = "BREAKER_WINDOW_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub breaker_window_seconds: u64,
    /// New events within that time without which nothing is held
    #[arg(long, env = "BREAKER_MINIMUM_EVENTS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub breaker_minimum_events: u64,
    /// `users` or `articles` with less than this share of the rows of the last day were emptied by mistake
    #[arg(long, env = "BREAKER_REFERENCE_SHARE", default_value_t = 0.5, value_parser = share)]
    pub breaker_reference_share: f64,
}

impl BreakerConfig {
    /// When a breaker opens; `None` when it never does.
    #[must_use]
    pub fn settings(&self) -> Option<breaker::Settings> {
        let limits = breaker::Limits {
            ratio: self.breaker_ratio,
            window: Duration::from_secs(self.breaker_window_seconds),
            minimum: self.breaker_minimum_events,
        };
        self.breaker.then_some(breaker::Settings { limits, shrunk: self.breaker_reference_share })
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a number from 0 to 1".to_owned())
}

/// What the click-through rate counts.
#[derive(Debug, Clone, Args)]
pub struct CtrConfig {
    /// Statuses, in any case, of orders whose items are no purchases
    #[arg(long, env = "CTR_CANCELLED_STATUSES", value_delimiter = ',', default_value = "canceled,cancelled")]
    pub ctr_cancelled_statuses: Vec<String>,
}

/// Where the views are asked for that are not in the database any more.
#[derive(Debug, Clone, Default, Args)]
pub struct HistoryConfig {
    /// Address of `purser-history serve`, such as `http://history:8090`; unset, there is no history to ask
    #[arg(long, env = "HISTORY_URL")]
    pub history_url: Option<String>,
    /// Bearer token that it wants; unset, none
    #[arg(long, env = "HISTORY_TOKEN", hide_env_values = true)]
    pub history_token: Option<Secret>,
}

/// How events are looked at.
#[derive(Debug, Clone, Args)]
pub struct EventsConfig {
    /// Minutes of silence after which a customer's next click begins a new session
    #[arg(long, env = "SESSION_GAP_MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    pub session_gap_minutes: u32,
}

/// How the split of an A/B test is judged.
#[derive(Debug, Clone, Args)]
pub struct AbConfig {
    /// Share of users that each version should get, such as `A=0.5,B=0.5`; unset, equal over the versions seen
    #[arg(long, env = "AB_EXPECTED_SPLIT", default_value = "")]
    pub ab_expected_split: Split,
    /// Users without whom a split is not called healthy
    #[arg(long, env = "AB_MINIMUM_USERS", default_value_t = 100)]
    pub ab_minimum_users: u32,
    /// Hours before the latest event of all countries after which a country without events is silent
    #[arg(long, env = "AB_SILENT_HOURS", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub ab_silent_hours: u32,
}

/// Everything that the worker and the HTTP service need.
#[derive(Debug, Clone, Args)]
#[expect(missing_docs, reason = "each part says what it is")]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseConfig,
    #[command(flatten)]
    pub pubsub: PubSubConfig,
    #[command(flatten)]
    pub blob: BlobConfig,
    #[command(flatten)]
    pub http: HttpConfig,
    #[command(flatten)]
    pub pipeline: PipelineConfig,
    #[command(flatten)]
    pub breaker: BreakerConfig,
    #[command(flatten)]
    pub events: EventsConfig,
    #[command(flatten)]
    pub ab: AbConfig,
    #[command(flatten)]
    pub ctr: CtrConfig,
    #[command(flatten)]
    pub history: HistoryConfig,
    #[command(flatten)]
    pub embedded: EmbeddedConfig,
}

impl Config {
    /// What is set to nothing, as an empty line of an environment file does, counts as not set.
    #[must_use]
    pub fn with_empty_unset(mut self) -> Self {
        self.database.database_url = self.database.database_url.filter(|url| !url.expose().is_empty());
        self.pubsub.pubsub_emulator_host = self.pubsub.pubsub_emulator_host.filter(|host| !host.is_empty());
        self.history.history_url = self.history.history_url.filter(|url| !url.is_empty());
        self.history.history_token = self.history.history_token.filter(|token| !token.expose().is_empty());
        self
    }
}

/// The parts that the program can bring along.
#[derive(Debug, Clone, Args)]
pub struct EmbeddedConfig {
    /// Folder of the private Postgres; unset, one in the user's data folder, for root in `/var/tmp`
    #[arg(long, env = "EMBEDDED_PG_DIR")]
    pub embedded_pg_dir: Option<PathBuf>,
    /// Address of the embedded Pub/Sub server
    #[arg(long, env = "EMBEDDED_PUBSUB_ADDR", default_value = "127.0.0.1:8085")]
    pub embedded_pubsub_addr: SocketAddr,
}
