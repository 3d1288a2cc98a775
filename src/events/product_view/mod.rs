//! A product view: who looked at which product, when, and on which platform. A message is an mParticle
//! batch, which holds events of many types; those that are no product views are ignored.

mod at_once;
mod forget;
mod history;
mod insert;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Attribute, ContentHash, ContentHasher, Derived, Draft, EventKind, Reading, event_id, plausible};
use crate::database::Run;
use crate::domain::{Person, Platform};
use crate::expire::Aged;
use crate::intake::Delivery;
use crate::pipeline::check_references::Known;
use crate::pipeline::decode::Json;
use crate::pipeline::shape::{Object, Place};
use crate::pipeline::verdict::{Code, Violation};

/// The kind `product_view`.
#[derive(Debug)]
pub struct ProductView {
    /// Made from the delivery and the place in its batch.
    pub id: Uuid,
    /// When the product was viewed.
    pub occurred_at: DateTime<Utc>,
    /// On which platform.
    pub platform: Platform,
    /// Its `codeColor`.
    pub product: Box<str>,
    /// The visitor, as mParticle knows them, digit for digit.
    pub mpid: Option<Box<str>>,
    /// The visit.
    pub session_id: Option<Box<str>>,
    /// What mParticle calls the event; not unique.
    pub event_id: Option<Box<str>>,
}

/// A product view with when it came in.
#[derive(Debug)]
pub struct Row {
    /// The view.
    pub view: ProductView,
    /// When it came in.
    pub received_at: DateTime<Utc>,
}

/// The version of the rules by which [`EventKind::content_hash`] normalises.
const HASH_VERSION: i16 = 1;
/// The most events of a batch.
const EVENTS: usize = 10_000;
/// A batch may hold so many events, however small they are.
const SMALL_EVENTS: usize = 20;
/// The bytes that more of them must have on average: a small message does not grow into a million events.
const EVENT_BYTES: usize = 16;
/// On which platform the views of a delivery were made.
const PLATFORM: Attribute = Attribute {
    name: "platform",
    expected: "the platform: iOS, Android, MobileWeb, or another word of 1 to 32 letters, digits, - and _",
    example: "iOS",
    is_right: |text| Platform::parse(text).is_some(),
};
/// The most bytes of an id that is kept.
const ID_BYTES: usize = 255;

/// Rows that may be removed for their age.
const OLD: Aged =
    Aged { kind: ProductView::NAME, table: "product_views", time: "occurred_at", only: "true", along: "" };

