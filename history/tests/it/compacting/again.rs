//! A content is taken once, by whoever comes first.

use std::sync::Arc;

use purser::intake::files::Again;
use purser::shutdown::Shutdown;
use purser_history::compact::Summary;

use super::inputs::{lines, write};
use super::yard::{Said, Yard};

#[tokio::test]
async fn a_second_time_nothing_is_read() {
    let yard = Yard::new().await;
    let path = write(yard.folder.path(), "in/iOS/views.ndjson", lines(0..100));
    write(yard.folder.path(), "in/iOS/same.ndjson", lines(0..100));
    let summary = yard.compact(&yard.folder.path().join("in")).await;
    assert_eq!((summary.compacted, summary.already), (1, 1));
    let before = yard.history().await;
    let said = Arc::default();
    let again = yard.compact_with(&path, &Shutdown::default(), &said).await.unwrap();
    assert_eq!(again, Summary { already: 1, ..Summary::default() });
    assert!(said.notices.lock().unwrap()[0].contains("views.ndjson: already ingested"));
    assert_eq!(yard.history().await, before);
}

#[tokio::test]
async fn what_was_ingested_is_not_compacted_and_the_other_way_round() {
    let yard = Yard::new().await;
    let ingested = write(yard.folder.path(), "iOS/1.ndjson", lines(0..100));
    let compacted = write(yard.folder.path(), "iOS/2.ndjson", lines(100..200));
    yard.ingest(&ingested, Again::Skip).await;
    yard.compact(&compacted).await;
    let (table, history) = (yard.table().await, yard.history().await);
    assert_eq!(yard.compact(&ingested).await, Summary { already: 1, ..Summary::default() });
    let (summary, notices) = yard.ingest(&compacted, Again::Skip).await;
    assert_eq!((summary.already, summary.ingested), (1, 0), "{notices:?}");
    let (summary, notices) = yard.ingest(&compacted, Again::Judge).await;
    assert_eq!((summary.elsewhere, summary.ingested, summary.already), (1, 0, 0));
    assert!(notices[0].contains("its views are in the history"), "{notices:?}");
    assert_eq!((yard.table().await, yard.history().await), (table, history));
}

#[tokio::test]
async fn a_name_that_holds_other_bytes_is_left_out() {
    let yard = Yard::new().await;
    let path = write(yard.folder.path(), "iOS/views.ndjson", lines(0..10));
    yard.compact(&path).await;
    write(yard.folder.path(), "iOS/views.ndjson", lines(0..11));
    let summary = yard.compact(&path).await;
    assert_eq!(summary, Summary { changed: 1, ..Summary::default() });
    assert!(!summary.is_complete());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_does_not_stop_the_others() {
    let yard = Yard::new().await;
    let broken = &super::inputs::gzip(lines(0..200).as_bytes())[..500];
    write(yard.folder.path(), "in/iOS/1.gz", broken);
    write(yard.folder.path(), "in/iOS/2.ndjson", lines(0..10));
    let summary = yard.compact(&yard.folder.path().join("in")).await;
    assert_eq!((summary.compacted, summary.failed, summary.is_complete()), (1, 1, false));
}

/// A trigger stands for the other one, who commits at the worst moment.
#[tokio::test]
async fn what_somebody_else_works_on_is_left_to_them_with_all_that_shares_its_commit() {
    let yard = Yard::new().await;
    for file in 0..3_u64 {
        write(yard.folder.path(), &format!("in/iOS/{file}.ndjson"), lines(file * 100..file * 100 + 50));
    }
    let path = yard.folder.path().join("in");
    let other = "CREATE FUNCTION work() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     UPDATE ingested_files SET committed_position = 7 WHERE path LIKE '%/1.ndjson';
                     RETURN NEW;
                 END $$;
                 CREATE TRIGGER work AFTER INSERT ON batches FOR EACH ROW EXECUTE FUNCTION work()";
    sqlx::raw_sql(other).execute(&yard.pool).await.unwrap();
    let said = Arc::<Said>::default();
    let summary = yard.compact_with(&path, &Shutdown::default(), &said).await.unwrap();
    assert_eq!(summary, Summary { left: 3, ..Summary::default() });
    assert!(said.notices.lock().unwrap()[0].contains("somebody else works on"));
    assert_eq!((yard.history().await.len(), yard.orphans().await, yard.ledger().await), (0, 0, (0, 0, 0, 0)));
    sqlx::raw_sql("DROP TRIGGER work ON batches").execute(&yard.pool).await.unwrap();
    let summary = yard.compact(&path).await;
    assert_eq!((summary.compacted, summary.is_complete(), yard.orphans().await), (3, true, 0));
}

/// What the one has begun, the other leaves; nothing is kept twice, and in the end all of it is.
#[tokio::test]
async fn two_at_once_keep_everything_once() {
    let mut yard = Yard::new().await;
    yard.limits.views = 20_000;
    for file in 0..6_u64 {
        let (first, count) = (file * 1000, if file == 2 { 2000 } else { 150 });
        write(yard.folder.path(), &format!("in/iOS/{file}.ndjson"), lines(first..first + count));
    }
    let path = yard.folder.path().join("in");
    let (one, other) = (Arc::<Said>::default(), Arc::<Said>::default());
    let shutdown = Shutdown::default();
    let (one, other) =
        tokio::join!(yard.compact_with(&path, &shutdown, &one), yard.compact_with(&path, &shutdown, &other));
    let (one, other) = (one.unwrap(), other.unwrap());
    let last = yard.compact(&path).await;
    assert_eq!(one.compacted + other.compacted + last.compacted, 6, "{one:?} {other:?} {last:?}");
    let ingested = Yard::new().await;
    ingested.ingest(&path, Again::Skip).await;
    assert_eq!(yard.history().await, ingested.table().await);
    assert_eq!(yard.ledger().await, ingested.ledger().await);
    assert_eq!(yard.orphans().await, 0);
}
