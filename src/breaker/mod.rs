//! Holds the events of a Pub/Sub subscription back while too many of them are rejected: a bad release of
//! whoever publishes, or a `users` table that was emptied, must not drain the topic into the dead letters.
//!
//! [`Breaker`] stands before the commit of every batch (`pipeline::breaker` asks it); [`state`] is what all
//! workers share in Postgres, `window` what this process decided lately, `sizes` what became of the
//! reference tables, and [`operator`] what people may do about it.

mod gate;
pub mod operator;
mod sizes;
pub mod state;
mod watch;
mod window;

use std::sync::Arc;
use std::time::Instant;

use sqlx::PgPool;
use uuid::Uuid;

use crate::events::KINDS;
use crate::health::Health;
use crate::telemetry::Metrics;

pub use state::{Cause, State};
pub use watch::watch_until_stopped;
pub use window::{Limits, Tally};

pub(crate) use gate::{Gate, Held, Pass};
pub(crate) use sizes::TABLES;
pub(crate) use state::Switch;
pub(crate) use window::Weight;

use sizes::Sizes;

/// The breaker's name in [`Health`].
pub const SERVICE: &str = "breaker";

/// When it opens.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// For the share of events that are rejected.
    pub limits: Limits,
    /// A reference table that holds less than this share of the rows it held was emptied by mistake.
    pub shrunk: f64,
}

/// The breakers of a process, one per kind. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Breaker(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    settings: Settings,
    /// This process, among those that report.
    instance: Uuid,
    sizes: Sizes,
    gates: Vec<Arc<Gate>>,
    metrics: Arc<Metrics>,
    health: Health,
}

impl Breaker {
    /// Holds nothing, ever.
    #[must_use]
    pub fn off() -> Self {
        Breaker(None)
    }

    /// The breakers of the subscriptions of a Google Cloud project. Until [`watch_until_stopped`] has read
    /// their state, nothing passes.
    #[must_use]
    pub fn new(pool: PgPool, settings: Settings, project: &str, metrics: Arc<Metrics>, health: Health) -> Self {
        let subscription = |short: &str| format!("projects/{project}/subscriptions/{short}");
        let gate = |kind: &crate::events::Kind| Gate::new(kind.name, subscription(kind.subscription), settings.limits);
        let gates = KINDS.iter().map(|kind| Arc::new(gate(kind))).collect();
        let sizes = Sizes::new(pool.clone(), settings.shrunk);
        Breaker(Some(Arc::new(Shared { pool, settings, instance: Uuid::now_v7(), sizes, gates, metrics, health })))
    }

    /// What batches of one kind pass through; `None` when nothing is ever held.
    pub(crate) fn gate(&self, kind: &str) -> Option<Passage> {
        let shared = self.0.as_ref()?;
        let gate = shared.gates.iter().find(|gate| gate.kind == kind)?;
        Some(Passage { shared: Arc::clone(shared), gate: Arc::clone(gate) })
    }
}

/// A gate with everything that it takes to open and close it.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    shared: Arc<Shared>,
    pub(crate) gate: Arc<Gate>,
}

impl Passage {
    /// Says why when a reference table looks as if it had been emptied by mistake.
    pub(crate) async fn fallen(&self, table: crate::pipeline::verdict::Table) -> sqlx::Result<Option<String>> {
        self.shared.sizes.fallen(table).await
    }

    /// Opens the breaker, unless it is not closed any more.
    pub(crate) async fn open(&self, cause: Cause, because: &str) -> sqlx::Result<()> {
        let switch = state::open(&self.shared.pool, self.gate.name(), cause, because).await?;
        self.shared.take_over(&self.gate, switch);
        Ok(())
    }

    /// What the share of rejected events amounts to, in words.
    pub(crate) fn too_much(&self, tally: Tally) -> String {
        let percent = self.shared.settings.limits.ratio * 100.0;
        format!("{} of {} events were rejected, more than {percent} %", tally.rejected, tally.events())
    }

    /// A batch that is held was judged again. When all that this process holds has been, the other workers
    /// are told, and the breaker closes if enough of what all of them hold would pass.
    ///
    /// Where a reference table had fallen, `table_is_back` is enough.
    pub(crate) async fn probed(&self, held: &Held, seen: Tally, table_is_back: Option<bool>) -> sqlx::Result<()> {
        let Some(all) = self.gate.probed(held, seen) else { return Ok(()) };
        let (pool, name, revision) = (&self.shared.pool, self.gate.name(), held.revision);
        state::report(pool, name, self.shared.instance, revision, all).await?;
        let ratio = match table_is_back {
            Some(true) => 1.0,
            Some(false) => 0.0,
            None => self.shared.settings.limits.ratio,
        };
        if let Some(closed) = state::close_when_passable(pool, name, revision, ratio).await? {
            self.shared.take_over(&self.gate, closed);
        }
        Ok(())
    }
}

impl Shared {
    /// Makes a state that was read, or brought about, that of this process; says so once.
    fn take_over(&self, gate: &Gate, switch: Switch) {
        let Some(before) = gate.take_over(switch.clone()) else { return };
        let open = switch.state == State::Open;
        self.metrics.breaker(gate.kind, open);
        match open {
            true => self.health.fails(SERVICE, gate.kind, format!("open: {}", switch.because)),
            false => self.health.works(SERVICE, gate.kind),
        }
        let (kind, because) = (gate.kind, switch.because);
        match (before, switch.state) {
            (_, State::Open) => tracing::warn!(kind, because, "breaker open: holding events, acknowledging nothing"),
            (_, State::Forced) => tracing::warn!(kind, because, "breaker forced: everything passes"),
            (Some(State::Open | State::Forced), State::Closed) => tracing::info!(kind, because, "breaker closed"),
            (Some(State::Closed) | None, State::Closed) => {}
        }
    }

    /// What this process decided lately of one kind.
    fn decided(&self, gate: &Gate) -> Tally {
        gate.window().decided(Instant::now())
    }
}
