//! How many rows the reference tables hold, and whether that is much less than before. They may be somebody
//! else's: they are only read, and never for more than a small share of the time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgPool};

use crate::pipeline::borrowed::Borrowed;
use crate::pipeline::verdict::Table;

/// The tables without whose rows events are rejected.
pub(crate) const TABLES: [Table; 2] = [Table::Users, Table::Articles];
/// Between two counts of a table there passes so many times what the first one took.
const PAUSES: u32 = 50;

/// What was found when a table was counted last.
#[derive(Debug, Clone)]
struct Found {
    at: Instant,
    took: Duration,
    fallen: Option<String>,
}

/// The sizes of reference tables, and what Postgres remembers of them.
#[derive(Debug)]
pub(crate) struct Sizes {
    pool: PgPool,
    /// Holding less than this share of what it held, a table has fallen.
    share: f64,
    found: Mutex<HashMap<Table, Found>>,
}

impl Sizes {
    pub(crate) fn new(pool: PgPool, share: f64) -> Self {
        Sizes { pool, share, found: Mutex::default() }
    }

    /// Says it when a table is empty, or holds much less than it did.
    ///
    /// # Errors
    /// When the database cannot be asked, or the table is not there.
    pub(crate) async fn fallen(&self, table: Table) -> sqlx::Result<Option<String>> {
        let remembered = sqlx::query_scalar("SELECT rows FROM reference_sizes WHERE reference_table = $1");
        let before: Option<i64> = remembered.bind(table.as_str()).fetch_optional(&self.pool).await?;
        // An operator has said that it may be empty.
        if before == Some(0) {
            return Ok(None);
        }
        if let Some(found) = self.found_just_now(table) {
            let empty = self.count(table, 1).await? == 0;
            return Ok(if empty { Some(format!("{table} is empty")) } else { found.fallen });
        }
        let enough = before.map_or(1, |rows| (rows as f64 * self.share).ceil() as i64).max(1);
        let at = Instant::now();
        let rows = match self.count(table, enough).await {
            // Too many to count are enough.
            Err(error) if is_too_slow(&error) => enough,
            rows => rows?,
        };
        let fallen = match before {
            _ if rows >= enough => None,
            Some(before) if rows > 0 => Some(format!("{table} holds {rows} rows, and held {before}")),
            _ => Some(format!("{table} is empty")),
        };
        let found = Found { at, took: at.elapsed(), fallen: fallen.clone() };
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(table, found);
        Ok(fallen)
    }

    fn found_just_now(&self, table: Table) -> Option<Found> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&table).filter(|found| found.at.elapsed() < found.took * PAUSES).cloned()
    }

    /// Counts the rows of a table, up to a limit.
    async fn count(&self, table: Table, limit: i64) -> sqlx::Result<i64> {
        let mut conn = Borrowed::from(&self.pool).await?;
        let count = format!("SELECT count(*) FROM (SELECT FROM {table} LIMIT $1) AS one");
        let count = sqlx::query_scalar(AssertSqlSafe(count)).bind(limit).persistent(false);
        let rows = count.fetch_one(conn.get()?).await?;
        conn.give_back();
        Ok(rows)
    }

    /// Counts all tables and remembers what they hold. Returns how long to wait before the next time.
    ///
    /// What grows is remembered at once; a lower number only after a day, and never one so low that it
    /// would have been suspicious.
    pub(crate) async fn remember(&self) -> Duration {
        let started = Instant::now();
        for table in TABLES {
            if let Err(error) = self.remember_one(table).await {
                tracing::debug!(%table, %error, "not counted");
            }
        }
        started.elapsed() * PAUSES
    }

    async fn remember_one(&self, table: Table) -> sqlx::Result<()> {
        let rows = self.count(table, i64::MAX).await?;
        let upsert = sqlx::query(
            "INSERT INTO reference_sizes AS size (reference_table, rows) SELECT $1, $2 WHERE $2 > 0
             ON CONFLICT (reference_table) DO UPDATE SET rows = EXCLUDED.rows, counted_at = now()
             WHERE EXCLUDED.rows >= size.rows
                OR (size.counted_at < now() - interval '1 day' AND EXCLUDED.rows >= size.rows * $3)",
        );
        upsert.bind(table.as_str()).bind(rows).bind(self.share).execute(&self.pool).await?;
        Ok(())
    }
}

/// The statement was cancelled because it took too long.
fn is_too_slow(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|database| database.code().as_deref() == Some("57014"))
}

/// Takes what a table holds now to be right, however long it takes to count.
pub(super) async fn accept(pool: &PgPool, table: Table) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let upsert = format!(
        "INSERT INTO reference_sizes (reference_table, rows) SELECT $1, count(*) FROM {table}
         ON CONFLICT (reference_table) DO UPDATE SET rows = EXCLUDED.rows, counted_at = now()"
    );
    sqlx::query(AssertSqlSafe(upsert)).bind(table.as_str()).persistent(false).execute(&mut *tx).await?;
    tx.commit().await
}
