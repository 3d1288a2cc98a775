//! The names of objects are ours: nothing that a sender chooses stands in them.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use purser::dead_letters::{Status, close};
use purser::events::KINDS;
use purser::intake::Origin;
use purser::pipeline::verdict::Reason;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::delivery_with;
use crate::support::house::House;

/// Texts that lead elsewhere where they are taken for a part of a path, and any others.
fn text() -> impl Strategy<Value = String> {
    let hostile =
        ["../../../etc/passwd", "/abs", "a/b", "kind=x", "..%2f..%2f", "C:\\x", "\u{0}", "dt=2000-01-01", "con"];
    prop_oneof![proptest::sample::select(hostile.to_vec()).prop_map(str::to_owned), "\\PC{0,40}"]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let fields = ["id_", "id", "event_id", "user_id", "event_type", "type", "version", "kind", "reason", "mpid"];
    let object = proptest::collection::btree_map(proptest::sample::select(fields.to_vec()), text(), 0..8);
    let json = (object, text()).prop_map(|(fields, rest)| {
        let mut object: Value = fields.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        object["event"] = json!({"customer-id": rest, "timestamp": rest});
        object.to_string().into_bytes()
    });
    prop_oneof![4 => json, 1 => text().prop_map(String::into_bytes), 1 => proptest::collection::vec(any::<u8>(), 0..60)]
}

#[tokio::test]
async fn no_message_has_a_say_in_the_name_of_an_object() {
    let house = House::new().await;
    let rig = &house.rig;
    let mut runner = TestRunner::deterministic();
    let mut draw = || (payload(), text(), text()).new_tree(&mut runner).unwrap().current();
    for kind in KINDS {
        let deliveries = (0..60).map(|number| {
            let (mut payload, id, word) = draw();
            if number == 0 {
                payload.resize(2 << 20, b' ');
            }
            let id = format!("pubsub:{id}:{number}");
            let (mut delivery, reply) = delivery_with(id.clone(), payload.into(), Utc::now());
            let attributes = BTreeMap::from([(word.clone(), id.clone()), ("platform".to_owned(), word.clone())]);
            delivery.origin = match number % 2 {
                0 => Origin::Http { request_id: word, line: None, attributes },
                _ => Origin::File { object: id.into(), record: 1, attributes: attributes.into(), too_large: None },
            };
            (delivery, reply)
        });
        rig.decide_as(kind.name, deliveries.collect()).await;
    }
    let letters: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM dead_letters").fetch_all(rig.pool()).await.unwrap();
    let mut conn = rig.pool().acquire().await.unwrap();
    close(&mut conn, &letters[..20], Status::Discarded, Some("../../because")).await.unwrap();
    drop(conn);
    house.shipper.ship().await.unwrap();

    let names: Vec<String> = house.files().into_keys().collect();
    let foreign: Vec<&String> = names.iter().filter(|name| !is_ours(name)).collect();
    assert_eq!(foreign, Vec::<&String>::new());
    for part in ["/payloads/", "/status/", "kind=purchase", "kind=product_view", "reason=decode", "reason=shape"] {
        assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
    }
}

/// Made of our own words, dates, hours and uuids.
fn is_ours(name: &str) -> bool {
    let is_kind =
        |part: &str| part.strip_prefix("kind=").is_some_and(|name| KINDS.iter().any(|kind| kind.name == name));
    let is_reason = |part: &str| {
        part.strip_prefix("reason=").is_some_and(|name| Reason::ALL.iter().any(|one| one.as_str() == name))
    };
    let is_day = |part: &str| part.strip_prefix("dt=").is_some_and(|day| day.parse::<NaiveDate>().is_ok());
    let is_hour =
        |part: &str| part.strip_prefix("hh=").is_some_and(|hour| hour.len() == 2 && hour.parse::<u8>().is_ok());
    let is_uuid = |part: &str| Uuid::try_parse(part).is_ok_and(|uuid| uuid.to_string() == part);
    let is_segment = |part: &str| part.strip_suffix(".ndjson").is_some_and(is_uuid);
    match name.split('/').collect::<Vec<_>>().as_slice() {
        ["dead-letter", kind, reason, day, hour, segment] => {
            is_kind(kind) && is_reason(reason) && is_day(day) && is_hour(hour) && is_segment(segment)
        }
        ["dead-letter", "status", day, hour, segment] => is_day(day) && is_hour(hour) && is_segment(segment),
        ["dead-letter", "payloads", letter] => is_uuid(letter),
        _ => false,
    }
}
