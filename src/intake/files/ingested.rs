//! The table `ingested_files`: which contents were ingested, where to, and how far.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::progress::Saved;
use super::{Contents, Object};

/// A hash of the decompressed bytes of a file.
pub type Sha256 = [u8; 32];

/// Where the events of a content go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the table of their kind.
    Table,
    /// Into files beside the database.
    History,
}

/// A content that is about to be ingested.
#[derive(Debug, Clone, Copy)]
pub struct Found<'f> {
    /// What makes it the same.
    pub sha256: Sha256,
    /// The name under which it was found.
    pub path: &'f str,
    /// How many records it holds.
    pub records: u64,
}

impl<'f> Found<'f> {
    /// The content of this file.
    #[must_use]
    pub fn of(object: &'f Object, contents: &Contents) -> Self {
        Found { sha256: contents.sha256, path: &object.name, records: contents.records }
    }
}

/// The contents of these files.
pub(super) fn found(group: &[(Object, Contents)]) -> Vec<Found<'_>> {
    group.iter().map(|(object, contents)| Found::of(object, contents)).collect()
}

/// What is known of a content.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// Under which name it was seen first.
    pub path: String,
    /// When that was.
    pub first_ingested_at: DateTime<Utc>,
    /// The lowest position that may not have been committed.
    pub committed_position: u64,
    /// All of it is committed.
    pub finished: bool,
    /// Where its events go, from the first to the last.
    pub place: Place,
    /// Product views of it may have been moved out of their table for so long that nothing tells any more that they
    /// were there.
    pub ids_may_be_gone: bool,
}

impl Ingested {
    /// Behind "already ingested": under which name it was, where that is another.
    #[must_use]
    pub fn as_other(&self, object: &Object) -> String {
        match *object.name == self.path {
            true => String::new(),
            false => format!(", as {}", self.path),
        }
    }
}

type Row = (Vec<u8>, String, DateTime<Utc>, i64, bool, bool, bool);

