//! Input that means no good.

use purser::intake::files::Again;

use super::inputs::{batch, write};
use super::yard::Yard;

#[tokio::test]
async fn every_view_on_a_day_of_its_own() {
    let yard = Yard::new().await;
    let line = |number: u64| {
        let mut view = batch(number);
        view["events"][0]["data"]["timestamp_unixtime_ms"] = (946_684_800_000 + number * 86_400_000).into();
        view.to_string() + "\n"
    };
    let path = write(yard.folder.path(), "iOS/days.ndjson", (0..300).map(line).collect::<String>());
    let summary = yard.compact(&path).await;
    assert_eq!((summary.counts.stored, summary.written), (300, 300));
    assert_eq!(yard.history().await.len(), 300);
}

/// Each number is a dead letter a thousand times its size.
#[tokio::test]
async fn nothing_but_rejected_records_is_committed_part_by_part() {
    let yard = Yard::new().await;
    let path = write(yard.folder.path(), "iOS/numbers.json", format!("[{}1]", "1,".repeat(1999)));
    let summary = yard.compact(&path).await;
    assert_eq!((summary.counts.rejected.values().sum::<u64>(), summary.written), (2000, 0));
    assert!(yard.number("SELECT count(*) FROM batches").await > 3);
    let ingested = Yard::new().await;
    ingested.ingest(&path, Again::Skip).await;
    assert_eq!(yard.letters().await.len(), ingested.letters().await.len());
    assert_eq!(yard.ledger().await, ingested.ledger().await);
}
