//! What the full write of clicks (rows, sessions, ledger, idempotent) costs, as a ratio to a plain `COPY` of the
//! same clicks into an identical table, interleaved in one run: for clicks that come in order of time, and for
//! clicks that come in none.

use std::time::{Duration, Instant};

use crate::common::{Database, cores, median, per_second, shop, store_all};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use purser::events::ClickEvent;
use purser::pipeline::copy::BinaryCopy;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use sqlx::PgPool;

const CLICKS: usize = 200_000;
/// One click in so many is of a customer, each of whom has some sixty.
const LOGGED_IN: u32 = 3;
const CUSTOMERS: usize = CLICKS / 3 / 60;
const BATCH: usize = 5000;
const ROUNDS: usize = 5;

pub async fn run() {
    let database = Database::start(&shop()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE copied_clicks (LIKE click_events INCLUDING ALL)")
        .execute(&database.pool)
        .await
        .unwrap();
    println!("{CLICKS} clicks, {BATCH} a transaction, {ROUNDS} rounds, {} cores, fsync on", cores());
    let ordered = clicks();
    let mut shuffled = ordered.clone();
    shuffled.shuffle(&mut StdRng::seed_from_u64(1));
    for (order, clicks) in [("in order", &ordered), ("in no order", &shuffled)] {
        let payloads: Vec<Bytes> = clicks.iter().map(|click| click.to_string().into()).collect();
        for writers in [1, 4] {
            let (mut copies, mut stores) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                clear(&database.pool).await;
                copies.push(per_second(CLICKS, copy_all(&database.pool, clicks).await));
                clear(&database.pool).await;
                stores.push(per_second(
                    CLICKS,
                    store_all::<ClickEvent>(&database.pipeline(), &payloads, BATCH, writers).await,
                ));
            }
            let (copied, stored) = (median(copies), median(stores));
            println!(
                "{order}, {writers} writers: COPY {copied:.0}/s, full write {stored:.0}/s, ratio {:.2}",
                stored / copied
            );
        }
    }
    let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&database.pool).await.unwrap();
    println!("they make {sessions} sessions of {CUSTOMERS} customers");
    database.stop().await.unwrap();
}

async fn clear(pool: &PgPool) {
    let clear = "TRUNCATE click_events, click_sessions, session_customers, copied_clicks, batches; CHECKPOINT";
    sqlx::raw_sql(clear).execute(pool).await.unwrap();
}

/// In order of time: visits of a dozen clicks, and in between clicks of people who are not logged in.
fn clicks() -> Vec<Value> {
    let mut random = StdRng::seed_from_u64(7);
    let start: DateTime<Utc> = "2026-05-01T00:00:00Z".parse().unwrap();
    let mut visits: Vec<(usize, i64)> = Vec::new();
    let mut clicks: Vec<(i64, Value)> = (0..CLICKS)
        .map(|id| {
            if visits.is_empty() || random.random_ratio(1, 12) {
                visits.push((random.random_range(0..CUSTOMERS), random.random_range(0..30 * 86_400)));
            }
            let (customer, second) = visits
                .last_mut()
                .map(|(customer, second)| {
                    *second += random.random_range(5..300);
                    (*customer, *second)
                })
                .unwrap();
            let logged_in = random.random_ratio(1, LOGGED_IN);
            let second = if logged_in { second } else { random.random_range(0..30 * 86_400) };
            (second, click(id, logged_in.then_some(customer), start + TimeDelta::seconds(second)))
        })
        .collect();
    clicks.sort_by_key(|(second, _)| *second);
    clicks.into_iter().map(|(_, click)| click).collect()
}

fn click(id: usize, customer: Option<usize>, timestamp: DateTime<Utc>) -> Value {
    let referrer = id.is_multiple_of(10).then(|| format!("https://site{}.example/", id % 97));
    json!({"id": id, "type": if id.is_multiple_of(70) { "placed_order" } else { "page_view" }, "event": {
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
        "ip": "203.0.113.7", "customer-id": customer, "timestamp": timestamp,
        "page": format!("https://shop.example/products/{}", id % 1000), "referrer": referrer,
    }})
}

/// What the pipeline makes of the clicks, without the pipeline, and by one writer.
async fn copy_all(pool: &PgPool, clicks: &[Value]) -> Duration {
    let batches: Vec<BinaryCopy> = clicks.chunks(BATCH).map(rows).collect();
    let columns = "id, type, customer_id, occurred_at, received_at, event, content_hash, hash_version";
    let statement = format!("COPY copied_clicks ({columns}) FROM STDIN (FORMAT binary)");
    let mut conn = pool.acquire().await.unwrap();
    let start = Instant::now();
    for batch in batches {
        batch.send(&mut conn, &statement).await.unwrap();
    }
    start.elapsed()
}

fn rows(clicks: &[Value]) -> BinaryCopy {
    let mut copy = BinaryCopy::new(8);
    for click in clicks {
        let event = &click["event"];
        let occurred_at: DateTime<Utc> = event["timestamp"].as_str().unwrap().parse().unwrap();
        copy.row().value(click["id"].to_string()).unwrap().value(click["type"].as_str()).unwrap();
        copy.value(event["customer-id"].as_i64().map(|id| id.to_string())).unwrap().value(occurred_at).unwrap();
        copy.value(occurred_at).unwrap().json(&event.to_string()).unwrap();
        copy.value([7_u8; 16].as_slice()).unwrap().value(1_i16).unwrap();
    }
    copy
}
