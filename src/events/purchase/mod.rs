//! A purchase: who bought how many of which articles, and when.

mod derived;
mod forget;
mod insert;
mod sales;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{ContentHash, ContentHasher, Derived, Draft, EventKind, Reading, plausible};
use crate::database::Run;
use crate::domain::{Person, State};
use crate::expire::Aged;
use crate::intake::Delivery;
use crate::pipeline::check_references::{Article, Known, Reference};
use crate::pipeline::decode::Json;
use crate::pipeline::shape::{Object, Place};
use crate::pipeline::verdict::{RowId, Table, Violation};

/// The kind `purchase`.
#[derive(Debug)]
pub struct Purchase {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    user_id: Uuid,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    article_id: Uuid,
    quantity: i32,
}

/// A purchase with the state of its user, and the name and price of its articles at write time.
#[derive(Debug)]
pub struct Row {
    purchase: Purchase,
    received_at: DateTime<Utc>,
    state: Option<State>,
    /// One for each line.
    articles: Vec<Arc<Article>>,
}

/// The version of the rules by which [`EventKind::content_hash`] normalises.
const HASH_VERSION: i16 = 1;
/// The most lines of a cart.
const LINES: u64 = 1000;
/// The most of one article on a line.
const QUANTITY: i32 = 1_000_000;

/// Rows that may be removed for their age.
const OLD: Aged = Aged {
    kind: Purchase::NAME,
    table: "purchases",
    time: "occurred_at",
    only: "true",
    along: ", lines AS (DELETE FROM purchase_items AS item USING gone WHERE item.purchase_id = gone.id)",
};

impl EventKind for Purchase {
    const NAME: &'static str = "purchase";
    const TOPIC: &'static str = "purchases";
    const SUBSCRIPTION: &'static str = "purser-purchases";
    const FIELDS: &'static str = "`id_` (or `id`) and `user_id` are uuids; `timestamp` is ISO 8601, between the year \
        2000 and one day after it is sent, UTC where it names no zone; `cart` holds 1 to 1000 lines, each with an \
        `article_id` and a `quantity`, a whole number from 1 to 1,000,000. The user must be a row of `users`, the \
        articles rows of `articles`. Other fields are ignored.";
    const EXAMPLE: &'static str = r#"{"id_":"ae2e9931-7b10-4089-98a5-0aeba3d9fe6d","timestamp":"2026-11-21T10:13:54.170910Z",
        "user_id":"a853753d-171d-4c11-8163-8e69819261aa",
        "cart":[{"article_id":"128a98a8-00be-4b67-bc66-e27060a6da0c","quantity":3}]}"#;
    const NATURAL_KEY: bool = true;
    const TABLE: &'static str = "purchases";
    const DERIVED: &'static [Derived] = derived::DERIVED;

    type Key = Uuid;
    type Event = Purchase;
    type Row = Row;

    fn parse(json: &Json<'_>, delivery: &Delivery) -> Vec<Reading<Self>> {
        let mut draft = Draft { key: None, event: None, references: Vec::new(), violations: Vec::new() };
        let Draft { references, violations, .. } = &mut draft;
        if let Some(body) = Object::of(json, Place::ROOT, "a purchase", violations) {
            let id = body.uuid(id_field(body), violations);
            let occurred_at = body.instant("timestamp", plausible(delivery.published_at), violations);
            let user_id = refer(body, Table::Users, "user_id", references, violations);
            let lines = cart(body, references, violations);
            draft.key = id;
            draft.event = complete(id, occurred_at, user_id, lines).filter(|_| draft.violations.is_empty());
        }
        vec![Reading::Event(draft)]
    }

    fn keys(json: &Json<'_>, _position: u32) -> Vec<(&'static str, String)> {
        let ignored = &mut Vec::new();
        let Some(body) = Object::of(json, Place::ROOT, "a purchase", ignored) else { return Vec::new() };
        let fields = [("purchase_id", id_field(body)), ("user_id", "user_id")];
        let ids = fields.map(|(key, field)| body.uuid(field, ignored).map(|id| (key, id.to_string())));
        ids.into_iter().flatten().collect()
    }

    fn enrich(purchase: Purchase, received_at: DateTime<Utc>, known: &Known) -> Row {
        let state = known.user(&purchase.user_id).and_then(|user| user.state);
        let articles = purchase.lines.iter().filter_map(|line| known.article(&line.article_id).cloned()).collect();
        Row { purchase, received_at, state, articles }
    }

    fn key(row: &Row) -> Uuid {
        row.purchase.id
    }

    fn content_hash(row: &Row) -> ContentHash {
        let Purchase { id, occurred_at, user_id, lines } = &row.purchase;
        let lines = lines.iter().map(|line| (line.article_id, line.quantity));
        content_hash(*id, *occurred_at, *user_id, lines)
    }

    async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<Uuid>> {
        insert::insert(conn, rows).await
    }

    async fn stored(conn: &mut PgConnection, keys: &[Uuid]) -> sqlx::Result<HashMap<Uuid, ContentHash>> {
        insert::stored(conn, keys).await
    }

    fn occurred_at(row: &Row) -> DateTime<Utc> {
        row.purchase.occurred_at
    }

    async fn expire(pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
        OLD.expire(pool, before, run).await
    }

    async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
        forget::forget(pool, person, run).await
    }

    async fn roll_up(conn: &mut PgConnection, rows: &[&Row], shard: i16) -> sqlx::Result<()> {
        sales::roll_up(conn, rows, shard).await
    }
}

