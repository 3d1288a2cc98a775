//! The dead letters that a batch tries again. Healer, operator and a second replay may race for one: each
//! looks, with the letter locked in the deciding transaction, whether it is still as it was taken up.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::batch::Batch;
use super::dead_letter::{self, Open, Status};
use super::{Judged, Outcome, Which};
use crate::events::EventKind;
use crate::intake::{Delivery, Replays};

/// Those that are open. Empty for a batch that is none of replays.
pub(super) struct Replayed<'d> {
    deliveries: &'d [Delivery],
    open: BTreeMap<Uuid, Open>,
}

impl<'d> Replayed<'d> {
    /// Locks the dead letters of a batch until the transaction ends.
    pub(super) async fn lock<K: EventKind>(
        conn: &mut PgConnection,
        deliveries: &'d [Delivery],
        batch: &Batch<K>,
    ) -> sqlx::Result<Self> {
        let mut replayed = Replayed { deliveries, open: BTreeMap::new() };
        let letters: Vec<Uuid> =
            batch.events.iter().filter_map(|event| replayed.by(event.delivery)).map(|replays| replays.letter).collect();
        if !letters.is_empty() {
            replayed.open = dead_letter::lock(conn, &letters).await?;
        }
        Ok(replayed)
    }

    fn by(&self, delivery: usize) -> Option<&'d Replays> {
        self.deliveries[delivery].replays.as_ref()
    }

    /// Whether nobody has closed its dead letter, or judged it again, in the meantime.
    pub(super) fn may_decide<K: EventKind>(&self, event: &Judged<K>) -> bool {
        let is_as_it_was =
            |replays: &Replays| self.open.get(&replays.letter).is_some_and(|open| open.attempt == replays.attempt);
        self.by(event.delivery).is_none_or(is_as_it_was)
    }

    /// Closes those whose events are rows now, or turned out to have been.
    pub(super) async fn close(&self, conn: &mut PgConnection, outcomes: &[(Which, Outcome)]) -> sqlx::Result<()> {
        let mut closed: BTreeMap<Status, Vec<Uuid>> = BTreeMap::new();
        for ((delivery, _), outcome) in outcomes {
            if let (Outcome::Stored { .. } | Outcome::Duplicate { .. }, Some(replays)) = (outcome, self.by(*delivery)) {
                closed.entry(replays.becomes).or_default().push(replays.letter);
            }
        }
        for (status, letters) in closed {
            dead_letter::close(conn, &letters, status, None).await?;
        }
        Ok(())
    }

    pub(super) fn open(&self) -> &BTreeMap<Uuid, Open> {
        &self.open
    }
}
