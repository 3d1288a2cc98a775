use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime};

use super::*;
use crate::kinds::{Kind, Run};
use crate::message::Message;

fn messages(seed: u64, invalid_ratio: f64, count: usize) -> (Arc<Shop>, Vec<Message>) {
    let shop = Arc::new(Shop::open(1, 1, 1));
    let starting_at = DateTime::from_timestamp_millis(1_763_700_000_000);
    let run = Run { seed, invalid_ratio, starting_at };
    let messages = Kind::named("ab_event").unwrap().messages(&shop, run).take(count).collect();
    (shop, messages)
}

fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).unwrap()
}

fn is_date(text: &str) -> bool {
    text.parse::<NaiveDate>().is_ok()
        || text.parse::<NaiveDateTime>().is_ok()
        || DateTime::parse_from_rfc3339(text).is_ok()
}

/// Everything that is wrong with a payload, judged from the outside.
fn faults(payload: &[u8]) -> Vec<&'static str> {
    let Ok(body) = serde_json::from_slice::<Value>(payload) else { return vec!["cut_off"] };
    let known = ["account_type", "date", "event_type", "order_value", "user_id", "version"];
    assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{body}");
    assert!(body["account_type"].is_string());
    assert!(body["event_type"].is_string() || body["event_type"].is_null());
    let mut found = Vec::new();
    let mut look = |is_right: bool, fault| found.extend((!is_right).then_some(fault));
    look(body["user_id"].as_str().is_some_and(|id| id.parse::<u64>().is_ok()), "no_user_id");
    look(["A", "B"].map(Value::from).contains(&body["version"]), "no_version");
    look(body["date"].as_str().is_some_and(is_date), "date_in_words");
    look(body["order_value"].is_null() || body["order_value"].is_f64(), "order_value_in_words");
    found
}

#[test]
fn an_event_has_exactly_the_fault_it_says() {
    for message in messages(3, 0.4, 3_000).1 {
        assert_eq!(faults(&message.payload), message.fault.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn only_orders_have_a_value() {
    for message in messages(3, 0.0, 2_000).1 {
        let body = body(&message);
        assert_eq!(body["order_value"].is_f64(), body["event_type"] == "order", "{body}");
    }
}

#[test]
fn a_shopper_sees_one_version_unless_their_cookies_are_broken() {
    let (shop, messages) = messages(3, 0.0, 20_000);
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for body in messages.iter().map(body) {
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        versions.entry(text("user_id")).or_default().insert(text("version"));
    }
    let seen = |shopper: &Shopper| versions.get(&shopper.user_id()).map_or(0, BTreeSet::len);
    assert!(shop.shoppers().iter().all(|it| it.version == Version::Both || seen(it) <= 1));
    let both = shop.shoppers().iter().filter(|it| seen(it) == 2).count();
    assert!(both > 0);
}

#[test]
fn a_newcomer_is_written_down_once_with_their_first_event() {
    let (shop, messages) = messages(3, 0.15, 20_000);
    let known: BTreeSet<String> = shop.shoppers().iter().map(Shopper::user_id).collect();
    let mut newcomers = BTreeSet::new();
    for message in messages {
        for entry in &message.entries {
            let Entry::Shopper(shopper) = entry else { unreachable!("{entry:?}") };
            assert!(newcomers.insert(shopper.user_id()), "once");
        }
        if message.fault.is_none() {
            let id = body(&message)["user_id"].as_str().unwrap().to_owned();
            assert!(known.contains(&id) || newcomers.contains(&id), "{id} was never written down");
        }
    }
    assert_eq!(newcomers.len(), NEWCOMERS);
    assert!(newcomers.is_disjoint(&known));
}

#[test]
fn from_the_closed_market_nothing_is_newer_than_a_week() {
    let (shop, messages) = messages(3, 0.0, 20_000);
    let closed: BTreeSet<String> = shop.shoppers().iter().filter(|it| it.market.closed).map(Shopper::user_id).collect();
    let day = |body: &Value| body["date"].as_str().unwrap()[..10].parse::<NaiveDate>().unwrap();
    let dates = messages.iter().map(body).filter(|body| closed.contains(body["user_id"].as_str().unwrap()));
    let newest = dates.map(|body| day(&body)).max().unwrap();
    assert!(newest <= NaiveDate::from_ymd_opt(2025, 11, 13).unwrap(), "{newest}");
}
