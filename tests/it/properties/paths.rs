//! Two paths, one result.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{KINDS, Sent, config, decide, sent};
use crate::support::Rig;

/// Every row of a kind and of what is derived of it, but for when and by which batch it came in.
const TABLES: [(&str, &str); 9] = [
    ("purchases", "received_at"),
    ("purchase_items", ""),
    ("ab_events", "received_at"),
    ("ab_users", ""),
    ("order_events", "received_at"),
    ("order_event_items", ""),
    ("click_events", "received_at"),
    ("click_sessions", ""),
    ("product_views", "received_at"),
];

async fn rows(rig: &Rig) -> BTreeMap<&'static str, Vec<Value>> {
    let mut all = BTreeMap::new();
    for (table, but) in TABLES {
        let select = format!(
            "SELECT row FROM (SELECT to_jsonb(t) - $1 - 'ordered_at' AS row FROM {table} AS t) AS rows ORDER BY row::text"
        );
        let rows = sqlx::query_scalar(AssertSqlSafe(select)).bind(but).fetch_all(rig.pool()).await.unwrap();
        all.insert(table, rows);
    }
    all
}

/// The first of each event, so that it makes no difference which of two comes first.
fn first_of_each(sent: Vec<Sent>) -> Vec<Sent> {
    let mut first = BTreeMap::new();
    for sent in sent {
        first.entry(sent.event).or_insert(sent);
    }
    first.into_values().collect()
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn copied_at_once_or_inserted_beside_what_is_there_the_rows_are_the_same(
        kind in 0..KINDS.len(),
        sent in proptest::collection::vec(sent(), 1..20),
        before in proptest::collection::vec(any::<bool>(), 20),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let sent = first_of_each(sent);
            let (copied, inserted) = (Rig::new().await, Rig::new().await);
            decide(&copied, KINDS[kind], &sent).await;
            let some: Vec<Sent> = sent.iter().zip(before).filter(|(_, before)| *before).map(|(sent, _)| sent.clone()).collect();
            decide(&inserted, KINDS[kind], &some).await;
            decide(&inserted, KINDS[kind], &sent).await;
            assert_eq!(rows(&copied).await, rows(&inserted).await);
            copied.assert_verified(None).await;
            inserted.assert_verified(None).await;
        });
    }

    #[test]
    fn by_its_hash_or_by_its_columns_an_event_is_the_same(
        kind in 0..4_usize,
        before in proptest::collection::vec(sent(), 1..12),
        after in proptest::collection::vec(sent(), 1..12),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (hashed, compared) = (Rig::new().await, Rig::new().await);
            for rig in [&hashed, &compared] {
                decide(rig, KINDS[kind], &before).await;
            }
            for table in ["purchases", "ab_events", "order_events", "click_events"] {
                let older = format!("UPDATE {table} SET hash_version = 0, content_hash = 'by other rules'");
                sqlx::query(AssertSqlSafe(older)).execute(compared.pool()).await.unwrap();
            }
            assert_eq!(decide(&hashed, KINDS[kind], &after).await, decide(&compared, KINDS[kind], &after).await);
        });
    }
}
