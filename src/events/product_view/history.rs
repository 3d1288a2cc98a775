//! Views that were moved into the history: rows of files, known here by their ids for as long as they may come again.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{ProductView, Row};
use crate::database::Run;
use crate::events::EventKind as _;
use crate::expire::count_gone;

/// Nothing younger than a day is moved. Clocks may differ by an hour.
const YOUNGEST_MOVED: TimeDelta = TimeDelta::hours(23);

/// The rows of all files that count.
pub(super) const ROWS: &str = "SELECT coalesce(sum(rows), 0)::bigint FROM history_files WHERE removed_at IS NULL";

/// Takes out of the table again what was just inserted into it and had been moved before, and returns the ids of the
/// others.
///
/// An insert waits for whoever is moving the row, and then takes its place: only a statement after it sees that it was
/// moved. `rows` are all that were to be inserted.
pub(super) async fn without_moved(
    conn: &mut PgConnection,
    rows: &[&Row],
    inserted: Vec<Uuid>,
) -> sqlx::Result<Vec<Uuid>> {
    let moved_at_the_latest = Utc::now() - YOUNGEST_MOVED;
    let old = rows.iter().filter(|row| row.view.occurred_at < moved_at_the_latest);
    let old: HashSet<Uuid> = old.map(|row| row.view.id).collect();
    let doubtful: Vec<Uuid> = inserted.iter().filter(|id| old.contains(id)).copied().collect();
    let moved = moved(conn, &doubtful).await?;
    if moved.is_empty() {
        return Ok(inserted);
    }
    sqlx::query("DELETE FROM product_views WHERE id = ANY($1)").bind(&moved).execute(conn).await?;
    let moved: HashSet<Uuid> = moved.into_iter().collect();
    Ok(inserted.into_iter().filter(|id| !moved.contains(id)).collect())
}

/// Which of these were moved.
pub(super) async fn moved(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("SELECT id FROM moved_product_views WHERE id = ANY($1)").bind(ids).fetch_all(conn).await
}

/// Takes out of the history the files with nothing but views from before that time, and says how many views those
/// were. A file that has later ones, too, stays whole.
pub(super) async fn expire(pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
    let remove = "WITH gone AS (
                      UPDATE history_files SET removed_at = clock_timestamp()
                      WHERE removed_at IS NULL AND last_at < $1
                      RETURNING rows
                  )
                  SELECT coalesce(sum(rows), 0)::bigint FROM gone";
    let mut tx = pool.begin().await?;
    let gone: i64 = sqlx::query_scalar(remove).bind(before).fetch_one(&mut *tx).await?;
    count_gone(&mut tx, ProductView::NAME, gone).await?;
    run.end(tx).await?;
    Ok(gone.unsigned_abs())
}
