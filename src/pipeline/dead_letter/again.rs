//! Dead letters that were tried again and rejected once more: the same ones, one attempt later.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgConnection;
use uuid::Uuid;

use super::insert::insert_records;
use super::open::Open;
use super::rollup::Deltas;
use super::{DeadLetter, waiting};
use crate::pipeline::store::{Failure, blame_row};
use crate::pipeline::{Outcome, Which};

/// Writes down what is wrong with them now. `open` has them all, locked.
pub(in crate::pipeline) async fn reject_again(
    conn: &mut PgConnection,
    letters: Vec<(Which, Arc<DeadLetter>)>,
    open: &BTreeMap<Uuid, Open>,
    shard: i16,
) -> Result<Vec<(Which, Outcome)>, Failure> {
    if letters.is_empty() {
        return Ok(Vec::new());
    }
    let sorted: BTreeMap<Uuid, &DeadLetter> = letters.iter().map(|(_, letter)| (letter.id, &**letter)).collect();
    let ids: Vec<Uuid> = sorted.keys().copied().collect();
    let again: Vec<&DeadLetter> = sorted.into_values().collect();
    update_index(conn, &again).await.map_err(blame_row)?;
    let first_failed = |letter: &DeadLetter| open.get(&letter.id).map_or(letter.failed_at, |open| open.failed_at);
    insert_records(conn, &again, first_failed).await.map_err(blame_row)?;
    waiting::delete(conn, &ids).await?;
    waiting::insert(conn, &again).await?;
    let before: Vec<_> = ids.iter().filter_map(|id| open.get(id)).map(Open::counted).collect();
    let after: Vec<_> = again.iter().map(|letter| letter.counted(first_failed(letter))).collect();
    let mut deltas = Deltas::default();
    before.iter().for_each(|letter| deltas.count(letter, -1));
    after.iter().for_each(|letter| deltas.count(letter, 1));
    deltas.add(conn, shard).await?;
    Ok(letters.into_iter().map(|(which, letter)| (which, Outcome::Rejected(letter))).collect())
}

async fn update_index(conn: &mut PgConnection, letters: &[&DeadLetter]) -> sqlx::Result<()> {
    let (mut ids, mut attempts, mut reasons, mut classes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut fingerprints, mut codes, mut causes) = (Vec::new(), Vec::new(), Vec::new());
    for letter in letters {
        ids.push(letter.id);
        attempts.push(letter.attempt);
        reasons.push(letter.reason.as_str());
        classes.push(letter.class.as_str());
        fingerprints.push(letter.fingerprint.as_str());
        codes.push(letter.codes_joined());
        causes.push(letter.causes_joined());
    }
    let update = sqlx::query(
        "UPDATE dead_letters AS letter
         SET attempt = again.attempt, reason = again.reason, class = again.class, fingerprint = again.fingerprint,
             codes = string_to_array(again.codes, ','), causes = string_to_array(again.causes, E'\\n'), ready = false
         FROM UNNEST($1::uuid[], $2::int4[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
              AS again (id, attempt, reason, class, fingerprint, codes, causes)
         WHERE letter.id = again.id",
    );
    let update = update.bind(ids).bind(attempts).bind(reasons).bind(classes).bind(fingerprints);
    update.bind(codes).bind(causes).execute(conn).await?;
    Ok(())
}
