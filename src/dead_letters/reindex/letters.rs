//! Records into the index.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::line::Letter;
use super::{Segment, register};
use crate::pipeline::verdict::Class;

/// Records that the database gets in one statement.
const GIVEN: &str = "
    WITH given AS (
        SELECT id, kind, reason, class, fingerprint, string_to_array(codes, ',') AS codes,
               string_to_array(causes, E'\\n') AS causes, event_key, delivery_id, position, received_at, failed_at,
               attempt, payload_bytes, line
        FROM UNNEST($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                    $10::text[], $11::int4[], $12::timestamptz[], $13::timestamptz[], $14::int4[], $15::int8[],
                    $16::int4[])
             AS given (id, kind, reason, class, fingerprint, codes, causes, event_key, delivery_id, position,
                       received_at, failed_at, attempt, payload_bytes, line)
    )";

/// What was closed is born closed.
const ADD: &str = "
    INSERT INTO dead_letters (id, kind, reason, class, fingerprint, codes, causes, event_key, delivery_id, position,
                              received_at, failed_at, attempt, payload_bytes, segment, line, status, status_at, because)
    SELECT given.id, kind, reason, class, fingerprint, codes, causes, event_key, delivery_id, position, received_at,
           failed_at, attempt, payload_bytes, $1, line, coalesce(change.status, 'open'), change.at, change.because
    FROM given LEFT JOIN pg_temp.dead_letter_changes AS change USING (id)
    ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id";

/// A newer attempt takes the place of an older one; the time of the first failure stays that of the first.
const RENEW: &str = "
    , locked AS (
        SELECT letter.id FROM dead_letters AS letter JOIN given USING (id)
        WHERE given.attempt > letter.attempt OR given.failed_at < letter.failed_at
        ORDER BY letter.id FOR UPDATE OF letter
    ), newer AS (
        UPDATE dead_letters AS letter
        SET kind = given.kind, reason = given.reason, class = given.class, fingerprint = given.fingerprint,
            codes = given.codes, causes = given.causes, event_key = given.event_key,
            delivery_id = given.delivery_id, position = given.position, received_at = given.received_at,
            failed_at = least(letter.failed_at, given.failed_at), attempt = given.attempt,
            payload_bytes = given.payload_bytes, segment = $1, line = given.line, ready = false
        FROM given JOIN locked USING (id)
        WHERE letter.id = given.id AND given.attempt > letter.attempt
        RETURNING letter.id
    ), older AS (
        UPDATE dead_letters AS letter SET failed_at = given.failed_at
        FROM given JOIN locked USING (id)
        WHERE letter.id = given.id AND given.attempt <= letter.attempt AND given.failed_at < letter.failed_at
    )
    SELECT id FROM newer";

/// Writes records of a segment, with their lines, and says how many dead letters are new, and how many had an
/// older attempt.
pub(super) async fn save(
    conn: &mut PgConnection,
    segment: &Segment,
    letters: &[(Letter, i32)],
) -> sqlx::Result<(u64, u64)> {
    let newest = newest(letters);
    let mut tx = conn.begin().await?;
    register(&mut tx, segment).await?;
    let added = write(&mut tx, segment, &newest, ADD).await?;
    let renewed = write(&mut tx, segment, &newest, RENEW).await?;
    let changed = added.iter().chain(&renewed).filter_map(|id| newest.get(id));
    wait(&mut tx, &renewed, changed.map(|(letter, ..)| *letter)).await?;
    tx.commit().await?;
    Ok((added.len() as u64, renewed.len() as u64))
}

/// A record, its line, and when its dead letter was first rejected.
type Newest<'l> = (&'l Letter, i32, DateTime<Utc>);

/// Of several records of one dead letter the one of the newest attempt.
fn newest(letters: &[(Letter, i32)]) -> BTreeMap<Uuid, Newest<'_>> {
    let mut newest: BTreeMap<Uuid, Newest<'_>> = BTreeMap::new();
    for (letter, line) in letters {
        let known = newest.entry(letter.id).or_insert((letter, *line, letter.failed_at));
        let first = known.2.min(letter.failed_at);
        *known = if letter.attempt > known.0.attempt { (letter, *line, first) } else { (known.0, known.1, first) };
    }
    newest
}

async fn write(
    conn: &mut PgConnection,
    segment: &Segment,
    letters: &BTreeMap<Uuid, Newest<'_>>,
    what: &'static str,
) -> sqlx::Result<Vec<Uuid>> {
    let (mut ids, mut kinds, mut reasons, mut classes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut fingerprints, mut codes, mut causes, mut keys) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut deliveries, mut positions, mut received, mut failed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut attempts, mut bytes, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for (letter, line, first_failed) in letters.values() {
        ids.push(letter.id);
        kinds.push(letter.kind.as_str());
        reasons.push(letter.reason.as_str());
        classes.push(letter.class.as_str());
        fingerprints.push(letter.fingerprint.as_str());
        codes.push(letter.codes.join(","));
        causes.push(letter.causes.join("\n"));
        keys.push(letter.event_key.as_deref());
        deliveries.push(letter.delivery_id.as_str());
        positions.push(letter.position);
        received.push(letter.received_at);
        failed.push(*first_failed);
        attempts.push(letter.attempt);
        bytes.push(letter.payload_bytes);
        lines.push(*line);
    }
    let sql = sqlx::AssertSqlSafe(format!("{GIVEN} {what}"));
    let write = sqlx::query_scalar(sql).bind(segment.id).bind(ids).bind(kinds).bind(reasons).bind(classes);
    let write = write.bind(fingerprints).bind(codes).bind(causes).bind(keys).bind(deliveries).bind(positions);
    write.bind(received).bind(failed).bind(attempts).bind(bytes).bind(lines).fetch_all(conn).await
}

/// Notes what those wait for that are open. Of those that were there, what they waited for before is forgotten.
async fn wait<'l>(
    conn: &mut PgConnection,
    renewed: &[Uuid],
    letters: impl Iterator<Item = &'l Letter>,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM waiting WHERE dead_letter = ANY($1)").bind(renewed).execute(&mut *conn).await?;
    let (mut tables, mut references, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for letter in letters.filter(|letter| letter.class == Class::WhenReferenceAppears) {
        for (table, id) in &letter.missing {
            tables.push(table.as_str());
            references.push(id.as_str());
            waiting.push(letter.id);
        }
    }
    let insert = sqlx::query(
        "INSERT INTO waiting (reference_table, reference_id, dead_letter)
         SELECT waiting.* FROM UNNEST($1::text[], $2::text[], $3::uuid[]) AS waiting (reference_table, reference_id, id)
         JOIN dead_letters AS letter USING (id) WHERE letter.status = 'open'
         ON CONFLICT DO NOTHING",
    );
    insert.bind(tables).bind(references).bind(waiting).execute(conn).await?;
    Ok(())
}
