//! What the tests share: a migrated database, a small stocked shop, and a way to drive the pipeline.

pub mod clicks;
pub mod orders;
pub mod proxy;
pub mod shop;
pub mod stack;
pub mod views;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use private_postgres::testing::{TestDatabase, database_with};
use purser::intake::{Delivery, Origin, Receipt, Source};
use purser::pipeline::worker::BatchLimits;
use purser::pipeline::{Outcome, Pipeline};
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use purser::{database, events};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

/// The rows of every kind.
const ROWS: &str = "SELECT (SELECT count(*) FROM purchases) + (SELECT count(*) FROM ab_events)
                         + (SELECT count(*) FROM order_events) + (SELECT count(*) FROM click_events)
                         + (SELECT count(*) FROM product_views)";

/// A pipeline on a database of its own, with the shop's users and articles in it.
pub struct Rig {
    pub pipeline: Pipeline,
    pub url: String,
    _database: Option<TestDatabase>,
}

impl Rig {
    /// A stocked database.
    pub async fn new() -> Rig {
        let database = stocked_database().await;
        let url = database.url().to_owned();
        Rig { _database: Some(database), ..Rig::on(&url) }
    }

    /// A pipeline on a database that somebody else keeps.
    pub fn on(url: &str) -> Rig {
        let pool = database::connect(url, 10).unwrap();
        let pipeline = Pipeline::new(pool, Arc::new(Metrics::default()), Shutdown::default(), 1 << 20);
        Rig { pipeline, url: url.to_owned(), _database: None }
    }

    pub fn pool(&self) -> &PgPool {
        &self.pipeline.pool
    }

    /// Decides purchases that arrive as one batch, and returns what their senders hear.
    pub async fn decide(&self, deliveries: Vec<(Delivery, oneshot::Receiver<Vec<Outcome>>)>) -> Vec<Vec<Outcome>> {
        self.decide_as("purchase", deliveries).await
    }

    /// The same for events of any kind.
    pub async fn decide_as(
        &self,
        kind: &str,
        deliveries: Vec<(Delivery, oneshot::Receiver<Vec<Outcome>>)>,
    ) -> Vec<Vec<Outcome>> {
        let (sender, receiver) = mpsc::channel(deliveries.len().max(1));
        let (deliveries, replies): (Vec<_>, Vec<_>) = deliveries.into_iter().unzip();
        for delivery in deliveries {
            sender.send(delivery).await.unwrap();
        }
        drop(sender);
        let kind = events::Kind::named(kind).unwrap();
        kind.decide(self.pipeline.clone(), Source::PubSub, receiver, BatchLimits::default()).await.unwrap();
        let mut outcomes = Vec::new();
        for reply in replies {
            outcomes.push(reply.await.unwrap());
        }
        outcomes
    }

    /// Decides payloads, each a message of its own, and returns the word for what became of each.
    pub async fn words(&self, payloads: impl IntoIterator<Item = impl Into<Bytes>>) -> Vec<String> {
        self.words_as("purchase", payloads).await
    }

    /// The same for events of any kind.
    pub async fn words_as(&self, kind: &str, payloads: impl IntoIterator<Item = impl Into<Bytes>>) -> Vec<String> {
        let deliveries = payloads.into_iter().map(|payload| delivery(payload.into())).collect();
        self.decide_as(kind, deliveries).await.iter().map(|outcomes| word(outcomes)).collect()
    }

    /// One number of the database.
    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }

    /// Every number that CORRECTNESS.md 6 compares, after checking that they agree.
    pub async fn assert_accounts_agree(&self) -> Accounts {
        let (received, stored, duplicate, rejected, ignored): (i64, i64, i64, i64, i64) = sqlx::query_as(
            "SELECT coalesce(sum(received), 0)::int8, coalesce(sum(stored), 0)::int8, coalesce(sum(duplicate), 0)::int8,
                    coalesce(sum(rejected), 0)::int8, coalesce(sum(ignored), 0)::int8
             FROM batches",
        )
        .fetch_one(self.pool())
        .await
        .unwrap();
        assert_eq!(received, stored + duplicate + rejected + ignored);
        assert_eq!(stored, self.number(ROWS).await, "stored = rows");
        let again = "SELECT coalesce(sum(rejected), 0)::int8 FROM batches WHERE source = 'replay'";
        let letters = self.number("SELECT count(*) FROM dead_letters").await;
        assert_eq!(rejected - self.number(again).await, letters, "rejected, but not again = dead letters");
        assert_eq!(self.rollups_that_differ().await, 0, "rollups = rows");
        assert_eq!(self.number(include_str!("sessions_that_differ.sql")).await, 0, "sessions = clicks");
        Accounts { stored, duplicate, rejected, ignored }
    }

    /// Rows of rollups that differ from the sum over what they sum up.
    async fn rollups_that_differ(&self) -> i64 {
        let sales = self.number(include_str!("rollups_that_differ.sql")).await;
        sales + self.number(include_str!("ab_rollups_that_differ.sql")).await
    }
}

/// A database with the schema, and the small shop's users and articles.
pub async fn stocked_database() -> TestDatabase {
    database_with("stocked", |url| async move {
        let pool = database::connect(&url, 2)?;
        database::migrate(&pool).await?;
        shop::stock(&pool).await;
        pool.close().await;
        anyhow::Ok(())
    })
    .await
}

#[derive(Debug, PartialEq, Eq)]
pub struct Accounts {
    pub stored: i64,
    pub duplicate: i64,
    pub rejected: i64,
    pub ignored: i64,
}

/// A receipt that tells the test.
pub struct Told(pub oneshot::Sender<Vec<Outcome>>);

impl Receipt for Told {
    fn settle(self: Box<Self>, outcomes: Vec<Outcome>) {
        let _ = self.0.send(outcomes);
    }
}

/// A message with an id of its own.
pub fn delivery(payload: Bytes) -> (Delivery, oneshot::Receiver<Vec<Outcome>>) {
    let id = format!("pubsub:test:{}", uuid::Uuid::now_v7());
    delivery_with(id, payload, Utc::now())
}

pub fn delivery_with(
    id: String,
    payload: Bytes,
    published_at: DateTime<Utc>,
) -> (Delivery, oneshot::Receiver<Vec<Outcome>>) {
    let (sender, receiver) = oneshot::channel();
    let origin = Origin::PubSub {
        subscription: "projects/test/subscriptions/test".into(),
        message_id: id.clone(),
        publish_time: published_at,
        ordering_key: String::new(),
        delivery_attempt: None,
        attributes: Default::default(),
    };
    let received_at = Utc::now();
    (
        Delivery { id, payload, published_at, received_at, origin, replays: None, receipt: Box::new(Told(sender)) },
        receiver,
    )
}

/// `stored`, `duplicate`, `ignored`, or the reason of the rejection.
pub fn word(outcomes: &[Outcome]) -> String {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Stored { .. } => "stored".to_owned(),
        Outcome::Duplicate { .. } => "duplicate".to_owned(),
        Outcome::Ignored => "ignored".to_owned(),
        Outcome::Rejected(letter) => letter.reason.to_string(),
        Outcome::RejectedBefore(letter) => format!("{} again", letter.reason),
    };
    outcomes.iter().map(word).collect::<Vec<_>>().join(", ")
}
