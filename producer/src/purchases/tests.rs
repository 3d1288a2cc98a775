use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, TimeDelta};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Everything that is wrong with a payload, judged from the outside: by parsing the bytes.
fn faults(payload: &[u8], shop: &Shop) -> Vec<Fault> {
    let message: Value = serde_json::from_slice(payload).unwrap();
    let id = |value: &Value| value.as_str().unwrap().parse::<Uuid>().unwrap();
    let keys: BTreeSet<_> = message.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["cart", "id_", "timestamp", "user_id"]));
    assert_eq!(id(&message["id_"]).get_version_num(), 4);

    let mut found = Vec::new();
    if !shop.users().iter().any(|it| it.id == id(&message["user_id"])) {
        found.push(Fault::UnknownUser);
    }
    let cart = message["cart"].as_array().unwrap();
    if cart.is_empty() {
        found.push(Fault::EmptyCart);
    } else if cart.iter().all(Value::is_string) {
        assert!(cart.len() <= 6);
        found.push(Fault::CartOfWords);
    } else {
        assert!(cart.len() <= 4);
        for line in cart {
            if !shop.articles().iter().any(|it| it.id == id(&line["article_id"])) {
                found.push(Fault::UnknownArticle);
            }
            match line["quantity"].as_i64().unwrap() {
                1..=5 => {}
                -50..=-1 => found.push(Fault::NegativeQuantity),
                other => unreachable!("quantity {other}"),
            }
        }
    }
    found
}

fn instant(text: &str) -> DateTime<Utc> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(zoned) => zoned.with_timezone(&Utc),
        Err(_) => text.parse::<NaiveDateTime>().unwrap().and_utc(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_purchase_has_exactly_the_fault_it_says(seed: u64, ratio in 0.0..=1.0) {
        let shop = Shop::open(seed, 20, 10);
        for purchase in Purchases::new(&shop, seed, ratio).take(200) {
            let stated: Vec<Fault> = purchase.fault.into_iter().collect();
            prop_assert_eq!(faults(&purchase.payload, &shop), stated);
        }
    }

    #[test]
    fn a_payload_carries_its_purchases_id_and_the_given_time(seed: u64) {
        let shop = Shop::open(seed, 5, 5);
        let first = DateTime::from_timestamp_millis(1_763_700_000_000).unwrap();
        for (nth, purchase) in Purchases::new(&shop, seed, 0.5).starting_at(first).take(50).enumerate() {
            let message: Value = serde_json::from_slice(&purchase.payload).unwrap();
            prop_assert_eq!(message["id_"].as_str().unwrap(), purchase.id.to_string());
            let at = first + TimeDelta::milliseconds(nth.try_into().unwrap());
            prop_assert_eq!(instant(message["timestamp"].as_str().unwrap()), at);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let shop = Shop::open(1, 100, 20);
    let first = DateTime::from_timestamp_millis(1_763_700_000_000).unwrap();
    let draw = |seed| -> Vec<Purchase> { Purchases::new(&shop, seed, 0.15).starting_at(first).take(500).collect() };
    assert_eq!(draw(9), draw(9));
    assert_ne!(draw(9), draw(10));
}

#[test]
fn ids_do_not_repeat() {
    let shop = Shop::open(1, 10, 10);
    let ids: BTreeSet<Uuid> = Purchases::new(&shop, 1, 0.15).take(20_000).map(|it| it.id).collect();
    assert_eq!(ids.len(), 20_000);
}

#[test]
fn the_ratio_holds_and_is_spread_evenly() {
    let shop = Shop::open(1, 100, 20);
    let mut counts: BTreeMap<Option<Fault>, u32> = BTreeMap::new();
    for purchase in Purchases::new(&shop, 5, 0.15).take(20_000) {
        *counts.entry(purchase.fault).or_default() += 1;
    }
    assert!((16_700..=17_300).contains(&counts[&None]), "{counts:?}");
    for fault in Fault::ALL {
        assert!((480..=720).contains(&counts[&Some(fault)]), "{counts:?}");
    }
}

#[test]
fn the_ratio_may_be_none_all_or_nonsense() {
    let shop = Shop::open(1, 10, 10);
    let broken = |ratio| Purchases::new(&shop, 1, ratio).take(500).filter(|it| it.fault.is_some()).count();
    assert_eq!((broken(0.0), broken(1.0)), (0, 500));
    assert_eq!((broken(-3.0), broken(7.0), broken(f64::NAN)), (0, 500, 0));
}

#[test]
fn timestamps_come_naive_and_with_zones() {
    let shop = Shop::open(1, 10, 10);
    let stamps: Vec<String> = Purchases::new(&shop, 1, 0.0)
        .take(400)
        .map(|it| serde_json::from_slice::<Value>(&it.payload).unwrap())
        .map(|it| it["timestamp"].as_str().unwrap().to_owned())
        .collect();
    let share = |test: &dyn Fn(&str) -> bool| stamps.iter().filter(|it| test(it.as_str())).count();
    assert!(share(&|it| it.parse::<NaiveDateTime>().is_ok()) > 100);
    assert!(share(&|it| it.ends_with('Z')) > 40);
    assert!(share(&|it| it.rsplit('T').next().unwrap().contains(['+', '-'])) > 40);
}

#[test]
fn words_and_quantities_cover_their_range() {
    let shop = Shop::open(1, 10, 10);
    let mut lines = BTreeSet::new();
    for purchase in Purchases::new(&shop, 1, 0.0).take(500) {
        let message: Value = serde_json::from_slice(&purchase.payload).unwrap();
        lines.insert(message["cart"].as_array().unwrap().len());
    }
    assert_eq!(lines, BTreeSet::from([1, 2, 3, 4]));
}
