use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::kinds::{Kind, Run};
use crate::message::Message;

fn messages(invalid_ratio: f64, count: usize) -> (Arc<Shop>, Vec<Message>) {
    let shop = Arc::new(Shop::open(1, 1, 1));
    let starting_at = DateTime::from_timestamp_millis(1_763_700_000_000);
    let run = Run { seed: 2, invalid_ratio, starting_at };
    let messages = Kind::named("product_view").unwrap().messages(&shop, run).take(count).collect();
    (shop, messages)
}

fn events(message: &Message) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&message.payload).unwrap();
    body["events"].as_array().unwrap().clone()
}

fn platform(message: &Message) -> Option<&str> {
    message.attributes.iter().find(|(name, _)| *name == "platform").map(|(_, platform)| platform.as_str())
}

/// Everything that is wrong with a batch, judged from the outside.
fn faults(message: &Message) -> Vec<&'static str> {
    if serde_json::from_slice::<Value>(&message.payload).is_err() {
        return vec!["cut_off"];
    }
    let mut found = Vec::new();
    let mut look = |is_right: bool, fault| found.extend((!is_right).then_some(fault));
    look(platform(message).is_some(), "no_platform");
    look(platform(message).is_none_or(|it| ["iOS", "Android", "MobileWeb"].contains(&it)), "platform_in_words");
    for event in events(message).iter().filter(|event| is_view(event)) {
        let data = &event["data"];
        assert_eq!((&event["event_type"], &data["custom_event_type"]), (&"custom_event".into(), &"navigation".into()));
        assert!(data["event_id"].is_number() && data["session_id"].is_number());
        look(data["custom_attributes"]["codeColor"].is_string(), "no_code_color");
        look(data["timestamp_unixtime_ms"].is_number(), "time_in_words");
    }
    found
}

#[test]
fn a_batch_has_exactly_the_fault_it_says() {
    for message in messages(0.4, 2_000).1 {
        assert_eq!(faults(&message), message.fault.into_iter().collect::<Vec<_>>());
        if message.fault.is_some_and(|fault| fault != "cut_off") {
            assert!(events(&message).iter().any(is_view), "there is something to reject");
        }
    }
}

#[test]
fn batches_hold_one_to_twenty_events_and_not_only_views() {
    let messages = messages(0.0, 2_000).1;
    let sizes: BTreeSet<usize> = messages.iter().map(|it| events(it).len()).collect();
    assert_eq!((sizes.first(), sizes.last()), (Some(&1), Some(&20)));
    let all: Vec<Value> = messages.iter().flat_map(events).collect();
    let share = |test: &dyn Fn(&Value) -> bool| all.iter().filter(|it| test(it)).count() as f64 / all.len() as f64;
    let views = share(&is_view);
    assert!((0.72..=0.78).contains(&views), "{views}");
    for kind in ["screen_view", "commerce_event"] {
        assert!(share(&|it| it["event_type"] == kind) > 0.05, "{kind}");
    }
    let id = |event: &Value| event["data"]["event_id"].clone();
    assert!(share(&|it| id(it).as_i64().is_some_and(i64::is_negative)) > 0.1, "negative ids");
    assert!(share(&|it| id(it).is_u64() && id(it).as_i64().is_none()) > 0.1, "ids beyond signed 64 bits");
    assert!(share(&|it| id(it) == ANY_EVENT) > 0.02, "ids that come again");
    assert!(share(&|it| it["data"]["timestamp_unixtime_ms"].is_f64()) > 0.1, "times with a fraction");
    assert!(messages.iter().any(|it| events(it).iter().all(|event| !is_view(event))), "batches without a view");
    assert!(messages.iter().any(|it| it.payload.contains(&b'\n')), "batches over many lines");
}

fn view(event: &Value) -> (String, f64) {
    let data = &event["data"];
    let code = data["custom_attributes"]["codeColor"].as_str().unwrap();
    (code.to_owned(), data["timestamp_unixtime_ms"].as_f64().unwrap())
}

#[test]
fn times_lie_within_the_last_day_and_orders_follow_their_views() {
    let end = 1_763_700_000_000 + 2_000;
    for message in messages(0.0, 2_000).1 {
        let views: BTreeMap<String, f64> = events(&message).iter().filter(|it| is_view(it)).map(view).collect();
        let ages = views.values().map(|at| end as f64 - at);
        assert!(ages.into_iter().all(|age| (0.0..=86_400_000.0 + 601_000.0).contains(&age)));
        for entry in &message.entries {
            let Entry::Sale(sale) = entry else { unreachable!("{entry:?}") };
            let at = sale.order_date.timestamp_millis();
            assert!(at <= end && views.values().all(|view| at as f64 > *view));
            assert!(sale.items.iter().all(|it| views.contains_key(&it.code_color)));
        }
    }
}

#[test]
fn between_one_and_three_views_in_a_hundred_lead_to_a_purchase() {
    let (mut views, mut purchases) = (BTreeMap::new(), BTreeMap::new());
    for message in messages(0.0, 6_000).1 {
        let platform = platform(&message).unwrap().to_owned();
        *views.entry(platform.clone()).or_insert(0) += events(&message).iter().filter(|it| is_view(it)).count();
        for entry in &message.entries {
            let Entry::Sale(sale) = entry else { unreachable!("{entry:?}") };
            assert_eq!(sale.device_type.to_lowercase(), platform.to_lowercase());
            *purchases.entry(platform.clone()).or_insert(0) += sale.items.len();
        }
    }
    let rate = |platform: &str| f64::from(u32::try_from(purchases[platform]).unwrap()) / views[platform] as f64;
    let rates = ["MobileWeb", "Android", "iOS"].map(rate);
    assert!(rates.is_sorted() && rates[0] > 0.009 && rates[2] < 0.031, "{rates:?}");
}
