//! Orders in the database: what is kept of them, and when two are one.

use serde_json::{Value, json};

use crate::support::orders::{order, order_with};
use crate::support::{Accounts, Rig};

#[tokio::test]
async fn an_order_is_kept_whole_and_in_columns() {
    let rig = Rig::new().await;
    let mut event = order("one");
    event["event_date"] = json!("2020-07-12T23:30:00+02:00");
    event["email"] = json!(" dan@example.com ");
    event["shipping_address"] = Value::from(json!({"province": " QUÉBEC ", "zip": 7}).to_string());
    event["line_items"] = json!([{"id": "a", "quantity": "2"}, {"id": "b", "quantity": 3}, {"id": "a", "quantity": 1}]);
    event["big"] = json!("€");
    assert_eq!(rig.words_as("order", [event.to_string()]).await, ["stored"]);
    let columns: Value =
        sqlx::query_scalar("SELECT to_jsonb(o) - 'payload' - 'content_hash' - 'received_at' FROM order_events AS o")
            .fetch_one(rig.pool())
            .await
            .unwrap();
    let expected = json!({
        "event_id": "one", "event_date": "2020-07-12T21:30:00+00:00", "ordered_at": "2020-07-12T21:30:00+00:00",
        "user_id": "66f6", "email": "dan@example.com", "financial_status": "paid", "currency": "USD",
        "order_value": 5, "total_discounts": 0, "total_tax": 0, "buyer_accepts_marketing": true,
        "province": "QUÉBEC", "province_key": "québec", "line_items": 3, "units": 6, "hash_version": 1,
    });
    assert_eq!(columns, expected);
    let payload: Value = sqlx::query_scalar("SELECT payload FROM order_events").fetch_one(rig.pool()).await.unwrap();
    assert_eq!(payload, event);
    let items: Vec<(i16, String, i32)> =
        sqlx::query_as("SELECT line, item_id, quantity FROM order_event_items ORDER BY line")
            .fetch_all(rig.pool())
            .await
            .unwrap();
    assert_eq!(items, [(1, "a".to_owned(), 2), (2, "b".to_owned(), 3), (3, "a".to_owned(), 1)]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn of_orders_with_one_id_the_first_is_stored_and_the_others_conflict() {
    let rig = Rig::new().await;
    let from = |user: &str| order_with("one", "lovevery_user_id", json!(user)).to_string();
    let words = rig.words_as("order", ["666", "661", "662", "663"].map(from)).await;
    assert_eq!(words, ["stored", "conflict", "conflict", "conflict"]);
    assert_eq!(rig.words_as("order", [from("666"), from("661")]).await, ["duplicate", "conflict again"]);
    let expected = Accounts { stored: 1, duplicate: 2, rejected: 3, ignored: 0 };
    assert_eq!(rig.assert_accounts_agree().await, expected);
    assert_eq!(rig.number("SELECT count(*) FROM order_event_items").await, 1);
}

#[tokio::test]
async fn the_same_order_in_other_words_is_a_duplicate() {
    let rig = Rig::new().await;
    let plain = order("one");
    let mut wrapped = plain.clone();
    for part in ["billing_address", "shipping_address", "line_items"] {
        wrapped[part] = Value::from(Value::from(plain[part].to_string()).to_string());
    }
    wrapped["order_value"] = json!("5.00");
    wrapped["user_id"] = wrapped.as_object_mut().unwrap().remove("lovevery_user_id").unwrap();
    let words = rig.words_as("order", [plain.to_string(), wrapped.to_string()]).await;
    assert_eq!(words, ["stored", "duplicate"]);
    let city = order_with("one", "shipping_address", json!({"province": "Idaho", "city": "Butte"}));
    assert_eq!(rig.words_as("order", [wrapped, city].map(|json| json.to_string())).await, ["duplicate", "conflict"]);
}

#[tokio::test]
async fn an_order_without_a_date_counts_when_it_comes() {
    let rig = Rig::new().await;
    assert_eq!(rig.words_as("order", [order("one").to_string()]).await, ["stored"]);
    assert_eq!(
        rig.words_as("order", [order("one").to_string()]).await,
        ["duplicate"],
        "the time of receipt is no content"
    );
    let counts = "SELECT count(*) FROM order_events WHERE event_date IS NULL AND ordered_at = received_at";
    assert_eq!(rig.number(counts).await, 1);
    assert_eq!(
        rig.words_as("order", [order_with("one", "event_date", json!("2020-07-12")).to_string()]).await,
        ["conflict"]
    );
}

#[tokio::test]
async fn an_order_hashed_by_other_rules_is_compared_by_its_event() {
    let rig = Rig::new().await;
    let mut event = order("one");
    event["line_items"] = Value::from(event["line_items"].to_string());
    rig.words_as("order", [event.to_string()]).await;
    sqlx::query("UPDATE order_events SET hash_version = 0, content_hash = 'other'").execute(rig.pool()).await.unwrap();
    let changed = order_with("one", "order_value", json!(6));
    assert_eq!(
        rig.words_as("order", [order("one"), changed].map(|json| json.to_string())).await,
        ["duplicate", "conflict"]
    );
}

#[tokio::test]
async fn what_jsonb_cannot_hold_is_said_before_postgres_is_asked() {
    let rig = Rig::new().await;
    let small = |number: &str| order("small").to_string().replace("5.0", number);
    let payloads = [
        order_with("nul", "note", json!({"\0": ["a\0"]})).to_string(),
        small(&format!("5.{}1", "0".repeat(20_000))),
        small("0e-20000"),
        small("1e-400"),
    ];
    let words = rig.words_as("order", payloads).await;
    assert_eq!(words, ["shape", "shape", "shape", "stored"]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn other_events_in_the_life_of_an_order_are_ignored() {
    let rig = Rig::new().await;
    let updated = order_with("one", "event_type", json!("order.updated")).to_string();
    assert_eq!(rig.words_as("order", [updated, order("one").to_string()]).await, ["ignored", "stored"]);
    let expected = Accounts { stored: 1, duplicate: 0, rejected: 0, ignored: 1 };
    assert_eq!(rig.assert_accounts_agree().await, expected);
}
