//! `POST /events/product_view`: messages that hold several events, and what is said of them in the query.

use serde_json::{Value, json};

use super::Service;
use crate::history::move_out;
use crate::support::Accounts;
use crate::support::views::{batch, screen, view};

const NOON: f64 = 1_454_328_000_000.0;
const NDJSON: &str = "application/x-ndjson";

/// A view that names no product.
fn broken() -> Value {
    json!({"event_type": "custom_event", "data": {"event_name": "product", "timestamp_unixtime_ms": NOON, "custom_attributes": {}}})
}

impl Service {
    async fn send(&self, query: &str, key: &str, content_type: &str, body: String) -> (u16, Value) {
        let request = self.request("POST", &format!("/events/product_view{query}"));
        let request = request.header("content-type", content_type).header("idempotency-key", key);
        self.documented("POST", request.body(body).send().await.unwrap()).await
    }

    async fn send_batch(&self, key: &str, events: &[Value]) -> (u16, Value) {
        self.send("?platform=ios", key, "application/json", batch(events).to_string()).await
    }
}

#[tokio::test]
async fn several_events_are_answered_one_by_one() {
    let service = Service::new().await;
    let events = [view("1", NOON), screen(), broken(), view("2", NOON), view("2", NOON)];
    let (status, mut summary) = service.send_batch("k", &events).await;
    let letter = summary["items"][0]["dead_letter"].clone();
    let errors = summary["items"][0]["errors"].take();
    assert_eq!(
        (&errors[0]["code"], &errors[0]["path"]),
        (&json!("missing"), &json!("/events/2/data/custom_attributes/codeColor"))
    );
    let item = json!({"position": 2, "outcome": "rejected", "dead_letter": letter, "errors": null});
    let expected = json!({"received": 5, "stored": 3, "duplicate": 0, "rejected": 1, "ignored": 1, "items": [item]});
    assert_eq!((status, summary), (200, expected));

    let (record, position): (Vec<u8>, i32) =
        sqlx::query_as("SELECT record, position FROM dead_letter_outbox JOIN dead_letters ON id = letter")
            .fetch_one(service.rig.pool())
            .await
            .unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!((position, &record["position"], &record["id"]), (2, &json!(2), &letter["id"]));
    assert_eq!(record["payload"]["data"], batch(&events).to_string());
    assert_eq!(record["source"]["attributes"], json!({"platform": "ios"}));
    assert_eq!(record["keys"]["mpid"], "-196509116834317511");

    let (status, again) = service.send_batch("k", &events).await;
    let outcomes: Vec<(u64, &str)> = again["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["position"].as_u64().unwrap(), item["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!((status, outcomes), (200, vec![(0, "duplicate"), (2, "rejected"), (3, "duplicate"), (4, "duplicate")]));
    assert_eq!(again["items"][1]["dead_letter"], letter);
    let accounts = service.rig.assert_accounts_agree().await;
    assert_eq!(accounts, Accounts { stored: 3, duplicate: 4, rejected: 1, ignored: 2 });
}

#[tokio::test]
async fn one_event_that_counts_is_answered_as_if_it_came_alone() {
    let service = Service::new().await;
    let (status, stored) = service.send_batch("1", &[screen(), view("1", NOON)]).await;
    assert_eq!((status, &stored["outcome"]), (201, &json!("stored")));
    assert_eq!(service.send_batch("1", &[screen(), view("1", NOON)]).await.1["outcome"], "duplicate");
    let (status, problem) = service.send_batch("1", &[screen(), view("2", NOON)]).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (409, &json!("content_differs")));
    let (status, problem) = service.send_batch("2", &[broken(), screen()]).await;
    assert_eq!((status, &problem["errors"][0]["path"]), (422, &json!("/events/0/data/custom_attributes/codeColor")));
    assert_eq!(service.send_batch("3", &[screen(), screen()]).await, (200, json!({"outcome": "ignored"})));
    assert_eq!(service.send_batch("4", &[]).await, (200, json!({"outcome": "ignored"})));
    service.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn lines_may_hold_several_events() {
    let service = Service::new().await;
    let lines = [
        batch(&[view("1", NOON)]),
        batch(&[screen(), view("1", NOON), broken()]),
        batch(&[screen(), screen()]),
        json!({"events": 7}),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let (status, summary) = service.send("?platform=iOS", "k", NDJSON, lines).await;
    let counts =
        ["received", "stored", "duplicate", "rejected", "ignored"].map(|count| summary[count].as_u64().unwrap());
    assert_eq!((status, counts), (200, [7, 2, 0, 2, 3]));
    let places: Vec<_> = summary["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["line"].as_u64(), item["position"].as_u64(), item["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(places, [(Some(2), Some(2), "rejected"), (Some(3), None, "ignored"), (Some(4), None, "rejected")]);
    service.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn the_query_says_where_the_products_were_viewed() {
    let service = Service::new().await;
    let body = batch(&[view("1", NOON)]).to_string();
    for (platform, stored) in [("MOBILEWEB", "MobileWeb"), ("android", "Android"), ("Kiosk_7", "kiosk_7")] {
        let (status, _) =
            service.send(&format!("?platform={platform}"), platform, "application/json", body.clone()).await;
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM product_views WHERE platform = $1").bind(stored);
        assert_eq!((status, count.fetch_one(service.rig.pool()).await.unwrap()), (201, 1), "{platform}");
    }
    let (status, problem) = service.send("", "none", "application/json", body.clone()).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!("unknown_platform")));
    for query in ["?platform=mobile%20web", "?platform=", "?platform=a&platform=b", "?platfrom=ios"] {
        let (status, problem) = service.send(query, "wrong", "application/json", body.clone()).await;
        assert_eq!((status, problem["errors"].as_array().map(Vec::len)), (400, Some(1)), "{query}");
    }
    let purchase = service.request("POST", "/events/purchase?platform=ios").body("{}").send().await.unwrap();
    assert_eq!(service.documented("POST", purchase).await.1["errors"][0]["code"], "unknown_parameter");
    assert_eq!(service.rig.assert_accounts_agree().await.rejected, 1);
}

#[tokio::test]
async fn a_view_that_went_into_the_history_is_a_duplicate() {
    let service = Service::new().await;
    let (status, stored) = service.send_batch("1", &[view("1", NOON)]).await;
    assert_eq!((status, &stored["outcome"]), (201, &json!("stored")));
    move_out(&mut service.rig.pool().acquire().await.unwrap(), "1", "one").await;
    let (status, again) = service.send_batch("1", &[view("1", NOON)]).await;
    assert_eq!((status, &again["outcome"], &again["id"]), (200, &json!("duplicate"), &stored["id"]));
    assert_eq!(service.rig.number("SELECT count(*) FROM product_views").await, 0);
    service.rig.assert_accounts_agree().await;
}
