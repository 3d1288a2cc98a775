//! The table `ingested_files`: which contents were ingested, and how far.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::progress::Saved;
use super::{Contents, Object};

/// A hash of the decompressed bytes of a file.
pub(super) type Sha256 = [u8; 32];

/// A content that is about to be ingested.
pub(super) struct Found<'f> {
    pub(super) sha256: Sha256,
    pub(super) path: &'f str,
    pub(super) records: u64,
}

/// The contents of these files.
pub(super) fn found(group: &[(Object, Contents)]) -> Vec<Found<'_>> {
    group
        .iter()
        .map(|(object, contents)| Found { sha256: contents.sha256, path: &object.name, records: contents.records })
        .collect()
}

/// What is known of a content.
#[derive(Debug, Clone)]
pub(super) struct Ingested {
    /// Under which name it was seen first.
    pub(super) path: String,
    pub(super) first_ingested_at: DateTime<Utc>,
    /// The lowest position that may not have been committed.
    pub(super) committed_position: u64,
    pub(super) finished: bool,
}

type Row = (Vec<u8>, String, DateTime<Utc>, i64, bool);

/// Notes the contents that are new, and tells what is known of each, new or not.
pub(super) async fn register(
    pool: &PgPool,
    kind: &str,
    found: &[Found<'_>],
) -> sqlx::Result<HashMap<Sha256, Ingested>> {
    let hashes: Vec<&[u8]> = found.iter().map(|found| found.sha256.as_slice()).collect();
    let paths: Vec<&str> = found.iter().map(|found| found.path).collect();
    let records: Vec<i64> = found.iter().map(|found| stored(found.records)).collect();
    let insert = sqlx::query(
        "INSERT INTO ingested_files (kind, sha256, path, records)
         SELECT $1, * FROM UNNEST($2::bytea[], $3::text[], $4::int8[])
         ON CONFLICT (kind, sha256) DO NOTHING",
    );
    insert.bind(kind).bind(&hashes).bind(paths).bind(records).execute(pool).await?;
    let known: Vec<Row> = sqlx::query_as(
        "SELECT sha256, path, first_ingested_at, committed_position, finished_at IS NOT NULL
         FROM ingested_files WHERE kind = $1 AND sha256 = ANY($2)",
    )
    .bind(kind)
    .bind(&hashes)
    .fetch_all(pool)
    .await?;
    let ingested = |(sha256, path, first_ingested_at, position, finished): Row| {
        let committed_position = u64::try_from(position).unwrap_or_default();
        let ingested = Ingested { path, first_ingested_at, committed_position, finished };
        Some((Sha256::try_from(sha256).ok()?, ingested))
    };
    Ok(known.into_iter().filter_map(ingested).collect())
}

/// The paths under which other bytes were ingested before, where the bytes of now are new.
pub(super) async fn changed(pool: &PgPool, kind: &str, found: &[Found<'_>]) -> sqlx::Result<HashSet<String>> {
    let hashes: Vec<&[u8]> = found.iter().map(|found| found.sha256.as_slice()).collect();
    let paths: Vec<&str> = found.iter().map(|found| found.path).collect();
    let paths: Vec<String> = sqlx::query_scalar(
        "SELECT found.path FROM UNNEST($2::bytea[], $3::text[]) AS found (sha256, path)
         WHERE EXISTS (SELECT FROM ingested_files AS other
                       WHERE other.kind = $1 AND other.path = found.path AND other.sha256 <> found.sha256)
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

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
