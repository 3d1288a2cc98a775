//! Streaming pull against the embedded server, with every fault that the official client is known to
//! take badly (`facts/pubsub.md`, section 0).

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
use purser::telemetry::Metrics;
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

#[tokio::test]
async fn a_message_is_delivered_as_it_was_published() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    assert_eq!(pull.says(), Health::OK, "topic and subscription were created");
    let message = Message::new().set_data("{}").set_attributes([("from", "shop")]).set_ordering_key("u1");
    let ids = publish_all(&server, [message].into_iter()).await;
    let delivery = pull.next().await;
    assert_eq!(delivery.payload, "{}");
    let Origin::PubSub { subscription, message_id, publish_time, ordering_key, attributes, .. } = &delivery.origin
    else {
        panic!("{:?}", delivery.origin)
    };
    assert_eq!((&**subscription, message_id, ordering_key.as_str()), (SUBSCRIPTION, &ids[0], "u1"));
    assert_eq!(attributes.iter().collect::<Vec<_>>(), [(&"from".to_owned(), &"shop".to_owned())]);
    assert_eq!(delivery.published_at, *publish_time);
    let time = publish_time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    assert_eq!(delivery.id, format!("pubsub:{SUBSCRIPTION}:{message_id}:{time}"));
    settle(delivery);
    eventually("it is acknowledged", || all_acknowledged(&server)).await;
    assert_eq!(pull.metrics.pubsub_connects.get(), 1);
}

#[tokio::test]
async fn two_messages_with_one_idempotency_key_are_one_delivery() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    let message = || Message::new().set_data("{}").set_attributes([("idempotency_key", "order-1")]);
    publish_all(&server, [message(), message()].into_iter()).await;
    for delivery in pull.take(2).await {
        assert_eq!(delivery.id, format!("pubsub:{SUBSCRIPTION}:key:order-1"));
    }
}

#[tokio::test]
async fn an_emulator_may_come_up_later() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut pull = Pull::start(options(free));
    eventually("it says so", || !pull.says().is_empty() && !pull.works()).await;
    let server = server_at(free).await;
    eventually("the stream is open", || server.stats().open_streams > 0).await;
    a_message_gets_through(&server, &mut pull).await;
}

/// Google's emulator sends response headers with the first message; a reader that stops waiting and starts
/// again closes the stream each time and never gets one (facts 0.1).
#[tokio::test]
async fn response_headers_may_come_with_the_first_message() {
    let server = server().await;
    server.faults().hold_response_headers(true);
    let mut pull = Pull::start(options(server.addr()));
    eventually("the stream is open", || server.stats().open_streams > 0).await;
    // Longer than a probe of the silent stream takes to come.
    let silent = Instant::now();
    eventually("it was silent", || silent.elapsed() > Duration::from_secs(6)).await;
    for _ in 0..3 {
        a_message_gets_through(&server, &mut pull).await;
    }
    assert_eq!(streams_opened(&server), 1, "the stream was given up in between");
}

/// Acknowledgements are sent and forgotten (facts 0.2).
#[tokio::test]
async fn what_was_settled_in_vain_comes_again_under_the_same_id() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    server.faults().rpc(Rpc::Acknowledge, 1, RpcFault::Ignore);
    publish(&server, 1).await;
    let first = pull.next().await;
    let id = first.id.clone();
    settle(first);
    let again = pull.next().await;
    assert_eq!(again.id, id);
    server.faults().clear();
    settle(again);
    eventually("it is acknowledged", || all_acknowledged(&server)).await;
}

/// The client opens some of these again by itself, calls some an end and some an error (facts 0.4).
#[tokio::test]
async fn a_stream_that_ended_is_opened_again() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    let codes = [Code::Ok, Code::Cancelled, Code::NotFound, Code::Unavailable, Code::PermissionDenied, Code::Unknown];
    for (already, code) in codes.into_iter().enumerate() {
        server.faults().end_streams(code);
        eventually("it is open again", || streams_opened(&server) == already + 2 && server.stats().open_streams == 1)
            .await;
        a_message_gets_through(&server, &mut pull).await;
    }
}

