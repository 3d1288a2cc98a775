//! Every metric, in one list.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::flight::InFlight;
use super::labels::{
    AnsweredLabel, BuildLabel, DependencyLabel, EventLabels, KindLabel, KindSource, PoolLabel, RequestLabels,
    RouteLabels, StageLabels,
};
use super::process::{self, WatchedPool};

/// What a metric is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name in queries.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub metric_type: String,
    /// What it counts.
    pub help: &'static str,
}

impl Described {
    fn ours(name: &str, metric: &impl EncodeMetric, help: &'static str) -> Self {
        let metric_type = metric.metric_type().as_str().to_owned();
        let total = if metric_type == "counter" { "_total" } else { "" };
        Described { name: format!("purser_{name}{total}"), metric_type, help }
    }
}

/// A field for each metric: its name is the metric's without the prefix (a counter's `_total` is added), its
/// doc comment is the help text. What is no [`Default`] says how it is made.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $name:ident: $metric:ty $(= $make:expr)?),+ $(,)?) => {
        /// The metrics of a process. Prometheus names begin with `purser_`.
        #[derive(Debug)]
        pub struct Metrics {
            $($(#[doc = $help])+ pub $name: $metric,)+
            pub(super) in_flight: Mutex<InFlight>,
            pub(super) pool: WatchedPool,
        }

        impl Default for Metrics {
            fn default() -> Self {
                let metrics = Metrics {
                    $($name: metrics!(@make $($make)?),)+
                    in_flight: Mutex::default(),
                    pool: WatchedPool::default(),
                };
                metrics.prepare();
                metrics
            }
        }

        impl Metrics {
            fn register(&self, registry: &mut Registry) {
                $(registry.register(stringify!($name), help(concat!($($help),+)), self.$name.clone());)+
            }

            /// Every metric, also those that nothing has been counted by yet.
            #[must_use]
            pub fn described(&self) -> Vec<Described> {
                let ours = [$(Described::ours(stringify!($name), &self.$name, help(concat!($($help),+)))),+];
                ours.into_iter().chain([process::start()]).collect()
            }
        }
    };
    (@make) => { Default::default() };
    (@make $make:expr) => { $make };
}

metrics! {
    /// Events decided and committed.
    events: Family<EventLabels, Counter>,
    /// Events in a batch that was committed.
    batch_events: Family<KindLabel, Histogram> = Family::new_with_constructor(events),
    /// Payload bytes in a batch that was committed.
    batch_bytes: Family<KindLabel, Histogram> = Family::new_with_constructor(bytes),
    /// Seconds that a batch spends in a stage of the pipeline, waiting for what is away included.
    stage_seconds: Family<StageLabels, Histogram> = Family::new_with_constructor(seconds),
    /// Seconds from the publishing of a message to the commit of its batch.
    publish_to_commit_seconds: Family<KindSource, Histogram> = Family::new_with_constructor(long_seconds),
    /// Age of the oldest message that is held and not acknowledged yet; 0 when none is.
    oldest_unacknowledged_seconds: Family<KindLabel, Gauge<f64, AtomicU64>>,
    /// Messages that are being decided.
    in_flight_messages: Family<KindSource, Gauge>,
    /// Payload bytes that are being decided.
    in_flight_bytes: Family<KindSource, Gauge>,
    /// Attempts that are made again because a dependency did not do what it should.
    retries: Family<DependencyLabel, Counter>,
    /// Times that a task began to hold because a dependency is away.
    outages: Family<DependencyLabel, Counter>,
    /// Tasks that hold right now because a dependency is away.
    holding: Family<DependencyLabel, Gauge>,
    /// Times that a Pub/Sub stream was opened.
    pubsub_connects: Counter,
    /// Whether the breaker holds a kind back: 1 or 0.
    breaker_open: Family<KindLabel, Gauge>,
    /// Dead letters, and changes of their status, that are durable in the blob store.
    dead_letters_shipped: Counter,
    /// Dead letters, and changes of their status, that wait in the database to be shipped, as last counted.
    dead_letters_waiting: Gauge,
    /// Connections of the database pool, by what they do.
    database_pool_connections: Family<PoolLabel, Gauge>,
    /// The most connections that the database pool opens.
    database_pool_max_connections: Gauge,
    /// Questions that the history was asked.
    history_questions: Family<AnsweredLabel, Counter>,
    /// Requests answered.
    http_requests: Family<RequestLabels, Counter>,
    /// Seconds from a request to its answer.
    http_request_seconds: Family<RouteLabels, Histogram> = Family::new_with_constructor(seconds),
    /// Always 1; the label is the version of the program.
    build_info: Family<BuildLabel, Gauge> = process::build_info(),
}

impl Metrics {
    /// All of them, as they are written.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        self.register(registry.sub_registry_with_prefix("purser"));
        process::register(&mut registry);
        registry
    }
}

/// The registry adds the full stop.
fn help(doc: &'static str) -> &'static str {
    doc.trim().trim_end_matches('.')
}

fn events() -> Histogram {
    Histogram::new([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0])
}

fn bytes() -> Histogram {
    Histogram::new((8..=26).step_by(2).map(|power| f64::from(1 << power)))
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

fn long_seconds() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0])
}
