//! Files into the database, each content once.

use std::collections::BTreeMap;
use std::io::Write as _;

use purser::intake::files::{Again, Counts, Summary};
use purser::pipeline::verdict::Reason;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Back, id, line, lines};
use crate::support::shop;

fn stored(stored: u64) -> Counts {
    Counts { stored, ..Counts::default() }
}

fn rejected<const N: usize>(reasons: [(Reason, u64); N]) -> BTreeMap<Reason, u64> {
    reasons.into()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Three good ones, one of an unknown user, one with a bad quantity, and a line of nonsense.
fn mixed() -> [String; 6] {
    let unknown = shop::purchase_with(id(4), "user_id", json!(shop::user(999))).to_string();
    let bad = shop::purchase_with(id(5), "cart", json!([{"article_id": shop::article(1), "quantity": -1}])).to_string();
    [line(1), unknown, line(2), bad, "nonsense".to_owned(), line(3)]
}

#[tokio::test]
async fn every_record_is_a_row_or_a_dead_letter_and_a_second_time_nothing() {
    let mut back = Back::new().await;
    let path = back.write("purchases.ndjson", mixed().join("\r\n"));
    let reasons = rejected([(Reason::Decode, 1), (Reason::Shape, 1), (Reason::Reference, 1)]);
    assert_eq!(back.counts(&path).await, Counts { rejected: reasons, ..stored(3) });
    let accounts = back.rig.assert_accounts_agree().await;
    assert_eq!((accounts.stored, accounts.rejected), (3, 3));

    let summary = back.ingest(path.to_str().unwrap(), Again::Skip).await.unwrap();
    assert_eq!(summary, Summary { already: 1, ..Summary::default() });
    assert_eq!(back.notices(), format!("{}: already ingested", path.display()));
    let finished =
        "SELECT count(*) FROM ingested_files WHERE finished_at IS NOT NULL AND committed_position = 6 AND records = 6";
    assert_eq!(back.rig.number(finished).await, 1);
    assert_eq!(back.rig.number("SELECT count(*) FROM batches WHERE source <> 'file'").await, 0);
}

#[tokio::test]
async fn a_dead_letter_says_which_record_of_which_file_it_was() {
    let mut back = Back::new().await;
    let path = back.write("purchases.ndjson", mixed().join("\n"));
    back.counts(&path).await;
    let (delivery, record): (String, Vec<u8>) = sqlx::query_as(
        "SELECT delivery_id, record FROM dead_letters JOIN dead_letter_outbox ON letter = id WHERE reason = 'decode'",
    )
    .fetch_one(back.rig.pool())
    .await
    .unwrap();
    let sha256: String =
        Sha256::digest(std::fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(delivery, format!("file:{sha256}#4"));
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["source"], json!({ "intake": "file", "object": path.to_str(), "record": 5 }));
    assert_eq!(record["payload"]["data"], "nonsense");
}

#[tokio::test]
async fn the_same_events_in_another_form_are_duplicates() {
    let mut back = Back::new().await;
    let plain = back.write("purchases.ndjson", lines(1..4));
    assert_eq!(back.counts(&plain).await, stored(3));
    let array = back.write("purchases.json", format!("\u{feff}[\n{}]", lines(1..4).trim_end().replace('\n', ",\n")));
    assert_eq!(back.counts(&array).await, Counts { duplicate: 3, ..Counts::default() });

    let packed = back.write("purchases.gz", gzip(&lines(1..4)));
    assert_eq!(back.counts(&packed).await, Counts::default());
    assert_eq!(back.notices(), format!("{}: already ingested, as {}", packed.display(), plain.display()));
    let packed = back.write("packed", zstd::encode_all(lines(4..9).as_bytes(), 1).unwrap());
    assert_eq!(back.counts(&packed).await, stored(5));
    back.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_folder_is_read_whole_without_what_is_hidden() {
    let mut back = Back::new().await;
    back.write("2/b.json", line(1));
    back.write("2/a.json", serde_json::to_string_pretty(&shop::purchase(id(2))).unwrap());
    back.write("1.json", line(3));
    back.write("same-as-1.json", line(3));
    back.write("empty.json", "");
    back.write(".hidden/c.json", line(4));
    back.write(".d.json", line(5));
    let folder = back.folder.path().to_owned();
    let summary = back.ingest(folder.to_str().unwrap(), Again::Skip).await.unwrap();
    assert_eq!(summary, Summary { ingested: 4, already: 1, counts: stored(3), ..Summary::default() });
    let url = format!("file://{}", folder.display());
    let summary = back.ingest(&url, Again::Skip).await.unwrap();
    assert_eq!(summary, Summary { already: 5, ..Summary::default() });
    back.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_path_that_holds_other_bytes_is_told_and_ingested() {
    let mut back = Back::new().await;
    let path = back.write("purchases.ndjson", lines(1..3));
    back.counts(&path).await;
    assert_eq!(back.notices(), "");
    back.write("purchases.ndjson", lines(1..4));
    assert_eq!(back.counts(&path).await, Counts { duplicate: 2, ..stored(1) });
    assert_eq!(back.notices(), format!("{}: held other bytes when it was ingested before", path.display()));
}

#[tokio::test]
async fn judging_again_counts_nothing_twice_and_keeps_the_publish_time() {
    let mut back = Back::new().await;
    let path = back.write("purchases.ndjson", mixed().join("\n"));
    back.counts(&path).await;
    let before = rejected([(Reason::Decode, 1), (Reason::Shape, 1), (Reason::Reference, 1)]);
    let again = back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
    let expected = Counts { duplicate: 3, rejected_before: before, ..Counts::default() };
    assert_eq!(again, Summary { ingested: 1, counts: expected, ..Summary::default() });
    back.rig.assert_accounts_agree().await;

    // What was published in 2020 cannot have happened in 2026.
    sqlx::query("UPDATE ingested_files SET first_ingested_at = '2020-01-01'").execute(back.rig.pool()).await.unwrap();
    let again = back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
    assert_eq!((again.counts.duplicate, again.counts.rejected.get(&Reason::Shape)), (0, Some(&3)));
    back.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_record_that_is_too_large_stays_in_its_file() {
    let mut back = Back::new().await;
    back.rig.pipeline.max_event_bytes = 1000;
    let large = shop::purchase_with(id(2), "note", json!("x".repeat(5000))).to_string();
    let path = back.write("purchases.ndjson", format!("{}\n{large}\n{}", line(1), line(3)));
    let expected = Counts { rejected: rejected([(Reason::Oversize, 1)]), ..stored(2) };
    assert_eq!(back.counts(&path).await, expected);
    let (record, payload): (Vec<u8>, Option<Vec<u8>>) =
        sqlx::query_as("SELECT record, payload FROM dead_letter_outbox").fetch_one(back.rig.pool()).await.unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let sha256: String = Sha256::digest(&large).iter().map(|byte| format!("{byte:02x}")).collect();
    let data = format!("{}#2", path.display());
    let reference = json!({ "encoding": "reference", "data": data, "bytes": large.len(), "sha256": sha256 });
    assert_eq!((&record["payload"], payload), (&reference, None));
    assert_eq!(record["errors"][0]["actual"], format!("{} bytes", large.len()));
    back.rig.assert_accounts_agree().await;

    let again = back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
    assert_eq!(again.counts.rejected_before, rejected([(Reason::Oversize, 1)]));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_does_not_stop_the_others() {
    let mut back = Back::new().await;
    let broken = back.write("1.gz", &gzip(&lines(1..100))[..200]);
    back.write("2.json", line(1));
    let folder = back.folder.path().to_owned();
    let summary = back.ingest(folder.to_str().unwrap(), Again::Skip).await.unwrap();
    assert_eq!(summary, Summary { ingested: 1, failed: 1, counts: stored(1), ..Summary::default() });
    assert!(back.notices().starts_with(&format!("{}: cannot be read: ", broken.display())), "{}", back.notices());
    let missing = back.path("missing.json");
    back.ingest(missing.to_str().unwrap(), Again::Skip).await.unwrap_err();
}

#[tokio::test]
async fn a_url_is_read_as_a_file_is() {
    let mut back = Back::new().await;
    let packed = gzip(&lines(1..500));
    let route = axum::routing::get(move || std::future::ready(packed.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/some/purchases.ndjson.gz", listener.local_addr().unwrap());
    let server = axum::Router::new().route("/some/purchases.ndjson.gz", route);
    tokio::spawn(async move { axum::serve(listener, server).await });
    let summary = back.ingest(&url, Again::Skip).await.unwrap();
    assert_eq!(summary, Summary { ingested: 1, counts: stored(499), ..Summary::default() });
    let objects = format!("SELECT count(*) FROM ingested_files WHERE path = '{url}'");
    assert_eq!(sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(objects)).fetch_one(back.rig.pool()).await.unwrap(), 1);
    let summary = back.ingest(&url.replace("purchases", "none"), Again::Skip).await.unwrap();
    assert_eq!(summary, Summary { failed: 1, ..Summary::default() });
}
