//! Events as CSV: a row is an event whose fields are the columns.

use purser::intake::files::{Again, Summary};
use purser::pipeline::verdict::Reason;
use serde_json::{Value, json};

use super::{Back, id};
use crate::support::shop::user;

/// Two purchases, whose carts are texts, and a row that lacks cells.
fn rows() -> String {
    let cart = r#""[{""article_id"":""x""}]""#;
    let row = |number: u128| format!("{};2026-01-07T22:30:01;{};;{cart}\r\n", id(number), user(1));
    format!("\u{feff}id_;timestamp;user_id;note;cart\r\n{}{};{}\r\n{}", row(1), id(2), user(1), row(3))
}

impl Back {
    async fn payloads(&self) -> Vec<(u64, String)> {
        let records: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT record FROM dead_letter_outbox").fetch_all(self.rig.pool()).await.unwrap();
        let record = |record: Vec<u8>| {
            let record: Value = serde_json::from_slice(&record).unwrap();
            (record["source"]["record"].as_u64().unwrap(), record["payload"]["data"].as_str().unwrap().to_owned())
        };
        let mut payloads: Vec<(u64, String)> = records.into_iter().map(record).collect();
        payloads.sort_unstable_by_key(|(record, _)| *record);
        payloads
    }
}

#[tokio::test]
async fn a_row_is_an_event_and_can_be_replayed_as_one() {
    let mut back = Back::new().await;
    let path = back.write("purchases.csv", rows());
    let counts = back.counts(&path).await;
    assert_eq!(counts.rejected, [(Reason::Shape, 3)].into());
    let event = |number: u128| {
        let (id, user, cart) = (id(number), user(1), r#""[{\"article_id\":\"x\"}]""#);
        format!(r#"{{"id_":"{id}","timestamp":"2026-01-07T22:30:01","user_id":"{user}","cart":{cart}}}"#)
    };
    let payloads = [(1, event(1)), (2, json!([id(2), user(1)]).to_string()), (3, event(3))];
    assert_eq!(back.payloads().await, payloads);
    back.rig.assert_accounts_agree().await;

    let packed = back.write("packed", zstd::encode_all(rows().as_bytes(), 1).unwrap());
    let summary = back.ingest(packed.to_str().unwrap(), Again::Skip).await.unwrap();
    assert_eq!(summary, Summary { already: 1, ..Summary::default() });

    // The payload of a dead letter is the same event.
    let replayed = back.write("again.json", &payloads[0].1);
    assert_eq!(back.counts(&replayed).await.rejected_before, [(Reason::Shape, 1)].into());
}

#[tokio::test]
async fn rows_are_numbered_and_resumed_as_records_are() {
    let mut back = Back::new().await;
    let path = back.write("purchases.csv", rows());
    let (answer, success) = back.answer(&["check", "purchase", path.to_str().unwrap()]);
    let wrong: Vec<&str> = answer.lines().filter(|line| line.starts_with('/')).collect();
    let rejected = |number: u32| format!("{}:{number}: rejected shape", path.display());
    assert_eq!((wrong, success), ([1, 2, 3].map(rejected).iter().map(String::as_str).collect(), false));
    assert!(answer.contains("wrong_type: the event: expected a purchase, found an array of 2"), "{answer}");

    back.counts(&path).await;
    let forget = "UPDATE ingested_files SET committed_position = 2, finished_at = NULL";
    sqlx::query(forget).execute(back.rig.pool()).await.unwrap();
    let summary = back.ingest(path.to_str().unwrap(), Again::Skip).await.unwrap();
    assert_eq!(summary.counts.rejected_before, [(Reason::Shape, 1)].into());
}
