//! Orders and their items into their tables.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::payload::Jsonb;
use super::{Details, HASH_VERSION, Item, Order, Received, Row, read};
use crate::events::table::{Inserted, Stored, Target};
use crate::events::{ContentHash, EventKind as _, Reading};
use crate::pipeline::copy::BinaryCopy;
use crate::pipeline::decode::decode;

const ORDERS: Target = Target {
    table: "order_events",
    columns: "event_id, event_date, received_at, user_id, email, financial_status, currency, order_value, \
              total_discounts, total_tax, buyer_accepts_marketing, province, province_key, line_items, units, \
              content_hash, hash_version, payload",
    key: "event_id",
};

/// Inserts the orders that are not there yet, then the items of exactly those.
pub(super) async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<String>> {
    let mut copy = BinaryCopy::new(18);
    for row in rows {
        add(&mut copy, row)?;
    }
    match ORDERS.insert_new(conn, &copy).await? {
        Inserted::All => {
            copy_items(conn, rows.iter().copied()).await?;
            Ok(rows.iter().map(|row| Order::key(row)).collect())
        }
        Inserted::Only(ids) => {
            let new: HashSet<&str> = ids.iter().map(String::as_str).collect();
            copy_items(conn, rows.iter().copied().filter(|row| new.contains(&*row.received.order.event_id))).await?;
            Ok(ids)
        }
    }
}

fn add(copy: &mut BinaryCopy, row: &Row) -> sqlx::Result<()> {
    let Row { received: Received { order, payload }, received_at } = row;
    let Order { event_id, event_date, user_id, currency, order_value, total_discounts, total_tax, .. } = order;
    let Order { accepts_marketing, items, details: Details { email, financial_status, .. }, .. } = order;
    let units: i64 = items.iter().map(|item| i64::from(item.quantity)).sum();
    // At most 1000.
    let lines = i32::try_from(items.len()).unwrap_or(i32::MAX);
    let province = order.province();
    copy.row().value(event_id)?.value(event_date)?.value(received_at)?.value(user_id)?.value(email)?;
    copy.value(financial_status)?.value(currency)?.value(order_value)?.value(total_discounts)?.value(total_tax)?;
    copy.value(accepts_marketing)?.value(province)?.value(province.map(str::to_lowercase))?.value(lines)?;
    copy.value(units)?.value(order.hash().as_slice())?.value(HASH_VERSION)?.value(Jsonb(payload))?;
    Ok(())
}

/// No item can be there already: its order was inserted by this very transaction.
async fn copy_items(conn: &mut PgConnection, rows: impl Iterator<Item = &Row>) -> sqlx::Result<()> {
    let mut copy = BinaryCopy::new(4);
    for Row { received: Received { order, .. }, .. } in rows {
        for (line, Item { id, quantity }) in (1_i16..).zip(&order.items) {
            copy.row().value(&order.event_id)?.value(line)?.value(id)?.value(quantity)?;
        }
    }
    copy.send(conn, "COPY order_event_items (event_id, line, item_id, quantity) FROM STDIN (FORMAT binary)").await?;
    Ok(())
}

/// The hashes of stored orders. One hashed by an older version of the rules is read anew from its event.
pub(super) async fn stored(conn: &mut PgConnection, ids: &[String]) -> sqlx::Result<HashMap<String, ContentHash>> {
    let Stored { mut hashes, outdated } = ORDERS.stored(&mut *conn, ids, HASH_VERSION).await?;
    let events: Vec<(String, String, DateTime<Utc>)> = match outdated.is_empty() {
        true => Vec::new(),
        false => {
            let select = "SELECT event_id, payload::text, received_at FROM order_events WHERE event_id = ANY($1)";
            sqlx::query_as(select).bind(outdated).fetch_all(conn).await?
        }
    };
    for (id, payload, received_at) in events {
        // An event that is no order by today's rules has the content of none that is.
        hashes.insert(id, hash_event(payload, received_at).unwrap_or_default());
    }
    Ok(hashes)
}

fn hash_event(payload: String, received_at: DateTime<Utc>) -> Option<ContentHash> {
    let payload = Bytes::from(payload);
    let json = decode(&payload).ok()?;
    match read::read(&json, &payload, received_at) {
        Reading::Event(draft) => draft.event.map(|received| received.order.hash()),
        Reading::Ignored => None,
    }
}
