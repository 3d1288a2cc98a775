//! How an order is read, whatever it is written like.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::events::Draft;
use crate::pipeline::decode::decode;
use crate::pipeline::verdict::Code;

fn read_bytes(payload: impl Into<Bytes>) -> Option<Draft<Order>> {
    let payload = payload.into();
    let json = decode(&payload).ok()?;
    match read::read(&json, &payload, "2026-06-01T00:00:00Z".parse().unwrap()) {
        Reading::Event(draft) => Some(draft),
        Reading::Ignored => None,
    }
}

fn read(order: &Value) -> Draft<Order> {
    read_bytes(order.to_string()).expect("an order.created event")
}

fn order_of(order: &Value) -> Order {
    let Draft { event, violations, .. } = read(order);
    event.unwrap_or_else(|| panic!("{violations:?}")).order
}

fn wrong(order: &Value) -> Vec<(Code, String)> {
    let violations = read(order).violations;
    violations.into_iter().map(|violation| (violation.code, violation.path)).collect()
}

fn plain() -> Value {
    let address = |province: &str| {
        json!({
            "first_name": "dan", "last_name": "dyer", "address1": "123 Main St", "address2": "", "city": "Boise",
            "province": province, "country": "United States", "zip": "83702", "phone": "208-860-6879",
        })
    };
    json!({
        "event_type": "order.created", "event_id": "dfacfc2362", "event_version": "1.0.0", "event_date": "2020-07-12",
        "lovevery_user_id": "66f6", "email": "dan@example.com", "first_name": "dan", "last_name": "dyer",
        "billing_address": address("Maryland"), "shipping_address": address("Idaho"), "currency": "USD",
        "financial_status": "paid", "order_value": 5.0, "total_discounts": 0, "total_tax": 1.25,
        "discount_codes": [{"code": "xxx", "amount": 1}], "buyer_accepts_marketing": true,
        "line_items": [{"quantity": "2", "id": "2f31"}, {"quantity": 1, "id": 7}],
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut order = plain();
    order[field] = value;
    order
}

fn without(field: &str) -> Value {
    let mut order = plain();
    order.as_object_mut().unwrap().remove(field);
    order
}

/// Text that holds a value as JSON, in so many layers.
fn stringified(value: &Value, layers: usize) -> Value {
    (0..layers).fold(value.clone(), |value, _| Value::from(value.to_string()))
}

/// A record of a CSV file: every field is text, and what holds others is JSON in it.
fn as_csv(order: &Value) -> Value {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        value => value.to_string(),
    };
    let record: Map<_, _> =
        order.as_object().unwrap().iter().map(|(name, value)| (name.clone(), cell(value).into())).collect();
    record.into()
}

#[test]
fn what_is_counted_is_read() {
    let order = order_of(&plain());
    assert_eq!((order.event_id.as_str(), order.user_id.as_str()), ("dfacfc2362", "66f6"));
    assert_eq!(order.event_date, Some("2020-07-12T00:00:00Z".parse().unwrap()));
    assert_eq!((order.currency.as_deref(), order.order_value), (Some("USD"), Some(5.into())));
    assert_eq!((order.accepts_marketing, order.province()), (Some(true), Some("Idaho")));
    let items: Vec<_> = order.items.iter().map(|item| (item.id.as_str(), item.quantity)).collect();
    assert_eq!(items, [("2f31", 2), ("7", 1)]);
}

#[test]
fn the_province_is_that_of_the_shipping_address_or_else_of_the_billing_address() {
    let province = |shipping: Value| order_of(&with("shipping_address", shipping)).province().map(str::to_owned);
    assert_eq!(province(json!({"province": " Québec "})).as_deref(), Some("Québec"));
    for nothing in [json!({}), json!(null), json!(""), json!({"province": ""}), json!({"province": null})] {
        assert_eq!(province(nothing).as_deref(), Some("Maryland"));
    }
}

#[test]
fn what_nobody_counts_may_be_absent_or_anything() {
    for field in ["event_type", "event_version", "event_date", "email", "first_name", "last_name", "financial_status"] {
        assert_eq!(wrong(&without(field)), [], "{field}");
        assert_eq!(wrong(&with(field, Value::Null)), [], "{field}");
        assert_eq!(wrong(&with(field, json!(" "))), [], "{field}");
    }
    for anything in [json!(7), json!(["a", 1]), json!({"b": [null]}), json!(true), json!("[not json")] {
        for field in ["email", "first_name", "discount_codes", "event_version", "note"] {
            assert_eq!(wrong(&with(field, anything.clone())), [], "{field}");
        }
    }
}

#[test]
fn what_is_counted_is_right_or_said_to_be_wrong() {
    let missing = |path: &str| vec![(Code::Missing, path.to_owned())];
    let is = |code: Code, path: &str| vec![(code, path.to_owned())];
    for (order, expected) in [
        (without("event_id"), missing("/event_id")),
        (with("event_id", json!("x".repeat(256))), is(Code::Length, "/event_id")),
        (without("lovevery_user_id"), missing("/lovevery_user_id")),
        (without("currency"), missing("/currency")),
        (with("currency", json!("dollars")), is(Code::Format, "/currency")),
        (with("order_value", json!(-1)), is(Code::Range, "/order_value")),
        (with("order_value", json!("5,00")), is(Code::Format, "/order_value")),
        (with("event_date", json!("12.07.2020")), is(Code::Format, "/event_date")),
        (with("event_date", json!("2026-06-03")), is(Code::Range, "/event_date")),
        (with("buyer_accepts_marketing", json!("maybe")), is(Code::Format, "/buyer_accepts_marketing")),
        (without("line_items"), missing("/line_items")),
        (with("line_items", json!("")), missing("/line_items")),
        (with("line_items", json!([])), is(Code::Length, "/line_items")),
        (with("line_items", json!("[]")), is(Code::Length, "/line_items")),
        (with("line_items", json!("two teapots")), is(Code::InvalidJson, "/line_items")),
        (with("line_items", json!("[{\"id\":\"a\",\"quantity\":0}]")), is(Code::Range, "/line_items/0/quantity")),
        (with("shipping_address", json!("123 Main St")), is(Code::InvalidJson, "/shipping_address")),
        (with("shipping_address", json!([])), is(Code::WrongType, "/shipping_address")),
        (with("shipping_address", json!("{\"province\":7}")), is(Code::WrongType, "/shipping_address/province")),
        (with("event_type", json!("order_created")), is(Code::Format, "/event_type")),
        (with("note", json!("\0")), is(Code::Format, "/note")),
        (with("event_id", json!("a\0b")), is(Code::Format, "/event_id")),
    ] {
        assert_eq!(wrong(&order), expected, "{order}");
    }
}

#[test]
fn an_order_without_a_value_needs_no_currency() {
    let mut order = without("order_value");
    assert_eq!(order_of(&order).currency.as_deref(), Some("USD"));
    order["currency"] = json!(null);
    assert_eq!(order_of(&order).currency, None);
}

#[test]
fn other_events_of_an_order_are_ignored() {
    for event_type in ["order.updated", "order.partially_refunded"] {
        assert!(read_bytes(with("event_type", json!(event_type)).to_string()).is_none(), "{event_type}");
    }
}

#[test]
fn every_field_of_an_order_is_content_and_no_other() {
    let hash = order_of(&plain()).hash();
    let Value::Object(fields) = plain() else { unreachable!() };
    for name in fields
        .keys()
        .filter(|name| !["event_type", "event_id", "lovevery_user_id", "line_items"].contains(&name.as_str()))
    {
        let mut order = without(name);
        if name == "currency" {
            order = with("currency", json!("CAD"));
        }
        assert_ne!(order_of(&order).hash(), hash, "{name}");
    }
    for field in fields["billing_address"].as_object().unwrap().keys().filter(|name| *name != "address2") {
        let mut order = plain();
        order["billing_address"][field] = json!("other");
        assert_ne!(order_of(&order).hash(), hash, "{field}");
    }
    for (field, value) in [
        ("note", json!("unknown fields are none")),
        ("event_type", Value::Null),
        ("event_date", json!("2020-07-12T02:00:00+02:00")),
        ("order_value", json!("5.00")),
        ("currency", json!("usd")),
        ("discount_codes", json!([{"amount": 1, "code": "xxx"}])),
    ] {
        assert_eq!(order_of(&with(field, value)).hash(), hash, "{field}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "\0",
            "[",
            "{}",
            "\"\"",
            "\"{}\"",
            "[{\"\"a\"\":1}]",
            "order.created",
            "1e400",
            "-0"
        ])
        .prop_map(Value::from),
    ];
    let name = prop_oneof!["\\PC{0,4}", "id|quantity|province|first_name"];
    leaf.prop_recursive(4, 30, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner.clone(), 0..5)
                .prop_map(|map| Value::from(Map::from_iter(map))),
            (inner, 1_usize..6).prop_map(|(value, layers)| stringified(&value, layers)),
        ]
    })
}

