use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime};

use super::*;
use crate::kinds::{Kind, Run};
use crate::message::Message;

fn messages(invalid_ratio: f64, count: usize) -> Vec<Message> {
    let shop = Arc::new(Shop::open(1, 1, 1));
    let run = Run { seed: 2, invalid_ratio, starting_at: None };
    Kind::named("order").unwrap().messages(&shop, run).take(count).collect()
}

/// Takes JSON out of text, and out of that again, as long as there is text; how often.
fn unwrapped(value: &Value) -> Option<(Value, u32)> {
    match value {
        Value::String(text) => unwrapped(&serde_json::from_str(text).ok()?).map(|(value, times)| (value, times + 1)),
        other => Some((other.clone(), 0)),
    }
}

fn is_amount(value: &Value) -> bool {
    value.is_number() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok())
}

fn is_date(text: &str) -> bool {
    text.parse::<NaiveDate>().is_ok()
        || text.parse::<NaiveDateTime>().is_ok()
        || DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_item(item: &Value) -> bool {
    let quantity = &item["quantity"];
    let text = quantity.as_str().and_then(|text| text.parse().ok());
    item["id"].is_string() && quantity.as_u64().or(text).is_some_and(|quantity| (1..=5).contains(&quantity))
}

/// Everything that is wrong with an order on its own, judged from the outside.
fn faults(payload: &[u8]) -> Vec<&'static str> {
    let Ok(body) = serde_json::from_slice::<Value>(payload) else { return vec!["cut_off"] };
    assert_eq!(body["event_type"], "order.created");
    for text in ["event_version", "lovevery_user_id", "email", "first_name", "last_name", "currency"] {
        assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {body}");
    }
    assert!(is_amount(&body["total_tax"]) && is_amount(&body["total_discounts"]));
    assert!(body["buyer_accepts_marketing"].is_boolean());
    for address in ["billing_address", "shipping_address"] {
        let (address, _) = unwrapped(&body[address]).unwrap();
        assert!(address["province"].is_string() && address["country"].is_string(), "{address}");
    }
    let mut found = Vec::new();
    let mut look = |is_right: bool, fault| found.extend((!is_right).then_some(fault));
    look(body["event_id"].is_string(), "no_event_id");
    look(body.get("event_date").is_none_or(|date| date.as_str().is_some_and(is_date)), "date_in_words");
    look(body.get("order_value").is_none_or(is_amount), "value_in_words");
    match unwrapped(&body["line_items"]) {
        Some((items, _)) => look(items.as_array().unwrap().iter().all(is_item), "quantity_in_words"),
        None => look(false, "unreadable_items"),
    }
    found
}

#[test]
fn an_order_has_exactly_the_fault_it_says() {
    let mut good = BTreeSet::new();
    for message in messages(0.4, 3_000) {
        if message.fault == Some("id_of_another") {
            let body: Value = serde_json::from_slice(&message.payload).unwrap();
            assert!(faults(&message.payload).is_empty());
            assert!(good.contains(body["event_id"].as_str().unwrap()), "the other one is in order");
            continue;
        }
        assert_eq!(faults(&message.payload), message.fault.into_iter().collect::<Vec<_>>());
        if message.fault.is_none() {
            let body: Value = serde_json::from_slice(&message.payload).unwrap();
            assert!(good.insert(body["event_id"].as_str().unwrap().to_owned()), "ids do not repeat");
        }
    }
}

#[test]
fn orders_come_in_every_dress() {
    let bodies: Vec<Value> =
        messages(0.0, 1_000).iter().map(|it| serde_json::from_slice(&it.payload).unwrap()).collect();
    let share = |test: &dyn Fn(&Value) -> bool| bodies.iter().filter(|it| test(it)).count();
    let wrapped = |times| share(&|it| COLUMNS.iter().all(|column| unwrapped(&it[column]).unwrap().1 == times));
    assert!(wrapped(0) > 600 && wrapped(1) > 100 && wrapped(2) > 50);
    assert!(share(&|it| it.get("event_date").is_none()) > 50);
    assert!(share(&|it| it.get("order_value").is_none()) > 50);
    assert!(share(&|it| it["order_value"].is_string()) > 100);
    let mut emails: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for body in &bodies {
        let text = |field: &str| body[field].as_str().unwrap();
        emails.entry(text("lovevery_user_id")).or_default().insert(text("email"));
    }
    assert!(emails.values().any(|emails| emails.len() > 1));
}
