//! The ledger: one row per batch, in the transaction that decides it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Judged, Outcome};
use crate::events::EventKind;
use crate::intake::Source;

/// How many events of a batch went which way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) stored: i32,
    pub(super) duplicate: i32,
    pub(super) rejected: i32,
    pub(super) ignored: i32,
}

impl Counts {
    pub(super) fn of<'o>(outcomes: impl IntoIterator<Item = &'o Outcome>) -> Self {
        let mut counts = Counts::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Stored { .. } => counts.stored += 1,
                Outcome::Duplicate { .. } | Outcome::RejectedBefore(_) => counts.duplicate += 1,
                Outcome::Rejected(_) => counts.rejected += 1,
                Outcome::Ignored => counts.ignored += 1,
            }
        }
        counts
    }

    fn received(self) -> i32 {
        self.stored + self.duplicate + self.rejected + self.ignored
    }
}

/// A batch that is being decided.
pub(super) struct Opened {
    /// Events from before this are not stored any more: rows that old were removed.
    pub(super) expired_before: Option<DateTime<Utc>>,
}

impl Opened {
    /// Whether the event is one that was removed, or that would be at once.
    pub(super) fn is_too_old<K: EventKind>(&self, event: &Judged<K>) -> bool {
        self.expired_before.zip(event.verdict.as_ref().ok()).is_some_and(|(before, row)| K::occurred_at(row) < before)
    }
}

/// Opens the ledger row of a batch: the first insert of its transaction.
///
/// `None` when the batch has committed before. While an earlier attempt of it is still
/// committing, this waits for that attempt.
pub(super) async fn open(
    conn: &mut PgConnection,
    batch: Uuid,
    kind: &str,
    source: Source,
) -> sqlx::Result<Option<Opened>> {
    let insert = sqlx::query_scalar(
        "INSERT INTO batches (id, kind, source) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING
         RETURNING (SELECT before FROM expired WHERE kind = $2)",
    );
    let inserted = insert.bind(batch).bind(kind).bind(source.as_str()).fetch_optional(conn).await?;
    Ok(inserted.map(|expired_before| Opened { expired_before }))
}

/// Writes the counts: the last statement of the transaction.
pub(super) async fn close(conn: &mut PgConnection, batch: Uuid, counts: Counts) -> sqlx::Result<()> {
    let update = sqlx::query(
        "UPDATE batches SET received = $2, stored = $3, duplicate = $4, rejected = $5, ignored = $6,
                            committed_at = clock_timestamp()
         WHERE id = $1",
    );
    let Counts { stored, duplicate, rejected, ignored } = counts;
    let update = update.bind(batch).bind(counts.received()).bind(stored).bind(duplicate);
    update.bind(rejected).bind(ignored).execute(conn).await?;
    Ok(())
}
