//! Dead letters into their tables: index, outbox, the rows they wait for, and the rollup.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::DeadLetter;
use crate::domain::start_of_hour;
use crate::pipeline::store::{Failure, blame_row};
use crate::pipeline::verdict::{Class, MissingReference};
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
    insert_outbox(conn, &born).await.map_err(blame_row)?;
    insert_waiting(conn, &born).await?;
    roll_up(conn, &born, shard).await?;
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
    for letter in letters {
        ids.push(letter.id);
        kinds.push(letter.kind);
        reasons.push(letter.reason.as_str());
        classes.push(letter.class.as_str());
        fingerprints.push(letter.fingerprint.as_str());
        codes.push(letter.codes().iter().map(|code| code.as_str()).collect::<Vec<_>>().join(","));
        keys.push(letter.event_key.as_deref());
        deliveries.push(letter.delivery_id.as_str());
        positions.push(i32::try_from(letter.position).unwrap_or(i32::MAX));
        received.push(letter.received_at);
        failed.push(letter.failed_at);
    }
    let insert = sqlx::query_scalar(
        "INSERT INTO dead_letters (id, kind, reason, class, fingerprint, codes, event_key, delivery_id, position, received_at, failed_at)
         SELECT id, kind, reason, class, fingerprint, string_to_array(codes, ','), event_key, delivery_id, position, received_at, failed_at
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::int4[], $10::timestamptz[], $11::timestamptz[])
              AS letter (id, kind, reason, class, fingerprint, codes, event_key, delivery_id, position, received_at, failed_at)
         ON CONFLICT (id) DO NOTHING
         RETURNING id",
    );
    let insert = insert.bind(ids).bind(kinds).bind(reasons).bind(classes).bind(fingerprints).bind(codes);
    insert.bind(keys).bind(deliveries).bind(positions).bind(received).bind(failed).fetch_all(conn).await
}

async fn insert_outbox(conn: &mut PgConnection, letters: &[&DeadLetter]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = letters.iter().map(|letter| letter.id).collect();
    let records: Vec<&[u8]> = letters.iter().map(|letter| letter.record.as_slice()).collect();
    let payloads: Vec<Option<&[u8]>> = letters.iter().map(|letter| letter.payload.as_deref()).collect();
    let insert = sqlx::query(
        "INSERT INTO dead_letter_outbox (id, record, payload)
         SELECT * FROM UNNEST($1::uuid[], $2::bytea[], $3::bytea[])",
    );
    insert.bind(ids).bind(records).bind(payloads).execute(conn).await?;
    Ok(())
}

async fn insert_waiting(conn: &mut PgConnection, letters: &[&DeadLetter]) -> sqlx::Result<()> {
    let waiting = letters.iter().filter(|letter| letter.class == Class::WhenReferenceAppears);
    let missing: Vec<(&MissingReference, Uuid)> =
        waiting.flat_map(|letter| letter.missing.iter().map(|missing| (missing, letter.id))).collect();
    let tables: Vec<&str> = missing.iter().map(|(missing, _)| missing.table.as_str()).collect();
    let references: Vec<String> = missing.iter().map(|(missing, _)| missing.id.to_string()).collect();
    let letters: Vec<Uuid> = missing.iter().map(|(_, letter)| *letter).collect();
    let insert = sqlx::query(
        "INSERT INTO waiting (reference_table, reference_id, dead_letter)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::uuid[])
         ON CONFLICT DO NOTHING",
    );
    insert.bind(tables).bind(references).bind(letters).execute(conn).await?;
    Ok(())
}

async fn roll_up(conn: &mut PgConnection, letters: &[&DeadLetter], shard: i16) -> sqlx::Result<()> {
    // By hour, kind, reason and code: how many, how many of them wait, and the last.
    let mut deltas: BTreeMap<_, (i64, i64, DateTime<Utc>)> = BTreeMap::new();
    for letter in letters {
        let hour = start_of_hour(letter.failed_at);
        for code in letter.codes() {
            let delta = deltas.entry((hour, letter.kind, letter.reason.as_str(), code.as_str())).or_default();
            let waits = i64::from(letter.class == Class::WhenReferenceAppears);
            *delta = (delta.0 + 1, delta.1 + waits, delta.2.max(letter.failed_at));
        }
    }
    let (mut hours, mut kinds, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    let (mut codes, mut counts, mut waiting, mut seen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((hour, kind, reason, code), (count, waits, last_seen)) in deltas {
        hours.push(hour);
        kinds.push(kind);
        reasons.push(reason);
        codes.push(code);
        counts.push(count);
        waiting.push(waits);
        seen.push(last_seen);
    }
    let upsert = sqlx::query(
        "INSERT INTO rejections AS sum (starts_at, kind, reason, code, shard, count, waiting, last_seen)
         SELECT starts_at, kind, reason, code, $1, count, waiting, last_seen
         FROM UNNEST($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::timestamptz[])
              AS delta (starts_at, kind, reason, code, count, waiting, last_seen)
         ON CONFLICT (starts_at, kind, reason, code, shard) DO UPDATE SET
             count = sum.count + EXCLUDED.count,
             waiting = sum.waiting + EXCLUDED.waiting,
             last_seen = greatest(sum.last_seen, EXCLUDED.last_seen)",
    );
    let upsert =
        upsert.bind(shard).bind(hours).bind(kinds).bind(reasons).bind(codes).bind(counts).bind(waiting).bind(seen);
    upsert.execute(conn).await?;
    Ok(())
}
