//! How fast A/B events are stored and counted in bulk, and how long `/monitor` and `/monitor/health` take at a
//! thousand events and at ten million.

use std::time::Instant;

use crate::common::{Database, cores, deliveries, median, per_second, shop};
use bytes::Bytes;
use purser::events::Kind;
use purser::intake::Source;
use purser::pipeline::Pipeline;
use purser::pipeline::worker::BatchLimits;
use tokio::sync::mpsc;

const FEW: usize = 1000;
const MANY: usize = 10_000_000;
const USERS: usize = 1_000_000;
const CALLS: usize = 200;

pub async fn run() {
    let database = Database::start(&shop()).await.unwrap();
    // Nine of ten users are shoppers, in fifty countries.
    sqlx::query("INSERT INTO shoppers SELECT 'user-' || n, 'C' || n % 50, 'F' FROM generate_series(0, $1) AS n WHERE n % 10 > 0")
        .bind(USERS as i32)
        .execute(&database.pool)
        .await
        .unwrap();
    let service = crate::ab_http::service(&database).await;
    println!("{USERS} users, 50 countries, 2 versions, {CALLS} calls each, {} cores, fsync on", cores());
    store(&database.pipeline(), 0, FEW).await;
    ask(&service.0, FEW).await;
    let started = Instant::now();
    store(&database.pipeline(), FEW, MANY).await;
    println!("stored {:.0} events/s", per_second(MANY - FEW, started.elapsed()));
    ask(&service.0, MANY).await;
    service.1.stop();
    database.stop().await.unwrap();
}

async fn store(pipeline: &Pipeline, from: usize, to: usize) {
    let (sender, receiver) = mpsc::channel(10_000);
    let sending = tokio::spawn(async move {
        for start in (from..to).step_by(10_000) {
            let payloads: Vec<Bytes> = (start..to.min(start + 10_000)).map(payload).collect();
            for mut delivery in deliveries(&payloads) {
                delivery.id = format!("{start}:{}", delivery.id);
                sender.send(delivery).await.unwrap();
            }
        }
    });
    let kind = Kind::named("ab_event").unwrap();
    kind.decide(pipeline.clone(), Source::File, receiver, BatchLimits::default()).await.unwrap();
    sending.await.unwrap();
}

fn payload(number: usize) -> Bytes {
    let user = number.wrapping_mul(7919) % USERS;
    let (version, second, value) =
        (["A", "B"][user % 2], number % 86_400, if number.is_multiple_of(10) { "19.99" } else { "null" });
    let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    format!(
        r#"{{"user_id":"user-{user}","account_type":"free","date":"2026-11-20T{time}Z","event_type":"visit","order_value":{value},"version":"{version}"}}"#
    )
    .into()
}

async fn ask(address: &str, events: usize) {
    let client = reqwest::Client::new();
    for path in ["/monitor", "/monitor?country=C7", "/monitor/health"] {
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            let started = Instant::now();
            let answer = client.get(format!("http://{address}{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.bytes().await.unwrap();
            calls.push(started.elapsed().as_secs_f64() * 1e3);
        }
        println!("{events} events: {path} takes {:.2} ms", median(calls));
    }
}
