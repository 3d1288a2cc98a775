//! A back-fill that was stopped goes on where it was.

use std::sync::Mutex;

use purser::intake::files::{Again, Summary};

use super::{Back, lines};
use crate::support::{Rig, shop};

const RECORDS: u128 = 3000;

/// Does something to the process once so many records are decided.
fn after(back: &Back, records: u64, act: impl Fn() + Send + 'static) {
    let done = Mutex::new(false);
    *back.said.watch.lock().unwrap() = Some(Box::new(move |decided| {
        let mut done = done.lock().unwrap();
        if decided >= records && !*done {
            *done = true;
            act();
        }
    }));
}

/// Good ones, with something broken at both ends.
fn file() -> String {
    let unknown = shop::purchase_with(super::id(9999), "user_id", serde_json::json!(shop::user(999)));
    format!("broken\n{}{unknown}", lines(0..RECORDS))
}

#[tokio::test]
async fn giving_up_in_the_middle_loses_and_doubles_nothing() {
    let mut back = Back::new().await;
    let path = back.write("purchases.ndjson", file());
    let target = path.to_str().unwrap();
    let shutdown = back.rig.pipeline.shutdown.clone();
    after(&back, 500, move || shutdown.give_up());
    back.ingest_until(target, Again::Skip).await.unwrap_err();
    goes_on(&mut back, target).await;
}

/// The next process, with connections of its own.
async fn goes_on(back: &mut Back, target: &str) {
    back.rig.pipeline = Rig::on(&back.rig.url).pipeline;
    let saved = back.rig.number("SELECT committed_position FROM ingested_files WHERE finished_at IS NULL").await;
    let stored = back.rig.number("SELECT count(*) FROM purchases").await;
    // 0 too: of several batches in flight, the first may be the last to commit.
    assert!((0..RECORDS as i64).contains(&saved), "{saved}");
    assert!((saved - 1..RECORDS as i64).contains(&stored), "{stored}");
    let summary = back.ingest(target, Again::Skip).await.unwrap();
    assert_eq!((summary.ingested, summary.interrupted), (1, false));
    let left = RECORDS as u64 + 2 - u64::try_from(saved).unwrap();
    assert_eq!(*back.said.found.lock().unwrap(), left);
    let accounts = back.rig.assert_accounts_agree().await;
    assert_eq!((accounts.stored, accounts.rejected), (RECORDS as i64, 2));
    assert_eq!(back.ingest(target, Again::Skip).await.unwrap(), Summary { already: 1, ..Summary::default() });
}

#[tokio::test]
async fn stopping_softly_decides_what_was_read() {
    let mut back = Back::new().await;
    let path = back.write("purchases.ndjson", file());
    let target = path.to_str().unwrap();
    let shutdown = back.rig.pipeline.shutdown.clone();
    after(&back, 500, move || shutdown.stop());
    let summary = back.ingest_until(target, Again::Skip).await.unwrap();
    assert!(summary.interrupted);
    let committed = "SELECT committed_position - (SELECT sum(received) FROM batches)::int8 FROM ingested_files";
    assert_eq!(back.rig.number(committed).await, 0);
    goes_on(&mut back, target).await;
}

#[tokio::test]
async fn a_process_that_was_killed_left_what_it_had_saved() {
    let mut back = Back::new().await;
    let path = back.write("purchases.ndjson", file());
    let target = path.to_str().unwrap();
    back.ingest(target, Again::Skip).await.unwrap();
    // As if it had been killed before it could note how far it had come.
    let forget = "UPDATE ingested_files SET committed_position = 400, finished_at = NULL";
    sqlx::query(forget).execute(back.rig.pool()).await.unwrap();
    let summary = back.ingest(target, Again::Skip).await.unwrap();
    let before = summary.counts.rejected_before.values().sum::<u64>();
    assert_eq!((summary.counts.stored, summary.counts.duplicate, before), (0, RECORDS as u64 - 399, 1));
    back.rig.assert_accounts_agree().await;
}
