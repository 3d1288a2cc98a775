//! The rows that dead letters wait for.

use sqlx::PgConnection;
use uuid::Uuid;

use super::DeadLetter;
use crate::pipeline::verdict::{Class, MissingReference};

pub(super) async fn insert(conn: &mut PgConnection, letters: &[&DeadLetter]) -> sqlx::Result<()> {
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

/// These wait for nothing any more.
pub(super) async fn delete(conn: &mut PgConnection, letters: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM waiting WHERE dead_letter = ANY($1)").bind(letters).execute(conn).await?;
    Ok(())
}
