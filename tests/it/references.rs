//! The reference tables may be a foreign producer's, of other types, and come and go.

use std::time::Duration;

use chrono::Utc;
use purser::events::Kind;
use purser::intake::Source;
use purser::pipeline::worker::BatchLimits;
use purser::telemetry::Dependency;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::support::shop::{article, purchase, purchase_with, user};
use crate::support::{Rig, delivery_with};

const FOREIGN: &str = "
    DROP TABLE users, articles;
    CREATE TABLE users (id varchar PRIMARY KEY, name varchar, address varchar, number varchar, email varchar);
    CREATE TABLE articles (id varchar PRIMARY KEY, name varchar, price double precision, currency varchar);";

async fn run(rig: &Rig, sql: &'static str) {
    sqlx::raw_sql(sql).execute(rig.pool()).await.unwrap();
}

/// Users and articles with varchar ids and prices in double precision.
async fn make_foreign(rig: &Rig) {
    run(rig, FOREIGN).await;
    let insert = sqlx::query("INSERT INTO users (id, address) VALUES ($1, 'PSC 1, Box 2\nAPO AE 09012')");
    insert.bind(user(1).to_string()).execute(rig.pool()).await.unwrap();
    for (number, price) in [(1, 44.53), (2, 1e300), (3, f64::NAN)] {
        let insert = sqlx::query("INSERT INTO articles VALUES ($1, 'Theirs', $2, 'EUR')");
        insert.bind(article(number).to_string()).bind(price).execute(rig.pool()).await.unwrap();
    }
}

#[tokio::test]
async fn tables_of_other_types_drop_and_come_back_while_we_run() {
    let rig = Rig::new().await;
    assert_eq!(rig.words([purchase(Uuid::now_v7()).to_string()]).await, ["stored"]);
    make_foreign(&rig).await;
    // What was seen a moment ago is still believed; what was not is asked of the new tables.
    let other = purchase_with(Uuid::now_v7(), "cart", json!([{"article_id": article(3), "quantity": 1}]));
    assert_eq!(rig.words([other.to_string()]).await, ["stored"]);
    let later = Rig::on(&rig.url);
    let cart: Vec<_> = (1..=3).map(|number| json!({"article_id": article(number), "quantity": 2})).collect();
    assert_eq!(later.words([purchase_with(Uuid::now_v7(), "cart", json!(cart)).to_string()]).await, ["stored"]);
    let amounts: Vec<Option<String>> = sqlx::query_scalar(
        "SELECT amount::text FROM sales WHERE state = 'AE' AND article_name = 'Theirs' ORDER BY line",
    )
    .fetch_all(later.pool())
    .await
    .unwrap();
    assert_eq!(amounts, [Some("89.06".to_owned()), None, None], "what is no amount of money has none");
    later.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_missing_table_is_the_worlds_fault_and_waited_for() {
    let rig = Rig::new().await;
    run(&rig, "DROP TABLE users").await;
    let (sender, receiver) = mpsc::channel(1);
    let (delivery, mut reply) =
        delivery_with("test".to_owned(), purchase(Uuid::now_v7()).to_string().into(), Utc::now());
    sender.send(delivery).await.unwrap();
    drop(sender);
    let kind = Kind::named("purchase").unwrap();
    let worker = tokio::spawn(kind.decide(rig.pipeline.clone(), Source::PubSub, receiver, BatchLimits::default()));
    crate::support::stack::eventually("it holds", async || rig.pipeline.metrics.holding(Dependency::Postgres) == 1)
        .await;
    assert!(reply.try_recv().is_err(), "nothing was decided");
    let mut tx = rig.pool().begin().await.unwrap();
    sqlx::raw_sql("CREATE TABLE users (id varchar, address varchar)").execute(&mut *tx).await.unwrap();
    let insert = sqlx::query("INSERT INTO users VALUES ($1, 'nowhere')");
    insert.bind(user(1).to_string()).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), worker).await.unwrap().unwrap().unwrap();
    assert_eq!(crate::support::word(&reply.await.unwrap()), "stored");
}

#[tokio::test]
async fn an_unknown_id_is_always_asked_for_again() {
    let rig = Rig::new().await;
    let by_nine = |id: Uuid| purchase_with(id, "user_id", json!(user(9))).to_string();
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(rig.words([by_nine(first)]).await, ["reference"]);
    let waiting: (String, String) =
        sqlx::query_as("SELECT reference_table, reference_id FROM waiting").fetch_one(rig.pool()).await.unwrap();
    assert_eq!(waiting, ("users".to_owned(), user(9).to_string()));
    sqlx::query("INSERT INTO users (id) VALUES ($1)").bind(user(9)).execute(rig.pool()).await.unwrap();
    assert_eq!(rig.words([by_nine(second)]).await, ["stored"]);
}

#[tokio::test]
async fn what_is_stored_stays_a_duplicate_when_its_rows_have_gone() {
    let rig = Rig::new().await;
    let (stored, changed) = (Uuid::now_v7(), json!("2026-01-08T00:00:00Z"));
    assert_eq!(rig.words([purchase(stored).to_string()]).await, ["stored"]);
    run(&rig, "DELETE FROM users").await;
    let later = Rig::on(&rig.url);
    let again = [purchase(stored), purchase_with(stored, "timestamp", changed), purchase(Uuid::now_v7())];
    assert_eq!(later.words(again.map(|json| json.to_string())).await, ["duplicate", "reference", "reference"]);
    later.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_currency_that_is_none_does_not_stop_the_rollups() {
    let rig = Rig::new().await;
    run(&rig, "UPDATE articles SET currency = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) n)")
        .await;
    assert_eq!(rig.words([purchase(Uuid::now_v7()).to_string()]).await, ["stored"]);
    assert_eq!(rig.number("SELECT count(*) FROM sales WHERE currency IS NULL").await, 2);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn migrations_leave_a_foreign_producers_tables_alone() {
    let database = private_postgres::testing::database().await;
    let rig = Rig::on(database.url());
    run(&rig, &FOREIGN["\n    DROP TABLE users, articles;".len()..]).await;
    let others = "CREATE TABLE shoppers (user_id varchar); CREATE TABLE orders (id varchar, status varchar);
                  CREATE TABLE order_items (id varchar);";
    run(&rig, others).await;
    let migrations = (0..4).map(|_| purser::database::migrate(rig.pool()));
    for migrated in futures::future::join_all(migrations).await {
        migrated.unwrap();
    }
    let keys = "SELECT count(*) FROM information_schema.columns
                WHERE column_name IN ('id', 'user_id') AND data_type = 'character varying'";
    assert_eq!(rig.number(keys).await, 5);
    run(&rig, "DROP TABLE users, articles, shoppers, orders, order_items").await;
    assert_eq!(purser::database::schema(rig.pool()).await.unwrap(), purser::database::Schema::Current);
}