#[tokio::test]
async fn a_deleted_subscription_is_made_again_on_an_emulator() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    let url = format!("{}/v1/{SUBSCRIPTION}", server.endpoint());
    assert!(reqwest::Client::new().delete(url).send().await.unwrap().status().is_success());
    eventually("it is open again", || streams_opened(&server) == 2).await;
    a_message_gets_through(&server, &mut pull).await;
}

#[tokio::test]
async fn a_refusal_is_told_and_tried_again() {
    let server = server().await;
    server.faults().rpc(Rpc::StreamingPull, 1, RpcFault::Fail(Code::PermissionDenied));
    let mut pull = Pull::start(options(server.addr()));
    eventually("it says why", || pull.says().contains("PERMISSION_DENIED")).await;
    server.faults().clear();
    a_message_gets_through(&server, &mut pull).await;
}

/// Nothing tells the client that its connection is dead; only another one helps (facts 0.5).
#[tokio::test]
async fn a_frozen_connection_is_replaced() {
    let idle_rebuild = Duration::from_secs(1);
    let (server, mut pull) = Pull::from_server(|options| Options { idle_rebuild, ..options }).await;
    server.faults().freeze_connections();
    server.faults().unfreeze_new_connections();
    let ids = publish(&server, 5).await;
    // What the server sent into the dead connection comes when its lease is over.
    let delivered = pull.take(5).await;
    assert_eq!(message_ids(&delivered), ids.into_iter().collect());
    delivered.into_iter().for_each(settle);
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
}

#[tokio::test]
async fn a_server_that_was_away_for_a_while_is_noticed_and_found_again() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    server.faults().refuse_connections();
    server.faults().cut_connections();
    eventually("it says so", || !pull.works()).await;
    server.faults().accept_connections();
    eventually("it works again", || pull.works()).await;
    a_message_gets_through(&server, &mut pull).await;
}

/// A load balancer without a backend.
#[tokio::test]
async fn connections_that_are_closed_at_once_are_an_outage() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    server.faults().close_connections_at_once();
    server.faults().cut_connections();
    eventually("it says so", || !pull.works()).await;
    server.faults().accept_connections();
    a_message_gets_through(&server, &mut pull).await;
}

/// An emulator has forgotten everything when it starts again.
#[tokio::test]
async fn a_server_that_starts_again_on_its_port_is_found_again() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    a_message_gets_through(&server, &mut pull).await;
    let addr = server.addr();
    server.shutdown().await;
    let server = server_at(addr).await;
    eventually("topic and subscription are back", || server.subscription_stats(SUBSCRIPTION).is_some()).await;
    a_message_gets_through(&server, &mut pull).await;
}

#[tokio::test]
async fn what_is_held_longer_than_its_lease_is_not_delivered_again() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 3).await;
    let held = pull.take(3).await;
    let since = Instant::now();
    eventually("a lease and more has passed", || since.elapsed() > Duration::from_secs(12)).await;
    held.into_iter().for_each(settle);
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
    assert_eq!((server.stats().delivered, server.stats().expired), (3, 0));
}

/// The streams that delivered them are gone, their leases and acknowledgements are not.
#[tokio::test]
async fn what_a_former_stream_delivered_can_be_settled() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 3).await;
    let held = pull.take(3).await;
    server.faults().end_streams(Code::Ok);
    eventually("it is open again", || streams_opened(&server) == 2).await;
    held.into_iter().for_each(settle);
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
    assert_eq!(server.stats().delivered, 3);
}

#[tokio::test]
async fn what_is_dropped_comes_again_at_once() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 1).await;
    let dropped = pull.next().await;
    let id = dropped.id.clone();
    drop(dropped);
    let again = pull.next().await;
    assert_eq!(again.id, id);
    assert_eq!((server.stats().nacked, server.stats().expired), (1, 0));
}

/// A process that ends right after its last settlement loses it (facts 1.7).
#[tokio::test]
async fn nothing_that_was_settled_before_the_end_is_lost() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 500).await;
    let held = pull.take(500).await;
    let draining = pull.stop().await;
    assert!(pull.received.recv().await.is_none(), "the worker would never end");
    held.into_iter().for_each(settle);
    draining.finish().await;
    assert!(all_acknowledged(&server), "{:?}", server.stats());
    assert_eq!((server.stats().outstanding, server.stats().nacked), (0, 0));
}

