//! From the embedded Pub/Sub server to committed and acknowledged, as a ratio to a subscriber that
//! only pulls and acknowledges, and to the store alone; with the memory that it takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{Database, cores, deliveries, median, payloads, per_second, shop};
use bytes::Bytes;
use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::model::Message;
use pubsub_server::{Config, Server};
use purser::events::Kind;
use purser::health::Health;
use purser::intake::{Delivery, Source, pubsub};
use purser::pipeline::Pipeline;
use purser::pipeline::worker::BatchLimits;
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use tokio::sync::mpsc;

const PURCHASES: usize = 100_000;
const ROUNDS: usize = 3;
const SUBSCRIPTION: &str = "purser-purchases";

pub async fn run() {
    let shop = shop();
    let database = Database::start(&shop).await.unwrap();
    println!("{PURCHASES} purchases, 15 % broken, {ROUNDS} rounds, {} cores, fsync on", cores());
    let (mut pulls, mut stores, mut alls) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let payloads = payloads(&shop, round as u64, 0.15, PURCHASES);
        let server = prefilled(&payloads).await;
        pulls.push(per_second(PURCHASES, pull_only(&server).await));
        server.shutdown().await;
        database.clear().await.unwrap();
        stores.push(per_second(PURCHASES, store_only(&database.pipeline(), &payloads).await));
        database.clear().await.unwrap();
        let server = prefilled(&payloads).await;
        alls.push(per_second(PURCHASES, pull_and_store(&server, &database.pipeline()).await));
        server.shutdown().await;
    }
    let (pulled, stored, all) = (median(pulls), median(stores), median(alls));
    println!("pull and acknowledge only: {pulled:.0}/s");
    println!("decode, validate and store only: {stored:.0}/s");
    println!("end to end: {all:.0}/s, {:.2} of pulling, {:.2} of storing", all / pulled, all / stored);
    println!("peak memory of this process, server and backlog included: {} MiB", peak_mib());
    database.stop().await.unwrap();
}

/// A server whose subscription holds these messages.
async fn prefilled(payloads: &[Bytes]) -> Server {
    let server = Server::start(Config { event_log: None, ..Config::for_testing() }).await.unwrap();
    let stopped = Shutdown::default();
    let (sender, _receiver) = mpsc::channel(1);
    let created = pubsub::run(options(&server), sender, Health::default(), Arc::default(), stopped.clone());
    let created = tokio::spawn(created);
    let topic = "projects/data-engineering/topics/purchases";
    while server.subscription_stats(&format!("projects/data-engineering/subscriptions/{SUBSCRIPTION}")).is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stopped.stop();
    created.await.unwrap().finish().await;
    let publisher =
        Publisher::builder(topic).with_endpoint(server.endpoint()).with_credentials(Anonymous::new().build());
    let publisher = publisher.set_message_count_threshold(1000).build().await.unwrap();
    for payloads in payloads.chunks(10_000) {
        let sent: Vec<_> =
            payloads.iter().map(|payload| publisher.publish(Message::new().set_data(payload.clone()))).collect();
        for sent in sent {
            sent.await.unwrap();
        }
    }
    server
}

fn options(server: &Server) -> pubsub::Options {
    pubsub::Options {
        project: "data-engineering".to_owned(),
        topic: "purchases".to_owned(),
        subscription: SUBSCRIPTION.to_owned(),
        emulator_host: Some(server.addr().to_string()),
        ..pubsub::Options::default()
    }
}

/// Runs the intake until the server has no message left, with `decide` on what it hands over.
async fn drain<F>(server: &Server, decide: impl FnOnce(mpsc::Receiver<Delivery>) -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1000);
    let shutdown = Shutdown::default();
    let start = Instant::now();
    let metrics = Arc::new(Metrics::default());
    let intake = tokio::spawn(pubsub::run(options(server), sender, Health::default(), metrics, shutdown.clone()));
    let deciding = tokio::spawn(decide(receiver));
    while server.stats().acked < PURCHASES as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = start.elapsed();
    shutdown.stop();
    let draining = intake.await.unwrap();
    deciding.await.unwrap();
    draining.finish().await;
    took
}

async fn pull_only(server: &Server) -> Duration {
    drain(server, |mut deliveries| async move {
        while let Some(delivery) = deliveries.recv().await {
            delivery.receipt.settle(Vec::new());
        }
    })
    .await
}

async fn pull_and_store(server: &Server, pipeline: &Pipeline) -> Duration {
    let pipeline = pipeline.clone();
    drain(server, |deliveries| async move {
        let kind = Kind::named("purchase").unwrap();
        kind.decide(pipeline, Source::PubSub, deliveries, BatchLimits::default()).await.unwrap();
    })
    .await
}

async fn store_only(pipeline: &Pipeline, payloads: &[Bytes]) -> Duration {
    let (sender, receiver) = mpsc::channel(1000);
    let deliveries = deliveries(payloads);
    let start = Instant::now();
    let sending = tokio::spawn(async move {
        for delivery in deliveries {
            sender.send(delivery).await.unwrap();
        }
    });
    let kind = Kind::named("purchase").unwrap();
    kind.decide(pipeline.clone(), Source::PubSub, receiver, BatchLimits::default()).await.unwrap();
    sending.await.unwrap();
    start.elapsed()
}

/// The most memory that this process has had, by the kernel's account.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() / 1024
}
