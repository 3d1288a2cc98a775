//! Clicks: what is kept of them, and what makes two of them the same.

use serde_json::{Value, json};

use crate::support::clicks::{at, click};
use crate::support::{Accounts, Rig};

async fn decide(rig: &Rig, clicks: impl IntoIterator<Item = &Value>) -> Vec<String> {
    rig.words_as("click_event", clicks.into_iter().map(Value::to_string)).await
}

#[tokio::test]
async fn a_click_is_kept_as_it_came() {
    let rig = Rig::new().await;
    let mut sent = click(7, Some("46"), 0);
    sent["type"] = json!("hovered_over_banner");
    sent["event"]["banner"] = json!({"id": 3, "texts": ["a", null]});
    assert_eq!(decide(&rig, [&sent]).await, ["stored"]);
    let kept: (String, String, Option<String>, Value) =
        sqlx::query_as("SELECT id, type, customer_id, event FROM click_events WHERE occurred_at = $1")
            .bind(at(0))
            .fetch_one(rig.pool())
            .await
            .unwrap();
    let text = |text: &str| text.to_owned();
    assert_eq!(kept, (text("7"), text("hovered_over_banner"), Some(text("46")), sent["event"].clone()));
}

#[tokio::test]
async fn the_content_is_what_we_know_of_it() {
    let rig = Rig::new().await;
    let first = click(7, Some("46"), 0);
    let same = [
        click("7", Some("46"), 0),
        with(&first, "timestamp", json!("2026-05-25T02:00:00+02:00")),
        with(&first, "customer-id", json!(46)),
        with(&first, "referrer", Value::Null),
        with(&first, "sent-at", json!("2026-05-26")),
    ];
    let others = [
        with(&first, "timestamp", json!("2026-05-25T00:00:01Z")),
        with(&first, "customer-id", Value::Null),
        with(&first, "page", json!("https://shop.test/products/2")),
        with(&first, "referrer", json!("https://search.test")),
        with(&first, "user-agent", json!("curl")),
        with(&first, "product", json!({"sku": 1})),
        json!({"id": 7, "type": "search", "event": first["event"]}),
    ];
    assert_eq!(decide(&rig, [&first]).await, ["stored"]);
    assert_eq!(decide(&rig, &same).await, ["duplicate"; 5]);
    assert_eq!(decide(&rig, &others).await, ["conflict"; 7]);
    let by_other_rules = "UPDATE click_events SET hash_version = 0, content_hash = 'other'";
    sqlx::query(by_other_rules).execute(rig.pool()).await.unwrap();
    assert_eq!(decide(&rig, [&first, &others[0]]).await, ["duplicate", "conflict again"]);
    let expected = Accounts { stored: 1, duplicate: 7, rejected: 7, ignored: 0 };
    assert_eq!(rig.assert_accounts_agree().await, expected);
}

fn with(click: &Value, field: &str, value: Value) -> Value {
    let mut click = click.clone();
    click["event"][field] = value;
    click
}

#[tokio::test]
async fn clicks_of_nobody_are_in_no_session() {
    let rig = Rig::new().await;
    let mut absent = click(2, None, 1);
    absent["event"].as_object_mut().unwrap().remove("customer-id");
    assert_eq!(decide(&rig, &[click(1, None, 0), absent, click(3, Some("46"), 2)]).await, ["stored"; 3]);
    assert_eq!(rig.number("SELECT count(*) FROM click_events").await, 3);
    assert_eq!(rig.number("SELECT sum(events)::int8 FROM sessions").await, 1);
}