/// An order that is right, as a producer may write it.
fn any_order() -> impl Strategy<Value = Value> {
    let item = ("[a-z0-9]{1,8}", 1..9).prop_map(|(id, quantity)| json!({"id": id, "quantity": quantity}));
    let address =
        ("\\PC{0,6}", "[A-Z][a-z]{0,6}").prop_map(|(city, province)| json!({"city": city, "province": province}));
    let items = prop::collection::vec(item, 1..5).prop_map(Value::from);
    let codes = prop_oneof![Just(Value::Null), Just(json!("xxx")), Just(json!(["a", {"b": 1, "a": "\""}]))];
    (items, address.clone(), address, codes, 0_i64..1_000_000, any::<bool>()).prop_map(
        |(items, billing, shipping, codes, cents, marketing)| {
            let mut order = plain();
            order["line_items"] = items;
            order["billing_address"] = billing;
            order["shipping_address"] = shipping;
            order["discount_codes"] = codes;
            order["order_value"] = json!(cents as f64 / 100.0);
            order["buyer_accepts_marketing"] = json!(marketing);
            order
        },
    )
}

proptest! {
    #[test]
    fn any_json_gets_a_verdict(json in any_json(), fields in prop::collection::hash_map(0_usize..18, any_json(), 0..4)) {
        let _ = read_bytes(json.to_string());
        let mut order = plain();
        let names: Vec<String> = order.as_object().unwrap().keys().cloned().collect();
        for (name, value) in fields {
            order[&names[name % names.len()]] = value;
        }
        if let Some(draft) = read_bytes(order.to_string()) {
            prop_assert_eq!(draft.event.is_some(), draft.violations.is_empty());
        }
    }

    #[test]
    fn an_order_is_the_same_however_its_parts_are_wrapped(order in any_order(), layers in prop::array::uniform4(0_usize..4)) {
        let mut wrapped = order.clone();
        let parts = ["line_items", "billing_address", "shipping_address", "discount_codes"];
        for (part, layers) in parts.into_iter().zip(layers) {
            if order[part].is_array() || order[part].is_object() {
                wrapped[part] = stringified(&order[part], layers);
            }
        }
        prop_assert_eq!(order_of(&wrapped).hash(), order_of(&order).hash());
        prop_assert_eq!(order_of(&as_csv(&wrapped)).hash(), order_of(&order).hash());
    }
}
