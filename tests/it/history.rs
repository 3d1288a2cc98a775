//! Views that were moved into the history: counted once, wherever they are, and known when they come again.

mod again;
mod removed;
mod verify;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use purser::intake::Origin;
use serde_json::Value;
use sqlx::PgConnection;

use crate::support::views::{batch, view};
use crate::support::{Rig, delivery_with, word};

/// Long ago enough to have been moved.
pub fn long_ago() -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(40)
}

/// Delivers a message with a view of each product, all from then, and says what became of them.
pub async fn deliver(rig: &Rig, message: &str, products: &[&str], at: DateTime<Utc>) -> String {
    let events: Vec<_> = products.iter().map(|product| view(product, at.timestamp_millis() as f64)).collect();
    deliver_events(rig, message, &events).await
}

/// The same of any events.
pub async fn deliver_events(rig: &Rig, message: &str, events: &[Value]) -> String {
    let (mut delivery, told) = delivery_with(message.to_owned(), batch(events).to_string().into(), Utc::now());
    if let Origin::PubSub { attributes, .. } = &mut delivery.origin {
        *attributes = BTreeMap::from([("platform".to_owned(), "iOS".to_owned())]);
    }
    word(&rig.decide_as("product_view", vec![(delivery, told)]).await[0])
}

/// Moves views of that product as `purser-history compact` does, into a file of this name, which nobody writes.
pub async fn move_out(conn: &mut PgConnection, product: &str, path: &str) {
    let moved = "WITH moved AS (
                     DELETE FROM product_views WHERE product = $1 RETURNING *
                 ), noted AS (
                     INSERT INTO moved_product_views SELECT id, received_at FROM moved
                 )
                 INSERT INTO history_files (path, platform, day, rows, bytes, first_at, last_at, ids)
                 SELECT $2, platform, (occurred_at AT TIME ZONE 'UTC')::date, count(*), 1, min(occurred_at),
                        max(occurred_at), min(id::text)::uuid
                 FROM moved GROUP BY 2, 3";
    let moved = sqlx::query(moved).bind(product).bind(path).execute(conn).await.unwrap();
    assert_eq!(moved.rows_affected(), 1, "all of one platform and day");
}
