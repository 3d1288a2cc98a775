//! Product views: batches as an app's SDK sends them, with other events of the app among them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde_json::{Map, Value};

use crate::books::Entry;
use crate::dice::{mostly_short, one_of, weighted};
use crate::message::{Draft, Fault, Layout, Recipe, cut_off, idempotency_key, object};
use crate::products::Product;
use crate::sales::Sale;
use crate::shop::{Shop, uuid4};
use crate::shoppers::Shopper;

/// Where views come from, and the share of them that leads to a purchase.
#[derive(Clone, Copy)]
struct Platform {
    name: &'static str,
    click_through_rate: f64,
}

const PLATFORMS: [(Platform, u32); 3] = [
    (Platform { name: "iOS", click_through_rate: 0.026 }, 30),
    (Platform { name: "Android", click_through_rate: 0.019 }, 30),
    (Platform { name: "MobileWeb", click_through_rate: 0.012 }, 40),
];
/// The share of events that are views of a product.
const PRODUCT_VIEWS: f64 = 0.75;
/// The id that hasty clients give to event after event.
const ANY_EVENT: u64 = 679_644_799_952_992_890;

const FAULTS: &[Fault<Views>] = &[
    ("no_code_color", |views, draft, rng| {
        views.spoil(draft, "custom_attributes", object([("base", "p".into())]).into(), rng);
    }),
    ("time_in_words", |views, draft, rng| views.spoil(draft, "timestamp_unixtime_ms", "soon".into(), rng)),
    ("no_platform", |views, draft, rng| views.from(draft, None, rng)),
    ("platform_in_words", |views, draft, rng| views.from(draft, Some("some phone"), rng)),
    ("cut_off", cut_off),
];

/// How batches of views are drawn.
pub(crate) struct Views {
    shop: Arc<Shop>,
}

impl Views {
    pub(crate) fn of(shop: &Arc<Shop>) -> Views {
        Views { shop: Arc::clone(shop) }
    }

    /// A view of `product`.
    fn view(product: &Product, session: i64, at: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Value {
        let attributes = object([
            ("actualPrice", format!("{}.{:02}", product.price / 100, product.price % 100).into()),
            ("base", "p".into()),
            ("codeColor", product.code_color.as_str().into()),
        ]);
        let mut data = stamp(session, at, rng);
        data.append(&mut object([
            ("custom_event_type", "navigation".into()),
            ("event_name", "product".into()),
            ("custom_attributes", attributes.into()),
        ]));
        object([("data", data.into()), ("event_type", "custom_event".into())]).into()
    }

    /// Gives one view of the batch another value for `field`.
    fn spoil(&self, draft: &mut Draft, field: &str, value: Value, rng: &mut ChaCha8Rng) {
        let mut views = self.views(draft, rng);
        let chosen = rng.random_range(0..views.len());
        if let Some(data) = views[chosen].get_mut("data").and_then(Value::as_object_mut) {
            data.insert(field.to_owned(), value);
        }
    }

    /// Has a batch with a view in it come from another platform, or from nobody knows where.
    fn from(&self, draft: &mut Draft, platform: Option<&str>, rng: &mut ChaCha8Rng) {
        self.views(draft, rng);
        draft.attributes.retain(|(name, _)| *name != "platform");
        draft.attributes.extend(platform.map(|platform| ("platform", platform.to_owned())));
    }

    /// The views of a batch, which is given one if it has none.
    fn views<'d>(&self, draft: &'d mut Draft, rng: &mut ChaCha8Rng) -> Vec<&'d mut Value> {
        let at =
            draft.body.get("timestamp_unixtime_ms").and_then(Value::as_i64).and_then(DateTime::from_timestamp_millis);
        let Some(Value::Array(events)) = draft.body.get_mut("events") else { return Vec::new() };
        if !events.iter().any(is_view) {
            events.push(Views::view(self.shop.catalogue().viewed(rng), 1, at.unwrap_or_default(), rng));
        }
        events.iter_mut().filter(|event| is_view(event)).collect()
    }
}

fn is_view(event: &Value) -> bool {
    event["data"]["event_name"] == "product"
}