/// Hashes the normalised wire fields.
fn content_hash(
    id: Uuid,
    occurred_at: DateTime<Utc>,
    user_id: Uuid,
    lines: impl Iterator<Item = (Uuid, i32)>,
) -> ContentHash {
    let mut hash = ContentHasher::new(HASH_VERSION);
    hash.uuid(id).instant(occurred_at).uuid(user_id);
    for (article_id, quantity) in lines {
        hash.uuid(article_id).whole(quantity);
    }
    hash.finish()
}

/// Producers call it `id_`, files and imports `id` too.
fn id_field(body: Object<'_>) -> &'static str {
    if !body.has("id_") && body.has("id") { "id" } else { "id_" }
}

fn cart(body: Object<'_>, references: &mut Vec<Reference>, violations: &mut Vec<Violation>) -> Option<Vec<Line>> {
    let items = body.array("cart", "lines", (1, LINES), violations)?;
    references.reserve(items.len());
    let lines = items.iter().enumerate().map(|(index, item)| {
        let place = Place::element("cart", index);
        let line = Object::of(item, place, "a line {article_id, quantity}", violations)?;
        let article_id = refer(line, Table::Articles, "article_id", references, violations);
        let quantity = line.whole("quantity", (1, QUANTITY), violations);
        Some(Line { article_id: article_id?, quantity: quantity? })
    });
    // Every line is looked at, also after a broken one: `collect::<Option<_>>` would stop there.
    let lines: Vec<Option<Line>> = lines.collect();
    lines.into_iter().collect()
}

/// Reads a uuid that must name a row of `table`.
fn refer(
    object: Object<'_>,
    table: Table,
    field: &'static str,
    references: &mut Vec<Reference>,
    violations: &mut Vec<Violation>,
) -> Option<Uuid> {
    let id = object.uuid(field, violations)?;
    references.push(Reference { table, id: RowId::Uuid(id), place: object.place(), field });
    Some(id)
}

fn complete(
    id: Option<Uuid>,
    occurred_at: Option<DateTime<Utc>>,
    user_id: Option<Uuid>,
    lines: Option<Vec<Line>>,
) -> Option<Purchase> {
    Some(Purchase { id: id?, occurred_at: occurred_at?, user_id: user_id?, lines: lines? })
}
