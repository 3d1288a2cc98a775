//! Views out of Postgres into files: `product_views` keeps the recent days.
//!
//! A slice at a time, the oldest first. One transaction deletes the rows of a slice, notes their ids and adds the
//! files, which are durable by then: whenever it ends, each view is either in the table or in a file.

mod slice;

use std::time::Duration;

use anyhow::ensure;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use purser::intake::files::Reporter;
use purser::shutdown::{Shutdown, Stopped};
use sqlx::PgPool;

use crate::catalog;
use crate::store::Store;
use slice::Slice;
pub(crate) use slice::{PATIENCE, midnight};

/// For how long the ids of moved views are kept, from when the view first reached us: Pub/Sub delivers nothing again
/// after 31 days.
pub const IDS_ARE_KEPT: TimeDelta = TimeDelta::days(32);

/// The worker asks for no id of a younger view whether it was moved.
const YOUNGEST: TimeDelta = TimeDelta::days(1);

/// How often a slice is tried that stands in somebody's way, and how long apart.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// Moves all views from before a midnight (UTC), and says how many those were. Views that come later stay in the
/// table until the next move. May be begun again after it was interrupted anywhere.
///
/// # Errors
/// When `before` is no midnight, or not a day ago; when the history is elsewhere; when database or store do not work;
/// when the process is told to stop. What was moved by then is.
pub async fn move_older(
    pool: &PgPool,
    store: &Store,
    before: DateTime<Utc>,
    shutdown: &Shutdown,
    reporter: &dyn Reporter,
) -> anyhow::Result<u64> {
    ensure!(before.time() == NaiveTime::MIN, "{before} is no midnight");
    ensure!(before <= Utc::now() - YOUNGEST, "views that are younger than a day are not moved");
    catalog::settle(pool, store).await?;
    let mut moved = 0;
    while let Some(day) = oldest(pool, before).await? {
        reporter.found(slice::views(pool, day).await?);
        let mut slice = Slice::first(day);
        loop {
            if shutdown.soft().is_cancelled() {
                return Err(Stopped.into());
            }
            let done = shutdown.unless_given_up(patiently(pool, store, &slice)).await??;
            let Some((rows, last_at)) = done else { break };
            reporter.decided(rows);
            moved += rows;
            slice.from = last_at;
        }
        catalog::moved(pool, midnight(day) + TimeDelta::days(1)).await?;
    }
    catalog::moved(pool, before).await?;
    Ok(moved)
}

async fn oldest(pool: &PgPool, before: DateTime<Utc>) -> sqlx::Result<Option<NaiveDate>> {
    let min = "SELECT min(occurred_at) FROM product_views WHERE occurred_at < $1";
    let at: Option<DateTime<Utc>> = sqlx::query_scalar(min).bind(before).fetch_one(pool).await?;
    Ok(at.map(|at| at.date_naive()))
}

/// Gives way to whoever waits for the same rows, and comes back.
async fn patiently(pool: &PgPool, store: &Store, slice: &Slice) -> anyhow::Result<Option<(u64, DateTime<Utc>)>> {
    for _ in 1..TRIES {
        match slice.do_move(pool, store).await {
            Err(error) if gave_way(&error) => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
    slice.do_move(pool, store).await
}

/// It waited too long for a lock, ran into a deadlock, or was ended for having held others up: nothing was done.
fn gave_way(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<sqlx::Error>().and_then(|error| error.as_database_error()?.code());
    code.is_some_and(|code| matches!(&*code, "55P03" | "57P01") || code.starts_with("40"))
}