impl Recipe for Views {
    fn faults(&self) -> &'static [Fault<Views>] {
        FAULTS
    }

    fn draft(&mut self, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Draft {
        let shopper = &self.shop.shoppers()[rng.random_range(0..self.shop.shoppers().len())];
        let platform = &weighted(PLATFORMS, rng);
        let sent = now - TimeDelta::milliseconds(rng.random_range(0..86_400_000));
        let (mut at, session) = (sent - TimeDelta::minutes(10), rng.random());
        let (mut events, mut bought) = (Vec::new(), Vec::new());
        for _ in 0..length_of_batch(rng) {
            at += mostly_short(TimeDelta::milliseconds(100), TimeDelta::seconds(30), rng);
            if rng.random_bool(PRODUCT_VIEWS) {
                let product = self.shop.catalogue().viewed(rng);
                events.push(Views::view(product, session, at, rng));
                bought.extend(rng.random_bool(platform.click_through_rate).then_some(product));
            } else {
                events.push(other_event(session, at, rng));
            }
        }
        let entries = sale(shopper, platform, &bought, (sent, now), rng).into_iter().collect();
        Draft {
            body: batch(shopper, events, sent, rng),
            attributes: vec![("platform", platform.name.to_owned()), idempotency_key(rng)],
            entries,
            layout: if rng.random_bool(0.1) { Layout::Pretty } else { Layout::Compact },
        }
    }
}

fn batch(shopper: &Shopper, events: Vec<Value>, sent: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Map<String, Value> {
    object([
        ("events", events.into()),
        // Any number will do, as long as it is the same for the same shopper.
        ("mpid", (shopper.number.wrapping_mul(0x9E37_79B9_7F4A_7C15).cast_signed()).into()),
        ("timestamp_unixtime_ms", sent.timestamp_millis().into()),
        ("batch_id", rng.random::<i64>().into()),
        ("message_id", uuid4(rng).to_string().into()),
        ("message_type", "events".into()),
        ("schema_version", 1.into()),
    ])
}

/// 1 to 20, small ones more often.
fn length_of_batch(rng: &mut ChaCha8Rng) -> u32 {
    rng.random_range(1..=20).min(rng.random_range(1..=20))
}

/// What every event has. Its id may be negative, or larger than any signed number of 64 bits, or not
/// its own; its time may have a fraction.
fn stamp(session: i64, at: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let id: Value = match rng.random_range(0..20) {
        0 => ANY_EVENT.into(),
        1..=10 => rng.random::<u64>().into(),
        _ => rng.random::<i64>().into(),
    };
    let at = at.timestamp_millis();
    let at: Value =
        if rng.random_bool(0.3) { (at as f64 + f64::from(rng.random_range(1..8)) / 8.0).into() } else { at.into() };
    object([("event_id", id), ("session_id", session.into()), ("timestamp_unixtime_ms", at)])
}

/// Something that the app reports and that is no view of a product.
fn other_event(session: i64, at: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Value {
    let mut data = stamp(session, at, rng);
    let (kind, mut rest) = match rng.random_range(0..3) {
        0 => ("screen_view", object([("screen_name", one_of(["Home", "Search", "Cart"], rng).into())])),
        1 => {
            let attributes = object([("eventAttribute", "menu".into())]);
            let name = one_of(["view_menu", "search", "share"], rng);
            let fields = [
                ("custom_event_type", "navigation".into()),
                ("event_name", name.into()),
                ("custom_attributes", attributes.into()),
            ];
            ("custom_event", object(fields))
        }
        _ => {
            let action = object([("action", "add_to_cart".into()), ("products", Value::Array(Vec::new()))]);
            let fields = [("custom_event_type", "add_to_cart".into()), ("product_action", action.into())];
            ("commerce_event", object(fields))
        }
    };
    data.append(&mut rest);
    object([("data", data.into()), ("event_type", kind.into())]).into()
}

/// What the views of a batch led to: an order soon after, never in the future.
fn sale(
    shopper: &Shopper,
    platform: &Platform,
    bought: &[&Product],
    (sent, now): (DateTime<Utc>, DateTime<Utc>),
    rng: &mut ChaCha8Rng,
) -> Option<Entry> {
    if bought.is_empty() {
        return None;
    }
    let at = sent + mostly_short(TimeDelta::seconds(20), TimeDelta::minutes(15), rng);
    Some(Entry::Sale(Sale::of(shopper.user_id(), platform.name, bought, at.min(now), rng)))
}

#[cfg(test)]
mod tests;
