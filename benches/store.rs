//! What the full write of purchases (rows, lines, rollups, ledger, idempotent) costs, as a ratio to a
//! plain `COPY` of the same purchases and lines into identical tables, interleaved in one run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{Database, cores, median, payloads, per_second, shop, store_all};
use chrono::Utc;
use purser::events::Purchase;
use purser::pipeline::copy::BinaryCopy;
use purser_producer::Shop;
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

const PURCHASES: usize = 100_000;
const BATCH: usize = 5000;
const ROUNDS: usize = 5;

pub async fn run() {
    let shop = shop();
    let database = Database::start(&shop).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE copied_purchases (LIKE purchases INCLUDING ALL);
         CREATE TABLE copied_items (LIKE purchase_items INCLUDING ALL);",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let payloads = payloads(&shop, 7, 0.0, PURCHASES);
    let rows = Arc::new(rows(&shop, &payloads));
    println!("{PURCHASES} purchases, {BATCH} a transaction, {ROUNDS} rounds, {} cores, fsync on", cores());
    for writers in [1, 4] {
        let (mut copies, mut stores, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            database.clear().await.unwrap();
            sqlx::raw_sql("TRUNCATE copied_purchases, copied_items; CHECKPOINT").execute(&database.pool).await.unwrap();
            let copied = per_second(PURCHASES, copy_all(&database.pool, &rows, writers).await);
            database.clear().await.unwrap();
            let stored =
                per_second(PURCHASES, store_all::<Purchase>(&database.pipeline(), &payloads, BATCH, writers).await);
            copies.push(copied);
            stores.push(stored);
            ratios.push(stored / copied);
        }
        let (copied, stored) = (median(copies), median(stores));
        println!(
            "{writers} writers: COPY {copied:.0}/s, full write {stored:.0}/s, ratio {:.2} (rounds {:.2?})",
            median(ratios.clone()),
            ratios
        );
    }
    database.stop().await.unwrap();
}

struct CopiedRow {
    id: Uuid,
    user_id: Uuid,
    state: Option<String>,
    lines: Vec<(Uuid, String, i32, Decimal, String)>,
}

/// What the pipeline makes of the payloads, without the pipeline.
fn rows(shop: &Shop, payloads: &[bytes::Bytes]) -> Vec<CopiedRow> {
    let uuid = |value: &Value| value.as_str().unwrap().parse::<Uuid>().unwrap();
    let row = |payload: &bytes::Bytes| {
        let purchase: Value = serde_json::from_slice(payload).unwrap();
        let line = |line: &Value| {
            let id = uuid(&line["article_id"]);
            let article = shop.articles().iter().find(|article| article.id == id).unwrap();
            let quantity = line["quantity"].as_i64().unwrap() as i32;
            (id, article.name.clone(), quantity, article.price, article.currency.code().to_owned())
        };
        CopiedRow {
            id: uuid(&purchase["id_"]),
            user_id: uuid(&purchase["user_id"]),
            state: Some("XX".to_owned()),
            lines: purchase["cart"].as_array().unwrap().iter().map(line).collect(),
        }
    };
    payloads.iter().map(row).collect()
}

async fn copy_all(pool: &PgPool, rows: &Arc<Vec<CopiedRow>>, writers: usize) -> Duration {
    let start = Instant::now();
    let copying = (0..writers).map(|writer| {
        let (pool, rows) = (pool.clone(), Arc::clone(rows));
        tokio::spawn(async move {
            for rows in rows.chunks(BATCH).skip(writer).step_by(writers) {
                let mut tx = pool.begin().await.unwrap();
                copy_purchases(&mut tx, rows).await;
                copy_items(&mut tx, rows).await;
                tx.commit().await.unwrap();
            }
        })
    });
    for writer in copying.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    start.elapsed()
}

async fn copy_purchases(conn: &mut sqlx::PgConnection, rows: &[CopiedRow]) {
    let mut copy = BinaryCopy::new(7);
    let now = Utc::now();
    for row in rows {
        copy.row().value(row.id).unwrap().value(now).unwrap().value(now).unwrap().value(row.user_id).unwrap();
        copy.value(&row.state).unwrap().value([7_u8; 16].as_slice()).unwrap().value(1_i16).unwrap();
    }
    copy.send(conn, "COPY copied_purchases FROM STDIN (FORMAT binary)").await.unwrap();
}

async fn copy_items(conn: &mut sqlx::PgConnection, rows: &[CopiedRow]) {
    let mut copy = BinaryCopy::new(7);
    for row in rows {
        for (number, (id, name, quantity, price, currency)) in (1_i16..).zip(&row.lines) {
            copy.row().value(row.id).unwrap().value(number).unwrap().value(id).unwrap().value(name).unwrap();
            copy.value(quantity).unwrap().value(price).unwrap().value(currency).unwrap();
        }
    }
    copy.send(conn, "COPY copied_items FROM STDIN (FORMAT binary)").await.unwrap();
}
