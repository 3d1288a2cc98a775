//! Clicks into their table.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::{ClickEvent, HASH_VERSION, Row, lock, wire};
use crate::events::table::{Inserted, Stored, Target};
use crate::events::{ContentHash, EventKind as _};
use crate::pipeline::copy::BinaryCopy;
use crate::pipeline::decode::Json;
use crate::pipeline::shape::{Object, Place};

const CLICK_EVENTS: Target = Target {
    table: "click_events",
    columns: "id, type, customer_id, occurred_at, received_at, event, content_hash, hash_version",
    key: "id",
};

/// Inserts the clicks that are not there yet, holding the customers whose sessions they may change.
pub(super) async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<String>> {
    let customers = rows.iter().filter_map(|row| row.click.customer_id.as_deref()).collect();
    lock::hold(conn, &customers).await.map_err(about_no_row)?;
    let mut copy = BinaryCopy::new(8);
    for row in rows {
        let Row { click, received_at } = row;
        let ClickEvent { id, r#type, customer_id, occurred_at, page: _, referrer: _, event, content } = click;
        copy.row().value(id)?.value(r#type)?.value(customer_id)?.value(occurred_at)?.value(received_at)?;
        copy.json(event)?.value(content.as_slice())?.value(HASH_VERSION)?;
    }
    match CLICK_EVENTS.insert_new(conn, &copy).await? {
        Inserted::All => Ok(rows.iter().map(|row| ClickEvent::key(row)).collect()),
        Inserted::Only(ids) => {
            lock::let_go(conn, &customers).await.map_err(about_no_row)?;
            Ok(ids)
        }
    }
}

/// Whatever Postgres says of these statements is the fault of no click.
fn about_no_row(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Database(refused) => sqlx::Error::Protocol(refused.to_string()),
        other => other,
    }
}

/// The hashes of stored clicks. One hashed by an older version of the rules is hashed anew from its columns.
pub(super) async fn stored(conn: &mut PgConnection, ids: &[String]) -> sqlx::Result<HashMap<String, ContentHash>> {
    let Stored { mut hashes, outdated } = CLICK_EVENTS.stored(&mut *conn, ids, HASH_VERSION).await?;
    for id in outdated {
        let hash = hash_columns(conn, &id).await?;
        hashes.insert(id, hash);
    }
    Ok(hashes)
}

async fn hash_columns(conn: &mut PgConnection, id: &str) -> sqlx::Result<ContentHash> {
    let select = "SELECT type, occurred_at, customer_id, event::text FROM click_events WHERE id = $1";
    let (r#type, occurred_at, customer_id, event): (String, _, Option<String>, String) =
        sqlx::query_as(select).bind(id).fetch_one(conn).await?;
    let event: Json<'_> = serde_json::from_str(&event).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let event = Object::of(&event, Place::ROOT, "an object", &mut Vec::new());
    let event = event.ok_or_else(|| sqlx::Error::Decode("click_events.event is no object".into()))?;
    Ok(wire::content_hash(id, &r#type, occurred_at, customer_id.as_deref(), event))
}
