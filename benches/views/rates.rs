//! How fast views are stored into a large table, and click-through rates answered from it, over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser as _;
use purser::config::Config;
use purser::events::Kind;
use purser::intake::Source;
use purser::pipeline::worker::BatchLimits;
use purser::service::{Roles, Service};
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::day::Day;
use super::{decode, history};
use crate::common::{Database, median, shop};

const ROUNDS: usize = 15;

/// What is asked, and the same as one statement that Postgres answers with the number of rows alone.
const QUESTIONS: [(&str, &str, &str); 4] = [
    (
        "everything over one day by the hour",
        "startTimestamp=2016-01-09T00:00:00&endTimestamp=2016-01-10T00:00:00&aggregation=60",
        "SELECT count(*) FROM (
             SELECT FROM product_views WHERE occurred_at >= '2016-01-09Z' AND occurred_at < '2016-01-10Z'
             GROUP BY date_trunc('hour', occurred_at), platform, product) AS rates",
    ),
    (
        "one product over a month by the day",
        "startTimestamp=2016-01-01T00:00:00&endTimestamp=2016-02-01T00:00:00&aggregation=1440&product=",
        "SELECT count(*) FROM (
             SELECT FROM product_views WHERE occurred_at >= '2016-01-01Z' AND occurred_at < '2016-02-01Z' AND product = $1
             GROUP BY date_trunc('day', occurred_at), platform, product) AS rates",
    ),
    (
        "one product over a month by the minute",
        "startTimestamp=2016-01-01T00:00:07&endTimestamp=2016-02-01T00:00:00&aggregation=1&product=",
        "SELECT count(*) FROM (
             SELECT FROM product_views WHERE occurred_at >= '2016-01-01Z' AND occurred_at < '2016-02-01Z' AND product = $1
             GROUP BY date_trunc('minute', occurred_at), platform, product) AS rates",
    ),
    (
        "everything over two weeks by the day",
        "startTimestamp=2016-01-01T00:00:00&endTimestamp=2016-01-15T00:00:00&aggregation=1440",
        "SELECT count(*) FROM (
             SELECT FROM product_views WHERE occurred_at >= '2016-01-01Z' AND occurred_at < '2016-01-15Z'
             GROUP BY date_trunc('day', occurred_at), platform, product) AS rates",
    ),
];

pub async fn run(day: &Day) {
    let database = Database::start(&shop()).await.unwrap();
    let days = std::env::var("VIEWS_DAYS").map_or(31, |days| days.parse().unwrap());
    println!("stored into an empty table: {:.0} views/s", stored(&database, day).await);
    let start = Instant::now();
    history::store(&database.pool, day, days).await;
    let views: i64 = sqlx::query_scalar("SELECT count(*) FROM product_views").fetch_one(&database.pool).await.unwrap();
    println!("{:.1} million views are there after {:.0} s", views as f64 / 1e6, start.elapsed().as_secs_f64());
    ask(&database, day).await;
    println!("stored into that table: {:.0} views/s", stored(&database, day).await);
    database.stop().await.unwrap();
}

/// Views per second, of a file that was not seen before.
async fn stored(database: &Database, day: &Day) -> f64 {
    let (sender, receiver) = mpsc::channel(10_000);
    let kind = Kind::named("product_view").unwrap();
    let deliveries = decode::deliveries(day);
    let start = Instant::now();
    let worker = tokio::spawn(kind.decide(database.pipeline(), Source::File, receiver, BatchLimits::default()));
    for delivery in deliveries {
        sender.send(delivery).await.unwrap();
    }
    drop(sender);
    worker.await.unwrap().unwrap();
    day.views.len() as f64 / start.elapsed().as_secs_f64()
}

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    config: Config,
}

async fn ask(database: &Database, day: &Day) {
    let flags = Flags::parse_from(["bench".to_owned(), format!("--database-url={}", database.url())]);
    let shutdown = Shutdown::default();
    let service = Service::new(flags.config, Arc::new(Metrics::default()), shutdown.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(service.run(Roles { worker: false, api: true }, listener));
    let product = most_viewed(day);
    for (name, query, plain) in QUESTIONS {
        let product = if query.ends_with('=') { product } else { "" };
        let url = format!("http://{address}/ctr?{query}{product}");
        let (mut whole, mut first, mut reference, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let (began, ended, length) = fetch(&url).await;
            first.push(began);
            whole.push(ended);
            bytes = length;
            reference.push(counted(&database.pool, plain, product).await);
        }
        let slowest = whole.iter().copied().fold(0.0, f64::max);
        let (whole, first, reference) = (median(whole), median(first), median(reference));
        println!(
            "{name}: {whole:.0} ms (first byte {first:.0}, slowest {slowest:.0}), {:.2} MB; \
             Postgres alone, counting the rows: {reference:.0} ms",
            bytes as f64 / 1e6
        );
    }
    shutdown.stop();
    serving.await.unwrap().unwrap();
}

fn most_viewed(day: &Day) -> &str {
    let mut counts = std::collections::HashMap::new();
    for (product, _) in &day.views {
        *counts.entry(product.as_str()).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).unwrap().0
}

/// Milliseconds to the first and to the last byte, and how many these are.
async fn fetch(url: &str) -> (f64, f64, usize) {
    let start = Instant::now();
    let response = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    let first = start.elapsed();
    let bytes = response.bytes().await.unwrap();
    (milliseconds(first), milliseconds(start.elapsed()), bytes.len())
}

async fn counted(pool: &PgPool, plain: &'static str, product: &str) -> f64 {
    let start = Instant::now();
    let query = sqlx::query_scalar::<_, i64>(plain).persistent(false);
    let query = if product.is_empty() { query } else { query.bind(product) };
    query.fetch_one(pool).await.unwrap();
    milliseconds(start.elapsed())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
