//! Nothing that is derived is forgotten: every table of the schema is accounted for.

use std::collections::BTreeSet;

use purser::events::KINDS;
use purser::verify::all_derived;

use crate::support::Rig;

/// Tables that nothing of ours is derived into: kept by others, settings, and what is compared by its own code.
const NOT_DERIVED: &[&str] = &[
    "_sqlx_migrations",
    // Reference data.
    "users",
    "articles",
    "shoppers",
    "orders",
    "order_items",
    // Rows, beside those that the kinds name.
    "purchase_items",
    // The ledger, and the index of the dead letters: compared with rows and blobs.
    "batches",
    "dead_letters",
    "dead_letter_segments",
    "dead_letter_outbox",
    // States and settings that nothing else says.
    "ingested_files",
    "session_settings",
    "breakers",
    "breaker_reports",
    "reference_sizes",
    // What was removed for its age, and who is being forgotten.
    "expired",
    "expired_ab_events",
    "forgetting",
    // Which files are the history, what stands in them, and who is to be forgotten in them: compared with each other
    // and with the store.
    "history",
    "history_files",
    "moved_product_views",
    "history_forgotten",
];

#[tokio::test]
async fn every_table_is_compared_or_is_nothing_derived() {
    let rig = Rig::new().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'p')",
    )
    .fetch_all(rig.pool())
    .await
    .unwrap();
    let rows = KINDS.iter().map(|kind| kind.table);
    let derived = all_derived().flat_map(|derived| derived.tables).copied();
    let known: BTreeSet<&str> = rows.chain(derived).chain(NOT_DERIVED.iter().copied()).collect();
    let tables: BTreeSet<&str> = tables.iter().map(String::as_str).collect();
    assert_eq!(tables.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "say of what it is derived");
    assert_eq!(known.difference(&tables).collect::<Vec<_>>(), Vec::<&&str>::new(), "there is no such table");
}
