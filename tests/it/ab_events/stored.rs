//! What is stored, and counted, of events.

use chrono::Utc;
use serde_json::{Value, json};

use super::{count, counts, event, event_with, shopper, store};
use crate::support::{Rig, delivery_with, word};

#[tokio::test]
async fn an_event_is_stored_with_its_shopper() {
    let rig = Rig::new().await;
    shopper(&rig, "known", Some("DE")).await;
    store(&rig, [event_with("known", "A", "order_value", json!(12.5)), event("unknown", "B")]).await;
    let rows: Vec<Value> = sqlx::query_scalar(
        "SELECT to_jsonb(event) - 'id' - 'received_at' FROM ab_events_enriched AS event ORDER BY user_id",
    )
    .fetch_all(rig.pool())
    .await
    .unwrap();
    let row = |user, version, order_value: Value, country: Value, gender: Value| {
        json!({
            "occurred_at": "2026-01-07T10:00:00+00:00", "user_id": user, "account_type": "free", "event_type": "visit",
            "order_value": order_value, "version": version, "country": country, "gender": gender,
        })
    };
    let expected = [
        row("known", "A", json!(12.5), json!("DE"), json!("F")),
        row("unknown", "B", Value::Null, Value::Null, Value::Null),
    ];
    assert_eq!(rows, expected);
    assert_eq!(counts(&rig).await, [count("DE", "A", 1), count("unknown", "B", 1)]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_delivery_is_one_event_and_the_same_fields_twice_are_two() {
    let rig = Rig::new().await;
    let payload = event("u", "A").to_string();
    let again = || delivery_with("pubsub:test:1".to_owned(), payload.clone().into(), Utc::now());
    let other = event("u", "B").to_string();
    let changed = delivery_with("pubsub:test:1".to_owned(), other.into(), Utc::now());
    let outcomes = rig.decide_as("ab_event", vec![again(), again(), changed]).await;
    assert_eq!(outcomes.iter().map(|outcomes| word(outcomes)).collect::<Vec<_>>(), ["stored", "duplicate", "conflict"]);
    store(&rig, [event("u", "A"), event("u", "A")]).await;
    assert_eq!(counts(&rig).await, [count("unknown", "A", 3)]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_row_hashed_by_other_rules_is_compared_by_its_columns() {
    let rig = Rig::new().await;
    let payload = event_with("u", "A", "order_value", json!("7.10"));
    let delivery = |event: &Value| delivery_with("pubsub:test:1".to_owned(), event.to_string().into(), Utc::now());
    rig.decide_as("ab_event", vec![delivery(&payload)]).await;
    sqlx::query("UPDATE ab_events SET hash_version = 0, content_hash = 'other'").execute(rig.pool()).await.unwrap();
    let same = event_with("u", "A", "order_value", json!(7.1));
    let changed = event_with("u", "A", "order_value", json!(7.2));
    let outcomes = rig.decide_as("ab_event", vec![delivery(&same), delivery(&changed)]).await;
    assert_eq!(outcomes.iter().map(|outcomes| word(outcomes)).collect::<Vec<_>>(), ["duplicate", "conflict"]);
}

#[tokio::test]
async fn a_shopper_without_a_usable_country_has_none() {
    let rig = Rig::new().await;
    let too_long = "x".repeat(256);
    for (user, country) in [("a", None), ("b", Some("")), ("c", Some("unknown")), ("d", Some(too_long.as_str()))] {
        shopper(&rig, user, country).await;
    }
    store(&rig, ["a", "b", "c", "d"].map(|user| event(user, "A"))).await;
    assert_eq!(counts(&rig).await, [count("unknown", "A", 4)]);
    assert_eq!(rig.number("SELECT count(*) FROM ab_events WHERE country IS NULL AND gender = 'F'").await, 4);
}

#[tokio::test]
async fn concurrent_writers_count_each_user_once() {
    let rig = Rig::new().await;
    shopper(&rig, "u7", Some("DE")).await;
    let batch = |writer: usize| {
        let user = move |number: usize| format!("u{}", (number * (writer + 1)) % 40);
        (0..200).map(move |number| event(&user(number), if number % 13 == writer { "B" } else { "A" }))
    };
    futures::future::join_all((0..6).map(|writer| store(&rig, batch(writer)))).await;
    assert_eq!(rig.assert_accounts_agree().await.stored, 1200);
    assert_eq!(rig.number("SELECT count(*) FROM ab_users").await, 40);
}

/// One user buys twice, one once, one not at all; in B somebody who was in A, too.
#[tokio::test]
async fn versions_are_compared_by_what_their_users_bought() {
    let rig = Rig::new().await;
    let order = |user, version, value: &str| event_with(user, version, "order_value", json!(value));
    store(&rig, [order("u1", "A", "10.50"), order("u1", "A", "4.50"), event("u1", "A"), order("u2", "A", "9")]).await;
    store(&rig, [event("u3", "A"), order("u3", "A", "0"), order("u3", "B", "1.25")]).await;
    let rows: Vec<Value> = sqlx::query_scalar("SELECT to_jsonb(v) FROM ab_versions AS v ORDER BY version")
        .fetch_all(rig.pool())
        .await
        .unwrap();
    let expected = [
        json!({"version": "A", "events": 6, "users": 3, "orders": 3, "buyers": 2, "conversion": 0.666667,
               "revenue": 24.0, "revenue_per_user": 8.0}),
        json!({"version": "B", "events": 1, "users": 1, "orders": 1, "buyers": 1, "conversion": 1.0,
               "revenue": 1.25, "revenue_per_user": 1.25}),
    ];
    assert_eq!(rows, expected);
}
