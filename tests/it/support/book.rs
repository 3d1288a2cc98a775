//! Everything that was sent, and whether it became what it must.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use bytes::Bytes;
use sqlx::{AssertSqlSafe, PgPool};

use super::letters::Letter;
use super::sent::{Expected, Sent};

/// Tables and key columns.
const ROWS: [(&str, &str, &str); 5] = [
    ("purchase", "purchases", "id"),
    ("ab_event", "ab_events", "id"),
    ("order", "order_events", "event_id"),
    ("click_event", "click_events", "id"),
    ("product_view", "product_views", "id"),
];

/// Everything that was sent.
#[derive(Default)]
pub struct Book(Vec<Sent>);

impl Book {
    /// Takes a message down, and says under which number.
    pub fn add(&mut self, sent: Sent) -> usize {
        self.0.push(sent);
        self.0.len() - 1
    }

    /// Takes messages down that somebody else sends.
    pub fn extend(&mut self, sent: impl IntoIterator<Item = Sent>) {
        self.0.extend(sent);
    }

    pub fn sent(&self) -> &[Sent] {
        &self.0
    }

    /// Panics unless every event became exactly what it must: one row, or one dead letter with its very bytes.
    pub async fn assert_kept(&self, pool: &PgPool, letters: &[Letter]) {
        let mut wanted = Wanted::default();
        self.0.iter().for_each(|sent| wanted.add(sent));
        for (kind, table, key) in ROWS {
            let select = format!("SELECT {key}::text FROM {table}");
            let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(pool).await.unwrap();
            let keys = wanted.rows.keys().filter(|(of, _)| *of == kind).map(|(_, key)| key.clone());
            assert_same(table, &keys.collect(), &found.into_iter().collect());
        }
        wanted.assert_letters(letters);
    }
}

/// Kind, payload, place in it, reason.
type Rejected = (String, Bytes, u64, String);

/// What must be found.
#[derive(Default)]
struct Wanted {
    /// By kind and key, the payloads that make such a row.
    rows: BTreeMap<(&'static str, String), BTreeSet<Bytes>>,
    rejected: BTreeMap<Rejected, usize>,
    /// What may have been rejected before it became a row.
    once_rejected: BTreeSet<Rejected>,
}

impl Wanted {
    fn add(&mut self, sent: &Sent) {
        let kind = sent.kind.name;
        let rejected = |position, reason: &str| (kind.to_owned(), sent.payload.clone(), position, reason.to_owned());
        for expected in &sent.expected {
            match expected {
                Expected::Letter { position, reason } => {
                    *self.rejected.entry(rejected(*position, reason)).or_default() += 1;
                }
                Expected::Row(key) => {
                    self.rows.entry((kind, key.clone())).or_default().insert(sent.payload.clone());
                }
                Expected::RowInTheEnd(key) => {
                    self.rows.entry((kind, key.clone())).or_default().insert(sent.payload.clone());
                    self.once_rejected.insert(rejected(0, "reference"));
                }
            }
        }
    }

    fn assert_letters(&self, letters: &[Letter]) {
        let mut found: BTreeMap<Rejected, usize> = BTreeMap::new();
        for Letter { kind, payload, position, reason, .. } in letters {
            let rejected = (kind.clone(), Bytes::from(payload.clone()), *position, reason.clone());
            *found.entry(rejected).or_default() += 1;
        }
        for ((kind, key), payloads) in &self.rows {
            let conflict = |payload: &Bytes| ((*kind).to_owned(), payload.clone(), 0, "conflict".to_owned());
            let lost: usize = payloads.iter().filter_map(|payload| found.remove(&conflict(payload))).sum();
            assert_eq!(lost, payloads.len() - 1, "{kind} {key}: one of {} is the row", payloads.len());
        }
        let once = |found: &(Rejected, usize)| found.1 == 1 && self.once_rejected.contains(&found.0);
        let found = found.into_iter().filter(|found| !once(found)).collect();
        assert_same("dead letters", &self.rejected.clone().into_iter().collect(), &found);
    }
}

fn assert_same<T: Ord + Debug>(what: &str, wanted: &BTreeSet<T>, found: &BTreeSet<T>) {
    let missing: Vec<&T> = wanted.difference(found).collect();
    let unwanted: Vec<&T> = found.difference(wanted).collect();
    assert!(
        missing.is_empty() && unwanted.is_empty(),
        "{what}: {} missing, {} too many of {}: missing {:?}; too many {:?}",
        missing.len(),
        unwanted.len(),
        wanted.len(),
        missing.iter().take(3).collect::<Vec<_>>(),
        unwanted.iter().take(3).collect::<Vec<_>>()
    );
}
