//! An order, as the shop's `order.created` event tells of it.

mod derived;
mod forget;
mod insert;
mod loose;
mod nested;
mod payload;
mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};

use super::{ContentHash, ContentHasher, Derived, EventKind, Reading};
use crate::database::Run;
use crate::domain::Person;
use crate::expire::Aged;
use crate::intake::Delivery;
use crate::pipeline::check_references::Known;
use crate::pipeline::decode::Json;
use crate::pipeline::shape::{Object, Place};

/// The kind `order`.
#[derive(Debug)]
pub struct Order {
    event_id: String,
    user_id: String,
    /// Absent where the producer does not say: then the time of receipt counts, which is no content.
    event_date: Option<DateTime<Utc>>,
    /// There wherever there is a value.
    currency: Option<String>,
    order_value: Option<Decimal>,
    total_discounts: Option<Decimal>,
    total_tax: Option<Decimal>,
    accepts_marketing: Option<bool>,
    billing: Address,
    shipping: Address,
    items: Vec<Item>,
    details: Details,
}

/// A postal address, or what is known of one.
#[derive(Debug, Default)]
struct Address {
    province: Option<String>,
    /// Its other fields, in the order of [`read::ADDRESS`].
    rest: Vec<Option<String>>,
}

#[derive(Debug)]
struct Item {
    id: String,
    quantity: i32,
}

/// What nothing is counted by.
#[derive(Debug)]
struct Details {
    email: Option<String>,
    financial_status: Option<String>,
    /// The others, in the order of [`read::DETAILS`].
    rest: Vec<Option<String>>,
}

/// An order and its event, which is stored as it came.
#[derive(Debug)]
pub struct Received {
    order: Order,
    payload: Bytes,
}

/// An order with when it came.
#[derive(Debug)]
pub struct Row {
    received: Received,
    received_at: DateTime<Utc>,
}

/// The version of the rules by which [`EventKind::content_hash`] normalises.
const HASH_VERSION: i16 = 1;

/// Rows that may be removed for their age.
const OLD: Aged = Aged {
    kind: Order::NAME,
    table: "order_events",
    time: "ordered_at",
    only: "true",
    along: ", lines AS (DELETE FROM order_event_items AS item USING gone WHERE item.event_id = gone.event_id)",
};

impl EventKind for Order {
    const NAME: &'static str = "order";
    const TOPIC: &'static str = "orders";
    const SUBSCRIPTION: &'static str = "purser-orders";

    const FIELDS: &'static str = "`event_id` is a text of 1 to 255 bytes, or a whole number; so is \
        `lovevery_user_id`, or `user_id` where that is not there. `line_items` holds 1 to 1000 lines, each with an \
        `id` (as above) and a `quantity`, a whole number from 1 to 1,000,000. Everything else may be absent, null \
        or blank. `event_type` is `order.created`; an event of another `order.…` is ignored. `event_date` is an ISO \
        8601 date, or date and time (UTC where it names no zone), between the year 2000 and one day after it is \
        sent; where it is absent, the time of receipt counts. `order_value` is an amount from 0 on, and needs \
        `currency`, three letters; `total_discounts` and `total_tax` are amounts. `buyer_accepts_marketing` is a \
        boolean. `shipping_address` and `billing_address` are objects; a `province` in one is a text of at most 255 \
        bytes. Names, phone numbers, discount codes and the like are taken as they are, and so are other fields, \
        which say nothing about whether two events with one id are the same.\n\n\
        Numbers and booleans may be text. Addresses, `line_items` and each of these may be text that is their JSON, \
        also several times over, or with its quotes doubled.";
    const EXAMPLE: &'static str = r#"{"event_type":"order.created","event_id":"dfacfc2362-6359-49d9-a445-27314e2ff7e6",
        "event_date":"2020-07-12","lovevery_user_id":"66f6","email":"dan@example.com",
        "shipping_address":{"first_name":"dan","last_name":"dyer","city":"Boise","province":"Idaho","zip":"83702"},
        "currency":"USD","financial_status":"paid","order_value":5.0,"total_discounts":0,"total_tax":0,
        "discount_codes":"xxx","buyer_accepts_marketing":true,"line_items":[{"quantity":"2","id":"31244085395571"}]}"#;
    const NATURAL_KEY: bool = true;
    const TABLE: &'static str = "order_events";
    const DERIVED: &'static [Derived] = derived::DERIVED;

    type Key = String;
    type Event = Received;
    type Row = Row;

    fn parse(json: &Json<'_>, delivery: &Delivery) -> Vec<Reading<Self>> {
        vec![read::read(json, &delivery.payload, delivery.published_at)]
    }

    fn keys(json: &Json<'_>, _position: u32) -> Vec<(&'static str, String)> {
        let ignored = &mut Vec::new();
        let Some(body) = Object::of(json, Place::ROOT, "an order", ignored) else { return Vec::new() };
        let fields = [("event_id", "event_id"), ("user_id", read::user_field(body))];
        let ids = fields.map(|(key, field)| body.id(field, ignored).map(|id| (key, id.into_owned())));
        ids.into_iter().flatten().collect()
    }

    fn enrich(received: Received, received_at: DateTime<Utc>, _known: &Known) -> Row {
        Row { received, received_at }
    }

    fn key(row: &Row) -> String {
        row.received.order.event_id.clone()
    }

    fn content_hash(row: &Row) -> ContentHash {
        row.received.order.hash()
    }

    async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<String>> {
        insert::insert(conn, rows).await
    }

    async fn stored(conn: &mut PgConnection, keys: &[String]) -> sqlx::Result<HashMap<String, ContentHash>> {
        insert::stored(conn, keys).await
    }

    fn occurred_at(row: &Row) -> DateTime<Utc> {
        row.received.order.event_date.unwrap_or(row.received_at)
    }

    async fn expire(pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
        OLD.expire(pool, before, run).await
    }

    async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
        forget::forget(pool, person, run).await
    }

    async fn roll_up(_conn: &mut PgConnection, _rows: &[&Row], _shard: i16) -> sqlx::Result<()> {
        // Orders are few enough to be summed up when somebody asks.
        Ok(())
    }
}

impl Order {
    /// The province that it counts under.
    fn province(&self) -> Option<&str> {
        self.shipping.province.as_deref().or(self.billing.province.as_deref())
    }

    fn hash(&self) -> ContentHash {
        let Order { event_id, user_id, event_date, currency, order_value, total_discounts, total_tax, .. } = self;
        let Order { accepts_marketing, billing, shipping, items, details, .. } = self;
        let mut hash = ContentHasher::new(HASH_VERSION);
        hash.text(event_id).text(user_id).optional(*event_date, ContentHasher::instant);
        hash.optional(currency.as_deref(), ContentHasher::text);
        for amount in [order_value, total_discounts, total_tax] {
            hash.optional(*amount, ContentHasher::decimal);
        }
        hash.optional(*accepts_marketing, ContentHasher::boolean);
        for item in items {
            hash.boolean(true).text(&item.id).whole(item.quantity);
        }
        hash.boolean(false);
        let Details { email, financial_status, rest } = details;
        let addresses =
            [billing, shipping].into_iter().flat_map(|Address { province, rest }| [province].into_iter().chain(rest));
        for text in [email, financial_status].into_iter().chain(rest).chain(addresses) {
            hash.optional(text.as_deref(), ContentHasher::text);
        }
        hash.finish()
    }
}
