//! The fields of an order. What is counted by is read strictly; what is not is taken as it is.
//!
//! Files of comma-separated values bring every field as text, and absent ones as blank text: numbers and
//! truth values may be text everywhere, and blank text is no value.

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;

use super::nested::unwrapped;
use super::{Address, Details, Item, Order, Received, loose, payload};
use crate::domain::parse_instant;
use crate::events::{Draft, Reading, plausible};
use crate::pipeline::decode::Json;
use crate::pipeline::shape::{Object, Place};
use crate::pipeline::verdict::{Code, Violation};

/// Fields of an address besides its province.
pub(super) const ADDRESS: [&str; 8] =
    ["first_name", "last_name", "address1", "address2", "city", "country", "zip", "phone"];
/// Fields of an order that nothing is counted by and that have no column.
pub(super) const DETAILS: [&str; 4] = ["event_version", "first_name", "last_name", "discount_codes"];

/// The only event that is an order.
const CREATED: &str = "order.created";
/// The most lines of an order.
const LINES: usize = 1000;
/// The most of one item on a line.
const QUANTITY: i32 = 1_000_000;
/// The most bytes of the name of a province.
const PROVINCE_BYTES: usize = 255;
const CURRENCY: &str = "a currency: three letters, ISO 4217";

/// Reads an order out of a decoded payload.
pub(super) fn read(json: &Json<'_>, payload: &Bytes, published_at: DateTime<Utc>) -> Reading<Order> {
    let mut violations = Vec::new();
    let body = Object::of(json, Place::ROOT, "an order", &mut violations);
    if body.is_some_and(tells_of_something_else) {
        return Reading::Ignored;
    }
    let order = body.and_then(|body| order(body, published_at, &mut violations));
    for refused in payload::refused(json, payload) {
        if violations.iter().all(|violation| violation.path != refused.path || refused.path.is_empty()) {
            violations.push(refused);
        }
    }
    let event = order.filter(|_| violations.is_empty()).map(|order| Received { order, payload: payload.clone() });
    let key = body.and_then(|body| body.id("event_id", &mut Vec::new())).map(Into::into);
    Reading::Event(Draft { key, event, references: Vec::new(), violations })
}

/// Another event in the life of an order, such as `order.updated`: it is no mistake, and no order.
fn tells_of_something_else(body: Object<'_>) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match body.value("event_type") {
        Some(Json::String(text)) => text != CREATED && text.strip_prefix("order.").is_some_and(is_word),
        _ => false,
    }
}

fn order(body: Object<'_>, published_at: DateTime<Utc>, violations: &mut Vec<Violation>) -> Option<Order> {
    if !body.is_blank("event_type") {
        body.string("event_type", "\"order.created\"", violations, |text| (text == CREATED).then_some(()));
    }
    let event_id = body.id("event_id", violations);
    let user_id = body.id(user_field(body), violations);
    let event_date = optional(body, "event_date", |name| date(body, name, published_at, violations));
    let most = Decimal::from(1_000_000_000_000_i64);
    let order_value = optional(body, "order_value", |name| body.money(name, (Decimal::ZERO, most), violations));
    let total_discounts = optional(body, "total_discounts", |name| body.money(name, (-most, most), violations));
    let total_tax = optional(body, "total_tax", |name| body.money(name, (-most, most), violations));
    let currency = currency(body, violations);
    let accepts_marketing = optional(body, "buyer_accepts_marketing", |name| body.boolean(name, violations));
    let billing = address(body, "billing_address", Place::ROOT.inside("/billing_address"), violations);
    let shipping = address(body, "shipping_address", Place::ROOT.inside("/shipping_address"), violations);
    let items = items(body, violations);
    Some(Order {
        event_id: event_id?.into(),
        user_id: user_id?.into(),
        event_date,
        currency,
        order_value,
        total_discounts,
        total_tax,
        accepts_marketing,
        billing,
        shipping,
        items: items?,
        details: details(body),
    })
}

