use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, TimeDelta};

use super::visitor::{DAYS, SHOP};
use super::*;
use crate::kinds::{Kind, Run};
use crate::message::Message;

fn messages(invalid_ratio: f64, count: usize) -> (DateTime<Utc>, Vec<Message>) {
    let shop = Arc::new(Shop::open(1, 1, 1));
    let start = DateTime::from_timestamp_millis(1_763_700_000_000).unwrap();
    let run = Run { seed: 2, invalid_ratio, starting_at: Some(start) };
    (start, Kind::named("click_event").unwrap().messages(&shop, run).take(count).collect())
}

fn bodies(messages: &[Message]) -> Vec<Value> {
    messages.iter().map(|it| serde_json::from_slice(&it.payload).unwrap()).collect()
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|it| it.to_utc());
    zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|it| it.and_utc())).ok()
}

/// Everything that is wrong with a click on its own, judged from the outside.
fn faults(payload: &[u8]) -> Vec<&'static str> {
    let Ok(body) = serde_json::from_slice::<Value>(payload) else { return vec!["cut_off"] };
    let event = &body["event"];
    let mut found = Vec::new();
    let mut look = |is_right: bool, fault| found.extend((!is_right).then_some(fault));
    look(body["id"].is_u64(), "no_id");
    look(body["type"].is_string(), "no_type");
    look(event.is_object(), "no_event");
    if event.is_object() {
        assert!(event["user-agent"].is_string() && event["ip"].is_string());
        look(event["timestamp"].as_str().is_some_and(|it| instant(it).is_some()), "time_in_words");
        let customer = event.get("customer-id").unwrap();
        look(customer.is_u64() || customer.is_null(), "listed_customer");
    }
    found
}

#[test]
fn a_click_has_exactly_the_fault_it_says() {
    let mut good = BTreeSet::new();
    for message in messages(0.4, 3_000).1 {
        let another = message.fault == Some("id_of_another");
        let stated = message.fault.filter(|_| !another);
        assert_eq!(faults(&message.payload), stated.into_iter().collect::<Vec<_>>());
        if stated.is_none() {
            let body: Value = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(good.insert(body["id"].as_u64().unwrap()), !another);
        }
    }
}

#[test]
fn the_fields_are_those_of_the_type() {
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for body in bodies(&messages(0.0, 10_000).1) {
        let own = body["event"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !["user-agent", "ip", "customer-id", "timestamp"].contains(&key.as_str()));
        fields.entry(body["type"].as_str().unwrap().to_owned()).or_default().extend(own.cloned());
    }
    let of = |kind: &str| fields[kind].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(fields.len(), 9);
    assert_eq!(of("page_view"), ["page", "referrer"]);
    assert_eq!(of("search"), ["query"]);
    assert_eq!(of("visit_related_product"), ["position", "product"]);
    assert_eq!(of("add_product_to_cart"), ["product"]);
    assert!(of("placed_order").is_empty() && of("sign_up_success").is_empty());
}

/// The times of each customer's events, in the order of their arrival.
fn by_customer(bodies: &[Value]) -> BTreeMap<u64, Vec<DateTime<Utc>>> {
    let mut times: BTreeMap<u64, Vec<DateTime<Utc>>> = BTreeMap::new();
    for event in bodies.iter().map(|body| &body["event"]) {
        if let Some(customer) = event["customer-id"].as_u64() {
            times.entry(customer).or_default().push(instant(event["timestamp"].as_str().unwrap()).unwrap());
        }
    }
    times
}

#[test]
fn customers_come_in_sessions_and_out_of_order() {
    let (start, messages) = messages(0.0, 15_000);
    let now = start + TimeDelta::milliseconds(15_000);
    let (mut sessions, mut inversions) = (0, 0);
    let customers = by_customer(&bodies(&messages));
    for times in customers.values() {
        assert!(times.iter().all(|at| *at <= now && *at >= start - TimeDelta::days(DAYS)));
        inversions += usize::from(!times.is_sorted());
        let mut sorted = times.clone();
        sorted.sort();
        sessions += 1 + sorted.windows(2).filter(|pair| pair[1] - pair[0] > TimeDelta::minutes(30)).count();
    }
    let (events, customers) = (customers.values().map(Vec::len).sum::<usize>(), customers.len());
    assert!((3_000..=6_000).contains(&events), "{events} events of customers who are logged in");
    assert!(sessions > customers * 3 / 2 && events > sessions * 2, "{events} events, {sessions} sessions, {customers}");
    assert!(inversions > customers / 10, "{inversions} of {customers} customers are out of order");
}

#[test]
fn some_visits_end_in_an_order_and_some_begin_elsewhere() {
    let bodies = bodies(&messages(0.0, 15_000).1);
    let count = |test: &dyn Fn(&Value) -> bool| bodies.iter().filter(|it| test(it)).count();
    let orders = count(&|it| it["type"] == "placed_order");
    let external = count(&|it| it["event"]["referrer"].as_str().is_some_and(|from| !from.starts_with(SHOP)));
    let internal = count(&|it| it["event"]["referrer"].as_str().is_some_and(|from| from.starts_with(SHOP)));
    assert!((45..=450).contains(&orders), "{orders} orders");
    assert!(external > 250 && internal > 250, "{external} from elsewhere, {internal} from a page of ours");
}
