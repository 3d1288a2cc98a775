//! Events into their table.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::{AbEvent, Row};
use crate::events::table::{Stored, Target};
use crate::events::{ContentHash, ContentHasher};
use crate::pipeline::copy::BinaryCopy;

const AB_EVENTS: Target = Target {
    table: "ab_events",
    columns: "id, occurred_at, received_at, user_id, account_type, event_type, order_value, version, country, gender, \
              content_hash, hash_version",
    key: "id",
};

/// The version of the rules by which [`content_hash`] normalises.
const HASH_VERSION: i16 = 1;

pub(super) fn content_hash(event: &AbEvent) -> ContentHash {
    let AbEvent { id: _, occurred_at, user_id, account_type, event_type, order_value, version } = event;
    let mut hash = ContentHasher::new(HASH_VERSION);
    hash.instant(*occurred_at).text(user_id).text(account_type).text(version);
    hash.optional(event_type.as_deref(), ContentHasher::text);
    hash.optional(*order_value, ContentHasher::decimal);
    hash.finish()
}

pub(super) async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<Uuid>> {
    let mut copy = BinaryCopy::new(12);
    for row in rows {
        let Row { event, received_at, shopper: _ } = row;
        let AbEvent { id, occurred_at, user_id, account_type, event_type, order_value, version } = event;
        copy.row().value(id)?.value(occurred_at)?.value(received_at)?.value(&**user_id)?.value(&**account_type)?;
        copy.value(event_type.as_deref())?.value(order_value)?.value(&**version)?;
        copy.value(row.country())?.value(row.gender())?;
        copy.value(content_hash(event).as_slice())?.value(HASH_VERSION)?;
    }
    Ok(AB_EVENTS.insert_new(conn, &copy).await?.keys(rows.iter().map(|row| row.event.id)))
}

/// The hashes of stored events. One hashed by an older version of the rules is hashed anew from its columns.
pub(super) async fn stored(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, ContentHash>> {
    let Stored { mut hashes, outdated } = AB_EVENTS.stored(&mut *conn, ids, HASH_VERSION).await?;
    if !outdated.is_empty() {
        let select = "SELECT id, occurred_at, user_id, account_type, event_type, order_value, version
                      FROM ab_events WHERE id = ANY($1)";
        let events: Vec<AbEvent> = sqlx::query_as(select).bind(outdated).fetch_all(conn).await?;
        hashes.extend(events.iter().map(|event| (event.id, content_hash(event))));
    }
    Ok(hashes)
}
