//! The process itself: its version, its start, its connections.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use sqlx::PgPool;

use super::labels::{AnsweredLabel, BuildLabel, KindLabel, PoolLabel};
use super::{Dependency, Described, Metrics};
use crate::events::KINDS;

/// The pool whose connections are counted.
pub(super) type WatchedPool = OnceLock<PgPool>;

/// When the program was first asked.
static STARTED: OnceLock<Duration> = OnceLock::new();

fn started() -> Duration {
    *STARTED.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Named as every Prometheus client names it, without our prefix.
pub(super) fn start() -> Described {
    let help = "Start of the process, in seconds since 1970";
    Described { name: "process_start_time_seconds".to_owned(), metric_type: "gauge".to_owned(), help }
}

pub(super) fn register(registry: &mut Registry) {
    let Described { name, help, .. } = start();
    registry.register(name, help, ConstGauge::new(started().as_secs_f64()));
}

pub(super) fn build_info() -> Family<BuildLabel, Gauge> {
    let info = Family::<BuildLabel, Gauge>::default();
    info.get_or_create(&BuildLabel { version: env!("CARGO_PKG_VERSION") }).set(1);
    info
}

impl Metrics {
    /// Counts the connections of this pool from now on.
    pub fn watch(&self, pool: &PgPool) {
        // A process has one pool; the first stays.
        let _ = self.pool.set(pool.clone());
    }

    /// Makes the series that alerts look at, so that they are 0 and not absent.
    pub(super) fn prepare(&self) {
        started();
        for kind in KINDS {
            self.breaker(kind.name, false);
            self.oldest_unacknowledged_seconds.get_or_create(&KindLabel { kind: kind.name }).set(0.0);
        }
        for dependency in Dependency::ALL {
            self.retries.get_or_create(&dependency.label()).inc_by(0);
            self.outages.get_or_create(&dependency.label()).inc_by(0);
            self.holding.get_or_create(&dependency.label()).set(0);
        }
        for outcome in ["answered", "failed"] {
            self.history_questions.get_or_create(&AnsweredLabel { outcome }).inc_by(0);
        }
    }

    pub(super) fn count_connections(&self) {
        let Some(pool) = self.pool.get() else { return };
        let (size, idle) = (i64::from(pool.size()), i64::try_from(pool.num_idle()).unwrap_or_default());
        let set = |state, count: i64| self.database_pool_connections.get_or_create(&PoolLabel { state }).set(count);
        set("idle", idle);
        set("in_use", (size - idle).max(0));
        self.database_pool_max_connections.set(i64::from(pool.options().get_max_connections()));
    }
}
