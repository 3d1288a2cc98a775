//! Clicks of a shop's visitors.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// So many minutes after some midnight.
pub fn at(minutes: i64) -> DateTime<Utc> {
    "2026-05-25T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

/// A view of a page by a customer, or by somebody who is not logged in.
pub fn click(id: impl Into<Value>, customer: Option<&str>, minutes: i64) -> Value {
    json!({
        "id": id.into(),
        "type": "page_view",
        "event": {"customer-id": customer, "timestamp": at(minutes), "page": "https://shop.test/products/1"},
    })
}

/// An order of a customer.
pub fn order(id: impl Into<Value>, customer: &str, minutes: i64) -> Value {
    json!({
        "id": id.into(),
        "type": "placed_order",
        "event": {"customer-id": customer, "timestamp": at(minutes)},
    })
}

/// A click that another site led to.
pub fn click_from(referrer: &str, id: impl Into<Value>, customer: &str, minutes: i64) -> Value {
    let mut click = click(id, Some(customer), minutes);
    click["event"]["referrer"] = referrer.into();
    click
}
