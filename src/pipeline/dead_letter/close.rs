//! The end of a dead letter: its event is stored, or not wanted any more. Its row and its records stay.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::open::{self, Open};
use super::outbox::{self, Entry};
use super::rollup::Deltas;
use super::status::Status;
use super::waiting;
use crate::pipeline::shard;

/// A change of status as the blob store keeps it.
#[derive(Serialize)]
struct Change<'a> {
    schema: &'static str,
    id: Uuid,
    kind: &'a str,
    status: Status,
    at: DateTime<Utc>,
    because: Option<&'a str>,
    attempt: i32,
}

/// The version of the fields of a change of status.
pub const CHANGE_SCHEMA: &str = "purser.dead_letter_status/1";

/// Closes those of the dead letters that are open, says so to the blob store, and returns their ids.
///
/// # Errors
/// When the database cannot be asked; the transaction is then to be rolled back.
pub async fn close(
    conn: &mut PgConnection,
    letters: &[Uuid],
    to: Status,
    because: Option<&str>,
) -> sqlx::Result<Vec<Uuid>> {
    let open: Vec<Open> = open::lock(conn, letters).await?.into_values().collect();
    let ids: Vec<Uuid> = open.iter().map(|letter| letter.id).collect();
    if ids.is_empty() {
        return Ok(ids);
    }
    let at = Utc::now();
    update(conn, &ids, to, because, at).await?;
    waiting::delete(conn, &ids).await?;
    let mut deltas = Deltas::default();
    let counted: Vec<_> = open.iter().map(Open::counted).collect();
    counted.iter().for_each(|letter| deltas.close(letter));
    let shard = shard::free(conn).await?;
    deltas.add(conn, shard).await?;
    say(conn, &open, to, because, at).await?;
    Ok(ids)
}

/// Says of dead letters, whatever has become of them so far, that they are forgotten, or expired. Those that are open
/// are closed.
///
/// # Errors
/// When the database cannot be asked; the transaction is then to be rolled back.
pub async fn end(conn: &mut PgConnection, letters: &[Uuid], to: Status) -> sqlx::Result<()> {
    close(conn, letters, to, None).await?;
    let closed = open::lock_closed(conn, letters, to).await?;
    let (ids, at): (Vec<Uuid>, _) = (closed.iter().map(|letter| letter.id).collect(), Utc::now());
    update(conn, &ids, to, None, at).await?;
    say(conn, &closed, to, None, at).await
}

async fn update(
    conn: &mut PgConnection,
    ids: &[Uuid],
    to: Status,
    because: Option<&str>,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let update = sqlx::query(
        "UPDATE dead_letters SET status = $2, because = $3, status_at = $4, ready = false WHERE id = ANY($1)",
    );
    update.bind(ids).bind(to.as_str()).bind(because).bind(at).execute(conn).await?;
    Ok(())
}

async fn say(
    conn: &mut PgConnection,
    closed: &[Open],
    to: Status,
    because: Option<&str>,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let change = |letter: &Open| {
        let (schema, kind) = (CHANGE_SCHEMA, letter.kind.as_str());
        let change = Change { schema, id: letter.id, kind, status: to, at, because, attempt: letter.attempt };
        // Strings and numbers always serialise.
        serde_json::to_vec(&change).unwrap_or_default()
    };
    let records: Vec<Vec<u8>> = closed.iter().map(change).collect();
    let folder = outbox::folder_of_changes(at);
    let entries: Vec<Entry<'_>> = closed
        .iter()
        .zip(&records)
        .map(|(letter, record)| Entry {
            letter: letter.id,
            attempt: None,
            folder: folder.clone(),
            record,
            payload: None,
        })
        .collect();
    outbox::insert(conn, &entries).await
}
