//! The log of a running process.

use google_cloud_pubsub::model::Message;
use serde_json::{Value, json};
use uuid::Uuid;

use super::stop;
use crate::support::shop::purchase_with;
use crate::support::stack::{Stack, eventually};

/// Stands wherever senders write something.
const SECRET: &str = "swordfish";

/// Messages that hold the secret: good, bad, unreadable, in an attribute.
fn messages(good: &[u8]) -> Vec<Message> {
    let mut with_more: Value = serde_json::from_slice(good).unwrap();
    with_more["id_"] = json!(Uuid::now_v7());
    with_more["note"] = json!(SECRET);
    let id = Uuid::now_v7();
    let bodies = [
        with_more.to_string(),
        purchase_with(id, "timestamp", json!(SECRET)).to_string(),
        purchase_with(id, SECRET, json!(1)).to_string(),
        format!("{{\"id_\": {SECRET}"),
        "[]".to_owned(),
    ];
    let messages = bodies.into_iter().map(|body| Message::new().set_data(body));
    messages
        .map(|message| {
            message.set_attributes([("idempotency_key", Uuid::now_v7().to_string()), ("note", SECRET.to_owned())])
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_per_batch_and_nothing_that_was_sent() {
    let mut stack = Stack::new().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let token = format!("{SECRET}-token");
    let variables = [("RUST_LOG", "debug"), ("LOG_FORMAT", "json"), ("INGEST_TOKEN", token.as_str())];
    let (process, url) = stack.serve(&variables, log.path()).await;
    stack.publish(100).await;
    let good: Vec<u8> = stack.a_good_one().1;
    for message in messages(&good) {
        stack.publish_message(message).await;
    }
    let post = reqwest::Client::new().post(format!("{url}/events/purchase?note={SECRET}"));
    assert_eq!(post.body(SECRET).bearer_auth(&token).send().await.unwrap().status(), 400);
    let post = reqwest::Client::new().post(format!("{url}/events/purchase"));
    let post = post.body(purchase_with(Uuid::now_v7(), "cart", json!(SECRET)).to_string()).bearer_auth(&token);
    assert_eq!(post.send().await.unwrap().status(), 422);
    stack.acknowledged().await;
    stack.shipped().await;
    stop(process);

    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(!log.contains(SECRET), "{}", log.lines().find(|line| line.contains(SECRET)).unwrap());
    let addresses: Vec<String> =
        sqlx::query_scalar("SELECT address FROM users").fetch_all(stack.rig.pool()).await.unwrap();
    assert!(addresses.iter().all(|address| !log.contains(address.lines().next().unwrap())));

    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let batches: Vec<Value> = lines.filter(|line| line["target"] == "purser::batch").collect();
    let sum = |field: &str| batches.iter().map(|line| line[field].as_i64().unwrap()).sum::<i64>();
    let counts = ["received", "stored", "duplicate", "rejected", "ignored"].map(sum);
    let ledger: (i64, i64, i64, i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), sum(received)::int8, sum(stored)::int8, sum(duplicate)::int8, sum(rejected)::int8,
                sum(ignored)::int8
         FROM batches",
    )
    .fetch_one(stack.rig.pool())
    .await
    .unwrap();
    assert_eq!((batches.len() as i64, counts), (ledger.0, [ledger.1, ledger.2, ledger.3, ledger.4, ledger.5]));
    for line in &batches {
        assert_eq!(
            (&line["level"], &line["message"], &line["kind"]),
            (&json!("INFO"), &json!("committed"), &json!("purchase"))
        );
        assert!(line["source"].is_string() && line["milliseconds"].is_u64(), "{line}");
        let id: Uuid = line["batch"].as_str().unwrap().parse().unwrap();
        let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM batches WHERE id = $1)")
            .bind(id)
            .fetch_one(stack.rig.pool())
            .await
            .unwrap();
        assert!(known, "the line names the ledger's row");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_in_a_stage_names_stage_and_batch() {
    let mut stack = Stack::with_own_postgres().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let (process, _) = stack.serve(&[("LOG_FORMAT", "json")], log.path()).await;
    stack.postgres().stop_immediate().await.unwrap();
    stack.publish(10).await;
    let holding = async || {
        let log = std::fs::read_to_string(log.path()).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.into_iter().find(|line| line["message"] == "holding until it works again")
    };
    eventually("it says so", async || holding().await.is_some()).await;
    let line = holding().await.unwrap();
    let spans = line["spans"].as_array().unwrap();
    let names: Vec<&str> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["batch", "check_references"]);
    assert_eq!((&spans[0]["kind"], &spans[0]["source"]), (&json!("purchase"), &json!("pubsub")));
    assert!(spans[0]["id"].as_str().unwrap().parse::<Uuid>().is_ok());
    drop(process);
}
