//! Work on whole tables beside those who write to them: a few pages at a time, each in a transaction of its own.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Query, QueryAs};
use sqlx::{FromRow, PgPool, Postgres, Transaction};
use tokio::time::{Instant, sleep};

/// Pages of a table that are gone through in one statement: 32 MiB.
pub(crate) const PAGES: i64 = 4096;
/// How long those are waited for who began before.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether they have ended.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether what is done stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It stays.
    Real,
    /// Everything is done, counted, and undone.
    Dry,
}

impl Run {
    /// Ends a transaction.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn end(self, tx: Transaction<'_, Postgres>) -> sqlx::Result<()> {
        match self {
            Run::Real => tx.commit().await,
            Run::Dry => tx.rollback().await,
        }
    }
}

/// Runs a statement for every part of a table, and says how many rows it touched. It is to look at rows with
/// `ctid >= $1::text::tid AND ctid < $2::text::tid` alone, and the closure binds what follows.
///
/// # Errors
/// When the database cannot be asked. What was done by then stays.
pub async fn in_pages<'q>(
    pool: &PgPool,
    table: &str,
    run: Run,
    statement: &'static str,
    bind: impl Fn(Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>,
) -> sqlx::Result<u64> {
    let mut touched = 0;
    for from in (0..=size(pool, table).await?).step_by(PAGES as usize) {
        let mut tx = pool.begin().await?;
        let part = sqlx::query(statement).bind(format!("({from},0)")).bind(format!("({},0)", from + PAGES));
        touched += bind(part).execute(&mut *tx).await?.rows_affected();
        run.end(tx).await?;
    }
    Ok(touched)
}

/// The keys of the rows for which a question with the same condition answers them.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find_in_pages<'q, K>(
    pool: &PgPool,
    table: &str,
    question: &'static str,
    bind: impl Fn(QueryAs<'q, Postgres, K, PgArguments>) -> QueryAs<'q, Postgres, K, PgArguments>,
) -> sqlx::Result<Vec<K>>
where
    K: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let mut found = Vec::new();
    for from in (0..=size(pool, table).await?).step_by(PAGES as usize) {
        let part = sqlx::query_as(question).bind(format!("({from},0)")).bind(format!("({},0)", from + PAGES));
        found.extend(bind(part).fetch_all(pool).await?);
    }
    Ok(found)
}

/// How many pages a table has; none where there is no such table.
pub(crate) async fn size(pool: &PgPool, table: &str) -> sqlx::Result<i64> {
    let pages = "SELECT coalesce(pg_relation_size(to_regclass($1)) / current_setting('block_size')::int8, -1)";
    sqlx::query_scalar(pages).bind(table).fetch_one(pool).await
}

/// Waits until every transaction has ended that may have read what was there before now. `false` when one goes on
/// and on.
///
/// # Errors
/// When the database cannot be asked.
pub async fn ended_before(pool: &PgPool) -> sqlx::Result<bool> {
    let now: i64 =
        sqlx::query_scalar("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8").fetch_one(pool).await?;
    let until = Instant::now() + PATIENCE;
    loop {
        let oldest = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8";
        let oldest: i64 = sqlx::query_scalar(oldest).fetch_one(pool).await?;
        if oldest >= now || Instant::now() > until {
            return Ok(oldest >= now);
        }
        sleep(PAUSE).await;
    }
}