impl EventKind for ProductView {
    const NAME: &'static str = "product_view";
    const TOPIC: &'static str = "product-views";
    const SUBSCRIPTION: &'static str = "purser-product-views";
    const FIELDS: &'static str = "An mParticle batch. Its `events` with the `event_type` `custom_event` and, in `data`, \
                                  the `event_name` `product` are product views; others are ignored. `codeColor` in \
                                  their `custom_attributes` is the product; `timestamp_unixtime_ms` is their time, \
                                  between the year 2000 and tomorrow. The ids are kept, whatever they are. The \
                                  attribute `platform` says where the product was viewed.";
    const EXAMPLE: &'static str = r#"{"events":[{"event_type":"custom_event","data":{"event_name":"product",
        "custom_event_type":"navigation","timestamp_unixtime_ms":1454361579158.9556,"event_id":679644799952992890,
        "session_id":-7147916473548193691,"custom_attributes":{"codeColor":"20008657_002"}}}],
        "mpid":-196509116834317511,"timestamp_unixtime_ms":1454361579200}"#;
    const NATURAL_KEY: bool = false;
    const TABLE: &'static str = "product_views";
    const ELSEWHERE: Option<&'static str> = Some(history::ROWS);
    const DERIVED: &'static [Derived] = &[];
    const ATTRIBUTES: &'static [Attribute] = &[PLATFORM];

    type Key = Uuid;
    type Event = ProductView;
    type Row = Row;

    fn parse(json: &Json<'_>, delivery: &Delivery) -> Vec<Reading<Self>> {
        let mut violations = Vec::new();
        let batch = Object::of(json, Place::ROOT, "an mParticle batch", &mut violations);
        let events = batch.and_then(|batch| {
            Some((batch, batch.array("events", "events", (0, most_events(delivery)), &mut violations)?))
        });
        let Some((batch, events)) = events else { return vec![Reading::Event(draft(None, None, violations))] };
        let mpid = id(batch, "mpid");
        let read = |(index, event)| read(event, index, mpid.as_deref(), delivery);
        events.iter().enumerate().map(read).collect()
    }

    fn parse_at_once(payload: &[u8], delivery: &Delivery) -> Option<Vec<Reading<Self>>> {
        at_once::parse(payload, delivery)
    }

    fn keys(json: &Json<'_>, position: u32) -> Vec<(&'static str, String)> {
        let ignored = &mut Vec::new();
        let Some(batch) = Object::of(json, Place::ROOT, "a batch", ignored) else { return Vec::new() };
        let events = batch.array("events", "events", (0, EVENTS as u64), ignored).unwrap_or_default();
        let event = events.get(position as usize).and_then(|event| Object::of(event, Place::ROOT, "an event", ignored));
        let data = event.and_then(|event| event.at("/data", "data", ignored));
        let attributes = data.and_then(|data| data.at("/custom_attributes", "attributes", ignored));
        let found = |key, object: Option<Object<'_>>, field| Some((key, id(object?, field)?.into()));
        [
            found("product", attributes, "codeColor"),
            found("mpid", Some(batch), "mpid"),
            found("session_id", data, "session_id"),
            found("event_id", data, "event_id"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn enrich(view: ProductView, received_at: DateTime<Utc>, _known: &Known) -> Row {
        Row { view, received_at }
    }

    fn key(row: &Row) -> Uuid {
        row.view.id
    }

    fn content_hash(row: &Row) -> ContentHash {
        content_hash(&row.view)
    }

    async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<Uuid>> {
        insert::insert(conn, rows).await
    }

    async fn stored(conn: &mut PgConnection, keys: &[Uuid]) -> sqlx::Result<HashMap<Uuid, ContentHash>> {
        insert::stored(conn, keys).await
    }

    fn occurred_at(row: &Row) -> DateTime<Utc> {
        row.view.occurred_at
    }

    async fn expire(pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
        Ok(OLD.expire(pool, before, run).await? + history::expire(pool, before, run).await?)
    }

    async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
        forget::forget(pool, person, run).await
    }

    /// There are none: a day's views by hour, platform and product are two thirds as many rows as the views
    /// themselves, and periods begin and end at any second.
    async fn roll_up(_conn: &mut PgConnection, _rows: &[&Row], _shard: i16) -> sqlx::Result<()> {
        Ok(())
    }
}

fn content_hash(view: &ProductView) -> ContentHash {
    let ProductView { id: _, occurred_at, platform, product, mpid, session_id, event_id } = view;
    let mut hash = ContentHasher::new(HASH_VERSION);
    hash.instant(*occurred_at).text(platform.as_str()).text(product);
    for id in [mpid, session_id, event_id] {
        hash.optional(id.as_deref(), ContentHasher::text);
    }
    hash.finish()
}

fn most_events(delivery: &Delivery) -> u64 {
    (delivery.payload.len() / EVENT_BYTES).clamp(SMALL_EVENTS, EVENTS) as u64
}

/// One event of a batch. It is a product view by its type and its name, and right or wrong from there on;
/// only what may be one, and is broken beyond that, is wrong as well.
fn read(event: &Json<'_>, index: usize, mpid: Option<&str>, delivery: &Delivery) -> Reading<ProductView> {
    let (place, mut violations) = (Place::element("events", index), Vec::new());
    let key = event_id::<ProductView>(delivery, index);
    let wrong = |violations| Reading::Event(draft(Some(key), None, violations));
    let Some(event) = Object::of(event, place, "an event", &mut violations) else { return wrong(violations) };
    if !is(event, "event_type", "custom_event") {
        return Reading::Ignored;
    }
    let Some(data) = event.at("/data", "the data of an event", &mut violations) else { return wrong(violations) };
    if !is(data, "event_name", "product") {
        return Reading::Ignored;
    }
    let platform = platform(delivery, place, &mut violations);
    let occurred_at = data.unix_millis("timestamp_unixtime_ms", plausible(delivery.published_at), &mut violations);
    let attributes = event.at("/data/custom_attributes", "the attributes of a product view", &mut violations);
    let product = attributes.and_then(|attributes| attributes.id("codeColor", &mut violations));
    let view = || {
        Some(ProductView {
            id: key,
            occurred_at: occurred_at?,
            platform: platform?,
            product: product?.into(),
            mpid: mpid.map(Into::into),
            session_id: id(data, "session_id"),
            event_id: id(data, "event_id"),
        })
    };
    Reading::Event(draft(Some(key), view().filter(|_| violations.is_empty()), violations))
}

fn draft(key: Option<Uuid>, event: Option<ProductView>, violations: Vec<Violation>) -> Draft<ProductView> {
    Draft { key, event, references: Vec::new(), violations }
}

fn is(object: Object<'_>, field: &str, word: &str) -> bool {
    matches!(object.value(field), Some(Json::String(text)) if text == word)
}

/// What the sender says, or else what the path of the file tells.
fn platform(delivery: &Delivery, place: Place, violations: &mut Vec<Violation>) -> Option<Platform> {
    const WAYS: &str = "in the attribute `platform` of the message (over HTTP ?platform=), by the flag --platform, or \
                        by the path of the file, when its name begins with, or one of its folders is, iOS, Android \
                        or MobileWeb";
    let said = delivery.attribute(PLATFORM.name);
    let platform = match said {
        Some(said) => Platform::parse(said),
        None => delivery.object().and_then(Platform::of_path),
    };
    if platform.is_none() {
        let found = match said.or(delivery.object()) {
            Some("") => "an empty text",
            found => found.unwrap_or("nothing"),
        };
        violations.push(Violation::new(
            Code::UnknownPlatform,
            place.pointer(),
            format!("{}; {WAYS}", PLATFORM.expected),
            found,
        ));
    }
    platform
}

/// An id as text, digit for digit. It is only kept, so that nothing is wrong with it: what is none, or too
/// long to be one, is left out.
fn id(object: Object<'_>, field: &str) -> Option<Box<str>> {
    let text: Box<str> = match object.value(field)? {
        Json::Whole(number) => number.to_string().into(),
        Json::Float(number) => number.to_string().into(),
        Json::String(text) => (**text).into(),
        _ => return None,
    };
    let right = (1..=ID_BYTES).contains(&text.len()) && !text.contains('\0');
    right.then_some(text)
}
