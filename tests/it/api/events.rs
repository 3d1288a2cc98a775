//! `POST /events/purchase`.

use purser::api::Tokens;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Service;
use crate::support::{Accounts, Rig, shop};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

#[tokio::test]
async fn an_event_is_stored_once() {
    let service = Service::new().await;
    let id = Uuid::now_v7();
    let purchase = shop::purchase(id).to_string();
    assert_eq!(service.post(JSON, purchase.clone()).await, (201, json!({"outcome": "stored", "id": id})));
    assert_eq!(service.post("text/plain", purchase).await, (200, json!({"outcome": "duplicate", "id": id})));
    let other = shop::purchase_with(id, "timestamp", json!("2026-01-08T00:00:00Z"));
    let (status, problem) = service.post(JSON, other.to_string()).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (409, &json!("content_differs")));
    assert_eq!(problem["dead_letter"]["reason"], "conflict");
    let accounts = service.rig.assert_accounts_agree().await;
    assert_eq!(accounts, Accounts { stored: 1, duplicate: 1, rejected: 1, ignored: 0 });
}

#[tokio::test]
async fn a_rejected_event_hears_every_reason_and_is_kept_once() {
    let service = Service::new().await;
    let mut broken = shop::purchase_with(Uuid::now_v7(), "user_id", json!(Uuid::nil()));
    broken["cart"][1]["quantity"] = json!(-1);
    let (status, problem) = service.post(JSON, broken.to_string()).await;
    assert_eq!(status, 422);
    let errors: Vec<(&str, &str)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["code"].as_str().unwrap(), error["path"].as_str().unwrap()))
        .collect();
    assert_eq!(errors, [("range", "/cart/1/quantity"), ("unknown_user", "/user_id")]);
    assert_eq!(problem["errors"][0]["actual"], "-1");
    let stored: (Uuid, String, String) =
        sqlx::query_as("SELECT id, reason, fingerprint FROM dead_letters").fetch_one(service.rig.pool()).await.unwrap();
    let (id, reason, fingerprint) = stored;
    assert_eq!(problem["dead_letter"], json!({"id": id, "reason": reason, "fingerprint": fingerprint}));
    assert_eq!(service.post(JSON, broken.to_string()).await, (422, problem));
    let accounts = service.rig.assert_accounts_agree().await;
    assert_eq!(accounts, Accounts { stored: 0, duplicate: 1, rejected: 1, ignored: 0 });
}

#[tokio::test]
async fn what_is_no_json_is_kept_as_it_came() {
    let service = Service::new().await;
    for body in [&b""[..], b"{", b"\xff\xfe", b"{\"id_\":\"\0\"}"] {
        let (status, problem) = service.post(JSON, body).await;
        assert_eq!((status, &problem["dead_letter"]["reason"]), (422, &json!("decode")), "{body:?}");
    }
    assert_eq!(service.rig.number("SELECT count(*) FROM dead_letters").await, 4);
}

#[tokio::test]
async fn what_is_too_large_is_turned_away() {
    let mut rig = Rig::new().await;
    rig.pipeline.max_event_bytes = 1000;
    let service = Service::with(rig, Tokens::default()).await;
    let large = shop::purchase_with(Uuid::now_v7(), "note", json!("x".repeat(1000))).to_string();
    assert_eq!(service.post(JSON, large.clone()).await.0, 413);
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>(large.clone())]);
    assert_eq!(service.post(JSON, reqwest::Body::wrap_stream(chunks)).await.0, 413);
    let (status, problem) = service.post(NDJSON, format!("{}\n\n{large}", shop::purchase(Uuid::now_v7()))).await;
    assert_eq!(status, 413);
    assert!(problem["detail"].as_str().unwrap().ends_with("lines 3"), "{problem}");
    let accounts = service.rig.assert_accounts_agree().await;
    assert_eq!(accounts, Accounts { stored: 0, duplicate: 0, rejected: 0, ignored: 0 });
}

#[tokio::test]
async fn lines_are_answered_one_by_one() {
    let service = Service::new().await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let unknown = shop::purchase_with(Uuid::now_v7(), "user_id", json!(Uuid::nil()));
    let other = shop::purchase_with(first, "user_id", json!(shop::user(2)));
    let lines = [
        shop::purchase(first).to_string(),
        String::new(),
        shop::purchase(second).to_string() + "\r",
        shop::purchase(first).to_string(),
        unknown.to_string(),
        other.to_string(),
        "{".to_owned(),
    ];
    let (status, summary) = service.post(NDJSON, lines.join("\n")).await;
    assert_eq!(status, 200);
    let counts =
        ["received", "stored", "duplicate", "rejected", "ignored"].map(|count| summary[count].as_u64().unwrap());
    assert_eq!(counts, [6, 2, 1, 3, 0]);
    let items = summary["items"].as_array().unwrap();
    assert_eq!(items[0], json!({"line": 4, "outcome": "duplicate", "id": first}));
    let said = |item: &Value| {
        (item["line"].as_u64(), item["dead_letter"]["reason"].clone(), item["errors"][0]["code"].clone())
    };
    assert_eq!(said(&items[1]), (Some(5), json!("reference"), json!("unknown_user")));
    assert_eq!(said(&items[2]), (Some(6), json!("conflict"), json!("content_differs")));
    assert_eq!(said(&items[3]), (Some(7), json!("decode"), json!("invalid_json")));
    let lines = "SELECT count(*) FROM dead_letters WHERE delivery_id LIKE 'http:purchase:%#_'";
    assert_eq!(service.rig.number(lines).await, 3);
    service.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_body_may_have_many_more_lines_than_wait_at_once() {
    let service = Service::new().await;
    let lines: Vec<String> = (0..3000).map(|_| shop::purchase(Uuid::now_v7()).to_string()).collect();
    let (status, summary) = service.post(NDJSON, lines.join("\n")).await;
    assert_eq!((status, &summary["stored"], &summary["items"]), (200, &json!(3000), &json!([])));
    assert_eq!(service.post(NDJSON, lines.join("\n")).await.1["duplicate"], 3000);
    service.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_key_names_the_delivery() {
    let service = Service::new().await;
    let send = |key: &'static str| {
        let request = service.request("POST", "/events/purchase").header("idempotency-key", key).body("[]");
        async { super::json(request.send().await.unwrap()).await }
    };
    assert_eq!(send("retry-7").await.0, 422);
    assert_eq!(
        service.rig.number("SELECT count(*) FROM dead_letters WHERE delivery_id = 'http:purchase:retry-7'").await,
        1
    );
    let (status, problem) = send("not visible").await;
    assert_eq!((status, &problem["errors"][0]["parameter"]), (400, &json!("Idempotency-Key")));
}
