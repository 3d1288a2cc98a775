//! Views that `purser expire` is to remove.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use purser::shutdown::{Shutdown, Stopped};
use sqlx::{AssertSqlSafe, PgPool};

use super::{Kept, Rewrite};
use crate::catalog::{COLUMNS, File};
use crate::reading::times;

/// Leaves expired views out of all files that have some, and says how many files those were.
pub(super) async fn leave_out(rewrite: &Rewrite<'_>, shutdown: &Shutdown) -> anyhow::Result<u64> {
    let Some(before) = before(rewrite.pool).await? else { return Ok(0) };
    let mut rewritten = 0;
    for file in with_older(rewrite.pool, before).await? {
        if shutdown.soft().is_cancelled() {
            return Err(Stopped.into());
        }
        let work = one(rewrite, &file, before);
        let is_done = shutdown.unless_given_up(work).await?;
        rewritten += u64::from(is_done.with_context(|| format!("leaving expired views out of {}", file.path))?);
    }
    Ok(rewritten)
}

async fn one(rewrite: &Rewrite<'_>, file: &File, before: DateTime<Utc>) -> anyhow::Result<bool> {
    let old = std::slice::from_ref(file);
    if file.last_at < before {
        return rewrite.commit(old, &[], file.rows).await;
    }
    let before = before.timestamp_micros();
    let stays = |at: &i64| Some(*at >= before);
    rewrite.swap(old, |rows| Kept::only(&rows, &times(&rows, "occurred_at")?.iter().map(stays).collect())).await
}

async fn before(pool: &PgPool) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("SELECT before FROM expired WHERE kind = 'product_view'").fetch_optional(pool).await
}

async fn with_older(pool: &PgPool, before: DateTime<Utc>) -> sqlx::Result<Vec<File>> {
    let select = format!(
        "SELECT {COLUMNS} FROM history_files WHERE removed_at IS NULL AND first_at < $1 ORDER BY day, platform, path"
    );
    sqlx::query_as(AssertSqlSafe(select)).bind(before).fetch_all(pool).await
}
