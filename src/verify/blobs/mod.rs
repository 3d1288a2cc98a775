//! Dead letters in the blob store against their index. Only what is durable is compared: what is on its way
//! stands in the outbox.

mod objects;
mod record;
mod segment;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Checked, Unverified, Verifier};
use crate::blob::Blob;
use crate::events::Difference;

pub(super) const NAME: &str = "dead_letters";
/// Segments that are asked for at once, and those of them that are read at once.
const SEGMENTS: i64 = 500;
const READ_AT_ONCE: usize = 8;

/// An object that is durable.
#[derive(FromRow)]
struct Segment {
    id: Uuid,
    object: String,
}

impl Verifier {
    /// The folder cannot be mended, and the index only from the folder: what differs is told, and left.
    pub(super) async fn blobs(&self, blob: &Blob) -> Result<Checked, Unverified> {
        let mut checked = Checked::new(NAME);
        checked.left(self.letters_without_a_record().await?);
        let mut last = Uuid::nil();
        loop {
            let segments: Vec<Segment> = sqlx::query_as(
                "SELECT id, object FROM dead_letter_segments WHERE shipped_at IS NOT NULL AND id > $1
                 ORDER BY id LIMIT $2",
            )
            .bind(last)
            .bind(SEGMENTS)
            .fetch_all(&self.pool)
            .await?;
            let Some(next) = segments.last() else { break };
            last = next.id;
            self.go_on(NAME, &next.object)?;
            let found = stream::iter(segments).map(|segment| self.segment(blob, segment)).buffered(READ_AT_ONCE);
            let found: Vec<Vec<Difference>> = found.try_collect().await?;
            checked.left(found.concat());
        }
        self.objects(blob, &mut checked).await?;
        Ok(checked)
    }

    /// A record is in the outbox until the index points to where it is durable.
    async fn letters_without_a_record(&self) -> sqlx::Result<Vec<Difference>> {
        let mut tx = self.begin().await?;
        let lost = sqlx::query_as(
            "SELECT 'dead_letters' AS what, 'dead letter ' || letter.id AS place,
                    'a record in the outbox, or in a durable object' AS expected, 'none' AS found
             FROM dead_letters AS letter
             LEFT JOIN dead_letter_segments AS segment ON segment.id = letter.segment
             WHERE segment.shipped_at IS NULL AND letter.status <> 'expired'
                 AND NOT EXISTS (SELECT FROM dead_letter_outbox AS entry
                                 WHERE entry.letter = letter.id AND entry.attempt IS NOT NULL)",
        );
        let lost = lost.fetch_all(&mut *tx).await?;
        tx.commit().await?;
        Ok(lost)
    }
}

fn difference(what: &str, place: &str, expected: impl Into<String>, found: impl Into<String>) -> Difference {
    Difference { what: what.to_owned(), place: place.to_owned(), expected: expected.into(), found: found.into() }
}
