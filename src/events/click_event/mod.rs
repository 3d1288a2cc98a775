//! A click: something that somebody did in the shop, logged in or not. Those of a customer make sessions.

mod changes;
mod derived;
mod expire;
mod forget;
mod insert;
mod lock;
mod rebuild;
mod roll_up;
mod sessions;
mod stored;
mod wire;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{ContentHash, Derived, Draft, EventKind, Reading, Upkeep, plausible};
use crate::database::Run;
use crate::domain::Person;
use crate::intake::Delivery;
use crate::pipeline::check_references::Known;
use crate::pipeline::decode::Json;
use crate::pipeline::shape::{Object, Place};
use crate::pipeline::verdict::Violation;
use sessions::Visit;

/// The kind `click_event`.
#[derive(Debug)]
pub struct ClickEvent {
    id: String,
    r#type: String,
    /// Who was logged in.
    customer_id: Option<String>,
    occurred_at: DateTime<Utc>,
    page: Option<String>,
    referrer: Option<String>,
    /// The inner event as it came: JSON that `jsonb` takes.
    event: String,
    content: ContentHash,
}

/// A click, and when it came in.
#[derive(Debug)]
pub struct Row {
    click: ClickEvent,
    received_at: DateTime<Utc>,
}

/// The version of the rules by which [`EventKind::content_hash`] normalises.
const HASH_VERSION: i16 = 1;
/// The type of an event that is an order.
const ORDER: &str = "placed_order";
/// The most bytes of a type.
const TYPE_BYTES: usize = 255;
/// The most bytes of the address of a page.
const URL_BYTES: usize = 8192;

impl EventKind for ClickEvent {
    const NAME: &'static str = "click_event";
    const TOPIC: &'static str = "click-events";
    const SUBSCRIPTION: &'static str = "purser-click-events";
    const FIELDS: &'static str = "`id` is a text of 1 to 255 bytes or a whole number; `type` is any text, and \
        `placed_order` means an order. Of `event`, the `timestamp` is ISO 8601, between the year 2000 and one day \
        after it is sent, UTC where it names no zone; `customer-id`, an id like that of the event, is absent or null \
        where nobody was logged in; `page` and `referrer` are absent, null, or texts of up to 8192 bytes. Which \
        other fields there are depends on the type: all are kept. `user-agent`, `ip`, `query`, `product` and \
        `position` belong to the content, by which a duplicate is told from a conflict; unknown ones do not.";
    const EXAMPLE: &'static str = r#"{"id":304559,"type":"page_view","event":{"user-agent":"Mozilla/5.0 (X11; Linux x86_64)",
        "ip":"203.0.113.7","customer-id":46,"timestamp":"2026-05-25T04:49:18.648681",
        "page":"https://shop.example/products/907","referrer":"https://search.example/?q=tea"}}"#;
    const NATURAL_KEY: bool = true;
    const TABLE: &'static str = "click_events";
    const DERIVED: &'static [Derived] = derived::DERIVED;
    const UPKEEP: Option<Upkeep> = Some(rebuild::keep);

    type Key = String;
    type Event = ClickEvent;
    type Row = Row;

    fn parse(json: &Json<'_>, delivery: &Delivery) -> Vec<Reading<Self>> {
        let mut draft = Draft { key: None, event: None, references: Vec::new(), violations: Vec::new() };
        if let Some(body) = Object::of(json, Place::ROOT, "a click event", &mut draft.violations) {
            draft.key = body.id("id", &mut draft.violations).map(String::from);
            let click = click(draft.key.clone(), body, delivery, &mut draft.violations);
            draft.event = click.filter(|_| draft.violations.is_empty());
        }
        vec![Reading::Event(draft)]
    }

    fn keys(json: &Json<'_>, _position: u32) -> Vec<(&'static str, String)> {
        let ignored = &mut Vec::new();
        let Some(body) = Object::of(json, Place::ROOT, "a click event", ignored) else { return Vec::new() };
        let id = body.id("id", ignored).map(|id| ("click_event_id", id.into_owned()));
        let event = body.at("/event", "an object", ignored);
        let customer = event.and_then(|event| event.id("customer-id", ignored));
        id.into_iter().chain(customer.map(|id| ("customer_id", id.into_owned()))).collect()
    }

    fn enrich(click: ClickEvent, received_at: DateTime<Utc>, _known: &Known) -> Row {
        Row { click, received_at }
    }

    fn key(row: &Row) -> String {
        row.click.id.clone()
    }

    fn content_hash(row: &Row) -> ContentHash {
        row.click.content
    }

    async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<String>> {
        insert::insert(conn, rows).await
    }

    async fn stored(conn: &mut PgConnection, keys: &[String]) -> sqlx::Result<HashMap<String, ContentHash>> {
        insert::stored(conn, keys).await
    }

    fn occurred_at(row: &Row) -> DateTime<Utc> {
        row.click.occurred_at
    }

    async fn expire(pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
        expire::expire(pool, before, run).await
    }

    async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
        forget::forget(pool, person, run).await
    }

    async fn roll_up(conn: &mut PgConnection, rows: &[&Row], _shard: i16) -> sqlx::Result<()> {
        roll_up::roll_up(conn, rows).await
    }
}

fn click(
    id: Option<String>,
    body: Object<'_>,
    delivery: &Delivery,
    violations: &mut Vec<Violation>,
) -> Option<ClickEvent> {
    let r#type = body.text("type", (1, TYPE_BYTES), violations);
    let event = body.at("/event", "an object", violations)?;
    let occurred_at = event.instant("timestamp", plausible(delivery.published_at), violations);
    let customer_id = optional(event, "customer-id", |name| event.id(name, violations));
    let page = optional(event, "page", |name| event.text(name, (0, URL_BYTES), violations));
    let referrer = optional(event, "referrer", |name| event.text(name, (0, URL_BYTES), violations));
    let json = wire::storable(body.value("event")?, "/event", violations)?;
    let content = wire::content_hash(id.as_deref()?, r#type?, occurred_at?, customer_id.as_deref(), event);
    Some(ClickEvent {
        id: id?,
        r#type: r#type?.to_owned(),
        customer_id: customer_id.map(String::from),
        occurred_at: occurred_at?,
        page: page.map(str::to_owned),
        referrer: referrer.map(str::to_owned),
        event: json,
        content,
    })
}

/// What `read` makes of a field, unless that is absent or null.
fn optional<'n, T>(object: Object<'_>, name: &'n str, read: impl FnOnce(&'n str) -> Option<T>) -> Option<T> {
    if object.is_null(name) { None } else { read(name) }
}

impl<'c> From<&'c ClickEvent> for Visit<'c> {
    fn from(click: &'c ClickEvent) -> Self {
        Visit {
            id: &click.id,
            occurred_at: click.occurred_at,
            is_order: click.r#type == ORDER,
            page: click.page.as_deref(),
            referrer: click.referrer.as_deref(),
        }
    }
}
