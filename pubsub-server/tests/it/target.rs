//! A server under test, and what every test does with one.

use std::fmt::Display;
use std::io::Write as _;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_pubsub::client::{Publisher, Subscriber, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::Message;
use pubsub_server::{Config, Server};
use serde_json::{Value, json};

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Target {
    pub(crate) endpoint: String,
    pub(crate) topics: TopicAdmin,
    pub(crate) subscriptions: SubscriptionAdmin,
    rest: reqwest::Client,
}

/// A topic and a subscription of its own for every test.
pub(crate) struct Pair {
    pub(crate) topic: String,
    pub(crate) subscription: String,
}

impl Target {
    pub(crate) async fn at(endpoint: String) -> Self {
        let anonymous = || Anonymous::new().build();
        Self {
            topics: TopicAdmin::builder().with_endpoint(&endpoint).with_credentials(anonymous()).build().await.unwrap(),
            subscriptions: SubscriptionAdmin::builder()
                .with_endpoint(&endpoint)
                .with_credentials(anonymous())
                .build()
                .await
                .unwrap(),
            rest: reqwest::Client::new(),
            endpoint,
        }
    }

    pub(crate) async fn subscriber(&self) -> Subscriber {
        let builder = Subscriber::builder().with_endpoint(&self.endpoint).with_credentials(Anonymous::new().build());
        builder.build().await.unwrap()
    }

    pub(crate) async fn publisher(&self, topic: &str) -> Publisher {
        let builder =
            Publisher::builder(topic).with_endpoint(&self.endpoint).with_credentials(Anonymous::new().build());
        builder.build().await.unwrap()
    }

    pub(crate) async fn topic(&self) -> String {
        let name = fresh("topics");
        self.topics.create_topic().set_name(&name).send().await.unwrap();
        name
    }

    /// With the shortest ack deadline.
    pub(crate) async fn subscription(&self, topic: &str) -> String {
        let name = fresh("subscriptions");
        let create = self.subscriptions.create_subscription().set_name(&name).set_topic(topic);
        create.set_ack_deadline_seconds(10).send().await.unwrap();
        name
    }

    pub(crate) async fn pair(&self) -> Pair {
        let topic = self.topic().await;
        Pair { subscription: self.subscription(&topic).await, topic }
    }

    /// The ids that `count` messages got, in order; their data is their number.
    pub(crate) async fn publish(&self, topic: &str, count: usize) -> Vec<String> {
        let publisher = self.publisher(topic).await;
        let message = |number: usize| {
            Message::new().set_data(number.to_string()).set_attributes([("number", number.to_string())])
        };
        let published: Vec<_> = (0..count).map(|number| publisher.publish(message(number))).collect();
        let mut ids = Vec::new();
        for id in published {
            ids.push(id.await.unwrap());
        }
        ids
    }

    /// A REST call: its HTTP status and its body.
    pub(crate) async fn post(&self, call: impl Display, body: &Value) -> (u16, Value) {
        self.call(reqwest::Method::POST, call, body).await
    }

    pub(crate) async fn patch(&self, name: &str, body: &Value) -> (u16, Value) {
        self.call(reqwest::Method::PATCH, name, body).await
    }

    async fn call(&self, method: reqwest::Method, call: impl Display, body: &Value) -> (u16, Value) {
        let url = format!("{}/v1/{call}", self.endpoint);
        let answer = self.rest.request(method, url).json(body).timeout(PATIENCE).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        self.rest.get(format!("{}{path}", self.endpoint)).send().await.unwrap().text().await.unwrap()
    }

    /// What a unary pull brings; it may be nothing.
    pub(crate) async fn pull(&self, subscription: &str, max_messages: usize) -> Vec<Pulled> {
        let (status, body) = self.post(format!("{subscription}:pull"), &json!({"maxMessages": max_messages})).await;
        assert_eq!(status, 200, "{body}");
        let messages = body["receivedMessages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(Pulled::new).collect()
    }

    /// Pulls until there are `count`.
    pub(crate) async fn pull_all(&self, subscription: &str, count: usize) -> Vec<Pulled> {
        let mut pulled = Vec::new();
        while pulled.len() < count {
            pulled.extend(self.pull(subscription, count - pulled.len()).await);
        }
        pulled
    }

    pub(crate) async fn acknowledge(&self, subscription: &str, pulled: &Pulled) -> (u16, Value) {
        self.post(format!("{subscription}:acknowledge"), &json!({"ackIds": [pulled.ack_id]})).await
    }

    pub(crate) async fn modify(&self, subscription: &str, pulled: &Pulled, seconds: u32) -> (u16, Value) {
        let body = json!({"ackIds": [pulled.ack_id], "ackDeadlineSeconds": seconds});
        self.post(format!("{subscription}:modifyAckDeadline"), &body).await
    }
}

#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) ack_id: String,
    pub(crate) message_id: String,
    pub(crate) attempt: Option<i64>,
}

impl Pulled {
    fn new(received: &Value) -> Self {
        Self {
            ack_id: received["ackId"].as_str().unwrap().to_owned(),
            message_id: received["message"]["messageId"].as_str().unwrap().to_owned(),
            attempt: received["deliveryAttempt"].as_i64(),
        }
    }
}

/// A name that nothing else in this run of the tests has.
pub(crate) fn fresh(collection: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("projects/test/{collection}/it-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A server of ours on a free port, for one test.
pub(crate) async fn ours() -> (Server, Target) {
    start(Config::for_testing()).await
}

pub(crate) async fn start(config: Config) -> (Server, Target) {
    let server = Server::start(config).await.unwrap();
    let target = Target::at(server.endpoint()).await;
    (server, target)
}

/// Waits for a condition of a server of ours.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never came true: {what}");
}

/// Says on the terminal that something was not tested; the test harness hides the output of `print`.
pub(crate) fn skipped(what: &str, why: &str) {
    let _nobody_is_watching = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
}
