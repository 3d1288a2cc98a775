//! Answers of many rows that come out of the history.

use std::time::Duration;

use axum::http::StatusCode;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::super::YEAR;
use super::super::engine::{Engine, Mood};
use super::{impatient, with_history};
use crate::api::{Service, ctr};

/// 30 000 products with long names in a day of the history: an answer of many parts.
async fn many(engine: &Engine, service: &Service) {
    service
        .run(
            "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
             SELECT gen_random_uuid(), '2016-01-01Z'::timestamptz + n * interval '1 s', now(), 'iOS', to_char(n, 'FM00000') || repeat('x', 200)
             FROM generate_series(1, 30000) AS n;
             INSERT INTO product_views (id, occurred_at, received_at, platform, product)
             VALUES (gen_random_uuid(), '2016-01-03Z', now(), 'iOS', 'recent')",
        )
        .await;
    engine.take(service.rig.pool(), "2016-01-02T00:00:00Z".parse().unwrap()).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_its_beginning_breaks_its_connection() {
    let engine = Engine::new().await;
    let service = impatient(&engine, ctr(), Duration::from_millis(4000)).await;
    many(&engine, &service).await;
    for mood in [Mood::Stalls(3_000_000), Mood::Ends(3_000_000)] {
        engine.is(mood);
        let response = service.request("GET", &format!("{YEAR}&aggregation=1")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let parts: Vec<_> = response.bytes_stream().collect().await;
        assert!(parts[0].is_ok() && parts.last().unwrap().is_err());
    }
}

#[tokio::test]
async fn an_answer_has_a_bounded_number_of_rows_with_history_too() {
    let engine = Engine::new().await;
    for (most, path, rows, asked) in [
        // Fewer views than rows are allowed: these are not counted before.
        (30_001, "aggregation=1440", Some(30_001), 1),
        (30_000, "aggregation=1440", None, 1),
        (100, "aggregation=1440", None, 1),
        // Few rows of many views: they are kept when they are counted.
        (100, "aggregation=1440&product=recent", Some(1), 1),
    ] {
        let service = with_history(&engine, ctr().with_most_rows(most)).await;
        many(&engine, &service).await;
        let (status, answer) = service.get(&format!("{YEAR}&{path}")).await;
        match rows {
            Some(rows) => assert_eq!((status, answer.as_array().map(Vec::len)), (200, Some(rows)), "{most} {path}"),
            None => assert_eq!((status, &answer["errors"][0]["code"]), (400, &json!("too_many_rows")), "{most} {path}"),
        }
        assert_eq!(engine.asked().len(), asked, "{most} {path}");
    }
}

/// What is too long to be kept while it is counted is asked for again.
#[tokio::test]
async fn a_long_answer_of_more_views_than_rows_is_whole() {
    let engine = Engine::new().await;
    let service = with_history(&engine, ctr().with_most_rows(30_001)).await;
    many(&engine, &service).await;
    service.run("INSERT INTO product_views SELECT gen_random_uuid(), '2016-01-03Z', now(), 'iOS', 'recent'").await;
    let rows: Vec<Value> = serde_json::from_str(&service.text(&format!("{YEAR}&aggregation=1440")).await).unwrap();
    let products: Vec<&str> = rows.iter().map(|row| row["product"].as_str().unwrap()).collect();
    assert!(products.len() == 30_001 && products[..30_000].is_sorted() && products[30_000] == "recent");
    assert_eq!(engine.asked().len(), 2);
}
