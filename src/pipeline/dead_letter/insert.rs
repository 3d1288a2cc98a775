//! Dead letters into their tables: index, outbox, the rows they wait for, and the rollup.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::outbox::{self, Entry};
use super::rollup::Deltas;
use super::{DeadLetter, waiting};
use crate::pipeline::store::{Failure, blame_row};
use crate::pipeline::{Outcome, Which};

/// Inserts the dead letters of a batch, and tells those that are new from those that were there.
pub(in crate::pipeline) async fn insert(
    conn: &mut PgConnection,
    letters: Vec<(Which, Arc<DeadLetter>)>,
    shard: i16,
) -> Result<Vec<(Which, Outcome)>, Failure> {
    if letters.is_empty() {
        return Ok(Vec::new());
    }
    let sorted: BTreeMap<Uuid, &DeadLetter> = letters.iter().map(|(_, letter)| (letter.id, &**letter)).collect();
    let mut new: HashSet<Uuid> =
        insert_index(conn, sorted.values().copied()).await.map_err(blame_row)?.into_iter().collect();
    let born: Vec<&DeadLetter> = sorted.into_values().filter(|letter| new.contains(&letter.id)).collect();
    insert_records(conn, &born, |letter| letter.failed_at).await.map_err(blame_row)?;
    waiting::insert(conn, &born).await?;
    let counted: Vec<_> = born.iter().map(|letter| letter.counted(letter.failed_at)).collect();
    let mut deltas = Deltas::default();
    counted.iter().for_each(|letter| deltas.count(letter, 1));
    deltas.add(conn, shard).await?;
    let mut outcome = |letter: Arc<DeadLetter>| match new.remove(&letter.id) {
        true => Outcome::Rejected(letter),
        false => Outcome::RejectedBefore(letter),
    };
    let outcomes = letters.iter().map(|(which, letter)| (*which, outcome(Arc::clone(letter))));
    Ok(outcomes.collect())
}

async fn insert_index(conn: &mut PgConnection, letters: impl Iterator<Item = &DeadLetter>) -> sqlx::Result<Vec<Uuid>> {
    let (mut ids, mut kinds, mut reasons, mut classes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut fingerprints, mut codes, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let (mut deliveries, mut positions, mut received, mut failed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut causes, mut bytes) = (Vec::new(), Vec::new());
    for letter in letters {
        ids.push(letter.id);
        kinds.push(letter.kind);
        reasons.push(letter.reason.as_str());
        classes.push(letter.class.as_str());
        fingerprints.push(letter.fingerprint.as_str());
        codes.push(letter.codes_joined());
        causes.push(letter.causes_joined());
        bytes.push(i64::try_from(letter.bytes).unwrap_or(i64::MAX));
        keys.push(letter.event_key.as_deref());
        deliveries.push(letter.delivery_id.as_str());
        positions.push(i32::try_from(letter.position).unwrap_or(i32::MAX));
        received.push(letter.received_at);
        failed.push(letter.failed_at);
    }
    let insert = sqlx::query_scalar(
        "INSERT INTO dead_letters (id, kind, reason, class, fingerprint, codes, event_key, delivery_id, position,
                                   received_at, failed_at, causes, payload_bytes)
         SELECT id, kind, reason, class, fingerprint, string_to_array(codes, ','), event_key, delivery_id, position,
                received_at, failed_at, string_to_array(causes, E'\\n'), payload_bytes
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::int4[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::int8[])
              AS letter (id, kind, reason, class, fingerprint, codes, event_key, delivery_id, position,
                         received_at, failed_at, causes, payload_bytes)
         ON CONFLICT (id) DO NOTHING
         RETURNING id",
    );
    let insert = insert.bind(ids).bind(kinds).bind(reasons).bind(classes).bind(fingerprints).bind(codes);
    let insert = insert.bind(keys).bind(deliveries).bind(positions).bind(received).bind(failed);
    insert.bind(causes).bind(bytes).fetch_all(conn).await
}

/// Their records, each in the folder of the hour in which its letter was rejected for the first time.
pub(super) async fn insert_records(
    conn: &mut PgConnection,
    letters: &[&DeadLetter],
    first_failed: impl Fn(&DeadLetter) -> DateTime<Utc>,
) -> sqlx::Result<()> {
    let entries: Vec<Entry<'_>> = letters
        .iter()
        .map(|letter| Entry {
            letter: letter.id,
            attempt: Some(letter.attempt),
            folder: outbox::folder_of_records(letter.kind, letter.reason.as_str(), first_failed(letter)),
            record: &letter.record,
            payload: letter.payload.as_deref(),
        })
        .collect();
    outbox::insert(conn, &entries).await
}
