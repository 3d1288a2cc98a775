//! `/ctr` of the API over what is in Postgres and what the engine has of the history: the numbers are those of the
//! views, to the last digit, wherever these stand.

mod counted;
mod made_up;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use proptest::test_runner::{Config, TestRunner};
use purser::api::{self, Api, Ctr, DeadLetters, History, Limits, Tokens};
use purser::blob::Blob;
use purser::config::{AbConfig, CtrConfig, HistoryConfig};
use purser::domain::Split;
use purser::health::Health;
use purser::pipeline::Pipeline;
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use purser_history::engine::{Engine, Resources};
use purser_history::moving::move_older;
use purser_history::serve::Service;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::history::served;
use crate::support::{Counted, House};
use counted::answer;
use made_up::{DAYS, Days, Question, View, days, midnight};

/// A house whose API asks a history, over HTTP.
struct Open {
    house: House,
    url: String,
}

impl Open {
    async fn new() -> Open {
        let house = House::new().await;
        let resources = Resources { memory_mib: 64, spill_dir: None, spill_gib: 1 };
        let engine = Engine::here(resources.runtime(house.store.url()).unwrap(), 2);
        let (room, token) = (Arc::new(Semaphore::new(4)), Some("t0ken".into()));
        let (patience, deadline) = (Duration::from_secs(20), Duration::from_secs(60));
        let url = served(Service { engine, store: house.store.clone(), token, room, patience, deadline }).await;
        let url =
            answering(&house, HistoryConfig { history_url: Some(url), history_token: Some("t0ken".into()) }).await;
        Open { house, url }
    }

    async fn with(days: &Days) -> Open {
        let open = Open::new().await;
        open.insert(days.views.iter().filter(|view| !view.late)).await;
        let orders = "INSERT INTO orders (id, order_date, device_type, order_status)
                      SELECT * FROM UNNEST($1::text[], $2::timestamptz[], $3::text[], $4::text[])";
        let ids: Vec<String> = (0..days.orders.len()).map(|id| id.to_string()).collect();
        let at: Vec<_> = days.orders.iter().map(|order| order.at).collect();
        let platforms: Vec<_> = days.orders.iter().map(|order| order.platform).collect();
        let status: Vec<_> = days.orders.iter().map(|order| order.status).collect();
        let orders = sqlx::query(orders).bind(&ids).bind(&at).bind(&platforms).bind(&status);
        orders.execute(&open.house.pool).await.unwrap();
        for (id, order) in ids.iter().zip(&days.orders) {
            let items = "INSERT INTO order_items (id, order_id, code_color, quantity)
                         SELECT $1 || '-' || n, $1, product, 3 FROM UNNEST($2::text[]) WITH ORDINALITY AS item (product, n)";
            sqlx::query(items).bind(id).bind(&order.items).execute(&open.house.pool).await.unwrap();
        }
        open
    }

    async fn insert(&self, views: impl Iterator<Item = &View> + Clone) {
        let insert = "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
                      SELECT id, at, now(), platform, product
                      FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) AS view (id, at, platform, product)";
        let ids: Vec<Uuid> = views.clone().map(|_| Uuid::new_v4()).collect();
        let at: Vec<_> = views.clone().map(|view| view.at).collect();
        let platforms: Vec<&str> = views.clone().map(|view| view.platform).collect();
        let products: Vec<&str> = views.map(|view| view.product).collect();
        let insert = sqlx::query(insert).bind(ids).bind(at).bind(platforms).bind(products);
        insert.execute(&self.house.pool).await.unwrap();
    }

    /// Moves what is from before a day.
    async fn do_move(&self, before: NaiveDate) {
        let House { pool, store, .. } = &self.house;
        move_older(pool, store, midnight(before), &Shutdown::default(), &Counted::default()).await.unwrap();
    }

    async fn ask(&self, question: &Question) -> (u16, String) {
        let Question { start, end, minutes, zone, product, platform } = question;
        let [start, end] = [start, end].map(|at| at.with_timezone(zone).format("%Y-%m-%d %H:%M:%S").to_string());
        let body = serde_json::json!({"startTimestamp": start, "endTimestamp": end, "aggregation": minutes,
                                      "tz": zone.name(), "product": product, "platform": platform});
        let response = reqwest::Client::new().post(format!("{}/ctr", self.url)).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// What is wrong with the answers; nothing.
    async fn differences(&self, days: &Days, with_late: bool, when: &str) -> String {
        let mut wrong = String::new();
        for question in &days.questions {
            let (expected, found) = ((200, answer(days, question, with_late)), self.ask(question).await);
            if expected != found {
                writeln!(wrong, "{when}: {question:?}\nexpected {expected:?}\nfound    {found:?}").unwrap();
            }
        }
        wrong
    }
}

