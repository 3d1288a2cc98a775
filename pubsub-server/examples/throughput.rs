//! How fast the server is with the official client, on one machine: publish, then pull and acknowledge.
//!
//! `cargo run --release -p pubsub-server --example throughput [messages] [streams]`

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_pubsub::client::{Publisher, Subscriber, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::MessageStream;
use pubsub_server::{Config, Server};
use tokio::task::JoinSet;

const TOPIC: &str = "projects/bench/topics/throughput";
const SUBSCRIPTION: &str = "projects/bench/subscriptions/throughput";
/// About a purchase of three lines.
const PAYLOAD: usize = 400;
/// The publisher has no flow control of its own.
const UNCONFIRMED: usize = 20_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let messages: usize = arguments.next().map_or(Ok(500_000), |text| text.parse())?;
    let streams: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let server = Server::start(Config { addr: ([127, 0, 0, 1], 0).into(), ..Config::default() }).await?;
    create(&server).await?;

    let began = Instant::now();
    publish(&server, messages).await?;
    report("publish", messages, began)?;

    let began = Instant::now();
    consume(&server, messages, streams).await?;
    report("pull and acknowledge", messages, began)?;
    server.shutdown().await;
    Ok(())
}

fn report(what: &str, messages: usize, began: Instant) -> anyhow::Result<()> {
    let seconds = began.elapsed().as_secs_f64();
    let rate = messages as f64 / seconds;
    writeln!(std::io::stdout(), "{what}: {messages} messages of {PAYLOAD} bytes in {seconds:.2} s = {rate:.0}/s")?;
    Ok(())
}

async fn create(server: &Server) -> anyhow::Result<()> {
    let anonymous = || Anonymous::new().build();
    let topics = TopicAdmin::builder().with_endpoint(server.endpoint()).with_credentials(anonymous()).build().await?;
    topics.create_topic().set_name(TOPIC).send().await?;
    let subscriptions =
        SubscriptionAdmin::builder().with_endpoint(server.endpoint()).with_credentials(anonymous()).build().await?;
    subscriptions.create_subscription().set_name(SUBSCRIPTION).set_topic(TOPIC).send().await?;
    Ok(())
}

async fn publish(server: &Server, messages: usize) -> anyhow::Result<()> {
    let builder = Publisher::builder(TOPIC).with_endpoint(server.endpoint()).with_credentials(Anonymous::new().build());
    let publisher = builder.set_message_count_threshold(1000).build().await?;
    let payload = bytes::Bytes::from(vec![b'x'; PAYLOAD]);
    let mut unconfirmed = VecDeque::new();
    for _ in 0..messages {
        unconfirmed.push_back(publisher.publish(Message::new().set_data(payload.clone())));
        if unconfirmed.len() > UNCONFIRMED {
            unconfirmed.pop_front().context("nothing to wait for")?.await?;
        }
    }
    for confirmed in unconfirmed {
        confirmed.await?;
    }
    Ok(())
}

/// Counts what the server saw acknowledged, so that the acknowledgements are part of the time.
async fn consume(server: &Server, messages: usize, streams: usize) -> anyhow::Result<()> {
    let builder = Subscriber::builder().with_endpoint(server.endpoint()).with_credentials(Anonymous::new().build());
    let subscriber = builder.build().await?;
    let mut readers = JoinSet::new();
    for _ in 0..streams {
        let subscribe = subscriber.subscribe(SUBSCRIPTION).set_max_outstanding_messages(20_000);
        readers.spawn(acknowledge_all(subscribe.set_max_outstanding_bytes(256i64 << 20).build()));
    }
    while server.stats().acked < messages as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn acknowledge_all(mut stream: MessageStream) {
    while let Some(Ok((_, handler))) = stream.next().await {
        handler.ack();
    }
}
