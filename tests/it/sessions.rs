//! Sessions agree with the clicks at any time: whatever the order in which clicks come, whoever writes them.

use chrono::{DateTime, Utc};
use purser::config::EventsConfig;
use purser::events::{Kind, Premises};
use purser::shutdown::Shutdown;
use purser::telemetry::Dependency;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::Rig;
use crate::support::clicks::{at, click, click_from, order};
use crate::support::stack::eventually;

async fn store(rig: &Rig, clicks: &[Value]) {
    let words = rig.words_as("click_event", clicks.iter().map(Value::to_string)).await;
    assert!(words.iter().all(|word| word == "stored"), "{words:?}");
}

/// A worker's upkeep, by so many minutes.
struct Worker {
    shutdown: Shutdown,
    keeping: JoinHandle<anyhow::Result<()>>,
}

impl Worker {
    fn start(rig: &Rig, session_gap_minutes: u32) -> Worker {
        let shutdown = Shutdown::default();
        let keep = Kind::named("click_event").unwrap().upkeep.unwrap();
        let config = EventsConfig { session_gap_minutes };
        let premises = Premises { pool: rig.pool().clone(), config, shutdown: shutdown.clone() };
        Worker { shutdown, keeping: tokio::spawn(keep(premises)) }
    }

    async fn stop(self) {
        self.shutdown.stop();
        self.keeping.await.unwrap().unwrap();
    }
}

/// Waits until everybody's sessions are by a gap.
async fn rebuilt(rig: &Rig, minutes: i64) {
    eventually("sessions are rebuilt", async || {
        let gap = "SELECT coalesce(sum(gap_minutes), 0)::int8 FROM session_settings WHERE rebuilt_at IS NOT NULL";
        rig.number(gap).await == minutes
    })
    .await;
    let others = rig.number("SELECT count(*) FROM session_customers, session_settings AS s WHERE s.gap_minutes <> session_customers.gap_minutes");
    assert_eq!(others.await, 0);
}

/// Clicks of a few customers over some hours: many at the same minute, some from elsewhere, some orders.
fn clicks(number: usize, seed: u64) -> Vec<Value> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut clicks: Vec<Value> = (0..number)
        .map(|id| {
            let customer = ["46", "1403", "ä", "a b"][random.random_range(0..4)];
            let minutes = random.random_range(0..3000);
            match random.random_range(0..10) {
                0 => order(id, customer, minutes),
                1 => click_from("https://search.test/?q=tea", id, customer, minutes),
                2 => click_from("https://www.shop.test/", id, customer, minutes),
                3 => click_from("https://WWW.Other.test", id, customer, minutes),
                4 => click(id, None, minutes),
                _ => click(id, Some(customer), minutes),
            }
        })
        .collect();
    clicks.shuffle(&mut random);
    clicks
}

#[tokio::test]
async fn three_visits_of_a_customer_are_three_sessions() {
    let rig = Rig::new().await;
    let worker = Worker::start(&rig, 10);
    rebuilt(&rig, 10).await;
    let times = [
        (3669, "2022-05-14T21:56:48.648681"),
        (304_559, "2022-05-25T04:49:18.648681"),
        (308_059, "2022-05-25T04:54:18.648681"),
        (303_057, "2022-05-25T04:46:48.648681"),
        (323_493, "2022-05-25T05:11:18.648681"),
        (307_795, "2022-05-25T04:54:03.648681"),
    ];
    let clicks =
        times.map(|(id, time)| json!({"id": id, "type": "search", "event": {"customer-id": 46, "timestamp": time}}));
    store(&rig, &clicks).await;
    let sessions: Vec<(i64, i32, f64)> = sqlx::query_as(
        "SELECT number, events, extract(epoch FROM duration)::float8 FROM sessions WHERE customer_id = '46' ORDER BY number",
    )
    .fetch_all(rig.pool())
    .await
    .unwrap();
    assert_eq!(sessions, [(0, 1, 0.0), (1, 4, 450.0), (2, 1, 0.0)]);
    worker.stop().await;
}

#[tokio::test]
async fn a_session_says_what_happened_in_it() {
    let rig = Rig::new().await;
    let clicks = [
        json!({"id": 1, "type": "search", "event": {"customer-id": "46", "timestamp": at(0), "query": "tea"}}),
        click_from("https://shop.test/", 2, "46", 5),
        click_from("https://Search.test/?q=tea", 3, "46", 6),
        click_from("https://other.test/", 4, "46", 7),
        order(5, "46", 20),
        order(6, "46", 21),
        click(7, Some("46"), 30),
    ];
    store(&rig, &clicks).await;
    type Row = (
        DateTime<Utc>,
        DateTime<Utc>,
        i32,
        i32,
        Option<DateTime<Utc>>,
        Option<String>,
        Option<String>,
        Option<String>,
        i32,
    );
    let session: Row = sqlx::query_as(
        "SELECT started_at, ended_at, events, orders, first_order_at, first_page, referrer, referrer_host, gap_minutes
         FROM sessions",
    )
    .fetch_one(rig.pool())
    .await
    .unwrap();
    let text = |text: &str| Some(text.to_owned());
    let (page, referrer) = (text("https://shop.test/products/1"), text("https://Search.test/?q=tea"));
    assert_eq!(session, (at(0), at(30), 7, 2, Some(at(20)), page, referrer, text("search.test"), 30));
}

#[tokio::test]
async fn whatever_the_order_and_the_batches_sessions_agree_with_the_clicks() {
    for seed in 0..6 {
        let rig = Rig::new().await;
        let mut random = StdRng::seed_from_u64(seed);
        let mut rest = &clicks(300, seed)[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(random.random_range(1..=rest.len().min(60)));
            store(&rig, batch).await;
            rig.assert_accounts_agree().await;
            rest = later;
        }
    }
}

