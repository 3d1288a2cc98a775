//! What has become of dead letters, as the blob store tells it: in a table of this connection alone, so that
//! there may be any number.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::line::Change;
use super::{LINES, Segment, register};

/// Makes room for them.
pub(super) async fn prepare(conn: &mut PgConnection) -> sqlx::Result<()> {
    let make = "CREATE TEMPORARY TABLE dead_letter_changes (
                    id uuid PRIMARY KEY, status text NOT NULL, at timestamptz NOT NULL, because text)";
    sqlx::raw_sql(make).execute(conn).await?;
    Ok(())
}

/// Takes down what a segment says. Of several changes of one dead letter the last counts.
pub(super) async fn remember(conn: &mut PgConnection, segment: &Segment, changes: &[Change]) -> sqlx::Result<()> {
    let mut tx = conn.begin().await?;
    register(&mut tx, segment).await?;
    let mut last: BTreeMap<Uuid, &Change> = BTreeMap::new();
    for change in changes {
        let known = last.entry(change.id).or_insert(change);
        if change.at > known.at {
            *known = change;
        }
    }
    let ids: Vec<Uuid> = last.keys().copied().collect();
    let statuses: Vec<&str> = last.values().map(|change| change.status.as_str()).collect();
    let times: Vec<DateTime<Utc>> = last.values().map(|change| change.at).collect();
    let because: Vec<Option<&str>> = last.values().map(|change| change.because.as_deref()).collect();
    sqlx::query(
        "INSERT INTO pg_temp.dead_letter_changes AS known (id, status, at, because)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[], $4::text[])
         ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, at = EXCLUDED.at, because = EXCLUDED.because
             WHERE EXCLUDED.at > known.at",
    )
    .bind(ids)
    .bind(statuses)
    .bind(times)
    .bind(because)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Closes what the index had before, and the blob store knows to be closed; a page at a time, in the order in
/// which everybody locks. Says how many there were.
pub(super) async fn close(conn: &mut PgConnection) -> sqlx::Result<u64> {
    let (mut closed, mut after) = (0, Uuid::nil());
    loop {
        let mut tx = conn.begin().await?;
        let page: Vec<Uuid> = sqlx::query_scalar(
            "SELECT letter.id FROM pg_temp.dead_letter_changes AS change JOIN dead_letters AS letter USING (id)
             WHERE letter.id > $1 AND (letter.status = 'open' OR letter.status_at < change.at)
             ORDER BY letter.id LIMIT $2 FOR UPDATE OF letter",
        )
        .bind(after)
        .bind(LINES as i64)
        .fetch_all(&mut *tx)
        .await?;
        let Some(last) = page.last() else { return Ok(closed) };
        after = *last;
        sqlx::query(
            "UPDATE dead_letters AS letter
             SET status = change.status, status_at = change.at, because = change.because, ready = false
             FROM pg_temp.dead_letter_changes AS change WHERE change.id = letter.id AND letter.id = ANY($1)",
        )
        .bind(&page)
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM waiting WHERE dead_letter = ANY($1)").bind(&page).execute(&mut *tx).await?;
        tx.commit().await?;
        closed += page.len() as u64;
    }
}

/// How many dead letters changed of which there is no record.
pub(super) async fn orphans(conn: &mut PgConnection) -> sqlx::Result<u64> {
    let orphans: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_temp.dead_letter_changes AS change
         WHERE NOT EXISTS (SELECT FROM dead_letters AS letter WHERE letter.id = change.id)",
    )
    .fetch_one(conn)
    .await?;
    Ok(orphans.unsigned_abs())
}
