//! Stored orders, as they came.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::events::EventOf;
use super::parameters::Query;
use super::problem::Problem;
use super::{Api, List};
use crate::events::Order;

/// The bytes after which a page ends.
const PAGE_BYTES: i64 = 4 << 20;

/// What an item is.
type StoredOrder = EventOf<Order>;

/// A stored order, and how many are left from here on, as far as a page could hold them.
#[derive(sqlx::FromRow)]
struct Stored {
    ordered_at: DateTime<Utc>,
    event_id: String,
    payload: sqlx::types::Json<Box<RawValue>>,
    found: i64,
}

/// The order that a page ends with: its time in microseconds, and its id.
type Cursor = (i64, String);

/// Stored order events as they came, the newest first.
///
/// By `event_date`, or the time of receipt of an order that has none, then by event id, both falling. An item
/// is the JSON that came in: the same value, though not to the byte; of a field that stood twice, the last. A page ends after `limit` items, or with
/// the item that reaches 4 MiB. Orders that come in between two pages make no other appear twice, or not at all.
///
/// Browsers, and whoever else would rather have `text/html` than JSON, get an index of all endpoints. That one
/// is for everybody.
#[utoipa::path(
    get,
    path = "",
    tag = "Orders",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "Most items. Default: 100."),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before. Default: the first page."),
    ),
    responses((
        status = 200,
        description = "The orders",
        content(
            (List<StoredOrder> = "application/json", example = json!({"items": [{
                "event_type": "order.created", "event_id": "acfc2362-6359-49d9-a445-27314e2ff7e6",
                "event_date": "2020-07-12", "lovevery_user_id": "666", "email": "dan@example.com",
                "shipping_address": {"city": "Boise", "province": "Idaho", "country": "United States"},
                "currency": "USD", "order_value": 5.0, "buyer_accepts_marketing": true,
                "line_items": [{"quantity": "2", "id": "31244085395571"}],
            }], "next": null})),
            (String = "text/html", example = "<!doctype html>…<h1>Purser</h1>…"),
        ),
    )),
)]
pub(super) async fn newest(State(api): State<Api>, mut query: Query) -> Result<Json<List<Box<RawValue>>>, Problem> {
    let limit = query.whole("limit", 1..=1000).unwrap_or(100);
    let after = query.cursor(|cursor: &Cursor| instant(cursor).is_some() && !cursor.1.contains('\0'));
    query.finish()?;
    let (before, id) = after.map_or((None, None), |cursor| (instant(&cursor), Some(cursor.1)));
    let page = sqlx::query_as(PAGE).bind(before).bind(id).bind(limit).bind(PAGE_BYTES);
    Ok(Json(list(page.fetch_all(&api.pool).await?)))
}

fn list(page: Vec<Stored>) -> List<Box<RawValue>> {
    let kept = i64::try_from(page.len()).unwrap_or(i64::MAX);
    let last = page.last().filter(|last| last.found > kept);
    let next = last.map(|last| (last.ordered_at.timestamp_micros(), last.event_id.clone()));
    List::with_next(page.into_iter().map(|order| order.payload.0).collect(), next)
}

/// Within the years that Postgres knows.
fn instant((micros, _): &Cursor) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(*micros).filter(|instant| (1..=9999).contains(&chrono::Datelike::year(instant)))
}

const PAGE: &str = "
    WITH page AS MATERIALIZED (
        SELECT ordered_at, event_id, payload::text AS payload
        FROM order_events
        WHERE (ordered_at, event_id) < (coalesce($1, 'infinity'), coalesce($2, ''))
        ORDER BY ordered_at DESC, event_id DESC
        LIMIT $3 + 1
    ), measured AS (
        SELECT ordered_at, event_id, payload, count(*) OVER () AS found, row_number() OVER newest AS number,
               sum(octet_length(payload)) OVER newest - octet_length(payload) AS bytes_before
        FROM page
        WINDOW newest AS (ORDER BY ordered_at DESC, event_id DESC)
    )
    SELECT ordered_at, event_id, payload::json AS payload, found
    FROM measured
    WHERE number <= $3 AND bytes_before < $4
    ORDER BY number";
