//! How fast orders are stored in bulk, and how long the questions about a million of them take, beside the
//! least that any answer could do: counting the orders of the same period.

use std::time::Instant;

use crate::common::{Database, cores, deliveries, median, per_second, shop};
use bytes::Bytes;
use purser::events::Kind;
use purser::intake::Source;
use purser::pipeline::Pipeline;
use purser::pipeline::worker::BatchLimits;
use tokio::sync::mpsc;

const ORDERS: usize = 1_000_000;
const CUSTOMERS: usize = 300_000;
const DAYS: usize = 730;
const PROVINCES: usize = 60;
const CALLS: usize = 15;
const MONTH: &str = "start_date=2024-05-01&end_date=2024-05-31";
const ALL: &str = "start_date=2000-01-01";

pub async fn run() {
    let database = Database::start(&shop()).await.unwrap();
    let (service, stopping) = crate::ab_http::service(&database).await;
    println!(
        "{ORDERS} orders, {CUSTOMERS} customers, {DAYS} days, {PROVINCES} provinces, {CALLS} calls each, {} cores",
        cores()
    );
    let started = Instant::now();
    store(&database.pipeline()).await;
    println!("stored {:.0} orders/s", per_second(ORDERS, started.elapsed()));
    sqlx::raw_sql("VACUUM ANALYZE order_events").execute(&database.pool).await.unwrap();
    for (name, from, to, period) in
        [("a month", "2024-05-01", "2024-06-01", MONTH), ("all", "2000-01-01", "2100-01-01", ALL)]
    {
        println!("{name}: counting takes {:.0} ms", count(&database, from, to).await);
        for question in [
            "/customers/top",
            "/customers/top?marketing=true",
            "/orders/value",
            "/orders/value?mode=DAY",
            "/sales/province",
            "/sales/province?province=province 7",
        ] {
            let joined = if question.contains('?') { '&' } else { '?' };
            println!("{name}: {question} takes {:.0} ms", ask(&service, &format!("{question}{joined}{period}")).await);
        }
    }
    for question in ["/", "/?limit=1000"] {
        println!("{question} takes {:.1} ms", ask(&service, question).await);
    }
    stopping.stop();
    database.stop().await.unwrap();
}

async fn store(pipeline: &Pipeline) {
    let (sender, receiver) = mpsc::channel(10_000);
    let sending = tokio::spawn(async move {
        for start in (0..ORDERS).step_by(10_000) {
            let payloads: Vec<Bytes> = (start..start + 10_000).map(payload).collect();
            for delivery in deliveries(&payloads) {
                sender.send(delivery).await.unwrap();
            }
        }
    });
    let kind = Kind::named("order").unwrap();
    kind.decide(pipeline.clone(), Source::File, receiver, BatchLimits::default()).await.unwrap();
    sending.await.unwrap();
}

/// As large as a real one. Some customers order much more often than others; orders come in the order of time.
fn payload(number: usize) -> Bytes {
    let random = |salt: usize| (number + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let user = random(1) % (1 + random(2) % CUSTOMERS);
    let currency = ["USD", "USD", "USD", "USD", "USD", "USD", "USD", "USD", "CAD", "GBP"][random(3) % 10];
    let (day, second) = (number * DAYS / ORDERS, random(4) % 86_400);
    let date = chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + chrono::Days::new(day as u64);
    let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let address = format!(
        r#"{{"first_name":"dan","last_name":"dyer","address1":"{second} Main St","address2":"","city":"Boise","province":"Province {}","country":"United States","zip":"83702","phone":"208-860-6879"}}"#,
        random(5) % PROVINCES
    );
    let items: Vec<String> = (0..1 + number % 4)
        .map(|line| format!(r#"{{"quantity":"{}","id":"{:016x}"}}"#, 1 + random(6 + line) % 5, random(line) % 5000))
        .collect();
    format!(
        r#"{{"event_type":"order.created","event_date":"{date}T{time}Z","event_id":"{:032x}","event_version":"1.0.0","lovevery_user_id":"user-{user}","email":"user-{user}@example.com","first_name":"dan","last_name":"dyer","billing_address":{address},"shipping_address":{address},"currency":"{currency}","financial_status":"paid","order_value":{}.{:02},"total_discounts":0,"total_tax":0,"discount_codes":"xxx","buyer_accepts_marketing":{},"line_items":[{}]}}"#,
        random(0) as u128 * 0x1_0000_0000 + number as u128,
        random(7) % 300,
        random(8) % 100,
        random(9) % 10 < 6,
        items.join(",")
    )
    .into()
}

async fn count(database: &Database, from: &str, to: &str) -> f64 {
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let started = Instant::now();
        let count = "SELECT count(*) FROM order_events WHERE ordered_at >= $1::text::timestamptz AND ordered_at < $2::text::timestamptz";
        let _: i64 =
            sqlx::query_scalar(count).persistent(false).bind(from).bind(to).fetch_one(&database.pool).await.unwrap();
        calls.push(started.elapsed().as_secs_f64() * 1e3);
    }
    median(calls)
}

async fn ask(address: &str, question: &str) -> f64 {
    let (client, mut calls) = (reqwest::Client::new(), Vec::new());
    for _ in 0..CALLS {
        let started = Instant::now();
        let answer = client.get(format!("http://{address}{question}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{question}");
        answer.bytes().await.unwrap();
        calls.push(started.elapsed().as_secs_f64() * 1e3);
    }
    median(calls)
}
