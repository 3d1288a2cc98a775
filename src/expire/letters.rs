//! Old dead letters, a whole object at a time: all records of an object were rejected for the first time in the hour
//! that its name says. The row of the index stays, so that what is delivered again is known.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::blob::Blob;
use crate::database::Run;
use crate::dead_letters::{self, PAYLOADS, Shipper, Status};

/// Removes objects of hours that were over before then, and says how many dead letters were in them.
pub(super) async fn expire(shipper: &Shipper, before: DateTime<Utc>, run: Run) -> anyhow::Result<u64> {
    let Shipper { pool, blob, .. } = shipper;
    let segments: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT id, object FROM dead_letter_segments WHERE shipped_at IS NOT NULL ORDER BY object")
            .fetch_all(pool)
            .await?;
    let mut removed = 0;
    for (id, object) in segments {
        if end_of_hour(&object).is_some_and(|end| end <= before) {
            removed += remove(pool, blob, id, &object, run).await?;
        }
    }
    Ok(removed)
}

/// Of `…/dt=2026-11-20/hh=16/….ndjson`.
fn end_of_hour(object: &str) -> Option<DateTime<Utc>> {
    let part = |name: &str| object.split('/').find_map(|part| part.strip_prefix(name));
    let start = format!("{} {}:00", part("dt=")?, part("hh=")?);
    let start = NaiveDateTime::parse_from_str(&start, "%Y-%m-%d %H:%M").ok()?;
    start.and_utc().checked_add_signed(TimeDelta::hours(1))
}

/// In an order that can be begun again anywhere: the index knows of the object until nothing of it is left.
async fn remove(pool: &PgPool, blob: &Blob, segment: Uuid, object: &str, run: Run) -> anyhow::Result<u64> {
    let mut tx = pool.begin().await?;
    let letters: Vec<(Uuid, bool)> =
        sqlx::query_as("SELECT id, reason = 'oversize' FROM dead_letters WHERE segment = $1 ORDER BY id")
            .bind(segment)
            .fetch_all(&mut *tx)
            .await?;
    let ids: Vec<Uuid> = letters.iter().map(|(id, _)| *id).collect();
    dead_letters::end(&mut tx, &ids, Status::Expired).await?;
    run.end(tx).await?;
    if run == Run::Dry {
        return Ok(ids.len() as u64);
    }
    for (letter, _) in letters.iter().filter(|(_, is_apart)| *is_apart) {
        blob.delete(&format!("{PAYLOADS}/{letter}")).await?;
    }
    blob.delete(object).await?;
    let mut tx = pool.begin().await?;
    for statement in [
        "UPDATE dead_letters SET segment = NULL, line = NULL WHERE segment = $1",
        "DELETE FROM dead_letter_segments WHERE id = $1",
    ] {
        sqlx::query(statement).bind(segment).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(ids.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_object_says_its_hour() {
        let end = |object: &str| end_of_hour(object).map(|end| end.to_rfc3339());
        let object = "dead-letter/kind=order/reason=shape/dt=2026-11-20/hh=23/x.ndjson";
        assert_eq!(end(object).as_deref(), Some("2026-11-21T00:00:00+00:00"));
        assert_eq!(
            end("dead-letter/status/dt=2026-11-20/hh=00/x.ndjson").as_deref(),
            Some("2026-11-20T01:00:00+00:00")
        );
        assert_eq!(end("dead-letter/payloads/x"), None);
    }
}