/// Producers call it `lovevery_user_id`; `user_id` counts where that is not there.
pub(super) fn user_field(body: Object<'_>) -> &'static str {
    if body.is_blank("lovevery_user_id") && !body.is_blank("user_id") { "user_id" } else { "lovevery_user_id" }
}

fn optional<T>(body: Object<'_>, name: &'static str, read: impl FnOnce(&'static str) -> Option<T>) -> Option<T> {
    if body.is_blank(name) { None } else { read(name) }
}

/// A date is its midnight.
fn date(
    body: Object<'_>,
    name: &'static str,
    published_at: DateTime<Utc>,
    violations: &mut Vec<Violation>,
) -> Option<DateTime<Utc>> {
    let expected = "an ISO-8601 date, or date and time";
    let instant = body.string(name, expected, violations, |text| {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN).and_utc());
        date.ok().or_else(|| parse_instant(text).ok())
    })?;
    body.within(name, instant, plausible(published_at), violations)
}

/// A value without a currency cannot be added to anything.
fn currency(body: Object<'_>, violations: &mut Vec<Violation>) -> Option<String> {
    if !body.is_blank("currency") {
        return body.string("currency", CURRENCY, violations, |text| {
            let letters = text.trim().to_ascii_uppercase();
            (letters.len() == 3 && letters.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(letters)
        });
    }
    if !body.is_blank("order_value") {
        let expected = "the currency of order_value: three letters, ISO 4217";
        violations.push(Violation::new(Code::Missing, "/currency", expected, "nothing"));
    }
    None
}

fn address(body: Object<'_>, name: &'static str, place: Place, violations: &mut Vec<Violation>) -> Address {
    let expected = "an address {province, …}";
    let Some(value) = optional(body, name, |name| body.any(name, expected, violations)) else {
        return Address::default();
    };
    let read = unwrapped(value, place, expected, |json| {
        let address = Object::of(json, place, expected, violations)?;
        let province = optional(address, "province", |name| address.text(name, (1, PROVINCE_BYTES), violations));
        let province = province.map(|province| province.trim().to_owned());
        Some(Address { province, rest: ADDRESS.map(|name| loose::text(address, name)).into() })
    });
    or_note(read, violations).unwrap_or_default()
}

fn items(body: Object<'_>, violations: &mut Vec<Violation>) -> Option<Vec<Item>> {
    let (name, place, expected) = ("line_items", Place::ROOT.inside("/line_items"), "an array of 1 to 1000 line items");
    if body.is_blank(name) {
        violations.push(Violation::new(Code::Missing, place.pointer(), expected, "nothing"));
        return None;
    }
    let read = unwrapped(body.any(name, expected, violations)?, place, expected, |json| {
        let wrong = match json {
            Json::Array(items) if (1..=LINES).contains(&items.len()) => return Ok(all_items(items, violations)),
            Json::Array(_) => Code::Length,
            _ => Code::WrongType,
        };
        Err(Violation::new(wrong, place.pointer(), expected, &json.to_string()))
    });
    or_note(read.flatten(), violations)
}

/// Every item is looked at, also after a broken one.
fn all_items(items: &[Json<'_>], violations: &mut Vec<Violation>) -> Option<Vec<Item>> {
    let items: Vec<_> = items.iter().enumerate().map(|(index, json)| item(index, json, violations)).collect();
    items.into_iter().collect()
}

fn item(index: usize, json: &Json<'_>, violations: &mut Vec<Violation>) -> Option<Item> {
    let (place, expected) = (Place::element("line_items", index), "a line item {id, quantity}");
    let read = unwrapped(json, place, expected, |json| {
        let item = Object::of(json, place, expected, violations)?;
        let (id, quantity) = (item.id("id", violations), item.count("quantity", (1, QUANTITY), violations));
        Some(Item { id: id?.into(), quantity: quantity? })
    });
    or_note(read, violations)
}

fn or_note<T>(read: Result<Option<T>, Violation>, violations: &mut Vec<Violation>) -> Option<T> {
    read.unwrap_or_else(|violation| {
        violations.push(violation);
        None
    })
}

fn details(body: Object<'_>) -> Details {
    Details {
        email: loose::text(body, "email"),
        financial_status: loose::text(body, "financial_status"),
        rest: DETAILS.map(|name| loose::text(body, name)).into(),
    }
}
