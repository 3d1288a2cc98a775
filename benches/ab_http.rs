//! How many A/B events a second `POST /receive_event` stores, as a ratio to a bare axum handler that parses
//! the same body and does nothing, in turns, over real connections that are kept alive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::{Database, cores, median, shop};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use clap::Parser as _;
use purser::config::Config;
use purser::service::{Roles, Service};
use purser::shutdown::Shutdown;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(6);
const USERS: usize = 100_000;

pub async fn run() {
    let database = Database::start(&shop()).await.unwrap();
    // Half of the users are shoppers by now.
    sqlx::query("INSERT INTO shoppers SELECT 'user-' || n, 'C' || n % 20, 'F' FROM generate_series(1, $1, 2) AS n")
        .bind(USERS as i32)
        .execute(&database.pool)
        .await
        .unwrap();
    let bare = bare().await;
    let (service, stopping) = service(&database).await;
    println!("{ROUNDS} rounds of {} s, {USERS} users, {} cores, fsync on", ROUND.as_secs(), cores());
    for connections in [64, 512] {
        let (mut parsed, mut stored, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut latencies = Vec::new();
        for _ in 0..ROUNDS {
            let reference = drive(&bare, connections).await;
            let ours = drive(&service, connections).await;
            parsed.push(reference.per_second());
            stored.push(ours.per_second());
            ratios.push(ours.per_second() / reference.per_second());
            latencies.extend(ours.latencies);
        }
        latencies.sort_unstable();
        let percentile = |hundredths: usize| latencies[latencies.len() * hundredths / 100].as_secs_f64() * 1e3;
        println!(
            "{connections} connections: bare {:.0}/s, stored {:.0}/s, ratio {:.2}; median {:.1} ms, p99 {:.1} ms",
            median(parsed),
            median(stored),
            median(ratios),
            percentile(50),
            percentile(99),
        );
    }
    stopping.stop();
    let (events, batches): (i64, i64) =
        sqlx::query_as("SELECT sum(stored)::int8, count(*) FROM batches").fetch_one(&database.pool).await.unwrap();
    println!("{events} events in {batches} batches: {:.0} share a commit", events as f64 / batches as f64);
    database.stop().await.unwrap();
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed, and nothing is done")]
struct Event {
    user_id: String,
    account_type: String,
    date: String,
    event_type: Option<String>,
    order_value: Option<f64>,
    version: String,
}

async fn bare() -> String {
    let parse = post(|Json(event): Json<Event>| async move {
        std::hint::black_box(event);
        StatusCode::CREATED
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/receive_event", parse)).await });
    address
}

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    config: Config,
}

/// The service as it is run, on the bench's database.
pub async fn service(database: &Database) -> (String, Shutdown) {
    let blob = database.folder.path().join("blob");
    let flags =
        ["bench".to_owned(), format!("--database-url={}", database.url), format!("--blob-url={}", blob.display())];
    let shutdown = Shutdown::default();
    let service = Service::new(Flags::parse_from(flags).config, Arc::default(), shutdown.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(service.run(Roles { worker: false, api: true }, listener));
    (address, shutdown)
}

struct Driven {
    latencies: Vec<Duration>,
    took: Duration,
}

impl Driven {
    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}

/// Sends one event after the other on each of so many connections.
async fn drive(address: &str, connections: usize) -> Driven {
    let number = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let clients = (0..connections).map(|_| {
        let (address, number) = (address.to_owned(), Arc::clone(&number));
        tokio::spawn(async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let mut latencies = Vec::new();
            while started.elapsed() < ROUND {
                let sent = Instant::now();
                socket.write_all(request(number.fetch_add(1, Ordering::Relaxed)).as_bytes()).await.unwrap();
                answer(&mut socket).await;
                latencies.push(sent.elapsed());
            }
            latencies
        })
    });
    let mut latencies = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        latencies.extend(client.await.unwrap());
    }
    Driven { latencies, took: started.elapsed() }
}

fn request(number: usize) -> String {
    let user = number.wrapping_mul(7919) % USERS;
    let (version, value) = (["A", "B"][user % 2], if number.is_multiple_of(10) { "19.99" } else { "null" });
    let body = format!(
        r#"{{"user_id":"user-{user}","account_type":"free","date":"2026-11-21T10:00:00Z","event_type":"visit","order_value":{value},"version":"{version}"}}"#
    );
    format!(
        "POST /receive_event HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one answer to its end; it must be 201.
async fn answer(socket: &mut TcpStream) {
    let (mut bytes, mut buffer) = (Vec::with_capacity(1024), [0; 4096]);
    loop {
        let read = socket.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the connection was closed");
        bytes.extend_from_slice(&buffer[..read]);
        let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&bytes[..head]).unwrap();
        assert!(text.starts_with("HTTP/1.1 201 "), "{text}");
        let headers: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(": ")).collect();
        let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        if bytes.len() == head + 4 + length {
            return;
        }
    }
}
