use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn shop() -> Arc<Shop> {
    Arc::new(Shop::open(1, 50, 20))
}

fn run(seed: u64, invalid_ratio: f64) -> Run {
    Run { seed, invalid_ratio, starting_at: DateTime::from_timestamp_millis(1_763_700_000_000) }
}

#[test]
fn the_same_seed_gives_the_same_bytes_of_every_kind() {
    let shop = shop();
    for kind in &KINDS {
        let draw = |seed| -> Vec<Message> { kind.messages(&shop, run(seed, 0.15)).take(500).collect() };
        assert_eq!(draw(9), draw(9), "{kind:?}");
        assert_ne!(draw(9), draw(10), "{kind:?}");
    }
}

#[test]
fn the_ratio_holds_for_every_kind_and_is_spread_evenly() {
    let shop = shop();
    for kind in &KINDS {
        let mut counts: BTreeMap<Option<&str>, u32> = BTreeMap::new();
        for message in kind.messages(&shop, run(5, 0.15)).take(5_000) {
            *counts.entry(message.fault).or_default() += 1;
        }
        let good = counts.remove(&None).unwrap();
        assert!((4_150..=4_350).contains(&good), "{kind:?}: {good} good");
        let each = (5_000 - good) / u32::try_from(counts.len()).unwrap();
        assert!(counts.len() >= 5, "{kind:?}: {counts:?}");
        assert!(counts.values().all(|it| it.abs_diff(each) < each / 2), "{kind:?}: {counts:?}");
    }
}

#[test]
fn no_message_is_broken_or_every_one_is() {
    let shop = shop();
    for kind in &KINDS {
        let broken = |ratio| kind.messages(&shop, run(1, ratio)).take(200).filter(|it| it.fault.is_some()).count();
        assert_eq!((broken(0.0), broken(1.0), broken(f64::NAN)), (0, 200, 0), "{kind:?}");
    }
}

/// Whoever sends one of these twice, on purpose or not, sends the same event.
#[test]
fn messages_without_an_id_of_their_own_say_when_they_are_the_same() {
    let shop = shop();
    for name in ["ab_event", "product_view"] {
        let messages = Kind::named(name).unwrap().messages(&shop, run(1, 0.15)).take(1_000);
        let keys: BTreeSet<String> = messages
            .map(|message| message.attributes.into_iter().find(|(name, _)| *name == "idempotency_key").unwrap().1)
            .collect();
        assert_eq!(keys.len(), 1_000, "{name}");
    }
}

#[test]
fn the_kinds_are_in_proportion() {
    let for_purchases = |count| KINDS.each_ref().map(|kind| (kind.name, kind.for_purchases(count)));
    let hundred = [("purchase", 100), ("ab_event", 300), ("order", 50), ("click_event", 600), ("product_view", 100)];
    assert_eq!(for_purchases(100), hundred);
    assert_eq!(for_purchases(1).map(|(_, count)| count), [1, 3, 1, 6, 1]);
    assert!(for_purchases(u64::MAX).iter().all(|(_, count)| *count > u64::MAX / 2));
}

#[test]
fn kinds_are_read_as_they_are_written() {
    let all = Kinds::default();
    assert_eq!(all.to_string(), "purchase,ab_event,order,click_event,product_view");
    assert_eq!(all.to_string().parse(), Ok(all));
    let two: Kinds = " order, purchase,order".parse().unwrap();
    assert_eq!(two.to_string(), "purchase,order");
    assert!(two.has("order") && !two.has("ab_event"));
    for nonsense in ["", "order,", "orders", "purchase;order"] {
        assert!(nonsense.parse::<Kinds>().unwrap_err().contains("click_event"), "{nonsense}");
    }
}

#[test]
fn each_kind_has_a_topic_of_its_own() {
    let topics: BTreeSet<&str> = KINDS.iter().map(|kind| kind.topic).collect();
    assert_eq!(topics, BTreeSet::from(["ab-events", "click-events", "orders", "product-views", "purchases"]));
}
