//! Input that nobody in their right mind would send.

use proptest::prelude::*;
use proptest::sample::select;
use purser::events::KINDS;
use serde_json::{Map, Value, json};

/// What the readers of the kinds look for.
const NAMES: &str = "id_ id timestamp user_id cart article_id quantity account_type date event_type order_value \
    version event_id event_date lovevery_user_id line_items currency total_tax total_discounts \
    buyer_accepts_marketing shipping_address billing_address province email type event customer-id page referrer \
    product events data event_name custom_attributes codeColor timestamp_unixtime_ms mpid a/b~c \0";

/// Texts that mean something to somebody.
const TEXTS: &str = "null true [] {} [[ {\"id\":1} \"\\\"\\\"\" {\"\"id\"\":\"\"1\"\"} \0 USD uſd ﬁ \u{202e} \u{feff} 𝕏𝕐ℤ \
    ae2e9931-7b10-4089-98a5-0aeba3d9fe6d 2026-05-25T04:49:18 2026-05-25 9999-12-31T23:59:60Z 0000-00-00 \
    -262144-01-01T00:00:00Z 1e400 -0 0x10 NaN 12,5 order.created placed_order";

const PATHS: &str = "/ /events/purchase /events/product_view /events/nothing /create /receive_event //receive_event \
    /purchases/1 /purchases/%FF /articles/top /customers/top /orders/value /sales/states /sales/over-time \
    /sales/province /rejections/summary /monitor /monitor/health /metrics/orders /metrics/sessions /ctr";

fn words(text: &'static str) -> impl Strategy<Value = &'static str> {
    select(text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
}

pub fn path() -> impl Strategy<Value = &'static str> {
    words(PATHS)
}

fn scalar() -> impl Strategy<Value = Value> {
    let numbers = [json!(0), json!(-1), json!(i64::MIN), json!(u64::MAX), json!(1e308), json!(5e-324), json!(-0.0)];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(numbers.to_vec()),
        words(TEXTS).prop_map(Value::from),
        Just(Value::from("")),
        "\\PC{0,12}".prop_map(Value::from),
        (200_usize..9000).prop_map(|length| Value::from("é".repeat(length))),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => words(NAMES).prop_map(str::to_owned), 1 => "\\PC{0,9}"]
}

/// Any JSON value, with the names that the kinds look for where they do not expect them.
pub fn any_json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::vec((name(), inner.clone()), 0..8)
                .prop_map(|fields| Value::from(Map::from_iter(fields))),
            inner.prop_map(|json| Value::from(json.to_string())),
        ]
    })
}

/// What is done to a place of an event.
#[derive(Debug, Clone)]
enum Bend {
    Replace(Value),
    Remove,
    Wrap(String),
    AsText,
}

fn bend() -> impl Strategy<Value = Bend> {
    prop_oneof![
        6 => any_json().prop_map(Bend::Replace),
        1 => Just(Bend::Remove),
        1 => name().prop_map(Bend::Wrap),
        1 => Just(Bend::AsText),
    ]
}

/// A good event of some kind after a few accidents, and perhaps with a field that stands twice.
pub fn bent() -> impl Strategy<Value = String> {
    let examples: Vec<&str> = KINDS.iter().map(|kind| kind.example).collect();
    let bends = proptest::collection::vec((any::<prop::sample::Index>(), bend()), 0..4);
    (select(examples), bends, proptest::option::weighted(0.2, (name(), scalar()))).prop_map(
        |(example, bends, twice)| {
            let mut event: Value = serde_json::from_str(example).unwrap();
            for (place, bend) in bends {
                let mut places = Vec::new();
                note_places(&event, String::new(), &mut places);
                apply(&mut event, &places[place.index(places.len())], bend);
            }
            let text = event.to_string();
            match twice {
                Some((name, value)) => text.replacen('{', &format!("{{{}:{value},", Value::from(name)), 1),
                None => text,
            }
        },
    )
}

fn note_places(json: &Value, path: String, places: &mut Vec<String>) {
    match json {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| note_places(item, format!("{path}/{index}"), places));
        }
        Value::Object(fields) => {
            let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
            fields.iter().for_each(|(name, value)| note_places(value, format!("{path}/{}", escaped(name)), places));
        }
        _ => {}
    }
    places.push(path);
}

fn apply(event: &mut Value, path: &str, bend: Bend) {
    let Some(value) = event.pointer_mut(path) else { return };
    match bend {
        Bend::Replace(other) => *value = other,
        Bend::Wrap(name) => *value = Value::from(Map::from_iter([(name, value.take())])),
        Bend::AsText => *value = Value::from(value.to_string()),
        Bend::Remove => {
            let (parent, name) = path.rsplit_once('/').unwrap_or_default();
            if let Some(Value::Object(fields)) = event.pointer_mut(parent) {
                fields.remove(name);
            }
        }
    }
}

/// Any bytes, or those of an event of which some were lost, doubled or changed.
pub fn torn() -> impl Strategy<Value = Vec<u8>> {
    let cut = (bent(), any::<prop::sample::Index>(), 0_usize..9, proptest::collection::vec(any::<u8>(), 0..4));
    let torn = cut.prop_map(|(text, at, lost, new)| {
        let mut bytes = text.into_bytes();
        let start = at.index(bytes.len() + 1);
        let end = bytes.len().min(start + lost);
        bytes.splice(start..end, new);
        bytes
    });
    prop_oneof![3 => torn, 1 => proptest::collection::vec(any::<u8>(), 0..200)]
}
