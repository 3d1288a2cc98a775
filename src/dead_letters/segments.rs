//! Which dead letters stand together in one object. Decided and committed before the object is
//! written, so that writing it twice, by whomever, writes the same bytes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::start_of_hour;

/// The most records of a segment.
pub(super) const RECORDS: usize = 5000;
/// The most bytes of a segment, unless a single record is larger.
const BYTES: i64 = 8 << 20;

#[derive(sqlx::FromRow)]
struct Unassigned {
    id: Uuid,
    kind: String,
    reason: String,
    failed_at: DateTime<Utc>,
    bytes: i64,
}

/// A segment in the making: which records, in the order of their lines.
struct Segment {
    id: Uuid,
    object: String,
    records: Vec<Uuid>,
    bytes: i64,
}

/// Puts dead letters that have no segment yet into new ones, and says how many.
///
/// # Errors
/// When the database cannot be asked; then nothing was assigned.
pub(super) async fn assign(pool: &PgPool) -> sqlx::Result<usize> {
    let mut tx = pool.begin().await?;
    let unassigned: Vec<Unassigned> = sqlx::query_as(
        "SELECT letter.id, letter.kind, letter.reason, letter.failed_at, octet_length(outbox.record)::int8 AS bytes
         FROM dead_letters AS letter JOIN dead_letter_outbox AS outbox USING (id)
         WHERE letter.segment IS NULL
         ORDER BY letter.kind, letter.reason, letter.failed_at, letter.id
         LIMIT $1
         FOR UPDATE OF letter SKIP LOCKED",
    )
    .bind(RECORDS as i64)
    .fetch_all(&mut *tx)
    .await?;
    let assigned = unassigned.len();
    for segment in group(unassigned) {
        save(&mut tx, segment).await?;
    }
    tx.commit().await?;
    Ok(assigned)
}

fn group(unassigned: Vec<Unassigned>) -> Vec<Segment> {
    let mut open: BTreeMap<String, Segment> = BTreeMap::new();
    let mut full = Vec::new();
    for letter in unassigned {
        let folder = folder(&letter.kind, &letter.reason, letter.failed_at);
        let segment = open.entry(folder.clone()).or_insert_with(|| Segment::in_folder(&folder));
        if !segment.records.is_empty() && segment.bytes + letter.bytes > BYTES {
            full.push(std::mem::replace(segment, Segment::in_folder(&folder)));
        }
        segment.records.push(letter.id);
        segment.bytes += letter.bytes;
    }
    full.extend(open.into_values());
    full
}

fn folder(kind: &str, reason: &str, failed_at: DateTime<Utc>) -> String {
    let hour = start_of_hour(failed_at).format("dt=%Y-%m-%d/hh=%H");
    format!("dead-letter/kind={kind}/reason={reason}/{hour}")
}

impl Segment {
    fn in_folder(folder: &str) -> Self {
        let id = Uuid::now_v7();
        Segment { id, object: format!("{folder}/{id}.ndjson"), records: Vec::new(), bytes: 0 }
    }
}

async fn save(conn: &mut PgConnection, segment: Segment) -> sqlx::Result<()> {
    let Segment { id, object, records, bytes: _ } = segment;
    let insert = sqlx::query("INSERT INTO dead_letter_segments (id, object) VALUES ($1, $2)");
    insert.bind(id).bind(object).execute(&mut *conn).await?;
    let update = sqlx::query(
        "UPDATE dead_letters AS letter SET segment = $1, line = member.line
         FROM UNNEST($2::uuid[]) WITH ORDINALITY AS member (id, line) WHERE letter.id = member.id",
    );
    update.bind(id).bind(records).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn unassigned(reason: &str, minutes: i64, bytes: i64) -> Unassigned {
        let failed_at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minutes);
        Unassigned { id: Uuid::now_v7(), kind: "purchase".to_owned(), reason: reason.to_owned(), failed_at, bytes }
    }

    #[test]
    fn a_segment_holds_one_reason_and_one_hour_and_so_many_bytes() {
        let letters = vec![
            unassigned("shape", 0, 10),
            unassigned("shape", 59, BYTES - 10),
            unassigned("shape", 59, 1),
            unassigned("shape", 60, 10),
            unassigned("decode", 0, BYTES + 1),
        ];
        let mut sizes: Vec<(String, usize)> = group(letters)
            .into_iter()
            .map(|segment| (segment.object.rsplit_once('/').unwrap().0.to_owned(), segment.records.len()))
            .collect();
        sizes.sort();
        let folder = |reason: &str, hour| format!("dead-letter/kind=purchase/reason={reason}/dt=1970-01-01/hh={hour}");
        let expected = [
            (folder("decode", "00"), 1),
            (folder("shape", "00"), 1),
            (folder("shape", "00"), 2),
            (folder("shape", "01"), 1),
        ];
        assert_eq!(sizes, expected);
    }
}
