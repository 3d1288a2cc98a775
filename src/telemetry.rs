//! What is counted, and where logs go.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use crate::events::EventKind;
use crate::pipeline::Outcome;

/// Labels of [`Metrics::events`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabels {
    /// Kind of event.
    pub kind: &'static str,
    /// `stored`, `duplicate`, `rejected` or `ignored`, as in the ledger.
    pub outcome: &'static str,
    /// Why it was rejected; empty otherwise.
    pub reason: &'static str,
}

/// The counters of a process. Prometheus names begin with `purser_`.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Events decided and committed.
    pub events: Family<EventLabels, Counter>,
    /// Tasks that hold, right now, because Postgres is away.
    pub outages: Gauge,
    /// Dead letters that are durable in the blob store.
    pub shipped: Counter,
    /// Times that the connection to Pub/Sub was opened.
    pub pubsub_connects: Counter,
}

impl Metrics {
    /// A registry that writes these metrics as Prometheus text.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("purser");
        registry.register("events", "Events decided and committed", self.events.clone());
        registry.register("postgres_outages", "Tasks that hold because Postgres is away", self.outages.clone());
        registry.register("dead_letters_shipped", "Dead letters durable in the blob store", self.shipped.clone());
        registry.register("pubsub_connects", "Times that a Pub/Sub stream was opened", self.pubsub_connects.clone());
        registry
    }

    pub(crate) fn decided<'o, K: EventKind>(&self, outcomes: impl Iterator<Item = &'o Outcome>) {
        for outcome in outcomes {
            let (outcome, reason) = match outcome {
                Outcome::Stored { .. } => ("stored", ""),
                Outcome::Duplicate { .. } | Outcome::RejectedBefore(_) => ("duplicate", ""),
                Outcome::Rejected(letter) => ("rejected", letter.reason.as_str()),
                Outcome::Ignored => ("ignored", ""),
            };
            self.events.get_or_create(&EventLabels { kind: K::NAME, outcome, reason }).inc();
        }
    }

    pub(crate) fn outage_began(&self) {
        self.outages.inc();
    }

    pub(crate) fn outage_ended(&self) {
        self.outages.dec();
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends logs to stderr, filtered by `RUST_LOG` (default: our own at `info`, others at `warn`).
pub fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,purser=info,purser_producer=info,pubsub_server=info,private_postgres=info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as in tests, keeps the first subscriber.
    let _ = match format {
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}
