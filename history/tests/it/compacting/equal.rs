//! Whatever a file holds: rows, dead letters and counts are those of `purser ingest`.

use purser::intake::files::Again;

use super::inputs::{every_form, lines, write};
use super::yard::Yard;

/// Both of them, with the same files.
pub async fn assert_same(ingested: &Yard, compacted: &Yard) {
    let (table, history) = (ingested.table().await, compacted.history().await);
    assert!(!table.is_empty());
    assert_eq!(history, table);
    assert_eq!(compacted.number("SELECT count(*) FROM product_views").await, 0);
    let (expected, letters) = (ingested.letters().await, compacted.letters().await);
    assert!(!expected.is_empty());
    assert_eq!(letters, expected);
    assert_eq!(compacted.ledger().await, ingested.ledger().await);
    let rollup = "SELECT sum(count * length(code || reason || kind))::int8 FROM rejections";
    assert_eq!(compacted.number(rollup).await, ingested.number(rollup).await);
    let unfinished = "SELECT count(*) FROM ingested_files
                      WHERE finished_at IS NULL OR committed_position <> coalesce(records, committed_position)";
    assert_eq!((compacted.number(unfinished).await, ingested.number(unfinished).await), (0, 0));
}

#[tokio::test]
async fn every_form_of_good_and_broken_input_is_kept_as_it_is_ingested() {
    let (ingested, compacted) = (Yard::new().await, Yard::new().await);
    let path = every_form(ingested.folder.path());
    let (expected, _) = ingested.ingest(&path, Again::Skip).await;
    compacted.seen_as_in(&ingested).await;
    let summary = compacted.compact(&path).await;
    assert_eq!((summary.compacted, summary.already), (expected.ingested, expected.already));
    assert_eq!(summary.counts, expected.counts);
    assert!(summary.written > 10 && summary.is_complete(), "{summary:?}");
    assert_same(&ingested, &compacted).await;
}

#[tokio::test]
async fn what_is_larger_than_a_commit_and_not_kept_in_memory_is_the_same() {
    let (ingested, mut compacted) = (Yard::new().await, Yard::new().await);
    let path = write(ingested.folder.path(), "iOS/views.ndjson", lines(0..3000));
    ingested.ingest(&path, Again::Skip).await;
    compacted.limits.kept = 0;
    let summary = compacted.compact(&path).await;
    assert_eq!((summary.compacted, summary.bytes_in > 500_000), (1, true), "{summary:?}");
    assert!(compacted.number("SELECT count(*) FROM batches").await > 3);
    assert_eq!(compacted.history().await, ingested.table().await);
    assert_eq!(compacted.ledger().await, ingested.ledger().await);
}

#[tokio::test]
async fn what_is_older_than_all_that_is_kept_is_ignored() {
    let (ingested, compacted) = (Yard::new().await, Yard::new().await);
    for yard in [&ingested, &compacted] {
        let expired = "INSERT INTO expired (kind, before) VALUES ('product_view', '2016-02-01T13:00:00Z')";
        sqlx::query(expired).execute(&yard.pool).await.unwrap();
    }
    let path = write(ingested.folder.path(), "iOS/views.ndjson", lines(0..1000));
    let (expected, _) = ingested.ingest(&path, Again::Skip).await;
    let summary = compacted.compact(&path).await;
    assert!(expected.counts.ignored > 300 && expected.counts.stored > 300, "{expected:?}");
    assert_eq!(summary.counts, expected.counts);
    assert_eq!(compacted.history().await, ingested.table().await);
}