/// Notes that the contents that are new go there, and tells what is known of each, new or not.
///
/// # Errors
/// When the database cannot be asked.
pub async fn register(
    pool: &PgPool,
    kind: &str,
    place: Place,
    found: &[Found<'_>],
) -> sqlx::Result<HashMap<Sha256, Ingested>> {
    let hashes: Vec<&[u8]> = found.iter().map(|found| found.sha256.as_slice()).collect();
    let paths: Vec<&str> = found.iter().map(|found| found.path).collect();
    let records: Vec<i64> = found.iter().map(|found| stored(found.records)).collect();
    let insert = sqlx::query(
        "INSERT INTO ingested_files (kind, into_history, sha256, path, records)
         SELECT $1, $2, * FROM UNNEST($3::bytea[], $4::text[], $5::int8[])
         ON CONFLICT (kind, sha256) DO NOTHING",
    );
    let insert = insert.bind(kind).bind(place == Place::History).bind(&hashes);
    insert.bind(paths).bind(records).execute(pool).await?;
    // Ids of moved views are kept for 32 days: a day is left for what is about to be done.
    let known: Vec<Row> = sqlx::query_as(
        "SELECT sha256, path, first_ingested_at, committed_position, finished_at IS NOT NULL, into_history,
                first_ingested_at < now() - interval '31 days'
                    AND EXISTS (SELECT FROM history WHERE moved_before IS NOT NULL)
         FROM ingested_files WHERE kind = $1 AND sha256 = ANY($2)",
    )
    .bind(kind)
    .bind(&hashes)
    .fetch_all(pool)
    .await?;
    let ingested = |(sha256, path, first_ingested_at, position, finished, into_history, ids_may_be_gone): Row| {
        let committed_position = u64::try_from(position).unwrap_or_default();
        let place = if into_history { Place::History } else { Place::Table };
        let ingested = Ingested { path, first_ingested_at, committed_position, finished, place, ids_may_be_gone };
        Some((Sha256::try_from(sha256).ok()?, ingested))
    };
    Ok(known.into_iter().filter_map(ingested).collect())
}

/// The paths under which other bytes were ingested before, where the bytes of now are new.
///
/// # Errors
/// When the database cannot be asked.
pub async fn changed(pool: &PgPool, kind: &str, found: &[Found<'_>]) -> sqlx::Result<HashSet<String>> {
    let hashes: Vec<&[u8]> = found.iter().map(|found| found.sha256.as_slice()).collect();
    let paths: Vec<&str> = found.iter().map(|found| found.path).collect();
    let paths: Vec<String> = sqlx::query_scalar(
        "SELECT found.path FROM UNNEST($2::bytea[], $3::text[]) AS found (sha256, path)
         WHERE EXISTS (SELECT FROM ingested_files AS other
                       WHERE other.kind = $1 AND other.path = found.path AND other.sha256 <> found.sha256
                           -- Of what goes into the history nothing is kept that is not noted.
                           AND NOT (other.into_history AND other.committed_position = 0
                                    AND other.finished_at IS NULL))
           AND NOT EXISTS (SELECT FROM ingested_files AS same
                           WHERE same.kind = $1 AND same.sha256 = found.sha256)",
    )
    .bind(kind)
    .bind(hashes)
    .bind(paths)
    .fetch_all(pool)
    .await?;
    Ok(paths.into_iter().collect())
}

/// Notes how far contents have come.
pub(super) async fn save(pool: &PgPool, kind: &str, saved: &[Saved]) -> sqlx::Result<()> {
    let hashes: Vec<&[u8]> = saved.iter().map(|saved| saved.sha256.as_slice()).collect();
    let positions: Vec<i64> = saved.iter().map(|saved| stored(saved.position)).collect();
    let finished: Vec<bool> = saved.iter().map(|saved| saved.finished).collect();
    let update = sqlx::query(
        "UPDATE ingested_files AS file
         SET committed_position = saved.position, finished_at = CASE WHEN saved.finished THEN now() END
         FROM UNNEST($2::bytea[], $3::int8[], $4::bool[]) AS saved (sha256, position, finished)
         WHERE file.kind = $1 AND file.sha256 = saved.sha256",
    );
    update.bind(kind).bind(hashes).bind(positions).bind(finished).execute(pool).await?;
    Ok(())
}

/// How far a transaction brings a content that goes into the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// Which.
    pub sha256: Sha256,
    /// Where it is known to stand.
    pub from: u64,
    /// Every record before this position is decided by this transaction, or was before.
    pub to: u64,
    /// That was the last.
    pub finished: bool,
}

/// Notes how far contents have come. `false` when one of them does not stand where it did, because somebody else
/// works on it: then the transaction is to be rolled back.
///
/// # Errors
/// When the database cannot be asked.
pub async fn advance(conn: &mut PgConnection, kind: &str, contents: &[Advance]) -> sqlx::Result<bool> {
    let update = sqlx::query(
        "UPDATE ingested_files AS file
         SET committed_position = advance.position, finished_at = CASE WHEN advance.finished THEN now() END
         FROM UNNEST($2::bytea[], $3::int8[], $4::int8[], $5::bool[]) AS advance (sha256, stood, position, finished)
         WHERE file.kind = $1 AND file.sha256 = advance.sha256 AND file.committed_position = advance.stood
           AND file.finished_at IS NULL AND file.into_history",
    );
    let update = update.bind(kind).bind(contents.iter().map(|content| content.sha256.as_slice()).collect::<Vec<_>>());
    let update = update.bind(contents.iter().map(|content| stored(content.from)).collect::<Vec<_>>());
    let update = update.bind(contents.iter().map(|content| stored(content.to)).collect::<Vec<_>>());
    let update = update.bind(contents.iter().map(|content| content.finished).collect::<Vec<_>>());
    Ok(update.execute(conn).await?.rows_affected() == contents.len() as u64)
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
