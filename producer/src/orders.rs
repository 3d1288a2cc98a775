//! Orders as the shop's checkout writes them when they are made: `order.created`.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde_json::{Map, Value};

use crate::dice::{mostly_short, one_of, weighted};
use crate::message::{Draft, Fault, Recipe, cut_off, leave_out, money, object, set};
use crate::shop::{Shop, uuid4};
use crate::shoppers::Shopper;

/// The fields that some clients write as text.
const COLUMNS: [&str; 3] = ["billing_address", "shipping_address", "line_items"];
/// So many different things can be ordered: orders share the ids of their items.
const ITEMS: u64 = 300;
/// Ids of items look like this one, and count from here.
const FIRST_ITEM: u64 = 31_244_085_395_571;

const FAULTS: &[Fault<Orders>] = &[
    ("no_event_id", |_, draft, _| leave_out(draft, "event_id")),
    ("date_in_words", |_, draft, _| set(draft, "event_date", "last Friday")),
    ("value_in_words", |_, draft, _| set(draft, "order_value", "a fair price")),
    ("quantity_in_words", quantity_in_words),
    ("unreadable_items", |_, draft, _| set(draft, "line_items", r#"[{"quantity":"2","id":"3124"#)),
    ("cut_off", cut_off),
    // The last, since the first order of a run has no other to take it from.
    ("id_of_another", id_of_another),
];

/// How orders are drawn.
pub(crate) struct Orders {
    shop: Arc<Shop>,
    earlier: Option<Value>,
}

impl Orders {
    pub(crate) fn of(shop: &Arc<Shop>) -> Orders {
        Orders { shop: Arc::clone(shop), earlier: None }
    }
}

impl Recipe for Orders {
    fn faults(&self) -> &'static [Fault<Orders>] {
        if self.earlier.is_some() { FAULTS } else { &FAULTS[..FAULTS.len() - 1] }
    }

    fn draft(&mut self, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Draft {
        let shopper = &self.shop.shoppers()[rng.random_range(0..self.shop.shoppers().len())];
        let email = &shopper.emails[rng.random_range(0..shopper.emails.len())];
        let (first, last) = &shopper.name;
        let mut body = object([
            ("event_type", "order.created".into()),
            ("event_id", uuid4(rng).to_string().into()),
            ("event_version", "1.0.0".into()),
            ("lovevery_user_id", shopper.user_id().into()),
            ("email", email.as_str().into()),
            ("first_name", first.as_str().into()),
            ("last_name", last.as_str().into()),
            ("currency", shopper.market.currency.into()),
            ("financial_status", weighted([("paid", 85), ("pending", 12), ("refunded", 3)], rng).into()),
            ("total_tax", amount(0, 20, rng)),
            ("total_discounts", if rng.random_bool(0.8) { 0.into() } else { amount(1, 10, rng) }),
            ("discount_codes", one_of(["", "", "", "WELCOME10", "SUMMER"], rng).into()),
            ("buyer_accepts_marketing", shopper.accepts_marketing.into()),
            ("line_items", line_items(rng)),
        ]);
        addresses(shopper, &mut body, rng);
        if rng.random_bool(0.9) {
            body.insert("order_value".to_owned(), amount(5, 250, rng));
        }
        if let Some(date) = event_date(now, rng) {
            body.insert("event_date".to_owned(), date.into());
        }
        stringify(&mut body, rng);
        Draft { body, ..Draft::default() }
    }

    fn good(&mut self, draft: &Draft) {
        self.earlier = draft.body.get("event_id").cloned();
    }
}

/// A number, or the same as text.
fn amount(least: u32, most: u32, rng: &mut ChaCha8Rng) -> Value {
    let amount = money(least, most, rng);
    if rng.random_bool(0.8) { amount.into() } else { format!("{amount:.2}").into() }
}

/// Most days in the last month; a seventh of the orders says nothing.
fn event_date(now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Option<String> {
    let at = now - mostly_short(TimeDelta::minutes(1), TimeDelta::days(30), rng);
    match rng.random_range(0..7) {
        0 => None,
        1 => Some(at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        2 => Some(at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()),
        _ => Some(at.format("%Y-%m-%d").to_string()),
    }
}

/// One to four different things; how many is text, as a rule.
fn line_items(rng: &mut ChaCha8Rng) -> Value {
    let (first, count) = (rng.random_range(0..ITEMS), rng.random_range(1..=4));
    let item = |nth: u64| {
        let quantity = rng.random_range(1..=5_u32);
        let quantity = if rng.random_bool(0.8) { Value::from(quantity.to_string()) } else { quantity.into() };
        let id = FIRST_ITEM + (first + nth * 7) % ITEMS;
        Value::Object(object([("quantity", quantity), ("id", id.to_string().into())]))
    };
    (0..count).map(item).collect()
}

/// Where the bill goes, and where the goods go: elsewhere for one in ten, and to another province.
fn addresses(shopper: &Shopper, body: &mut Map<String, Value>, rng: &mut ChaCha8Rng) {
    let billing = address(shopper);
    let mut shipping = billing.clone();
    if rng.random_bool(0.1) {
        let provinces = shopper.market.provinces;
        shipping.insert("province".to_owned(), provinces[rng.random_range(0..provinces.len())].into());
        shipping.insert("address1".to_owned(), format!("{} Main St", rng.random_range(1..200)).into());
    }
    body.insert("billing_address".to_owned(), billing.into());
    body.insert("shipping_address".to_owned(), shipping.into());
}

fn address(shopper: &Shopper) -> Map<String, Value> {
    let (home, (first, last)) = (&shopper.home, &shopper.name);
    object([
        ("first_name", first.as_str().into()),
        ("last_name", last.as_str().into()),
        ("address1", home.street.as_str().into()),
        ("address2", "".into()),
        ("city", home.city.as_str().into()),
        ("province", home.province.into()),
        ("country", shopper.market.name.into()),
        ("zip", home.zip.as_str().into()),
        ("phone", home.phone.as_str().into()),
    ])
}

/// Writes the columns of some orders as text that holds JSON, of a few as text that holds such text.
fn stringify(body: &mut Map<String, Value>, rng: &mut ChaCha8Rng) {
    let times = weighted([(0, 70), (1, 20), (2, 10)], rng);
    for column in COLUMNS {
        for _ in 0..times {
            body.entry(column).and_modify(|value| *value = value.to_string().into());
        }
    }
}

fn quantity_in_words(_: &mut Orders, draft: &mut Draft, _: &mut ChaCha8Rng) {
    let item = object([("quantity", "a dozen".into()), ("id", FIRST_ITEM.to_string().into())]);
    set(draft, "line_items", vec![Value::Object(item)]);
}

fn id_of_another(orders: &mut Orders, draft: &mut Draft, _: &mut ChaCha8Rng) {
    if let Some(earlier) = &orders.earlier {
        set(draft, "event_id", earlier.clone());
    }
}

#[cfg(test)]
mod tests;
