//! What customers do before they order: worked examples, and answers compared with the rows' own.

use serde_json::{Value, json};

use super::Service;
use crate::support::clicks::{at, click, click_from, order};

/// Four customers. `a` comes for 10 and for 20 minutes, then for 30 with an order in the middle, and orders once
/// more; `b` orders in the first session; `c` comes for 6 minutes before; `d` never orders.
async fn seeded() -> Service {
    let service = Service::new().await;
    let search = "https://Search.test/?q=tea";
    let clicks = [
        click_from(search, 1, "a", 0),
        click(2, Some("a"), 10),
        click_from("https://shop.test/", 3, "a", 100),
        click(4, Some("a"), 120),
        click(5, Some("a"), 200),
        order(6, "a", 215),
        click(7, Some("a"), 230),
        order(8, "a", 300),
        click(9, Some("b"), 395),
        order(10, "b", 400),
        click(11, Some("c"), 500),
        click(12, Some("c"), 506),
        order(13, "c", 600),
        click_from(search, 14, "d", 700),
        click_from("https://other.test/", 15, "d", 709),
        click(16, None, 0),
    ];
    let words = service.rig.words_as("click_event", clicks.iter().map(Value::to_string)).await;
    assert!(words.iter().all(|word| word == "stored"));
    service
}

fn before_order(visits: Option<f64>, minutes: Option<f64>) -> Value {
    json!({"median_visits_before_order": visits, "median_session_duration_minutes_before_order": minutes})
}

fn time_to_order(customers: i64, minutes: Option<f64>) -> Value {
    json!({"customers": customers, "median_total_minutes_before_order": minutes})
}

/// A period between two numbers of minutes, as a query.
fn period(from: i64, to: i64) -> String {
    format!("?from={}&to={}", at(from).to_rfc3339().replace('+', "%2B"), at(to).format("%FT%TZ"))
}

#[tokio::test]
async fn visits_before_the_first_order() {
    let service = seeded().await;
    // Visits 2, 0 and 1; durations 10, 20 and 6.
    assert_eq!(service.get("/metrics/orders").await, (200, before_order(Some(1.0), Some(10.0))));
    for (from, to, visits, minutes) in [
        (215, 216, Some(2.0), Some(15.0)),
        (216, 601, Some(0.5), Some(6.0)),
        (400, 401, Some(0.0), None),
        (300, 301, None, None),
        (0, 215, None, None),
    ] {
        let (_, answer) = service.get(&format!("/metrics/orders{}", period(from, to))).await;
        assert_eq!(answer, before_order(visits, minutes), "{from} {to}");
    }
}

#[tokio::test]
async fn time_before_the_first_order() {
    let service = seeded().await;
    // 10 + 20 + 15, 5, and 6.
    assert_eq!(service.get("/metrics/time-to-order").await, (200, time_to_order(3, Some(6.0))));
    for (from, to, customers, minutes) in [(215, 216, 1, Some(45.0)), (216, 601, 2, Some(5.5)), (0, 215, 0, None)] {
        let (_, answer) = service.get(&format!("/metrics/time-to-order{}", period(from, to))).await;
        assert_eq!(answer, time_to_order(customers, minutes), "{from} {to}");
    }
}

#[tokio::test]
async fn sessions_by_referrer() {
    let service = seeded().await;
    let item = |referrer, sessions, median, mean, p90, share| {
        json!({"referrer": referrer, "sessions": sessions, "median_minutes": median, "mean_minutes": mean,
               "p90_minutes": p90, "order_share": share})
    };
    let direct = item("direct", 6, 5.5, 61.0 / 6.0, 25.0, 4.0 / 6.0);
    let search = item("search.test", 2, 9.5, 9.5, 9.9, 0.0);
    let all = json!({"items": [direct, search], "next": null});
    assert_eq!(service.get("/metrics/sessions?by=referrer").await, (200, all.clone()));
    assert_eq!(service.get("/metrics/sessions").await.1, all);
    let (_, page) = service.get("/metrics/sessions?limit=1").await;
    assert_eq!(page["items"], json!([all["items"][0]]));
    let next = format!("/metrics/sessions?limit=1&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(service.get(&next).await.1, json!({"items": [all["items"][1]], "next": null}));
    let some = json!({"items": [item("direct", 1, 30.0, 30.0, 30.0, 1.0)], "next": null});
    assert_eq!(service.get(&format!("/metrics/sessions{}", period(101, 300))).await.1, some);
}

#[tokio::test]
async fn without_sessions_there_is_nothing_to_tell() {
    let service = Service::new().await;
    assert_eq!(service.get("/metrics/orders").await.1, before_order(None, None));
    assert_eq!(service.get("/metrics/time-to-order").await.1, time_to_order(0, None));
    assert_eq!(service.get("/metrics/sessions").await.1, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let service = Service::new().await;
    for (path, wrong) in [
        ("/metrics/orders?from=x&to=y&by=z", &["from", "to", "by"][..]),
        ("/metrics/time-to-order?from=2026-01-02&to=2026-01-01", &["to"]),
        ("/metrics/sessions?by=customer&limit=0&cursor=x", &["by", "limit", "cursor"]),
    ] {
        let (status, problem) = service.get(path).await;
        let named: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|error| error["parameter"].as_str().unwrap()).collect();
        assert_eq!((status, named), (400, wrong.to_vec()), "{path}");
    }
}
