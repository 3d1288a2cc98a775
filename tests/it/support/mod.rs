//! What the tests share: a migrated database, a small stocked shop, and a way to drive the pipeline.

pub mod book;
pub mod clicks;
pub mod house;
pub mod letters;
pub mod orders;
pub mod post;
pub mod process;
pub mod proxy;
pub mod sent;
pub mod shop;
pub mod stack;
pub mod views;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use private_postgres::testing::{TestDatabase, database_with};
use purser::blob::Blob;
use purser::intake::{Delivery, Origin, Receipt, Source};
use purser::pipeline::worker::BatchLimits;
use purser::pipeline::{Outcome, Pipeline};
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use purser::verify::{Verifier, Watcher};
use purser::{database, events};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

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

    /// Does something to the database by hand.
    pub async fn execute(&self, sql: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(self.pool()).await.unwrap();
    }

    /// One number of the database.
    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }

    /// The sums of the ledger, after `purser verify` has compared all there is with the rows.
    pub async fn assert_accounts_agree(&self) -> Accounts {
        self.assert_verified(None).await;
        let (stored, duplicate, rejected, ignored): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT coalesce(sum(stored), 0)::int8, coalesce(sum(duplicate), 0)::int8,
                    coalesce(sum(rejected), 0)::int8, coalesce(sum(ignored), 0)::int8
             FROM batches",
        )
        .fetch_one(self.pool())
        .await
        .unwrap();
        Accounts { stored, duplicate, rejected, ignored }
    }

    /// `purser verify` finds no difference, in the blob store either where there is one.
    pub async fn assert_verified(&self, blob: Option<Blob>) {
        let report = verifier(self.pool(), blob).verify(&[]).await.unwrap();
        assert!(report.agrees(), "{report:#?}");
    }
}

/// What compares everything, and mends nothing.
pub fn verifier(pool: &PgPool, blob: Option<Blob>) -> Verifier {
    Verifier { pool: pool.clone(), blob, repair: false, shutdown: Shutdown::default(), watcher: Arc::new(Nobody) }
}

struct Nobody;

impl Watcher for Nobody {
    fn at(&self, _check: &str, _place: &str) {}
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
