//! Events whose rows are kept elsewhere than in a table: judged by the same rules, rejected as the same dead letters,
//! and counted in the same ledger, in a transaction of whoever keeps the rows.
//!
//! For kinds whose events refer to no other rows, and are the same by their place alone: nothing is looked up.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::check_references::Known;
use super::dead_letter::{self, DeadLetter, Scribe};
use super::ledger::{self, Counts};
use super::store::Failure;
use super::validate::{decode_and_validate, judge_all};
use super::{AllJudged, Judged, Outcome, Unavailable, shard};
use crate::events::EventKind;
use crate::intake::{Delivery, Source};

/// What deliveries turned out to hold.
pub struct Sorted<K: EventKind> {
    /// Those that are right, in their order.
    pub rows: Vec<K::Row>,
    /// How many are none of this kind, or older than what is kept.
    pub ignored: u64,
    rejected: Vec<Judged<K>>,
}

/// Judges every event of these deliveries. Those from before `expired_before` are ignored.
#[must_use]
pub fn judge<K: EventKind>(
    deliveries: &[Delivery],
    max_bytes: usize,
    expired_before: Option<DateTime<Utc>>,
) -> Sorted<K> {
    let examined = decode_and_validate::<K>(deliveries, max_bytes);
    let AllJudged { events, ignored } = judge_all(deliveries, examined, &Known::default());
    let mut sorted =
        Sorted { rows: Vec::with_capacity(events.len()), ignored: ignored.len() as u64, rejected: Vec::new() };
    for event in events {
        match event.verdict {
            Ok(row) if expired_before.is_some_and(|before| K::occurred_at(&row) < before) => sorted.ignored += 1,
            Ok(row) => sorted.rows.push(row),
            Err(_) => sorted.rejected.push(event),
        }
    }
    sorted
}

impl<K: EventKind> Sorted<K> {
    /// Whether nothing was rejected: then the deliveries are not needed any more.
    #[must_use]
    pub fn all_right(&self) -> bool {
        self.rejected.is_empty()
    }

    /// Writes the dead letters of those rejected, one after the other: they are much larger than what they are about.
    pub fn letters<'s>(&'s self, deliveries: &'s [Delivery]) -> impl Iterator<Item = DeadLetter> + 's {
        let mut scribe = Scribe::new(deliveries);
        self.rejected.iter().filter_map(move |event| Some(scribe.write(event, event.verdict.as_ref().err()?)))
    }
}

/// A row of the ledger that is being written.
pub struct Entry {
    id: Uuid,
    /// Events from before this are to be ignored.
    pub expired_before: Option<DateTime<Utc>>,
}

/// The most bytes of dead letters that one statement inserts, about.
const STATEMENT: usize = 4 << 20;

impl Entry {
    /// Opens the ledger row of what a transaction decides, to be its first statement. `None` when it has committed
    /// before: of an attempt whose answer was lost nothing is to be done again.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn open<K: EventKind>(conn: &mut PgConnection, id: Uuid, source: Source) -> sqlx::Result<Option<Self>> {
        let opened = ledger::open(conn, id, K::NAME, source).await?;
        Ok(opened.map(|opened| Entry { id, expired_before: opened.expired_before }))
    }

    /// Inserts the dead letters, on their way to the blob store, and writes down how many events went which way: the
    /// last statement of the transaction. Says what became of each letter, in no order.
    ///
    /// # Errors
    /// When the database cannot be asked, or refuses a dead letter.
    pub async fn close(
        self,
        conn: &mut PgConnection,
        stored: u64,
        ignored: u64,
        letters: &[Arc<DeadLetter>],
    ) -> Result<Vec<Outcome>, Unavailable> {
        let shard = shard::free(conn).await?;
        let mut outcomes = Vec::with_capacity(letters.len());
        for letters in in_statements(letters) {
            let letters = letters.iter().map(|letter| ((0, 0), Arc::clone(letter))).collect();
            let inserted = dead_letter::insert(conn, letters, shard).await.map_err(|failure| match failure {
                Failure::Row(refused) => Unavailable::Refused(refused),
                Failure::Unavailable(error) => error.into(),
            })?;
            outcomes.extend(inserted.into_iter().map(|(_, outcome)| outcome));
        }
        let whole = |count| i32::try_from(count).unwrap_or(i32::MAX);
        let letters = Counts::of(&outcomes);
        ledger::close(conn, self.id, Counts { stored: whole(stored), ignored: whole(ignored), ..letters }).await?;
        Ok(outcomes)
    }
}

/// Cuts dead letters into slices, each at least one.
fn in_statements(mut letters: &[Arc<DeadLetter>]) -> impl Iterator<Item = &[Arc<DeadLetter>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |letter: &&Arc<DeadLetter>| {
            let first = bytes == 0;
            bytes += letter.held();
            first || bytes <= STATEMENT
        };
        let count = letters.iter().take_while(fits).count();
        let (statement, rest) = letters.split_at(count);
        letters = rest;
        (count > 0).then_some(statement)
    })
}
