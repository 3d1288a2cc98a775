//! Rows and dead letters that were kept for as long as they are to be kept. How far that has come is written down
//! first, per kind, in `expired`: from then on an event from before that time is ignored, so that one that was removed
//! is never stored, or counted, twice. Then rows go in small transactions, each of which adds to the number of rows
//! that are gone: by the ledger, stored are those that are there and those.
//!
//! Sums stay: what was sold is sold. What is counted from rows (sessions, orders, views) goes along with them.

mod letters;
mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection as _, PgPool};

use crate::database::{Run, ended_before};
use crate::dead_letters::Shipper;
use crate::domain::start_of_hour;
use crate::events::KINDS;
use crate::forget::alone;
use crate::shutdown::{Shutdown, Stopped};

pub use rows::{Aged, count_gone};

/// How long everything is kept; what is not named is kept for ever.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Ages {
    /// Rows, by the kind of event.
    pub rows: BTreeMap<&'static str, TimeDelta>,
    /// Dead letters.
    pub dead_letters: Option<TimeDelta>,
}

/// What was removed: how many, and from before when.
pub type Report = BTreeMap<&'static str, (u64, DateTime<Utc>)>;

/// Removes what is older than it is to be. Going on after an interruption is the same as beginning.
///
/// # Errors
/// When database or blob store cannot be asked, or the process is told to stop: what was removed by then is.
pub async fn expire(shipper: &Shipper, ages: &Ages, run: Run, shutdown: &Shutdown) -> anyhow::Result<Report> {
    let pool = &shipper.pool;
    let alone = alone(pool).await?;
    let (now, mut report) = (Utc::now(), Report::new());
    for kind in KINDS {
        let Some(before) = ages.rows.get(kind.name).map(|age| start_of_hour(now - *age)) else { continue };
        let work = async {
            if run == Run::Real {
                write_down(pool, kind.name, before).await?;
            }
            kind.expire(pool, before, run).await
        };
        let removed = shutdown.soft().run_until_cancelled(work).await.ok_or(Stopped)?;
        report.insert(kind.name, (removed.with_context(|| format!("removing rows of {}", kind.name))?, before));
    }
    if let Some(before) = ages.dead_letters.map(|age| start_of_hour(now - age)) {
        let removed =
            shutdown.soft().run_until_cancelled(letters::expire(shipper, before, run)).await.ok_or(Stopped)?;
        report.insert("dead_letters", (removed.context("removing dead letters")?, before));
    }
    alone.close().await?;
    Ok(report)
}

/// It never goes back: what was removed stays removed. Returns once no batch is under way that has not seen it.
async fn write_down(pool: &PgPool, kind: &str, before: DateTime<Utc>) -> sqlx::Result<()> {
    let upsert = "INSERT INTO expired (kind, before) VALUES ($1, $2)
                  ON CONFLICT (kind) DO UPDATE SET before = greatest(expired.before, EXCLUDED.before)";
    sqlx::query(upsert).bind(kind).bind(before).execute(pool).await?;
    while !ended_before(pool).await? {
        tracing::warn!("waiting for a transaction that goes on and on");
    }
    Ok(())
}

/// Lets others have the database for as long as this had it.
pub(crate) async fn breathe(since: tokio::time::Instant) {
    tokio::time::sleep(since.elapsed().min(Duration::from_secs(1))).await;
}