/// The API of this database, on a port of its own.
async fn answering(house: &House, history: HistoryConfig) -> String {
    let (metrics, shutdown) = (Arc::new(Metrics::default()), Shutdown::default());
    let pipeline = Pipeline::new(house.pool.clone(), Arc::clone(&metrics), shutdown.clone(), 1 << 20);
    let cancelled = ["canceled", "cancelled"].map(str::to_owned).to_vec();
    let history = History::new(&history, Arc::clone(&metrics)).unwrap();
    let router = api::router(Api {
        pool: house.pool.clone(),
        intakes: Arc::new(BTreeMap::new()),
        health: Health::default(),
        metrics,
        tokens: Arc::new(Tokens::default()),
        limits: Limits::default(),
        max_event_bytes: 1 << 20,
        ab: AbConfig { ab_expected_split: Split::default(), ab_minimum_users: 100, ab_silent_hours: 48 },
        ctr: Ctr::new(&CtrConfig { ctr_cancelled_statuses: cancelled }).with_history(history),
        dead_letters: DeadLetters::new(pipeline, Blob::open(house.folder.path().to_str().unwrap()).unwrap()),
        project: "test".to_owned(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { api::serve(listener, router, Limits::default(), &shutdown).await });
    url
}

/// Moves the watermark over the days, one after the other; late views come in on the way, files are merged at the end.
async fn differences(days: &Days) -> String {
    let open = Open::with(days).await;
    let mut wrong = open.differences(days, false, "in Postgres").await;
    let mut late = false;
    for day in 1..=DAYS {
        open.do_move(days.first + TimeDelta::days(day)).await;
        wrong += &open.differences(days, late, &format!("{day} days moved")).await;
        if day == 2 {
            open.insert(days.views.iter().filter(|view| view.late)).await;
            late = true;
            wrong += &open.differences(days, late, "with late views").await;
        }
    }
    assert_eq!(open.house.number("SELECT count(*) FROM product_views").await, 0);
    open.house.merge().await.unwrap();
    wrong + &open.differences(days, true, "merged").await
}

#[test]
fn rates_are_those_of_the_views_wherever_these_stand() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: 12, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&days(), |days| {
        let wrong = runtime.block_on(differences(&days));
        proptest::prop_assert!(wrong.is_empty(), "{}", wrong);
        Ok(())
    });
    result.unwrap();
}

/// Ten days of some views, every other of them late, and what is asked about all of them.
fn ten_days() -> Days {
    let first = NaiveDate::from_ymd_opt(2016, 1, 1).unwrap();
    let view = |n: i64| {
        let at = midnight(first) + TimeDelta::seconds(n * 288);
        let (platform, product) = (["iOS", "Android"][n as usize / 2 % 2], ["a", "b", "c"][n as usize % 3]);
        View { at, platform, product, late: n % 2 == 1 }
    };
    let (start, end) = (midnight(first), midnight(first) + TimeDelta::days(10));
    let question = Question { start, end, minutes: 600, zone: chrono_tz::Tz::UTC, product: None, platform: None };
    Days { first, views: (0..3000).map(view).collect(), orders: Vec::new(), questions: vec![question] }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_stay_while_views_are_moved_and_merged() {
    let days = ten_days();
    let open = Open::with(&days).await;
    open.do_move(days.first + TimeDelta::days(10)).await;
    open.insert(days.views.iter().filter(|view| view.late)).await;
    let expected = (200, answer(&days, &days.questions[0], true));
    let working = async {
        for day in [3, 7, 10] {
            open.do_move(days.first + TimeDelta::days(day)).await;
            assert!(open.house.merge().await.unwrap() > 0);
        }
    };
    tokio::pin!(working);
    let mut asked = 0;
    loop {
        tokio::select! {
            () = &mut working => break,
            found = open.ask(&days.questions[0]) => assert_eq!(found, expected),
        }
        asked += 1;
    }
    assert!(asked > 1, "it was asked {asked} times");
    assert_eq!(open.ask(&days.questions[0]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_file_is_missing_there_is_no_number() {
    let days = ten_days();
    let open = Open::with(&days).await;
    open.do_move(days.first + TimeDelta::days(10)).await;
    let expected = (200, answer(&days, &days.questions[0], false));
    let file = open.house.folder.path().join(&open.house.files().await[3].path);
    let hidden = open.house.folder.path().join("hidden");
    std::fs::rename(&file, &hidden).unwrap();
    let (status, problem) = open.ask(&days.questions[0]).await;
    assert_eq!(status, 503);
    assert!(problem.contains("the history cannot be asked at the moment") && !problem.contains("parquet"), "{problem}");
    std::fs::rename(&hidden, &file).unwrap();
    assert_eq!(open.ask(&days.questions[0]).await, expected);
}
