//! Which events of a batch are new, and what would become of them: asked when the breaker is in doubt.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgPool;
use uuid::Uuid;

use crate::breaker::Tally;
use crate::events::{ContentHash, EventKind, is_stored_as};
use crate::intake::Delivery;
use crate::pipeline::borrowed::Borrowed;
use crate::pipeline::dead_letter;
use crate::pipeline::verdict::{Reason, Table};
use crate::pipeline::{AllJudged, Judged, Unavailable};

/// What a batch would add.
pub(super) struct Appraisal {
    pub(super) tally: Tally,
    /// The tables of which rows are all that some of those rejected wait for.
    pub(super) waiting: BTreeSet<Table>,
}

/// Compares a batch with what is stored and with the dead letters. Writes nothing.
pub(super) async fn appraise<K: EventKind>(
    pool: &PgPool,
    deliveries: &[Delivery],
    judged: &AllJudged<K>,
) -> Result<Appraisal, Unavailable> {
    let mut conn = Borrowed::from(pool).await?;
    let keys: BTreeSet<K::Key> = judged.events.iter().filter_map(key_to_look_up).collect();
    let keys: Vec<K::Key> = keys.into_iter().collect();
    let mut stored: BTreeMap<K::Key, ContentHash> = K::stored(conn.get()?, &keys).await?.into_iter().collect();
    let mut accepted = 0;
    let mut rejected: BTreeMap<Uuid, &Judged<K>> = BTreeMap::new();
    let mut letters = Letters { deliveries, last: None };
    for event in &judged.events {
        let refused = match &event.verdict {
            Ok(row) => match stored.entry(K::key(row)) {
                Entry::Vacant(free) => {
                    free.insert(K::content_hash(row));
                    accepted += 1;
                    false
                }
                Entry::Occupied(taken) => !is_stored_as(*taken.get(), K::content_hash(row)),
            },
            Err(_) => {
                let standing = event.key.as_ref().and_then(|key| stored.get(key));
                !standing.zip(event.content).is_some_and(|(stored, content)| is_stored_as(*stored, content))
            }
        };
        if refused {
            rejected.insert(letters.id(event), event);
        }
    }
    let ids: Vec<Uuid> = rejected.keys().copied().collect();
    let known = sqlx::query_scalar("SELECT id FROM dead_letters WHERE id = ANY($1)").bind(ids);
    let known: Vec<Uuid> = known.fetch_all(conn.get()?).await?;
    conn.give_back();
    for id in &known {
        rejected.remove(id);
    }
    let tally = Tally { accepted, rejected: rejected.len() as u64 };
    Ok(Appraisal { tally, waiting: waiting(rejected.into_values()) })
}

/// The key under which an event may be stored already.
fn key_to_look_up<K: EventKind>(event: &Judged<K>) -> Option<K::Key> {
    match &event.verdict {
        Ok(row) => Some(K::key(row)),
        Err(_) => event.key.clone().filter(|_| event.content.is_some()),
    }
}

/// The tables whose missing rows alone make events be rejected.
pub(super) fn waiting<'j, K: EventKind>(events: impl Iterator<Item = &'j Judged<K>>) -> BTreeSet<Table> {
    let rejections = events.filter_map(|event| event.verdict.as_ref().err());
    let waiting = rejections.filter(|rejection| rejection.reason == Reason::Reference);
    waiting.flat_map(|rejection| rejection.missing.iter().map(|missing| missing.table)).collect()
}

/// Names the dead letters that events would become.
struct Letters<'d> {
    deliveries: &'d [Delivery],
    /// The payload that was hashed last: a message may hold many events.
    last: Option<(usize, [u8; 32])>,
}

impl Letters<'_> {
    fn id<K: EventKind>(&mut self, event: &Judged<K>) -> Uuid {
        let delivery = &self.deliveries[event.delivery];
        let (_, sha256) = match self.last.filter(|(last, _)| *last == event.delivery) {
            Some(last) => last,
            None => *self.last.insert((event.delivery, dead_letter::sha256(delivery))),
        };
        dead_letter::id::<K>(delivery, &sha256, event.position, event.key.as_ref())
    }
}
