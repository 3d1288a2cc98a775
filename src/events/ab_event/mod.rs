//! An event of an A/B test: who was shown which version, and what came of it.

mod counts;
mod derived;
mod forget;
mod insert;
mod late;
mod users;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{ContentHash, Derived, Draft, EventKind, Reading, Upkeep, event_id, plausible};
use crate::database::Run;
use crate::domain::{Person, parse_day_or_instant};
use crate::expire::Aged;
use crate::intake::Delivery;
use crate::pipeline::check_references::{Known, Reference, Shopper};
use crate::pipeline::decode::Json;
use crate::pipeline::shape::{Object, Place};
use crate::pipeline::verdict::{RowId, Table, Violation};

/// The kind `ab_event`.
#[derive(Debug, sqlx::FromRow)]
pub struct AbEvent {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    user_id: Box<str>,
    account_type: Box<str>,
    event_type: Option<Box<str>>,
    order_value: Option<Decimal>,
    version: Box<str>,
}

/// An event with its shopper, where there is one.
#[derive(Debug)]
pub struct Row {
    event: AbEvent,
    received_at: DateTime<Utc>,
    shopper: Option<Arc<Shopper>>,
}

/// Bounds of every text, in bytes.
const TEXT: (usize, usize) = (1, 255);
/// The highest value of an order.
const ORDER_VALUE: i64 = 1_000_000_000_000;
/// What stands in rollups where an event has no country.
const UNKNOWN: &str = "unknown";

/// Rows that may be removed for their age.
const OLD: Aged = Aged {
    kind: AbEvent::NAME,
    table: "ab_events",
    time: "occurred_at",
    only: "true",
    along: ", sums AS (
                INSERT INTO expired_ab_events AS sum (country, version, events)
                SELECT coalesce(country, 'unknown'), version, count(*) FROM gone GROUP BY 1, 2
                ON CONFLICT (country, version) DO UPDATE SET events = sum.events + EXCLUDED.events)",
};

impl EventKind for AbEvent {
    const NAME: &'static str = "ab_event";
    const TOPIC: &'static str = "ab-events";
    const SUBSCRIPTION: &'static str = "purser-ab-events";
    const UPKEEP: Option<Upkeep> = Some(late::upkeep);
    const FIELDS: &'static str = "`user_id`, `account_type` and `version` are texts of 1 to 255 bytes, and so is \
        `event_type`, which may be null or absent; `date` is an ISO 8601 date, or date and time, between the year \
        2000 and one day after it is sent, UTC where it names no zone; `order_value` is an amount from 0 to \
        1,000,000,000,000, rounded to four decimals, and may be null or absent. A user who is no row of `shoppers` is \
        taken in, too. Other fields are ignored. Events have no id: without an `Idempotency-Key`, each is a new one.";
    const EXAMPLE: &'static str = r#"{"user_id":"c7a2f0e4","account_type":"premium","date":"2026-11-21",
        "event_type":"order","order_value":49.90,"version":"A"}"#;
    const NATURAL_KEY: bool = false;
    const TABLE: &'static str = "ab_events";
    const DERIVED: &'static [Derived] = derived::DERIVED;

    type Key = Uuid;
    type Event = AbEvent;
    type Row = Row;

    fn parse(json: &Json<'_>, delivery: &Delivery) -> Vec<Reading<Self>> {
        let id = event_id::<Self>(delivery, 0);
        let mut draft = Draft { key: Some(id), event: None, references: Vec::new(), violations: Vec::new() };
        if let Some(body) = Object::of(json, Place::ROOT, "an A/B test event", &mut draft.violations) {
            let event = read(id, body, delivery.published_at, &mut draft.violations);
            draft.event = event.filter(|_| draft.violations.is_empty());
            draft.references.extend(draft.event.iter().map(|event: &AbEvent| shopper(&event.user_id)));
        }
        vec![Reading::Event(draft)]
    }

    fn keys(json: &Json<'_>, _position: u32) -> Vec<(&'static str, String)> {
        let ignored = &mut Vec::new();
        let Some(body) = Object::of(json, Place::ROOT, "an A/B test event", ignored) else { return Vec::new() };
        body.text("user_id", TEXT, ignored).map(|id| ("user_id", id.to_owned())).into_iter().collect()
    }

    fn enrich(event: AbEvent, received_at: DateTime<Utc>, known: &Known) -> Row {
        let shopper = known.shopper(&event.user_id).cloned();
        Row { event, received_at, shopper }
    }

    fn key(row: &Row) -> Uuid {
        row.event.id
    }

    fn content_hash(row: &Row) -> ContentHash {
        insert::content_hash(&row.event)
    }

    async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<Uuid>> {
        insert::insert(conn, rows).await
    }

    async fn stored(conn: &mut PgConnection, keys: &[Uuid]) -> sqlx::Result<HashMap<Uuid, ContentHash>> {
        insert::stored(conn, keys).await
    }

    fn occurred_at(row: &Row) -> DateTime<Utc> {
        row.event.occurred_at
    }

    async fn expire(pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
        OLD.expire(pool, before, run).await
    }

    async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
        forget::forget(pool, person, run).await
    }

    async fn roll_up(conn: &mut PgConnection, rows: &[&Row], shard: i16) -> sqlx::Result<()> {
        counts::roll_up(conn, rows, shard).await
    }
}

/// Every field is looked at, also after a broken one.
fn read(id: Uuid, body: Object<'_>, published_at: DateTime<Utc>, violations: &mut Vec<Violation>) -> Option<AbEvent> {
    let user_id = body.text("user_id", TEXT, violations);
    let account_type = body.text("account_type", TEXT, violations);
    let occurred_at = date(body, published_at, violations);
    let event_type = match body.is_null("event_type") {
        true => None,
        false => body.text("event_type", TEXT, violations),
    };
    let order_value = match body.is_null("order_value") {
        true => None,
        false => body.money("order_value", (Decimal::ZERO, ORDER_VALUE.into()), violations),
    };
    let version = body.text("version", TEXT, violations);
    Some(AbEvent {
        id,
        occurred_at: occurred_at?,
        user_id: user_id?.into(),
        account_type: account_type?.into(),
        event_type: event_type.map(Into::into),
        order_value,
        version: version?.into(),
    })
}

/// A required date, with or without a time.
fn date(body: Object<'_>, published_at: DateTime<Utc>, violations: &mut Vec<Violation>) -> Option<DateTime<Utc>> {
    let expected = "an ISO-8601 date, or date and time";
    let date = body.string("date", expected, violations, |text| parse_day_or_instant(text).ok())?;
    body.within("date", date, plausible(published_at), violations)
}

/// The shopper of a user, who may or may not be there.
fn shopper(user: &str) -> Reference {
    Reference { table: Table::Shoppers, id: RowId::Text(user.into()), place: Place::ROOT, field: "user_id" }
}

/// The market that a shopper's events count under. What is empty, called `unknown`, or too long for the key
/// of a rollup is none.
fn country(shopper: &Shopper) -> Option<&str> {
    let country = shopper.country.as_deref()?;
    ((TEXT.0..=TEXT.1).contains(&country.len()) && country != UNKNOWN).then_some(country)
}

impl Row {
    fn country(&self) -> Option<&str> {
        self.shopper.as_deref().and_then(country)
    }

    fn gender(&self) -> Option<&str> {
        self.shopper.as_ref()?.gender.as_deref()
    }
}
