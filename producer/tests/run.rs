//! A whole run against a Pub/Sub server and a Postgres of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_pubsub::client::{Subscriber, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::Message;
use private_postgres::testing::{TestDatabase, database};
use pubsub_server::{Config, Server};
use purser_producer::{Counts, KINDS, Kind, Options, Rate, Shop, Summary};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A Pub/Sub server with a subscription to the topics of some kinds, a database and a folder.
struct Town {
    server: Server,
    database: TestDatabase,
    blob: TempDir,
}

impl Town {
    async fn listening_to(kinds: &[&str]) -> Town {
        let server = Server::start(Config { addr: ([127, 0, 0, 1], 0).into(), ..Config::default() }).await.unwrap();
        let town = Town { server, database: database().await, blob: tempfile::tempdir().unwrap() };
        for name in kinds {
            town.listen_to(name).await;
        }
        town
    }

    async fn listen_to(&self, kind: &str) {
        let endpoint = self.server.endpoint();
        let topic = format!("projects/data-engineering/topics/{}", Kind::named(kind).unwrap().topic);
        let topics = TopicAdmin::builder().with_endpoint(&endpoint).with_credentials(Anonymous::new().build());
        // The shop may have made it already.
        drop(topics.build().await.unwrap().create_topic().set_name(&topic).send().await);
        let admin = SubscriptionAdmin::builder().with_endpoint(&endpoint).with_credentials(Anonymous::new().build());
        let create = admin.build().await.unwrap().create_subscription();
        create.set_name(subscription(kind)).set_topic(topic).send().await.unwrap();
    }

    fn options(&self) -> Options {
        Options {
            rate: Rate::Max,
            run: Some(0),
            emulator_host: Some(self.server.endpoint()),
            database_url: Some(self.database.url().to_owned().into()),
            blob: self.blob.path().to_owned(),
            users: 20,
            articles: 10,
            ..Options::default()
        }
    }

    async fn pool(&self) -> PgPool {
        PgPool::connect(self.database.url()).await.unwrap()
    }

    fn received(&self, kind: &str) -> u64 {
        self.server.subscription_stats(&subscription(kind)).map_or(0, |stats| stats.received)
    }

    /// Everything that waits for whoever listens to `kind`.
    async fn messages(&self, kind: &str) -> Vec<Message> {
        let builder = Subscriber::builder().with_endpoint(self.server.endpoint());
        let subscriber = builder.with_credentials(Anonymous::new().build()).build().await.unwrap();
        let mut stream = subscriber.subscribe(subscription(kind)).build();
        let mut messages = Vec::new();
        for _ in 0..self.received(kind) {
            messages.push(stream.next().await.unwrap().unwrap().0);
        }
        messages
    }
}

fn subscription(kind: &str) -> String {
    format!("projects/data-engineering/subscriptions/test-{kind}")
}

