//! `check`, `ingest` and `import` as they are typed.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{Back, id, line, lines};
use crate::support::shop::{self, article, user};

impl Back {
    fn purser(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.env("DATABASE_URL", &self.rig.url).env("RUST_LOG", "off").args(arguments).output().unwrap()
    }

    /// What a command answers, and whether it succeeded.
    fn answer(&self, arguments: &[&str]) -> (String, bool) {
        let output = self.purser(arguments);
        assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.rig.pool()).await.unwrap();
    }
}

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

#[tokio::test]
async fn import_inserts_updates_and_leaves_out_what_is_wrong() {
    let back = Back::new().await;
    let users = json!([
        { "id_": user(1), "name": "Ann", "address": "9 New Rd\nReno, NV 89501", "number": "1", "email": "a@example.net" },
        { "id": user(5), "name": "Eve", "unknown": [1] },
        { "id": user(5), "name": "Eve again" },
        { "id": "nobody" },
    ]);
    let path = back.write("users.json", users.to_string());
    let output = back.purser(&["import", "users", path.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "users: 1 new, 1 updated, 1 wrong\n");
    assert!(!output.status.success());
    let remark = format!("{}:4: left out: id: not a uuid: nobody\n", path.display());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), remark);
    let found: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT name, address FROM users WHERE id = ANY($1) ORDER BY id")
            .bind([user(1), user(5)])
            .fetch_all(back.rig.pool())
            .await
            .unwrap();
    let ann = ("Ann".to_owned(), Some("9 New Rd\nReno, NV 89501".to_owned()));
    assert_eq!(found, [ann, ("Eve again".to_owned(), None)]);
}

#[tokio::test]
async fn import_leaves_columns_alone_that_a_file_does_not_have() {
    let back = Back::new().await;
    let path = back.write("prices.csv", format!("price;id;more\n13,5;{};x\n14.5;{};x\n", article(1), article(2)));
    let (answer, success) = back.answer(&["import", "articles", path.to_str().unwrap()]);
    assert_eq!((answer.as_str(), success), ("articles: 0 new, 1 updated, 1 wrong\n", false));
    let same = "SELECT count(*) FROM articles WHERE (name, price, currency) = ('Kaffekopp', 14.5, 'SEK')";
    assert_eq!(back.rig.number(same).await, 1);
}

/// As the tables of a producer that made them itself look, with and without a key.
#[tokio::test]
async fn import_takes_foreign_tables_as_they_are() {
    let back = Back::new().await;
    back.execute(
        "DROP TABLE users, articles;
         CREATE TABLE users (id varchar, name varchar(20), address text);
         CREATE TABLE articles (id varchar(36) PRIMARY KEY, name text, price double precision, currency varchar(3), stock int);
         INSERT INTO users SELECT '10000000-0000-4000-8000-000000000001', 'old' FROM generate_series(1, 2)",
    )
    .await;
    let users = back
        .write("users.csv", format!("id,name,email\n{},Ann,a@example.net\n{},Bob,b@example.net\n", user(1), user(2)));
    let (answer, success) = back.answer(&["import", "users", users.to_str().unwrap()]);
    assert_eq!((answer.as_str(), success), ("users: 1 new, 2 updated, 0 wrong\n", true));
    let articles = back.path("articles");
    for number in [1, 2] {
        let body = json!({ "id": article(number), "name": "Tea", "price": 44.53, "currency": "EUR" });
        back.write(&format!("articles/{number}.json"), body.to_string());
    }
    let import = || back.answer(&["import", "articles", articles.to_str().unwrap()]);
    assert_eq!(import(), ("articles: 2 new, 0 updated, 0 wrong\n".to_owned(), true));
    assert_eq!(import(), ("articles: 0 new, 2 updated, 0 wrong\n".to_owned(), true));
    assert_eq!(back.rig.number("SELECT count(*) FROM articles WHERE price = 44.53 AND stock IS NULL").await, 2);
    assert_eq!(back.rig.words([line(1)]).await, ["stored"]);
}
