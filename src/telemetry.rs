//! What is counted, and where logs go.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use crate::events::{EventKind, KINDS};
use crate::pipeline::Outcome;
use crate::pipeline::verdict::Reason;

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

/// Labels of [`Metrics::breaker_open`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabels {
    /// Kind of event.
    pub kind: &'static str,
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
    /// By kind, 1 while its events are held because too many of them were rejected.
    pub breaker_open: Family<KindLabels, Gauge>,
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
        registry.register("breaker_open", "1 while the events of a kind are held", self.breaker_open.clone());
        registry
    }

    /// The events so far, over all kinds.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for kind in KINDS {
            let count = |outcome, reason| {
                let labels = EventLabels { kind: kind.name, outcome, reason };
                self.events.get(&labels).map_or(0, |counter| counter.get())
            };
            totals.stored += count("stored", "");
            totals.duplicate += count("duplicate", "");
            totals.ignored += count("ignored", "");
            for reason in Reason::ALL {
                match count("rejected", reason.as_str()) {
                    0 => {}
                    rejected => *totals.rejected.entry(*reason).or_default() += rejected,
                }
            }
        }
        totals
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

    pub(crate) fn breaker_open(&self, kind: &'static str, open: bool) {
        self.breaker_open.get_or_create(&KindLabels { kind }).set(i64::from(open));
    }

    pub(crate) fn outage_began(&self) {
        self.outages.inc();
    }

    pub(crate) fn outage_ended(&self) {
        self.outages.dec();
    }
}

/// Events decided by a process, by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Became rows.
    pub stored: u64,
    /// Had been decided before.
    pub duplicate: u64,
    /// Were messages without an event.
    pub ignored: u64,
    /// Became dead letters.
    pub rejected: BTreeMap<Reason, u64>,
}

impl Totals {
    /// All of them.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.stored + self.duplicate + self.ignored + self.rejected.values().sum::<u64>()
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
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new("warn,purser=info,purser_producer=info,pubsub_server=info,private_postgres=info")
    });
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let subscriber = subscriber.with_ansi(std::io::stderr().is_terminal());
    // A second call, as in tests, keeps the first subscriber.
    let _ = match format {
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}