/// What was not settled goes back without waiting for its lease to end.
#[tokio::test]
async fn what_was_not_settled_before_the_end_goes_back() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 20).await;
    let mut held = pull.take(20).await;
    let draining = pull.stop().await;
    held.drain(..5).for_each(settle);
    drop(held);
    draining.finish().await;
    assert_eq!((server.unacked(SUBSCRIPTION).len(), server.stats().outstanding), (15, 0));
}

/// The server is dead when we are to stop: acknowledging would never end.
#[tokio::test]
async fn it_stops_although_its_connection_is_frozen() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 1).await;
    let held = pull.next().await;
    server.faults().freeze_connections();
    settle(held);
    let draining = pull.stop().await;
    timeout(Draining::PATIENCE * 2, draining.finish()).await.expect("it hangs");
}

#[tokio::test]
async fn it_ends_when_nobody_receives() {
    let (_server, pull) = Pull::from_server(|options| options).await;
    drop(pull.received);
    let ended = timeout(PATIENCE, pull.running).await.expect("the run does not end");
    ended.expect("the run panicked").finish().await;
}

#[tokio::test]
async fn no_more_is_handed_out_than_may_be_outstanding() {
    let (server, mut pull) = Pull::from_server(|options| Options { max_outstanding_messages: 10, ..options }).await;
    publish(&server, 30).await;
    let mut held = pull.take(10).await;
    for _ in 0..20 {
        assert!(pull.is_empty());
        assert_eq!(server.stats().outstanding, 10);
        settle(held.remove(0));
        held.push(pull.next().await);
    }
    assert_eq!(server.stats().delivered, 30, "each once");
}

/// The server grants every new stream its limits anew.
#[tokio::test]
async fn the_limit_holds_across_streams() {
    let (server, mut pull) = Pull::from_server(|options| Options { max_outstanding_messages: 10, ..options }).await;
    publish(&server, 30).await;
    let held = pull.take(10).await;
    server.faults().end_streams(Code::Ok);
    eventually("the new stream has messages", || server.stats().outstanding == 20).await;
    assert!(pull.is_empty());
    held.into_iter().for_each(settle);
    let mut others = BTreeSet::new();
    while others.len() < 20 {
        let delivery = pull.next().await;
        others.insert(message_id(&delivery));
        settle(delivery);
    }
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
}

#[tokio::test]
async fn bytes_are_limited_too() {
    let (server, mut pull) = Pull::from_server(|options| Options { max_outstanding_bytes: 3000, ..options }).await;
    publish_all(&server, (0..9).map(|_| Message::new().set_data(vec![b' '; 1000]))).await;
    let mut held = pull.take(2).await;
    for _ in 0..7 {
        assert!(server.stats().outstanding <= 4, "{:?}", server.stats());
        settle(held.remove(0));
        held.push(pull.next().await);
    }
}

#[tokio::test]
async fn two_processes_share_a_subscription() {
    let limited = |options: Options| Options { max_outstanding_messages: 10, ..options };
    let (server, mut one) = Pull::from_server(limited).await;
    let mut other = Pull::start(limited(options(server.addr())));
    eventually("both pull", || server.stats().open_streams == 2).await;
    let ids = publish(&server, 20).await;
    let (mine, yours) = (one.take(10).await, other.take(10).await);
    assert_eq!(message_ids(mine.iter().chain(&yours)), ids.into_iter().collect());
    mine.into_iter().chain(yours).for_each(settle);
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
}

#[tokio::test]
async fn a_process_may_pull_several_streams() {
    let (server, mut pull) =
        Pull::from_server(|options| Options { streams: 3, max_outstanding_messages: 10, ..options }).await;
    eventually("all are open", || server.stats().open_streams == 3).await;
    let ids = publish(&server, 30).await;
    let held = pull.take(30).await;
    assert_eq!(message_ids(&held), ids.into_iter().collect());
    let draining = pull.stop().await;
    held.into_iter().for_each(settle);
    draining.finish().await;
    assert!(all_acknowledged(&server));
}
