//! `/ctr` when views were moved out of the database: the numbers stay as they were, or there are none.

mod large;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use purser::api::{Ctr, History, Tokens};
use purser::config::HistoryConfig;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::engine::{Engine, Mood};
use super::{CHANGES, Question, ZONES, scatter};
use crate::api::{Service, ctr};
use crate::support::Rig;

/// A service that asks a history.
async fn with_history(engine: &Engine, ctr: Ctr) -> Service {
    impatient(engine, ctr, Duration::from_secs(45)).await
}

/// One that waits no longer than this for a history that is silent.
async fn impatient(engine: &Engine, ctr: Ctr, silence: Duration) -> Service {
    let rig = Rig::new().await;
    let history = engine.history(&rig.pipeline.metrics).with_silence(silence);
    Service::with_ctr(rig, Tokens::default(), ctr.with_history(Some(history))).await
}

impl Service {
    /// What everybody gets whose question needs the history while that cannot be asked.
    async fn is_refused(&self, path: &str) -> bool {
        let response = self.request("GET", path).send().await.unwrap();
        let after = response.headers().get("retry-after").cloned();
        let (status, problem) = self.documented("GET", response).await;
        let said = problem["detail"] == "the history cannot be asked at the moment";
        (status, said, after.is_some()) == (503, true, true)
    }

