//! Old rows of one table, a few thousand at a time.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use tokio::time::Instant;

use super::breathe;
use crate::database::{PAGES, Run, size};

/// Rows of one transaction.
const ROWS: i64 = 5000;

/// A table whose rows are of some age.
#[derive(Debug, Clone, Copy)]
pub struct Aged {
    /// The kind whose rows these are.
    pub kind: &'static str,
    /// Its name.
    pub table: &'static str,
    /// When the event of a row happened.
    pub time: &'static str,
    /// Of which rows it is, as a condition.
    pub only: &'static str,
    /// What goes along in the same statement: data-modifying CTEs over `gone`, which has all columns of the rows.
    pub along: &'static str,
}

impl Aged {
    /// Removes rows from before that time, and says how many.
    ///
    /// # Errors
    /// When the database cannot be asked. What was removed by then is.
    pub async fn expire(&self, pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
        let mut removed = 0;
        for from in (0..=size(pool, self.table).await?).step_by(PAGES as usize) {
            let part = [format!("({from},0)"), format!("({},0)", from + PAGES)];
            removed += match run {
                Run::Real => self.delete(pool, &part, before).await?,
                Run::Dry => self.count(pool, &part, before).await?,
            };
        }
        Ok(removed)
    }

    async fn count(&self, pool: &PgPool, [from, to]: &[String; 2], before: DateTime<Utc>) -> sqlx::Result<u64> {
        let count = format!("SELECT count(*) FROM {} WHERE {}", self.table, self.old());
        let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(count)).bind(from).bind(to).bind(before);
        Ok(count.fetch_one(pool).await?.unsigned_abs())
    }

    async fn delete(&self, pool: &PgPool, [from, to]: &[String; 2], before: DateTime<Utc>) -> sqlx::Result<u64> {
        let (table, old, along) = (self.table, self.old(), self.along);
        let delete = format!(
            "WITH gone AS (
                 DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                     SELECT ctid FROM {table} WHERE {old} LIMIT $4 FOR UPDATE SKIP LOCKED)) RETURNING *
             ){along}
             SELECT count(*) FROM gone"
        );
        let mut removed = 0;
        loop {
            let (mut tx, began) = (pool.begin().await?, Instant::now());
            let gone = sqlx::query_scalar::<_, i64>(AssertSqlSafe(delete.clone())).bind(from).bind(to).bind(before);
            let gone = gone.bind(ROWS).fetch_one(&mut *tx).await?;
            count_gone(&mut tx, self.kind, gone).await?;
            tx.commit().await?;
            removed += gone.unsigned_abs();
            if gone < ROWS {
                return Ok(removed);
            }
            breathe(began).await;
        }
    }

    fn old(&self) -> String {
        let Aged { time, only, .. } = self;
        format!("ctid >= $1::text::tid AND ctid < $2::text::tid AND {time} < $3 AND {only}")
    }
}

/// Adds to the rows of a kind that are gone, in the transaction that removes them.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_gone(conn: &mut PgConnection, kind: &str, gone: i64) -> sqlx::Result<()> {
    if gone > 0 {
        let update = "UPDATE expired SET rows = rows + $2, at = now() WHERE kind = $1";
        sqlx::query(update).bind(kind).bind(gone).execute(conn).await?;
    }
    Ok(())
}
