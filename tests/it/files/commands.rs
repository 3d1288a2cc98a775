//! `check` and `ingest` as they are typed.

use std::process::Command;

use serde_json::{Value, json};

use super::{Back, id, line, lines};
use crate::support::shop::{self, article, user};

#[tokio::test]
async fn ingest_sums_up_and_succeeds_with_rejections() {
    let back = Back::new().await;
    let path = back.write("purchases.ndjson", lines(1..4) + "nonsense");
    let path = path.to_str().unwrap();
    let (answer, success) = back.answer(&["ingest", "purchase", path]);
    assert!(success && answer.contains("3 stored") && answer.contains("rejected, decode: 1"), "{answer}");
    let (answer, success) = back.answer(&["ingest", "purchase", path]);
    assert!(success && answer.contains("0 ingested, 1 already ingested"), "{answer}");
    assert!(!back.purser(&["ingest", "purchase", "/no/such/file"]).status.success());
    back.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn check_says_everything_and_writes_nothing() {
    let back = Back::new().await;
    let bad = shop::purchase_with(id(2), "cart", json!([{"article_id": article(999), "quantity": 0}]));
    let path = back.write("purchases.json", format!("[{},\n{bad}]", line(1)));
    let path = path.to_str().unwrap();
    let (answer, success) = back.answer(&["check", "purchase", path]);
    let expected = format!(
        "{path}:1: accepted\n{path}:2: rejected shape\n\
         \x20 range: /cart/0/quantity: expected a whole number from 1 to 1000000, found 0\n\
         \x20 unknown_article: /cart/0/article_id: expected the id of a row in articles, found {}\n",
        article(999)
    );
    assert_eq!((answer, success), (expected, false));

    let (answer, _) = back.answer(&["check", "purchase", "--json", path]);
    let verdicts: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts[0], json!({ "file": path, "record": 1, "verdict": "accepted", "errors": [] }));
    assert_eq!(
        (&verdicts[1]["reason"], &verdicts[1]["errors"][1]["code"]),
        (&json!("shape"), &json!("unknown_article"))
    );
    assert_eq!(
        back.rig.number("SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM ingested_files)").await,
        0
    );
}

#[tokio::test]
async fn records_of_a_large_file_are_numbered_through() {
    let back = Back::new().await;
    let path = back.write("purchases.ndjson", lines(1..3000) + "nonsense");
    let (answer, success) = back.answer(&["check", "purchase", path.to_str().unwrap()]);
    let last = format!("{}:3000: rejected decode", path.display());
    assert_eq!((answer.lines().rev().nth(1), success), (Some(last.as_str()), false));
}

#[tokio::test]
async fn check_without_a_database_leaves_references_out() {
    let back = Back::new().await;
    let path = back.write("purchase.json", shop::purchase_with(id(1), "user_id", json!(user(999))).to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    let output = command.env_remove("DATABASE_URL").args(["check", "purchase"]).arg(path).output().unwrap();
    let remarks = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && remarks.contains("references: not checked"), "{remarks}");
}