    /// So many questions to the history were answered, and failed.
    async fn history_asked(&self) -> (u64, u64) {
        let text = self.request("GET", "/metrics").send().await.unwrap().text().await.unwrap();
        let of = |outcome: &str| {
            let series = format!("purser_history_questions_total{{outcome=\"{outcome}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
        };
        (of("answered"), of("failed"))
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// Periods around the changes, on the clocks of zones that change theirs. None begins or ends at a time that these
/// show twice: Postgres would mean the later one.
fn questions() -> Vec<Question> {
    let mut random = StdRng::seed_from_u64(5);
    let mut questions = Vec::new();
    while questions.len() < 40 {
        let start = CHANGES[random.random_range(0..2)] - 30 * random.random_range(1..700);
        let end = start + [7200, 21_600, 50_000, 700_000][random.random_range(0..4)] + random.random_range(0..90);
        let name = ZONES[random.random_range(0..4)];
        let zone: Tz = name.parse().unwrap();
        let walls = [start, end].map(|time| at(time).with_timezone(&zone).naive_local());
        if walls.iter().any(|wall| zone.from_local_datetime(wall).single().is_none()) {
            continue;
        }
        let [start, end] = walls.map(|wall| wall.format("%Y-%m-%d %H:%M:%S").to_string());
        questions.push(Question {
            start,
            end,
            minutes: [1, 7, 30, 60, 1440][random.random_range(0..5)],
            zone: name,
            product: ["", "", "1_a", "2"][random.random_range(0..4)],
            platform: ["", "", "ios", "KIOSK"][random.random_range(0..4)],
        });
    }
    questions
}

#[tokio::test]
async fn rates_are_the_same_wherever_the_views_are() {
    let engine = Engine::new().await;
    let service = with_history(&engine, ctr()).await;
    scatter(&service).await;
    let (questions, mut right) = (questions(), Vec::new());
    for question in &questions {
        right.push(question.naive(service.rig.pool()).await);
        assert_eq!(&service.text(&question.path()).await, right.last().unwrap(), "{question:?}");
    }
    assert!(right.iter().filter(|answer| *answer != "[]").count() > 30);
    assert!(engine.asked().is_empty(), "there are no files");
    let midnight = at(CHANGES[0] - CHANGES[0] % 86_400);
    // A day, what came late for it, a part of the next one, and everything.
    for before in [midnight, midnight + TimeDelta::minutes(61), at(CHANGES[1]), at(CHANGES[1] + 86_400)] {
        engine.take(service.rig.pool(), before).await;
        for (question, right) in questions.iter().zip(&right) {
            assert_eq!(&service.text(&question.path()).await, right, "{question:?}, moved before {before}");
        }
        assert!(!engine.asked().is_empty());
    }
    assert_eq!(service.rig.number("SELECT count(*) FROM product_views").await, 0);
    assert_eq!(service.history_asked().await.1, 0);
}

/// Two days of iOS and one of Android, with two views at the start of each, one at the end and one between.
async fn three_files(engine: &Engine, service: &Service) {
    service
        .run(
            "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
             SELECT gen_random_uuid(), day::timestamptz + after::interval, now(), platform, product
             FROM (VALUES ('2016-01-03Z', 'iOS'), ('2016-01-04Z', 'iOS'), ('2016-01-04Z', 'Android')) AS days (day, platform),
                  (VALUES ('0 s', 'a'), ('0 s', 'b'), ('12 h', 'a'), ('86399.999999 s', 'a')) AS views (after, product)",
        )
        .await;
    engine.take(service.rig.pool(), "2016-02-01T00:00:00Z".parse().unwrap()).await;
}

fn day(start: &str, end: &str, rest: &str) -> String {
    format!("/ctr?startTimestamp=2016-01-{start}&endTimestamp=2016-01-{end}&aggregation=1440{rest}")
}

#[tokio::test]
async fn the_files_that_overlap_with_the_period_are_asked_for_and_no_others() {
    let engine = Engine::new().await;
    let service = with_history(&engine, ctr()).await;
    three_files(&engine, &service).await;
    let path = day("03T12:00:00", "04T00:00:00", "&product=a&platform=IOS");
    let row = r#"[{"timestamp":"2016-01-03 12:00:00","platform":"iOS","product":"a","CTR":0.0000}]"#;
    assert_eq!(service.text(&path).await, row);
    let mut asked = engine.asked();
    let file = asked[0]["files"][0]["path"].take();
    assert!(file.as_str().unwrap().starts_with("platform=iOS/day=2016-01-03/"), "{file}");
    let expected = json!([{
        "files": [{"path": null, "bytes": 77}], "start": "2016-01-03T12:00:00Z", "end": "2016-01-04T00:00:00Z",
        "bucket_us": 86_400_000_000_u64, "product": "a", "platform": "iOS", "most": 1_000_001,
    }]);
    assert_eq!(Value::from(asked), expected);

    let files = async |path: String| {
        service.text(&path).await;
        engine.asked().iter().map(|asked| asked["files"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!(files(day("03T00:00:00", "04T00:00:00", "")).await, [1]);
    assert_eq!(files(day("03T00:00:00", "04T00:00:01", "")).await, [3]);
    assert_eq!(files(day("03T23:59:59", "04T00:00:00", "")).await, [1]);
    assert_eq!(files(day("03T00:00:00", "05T00:00:00", "&platform=android")).await, [1]);
    assert_eq!(files(day("05T00:00:00", "06T00:00:00", "")).await, [0; 0]);
    assert_eq!(files(day("02T00:00:00", "03T00:00:00", "")).await, [0; 0]);
    assert_eq!(files(day("04T01:00:00", "04T02:00:00", "&tz=Asia/Kathmandu")).await, [1]);

    let noon = "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
                VALUES (gen_random_uuid(), '2016-01-10 12:00Z', now(), 'iOS', 'a')";
    service.run(noon).await;
    engine.take(service.rig.pool(), "2016-02-01T00:00:00Z".parse().unwrap()).await;
    assert_eq!(files(day("10T00:00:00", "10T12:00:00", "")).await, [0; 0]);
    assert_eq!(files(day("10T00:00:00", "10T12:00:01", "")).await, [1]);
    assert_eq!(files(day("10T12:00:00", "11T00:00:00", "")).await, [1]);
    assert_eq!(files(day("10T12:00:01", "11T00:00:00", "")).await, [0; 0]);

    service.run("UPDATE history_files SET removed_at = now() WHERE platform = 'Android'").await;
    assert_eq!(files(day("03T00:00:00", "05T00:00:00", "")).await, [2]);
}

#[tokio::test]
async fn without_an_address_what_reaches_into_the_history_is_not_answered() {
    let engine = Engine::new().await;
    let service = Service::new().await;
    three_files(&engine, &service).await;
    let (status, problem) = service.get(&day("04T23:00:00", "06T00:00:00", "")).await;
    let expected = "years of views are kept in a history, and this service is not told where to ask it (HISTORY_URL)";
    assert_eq!((status, &problem["detail"]), (503, &json!(expected)));
    assert_eq!(service.get(&day("05T00:00:00", "06T00:00:00", "")).await, (200, json!([])));
    assert_eq!(service.get(&day("03T00:00:00", "04T00:00:00", "&platform=android")).await, (200, json!([])));
}

#[tokio::test]
async fn while_the_history_cannot_be_asked_there_is_no_number() {
    let engine = Engine::new().await;
    let service = impatient(&engine, ctr(), Duration::from_millis(500)).await;
    three_files(&engine, &service).await;
    let path = day("03T00:00:00", "05T00:00:00", "");
    let right = service.text(&path).await;
    let refusals = [400, 401, 302, 404, 413, 500, 503, 204].map(Mood::Status);
    let pieces = [0, 1, 30, 60].map(|bytes| [Mood::Stalls(bytes), Mood::Breaks(bytes), Mood::Ends(bytes)]);
    let lies: [&[u8]; 10] = [
        b"",
        b"{}\n",
        b"{\"rows\":0}",
        b"{\"rows\":1}\n",
        b"{\"rows\":0}\n[0,\"iOS\",\"a\",1]\n",
        b"[0,\"iOS\",\"\xff\",1]\n{\"rows\":1}\n",
        b"[0,\"iOS\",\"b\",1]\n[0,\"iOS\",\"a\",1]\n{\"rows\":2}\n",
        b"[2,\"iOS\",\"a\",1]\n{\"rows\":1}\n",
        b"[0,\"iOS\",\"a\",13]\n{\"rows\":1}\n",
        b"[0,\"iOS\",\"a\",-1]\n{\"rows\":1}\n",
    ];
    let moods = refusals.into_iter().chain(pieces.into_iter().flatten()).chain(lies.map(Mood::Says));
    let mut failed = 0;
    for mood in moods.chain([Mood::Silent]) {
        let said = format!("{mood:?}");
        engine.is(mood);
        assert!(service.is_refused(&path).await, "{said}");
        failed += 1;
        assert_eq!(service.history_asked().await, (1, failed), "{said}");
    }
    engine.is(Mood::Right);
    assert_eq!(service.text(&path).await, right);
    assert_eq!(service.get(&day("05T00:00:00", "06T00:00:00", "")).await, (200, json!([])));
}

#[tokio::test]
async fn a_history_that_is_away_is_asked_again_when_it_is_back() {
    let engine = Engine::new().await;
    let service = with_history(&engine, ctr()).await;
    three_files(&engine, &service).await;
    let path = day("03T00:00:00", "05T00:00:00", "");
    let right = service.text(&path).await;
    let (address, shared) = (engine.url.strip_prefix("http://").unwrap().to_owned(), Arc::clone(&engine.shared));
    engine.stop().await;
    assert!(service.is_refused(&path).await);
    let _engine = Engine::at(&address, shared).await;
    assert_eq!(service.text(&path).await, right);
}

#[test]
fn an_address_that_cannot_be_asked_is_refused_and_not_shown() {
    for url in ["history:8090", "ftp://history", "http://me:hidden@history", "http://history?hidden=1", "", "http://"] {
        let config = HistoryConfig { history_url: Some(url.to_owned()), history_token: None };
        let error = format!("{:#}", History::new(&config, Arc::default()).unwrap_err());
        assert!(error.contains("HISTORY_URL") && !error.contains("hidden"), "{url}: {error}");
    }
    assert!(History::new(&HistoryConfig::default(), Arc::default()).unwrap().is_none());
}
