//! One transaction decides everything about a batch, exactly once.

use serde_json::json;
use uuid::Uuid;

use crate::support::proxy::Proxy;
use crate::support::shop::{article, purchase, purchase_with, user};
use crate::support::{Accounts, Rig, delivery_with, stocked_database};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x3000_0000_0000_4000_8000_0000_0000_0000 + number)
}

#[tokio::test]
async fn a_purchase_is_stored_with_what_a_reader_needs() {
    let rig = Rig::new().await;
    assert_eq!(rig.words([purchase(id(1)).to_string()]).await, ["stored"]);
    type Line = (Option<String>, i16, Option<String>, i32, String, Option<String>, String);
    let lines: Vec<Line> = sqlx::query_as(
        "SELECT state, line, article_name, quantity, unit_price::text, currency, amount::text FROM sales ORDER BY line",
    )
    .fetch_all(rig.pool())
    .await
    .unwrap();
    let line = |number, name: &str, quantity, price: &str, currency: &str, amount: &str| {
        let text = |text: &str| Some(text.to_owned());
        (text("ID"), number, text(name), quantity, price.to_owned(), text(currency), amount.to_owned())
    };
    let expected = [line(1, "Tea\tpot", 2, "12.5", "USD", "25.0"), line(2, "Kaffekopp", 1, "99.9", "SEK", "99.9")];
    assert_eq!(lines, expected);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn an_event_counts_once_however_often_and_in_whatever_batch_it_comes() {
    let rig = Rig::new().await;
    let (one, two) = (purchase(id(1)).to_string(), purchase(id(2)).to_string());
    let changed = purchase_with(id(1), "user_id", json!(user(2))).to_string();
    assert_eq!(
        rig.words([&one, &one, &changed, &two].map(String::clone)).await,
        ["stored", "duplicate", "conflict", "stored"]
    );
    assert_eq!(rig.words([&changed, &one].map(String::clone)).await, ["conflict again", "duplicate"]);
    let expected = Accounts { stored: 2, duplicate: 3, rejected: 1, ignored: 0 };
    assert_eq!(rig.assert_accounts_agree().await, expected);
}

#[tokio::test]
async fn the_same_content_is_what_was_parsed_not_the_bytes() {
    let rig = Rig::new().await;
    let plain = purchase(id(1));
    let mut other_spelling = purchase_with(id(1), "timestamp", json!("2026-01-07T23:30:01.124316+01:00"));
    other_spelling["note"] = json!("unknown fields are no content");
    other_spelling["user_id"] = json!(user(1).to_string().to_uppercase());
    let words = rig.words([plain.to_string(), serde_json::to_string_pretty(&other_spelling).unwrap()]).await;
    assert_eq!(words, ["stored", "duplicate"]);
}

#[tokio::test]
async fn a_row_hashed_by_other_rules_is_compared_by_its_columns() {
    let rig = Rig::new().await;
    rig.words([purchase(id(1)).to_string()]).await;
    sqlx::query("UPDATE purchases SET hash_version = 0, content_hash = 'other'").execute(rig.pool()).await.unwrap();
    let changed = purchase_with(id(1), "user_id", json!(user(2)));
    assert_eq!(rig.words([purchase(id(1)), changed].map(|json| json.to_string())).await, ["duplicate", "conflict"]);
}

#[tokio::test]
async fn every_violation_stands_in_one_report() {
    let rig = Rig::new().await;
    let cart = json!([{"article_id": article(9), "quantity": -23}, "word", {"article_id": article(1), "quantity": 1}]);
    let mut broken = purchase_with(id(1), "cart", cart);
    broken["user_id"] = json!(user(9));
    assert_eq!(rig.words([broken.to_string()]).await, ["shape"]);
    let record: Vec<u8> =
        sqlx::query_scalar("SELECT record FROM dead_letter_outbox").fetch_one(rig.pool()).await.unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let errors: Vec<_> =
        record["errors"].as_array().unwrap().iter().map(|error| (&error["code"], &error["path"])).collect();
    assert_eq!(
        serde_json::to_value(errors).unwrap(),
        json!([
            ["range", "/cart/0/quantity"],
            ["wrong_type", "/cart/1"],
            ["unknown_user", "/user_id"],
            ["unknown_article", "/cart/0/article_id"],
        ])
    );
    assert_eq!(record["payload"]["data"], broken.to_string());
    assert_eq!(record["keys"], json!({"purchase_id": id(1), "user_id": user(9)}));
    assert_eq!(rig.number("SELECT count(*) FROM waiting").await, 0, "it is not only waiting for references");
}

#[tokio::test]
async fn a_row_that_postgres_refuses_does_not_sink_its_batch() {
    let rig = Rig::new().await;
    sqlx::query("ALTER TABLE purchase_items ADD CHECK (quantity <> 13)").execute(rig.pool()).await.unwrap();
    let quantity = |number: u128| if number % 7 == 3 { 13 } else { 1 };
    let payload = |number| {
        let cart = json!([{"article_id": article(1), "quantity": quantity(number)}]);
        purchase_with(id(number), "cart", cart).to_string()
    };
    let words = rig.words((0..40).map(payload)).await;
    for (number, word) in (0..).zip(&words) {
        assert_eq!(word, if quantity(number) == 13 { "database" } else { "stored" }, "{number}");
    }
    let expected = Accounts { stored: 34, duplicate: 0, rejected: 6, ignored: 0 };
    assert_eq!(rig.assert_accounts_agree().await, expected);
}

#[tokio::test]
async fn a_dead_letter_that_postgres_refuses_is_kept_as_its_bytes() {
    let rig = Rig::new().await;
    let picky = "ALTER TABLE dead_letter_outbox ADD CHECK (position('picky'::bytea IN record) = 0)";
    sqlx::query(picky).execute(rig.pool()).await.unwrap();
    let words = rig.words(["not json", "picky, not json"]).await;
    assert_eq!(words, ["decode", "database"]);
    let record: Vec<u8> = sqlx::query_scalar(
        "SELECT record FROM dead_letter_outbox JOIN dead_letters ON id = letter WHERE reason = 'database'",
    )
    .fetch_one(rig.pool())
    .await
    .unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let data = record["payload"]["data"].as_str().unwrap();
    assert_eq!(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data).unwrap(), b"picky, not json");
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_not_done_twice() {
    let database = stocked_database().await;
    let proxy = Proxy::start(database.url()).await;
    proxy.lose_commit_replies(1);
    let rig = Rig::on(&proxy.url);
    let words = rig.words([purchase(id(1)).to_string(), purchase(id(1)).to_string(), "broken".to_owned()]).await;
    assert_eq!(words, ["stored", "duplicate", "decode"], "the outcomes of the first attempt stand");
    assert_eq!(proxy.commit_replies_lost(), 1, "the proxy did something");
    let expected = Accounts { stored: 1, duplicate: 1, rejected: 1, ignored: 0 };
    assert_eq!(rig.assert_accounts_agree().await, expected);
    assert_eq!(rig.number("SELECT count(*) FROM batches").await, 1);
}

#[tokio::test]
async fn payloads_that_no_text_column_could_hold_become_dead_letters() {
    let rig = Rig::new().await;
    let payloads: [&[u8]; 5] = [b"\xff\xfe", b"{\"id_\":\"\\u0000\"}", b"", b"[[[[", &[b'['; 5000]];
    assert_eq!(rig.words(payloads.map(<[u8]>::to_vec)).await, ["decode", "shape", "decode", "decode", "decode"]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_small_message_does_not_grow_into_a_huge_dead_letter() {
    let rig = Rig::new().await;
    let hollow = |number| purchase_with(id(number), "cart", json!(vec![json!({}); 1000])).to_string();
    let words = rig.words((0..300).map(hollow)).await;
    assert!(words.iter().all(|word| word == "shape"));
    assert!(rig.number("SELECT max(octet_length(record))::int8 FROM dead_letter_outbox").await < 64 << 10);
    assert!(rig.number("SELECT count(*) FROM batches").await > 1, "the batch was cut");
    assert_eq!(rig.assert_accounts_agree().await.rejected, 300);
}

#[tokio::test]
async fn of_two_events_with_one_id_the_earlier_is_stored_however_the_batch_is_cut() {
    let rig = Rig::new().await;
    sqlx::query("ALTER TABLE purchase_items ADD CHECK (quantity <> 13)").execute(rig.pool()).await.unwrap();
    let refused = purchase_with(id(2), "cart", json!([{"article_id": article(1), "quantity": 13}]));
    let changed = purchase_with(id(1), "user_id", json!(user(2)));
    let words = rig.words([purchase(id(1)), refused, changed].map(|json| json.to_string())).await;
    assert_eq!(words, ["stored", "database", "conflict"]);
}

#[tokio::test]
async fn a_redelivered_rejection_is_the_same_dead_letter() {
    let rig = Rig::new().await;
    let broken = || delivery_with("pubsub:test:1".to_owned(), "not json".into(), chrono::Utc::now());
    rig.decide(vec![broken(), broken()]).await;
    rig.decide(vec![broken()]).await;
    let expected = Accounts { stored: 0, duplicate: 2, rejected: 1, ignored: 0 };
    assert_eq!(rig.assert_accounts_agree().await, expected);
}

#[tokio::test]
async fn concurrent_writers_of_the_same_purchases_store_each_once() {
    let rig = Rig::new().await;
    let payloads: Vec<String> = (0..200).map(|number| purchase(id(number)).to_string()).collect();
    let mut backwards = payloads.clone();
    backwards.reverse();
    let batches = [payloads.clone(), backwards.clone(), payloads, backwards];
    let words = futures::future::join_all(batches.map(|batch| rig.words(batch))).await;
    let stored = words.iter().flatten().filter(|word| *word == "stored").count();
    assert_eq!(stored, 200);
    let expected = Accounts { stored: 200, duplicate: 600, rejected: 0, ignored: 0 };
    assert_eq!(rig.assert_accounts_agree().await, expected);
}

#[tokio::test]
async fn rollups_agree_with_rows_over_many_periods() {
    let rig = Rig::new().await;
    let payloads: Vec<String> = (0..300)
        .map(|number: u128| {
            let month = 1 + number % 12;
            let mut purchase = purchase_with(
                id(number),
                "timestamp",
                json!(format!("2025-{month:02}-{:02}T{:02}:59:59.999999Z", 1 + number % 28, number % 24)),
            );
            purchase["user_id"] = json!(user(1 + number % 4));
            let line = |line: u128| json!({"article_id": article(1 + (number + line) % 3), "quantity": 1 + line});
            purchase["cart"] = (0..1 + number % 5).map(line).collect();
            purchase.to_string()
        })
        .collect();
    for batch in payloads.chunks(70) {
        rig.words(batch.iter().cloned()).await;
    }
    assert_eq!(rig.assert_accounts_agree().await.stored, 300);
}