#[tokio::test]
async fn a_late_click_joins_two_sessions_and_renumbers_the_rest() {
    let rig = Rig::new().await;
    let numbers = "SELECT number FROM sessions ORDER BY started_at";
    let numbers = async || sqlx::query_scalar::<_, i64>(numbers).fetch_all(rig.pool()).await.unwrap();
    store(&rig, &[click(1, Some("46"), 0), click(2, Some("46"), 60), click(3, Some("46"), 200)]).await;
    assert_eq!(numbers().await, [0, 1, 2]);
    store(&rig, &[click(4, Some("46"), 30)]).await;
    assert_eq!(numbers().await, [0, 1]);
    store(&rig, &[click(5, Some("46"), -500)]).await;
    assert_eq!(numbers().await, [0, 1, 2]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_click_touches_only_the_sessions_near_to_it() {
    let rig = Rig::new().await;
    let visits: Vec<Value> = (0..500).map(|visit| click(visit, Some("46"), visit * 100)).collect();
    store(&rig, &visits).await;
    let versions = "SELECT started_at, ctid::text FROM click_sessions";
    let versions = async || sqlx::query_as::<_, (DateTime<Utc>, String)>(versions).fetch_all(rig.pool()).await.unwrap();
    let before = versions().await;
    let late =
        [click(1000, Some("46"), 100 * 250 + 30), click(1001, Some("46"), 100 * 250 - 30), click(1002, Some("46"), 50)];
    store(&rig, &late).await;
    let after = versions().await;
    assert_eq!(after.len(), 501);
    let untouched = before.iter().filter(|version| after.contains(version)).count();
    assert_eq!(untouched, 499);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn workers_that_share_customers_agree() {
    let rig = Rig::new().await;
    let clicks = clicks(1200, 7);
    let shares = clicks.chunks(300).map(|share| async {
        // A process of its own, but for the database.
        let worker = Rig::on(&rig.url);
        for batch in share.chunks(25) {
            store(&worker, batch).await;
        }
    });
    futures::future::join_all(shares).await;
    assert_eq!(rig.assert_accounts_agree().await.stored, 1200);
}

#[tokio::test]
async fn another_gap_rebuilds_while_clicks_come() {
    let rig = Rig::new().await;
    let clicks = clicks(900, 8);
    let (before, meanwhile) = clicks.split_at(300);
    store(&rig, before).await;
    let workers = [Worker::start(&rig, 90), Worker::start(&rig, 90)];
    for batch in meanwhile.chunks(20) {
        store(&rig, batch).await;
        rig.assert_accounts_agree().await;
    }
    rebuilt(&rig, 90).await;
    rig.assert_accounts_agree().await;
    for worker in workers {
        worker.stop().await;
    }
    // The same gap once more, and back again.
    let worker = Worker::start(&rig, 90);
    worker.stop().await;
    let worker = Worker::start(&rig, 7);
    rebuilt(&rig, 7).await;
    worker.stop().await;
    assert_eq!(rig.assert_accounts_agree().await.stored, 900);
}

#[tokio::test]
async fn what_one_worker_left_to_rebuild_another_finishes() {
    let rig = Rig::new().await;
    store(&rig, &clicks(200, 9)).await;
    let interrupted = "UPDATE session_settings SET gap_minutes = 5, rebuilt_at = NULL";
    sqlx::query(interrupted).execute(rig.pool()).await.unwrap();
    let worker = Worker::start(&rig, 5);
    rebuilt(&rig, 5).await;
    worker.stop().await;
    rig.assert_accounts_agree().await;
}

/// Otherwise the customer that is being made when the gap changes would keep the former one for ever.
#[tokio::test]
async fn the_gap_does_not_change_under_a_batch() {
    let rig = Rig::new().await;
    store(&rig, &[click(1, Some("46"), 0)]).await;
    let mut other = rig.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM session_customers FOR UPDATE").execute(&mut *other).await.unwrap();
    let waits = async |for_what: &str| {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = $1";
        sqlx::query_scalar::<_, i64>(sql).bind(for_what).fetch_one(rig.pool()).await.unwrap() > 0
    };
    let batch = [click(2, Some("46"), 1), click(3, Some("new"), 1)];
    let storing = store(&rig, &batch);
    let changing = async {
        eventually("the batch waits for its customer", async || waits("transactionid").await).await;
        let worker = Worker::start(&rig, 5);
        eventually("the gap waits for the batch", async || waits("advisory").await).await;
        assert_eq!(rig.number("SELECT gap_minutes::int8 FROM session_settings").await, 30);
        other.commit().await.unwrap();
        worker
    };
    let ((), worker) = tokio::join!(storing, changing);
    rebuilt(&rig, 5).await;
    worker.stop().await;
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn what_goes_wrong_with_sessions_is_the_fault_of_no_click() {
    let rig = Rig::new().await;
    sqlx::query("ALTER TABLE session_customers ADD CHECK (gap_minutes <> 30)").execute(rig.pool()).await.unwrap();
    let clicks = [click(1, Some("46"), 0), click(2, None, 0)];
    let mended = async {
        eventually("the batch is held", async || rig.pipeline.metrics.holding(Dependency::Postgres) > 0).await;
        let mend = "UPDATE session_settings SET gap_minutes = 20";
        sqlx::query(mend).execute(rig.pool()).await.unwrap();
    };
    tokio::join!(store(&rig, &clicks), mended);
    assert_eq!(rig.assert_accounts_agree().await.stored, 2);
}
