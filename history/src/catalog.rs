//! Which files are the history: the tables `history` and `history_files`.
//!
//! A file never changes. It counts from the transaction that adds its row until the one that sets `removed_at`; the
//! object is written, and durable, before the first, and deleted an hour after the second at the earliest, so that a
//! question that found the row finds the object.

use anyhow::ensure;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::store::Store;

/// A file with views of one platform and one day.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct File {
    /// Relative to the address of the store.
    pub path: String,
    /// As in `product_views`.
    pub platform: String,
    /// In UTC.
    pub day: NaiveDate,
    /// Views in it; at least one.
    pub rows: i64,
    /// Size of the object.
    pub bytes: i64,
    /// When the earliest of its views was.
    pub first_at: DateTime<Utc>,
    /// When the latest was.
    pub last_at: DateTime<Utc>,
    /// Exclusive or of the ids of its views.
    pub ids: Uuid,
}

/// The columns of [`File`], in its order.
pub const COLUMNS: &str = "path, platform, day, rows, bytes, first_at, last_at, ids";

/// Notes where the history is, and in its store whose it is, once; from then on it is there.
///
/// # Errors
/// When it is somewhere else, or the store is that of another database, or one of the two cannot be asked.
pub async fn settle(pool: &PgPool, store: &Store) -> anyhow::Result<()> {
    let url = store.url().as_str();
    let insert = "INSERT INTO history (url) VALUES ($1) ON CONFLICT (one) DO NOTHING";
    sqlx::query(insert).bind(url).execute(pool).await?;
    let (there, id): (String, Uuid) = sqlx::query_as("SELECT url, id FROM history").fetch_one(pool).await?;
    ensure!(there == url, "the history of this database is at {there}, not at {url}");
    store.claim(id).await
}

/// Where the history is, if there is one.
///
/// # Errors
/// When the database cannot be asked.
pub async fn url(db: impl PgExecutor<'_>) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("SELECT url FROM history").fetch_optional(db).await
}

/// All files that count, by day and platform.
///
/// # Errors
/// When the database cannot be asked.
pub async fn files(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<File>> {
    let select = format!("SELECT {COLUMNS} FROM history_files WHERE removed_at IS NULL ORDER BY day, platform, path");
    sqlx::query_as(AssertSqlSafe(select)).fetch_all(db).await
}

/// Adds files whose objects are durable.
///
/// # Errors
/// When the database cannot be asked, or a path stands there already.
pub async fn add(conn: &mut PgConnection, files: &[File]) -> sqlx::Result<()> {
    let column = |of: fn(&File) -> i64| files.iter().map(of).collect::<Vec<_>>();
    let insert = sqlx::query(
        "INSERT INTO history_files (path, platform, day, rows, bytes, first_at, last_at, ids)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::date[], $4::int8[], $5::int8[], $6::timestamptz[],
                              $7::timestamptz[], $8::uuid[])",
    );
    let insert = insert.bind(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>());
    let insert = insert.bind(files.iter().map(|file| file.platform.as_str()).collect::<Vec<_>>());
    let insert = insert.bind(files.iter().map(|file| file.day).collect::<Vec<_>>());
    let insert = insert.bind(column(|file| file.rows)).bind(column(|file| file.bytes));
    let insert = insert.bind(files.iter().map(|file| file.first_at).collect::<Vec<_>>());
    let insert = insert.bind(files.iter().map(|file| file.last_at).collect::<Vec<_>>());
    insert.bind(files.iter().map(|file| file.ids).collect::<Vec<_>>()).execute(conn).await?;
    Ok(())
}

/// Notes that views from before then were moved out of `product_views`. It never goes back.
///
/// # Errors
/// When the database cannot be asked.
pub async fn moved(db: impl PgExecutor<'_>, before: DateTime<Utc>) -> sqlx::Result<()> {
    let update = "UPDATE history SET moved_before = greatest(moved_before, $1)";
    sqlx::query(update).bind(before).execute(db).await?;
    Ok(())
}

/// Takes files out of the history, all of them or, when one has been taken out before, none: then `false`, and the
/// transaction is to be rolled back.
///
/// # Errors
/// When the database cannot be asked.
pub async fn remove(conn: &mut PgConnection, files: &[File]) -> sqlx::Result<bool> {
    let update = "UPDATE history_files SET removed_at = clock_timestamp() WHERE path = ANY($1) AND removed_at IS NULL";
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let removed = sqlx::query(update).bind(paths).execute(conn).await?;
    Ok(removed.rows_affected() == files.len() as u64)
}
