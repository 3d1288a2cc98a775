//! What the benches share: a durable Postgres of their own, a stocked shop, purchases and figures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use private_postgres::{Options, PrivatePostgres};
use purser::database;
use purser::events::EventKind;
use purser::intake::{Delivery, Origin, Receipt, Source};
use purser::pipeline::{Outcome, Pipeline, store, validate};
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use purser_producer::{Purchases, Shop};
use sqlx::PgPool;

/// A shop as the producer opens it.
pub fn shop() -> Shop {
    Shop::open(1, 1000, 200)
}

/// Payloads of so many purchases.
pub fn payloads(shop: &Shop, seed: u64, invalid_ratio: f64, count: usize) -> Vec<Bytes> {
    Purchases::new(shop, seed, invalid_ratio).take(count).map(|purchase| purchase.payload).collect()
}

/// Deliveries of these payloads that nobody waits for.
pub fn deliveries(payloads: &[Bytes]) -> Vec<Delivery> {
    payloads.iter().enumerate().map(|(number, payload)| delivery(number, payload.clone())).collect()
}

fn delivery(number: usize, payload: Bytes) -> Delivery {
    let now = Utc::now();
    let origin = Origin::PubSub {
        subscription: "bench".into(),
        message_id: number.to_string(),
        publish_time: now,
        ordering_key: String::new(),
        delivery_attempt: None,
        attributes: Default::default(),
    };
    Delivery {
        id: format!("bench:{number}"),
        payload,
        published_at: now,
        received_at: now,
        origin,
        replays: None,
        receipt: Box::new(Nobody),
    }
}

/// Nobody waits for what is only measured.
pub struct Nobody;

impl Receipt for Nobody {
    fn settle(self: Box<Self>, _outcomes: Vec<Outcome>) {}
}

/// A private Postgres with fsync on, migrated and stocked.
pub struct Database {
    server: PrivatePostgres,
    pub url: String,
    pub pool: PgPool,
    pub folder: tempfile::TempDir,
}

impl Database {
    pub async fn start(shop: &Shop) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in("/var/tmp")?;
        // Root runs Postgres as another user, who has to get in.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let mut options = Options::at(folder.path().join("postgres"));
        options.shared_buffers = "512MB".to_owned();
        options.max_wal_size = "8GB".to_owned();
        let server = PrivatePostgres::start(options).await?;
        server.ensure_database("bench").await?;
        let url = server.url("bench");
        let pool = database::connect(&url, 20)?;
        database::migrate(&pool).await?;
        purser_producer::stock(shop, &pool).await?;
        Ok(Database { server, url, pool, folder })
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.server.url("bench")
    }

    pub fn pipeline(&self) -> Pipeline {
        Pipeline::new(self.pool.clone(), Arc::new(Metrics::default()), Shutdown::default(), 1 << 20)
    }

    /// Forgets everything that was stored, and lets the server settle.
    pub async fn clear(&self) -> anyhow::Result<()> {
        sqlx::raw_sql(
            "TRUNCATE purchases, purchase_items, sales_by_state, sales_by_article, sales_over_time, batches,
                      ab_events, ab_users, ab_split, ab_audience,
                      dead_letters, dead_letter_outbox, dead_letter_segments, waiting, rejections;
             CHECKPOINT;",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.pool.close().await;
        Ok(self.server.stop().await?)
    }
}

/// So many things in so much time, per second.
pub fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The machine that the figures are from.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How long so many writers take to store events, in transactions of `batch`, once everything before is done.
pub async fn store_all<K: EventKind>(
    pipeline: &Pipeline,
    payloads: &[Bytes],
    batch: usize,
    writers: usize,
) -> Duration {
    let mut shares: Vec<Vec<_>> = (0..writers).map(|_| Vec::new()).collect();
    for (number, payloads) in payloads.chunks(batch).enumerate() {
        let deliveries = deliveries(payloads);
        let examined = validate::decode_and_validate::<K>(&deliveries, 1 << 20);
        let judged = validate::check_references(pipeline, &deliveries, examined).await.unwrap();
        shares[number % writers].push((deliveries, judged));
    }
    let start = Instant::now();
    let writing = shares.into_iter().map(|share| {
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            for (deliveries, judged) in share {
                store::commit(&pipeline, uuid::Uuid::now_v7(), Source::PubSub, &deliveries, judged).await.unwrap();
            }
        })
    });
    for writer in writing.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    start.elapsed()
}
