//! Streaming pull against the embedded server, with every fault that the official client is known to
//! take badly.

mod limits;
mod messages;
mod outages;
mod setup;
mod stopping;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::model::Message;
use pubsub_server::{Code, Config, Event, Rpc, RpcFault, Server};
use purser::health::Health;
use purser::intake::pubsub::{self, Draining, Options, SERVICE};
use purser::intake::{Delivery, Origin};
use purser::shutdown::Shutdown;
use purser::telemetry::{Dependency, Metrics};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "projects/test/topics/purchases";
const SUBSCRIPTION: &str = "projects/test/subscriptions/purser-purchases";

fn options(addr: SocketAddr) -> Options {
    Options {
        project: "test".to_owned(),
        topic: "purchases".to_owned(),
        subscription: "purser-purchases".to_owned(),
        emulator_host: Some(addr.to_string()),
        create_missing: true,
        lease: Duration::from_secs(10),
        ..Options::default()
    }
}

/// A run whose deliveries the test settles, holds or drops.
struct Pull {
    received: mpsc::Receiver<Delivery>,
    health: Health,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    running: JoinHandle<Draining>,
}

impl Pull {
    fn start(options: Options) -> Self {
        let (deliveries, received) = mpsc::channel(1000);
        let (health, metrics, shutdown) = (Health::default(), Arc::new(Metrics::default()), Shutdown::default());
        let run = pubsub::run(options, deliveries, health.clone(), Arc::clone(&metrics), shutdown.clone());
        Pull { received, health, metrics, shutdown, running: tokio::spawn(run) }
    }

    /// A running server, and a run that has made its topic and subscription and pulls.
    async fn from_server(adjust: impl FnOnce(Options) -> Options) -> (Server, Self) {
        let server = server().await;
        let pull = Pull::start(adjust(options(server.addr())));
        eventually("the stream is open", || server.stats().open_streams > 0).await;
        (server, pull)
    }

    async fn next(&mut self) -> Delivery {
        timeout(PATIENCE, self.received.recv()).await.expect("nothing was delivered").expect("the run ended")
    }

    async fn take(&mut self, count: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await);
        }
        taken
    }

    /// Settles what comes until it was so many different messages; their ids.
    async fn settle_distinct(&mut self, count: usize) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        while ids.len() < count {
            let delivery = self.next().await;
            ids.insert(message_id(&delivery));
            settle(delivery);
        }
        ids
    }

    fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    fn says(&self) -> String {
        self.health.checks().get(SERVICE).cloned().unwrap_or_default()
    }

    fn works(&self) -> bool {
        self.says() == Health::OK
    }

    async fn stop(&mut self) -> Draining {
        self.shutdown.stop();
        timeout(PATIENCE, &mut self.running).await.expect("the run does not stop").expect("the run panicked")
    }
}

async fn server() -> Server {
    server_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
}

async fn server_at(addr: SocketAddr) -> Server {
    Server::start(Config { addr, ..Config::for_testing() }).await.expect("the server starts")
}

/// Publishes messages whose data are their numbers; their ids, in order.
async fn publish(server: &Server, count: usize) -> Vec<String> {
    publish_all(server, (0..count).map(|number| Message::new().set_data(number.to_string()))).await
}

async fn publish_all(server: &Server, messages: impl Iterator<Item = Message>) -> Vec<String> {
    let publisher =
        Publisher::builder(TOPIC).with_endpoint(server.endpoint()).with_credentials(Anonymous::new().build());
    let publisher = publisher.build().await.unwrap();
    let published: Vec<_> = messages.map(|message| publisher.publish(message)).collect();
    let mut ids = Vec::new();
    for id in published {
        ids.push(id.await.unwrap());
    }
    ids
}

fn settle(delivery: Delivery) {
    delivery.receipt.settle(Vec::new());
}

fn message_id(delivery: &Delivery) -> String {
    let Origin::PubSub { message_id, .. } = &delivery.origin else { panic!("not from Pub/Sub: {delivery:?}") };
    message_id.clone()
}

fn message_ids<'d>(deliveries: impl IntoIterator<Item = &'d Delivery>) -> BTreeSet<String> {
    deliveries.into_iter().map(message_id).collect()
}

fn all_acknowledged(server: &Server) -> bool {
    server.subscription_stats(SUBSCRIPTION).is_some() && server.unacked(SUBSCRIPTION).is_empty()
}

fn streams_opened(server: &Server) -> usize {
    server.events().iter().filter(|event| matches!(event, Event::StreamOpened { .. })).count()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "never came true: {what}");
}

/// One message comes, is settled, and the server knows.
async fn a_message_gets_through(server: &Server, pull: &mut Pull) {
    publish(server, 1).await;
    settle(pull.next().await);
    eventually("it is acknowledged", || all_acknowledged(server)).await;
    assert!(pull.works(), "{}", pull.says());
}
