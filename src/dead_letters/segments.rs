//! Which entries of the outbox stand together in one object. Decided and committed before the object is
//! written, so that writing it twice, by whomever, writes the same bytes.

use std::collections::BTreeMap;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// The most entries of a segment.
pub(super) const RECORDS: usize = 5000;
/// The most bytes of a segment, unless a single entry is larger.
const BYTES: i64 = 8 << 20;

#[derive(sqlx::FromRow)]
struct Unassigned {
    entry: Uuid,
    folder: String,
    bytes: i64,
}

/// A segment in the making: which entries, in the order of their lines.
struct Segment {
    id: Uuid,
    object: String,
    entries: Vec<Uuid>,
    bytes: i64,
}

/// Puts entries of the outbox that have no segment yet into new ones, and says how many.
///
/// # Errors
/// When the database cannot be asked; then nothing was assigned.
pub(super) async fn assign(pool: &PgPool) -> sqlx::Result<usize> {
    let mut tx = pool.begin().await?;
    let unassigned: Vec<Unassigned> = sqlx::query_as(
        "SELECT entry, folder, octet_length(record)::int8 AS bytes FROM dead_letter_outbox
         WHERE segment IS NULL ORDER BY folder, entry LIMIT $1 FOR UPDATE SKIP LOCKED",
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
    for Unassigned { entry, folder, bytes } in unassigned {
        let segment = open.entry(folder.clone()).or_insert_with(|| Segment::in_folder(&folder));
        if !segment.entries.is_empty() && segment.bytes + bytes > BYTES {
            full.push(std::mem::replace(segment, Segment::in_folder(&folder)));
        }
        segment.entries.push(entry);
        segment.bytes += bytes;
    }
    full.extend(open.into_values());
    full
}

impl Segment {
    fn in_folder(folder: &str) -> Self {
        let id = Uuid::now_v7();
        Segment { id, object: format!("{folder}/{id}.ndjson"), entries: Vec::new(), bytes: 0 }
    }
}

async fn save(conn: &mut PgConnection, segment: Segment) -> sqlx::Result<()> {
    let Segment { id, object, entries, bytes: _ } = segment;
    let insert = sqlx::query("INSERT INTO dead_letter_segments (id, object) VALUES ($1, $2)");
    insert.bind(id).bind(object).execute(&mut *conn).await?;
    let update = sqlx::query(
        "UPDATE dead_letter_outbox AS outbox SET segment = $1, line = member.line
         FROM UNNEST($2::uuid[]) WITH ORDINALITY AS member (entry, line) WHERE outbox.entry = member.entry",
    );
    update.bind(id).bind(entries).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unassigned(folder: &str, bytes: i64) -> Unassigned {
        Unassigned { entry: Uuid::now_v7(), folder: folder.to_owned(), bytes }
    }

    #[test]
    fn a_segment_is_of_one_folder_and_has_so_many_bytes() {
        let entries = vec![
            unassigned("a/hh=00", 10),
            unassigned("a/hh=00", BYTES - 10),
            unassigned("a/hh=00", 1),
            unassigned("a/hh=01", 10),
            unassigned("b/hh=00", BYTES + 1),
        ];
        let mut sizes: Vec<(String, usize)> = group(entries)
            .into_iter()
            .map(|segment| (segment.object.rsplit_once('/').unwrap().0.to_owned(), segment.entries.len()))
            .collect();
        sizes.sort();
        let expected = [("a/hh=00", 1), ("a/hh=00", 2), ("a/hh=01", 1), ("b/hh=00", 1)];
        assert_eq!(sizes, expected.map(|(folder, entries)| (folder.to_owned(), entries)));
    }
}
