//! What goes on beside the batches: reading the state that workers share, ending what was forced, and
//! remembering how large the reference tables are.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::state::{self, State};
use super::{Breaker, Shared, Switch};
use crate::shutdown::Shutdown;

/// How often the shared state is read.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long reading it may take before the connection is given up as frozen.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often reference tables are counted, at the most.
const COUNTING: Duration = Duration::from_secs(60);

/// Keeps the breakers of this process like those of the others, until it is told to stop. While the
/// database is away they stay as they are: nothing is committed then anyway.
///
/// # Errors
/// Never: it is a part of the process like others that may fail.
pub async fn watch_until_stopped(breaker: Breaker, shutdown: Shutdown) -> anyhow::Result<()> {
    let Some(shared) = breaker.0 else {
        shutdown.soft().cancelled().await;
        return Ok(());
    };
    let counting = async {
        loop {
            sleep(shared.sizes.remember().await.max(COUNTING)).await;
        }
    };
    let reading = async {
        let mut failing = false;
        loop {
            let read = timeout(PATIENCE, shared.read()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            if let (Err(error), false) = (&read, failing) {
                tracing::warn!(%error, "breakers stay as they are: their state cannot be read");
            }
            failing = read.is_err();
            sleep(INTERVAL).await;
        }
    };
    tokio::select! {
        () = shutdown.soft().cancelled() => {}
        () = counting => {}
        () = reading => {}
    }
    Ok(())
}

impl Shared {
    async fn read(&self) -> sqlx::Result<()> {
        let subscriptions: Vec<&str> = self.gates.iter().map(|gate| gate.subscription()).collect();
        let mut switches = state::load(&self.pool, &subscriptions).await?;
        for gate in &self.gates {
            let found = switches.iter().position(|switch| switch.subscription == gate.subscription());
            let switch = found.map(|found| switches.swap_remove(found));
            self.take_over(gate, switch.unwrap_or_else(|| Switch::closed(gate.subscription())));
            let forced = gate.last_read().filter(|switch| switch.state == State::Forced);
            if let Some(Switch { revision, .. }) = forced {
                state::report(&self.pool, gate.name(), self.instance, revision, self.decided(gate)).await?;
                let closed = state::stop_forcing(&self.pool, gate.name(), revision, self.settings.limits).await?;
                closed.into_iter().for_each(|closed| self.take_over(gate, closed));
            }
        }
        Ok(())
    }
}
