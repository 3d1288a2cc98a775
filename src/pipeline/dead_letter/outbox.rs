//! What is on its way to the blob store: records of dead letters, and changes of their status.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::start_of_hour;

/// The folder of everything about dead letters.
pub const FOLDER: &str = "dead-letter";

/// A line of a segment to come.
pub(super) struct Entry<'a> {
    pub(super) letter: Uuid,
    /// `None` for a change of status.
    pub(super) attempt: Option<i32>,
    pub(super) folder: String,
    pub(super) record: &'a [u8],
    pub(super) payload: Option<&'a [u8]>,
}

/// Where records stand that were rejected for the first time in this hour.
pub(super) fn folder_of_records(kind: &str, reason: &str, failed_at: DateTime<Utc>) -> String {
    format!("{FOLDER}/kind={kind}/reason={reason}/{}", hour(failed_at))
}

/// Where changes of this hour stand.
pub(super) fn folder_of_changes(at: DateTime<Utc>) -> String {
    format!("{FOLDER}/status/{}", hour(at))
}

fn hour(at: DateTime<Utc>) -> String {
    start_of_hour(at).format("dt=%Y-%m-%d/hh=%H").to_string()
}

pub(super) async fn insert(conn: &mut PgConnection, entries: &[Entry<'_>]) -> sqlx::Result<()> {
    let names: Vec<Uuid> = entries.iter().map(|_| Uuid::now_v7()).collect();
    let letters: Vec<Uuid> = entries.iter().map(|entry| entry.letter).collect();
    let attempts: Vec<Option<i32>> = entries.iter().map(|entry| entry.attempt).collect();
    let folders: Vec<&str> = entries.iter().map(|entry| entry.folder.as_str()).collect();
    let records: Vec<&[u8]> = entries.iter().map(|entry| entry.record).collect();
    let payloads: Vec<Option<&[u8]>> = entries.iter().map(|entry| entry.payload).collect();
    let insert = sqlx::query(
        "INSERT INTO dead_letter_outbox (entry, letter, attempt, folder, record, payload)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::int4[], $4::text[], $5::bytea[], $6::bytea[])",
    );
    let insert = insert.bind(names).bind(letters).bind(attempts).bind(folders);
    insert.bind(records).bind(payloads).execute(conn).await?;
    Ok(())
}
