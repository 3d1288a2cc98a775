//! Healing: when a row appears that dead letters waited for, by whatever route, they are tried again by
//! themselves. Which rows are waited for, and which letters have everything, are states in the database:
//! whatever commits when, and whoever is killed in the middle, the next round sees it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use uuid::Uuid;

use super::replay::{Chosen, Interrupted, Replay, Tally};
use crate::pipeline::borrowed::Borrowed;
use crate::pipeline::check_references::{Reference, References};
use crate::pipeline::shape::Place;
use crate::pipeline::verdict::{RowId, Table};
use crate::pipeline::{Unavailable, in_time};

/// How long nothing is looked for, at the least; looking takes up a tenth of the time, at the most.
const PAUSE: Duration = Duration::from_secs(2);
/// Rows that are looked for at once.
const LOOKED_FOR: i64 = 5000;
/// Dead letters that are made ready in one transaction.
const LETTERS: i64 = 5000;

/// After how long what could not be decided is tried again.
const LEFT_ALONE: Duration = Duration::from_secs(300);

/// Heals until the soft stop, whatever goes wrong in between. Several processes may do so at once.
///
/// # Errors
/// When the process gave up.
pub async fn heal_until_stopped(replay: Replay) -> anyhow::Result<()> {
    let shutdown = replay.pipeline.shutdown.clone();
    let mut healer = Healer { replay, away: BTreeSet::new(), left_alone: Vec::new(), since: Instant::now() };
    let mut failing = false;
    while !shutdown.soft().is_cancelled() {
        let pause = match shutdown.unless_given_up(healer.round()).await? {
            Ok(looking) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("dead letters heal again");
                }
                PAUSE.max(9 * looking)
            }
            Err(Interrupted::Stopped(_)) => return Ok(()),
            Err(Interrupted::Away(error)) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "dead letters wait to be healed");
                }
                PAUSE
            }
        };
        shutdown.soft().run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

struct Healer {
    replay: Replay,
    /// Tables that could not be looked into the last time.
    away: BTreeSet<Table>,
    /// Have everything that they waited for, and yet nothing could be decided about them: for a while they are
    /// not tried again.
    left_alone: Vec<Uuid>,
    /// When the first of them was.
    since: Instant,
}

impl Healer {
    /// Looks once for everything that is waited for, heals, and says how long looking took.
    async fn round(&mut self) -> Result<Duration, Interrupted> {
        let started = Instant::now();
        let pool = &self.replay.archive.pool;
        for table in Table::ALL.iter().filter(|table| table.unknown().is_some()) {
            // The table may be somebody else's, and away: that keeps nobody from looking into the others.
            match in_time(look(pool, *table)).await {
                Ok(()) => drop(self.away.remove(table)),
                Err(error) if self.away.insert(*table) => {
                    tracing::warn!(%error, %table, "cannot be looked into for what dead letters wait for");
                }
                Err(_) => {}
            }
        }
        let looking = started.elapsed();
        self.heal().await?;
        Ok(looking)
    }

    async fn heal(&mut self) -> Result<(), Interrupted> {
        if self.since.elapsed() > LEFT_ALONE {
            self.left_alone.clear();
        }
        let replayed = self.replay.all(Chosen::Ready { but: &self.left_alone }, |_| {}).await?;
        let sum = |count: fn(&Tally) -> u64| replayed.tallies.values().map(count).sum::<u64>();
        let (healed, rejected) = (sum(|tally| tally.stored + tally.duplicate), sum(|tally| tally.rejected));
        let unreadable = replayed.unreadable.len();
        if healed + rejected > 0 || unreadable > 0 {
            tracing::info!(healed, rejected, unreadable, "dead letters have what they waited for");
        }
        if self.left_alone.is_empty() {
            self.since = Instant::now();
        }
        self.left_alone.extend(replayed.unreadable.into_keys().chain(replayed.ignored));
        Ok(())
    }
}

/// Goes once through the rows of a table that are waited for, and makes those dead letters ready that need
/// no other.
async fn look(pool: &PgPool, table: Table) -> Result<(), Unavailable> {
    let mut last = String::new();
    loop {
        let waited_for = waited_for(pool, table, &last).await?;
        let Some(furthest) = waited_for.last() else { return Ok(()) };
        last.clone_from(furthest);
        let appeared = appeared(pool, table, &waited_for).await?;
        while !appeared.is_empty() && make_ready(pool, table, &appeared).await? {}
    }
}

/// The next ids that are waited for, each once: one step in the index per id, however many wait for it.
async fn waited_for(pool: &PgPool, table: Table, last: &str) -> sqlx::Result<Vec<String>> {
    let mut conn = Borrowed::from(pool).await?;
    let ids = sqlx::query_scalar(
        "WITH RECURSIVE step AS (
             (SELECT reference_id FROM waiting WHERE reference_table = $1 AND reference_id > $2
              ORDER BY reference_id LIMIT 1)
             UNION ALL
             SELECT (SELECT reference_id FROM waiting
                     WHERE reference_table = $1 AND reference_id > step.reference_id
                     ORDER BY reference_id LIMIT 1)
             FROM step WHERE step.reference_id IS NOT NULL
         )
         SELECT reference_id FROM step WHERE reference_id IS NOT NULL LIMIT $3",
    );
    let ids = ids.bind(table.as_str()).bind(last).bind(LOOKED_FOR).fetch_all(conn.get()?).await?;
    conn.give_back();
    Ok(ids)
}

/// Which of them are there. Nothing that was known before is believed.
async fn appeared(pool: &PgPool, table: Table, ids: &[String]) -> Result<Vec<String>, Unavailable> {
    let reference = |id: &String| {
        let id = Uuid::try_parse(id).map_or_else(|_| RowId::Text(id.as_str().into()), RowId::Uuid);
        Reference { table, id, place: Place::ROOT, field: table.key() }
    };
    let references: Vec<Reference> = ids.iter().map(reference).collect();
    let known = References::new(pool.clone()).look_up(references.iter()).await?;
    let there = references.iter().filter(|reference| known.has(reference));
    Ok(there.map(|reference| reference.id.to_string()).collect())
}

/// These dead letters do not wait for these rows any more; who waits for nothing else is ready. `false` when
/// none was left. Which others a letter waits for is read in a statement after it was locked, so that two
/// healers cannot both take the other's row for missing.
async fn make_ready(pool: &PgPool, table: Table, appeared: &[String]) -> sqlx::Result<bool> {
    let mut conn = Borrowed::from(pool).await?;
    let mut tx = conn.begin().await?;
    let letters: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT dead_letter FROM (
             SELECT dead_letter FROM waiting WHERE reference_table = $1 AND reference_id = ANY($2) LIMIT $3
         ) AS page",
    )
    .bind(table.as_str())
    .bind(appeared)
    .bind(LETTERS)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query("SELECT FROM dead_letters WHERE id = ANY($1) ORDER BY id FOR UPDATE")
        .bind(&letters)
        .execute(&mut *tx)
        .await?;
    let delete = "DELETE FROM waiting WHERE reference_table = $1 AND reference_id = ANY($2) AND dead_letter = ANY($3)";
    let delete = sqlx::query(delete).bind(table.as_str()).bind(appeared).bind(&letters).execute(&mut *tx).await?;
    sqlx::query(
        "UPDATE dead_letters AS letter SET ready = true
         WHERE id = ANY($1) AND status = 'open'
           AND NOT EXISTS (SELECT FROM waiting WHERE waiting.dead_letter = letter.id)",
    )
    .bind(&letters)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    conn.give_back();
    Ok(delete.rows_affected() > 0)
}