fn start(options: Options) -> (JoinHandle<anyhow::Result<Summary>>, CancellationToken) {
    let shutdown = CancellationToken::new();
    (tokio::spawn(purser_producer::run(options, shutdown.clone())), shutdown)
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

const ALL: [&str; 5] = ["purchase", "ab_event", "order", "click_event", "product_view"];

#[tokio::test]
async fn every_kind_arrives_in_proportion_and_no_message_is_lost() {
    let town = Town::listening_to(&ALL).await;
    let (running, _shutdown) = start(Options { count: Some(400), ..town.options() });
    let Summary(by_kind) = running.await.unwrap().unwrap();
    assert_eq!(by_kind.len(), 5);
    for kind in &KINDS {
        let Counts { published, repeated, unconfirmed, invalid, by_fault } = &by_kind[kind.name];
        assert_eq!((published - repeated, *unconfirmed), (kind.for_purchases(400), 0), "{kind:?}");
        assert_eq!(by_fault.values().sum::<u64>(), *invalid, "{kind:?}");
        assert_eq!(town.received(kind.name), *published, "{kind:?}");
    }
    let files = std::fs::read_dir(town.blob.path().join("purchases")).unwrap().count();
    assert_eq!(files, 400, "a file for each purchase, none for its repetition");
}

#[tokio::test]
async fn attributes_arrive_beside_the_payload() {
    let town = Town::listening_to(&["product_view"]).await;
    let kinds = "product_view".parse().unwrap();
    let (running, _shutdown) = start(Options { count: Some(200), kinds, invalid_ratio: 0.0, ..town.options() });
    running.await.unwrap().unwrap();
    let mut by_key: BTreeMap<String, bytes::Bytes> = BTreeMap::new();
    for message in town.messages("product_view").await {
        assert!(["iOS", "Android", "MobileWeb"].contains(&message.attributes["platform"].as_str()));
        let before = by_key.insert(message.attributes["idempotency_key"].clone(), message.data.clone());
        assert!(before.is_none_or(|before| before == message.data), "a repetition is the same batch");
    }
    assert_eq!(by_key.len(), 200);
}

#[tokio::test]
async fn a_kind_that_nobody_listens_to_keeps_no_other_waiting() {
    let town = Town::listening_to(&["order"]).await;
    let kinds = "order,ab_event".parse().unwrap();
    let (running, _shutdown) = start(Options { count: Some(10), kinds, ..town.options() });
    eventually("orders are published", || town.received("order") >= 5).await;
    assert!(!running.is_finished(), "it waits for somebody who wants A/B test events");
    town.listen_to("ab_event").await;
    let Summary(by_kind) = running.await.unwrap().unwrap();
    assert!(by_kind["ab_event"].published >= 30);
}

#[tokio::test]
async fn the_books_hold_newcomers_and_what_views_led_to() {
    let town = Town::listening_to(&["ab_event", "product_view"]).await;
    let kinds = "ab_event,product_view".parse().unwrap();
    let (running, _shutdown) = start(Options { count: Some(1_000), kinds, ..town.options() });
    running.await.unwrap().unwrap();
    let pool = town.pool().await;
    let count = async |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap();
    let known = i64::try_from(Shop::open(1, 1, 1).shoppers().len()).unwrap();
    let shoppers = count("SELECT count(*) FROM shoppers").await;
    assert!((known + 40..=known + 200).contains(&shoppers), "{shoppers}");
    let list = std::fs::read(town.blob.path().join("shoppers/user_info.json")).unwrap();
    let list: Vec<serde_json::Value> = serde_json::from_slice(&list).unwrap();
    assert_eq!(i64::try_from(list.len()).unwrap(), shoppers, "the list is that of the table");
    assert!(count("SELECT count(*) FROM orders WHERE order_date <= now()").await > 20);
    let alone = "SELECT count(*) FROM orders o FULL JOIN order_items i ON i.order_id = o.id
                 WHERE o.id IS NULL OR i.id IS NULL OR i.code_color IS NULL OR i.quantity < 1";
    assert_eq!(count(alone).await, 0, "no order without items, no item without an order");
    assert_eq!(count("SELECT count(*) FROM pg_tables WHERE tablename = 'users'").await, 0, "nobody buys by name");
}

#[tokio::test]
async fn a_newcomer_is_heard_of_before_they_are_known() {
    let town = Town::listening_to(&["ab_event"]).await;
    let kinds = "ab_event".parse().unwrap();
    let (running, shutdown) = start(Options { rate: Rate::PerSecond(500.0), kinds, ..town.options() });
    eventually("some newcomers are heard of", || town.received("ab_event") > 500).await;
    let pool = town.pool().await;
    let known = async || sqlx::query_scalar("SELECT count(*) FROM shoppers").fetch_one(&pool).await.unwrap();
    let before: i64 = known().await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
    let after: i64 = known().await;
    assert!(after > before, "the end of the run writes down who is left: {before}, {after}");
}

#[tokio::test]
async fn tables_of_other_types_are_filled_and_missing_ones_made() {
    let (database, shop) = (database().await, Shop::open(1, 30, 10));
    let pool = PgPool::connect(database.url()).await.unwrap();
    let rows = |stocked: purser_producer::Stocked| (stocked.users, stocked.articles);
    assert_eq!(rows(purser_producer::stock(&shop, &pool).await.unwrap()), (30, 10));
    assert_eq!(rows(purser_producer::stock(&shop, &pool).await.unwrap()), (0, 0), "rows that exist stay");
    assert_eq!(rows(purser_producer::stock_as_foreigner(&shop, &pool).await.unwrap()), (30, 10));
    assert_eq!(rows(purser_producer::stock(&shop, &pool).await.unwrap()), (0, 0));
    let price: f64 = sqlx::query_scalar("SELECT price FROM articles WHERE id = $1")
        .bind(shop.articles()[0].id.to_string())
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(price.to_string(), shop.articles()[0].price.normalize().to_string());

    sqlx::query("CREATE TABLE shoppers (user_id bigint, gender varchar, country varchar)")
        .execute(&pool)
        .await
        .unwrap();
    let everyone = u64::try_from(shop.shoppers().len()).unwrap();
    assert_eq!(purser_producer::register(shop.shoppers(), &pool).await.unwrap(), everyone);
    assert_eq!(purser_producer::register(shop.shoppers(), &pool).await.unwrap(), 0, "without any key, too");
}
